"""Weights, means and covariances of Gaussian components that are held at given values, and M-steps of the others."""

from __future__ import annotations

from dataclasses import replace
from typing import Self

import numpy as np

from emcli.config.covariances import has_correlations
from emcli.config.settings import ModelSettings
from emcli.data.scaling import Scaling
from emcli.frozen import frozen
from emcli.models.base import Degenerate
from emcli.models.complete_data import Chart
from emcli.models.fixed import Fixed, FixedFault, FixedReader, some_of
from emcli.models.gmm.checks import read_matrices
from emcli.models.gmm.covariance import SHAPES, Covariances, Diagonal, Full, Spherical
from emcli.models.gmm.full import SPIKE_REASON
from emcli.models.gmm.oblique import ObliqueChart, basis
from emcli.types import JSON, Array, BoolArray, IndexArray

ENTRIES = "single entries cannot be held, only a whole matrix; null leaves it free"

NAMES = ("weights", "means", "covariances", "sds")  # of what can be held
HELD = some_of(NAMES)


@frozen
class FixedGaussians(Fixed):
    """Values at which parameters are held; those of `values` are means (k, d)."""

    name = "means"
    covariances: Covariances  # anything where they are free
    held: BoolArray  # which of them are not: (k,), or each variance (k, d) where the shape has no others

    @classmethod
    def of(cls, settings: ModelSettings, d: int) -> Self | None:
        """What `fix` holds, in the user's units; None for nothing. Raises FixedFault."""
        if settings.fix is None:
            return None
        reader, k = FixedReader(settings.fix, NAMES), settings.k
        shape = settings.covariance or "full"
        matrices = _matrices(reader, k, d, shape)
        diagonals = np.diagonal(matrices, axis1=1, axis2=2)
        held = ~np.isnan(diagonals[:, 0] if has_correlations(shape) else diagonals)
        whole = np.where(np.isnan(matrices), np.eye(d), matrices)
        return cls(reader.held_weights(settings), reader.matrix("means", k, d), SHAPES[shape].of(whole, None), held)

    def to_parameters(self) -> dict[str, JSON]:
        """The values in the form of a mixture's parameters, NaN where they are free."""
        matrices = self.covariances.full()
        free = ~(self.held[:, None, None] if self.held.ndim == 1 else self.held[:, None] & self.held[:, :, None])
        return {**super().to_parameters(), "covariances": np.where(free, np.nan, matrices).tolist()}

    def count_of(self, estimated: bool) -> int:
        """How many free parameters fewer there are."""
        each = self.covariances.parameters_count(1, self.values.shape[1])
        if isinstance(self.covariances, Spherical):
            covariances = int(self.held[:, 0].sum())
        elif isinstance(self.covariances, Diagonal):
            covariances = int(self.held.sum())
        else:
            covariances = each * int(self.held[:1].sum() if self.covariances.shared else self.held.sum())
        return super().count_of(estimated) + covariances

    def put_covariances(self, covariances: Covariances) -> Covariances:
        """Covariances with those that are held in their places."""
        if not self.held.any():
            return covariances
        if isinstance(covariances, Full):
            assert isinstance(self.covariances, Full)
            return replace(
                covariances, root=np.where(self.held[:, None, None], self.covariances.root, covariances.root)
            )
        assert isinstance(self.covariances, Diagonal)
        return replace(covariances, variances=np.where(self.held, self.covariances.variances, covariances.variances))

    def whole(self) -> BoolArray:
        """Of which components (k,) the whole covariance is held."""
        return self.held if self.held.ndim == 1 else np.asarray(self.held.all(axis=1))

    def partly_held(self) -> IndexArray:
        """The components of whose means only some coordinates are held."""
        some = ~np.isnan(self.values)
        return np.flatnonzero(some.any(axis=1) & ~some.all(axis=1))

    def spread(self, j: int, rows: Array, shift: Array, second: Array, now: Full) -> Array:
        """S (d, d) of `completed`, along which free coordinates of the mean of component j follow those held."""
        alone = not self.held[j] and (not now.shared or len(rows) == 1)
        if not alone:
            return np.asarray(now.root[j] @ now.root[j].T)
        inner = second[j] / rows[j] - np.outer(shift[j], shift[j])
        return np.asarray(now.root[j] @ inner @ now.root[j].T)

    @property
    def oblique(self) -> bool:
        """Are single coordinates of a mean held in components whose columns go together?

        These are no coordinates of the natural parameters: see `ObliqueChart`.
        """
        return isinstance(self.covariances, Full) and bool(len(self.partly_held()))

    def chart_of(self, weights: Array, estimated: bool, covariances: Covariances) -> Chart:
        """As `chart`, of a mixture with these covariances."""
        found = self.chart(weights, estimated)
        if not self.oblique or not isinstance(covariances, Full):
            return found
        k, d = self.values.shape
        bases: list[Array | None] = [None] * k
        own = found.own.copy()
        for j in self.partly_held().tolist():
            bases[j] = basis(covariances.root[j], ~np.isnan(self.values[j]))
            own[j * d : (j + 1) * d] = False
        return ObliqueChart(own, found.weights, found.free, bases, covariances.shared)

    def own(self) -> BoolArray:
        """Which coordinates of means and covariances (p,) in `complete` are free."""
        if isinstance(self.covariances, Full):
            times = self.covariances.parameters_count(1, self.values.shape[1])
            second = np.repeat(self.held[:1] if self.covariances.shared else self.held, times)
        else:
            second = (self.held[:, :1] if isinstance(self.covariances, Spherical) else self.held).ravel()
        return np.concatenate([np.isnan(self.values).ravel(), ~second])

    def keys(self) -> Array:
        """What is held of each component, (k, m)."""
        parts, k = self.covariances.parts(), len(self.weights)
        held = self.held.reshape(k, *[1] * (parts.ndim - 1)) if self.held.ndim == 1 else self.held
        return np.column_stack([super().keys(), np.where(held, parts, np.nan).reshape(k, -1)])

    def ordered(self, order: IndexArray) -> Self:
        """Those of the components in another order."""
        found = super().ordered(order)
        return replace(found, covariances=self.covariances.ordered(order), held=self.held[order])

    def to_scaled(self, scaling: Scaling) -> Self:
        """The same in working coordinates."""
        covariances = self.covariances.rescaled(-scaling.exponent, None)
        return replace(self, values=scaling.to_scaled(self.values), covariances=covariances)

    def to_original(self, scaling: Scaling) -> Self:
        """The same in the user's units."""
        covariances = self.covariances.rescaled(scaling.exponent, None)
        return replace(self, values=scaling.to_original(self.values), covariances=covariances)

    def completed(
        self, rows: Array, shift: Array, second: Array, now: Covariances, spare: float = 0.0
    ) -> tuple[Array, Array]:
        """Shifts (k, d) of the means and second moments of an M-step that moves only what is free; all are whitened.

        From effective rows (k,), shifts to the weighted means and second moments around the means, where held
        coordinates of these have their values. The moments are such that `updated` makes covariances around the new
        means, and leaves those alone that are held. Where coordinates A of a mean are held at offsets δ_A from the
        weighted mean, the free ones F move to x̄_F + S_FA S_AA⁻¹ δ_A: S is the component's scatter, of which this is the
        maximum over mean and covariance (a regression of F on A: Anderson 2003, section 4.3); or its covariance where
        that is held, or shared: then means are moved given the covariance, and it given the means (ECM, Meng & Rubin
        1993). Of the rows of a covariance `spare` are pseudo rows of a prior that say nothing of the mean.
        """
        moved, some = shift.copy(), ~np.isnan(self.values)
        moved[some.all(axis=1)] = 0.0
        if isinstance(now, Diagonal):
            moved[some] = 0.0
            second = second - rows[:, None] * 2.0 * moved * (shift - moved) - spare * (shift - moved) ** 2
            return moved, np.where(self.held, rows[:, None] * (1.0 + moved * moved), second)
        for j in self.partly_held().tolist():
            root, fixed, offset = now.root[j], some[j], now.root[j] @ shift[j]
            spread = self.spread(j, rows, shift, second, now)
            try:
                along = np.linalg.solve(spread[np.ix_(fixed, fixed)], offset[fixed])
                step = np.where(fixed, 0.0, offset - spread[:, fixed] @ along)
                moved[j] = np.linalg.solve(root, step)
            except np.linalg.LinAlgError:
                raise Degenerate(f"component {j + 1} {SPIKE_REASON}") from None
        cross = shift[:, :, None] * moved[:, None, :]
        outer = moved[:, :, None] * moved[:, None, :]
        weighted = rows[:, None, None]
        apart = (shift - moved)[:, :, None] * (shift - moved)[:, None, :]
        second = second - weighted * (cross + cross.transpose(0, 2, 1) - 2.0 * outer) - spare * apart
        return moved, np.where(self.held[:, None, None], weighted * (np.eye(shift.shape[1]) + outer), second)


def _matrices(reader: FixedReader, k: int, d: int, shape: str) -> Array:
    """Covariances (k, d, d) that are held, NaN where they are free. Raises FixedFault."""
    matrices, name = read_matrices(reader, k, d), "sds" if "sds" in reader else "covariances"
    own = np.diagonal(matrices, axis1=1, axis2=2) if name == "sds" else matrices.reshape(k, -1)
    free = np.isnan(own)
    if name == "covariances" or shape != "diag":
        for i in np.flatnonzero(free.any(axis=1) & ~free.all(axis=1)).tolist():
            more = "; covariance: diag can hold single sds" if shape == "full" else ""
            raise FixedFault((name, i), ENTRIES + more)
        matrices[free.all(axis=1)] = np.nan
    if shape == "tied" and free.any() and not free.all():
        raise FixedFault((name,), "components share one covariance: hold it for all of them, or for none")
    known = ~free.all(axis=1)
    whole = np.where(np.isnan(matrices), np.eye(d), matrices)
    apart = np.abs(SHAPES[shape].of(whole, None).full() - whole)[known] > 1e-9 * np.abs(whole[known]).max(initial=0.0)
    if apart.any():
        raise FixedFault((name,), f"are not {shape}")
    return matrices
