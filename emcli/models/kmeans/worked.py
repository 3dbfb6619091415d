"""The two steps of K-means in numbers: each row to the nearest centroid, each centroid to the mean of its rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from emcli.data.rows import Rows
from emcli.errors import escaped
from emcli.models.kmeans.assignment import KMeansStats
from emcli.models.kmeans.incomplete import IncompleteStats
from emcli.models.kmeans.model import KMeans
from emcli.models.statistics import Stats
from emcli.models.worked import MAX_SHOWN_COLUMNS, Column, Sheet, Worked, WorkedSteps
from emcli.types import Array

MAX_CENTROID_COLUMNS = 6  # of the data that are shown of the M-step
MAX_NAME = 16  # characters of a column's name in formulas and titles


class WorkedClusters(WorkedSteps[KMeans]):
    """Shows squared distances from the centroids, and their new places."""

    noun = "cluster"
    e_title = "E-step: which centroid is nearest to the row?"
    m_title = "M-step: each centroid moves to the mean of its rows"

    def parameters(self, model: KMeans, rows: Rows) -> Sheet:
        """The centroids."""
        places = rows.scaling.to_original(model.centroids)
        return Sheet([[Column(name, places[:, j].tolist(), "parameter") for j, name in enumerate(_names(rows))]])

    def e_step(self, model: KMeans, rows: Rows) -> list[str]:
        """The squared distance, in the units in which it is measured."""
        names = _names(rows)
        own = "nearest" if rows.known is None else "own"
        difference, found = f"({'value' if len(names) > 1 else names[0]} - centroid)", []
        if rows.scaling.unit is not None:
            difference = f"({difference} / sd)"
            sds = np.ldexp(rows.scaling.unit, rows.scaling.exponent)
            named = ", ".join(f"{name} {sd:.6g}" for name, sd in zip(names, sds.tolist(), strict=True))
            found = [f"sd of the columns, by which they are standardized: {named}"]
        return [
            f"squared distance = {'the sum over the columns of ' if len(names) > 1 else ''}{difference}²",
            *(["  of the columns of which the row has a value"] if rows.observed is not None else []),
            *found,
            *(["a row whose cluster is known stays with it, however far"] if rows.known is not None else []),
            f"inertia = the sum of each row's squared distance from its {own} centroid",
        ]

    def row(self, model: KMeans, x: Array, rows: Rows, known: int | None = None) -> Worked:
        """How far the row is from each centroid."""
        values, centroids = self.values(x, rows), rows.scaling.to_original(model.centroids)
        unit = 1.0 if rows.scaling.unit is None else np.ldexp(rows.scaling.unit, rows.scaling.exponent)
        away = np.ldexp(x[:, 0] - model.centroids, 0 if rows.scaling.unit is not None else rows.scaling.exponent)
        seen = ~np.isnan(x[:, 0])
        squares = (away[:, seen] ** 2).sum(axis=1)
        chosen = np.arange(len(squares)) == (model.labels(x)[0] if known is None else known)
        scale = np.fmax(np.abs(centroids).max(axis=0), np.abs(list(values.values()))) / unit
        before = []
        if len(values) <= MAX_SHOWN_COLUMNS:
            per = "" if rows.scaling.unit is None else ", / sd"
            before = [
                Column(f"{name}\n- centroid{per}", away[:, j].tolist(), "difference", scale=float(scale[j]))
                for j, name in enumerate(_names(rows))
                if seen[j]
            ]
        columns = [
            *before,
            Column(
                "squared\ndistance",
                squares.tolist(),
                "difference",
                scale=_error((scale * np.ones(len(seen)))[seen], away[:, seen]),
            ),
            Column("", chosen.astype(float).tolist(), "mark", of="nearest" if known is None else "known"),
        ]
        numbers = {"squared_distance": squares, "nearest": chosen.astype(float)}
        return Worked(numbers, [Sheet([columns])], self.about(values), values)

    def sums(self, model: KMeans, stats: Stats, improved: KMeans, rows: Rows) -> Worked:
        """The rows of each cluster, the sums of their values, and the new centroids."""
        assert isinstance(stats, KMeansStats)
        scaling, sizes = rows.scaling, stats.sizes
        incomplete = isinstance(stats, IncompleteStats)
        counts = stats.counts if isinstance(stats, IncompleteStats) else np.tile(sizes[:, None], len(rows.names))
        unit = np.ones(len(rows.names)) if scaling.unit is None else scaling.unit
        sums = np.ldexp(stats.sums * unit, scaling.exponent) + counts * scaling.centre
        before, after = (scaling.to_original(each.centroids) for each in (model, improved))
        groups = [
            [
                *([Column(f"rows with\n{name}", counts[:, j].tolist())] if incomplete else []),
                Column(f"sum of\n{name}", sums[:, j].tolist()),
                Column("new", after[:, j].tolist(), "parameter"),
                Column("was", before[:, j].tolist(), "parameter", held=_held(model, j)),
            ]
            for j, name in enumerate(_names(rows))
        ]
        notes = {}
        for i in np.flatnonzero(sizes == 0).tolist():
            moved = not np.array_equal(before[i], after[i])
            taken = "and takes the one farthest from its centroid" if moved else "and stays where it is"
            notes[i] = f"has no row, {taken}"
        for i, j in np.argwhere((counts == 0) & (sizes[:, None] > 0)).tolist():
            notes.setdefault(i, f"has no row with a value of {_names(rows)[j]}, and stays where it is in that column")
        lead = [Column("rows", sizes.tolist(), total=rows.total)]
        formula = "new centroid = the sum of its rows / the number of its rows"
        if incomplete:
            formula = "new centroid = the sum of its rows / the number of its rows with a value"
        sheets = [Sheet(groups[:MAX_CENTROID_COLUMNS], [formula], lead)]
        if len(groups) > MAX_CENTROID_COLUMNS:
            more = len(groups) - MAX_CENTROID_COLUMNS
            sheets.append(Sheet([], [f"Not shown: {more} more columns; --json has them."]))
        numbers = {"rows": sizes, "values": sums, **({"observed": counts} if incomplete else {})}
        return Worked(numbers, sheets, notes=notes)


def _held(model: KMeans, j: int) -> Sequence[bool]:
    """Of which centroids a column is held."""
    return () if model.fixed is None else (~np.isnan(model.fixed.values[:, j])).tolist()


def _error(scale: Array, away: Array) -> float:
    """The `scale` of the sum of squares of differences (k, d) that have the scales (d,): the power of ten above it."""
    digits = 10.0 ** np.floor(np.log10(np.where(scale > 0, scale, 1.0)))
    return float(10.0 ** np.ceil(np.log10(max((digits * np.abs(away).max(axis=0)).sum(), 1e-300))))


def _names(rows: Rows) -> list[str]:
    return [escaped(name, MAX_NAME) for name in rows.names]
