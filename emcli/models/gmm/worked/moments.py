"""How the means and covariances of a Gaussian mixture follow from the sums of an M-step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Self

import numpy as np

from emcli.data.rows import Rows
from emcli.errors import escaped
from emcli.models.gmm.covariance import Diagonal, Full, Spherical
from emcli.models.gmm.mixture import GaussianMixture
from emcli.models.gmm.prior import GaussianPrior
from emcli.models.gmm.values import GaussianStats
from emcli.models.worked import Column, Group, Sheet, plain
from emcli.types import Array, BoolArray

MAX_NAME = 12  # characters of a column's name in formulas and titles


@dataclass(frozen=True, eq=False)
class Moments:
    """Sums over rows in the user's units, and mixtures before and after the M-step."""

    rows: Rows
    before: GaussianMixture
    after: GaussianMixture
    sizes: Array  # (k,) Σ r
    sums: Array  # (k, d) Σ r x
    scatter: Array  # (k, d, d) of products of deviations from the new means
    slopes: Array  # (k, d, d) of a free coordinate of a mean (row) on those that are held; NaN of all others

    @classmethod
    def of(cls, model: GaussianMixture, stats: GaussianStats, improved: GaussianMixture, rows: Rows) -> Self:
        """From statistics around the means of `model`, in working coordinates."""
        before, after = (each.to_original(rows.scaling) for each in (model, improved))
        sizes, shift = stats.rows, stats.first / stats.rows[:, None]
        sums = sizes[:, None] * rows.scaling.to_original(model.means + model.covariances.unwhiten(shift))
        exponent = rows.scaling.exponent
        scatter = model.covariances.scatter(sizes, shift, stats.second)
        if model.prior is not None or model.fixed is not None:  # the new means are not those of the rows
            away = model.means - improved.means + model.covariances.unwhiten(shift)
            outer = sizes[:, None, None] * away[:, :, None] * away[:, None, :]
            scatter = scatter + (outer if correlates(model) else outer * np.eye(len(exponent)))
        with np.errstate(over="ignore"):  # where they leave the range of doubles they are infinite
            products = np.ldexp(scatter, exponent[:, None] + exponent)
        slopes = np.ldexp(_slopes(model, stats), exponent[:, None] - exponent)
        return cls(rows, before, after, sizes, sums, products, slopes)

    def numbers(self) -> dict[str, Array]:
        """The sums, for a document."""
        return {"responsibilities": self.sizes, "values": self.sums, "products_of_deviations": self.scatter}

    def sheets(self) -> list[Sheet]:
        """The tables of the means, variances and covariances."""
        return [*self.means(), *self._deviations()]

    @property
    def names(self) -> list[str]:
        """The columns, as titles say them."""
        return names_of(self.rows)

    @property
    def lead(self) -> list[Column]:
        """What a table of each component begins with."""
        return [Column("Σ r", self.sizes.tolist())]

    @property
    def prior(self) -> GaussianPrior | None:
        """The prior, in the user's units."""
        return self.after.prior

    def pseudo_products(self) -> Array:
        """What the pseudo rows of the prior add to the products of deviations, (k, d, d)."""
        assert self.prior is not None
        away = (self.prior.centre - self.after.means) + self.prior.offset
        scatter = self.prior.scatter
        products = self.prior.shrinkage * away[:, :, None] * away[:, None, :]
        return np.asarray(products + (scatter if scatter.ndim == 2 else np.diag(scatter)))

    def _held_means(self, j: int) -> Sequence[bool]:
        fixed = self.after.fixed
        return () if fixed is None else (~np.isnan(fixed.values[:, j])).tolist()

    def _held_covariances(self, j: int) -> Sequence[bool]:
        """Of which components the variance of a column is held."""
        fixed = self.after.fixed
        if fixed is None:
            return ()
        held: BoolArray = fixed.held if fixed.held.ndim == 1 else fixed.held[:, j]
        return held.tolist()  # type: ignore[no-any-return]

    def means(self) -> list[Sheet]:
        """How the means follow from the weighted sums of the values."""
        one, names = len(self.names) == 1, self.names
        value = names[0] if one else "x"
        groups: list[Group] = []
        said = [f"new mean = Σ r·{value} / Σ r" + ("" if one else ", x the value in each column")]
        if self.prior is not None:
            pseudo = f"{self.prior.shrinkage:.6g}"
            said = [
                f"new mean = (Σ r·{value} + {pseudo}·m) / (Σ r + {pseudo})"
                + ("" if one else ", x the value in each column"),
                f"the prior counts as {pseudo} rows at the mean m of all rows",
            ]
        if self.rows.observed is not None:
            said.append("where a cell is missing, x is the value expected there, given the component")
        for j, name in enumerate(names):
            pseudo_sum: list[Column] = []
            if self.prior is not None:
                centre = float(self.prior.centre[j] + self.prior.offset[j]) * self.prior.shrinkage
                pseudo_sum = [Column(self.titled(f"{pseudo}·m", name), [centre] * len(self.sizes))]
            groups.append(
                [
                    Column(self.titled(f"Σ r·{value}", name), self.sums[:, j].tolist()),
                    *pseudo_sum,
                    Column("new mean", self.after.means[:, j].tolist(), "parameter", of="means"),
                    Column("was", self.before.means[:, j].tolist(), "parameter", of="means", held=self._held_means(j)),
                ]
            )
        if np.isnan(self.slopes).all():
            return [Sheet(groups, said, self.lead)]
        said.append("  + slope · (the held mean of the other column - what this gives for it)")
        slopes = [
            Column(f"slope of {names[i]}\non {names[j]}", cells, "parameter", of="means")
            for i, j in np.argwhere(~np.isnan(self.slopes).all(axis=0)).tolist()
            if (cells := [None if np.isnan(slope) else slope for slope in self.slopes[:, i, j].tolist()])
        ]
        beside = ["beside held means others move along their regression on these:"]
        return [Sheet(groups, said, self.lead), Sheet([slopes], beside)]

    def titled(self, title: str, name: str) -> str:
        """A title with the name of a column below it, where there are several."""
        return title if len(self.names) == 1 else f"{title}\n{name}"

    def _deviations(self) -> list[Sheet]:
        """How variances, sds and correlations follow from the weighted sums of products of deviations."""
        covariances, names = self.after.covariances, self.names
        if isinstance(covariances, Spherical):
            return [self._spherical()]
        now, sds = covariances.full(), [np.sqrt(each.covariances.diagonals()) for each in (self.before, self.after)]
        old, new = sds
        tied = covariances.shared
        groups: list[Group] = []
        for j, name in enumerate(names):
            held = self._held_covariances(j)
            groups.append(
                [
                    *self._products("Σ r·dev²", name, j, j, tied),
                    parameter("new variance", now[:, j, j], tied),
                    parameter("new sd", new[:, j], tied),
                    parameter("was", old[:, j], tied, held),
                ]
            )
        lead = [] if tied else self.lead
        said = [f"new variance = {self._quotient('Σ r·dev²')}", "dev = value - new mean,  sd = sqrt(variance)"]
        said += self.missing_formula()
        said += self._prior_formula("²", [(j, j) for j in range(len(names))])
        sheets = [Sheet(groups, said, lead)]
        pairs: list[Group] = []
        if not correlates(self.after) or len(names) == 1:
            return sheets
        was = self.before.covariances.full()
        for i, j in combinations(range(len(names)), 2):
            both = f"{names[i]},\n{names[j]}" if len(names) > 2 else ""
            pairs.append(
                [
                    *self._products("Σ r·dev·dev", both, i, j, tied),
                    parameter("new\ncovariance", now[:, i, j], tied),
                    parameter("new\ncorrelation", correlations_of(now, i, j), tied),
                    parameter("was", correlations_of(was, i, j), tied, self._held_covariances(i)),
                ]
            )
        said = [f"new covariance = {self._quotient('Σ r·dev·dev')}", "correlation = covariance / (sd · sd)"]
        if self.rows.observed is not None and len(names) > 2:
            said.append("of two missing cells dev·dev is that of the expected values + the covariance left")
        said += self._prior_formula(" of the one column · of the other", [*combinations(range(len(names)), 2)])
        return [*sheets, Sheet(pairs, said, lead)]

    def missing_formula(self) -> list[str]:
        """How missing cells enter the sums of products of deviations."""
        if self.rows.observed is None:
            return []
        return ["where a cell is missing, dev² is that of the expected value + the variance left"]

    def _products(self, title: str, name: str, i: int, j: int, tied: bool) -> list[Column]:
        """The sums of products of deviations in two columns, and what the prior adds to them."""
        products = self.scatter[:, i, j]
        titled = f"{title}\n{name}" if name and len(self.names) > 1 else title
        found = [Column(titled, products.tolist(), total=float(products.sum()) if tied else None)]
        if self.prior is not None:
            more = self.pseudo_products()[:, i, j]
            found.append(Column("prior", more.tolist(), total=float(more.sum()) if tied else None))
        return found

    def _quotient(self, sums: str) -> str:
        """What a variance or covariance is the quotient of."""
        tied, total = self.after.covariances.shared, plain(self.rows.total)
        if self.prior is None:
            return f"{sums} / " + (f"{total}, summed over all components too" if tied else "Σ r")
        if tied:
            count = f"({total} + {len(self.sizes)} · {self.prior.rows:.6g})"
            return f"({sums} + prior) / {count}, summed over all components"
        return f"({sums} + prior) / (Σ r + {self.prior.rows:.6g})"

    def _prior_formula(self, of: str, pairs: Sequence[tuple[int, int]]) -> list[str]:
        """What the prior adds to the products of deviations in these pairs of columns."""
        if self.prior is None:
            return []
        scatter = self.prior.scatter
        whole = scatter if scatter.ndim == 2 else np.diag(scatter)
        values = [f"{whole[i, j]:.8g}" for i, j in pairs]
        if isinstance(self.after.covariances, Spherical):
            values = [f"{np.trace(whole):.8g}"]
        return [f"prior = Λ + {self.prior.shrinkage:.6g}·(m - new mean){of},  Λ = {', '.join(values)}"]

    def _spherical(self) -> Sheet:
        """How one variance follows from the deviations in all columns."""
        d = len(self.names)
        was, new = (each.covariances.diagonals()[:, 0] for each in (self.before, self.after))
        every = np.trace(self.scatter, axis1=1, axis2=2)
        prior, divisor, sums = list[Column](), "Σ r", "Σ r·dev²"
        if self.prior is not None:
            prior = [Column("prior", np.trace(self.pseudo_products(), axis1=1, axis2=2).tolist())]
            divisor, sums = f"(Σ r + {self.prior.rows:.6g})", "(Σ r·dev² + prior)"
        columns = [
            *self.lead,
            Column("Σ r·dev²", every.tolist()),
            *prior,
            parameter("new variance", new, False),
            parameter("new sd", np.sqrt(new), False),
            parameter("was", np.sqrt(was), False, self._held_covariances(0)),
        ]
        where = "" if d == 1 else f" in each of {d} columns"
        said = [
            f"new variance = {sums} / {divisor if d == 1 else f'({d} · {divisor})'}",
            f"dev = value - new mean{where},  sd = sqrt(variance)",
            *self.missing_formula(),
            *self._prior_formula("²" if d == 1 else "² in each column", [(0, 0)]),
        ]
        return Sheet([columns], said)


def _slopes(model: GaussianMixture, stats: GaussianStats) -> Array:
    """How free coordinates of means follow those that are held of their component, (k, d, d); NaN of all others."""
    k, d = model.means.shape
    found = np.full((k, d, d), np.nan)
    covariances = model.covariances
    if model.fixed is None or not model.fixed.oblique or not isinstance(covariances, Full):
        return found
    rows, shift, second = stats.rows, stats.first / stats.rows[:, None], stats.second
    if model.prior is not None:
        rows, shift, second = model.prior.completed(stats, model.means, model.covariances)
    for j in model.fixed.partly_held().tolist():
        held = ~np.isnan(model.fixed.values[j])
        spread = model.fixed.spread(j, rows, shift, second, covariances)
        found[j][np.ix_(~held, held)] = np.linalg.solve(spread[np.ix_(held, held)], spread[np.ix_(held, ~held)]).T
    return found


def correlates(model: GaussianMixture) -> bool:
    """Can the columns go together within a component?"""
    return not isinstance(model.covariances, Diagonal)


def names_of(rows: Rows) -> list[str]:
    """The columns, as titles and formulas say them."""
    return [escaped(name, MAX_NAME) for name in rows.names]


def correlations_of(matrices: Array, i: int, j: int) -> Array:
    """Correlations (k,) of two columns, from covariance matrices (k, d, d)."""
    return np.asarray(matrices[:, i, j] / np.sqrt(matrices[:, i, i]) / np.sqrt(matrices[:, j, j]))


def parameter(title: str, values: Array, tied: bool, held: Sequence[bool] = ()) -> Column:
    """A parameter (k,) of covariances; where it is one for all components it stands under them."""
    cells: list[float | None] = [None] * len(values) if tied else values.tolist()
    total = float(values[0]) if tied else None
    return Column(title, cells, "parameter", total, of="covariances", held=held)
