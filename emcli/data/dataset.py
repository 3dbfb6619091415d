"""Datasets: the columns of a table prepared as the rows of a fit, with every fault located in the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import field, replace
from functools import cached_property
from hashlib import sha256
from typing import NamedTuple, cast

import numpy as np

from emcli.compute import arrays
from emcli.compute.memory import require
from emcli.compute.threads import in_background, usable_cores
from emcli.config.settings import DataSettings
from emcli.data.identifiers import Tally, with_identifiers
from emcli.data.incomplete import missing_cells
from emcli.data.known import KnownLabels, with_known
from emcli.data.rows import BATCH_ROWS, Columns, DataFault, Observations, Requirements, Rows
from emcli.data.scaling import ScalingRule
from emcli.data.table.faults import RowFault, located
from emcli.data.table.partitions import is_parquet
from emcli.data.table.read import column_finder, read_table
from emcli.data.table.table import ColumnNumbers, ColumnSelection, CsvDialect, StringColumn, Table, numbers_of
from emcli.data.weights import WeightSums, weighted, with_weight_sums
from emcli.errors import EmcliError, Exit, FitWarning, Problem, listed, quoted
from emcli.files.inputs import name_in_results
from emcli.frozen import frozen
from emcli.types import Array, IndexArray

MAX_LABELS = 10_000  # different true labels, as many as a fit may have components
MAX_KEPT_BYTES = 1 << 24  # of rows that are kept in working coordinates for other fits of one table


@frozen
class Dataset:
    """Rows to fit and what the result document says of them."""

    rows: Rows
    source: str  # in documents: a path as typed if relative, its base name if absolute
    path: str  # in what people read: a path that they can open
    count: int  # rows read, without dropped ones
    dropped: int
    columns: tuple[str, ...]
    digest: Callable[[], str]  # sha256 of the values used, little-endian float64, row by row, then the weights
    labels: StringColumn | None  # true labels, one for each row
    row_weights: Array | None
    warnings: tuple[FitWarning, ...]
    column_numbers: ColumnNumbers = ()
    kept: IndexArray | None = None  # which rows of the table these are, without those of weight 0; None: all
    weightless: int = 0  # rows of weight 0
    missing: tuple[int, int] = (0, 0)  # cells that are missing, and the rows that miss some


class Scaled(NamedTuple):
    """Values by one rule of scaling, which fits of several models share."""

    rows: Rows
    digest: Callable[[], str]


@frozen
class RawTable:
    """The columns read for a model, before scaling and merging: one reading serves a whole grid of settings."""

    table: Table
    picked: ColumnSelection
    numbers: Array  # (n, d) without rows of weight 0
    weights: Array | None
    texts: list[StringColumn]
    labels: StringColumn | None
    kept: IndexArray | None  # which rows of the table these are
    known: KnownLabels | None = None  # components of some rows
    _scaled: dict[ScalingRule, Scaled] = field(default_factory=dict)

    @property
    def columns(self) -> int:
        """How many columns the model reads as numbers."""
        return int(self.numbers.shape[1])

    def description(self, settings: DataSettings) -> str:
        """How the file was read, in words: its delimiter and header, and the columns that are used and are not."""
        table, used, find = self.table, self.picked.columns, column_finder(self.table.header, self.table.source)
        roles = {"row weights": settings.row_weights, "true labels": settings.truth, "known labels": settings.known}
        named = {role: find(name) for role, name in roles.items() if name}
        others = [name for i, name in enumerate(table.header) if i not in (*used, *named.values())]
        dropped = f" ({table.dropped} more left out)" if table.dropped else ""
        text = [
            f"delimiter {quoted(table.delimiter)} ({'detected' if settings.delimiter is None else 'given'})",
            f"{'a' if table.has_header else 'no'} header ({'detected' if settings.header is None else 'given'})",
        ]
        return "; ".join(
            [
                f"read {len(self.numbers)} rows{dropped} from {table.source}",
                *([] if is_parquet(table.source) else text),
                f"columns used: {listed([table.header[i] for i in used])}",
                *(f"{role}: {listed([table.header[column]])}" for role, column in named.items()),
                *([f"not used: {listed(others)}"] if others else []),
            ]
        )

    def dataset(self, needs: Requirements, settings: DataSettings, jobs: int | None = None) -> Dataset:
        """The rows as a fit that needs this works on them. Raises EmcliError."""
        table, used = self.table, self.used
        columns = Columns(self.numbers, self.texts, self.weights, [table.header[i] for i in used])
        with self.faults_told():
            made = _prepared(columns, needs, settings, jobs, table.source, self.known, self._scaled)
        return replace(
            made,
            labels=self.labels,
            dropped=table.dropped,
            warnings=self._warnings(needs.observations, settings) + made.warnings,
            kept=self.kept,
            missing=missing_cells(self.numbers) if settings.missing == "use" else (0, 0),
            weightless=len(table.numbers) - len(self.numbers),
            column_numbers=numbers_of(used, table.header),
        )

    @property
    def used(self) -> tuple[int, ...]:
        """Where the columns that the model reads stand in the table, numbers before texts."""
        return self.picked.numeric + self.picked.text

    @contextmanager
    def faults_told(self) -> Iterator[None]:
        """Raise EmcliError for what a model cannot use: for rows with their places in the file."""
        try:
            yield
        except RowFault as fault:
            raise located(fault, self.table, self.used, self.kept) from None
        except DataFault as fault:
            raise unfit(fault, self.table.source) from None

    @cached_property
    def tally(self) -> Tally:
        """What tells which columns number the rows."""
        return Tally.of(self.numbers)

    def _warnings(self, observations: Observations, settings: DataSettings) -> tuple[FitWarning, ...]:
        """Those of the table, and one of the columns that number the rows."""
        table = self.table
        if not observations.are_measured:
            return table.warnings
        left_out = table.dropped + len(table.numbers) - len(self.numbers)
        columns, header, has_header = self.picked.numeric, table.header, table.has_header
        return with_identifiers(table.warnings, self.tally, columns, header, has_header, settings, left_out)


def read(source: str, observations: Observations, settings: DataSettings, jobs: int | None = None) -> RawTable:
    """Read the columns that the settings name, once. Raises EmcliError."""
    roles: dict[str, int] = {}
    picked = ColumnSelection(())

    def choose(header: tuple[str, ...], shown: str, has_header: bool) -> ColumnSelection:
        nonlocal picked
        find = column_finder(header, shown)
        named = {"row_weights": settings.row_weights, "truth": settings.truth, "known": settings.known}
        roles.update({key: find(name) for key, name in named.items() if name})
        picked = pick(observations, header, shown, settings, set(roles.values()))
        numeric = picked.numeric + ((roles["row_weights"],) if "row_weights" in roles else ())
        labels = tuple(roles[role] for role in ("truth", "known") if role in roles)
        required = numeric[len(picked.numeric) :]
        return replace(picked, numeric=numeric, text=picked.text + labels, required=required)

    arrays.keep_within(settings.memory)
    dialect = CsvDialect(
        delimiter=settings.delimiter,
        header=settings.header,
        comment=settings.comment,
        missing=settings.missing,
        na=settings.na,
        decimal=settings.decimal,
        thousands=settings.thousands,
        skip=settings.skip,
        jobs=jobs,
    )
    table = read_table(source, dialect, choose)
    texts = cast("list[StringColumn]", list(table.texts))
    named = texts.pop() if "known" in roles else None
    numbers, weights, texts, labels, kept = _by_role(table, texts, roles)
    if labels is not None and labels.is_blank:
        what = f"column {quoted(table.header[roles['truth']])} has no true label, only empty cells"
        raise EmcliError(Exit.DATA, Problem(what, table.source))
    if picked.constant is not None:
        numbers = arrays.beside(numbers, picked.constant)
    known = None
    if named is not None:
        try:
            seen = named if kept is None else named.take(kept)
            known = KnownLabels.of(seen, table.header[roles["known"]], settings.na)
        except DataFault as fault:
            raise unfit(fault, table.source) from None
    return RawTable(table, picked, numbers, weights, texts, labels, kept, known)


def pick(
    observations: Observations,
    header: Sequence[str],
    shown: str,
    settings: DataSettings,
    taken: AbstractSet[int] = frozenset(),
) -> ColumnSelection:
    """The columns that the model reads, apart from those `taken`. Raises EmcliError."""
    try:
        return observations.select(header, column_finder(header, shown), taken, settings)
    except DataFault as fault:
        raise unfit(fault, shown) from None


def _by_role(
    table: Table, texts: list[StringColumn], roles: dict[str, int]
) -> tuple[Array, Array | None, list[StringColumn], StringColumn | None, IndexArray | None]:
    """Values (n, d), weights (n,), texts and labels without rows of weight 0, and which rows of the table these are."""
    numbers = table.numbers
    labels = texts.pop() if "truth" in roles else None
    if labels is not None and labels.different > MAX_LABELS:
        what = f"more than {MAX_LABELS} different true labels in column {quoted(table.header[roles['truth']])}"
        raise EmcliError(Exit.DATA, Problem(what, table.source), hint="--truth names a column of groups")
    if "row_weights" not in roles:
        return numbers, None, texts, labels, None
    return weighted(numbers, texts, labels, table, roles["row_weights"])


def prepare(
    columns: Columns, needs: Requirements, settings: DataSettings, jobs: int | None = None, source: str = ""
) -> Dataset:
    """A dataset of rows that were drawn. Raises EmcliError."""
    try:
        return _prepared(columns, needs, settings, jobs, source, None, {})
    except RowFault as fault:
        raise unfit(DataFault(f"row {fault.rows[0].row + 1}: {fault}", fault.hint), source) from None
    except DataFault as wrong:
        raise unfit(wrong, source) from None


def _prepared(
    columns: Columns,
    needs: Requirements,
    settings: DataSettings,
    jobs: int | None,
    source: str,
    known: KnownLabels | None,
    scaled: dict[ScalingRule, Scaled],
) -> Dataset:
    """A dataset of values at hand, or `scaled` before. Raises RowFault, DataFault."""
    numbers, weights = columns.numbers, columns.weights
    if not numbers.flags.c_contiguous or numbers.dtype != np.dtype("<f8"):
        columns = columns._replace(numbers=arrays.copy_rows(numbers))
    _afford(numbers.shape[0], numbers.shape[1], needs, jobs, source)
    rows, digest = _scaled(columns, needs, settings, jobs, scaled)
    rows = needs.check(rows if known is None else with_known(rows, known, weights, needs.k))
    rows = with_weight_sums(rows, None if weights is None else WeightSums.of(weights))
    named, names = name_in_results(source), tuple(columns.names)
    sha256_of = digest if known is None else lambda: known.digest(digest())
    return Dataset(rows, named, source, columns.row_count, 0, names, sha256_of, None, weights, rows.warnings)


def _scaled(
    columns: Columns, needs: Requirements, settings: DataSettings, jobs: int | None, before: dict[ScalingRule, Scaled]
) -> Scaled:
    """Values by the rule of a fit: made before, if surely of rows enough for its k. Raises RowFault, DataFault."""
    found = before.get(needs.rule)
    if found is not None and needs.k <= found.rows.count:
        return found
    threads = 1 if len(columns.numbers) < BATCH_ROWS else usable_cores(jobs)
    digest = in_background(digest_of, columns.numbers, columns.texts, columns.weights, threads=threads)
    found = Scaled(needs.observations.prepare(columns, needs.k, needs.rule, settings), digest)
    if found.rows.values.nbytes <= MAX_KEPT_BYTES:
        before[needs.rule] = found
    return found


def unfit(fault: DataFault, source: str) -> EmcliError:
    """The error for data that cannot be fitted."""
    return EmcliError(Exit.DATA if fault.unusable else Exit.NO_FIT, Problem(str(fault), source), hint=fault.hint)


def digest_of(numbers: Array, texts: Sequence[Sequence[str]], weights: Array | None) -> str:
    """The sha256 of values (n, d), texts and weights (n,)."""
    digest = sha256(np.ascontiguousarray(numbers, dtype="<f8").reshape(-1))  # type: ignore[arg-type]  # its bytes
    for text in texts:
        for some in arrays.row_chunks(len(text)):
            digest.update(("\n" * (some.start > 0) + "\n".join(text[some])).encode())
    if weights is not None:
        digest.update(np.ascontiguousarray(weights, dtype="<f8"))  # type: ignore[arg-type]
    return digest.hexdigest()


def _afford(n: int, d: int, needs: Requirements, jobs: int | None, source: str) -> None:
    """Refuse a fit whose matrices would not fit in memory: a batch for each thread, and covariances."""
    batch = min(n, BATCH_ROWS) * min(needs.k, n) * (d + 2)
    # Of the eight matrices of each component six are its document's.
    matrices = (8 * needs.k + 6) * d * d if needs.writes_matrices else 0
    table = 0 if arrays.too_large(8 * n * d) else 2 * n * d
    need = 8 * (3 * batch * max(1, min(jobs or 1, n // BATCH_ROWS)) + matrices + table)
    require(need, f"k={needs.k} components of {d} columns", source)
