"""The E-step and the M-step of a Gaussian mixture in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from math import log, pi

import numpy as np

from emcli.data.rows import Rows
from emcli.errors import escaped
from emcli.models.gmm.covariance import Diagonal, Spherical
from emcli.models.gmm.mixture import GaussianMixture
from emcli.models.gmm.values import GaussianStats
from emcli.models.statistics import Stats
from emcli.models.worked import MAX_SHOWN_COLUMNS, Column, Group, Sheet, Worked, WorkedSteps, plain, round_to
from emcli.types import JSON, Array

MAX_NAME = 12  # characters of a column's name in formulas and titles
ROOT = "2.506628"  # √(2π)


class WorkedGaussians(WorkedSteps[GaussianMixture]):
    """Shows densities, responsibilities and weighted moments; what happens in each column only where they are few."""

    def parameters(self, model: GaussianMixture, rows: Rows) -> Sheet:
        """Mixing weights, means, sds, and correlations where they are few; in more columns the determinant."""
        found, names = model.to_original(rows.scaling), _names(rows)
        sds = np.sqrt(found.covariances.diagonals())
        columns = [Column("weight", found.weights.tolist(), "parameter", of="weights")]
        columns += [
            Column(f"mean {name}", found.means[:, j].tolist(), "parameter", of="means") for j, name in enumerate(names)
        ]
        columns += [
            Column(f"sd {name}" if len(names) > 1 else "sd", sds[:, j].tolist(), "parameter", of="covariances")
            for j, name in enumerate(names)
        ]
        if _correlates(model) and len(rows.names) <= MAX_SHOWN_COLUMNS:
            for i, j in combinations(range(len(names)), 2):
                title = "correlation" if len(names) == 2 else f"correlation {names[i]}, {names[j]}"
                columns.append(_parameter(title, _correlations(found.covariances.full(), i, j), False))
        if _correlates(model) and len(rows.names) > 2:
            columns.append(_parameter("ln det S", found.covariances.log_det(), False))
        return Sheet([columns])

    def e_step(self, model: GaussianMixture, rows: Rows) -> list[str]:
        """The density, by what can be computed with a pocket calculator where there are few columns."""
        d, names = len(rows.names), _names(rows)
        if d == 1:
            density = [
                f"z = ({names[0]} - mean) / sd",
                f"density = exp(-z² / 2) / ({ROOT} · sd),  {ROOT} = sqrt(2 pi)",
            ]
        elif not _correlates(model):
            product = " · ".join(["sd"] * d) if d <= MAX_SHOWN_COLUMNS else "the product of the sds"
            density = [
                "z = (value - mean) / sd in each column,  D² = the sum of the z²",
                f"density = exp(-D² / 2) / ({ROOT}^{d} · {product}),  {ROOT} = sqrt(2 pi)",
            ]
        elif d == 2:
            density = [
                "z1, z2 = (value - mean) / sd in each column,  c = correlation",
                "D² = (z1² - 2·c·z1·z2 + z2²) / (1 - c²)",
                "density = exp(-D² / 2) / (2 pi · sd · sd · sqrt(1 - c²))",
            ]
        else:
            density = [
                "D² = (x - mean)' · inverse of S · (x - mean), S the covariance matrix",
                f"density = exp(-D² / 2) / ({ROOT}^{d} · sqrt(det S)),  {ROOT} = sqrt(2 pi)",
            ]
        return [*density, self.share_formula(), self.score_formula()]

    def log_densities(self, model: GaussianMixture, x: Array) -> Array:
        """ln of the density of each component (k,)."""
        y = model.covariances.whiten(x, model.means)[:, :, 0]
        return np.asarray(-0.5 * ((y * y).sum(axis=1) + len(x) * log(2 * pi) + model.covariances.log_det()))

    def row(self, model: GaussianMixture, x: Array, rows: Rows) -> Worked:
        """The row's distances and densities, and its values shared out."""
        values, few = self.values(x, rows), len(rows.names) <= MAX_SHOWN_COLUMNS
        z = (x[:, 0] - model.means) / np.sqrt(model.covariances.diagonals())
        y = model.covariances.whiten(x, model.means)[:, :, 0]
        squared = (y * y).sum(axis=1)
        before: list[Column] = []
        if len(z[0]) == 1:
            before = [Column("z", z[:, 0].tolist(), "difference", slope=np.abs(z[:, 0]).tolist())]
        else:
            if few and (not _correlates(model) or len(z[0]) == 2):
                named = [f"z{j}\n{name}" for j, name in enumerate(_names(rows), 1)]
                slope = _slope(model, z)
                before = [Column(name, z[:, j].tolist(), "difference", slope=slope) for j, name in enumerate(named)]
            before.append(Column("D²", squared.tolist(), "difference", slope=[0.5] * len(squared)))
        parts = {f"× {plain(value)}\n{name}": value for name, value in zip(_names(rows), values.values(), strict=True)}
        numbers, sheet = self.shared(model, x, rows, before, parts if few else None)
        numbers |= {"z": z, "squared_distance": squared}
        numbers["expected_values"] = np.outer(numbers["responsibility"], list(values.values()))
        return Worked(numbers, [sheet], self.about(values), values)

    def rounded(self, parameters: Mapping[str, JSON], key: str, digits: int) -> dict[str, JSON]:
        """Parameters, one kind of which has so many digits; sds and correlations instead of covariances."""
        if key != "covariances":
            return super().rounded(parameters, key, digits)
        matrices = np.asarray(parameters[key], dtype=np.float64)
        sds = np.sqrt(np.diagonal(matrices, axis1=1, axis2=2))
        correlations = matrices / sds[:, :, None] / sds[:, None, :]
        sds, correlations = (np.asarray(round_to(each.tolist(), digits)) for each in (sds, correlations))
        found = correlations * sds[:, :, None] * sds[:, None, :]
        return {**parameters, key: found.tolist()}

    def sums(self, model: GaussianMixture, stats: Stats, improved: GaussianMixture, rows: Rows) -> Worked:
        """Weighted sums of the values and of their squared deviations, and what follows from them."""
        assert isinstance(stats, GaussianStats)
        before, after = (each.to_original(rows.scaling) for each in (model, improved))
        sizes, shift = stats.rows, stats.first / stats.rows[:, None]
        sums = sizes[:, None] * rows.scaling.to_original(model.means + model.covariances.unwhiten(shift))
        exponent = rows.scaling.exponent
        with np.errstate(over="ignore"):  # where they leave the range of doubles they are infinite
            scatter = np.ldexp(model.covariances.scatter(sizes, shift, stats.second), exponent[:, None] + exponent)
        sheets = [self.weights(model, sizes, improved, rows)]
        if len(rows.names) <= MAX_SHOWN_COLUMNS:
            lead = [Column("Σ r", sizes.tolist())]
            sheets += [_means(before, after, sums, lead, rows), *_deviations(before, after, scatter, sizes, rows)]
        else:
            what = f"the means and variances of {len(rows.names)} columns are not shown: --json has the sums"
            sheets.append(Sheet([], [what]))
        return Worked({"responsibilities": sizes, "values": sums, "products_of_deviations": scatter}, sheets)


def _correlates(model: GaussianMixture) -> bool:
    return not isinstance(model.covariances, Diagonal)


def _names(rows: Rows) -> list[str]:
    return [escaped(name, MAX_NAME) for name in rows.names]


def _correlations(matrices: Array, i: int, j: int) -> Array:
    """Correlations (k,) of two columns, from covariance matrices (k, d, d)."""
    return np.asarray(matrices[:, i, j] / np.sqrt(matrices[:, i, i]) / np.sqrt(matrices[:, j, j]))


def _slope(model: GaussianMixture, z: Array) -> list[float]:
    """How fast D² changes by all z (k, d) together."""
    if not _correlates(model):
        return list(map(float, 2 * np.abs(z).sum(axis=1)))
    c = _correlations(model.covariances.full(), 0, 1)
    away = np.abs(z[:, 0] - c * z[:, 1]) + np.abs(z[:, 1] - c * z[:, 0])
    return list(map(float, 2 * away / (1 - c * c)))


def _titled(title: str, name: str, rows: Rows) -> str:
    return title if len(rows.names) == 1 else f"{title}\n{name}"


def _means(before: GaussianMixture, after: GaussianMixture, sums: Array, lead: Group, rows: Rows) -> Sheet:
    """How the means follow from the weighted sums of the values (k, d)."""
    groups = [
        [
            Column(_titled(f"Σ r·{'x' if len(rows.names) > 1 else name}", name, rows), sums[:, j].tolist()),
            Column("new mean", after.means[:, j].tolist(), "parameter", of="means"),
            Column("was", before.means[:, j].tolist(), "parameter", of="means"),
        ]
        for j, name in enumerate(_names(rows))
    ]
    value = _names(rows)[0] if len(rows.names) == 1 else "x"
    said = f"new mean = Σ r·{value} / Σ r" + ("" if len(rows.names) == 1 else ", x the value in each column")
    return Sheet(groups, [said], lead)


def _deviations(
    before: GaussianMixture, after: GaussianMixture, scatter: Array, sizes: Array, rows: Rows
) -> list[Sheet]:
    """How variances, sds and correlations follow from the weighted sums of products of deviations (k, d, d)."""
    covariances, names = after.covariances, _names(rows)
    now, sds = covariances.full(), (np.sqrt(each.covariances.diagonals()) for each in (before, after))
    old, new = sds
    lead = [Column("Σ r", sizes.tolist())]
    if isinstance(covariances, Spherical):
        return [_spherical(scatter, sizes, old, new, rows)]
    tied = covariances.shared
    divisor = f"{plain(rows.total)}, summed over all components too" if tied else "Σ r"
    groups: list[Group] = []
    for j, name in enumerate(names):
        products = scatter[:, j, j]
        total = float(products.sum()) if tied else None
        groups.append(
            [
                Column(_titled("Σ r·dev²", name, rows), products.tolist(), total=total),
                _parameter("new variance", now[:, j, j], tied),
                _parameter("new sd", new[:, j], tied),
                _parameter("was", old[:, j], tied),
            ]
        )
    said = [f"new variance = Σ r·dev² / {divisor}", "dev = value - new mean,  sd = sqrt(variance)"]
    sheets = [Sheet(groups, said, [] if tied else lead)]
    pairs: list[Group] = []
    if _correlates(after):
        was_matrices = before.covariances.full()
        for i, j in combinations(range(len(names)), 2):
            both, products = f"\n{names[i]},\n{names[j]}" if len(names) > 2 else "", scatter[:, i, j]
            total = float(products.sum()) if tied else None
            pairs.append(
                [
                    Column(f"Σ r·dev·dev{both}", products.tolist(), total=total),
                    _parameter("new\ncovariance", now[:, i, j], tied),
                    _parameter("new\ncorrelation", _correlations(now, i, j), tied),
                    _parameter("was", _correlations(was_matrices, i, j), tied),
                ]
            )
    if pairs:
        said = [f"new covariance = Σ r·dev·dev / {divisor}", "correlation = covariance / (sd · sd)"]
        sheets.append(Sheet(pairs, said, [] if tied else lead))
    return sheets


def _parameter(title: str, values: Array, tied: bool) -> Column:
    """A parameter (k,); where it is one for all components it stands under them."""
    cells: list[float | None] = [None] * len(values) if tied else values.tolist()
    return Column(title, cells, "parameter", float(values[0]) if tied else None, of="covariances")


def _spherical(scatter: Array, sizes: Array, old: Array, new: Array, rows: Rows) -> Sheet:
    """How one variance follows from the deviations in all columns."""
    d = len(rows.names)
    every = np.trace(scatter, axis1=1, axis2=2)
    columns = [
        Column("Σ r", sizes.tolist()),
        Column("Σ r·dev²", every.tolist()),
        _parameter("new variance", new[:, 0] ** 2, False),
        _parameter("new sd", new[:, 0], False),
        _parameter("was", old[:, 0], False),
    ]
    divisor = "Σ r" if d == 1 else f"({d} · Σ r)"
    where = "" if d == 1 else f" in each of {d} columns"
    said = [f"new variance = Σ r·dev² / {divisor}", f"dev = value - new mean{where},  sd = sqrt(variance)"]
    return Sheet([columns], said)
