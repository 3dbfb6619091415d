"""What a model brings besides its E-step and M-step: the columns it reads, its starts, how it is written down."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from emcli.compute import arrays
from emcli.data.duplicates import distinct, keys
from emcli.data.scaling import Frame
from emcli.errors import Caution
from emcli.inference.em import PIECE, Array, Batch, Map, Step, pieces
from emcli.output.plots.figure import Panel

SMALL = 4096  # rows that are told apart sooner without numpy's help
PLACES = 20  # bits of the number of places by which many different rows are told at once
BATCH, BATCHES = 65536, 16  # rows; batches of fewer rows, by whole pieces, as long as there are not so many of them


Total = Callable[[Callable[[Array, Sequence[list[str]], Array | None], Any]], Any]


class Share(float):
    """A fraction of the whole, shown to people in per cent."""


class Count(float):
    """A number of rows, perhaps of parts of rows, shown to people with one decimal."""


class ParameterFault(ValueError):
    """Given parameters that cannot be used; `path` leads to the one that is wrong, such as ("covariances", 1)."""

    def __init__(self, path: tuple[str | int, ...], what: str):
        self.path = path
        self.what = what
        self.place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")
        super().__init__(f"{self.place}: {what}" if path else what)


class RowFault(ValueError):
    """A row that this model cannot read: 0-based row, and which of the picked columns is to blame (None: the row)."""

    def __init__(self, row: int, column: int | None, what: str, hint: str | None = None):
        self.row, self.column, self.what, self.hint = row, column, what, hint
        super().__init__(what)


class DataFault(ValueError):
    """Data that cannot be fitted: `unusable` where they are invalid, else no fit of this model exists."""

    def __init__(self, what: str, hint: str | None = None, unusable: bool = True):
        self.hint, self.unusable = hint, unusable
        super().__init__(what)


@dataclass(frozen=True)
class Picked:
    """0-based columns of the file that a model reads, as numbers and as text."""

    numeric: tuple[int, ...]
    text: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Rows:
    """Data as a fit works on them; equal rows may be merged, with their frequency as weight."""

    values: Array  # (d, n) in working coordinates, one column of numbers a row of data
    weights: Array | None  # (n,); None when all are 1
    total: float  # sum of the weights
    names: tuple[str, ...]
    frame: Frame
    spread: Array | None = None  # (d, d) covariance of all rows in working coordinates, where the model needs it
    merged: npt.NDArray[np.intp] | None = None  # for each row of data its place in `values`; None: as they are
    cautions: tuple[Caution, ...] = ()

    @property
    def count(self) -> int:
        """How many rows there are, equal ones that are merged once."""
        return int(self.values.shape[1])

    @property
    def here(self) -> bool:
        """Are the rows in this process, so that `values` holds them all?"""
        return True

    def mapping(self, map: Map) -> Map:
        """The map to use over `batches`: the one at hand, unless the rows are elsewhere."""
        return map

    def head(self, size: int) -> Array:
        """The first rows (d, up to size)."""
        return self.values[:, :size]

    def at_hand(self) -> Rows | None:
        """The rows in this process; None where they are elsewhere and too many."""
        return self

    def redrawn(self, model: Any, rng: np.random.Generator) -> Rows:
        """As many rows drawn from a model, where these are."""
        drawn: Rows = model.redrawn(self, rng)
        return drawn

    def batches(self) -> list[Batch]:
        """The rows in slices whose size depends on nothing else: whoever adds them up, the sums are the same."""
        n = self.count
        size = min(BATCH, max(1, -(-n // (BATCHES * PIECE))) * PIECE)
        return list(pieces(self.values, self.weights, size))

    def has_more_distinct_than(self, limit: int) -> bool:
        """Are there more than `limit` different rows?"""
        head = self.values[:, : 2 * (limit + 1)]
        if head.shape[1] < SMALL:
            many = len(set(map(tuple, head.T.tolist()))) > limit
        else:
            many = _more_different(head, limit)
        return many or (head.shape != self.values.shape and distinct(self.values, limit) is None)

    def of_merged(self, each: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """What is the same for equal rows of data (n,), once for each column of `values`."""
        if self.merged is None:
            return each
        once = np.empty(self.values.shape[1], dtype=each.dtype)
        known = self.merged >= 0
        once[self.merged[known]] = each[known]
        return once

    def sample(self, size: int, rng: np.random.Generator) -> Rows:
        """Some of the rows, with their weights; all of them where there are no more than `size`."""
        if self.count <= size:
            return self
        drawn = np.sort(rng.choice(self.count, size, replace=False))
        weights = None if self.weights is None else arrays.taken(self.weights[None], drawn)[0]
        total = float(size) if weights is None else float(weights.sum())
        values = np.ascontiguousarray(arrays.taken(self.values, drawn))
        return replace(self, values=values, weights=weights, total=total)


def _more_different(values: Array, limit: int) -> bool:
    """Are there more than `limit` different rows among (d, n)? np.unique would first import numpy.ma."""
    numbers = keys(values)
    taken = np.zeros(1 << PLACES, dtype=bool)
    taken[numbers >> np.uint64(64 - PLACES)] = True
    if np.count_nonzero(taken) > limit:  # different rows may share a place, equal ones do
        return True
    numbers.sort()
    return int(np.count_nonzero(numbers[1:] != numbers[:-1])) >= limit


@dataclass(frozen=True)
class Predictor:
    """A fit applied to new rows."""

    textual: bool  # are the columns strings?
    # numbers (n, d) or texts to responsibilities (k, n) and, for each row, the measure below (n,)
    apply: Callable[[Array, Sequence[list[str]]], tuple[Array, Array]]
    components: int  # how many have a probability of their own; 0 where rows are assigned whole
    measure: str  # what stands in the last column: log_density, or the distance to the nearest centroid


class Family(Protocol):
    """One model as the rest of the program sees it. Parameters are plain dicts in the user's units."""

    name: str
    options: Mapping[str, object]  # the options that this model adds to the common ones, with their defaults
    fixed_point: str  # what it means that an iteration changed nothing
    hard: bool  # are rows assigned whole, so that the only end is a fixed point?

    def select(self, header: Sequence[str], find: Callable[[str], int], taken: set[int], settings: Any) -> Picked:
        """The columns to read; `find` resolves a name that the user gave, `taken` are columns with another role."""

    def rows(
        self, numbers: Array, texts: Sequence[list[str]], weights: Array | None, names: Sequence[str], settings: Any
    ) -> Rows:
        """Check and prepare the data. Raises RowFault, DataFault."""

    def across(self, total: Total, names: Sequence[str], settings: Any) -> Rows:
        """The same for data that lie in parts elsewhere: `total` adds up what a function says of each part's values,
        texts and weights. All but `values`, unless the rows that differ are few enough to be had here."""

    def placed(self, numbers: Array, weights: Array | None, like: Rows) -> Rows:
        """One part of the data as rows in the working coordinates that `across` found, where it left them scattered."""

    def draw(self, rows: Rows, settings: Any, rng: np.random.Generator) -> Iterator[Any]:
        """Endless candidates for a start in working coordinates; the best of some short runs is taken."""

    def steps(self, model: Any, rows: Rows, spread: Map) -> Iterator[Step]:
        """A stream of steps as em() gives, where rows are assigned whole."""

    def short_runs(self, settings: Any) -> tuple[int, int]:
        """How many candidates to try for each start, and for how many iterations."""

    def read(
        self, parameters: Mapping[str, Any], settings: Mapping[str, Any], k: int | None = None, rows: Rows | None = None
    ) -> Any:
        """A model in the user's units from given parameters, which must be of `k` components and fit the rows.

        With rows, missing weights are 1/k and missing spreads the data's. Raises ParameterFault.
        """

    def write(self, model: Any, stats: Any | None = None, rows: Rows | None = None) -> dict[str, Any]:
        """The parameters of a model in the user's units, as plain lists; with its E-step's stats, all of them."""

    def sampler(self, parameters: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
        """What draws rows from given parameters: has `weights` (k,) and `sample(labels, rng)`."""

    def inward(self, model: Any, rows: Rows) -> Any:
        """The model in working coordinates."""

    def outward(self, model: Any, rows: Rows) -> Any:
        """The model in the user's units."""

    def order(self, model: Any) -> npt.NDArray[np.intp]:
        """The canonical order of the components of a model in the user's units."""

    def measures(self, score: float, rows: Rows, k: int) -> tuple[float | None, float | None]:
        """Log-likelihood in nats with all constants, and inertia where the model has one, of a score."""

    def apart(self, one: Mapping[str, Any], other: Mapping[str, Any]) -> Array:
        """Distances (k, m) between the components of two sets of parameters, free of units: to match them."""

    def within(self, small: Mapping[str, Any], large: Mapping[str, Any]) -> bool:
        """Is every model of the small k, covariance and mixing also one of the large ones?"""

    def grown(self, model: Any, settings: Any, rows: Rows, step: float) -> Iterator[Any]:
        """Models of the settings' kind from a smaller one in working coordinates, its components split by `step` sds
        either way along their longest axes: the smaller the step, the closer to the score of the smaller model."""

    def table(self, parameters: Mapping[str, Any], names: Sequence[str], total: float) -> list[tuple[str, list[Any]]]:
        """The parameters as titled columns of k cells, for people; `total` is the weight of all rows."""

    def estimate(self, rows: Rows, members: Array, settings: Any) -> dict[str, Any]:
        """Parameters in the user's units from known memberships (k, n)."""

    def extras(self, rows: Rows) -> dict[str, Any]:
        """What else the document's `data` keeps."""

    def predictor(self, parameters: Mapping[str, Any], settings: Mapping[str, Any], names: Sequence[str]) -> Predictor:
        """What tells new rows' components, from a fit's parameters and the names of its columns."""

    def spurious(self, model: Any, stats: Callable[[], Any], rows: Rows) -> str | None:
        """What makes a fitted model an artefact of a few rows; stats() are those of its E-step."""

    def identical(self, model: Any) -> tuple[int, int] | None:
        """Two components that are the same for all purposes, if any are."""

    def unidentified(self, rows: Rows, settings: Any) -> str | None:
        """Why no data of this kind can tell that many components apart, where that is so."""

    def exact(self, rows: Rows, settings: Any) -> Any | None:
        """The best model of all in working coordinates, where it can be had directly."""

    def certificate(self, log_likelihood: float | None, rows: Rows, settings: Any) -> dict[str, float] | None:
        """What is known for certain of the best fit there can be, against a fit's log-likelihood."""

    def cautions(self, model: Any, stats: Any) -> list[Caution]:
        """What to say about the best fit."""

    def panels(
        self, path: Sequence[tuple[int, Any]], rows: Rows, assignments: Array, truth: Mapping[str, Any] | None
    ) -> list[list[Panel]]:
        """The rows and the model in pictures: `path` is iterations and models in the user's units, the last the fit;
        assignments (n,) are each row's component in it."""


def first_pair(alike: Callable[[int, int], Any], k: int) -> tuple[int, int] | None:
    """The first two of k components that are alike, if any are."""
    return next(((i, j) for i in range(k) for j in range(i + 1, k) if alike(i, j)), None)
