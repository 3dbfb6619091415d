"""The E-step and the M-step of a Gaussian mixture in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations

import numpy as np

from emcli.config.covariances import CLASSIC, has_correlations, letters
from emcli.config.settings import ModelSettings
from emcli.data.rows import Rows
from emcli.models.gmm.decomposed.shapes import AlongAxes, AlongColumns
from emcli.models.gmm.mixture import GaussianMixture
from emcli.models.gmm.values import GaussianStats
from emcli.models.gmm.worked import incomplete
from emcli.models.gmm.worked.decomposed import Decomposition
from emcli.models.gmm.worked.incomplete import ROOT, Expected
from emcli.models.gmm.worked.moments import Moments, correlates, correlations_of, names_of, parameter
from emcli.models.statistics import Stats
from emcli.models.worked import MAX_SHOWN_COLUMNS, Column, Group, Sheet, Worked, WorkedSteps, plain, round_to
from emcli.types import JSON, Array


class WorkedGaussians(WorkedSteps[GaussianMixture]):
    """Shows densities, responsibilities and weighted moments; what happens in each column only where they are few."""

    def parameters(self, model: GaussianMixture, rows: Rows) -> Sheet:
        """Mixing weights, means, sds, and correlations where they are few; in more columns the determinant."""
        found, names = model.to_original(rows.scaling), names_of(rows)
        sds = np.sqrt(found.covariances.diagonals())
        columns = [Column("weight", found.weights.tolist(), "parameter", of="weights")]
        columns += [
            Column(f"mean {name}", found.means[:, j].tolist(), "parameter", of="means") for j, name in enumerate(names)
        ]
        columns += [
            Column(f"sd {name}" if len(names) > 1 else "sd", sds[:, j].tolist(), "parameter", of="covariances")
            for j, name in enumerate(names)
        ]
        if correlates(model) and len(rows.names) <= MAX_SHOWN_COLUMNS:
            for i, j in combinations(range(len(names)), 2):
                title = "correlation" if len(names) == 2 else f"correlation {names[i]}, {names[j]}"
                columns.append(parameter(title, correlations_of(found.covariances.full(), i, j), False))
        if correlates(model) and len(rows.names) > 2:
            columns.append(parameter("ln det S", found.covariances.log_det(), False))
        return Sheet([columns])

    def e_step(self, model: GaussianMixture, rows: Rows) -> list[str]:
        """The density, by what can be computed with a pocket calculator where there are few columns."""
        d, names = len(rows.names), names_of(rows)
        if d == 1:
            density = [
                f"z = ({names[0]} - mean) / sd",
                f"density = exp(-z² / 2) / ({ROOT} · sd),  {ROOT} = sqrt(2 pi)",
            ]
        elif not correlates(model):
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
        if rows.observed is not None:
            density += incomplete.formulas(model)
        return [*density, *self.share_formulas(model, rows)]

    def log_densities(self, model: GaussianMixture, x: Array) -> Array:
        """ln of the density of each component (k,), of the observed cells alone."""
        return incomplete.log_density(model, x)

    def row(self, model: GaussianMixture, x: Array, rows: Rows, known: int | None = None) -> Worked:
        """The row's distances and densities, and its values shared out."""
        values, few = self.values(x, rows), len(rows.names) <= MAX_SHOWN_COLUMNS
        if np.isnan(x).any():
            return self._incomplete_row(model, x, rows, known)
        z = (x[:, 0] - model.means) / np.sqrt(model.covariances.diagonals())
        y = model.covariances.whiten(x, model.means)[:, :, 0]
        squared = (y * y).sum(axis=1)
        before: list[Column] = []
        if len(z[0]) == 1:
            before = [Column("z", z[:, 0].tolist(), "difference", slope=np.abs(z[:, 0]).tolist())]
        else:
            if few and (not correlates(model) or len(z[0]) == 2):
                titles = [f"z{j}\n{name}" for j, name in enumerate(names_of(rows), 1)]
                slope = _slope(model, z)
                before = [Column(name, z[:, j].tolist(), "difference", slope=slope) for j, name in enumerate(titles)]
            before.append(Column("D²", squared.tolist(), "difference", slope=[0.5] * len(squared)))
        named = zip(names_of(rows), values.values(), strict=True)
        parts = {f"× {plain(value)}\n{name}": value for name, value in named}
        numbers, sheet = self.shared(model, x, rows, known, before, parts if few else None)
        numbers |= {"z": z, "squared_distance": squared}
        numbers["expected_values"] = np.outer(numbers["responsibility"], list(values.values()))
        return Worked(numbers, [sheet], self.about(values), values)

    def _incomplete_row(self, model: GaussianMixture, x: Array, rows: Rows, known: int | None) -> Worked:
        """The same of a row with missing cells, and what is expected in these given each component."""
        values, few = self.values(x, rows), len(rows.names) <= MAX_SHOWN_COLUMNS
        expected = Expected.of(model, x, rows)
        z, places = (x[:, 0] - model.means) / np.sqrt(model.covariances.diagonals()), np.flatnonzero(expected.seen)
        before: list[Column] = []
        if few and (len(places) == 1 or not correlates(model)):
            slope = np.abs(z[:, places]).sum(axis=1) * (1.0 if len(places) == 1 else 2.0)
            names = [f"z\n{names_of(rows)[j]}" for j in places]
            columns = zip(names, z[:, places].T.tolist(), strict=True)
            before = [Column(name, column, "difference", slope=slope.tolist()) for name, column in columns]
        if len(places) > 1 or not few:
            squared = expected.squared.tolist()
            before.append(Column("D²", squared, "difference", slope=[0.5] * len(squared)))
        numbers, sheet = self.shared(model, x, rows, known, before)
        r = numbers["responsibility"]
        filled = np.where(expected.seen, list(values.values()), expected.values)
        numbers |= {"z": z, "squared_distance": expected.squared, "expected_values": r[:, None] * filled}
        numbers |= {"conditional_means": expected.values, "conditional_variances": expected.variances}
        if not few:
            return Worked(numbers, [sheet], self.about(values), values)
        parts: list[Group] = []
        for j, (name, value) in enumerate(zip(names_of(rows), values.values(), strict=True)):
            if expected.seen[j]:
                parts.append([Column(f"× {plain(value)}\n{name}", (r * value).tolist(), "part", value, value)])
                continue
            own, left = expected.values[:, j], expected.variances[:, j].tolist()
            factor = float(np.abs(own).max())
            parts.append(
                [
                    Column(f"expected\n{name}", own.tolist()),
                    Column("variance\nleft", left),
                    Column("× that\nvalue", (r * own).tolist(), "part", float(r @ own), factor),
                ]
            )
        return Worked(numbers, [replace(sheet, groups=[*sheet.groups, *parts])], self.about(values), values)

    def readable(self, settings: ModelSettings) -> ModelSettings:
        """Rounded covariances are none of those of which the volume, the shape or the orientation is equal."""
        if letters(settings.covariance) in CLASSIC:
            return settings
        return replace(settings, covariance="full" if has_correlations(settings.covariance) else "diag")

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
        found = Moments.of(model, stats, improved, rows)
        covariances = found.after.covariances
        parts = Decomposition.of(found, covariances) if isinstance(covariances, AlongColumns | AlongAxes) else None
        sheets = [self.weights(model, found.sizes, improved, rows)]
        if len(rows.names) <= MAX_SHOWN_COLUMNS:
            sheets += found.sheets() if parts is None else parts.sheets()
        else:
            what = f"the means and variances of {len(rows.names)} columns are not shown: --json has the sums"
            sheets.append(Sheet([], [what]))
        return Worked((parts or found).numbers(), sheets)


def _slope(model: GaussianMixture, z: Array) -> list[float]:
    """How fast D² changes by all z (k, d) together."""
    if not correlates(model):
        return list(map(float, 2 * np.abs(z).sum(axis=1)))
    c = correlations_of(model.covariances.full(), 0, 1)
    away = np.abs(z[:, 0] - c * z[:, 1]) + np.abs(z[:, 1] - c * z[:, 0])
    return list(map(float, 2 * away / (1 - c * c)))
