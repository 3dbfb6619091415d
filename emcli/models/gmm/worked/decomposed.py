"""How covariances of equal volume, shape or orientation follow from the sums of an M-step (Celeux & Govaert 1995)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Self

import numpy as np

from emcli.models.gmm.decomposed.shapes import AlongAxes, AlongColumns, AlongCommonAxes
from emcli.models.gmm.worked.moments import Moments, correlations_of, parameter
from emcli.models.worked import Column, Group, Sheet, plain
from emcli.types import Array

DEV = "dev = value - new mean"
Decomposed = AlongColumns | AlongAxes


@dataclass(frozen=True, eq=False)
class Decomposition:
    """New covariances λ D A Dᵀ in the user's units, and the scatters W of their components along the axes D."""

    letters: str
    moments: Moments
    axes: Array  # (k, d, d) D, an axis in each column
    variances: Array  # (k, d) along the axes: the diagonal of λ A
    along: Array  # (k, d) the diagonal of Dᵀ W D
    before: Array  # (k,) the last λ

    @classmethod
    def of(cls, moments: Moments, covariances: Decomposed) -> Self:
        """From the sums, and the new covariances in the user's units."""
        matrices, (k, d) = covariances.full(), moments.sums.shape
        if isinstance(covariances, AlongColumns):
            axes = np.broadcast_to(np.eye(d), (k, d, d))
        elif isinstance(covariances, AlongCommonAxes):
            first = np.einsum("ai,ab,bi->i", covariances.axes, matrices[0], covariances.axes)
            axes = np.broadcast_to(covariances.axes[:, np.argsort(-first, kind="stable")], (k, d, d))
        else:
            axes = np.linalg.eigh(matrices)[1][:, :, ::-1]
        along, variances = (np.einsum("kai,kab,kbi->ki", axes, each, axes) for each in (moments.scatter, matrices))
        last = _volumes(np.asarray(np.linalg.eigvalsh(moments.before.covariances.full()), dtype=np.float64))
        return cls(covariances.letters, moments, axes, variances, along, last)

    @property
    def volumes(self) -> Array:
        """λ (k,)."""
        return _volumes(self.variances)

    def numbers(self) -> dict[str, Array]:
        """The sums, and what the new covariances consist of, for a document."""
        shapes = self.variances / self.volumes[:, None]
        return {**self.moments.numbers(), "volumes": self.volumes, "shapes": shapes, "axes": self.axes}

    def sheets(self) -> list[Sheet]:
        """The tables of the scatters, of these along the axes, and of the new covariances."""
        scatters = [self._scatters()] if self._turns else []
        return [*self.moments.means(), *scatters, self._along(), self._covariances()]

    def _scatters(self) -> Sheet:
        found, names = self.moments, self.moments.names
        columns = [
            Column(found.titled("Σ r·dev²", name), found.scatter[:, j, j].tolist()) for j, name in enumerate(names)
        ]
        for i, j in combinations(range(len(names)), 2):
            both = f"\n{names[i]},\n{names[j]}" if len(names) > 2 else ""
            columns.append(Column(f"Σ r·dev·dev{both}", found.scatter[:, i, j].tolist()))
        said = [f"W: the sums of products of deviations,  {DEV}", *found.missing_formula()]
        return Sheet([columns], said, found.lead)

    def _along(self) -> Sheet:
        """How the variances along the axes follow from W along them."""
        found, d = self.moments, self.variances.shape[1]
        named = [f"W along\naxis {j + 1}" for j in range(d)]
        if not self._turns:
            named = [found.titled("W", name) for name in found.names]
        new = "new variance\nalong it" if self._turns else "new variance"
        pooled = self.letters[:2] in ("EE", "EI")
        groups: list[Group] = []
        for j, name in enumerate(named):
            along = self.along[:, j]
            total = float(along.sum()) if pooled else None
            groups.append(
                [
                    Column(name, along.tolist(), total=total),
                    *([Column("A", (self.variances / self.volumes[:, None])[:, j].tolist())] if self._in_turn else []),
                    parameter(new, self.variances[:, j], pooled),
                ]
            )
        ends = []
        if self.letters[:2] == "EV":
            g = _volumes(self.along)
            groups.insert(0, [Column("g", g.tolist(), total=float(g.sum()))])
        if self._in_turn:
            groups.insert(0, [Column("new λ", self.volumes.tolist()), Column("was", self.before.tolist())])
        if self._turns and d == 2:
            degrees = np.degrees(np.arctan2(self.axes[:, 1, 0], self.axes[:, 0, 0]))
            ends = [parameter("degrees of\naxis 1", (degrees + 90.0) % 180.0 - 90.0, self.letters[2] == "E")]
        return Sheet([*groups, *([ends] if ends else [])], [*self._axes_formula(), *self._formulas()], found.lead)

    @property
    def _turns(self) -> bool:
        """Have the axes another orientation than the columns?"""
        return self.letters[2] != "I"

    @property
    def _in_turn(self) -> bool:
        """Do volumes vary, of an equal shape, so that each is computed from the other?"""
        return self.letters[:2] == "VE"

    def _axes_formula(self) -> list[str]:
        if not self._turns:
            return [f"W = Σ r·dev²,  {DEV}", *self.moments.missing_formula()]
        if self.letters[2] == "V":
            return ["axes: each component's own, along which its W has no products; longest first"]
        if self.letters == "VEE":
            return ["axes: those of the sum of all W / λ, with the last λ"]
        return ["axes: common to all, turned in each plane so that the likelihood rises"]

    def _formulas(self) -> list[str]:
        total, d = plain(self.moments.rows.total), self.variances.shape[1]
        match self.letters[:2]:
            case "EI":
                across = f", / {total}" if d == 1 else f" and columns, / ({total} · {d})"
                return [f"new variance = the sum of W over all components{across}"]
            case "EE":
                return [f"new variance = the sum of W over all components / {total}"]
            case "EV":
                return [
                    f"g = the product of the component's W along its axes{'' if d == 1 else f', to the power 1/{d}'}",
                    f"new variance = W / g · (the sum of all g) / {total}",
                ]
            case "VE":
                return [
                    "A in proportion to the sum of W / (the last λ) over all components, product 1",
                    "new λ = the mean of W / A over the axes, / Σ r",
                    "new variance = λ · A",
                ]
        return ["new variance = W / Σ r"]

    def _covariances(self) -> Sheet:
        before, after, names = self.moments.before.covariances, self.moments.after.covariances, self.moments.names
        was, new = (np.sqrt(each.diagonals()) for each in (before, after))
        groups: list[Group] = [
            [
                parameter(self.moments.titled("new sd", name), new[:, j], False),
                parameter("was", was[:, j], False),
            ]
            for j, name in enumerate(names)
        ]
        if not self._turns:
            return Sheet(groups, ["sd = sqrt(variance)"])
        for i, j in combinations(range(len(names)), 2):
            both = f"\n{names[i]},\n{names[j]}" if len(names) > 2 else ""
            now, last = (correlations_of(each.full(), i, j) for each in (after, before))
            groups.append([parameter(f"new\ncorrelation{both}", now, False), parameter("was", last, False)])
        said = ["new covariance = D · (the new variances) · D',  D the axes as columns"]
        return Sheet(groups, said)


def _volumes(variances: Array) -> Array:
    """Geometric means (k,) of variances along axes (k, d)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.exp(np.log(variances).mean(axis=1)))
