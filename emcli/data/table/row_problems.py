"""The rows and cells of a table that cannot be read: a line for each, one for a column of the same, and a hint."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from math import isfinite
from typing import TYPE_CHECKING

from emcli.data.table.cells import MissingMarks, NumberFormat, Writings, is_not_finite, is_number, writing
from emcli.data.table.faults import MAX_SHOWN, Cell, ColumnFaults, Incomplete
from emcli.data.table.table import ColumnSelection, FilePreamble
from emcli.errors import EmcliError, Exit, FitWarning, Problem, counted, quoted

if TYPE_CHECKING:
    from emcli.data.table.remedies import Remedies

_MANY_ROWS = 10  # from which a column may be called mostly empty
_HARDLY = 0.1  # share of values, below which it is
_is_excel_error = re.compile("#[A-Z0/]+[!?]?").fullmatch


def dropped_rows(count: int, missing: str = "drop") -> FitWarning:
    """The warning that rows were left out; where those with missing cells are used, they have no others."""
    which = "without any value" if missing == "use" else "with missing values"
    return FitWarning("dropped-rows", f"{counted(count, 'row')} {which} left out")


class RowProblems:
    """Collects the first problems of a table and counts all; also counts the rows that are left out."""

    def __init__(self, file: FilePreamble, selection: ColumnSelection) -> None:
        self._file, self._header, self._dialect = file, file.header, file.dialect
        self._selection, self._complete = selection, selection.complete
        self._used = (*selection.numeric, *selection.complete)
        self._keeps = file.dialect.missing == "keep" or (file.dialect.missing == "use" and file.dialect.empty_rows)
        self._measured = set(selection.numeric).difference(selection.required)
        self._missing = MissingMarks(file.dialect.na)
        self._format = NumberFormat.of(file.dialect.decimal, file.dialect.thousands)
        self._columns: dict[int, ColumnFaults] = {}
        self._writings = Writings()
        self._order = 0  # of the next problem
        self._rows = 0  # that cannot be read
        self._incomplete = Incomplete()
        self._empty = 0  # rows without any number, where those with some are used
        self._comments = 0  # rows that begin with #
        self._ragged: list[tuple[int, Problem]] = []  # the first rows of another number of fields
        self._ragged_count, self._ragged_comments = 0, 0
        self._can_cut = True  # is each of those one line of the one file?
        # Text in the first row: its file, line and cells, and columns in which it has none.
        self._units: tuple[str, int, dict[int, str], list[int]] | None = None

    def __bool__(self) -> bool:
        return bool(self._order or self._rows)

    @property
    def dropped(self) -> int:
        """Rows left out because of missing cells."""
        return self._incomplete.rows if self._dialect.missing == "drop" else self._empty

    def add_cells(self, name: str, line: int, fields: Sequence[str], is_first: bool = False) -> bool:
        """A row of which some cell that is to be a number is none, or is missing; is it to be kept nevertheless?

        `is_first`: it comes first after the header.
        """
        self._rows += 1
        before = self._order
        is_comment = self._may_be_comment(fields[0])
        self._comments += is_comment
        missing, has_number, text = list[int](), False, dict[int, str]()
        for column in self._used:
            cell = fields[column]
            plain = self._format.plain(cell) if self._format else cell
            if self._missing.has(cell, plain):
                missing.append(column)
                self._add(column, "missing", name, line, cell)
            elif column in self._complete:
                continue
            elif is_number(plain) or is_not_finite(cell):
                has_number = True
                if self._rows <= 1000 and (found := writing(cell)):  # they tell what commas and points mean
                    self._writings.add(found)
                if not isfinite(float(plain or cell)):
                    self._add(column, "infinite", name, line, cell)
            elif found := writing(cell):
                has_number = True
                self._writings.add(found)
                faults = self._add(column, "unit" if found.is_unit else "written", name, line, cell)
                if len(faults.writings) < MAX_SHOWN and found not in faults.writings:
                    faults.writings.append(found)
            else:
                text[column] = cell
                faults = self._add(column, "comment" if is_comment else "text", name, line, cell)
                if len(faults.texts) < MAX_SHOWN and cell not in faults.texts:
                    faults.texts.append(cell)
        if missing:
            self._incomplete.add(missing)
            self._empty += self._dialect.missing == "use" and self._order == before and not self._keeps
        if is_first and text and not (has_number or is_comment) and self._dialect.header:
            self._units = (name, line, text, missing)
        keeps = bool(missing) and self._keeps and self._order == before
        self._rows -= keeps
        return keeps

    def _refuses_missing(self, column: int) -> bool:
        """Is a missing cell of this column an error?"""
        return self._dialect.missing == "error" or (self._dialect.missing == "use" and column not in self._measured)

    def may_miss(self, columns: Sequence[int]) -> bool:
        """May a row miss these cells and be used?"""
        return self._measured.issuperset(columns) and not self._measured.issubset(columns)

    def add_gaps(self, columns: Sequence[int]) -> None:
        """A row that is used, though it misses cells of some columns."""
        self._incomplete.add(columns)
        for column in columns:
            faults = self._columns.get(column) or self._columns.setdefault(column, ColumnFaults())
            faults.count["missing"] = faults.count.get("missing", 0) + 1

    def _may_be_comment(self, first: str) -> bool:
        """May a row that begins with this cell be a comment, or be under one that was taken for a header?"""
        if not first.startswith("#") and (len(self._header) > 1 or not self._header[0].startswith("#")):
            return False
        return self._looks_like_comment(first, self._header[0] if len(self._header) == 1 else "")

    def _add(self, column: int, kind: str, name: str, line: int, cell: str) -> ColumnFaults:
        faults = self._columns.get(column) or self._columns.setdefault(column, ColumnFaults())
        faults.count[kind] = faults.count.get(kind, 0) + 1
        cells = faults.cells.setdefault(kind, [])
        if len(cells) < (MAX_SHOWN + 1 if len(self._columns) <= 1000 else 1):
            cells.append(Cell(self._order, name, line, cell))
        if kind != "missing" or self._refuses_missing(column):
            self._order += 1
        return faults

    def add_ragged(self, name: str, line: int, fields: Sequence[str]) -> None:
        """A row that has another number of fields than the header."""
        self._rows += 1
        self._ragged_count += 1
        self._can_cut &= not any("\n" in field for field in fields) and name == self._file.name
        self._ragged_comments += self._looks_like_comment(self._header[0], fields[0])
        if len(self._ragged) < MAX_SHOWN:
            what = f"{counted(len(fields), 'field')}, expected {len(self._header)}"
            self._ragged.append((self._order, Problem(what, name, line)))
        self._order += 1

    def _looks_like_comment(self, *texts: str) -> bool:
        starts = (text for text in texts if text.startswith("#"))
        return self._dialect.comment is None and any(not _is_excel_error(text) for text in starts)

    def check(self, good_rows: int) -> None:
        """Raise EmcliError, exit 3, if there are any, beside so many rows that were read."""
        if not self._order:
            return
        from emcli.data.table.remedies import Remedies

        total = good_rows + self._rows
        remedies = Remedies(self._file, self._selection, self._incomplete, total)
        count, lines = self._ragged_count, list(self._ragged)
        if self._ragged_count:
            remedies.ragged = self._file.ragged_hint
            remedies.comments = self._ragged_comments > 0
            lines_known = self._can_cut and not (remedies.ragged or remedies.comments)
            if lines_known and self._ragged_count <= min(MAX_SHOWN, total / 3):
                remedies.broken_lines += [problem.line or 0 for _, problem in self._ragged]
        if self._units is not None and total > 2:
            lines += self._units_row(remedies, total)
            count += len(lines) - len(self._ragged)
        for column, faults in self._columns.items():
            for number, shown in self._lines(column, faults, total, remedies):
                lines += shown[:MAX_SHOWN]
                count += number
        remedies.spare_rows()
        first = [problem for _, problem in sorted(lines, key=lambda each: each[0])[:MAX_SHOWN]]
        raise EmcliError(Exit.DATA, *first, hint=remedies.hint(), unsaid=count - len(first))

    def no_rows_hint(self) -> str | None:
        """What to type where every row has a missing cell."""
        from emcli.data.table.remedies import Remedies

        remedies = Remedies(self._file, self._selection, self._incomplete, self._rows, drop=True)
        remedies.spare_rows()
        return remedies.hint()

    def _units_row(self, remedies: Remedies, total: int) -> Iterator[tuple[int, Problem]]:
        """The line about a first row of text under the header; its cells are forgotten, but for columns of text."""
        assert self._units is not None
        name, line, texts, missing = self._units
        columns = [c for c in texts if not self._is_text(self._columns[c], total) and self._is_once(c, texts[c])]
        if not columns:
            return
        order = self._columns[columns[0]].cells["text"][0].order
        for kind, some in (("text", columns), ("missing", missing)):
            for column in some:
                self._columns[column].forget_first(kind)
        if missing:
            self._incomplete.add(missing, -1)
        remedies.scripts.append(f"{line}d")
        listed = ", ".join(quoted(texts[column]) for column in columns[:3]) + ", …" * (len(columns) > 3)
        yield order, Problem(f"units or a second header, not a row of numbers ({listed})", name, line)

    def _is_once(self, column: int, text: str) -> bool:
        """Is a text only in the first row of a column, as far as cells are kept?"""
        return [cell.text for cell in self._columns[column].cells["text"]].count(text) == 1

    def _is_text(self, faults: ColumnFaults, total: int) -> bool:
        """Are most cells of a column text?"""
        filled = total - faults.of("missing")
        units = 0 if self._has_unit(faults, filled) else faults.of("unit")
        words = faults.of("text") + units + faults.of("comment") * self._are_labels(total)
        return words > 1 and 2 * words > filled

    def _are_labels(self, total: int) -> bool:
        """Do so many rows begin with # that they are no comments?"""
        return 2 * self._comments > total and not self._looks_like_comment(self._header[0])

    def _has_unit(self, faults: ColumnFaults, filled: int) -> bool:
        """Have most cells of a column the same unit?"""
        return 2 * faults.of("unit") > filled > 1 and len({found.affix for found in faults.writings}) == 1

    def _lines(
        self, column: int, faults: ColumnFaults, total: int, remedies: Remedies
    ) -> Iterator[tuple[int, list[tuple[int, Problem]]]]:
        """How many lines there are about a column, by kind, and the first of them; and what to do is added."""
        name, filled = quoted(self._header[column]), total - faults.of("missing")
        at = column + 1

        def one(what: str, *kinds: str) -> tuple[int, list[tuple[int, Problem]]]:
            cell = faults.first(*kinds)[0]
            more = f" and {faults.of(*kinds) - 1} more" * (faults.of(*kinds) > 1)
            what = f"column {name} {what} ({quoted(cell.text)} on line {cell.line}{more})"
            return 1, [(cell.order, Problem(what, cell.name, cell.line, at))]

        def each(what: str, *kinds: str) -> tuple[int, list[tuple[int, Problem]]]:
            shown = [(c.order, Problem(what.format(quoted(c.text)), c.name, c.line, at)) for c in faults.first(*kinds)]
            return faults.of(*kinds), shown

        words = ["text"]
        words += ["comment"] * self._are_labels(total)
        if not self._has_unit(faults, filled):
            words.append("unit")
        braces = name.replace("{", "{{").replace("}", "}}")
        if self._refuses_missing(column) and faults.of("missing"):
            missing = faults.first("missing")[0]
            if (not filled and total > 1) or (total >= _MANY_ROWS and filled < _HARDLY * total):
                remedies.leave_out.append(column)
                extent = f"is mostly empty: {faults.of('missing')} of {total} values are missing"
                what = f"column {name} {extent if filled else 'is empty'}"
                yield 1, [(missing.order, Problem(what, missing.name, missing.line, at))]
            else:
                remedies.drop = True
                yield each(f"missing value in column {braces}", "missing")
        if faults.of("infinite"):
            remedies.marks += [cell.text for cell in faults.first("infinite")]
            yield each(f"value is not finite in column {braces}, got {{}}", "infinite")
        said = self._how_written(faults, remedies, with_unit="unit" not in words)
        if said is not None:
            yield one(f"has {said}", "written", *(["unit"] if "unit" not in words else []))
        else:
            words.append("written")
        if faults.of(*words):
            if self._is_text(faults, total):
                remedies.leave_out.append(column)
                remedies.row_names |= column == 0 and self._header[0] == "1"
                yield one("is text", *words)
            else:
                if faults.of(*words) == filled:
                    remedies.leave_out.append(column)
                else:
                    remedies.marks += faults.texts or [cell.text for cell in faults.first(*words)]
                yield each(f"cannot read {{}} as a number in column {braces}", *words)
        if faults.of("comment") and "comment" not in words:
            remedies.comments = True
            yield each(f"cannot read {{}} as a number in column {braces}", "comment")

    def _how_written(self, faults: ColumnFaults, remedies: Remedies, with_unit: bool) -> str | None:
        """What is odd about the numbers of a column, in words; None where nothing is that has a remedy."""
        written = [found for found in faults.writings if with_unit or not found.is_unit]
        if not written:
            return None
        decimal, thousands, unsure = self._writings.marks(self._dialect.delimiter or ",")
        words = remedies.add_writings(written, decimal, thousands, unsure)
        return None if not words else " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
