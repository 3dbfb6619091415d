"""One iteration of EM in numbers that can be followed: columns of tables, and the formulas that lead to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from math import isnan
from typing import Generic, Literal, Self, TypeVar

import numpy as np

from emcli.config.settings import ModelSettings
from emcli.data.rows import Rows
from emcli.frozen import frozen
from emcli.models.base import AnyModel
from emcli.models.statistics import Stats
from emcli.types import JSON, Array

MAX_NAMED = 6  # values of a row that are shown
MAX_SHOWN_COLUMNS = 3  # columns of the data up to which what happens in each of them is shown
Role = Literal[
    "parameter",
    "difference",  # of a value from a parameter
    "density",  # its natural logarithm, which does not underflow
    "joint",  # the same of a density times a weight
    "share",  # a responsibility
    "part",  # a responsibility times `factor`
    "sum",  # over all rows
    "mark",  # 1 where the component is pointed out, else 0: by the word `of`
]
M = TypeVar("M", bound=AnyModel)


@frozen
class Column:
    """A column of a table with a row for each component."""

    title: str
    cells: Sequence[float | None]  # (k,) None: nothing is said there
    role: Role = "sum"
    total: float | None = None  # of all components, shown under them
    factor: float = 1.0  # of a part
    scale: float = 0.0  # of a difference: the largest number that it is taken of
    slope: Sequence[float] = ()  # (k,) of a difference: how fast the next one, or ln(density), changes by it
    digits: Sequence[int] = ()  # of densities and joints, of each and of their total; of a difference its decimals
    of: str = ""  # of a parameter: the key of a document's parameters that it is of, or follows from
    held: Sequence[bool] = ()  # (k,) of a parameter before the step: it is held, which is said in place of a number

    def ordered(self, order: Sequence[int]) -> Self:
        """The components in another order."""
        return replace(
            self,
            cells=[self.cells[i] for i in order],
            slope=[self.slope[i] for i in order] if self.slope else (),
            held=[self.held[i] for i in order] if self.held else (),
            digits=[*(self.digits[i] for i in order), *self.digits[len(self.cells) :]]
            if len(self.digits) >= len(self.cells)
            else self.digits,
        )


Group = Sequence[Column]  # that follow from each other, and stay together where a table is cut


@frozen
class Sheet:
    """A table with a row for each component, and the formulas that it follows."""

    groups: Sequence[Group]
    formulas: Sequence[str] = ()
    lead: Group = ()  # columns that each part of it begins with, where it is cut

    def ordered(self, order: Sequence[int]) -> Self:
        """The components in another order."""
        groups = [[column.ordered(order) for column in group] for group in self.groups]
        return replace(self, groups=groups, lead=[column.ordered(order) for column in self.lead])


@frozen
class Worked:
    """What one row, or all of them, say: numbers in full for a document, and tables for people."""

    numbers: Mapping[str, Array]  # each (k, ...)
    sheets: Sequence[Sheet]
    about: str = ""  # of a row: its values
    values: Mapping[str, float] = field(default_factory=dict)  # of a row, by column
    notes: Mapping[int, str] = field(default_factory=dict)  # on single components, sentences about 'it'

    def ordered(self, order: Sequence[int]) -> Self:
        """The components in another order."""
        places = {old: new for new, old in enumerate(order)}
        return replace(
            self,
            numbers={key: np.asarray(array)[list(order)] for key, array in self.numbers.items()},
            sheets=[sheet.ordered(order) for sheet in self.sheets],
            notes={places[i]: note for i, note in self.notes.items()},
        )


class WorkedSteps(Generic[M]):
    """Shows the E-step and the M-step of a model in numbers; this one of any mixture, a subclass more of its own."""

    noun = "component"
    density = "density"
    e_title = "E-step: each row is shared out among the {noun}s, by how likely each makes it"
    m_title = "M-step: sums (Σ) over all {rows} rows, each with its responsibility (r)"

    def parameters(self, model: M, rows: Rows) -> Sheet:
        """The parameters, in the user's units."""
        table = model.table(model.to_original(rows.scaling).to_parameters(), rows.names, rows.total)
        columns = [(title, list(cells), "weights" if title == "weight" else "") for title, cells in table]
        return Sheet([[Column(title, cells, "parameter", of=of) for title, cells, of in columns if title != "rows"]])

    def e_step(self, model: M, rows: Rows) -> list[str]:
        """What the E-step does to each row, in formulas."""
        return self.share_formulas(model, rows)

    def share_formulas(self, model: M, rows: Rows) -> list[str]:
        """How responsibilities follow, and from all rows what is maximized."""
        found = [self.share_formula()]
        if rows.known is not None:
            found.append(f"  of a row whose {self.noun} is known: 1 of that {self.noun}, 0 of the others")
        found.append(self.score_formula())
        if getattr(model, "prior", None) is not None:
            found.append("log posterior = log-likelihood + ln of the prior density of the parameters")
        return found

    def share_formula(self) -> str:
        """How a responsibility follows."""
        return f"responsibility = {self.density} × weight / the sum of these over the {self.noun}s"

    def score_formula(self) -> str:
        """How the log-likelihood follows from all rows."""
        return "log-likelihood = the sum of ln(that sum) over all rows"

    def row(self, model: M, x: Array, rows: Rows, known: int | None = None) -> Worked:
        """What the E-step makes of one row (d, 1), which is known to come from a component, or not."""
        numbers, sheet = self.shared(model, x, rows, known)
        values = self.values(x, rows)
        return Worked(numbers, [sheet], self.about(values), values)

    def about(self, values: Mapping[str, float]) -> str:
        """The values of a row in words."""
        some = list(values.items())
        shown = ", ".join(f"{name} = {plain(value)}" for name, value in some[:MAX_NAMED])
        return shown + (f", … ({len(some)} columns)" if len(some) > MAX_NAMED else "")

    def values(self, x: Array, rows: Rows) -> dict[str, float]:
        """The values of a row (d, 1) in the user's units, by column."""
        return dict(zip(rows.names, rows.scaling.to_original(x[: len(rows.names), 0]).tolist(), strict=False))

    def log_densities(self, model: M, x: Array) -> Array:
        """ln of the density of each component (k,) at a row (d, 1), in working coordinates."""
        r, log_density = model.posterior(x)
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(r[:, 0]) + log_density - np.log(model.weights))

    def readable(self, settings: ModelSettings) -> ModelSettings:
        """Settings with which parameters are read that `rounded` has changed."""
        return settings

    def rounded(self, parameters: Mapping[str, JSON], key: str, digits: int) -> dict[str, JSON]:
        """Parameters, one kind of which has so many significant digits, as the tables show it."""
        return {**parameters, key: round_to(parameters[key], digits)}

    def shared(
        self,
        model: M,
        x: Array,
        rows: Rows,
        known: int | None,
        before: Group = (),
        parts: Mapping[str, float] | None = None,
    ) -> tuple[dict[str, Array], Sheet]:
        """Density, density times weight, and responsibility of each component for a row (d, 1).

        Of a component that is known to be the row's, the density times the weight is that of the row. `before` are
        columns that the density follows from; `parts` is what is shared out by the responsibilities.
        """
        k = len(model.weights)
        r = model.posterior(x)[0][:, 0] if known is None else np.eye(k)[known]
        logs = self.log_densities(model, x) + self._shift(x, rows)
        with np.errstate(divide="ignore"):
            joint = logs + np.log(model.weights)
        if known is None:
            cells: list[float | None] = joint.tolist()
            total = float(joint.max() + np.log(np.exp(joint - joint.max()).sum()))
        else:
            total = float(joint[known])
            cells = [total if j == known else None for j in range(k)]
        columns = [
            Column("× weight", cells, "joint", total),
            Column("responsibility", r.tolist(), "share", 1.0),
            *(Column(title, (r * each).tolist(), "part", each, each) for title, each in (parts or {}).items()),
        ]
        first = [*before, Column(self.density, logs.tolist(), "density")]
        with np.errstate(over="ignore"):
            found = {self.density: np.exp(logs), "log_" + self.density: logs, "responsibility": r}
        return found, Sheet([first, columns])

    @staticmethod
    def _shift(x: Array, rows: Rows) -> float:
        """What to add to ln of a density in working coordinates for one in the user's units, of observed cells."""
        if not np.isnan(x).any():
            return rows.scaling.log_density_shift()
        return float(-np.log(2.0) * rows.scaling.exponent[~np.isnan(x[:, 0])].sum())

    def sums(self, model: M, stats: Stats, improved: M, rows: Rows) -> Worked:
        """What the M-step makes of the sums over all rows: the parameters of `improved`."""
        before, after = (self.parameters(each, rows).groups[0] for each in (model, improved))
        groups = [
            [replace(new, title=f"new {new.title}"), replace(old, title="was")]
            for old, new in zip(before, after, strict=True)
        ]
        return Worked({}, [Sheet(groups, ["new parameters: the likeliest, with each row as its responsibilities say"])])

    def weights(self, model: M, sizes: Array, improved: M, rows: Rows) -> Sheet:
        """How the mixing weights follow from the sums of the responsibilities (k,); or that they stay."""
        k, fixed = len(model.weights), model.fixed
        if fixed is not None and fixed.all_weights:
            return Sheet([], ["the weights are held"])
        if not getattr(model, "free", True):
            return Sheet([], [f"the weights stay at 1/{k}: equal mixing"] if k > 1 else [])
        held = [] if fixed is None else (~np.isnan(fixed.weights)).tolist()
        formula = f"new weight = Σ r / {plain(rows.total)}"
        if any(held):
            formula = "new weight, where it is not held = (1 - those held) · Σ r / the sum of these Σ r"
        columns = [
            Column("Σ r", sizes.tolist(), total=rows.total),
            Column("new weight", improved.weights.tolist(), "parameter", 1.0, of="weights"),
            Column("was", model.weights.tolist(), "parameter", of="weights", held=held),
        ]
        return Sheet([columns], [formula])


def round_to(value: JSON, digits: int) -> JSON:
    """A number, or each of a nested list, with so many significant digits."""
    if isinstance(value, list):
        return [round_to(each, digits) for each in value]
    return float(f"{value:.{digits}g}") if isinstance(value, float) else value


def plain(value: float) -> str:
    """A value of the data as it was written, without noise of rounding; a question mark where it is missing."""
    if isnan(value):
        return "?"
    return f"{value:.0f}" if value == int(value) and abs(value) < 1e15 else f"{value:.15g}"
