"""What to type where a table cannot be read as it is."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field

from emcli.data.table.cells import NumberFormat, Writing
from emcli.data.table.columns import columns_to_type
from emcli.data.table.faults import Incomplete
from emcli.data.table.partitions import is_folder
from emcli.data.table.table import ColumnSelection, FilePreamble
from emcli.errors import counted

_MAX_MARKS = 3  # different cells that are named as marks of missing ones
_MAX_MARK = 30  # characters of such a cell
_MUCH_LONGER = 60  # characters
_NAMES = {" ": "space"}
USE_THEM = "; --missing use fits what they have"


@dataclass
class Remedies:
    """Collects what would help with the problems of a table, and says it in one hint."""

    file: FilePreamble
    selection: ColumnSelection
    incomplete: Incomplete
    total: int  # rows
    drop: bool = False  # leave out rows with missing cells
    leave_out: list[int] = field(default_factory=list)  # columns
    row_names: bool = False  # is the first column one of row names?
    marks: list[str] = field(default_factory=list)  # cells to read as missing
    scripts: list[str] = field(default_factory=list)  # for sed
    comments: bool = False
    broken_lines: list[int] = field(default_factory=list)  # a few lines of another number of fields
    ragged: str | None = None  # where rows have another number of fields
    decimal: str = ""
    thousands: str = ""
    unsure: bool = False

    def add_writings(self, written: Sequence[Writing], decimal: str, thousands: str, unsure: bool) -> list[str]:
        """Words for how the numbers of a column are written, given what the marks mean in the table."""
        now = NumberFormat.of(self.file.dialect.decimal, self.file.dialect.thousands) or NumberFormat(".", None)
        words: dict[str, None] = {}
        for found in written:
            if found.decimal and found.decimal != now.decimal:
                if found.decimal == decimal:
                    words[f"decimal {'commas' if decimal == ',' else 'points'}"] = None
                    self.decimal, self.unsure = decimal, unsure
                elif found.unsure and found.decimal == thousands:
                    words["thousands separators"] = None
            if found.thousands and found.thousands != now.thousands and found.thousands == thousands:
                words["thousands separators"] = None
        if thousands and (words or any(found.thousands for found in written)):
            self.thousands = "" if thousands == now.thousands else thousands
            self.decimal = decimal if decimal and decimal != now.decimal else self.decimal
        for found in written:
            if found.affix:
                words[_sign(found)] = None
                self._add_script(_without(found))
            if found.minus == "()":
                words["brackets for a minus"] = None
                self._add_script(r"s/(\([^()]*[0-9][^()]*\))/-\1/g")
            elif found.minus:
                words[f"the minus sign U+{ord(found.minus):04X}"] = None
                self._add_script(f"s/{found.minus}/-/g")
        return list(words)

    def _add_script(self, script: str) -> None:
        if script not in self.scripts:
            self.scripts.append(script)

    def spare_rows(self) -> None:
        """Leave out columns, the emptiest first, where rows with missing cells are to be left out and all rows are."""
        choice = self.selection.choice
        while self.drop and choice and self.incomplete.without(self.leave_out) >= self.total > 1:
            column = self.incomplete.emptiest(self.leave_out)
            if column is None or len(set(choice.used).difference(self.leave_out, [column])) == 0:
                self.leave_out, self.drop = [], False  # no columns have a row in common
                return
            self.leave_out.append(column)
        self.drop = self.drop and self.incomplete.without(self.leave_out) > 0

    def hint(self) -> str | None:
        """One sentence, with options that can be typed as they stand; None where nothing is known to help."""
        options = self._options()
        typed = " ".join(options)
        edits = self.scripts or self.broken_lines
        if edits and (self.file.row_chunks is not None or is_folder(self.file.name)):
            return None  # of Parquet, or one of several files
        if edits:
            first = "mend the data, or " * bool(self.broken_lines)
            return f"{first}{self._cleaned()} and fit that{' with ' * bool(typed)}{typed}"
        if not options:
            return self.ragged
        if len(options) > 1 or self.leave_out or self.decimal or self.thousands:
            if self._names_marks and not self.leave_out:
                return f"mend the data, or leave out such rows with {typed}"
            if self.row_names:
                return f"row names, as R and pandas write them, are left out with {typed}"
            return f"try {typed}" + " (or --thousands , where the commas group digits)" * self.unsure
        if self.comments:
            return f"{typed} skips lines that begin with #"
        if self.file.dialect.missing != "error":
            return f"{typed} reads them as missing cells"
        fewer = f"{typed} leaves out {counted(self.incomplete.rows, 'row')} of {self.total}, those with missing values"
        return fewer + USE_THEM * (self.selection.choice is not None)

    def _options(self) -> list[str]:
        options = ["--comment '#'"] * self.comments
        options += self._choice()
        options += [f"--decimal {self.decimal}"] * bool(self.decimal)
        if self.thousands:
            mark = _NAMES.get(self.thousands, self.thousands)
            options.append(f"--thousands {shlex.quote(mark) if mark != chr(39) else chr(34) + mark + chr(34)}")
        if self._names_marks:
            options.append(f"--na {shlex.quote(','.join(dict.fromkeys(self.marks)))}")
        if (self.drop or self._names_marks) and self.file.dialect.missing == "error":
            options.append("--missing drop")
        return options

    @property
    def _names_marks(self) -> bool:
        """Are cells to be named as marks of missing ones: few, and easy to type?"""
        marks = dict.fromkeys(self.marks)
        easy = all(len(mark) <= _MAX_MARK and mark.isprintable() and not set(mark) & set(',"') for mark in marks)
        return 0 < len(marks) <= _MAX_MARKS and easy

    def _choice(self) -> list[str]:
        """The option that leaves columns out; --columns, which makes columns wanted ones, only where far shorter."""
        choice = self.selection.choice
        if choice is None or not self.leave_out:
            return []
        used = sorted(set(choice.used) - set(self.leave_out))
        if not used:
            return []
        out = sorted({*choice.excluded, *(c for c in self.leave_out if c in choice.used)})
        kept, gone = (columns_to_type(columns, self.file.header) for columns in (used, out))
        if choice.by_name or len(used) == 1 or len(gone) > len(kept) + _MUCH_LONGER:
            return [f"--columns {kept}"]
        return [f"--exclude {gone}"]

    def _cleaned(self) -> str:
        """A command that writes an edited copy of the file."""
        scripts = [*(f"{line}d" for line in self.broken_lines), *self.scripts]
        script, name = f"sed '{'; '.join(scripts)}'", self.file.name
        if name == "<stdin>":
            return f"pipe the data through {script}"
        stem, ending = os.path.splitext(os.path.basename(name))
        if unpack := {".gz": "zcat", ".zst": "zstdcat"}.get(ending.lower()):
            stem, ending = os.path.splitext(stem)
            return f"make a copy with {unpack} {shlex.quote(name)} | {script} > {shlex.quote(f'{stem}-clean{ending}')}"
        return f"make a copy with {script} {shlex.quote(name)} > {shlex.quote(f'{stem}-clean{ending}')}"


def _sign(found: Writing) -> str:
    if found.is_unit:
        return f"the unit {found.affix.strip()}"
    return "per cent signs" if found.affix.strip() in "%‰" else "currency signs"


def _without(found: Writing) -> str:
    """What sed does to take away a unit or sign; blanks that are no plain spaces may be no letters to it."""
    sign = re.sub(r"([]$.*^/\\[])", r"\\\1", found.affix.strip())
    if not found.affix.isprintable():
        return rf"s/\([0-9]\)[^0-9;,]*{sign}/\1/g; s/{sign}[^-+0-9]*\([-+0-9]\)/\1/g"
    return rf"s/\([0-9]\) *{sign}/\1/g" if found.is_unit else f"s/{sign} *//g"
