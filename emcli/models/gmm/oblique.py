"""Free coordinates where only some of a mean are held, of a component whose columns go together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from emcli.frozen import frozen
from emcli.models.complete_data import Chart
from emcli.types import Array, BoolArray


@frozen
class ObliqueChart(Chart):
    """Of components some of whose mean is held, the free coordinates are shifts w of the mean: ν = N w, whitened.

    The columns of N (d, f) are an orthonormal basis of the shifts of L ν that move no held coordinate. The natural
    parameters of the mean are then b = P N w, of the precision P = 1 - S in whitened coordinates: these are curved, as
    their second derivatives by w and the coordinates of S are not 0.
    """

    bases: Sequence[Array | None]  # (k) N of each component; None: those in `own` are free
    shared: bool  # do the components share one covariance?

    @property
    def count(self) -> int:
        return int(self.own.sum()) + sum(int(basis.shape[1]) for basis in self.bases if basis is not None)

    def into(self) -> Array:
        directions, m, (k, d) = self.directions(), len(self.own), self._shape
        means = [np.eye(d)[:, self.own[j * d : (j + 1) * d]] if n is None else n for j, n in enumerate(self.bases)]
        found, column = np.zeros((m + directions.shape[0], self.count + directions.shape[1])), 0
        for j, basis in enumerate(means):
            found[j * d : (j + 1) * d, column : column + basis.shape[1]] = basis
            column += basis.shape[1]
        second = k * d + np.flatnonzero(self.own[k * d :])
        found[second, column + np.arange(len(second))] = 1.0
        found[m:, self.count :] = directions
        return found

    @property
    def _shape(self) -> tuple[int, int]:
        return len(self.bases), next(len(basis) for basis in self.bases if basis is not None)

    def bend(self, slopes: Array) -> Array | None:
        """Minus Σ s times the second derivatives of b, by the slopes s in the natural parameters of the means."""
        k, d = self._shape
        i, j = np.triu_indices(d)
        found = np.zeros((len(self.own) + self.directions().shape[0],) * 2)
        second = np.arange(k * d, len(self.own)).reshape(-1, len(i))
        for one in range(k):
            if self.bases[one] is not None:
                s, places = slopes[one * d : (one + 1) * d], second[0 if self.shared else one]
                found[one * d + i, places] += s[j]
                found[one * d + j, places] += s[i]
        into = self.into()
        bent = into.T @ found @ into
        return np.asarray(bent + bent.T)

    def gradient(self, slopes: Array) -> Array:
        return np.asarray(slopes @ self.into())

    def step(self, step: Array) -> Array:
        k, d = self._shape
        found = np.asarray(self.into()[: len(self.own), : self.count] @ step[: self.count])
        i, j = np.triu_indices(d)
        second = found[k * d :].reshape(-1, len(i))
        for one in range(k):
            if self.bases[one] is not None:
                bend = np.zeros((d, d))
                bend[i, j] = second[0 if self.shared else one]
                shift = found[one * d : (one + 1) * d]
                found[one * d : (one + 1) * d] = shift - (bend + bend.T) @ shift
        return found


def basis(root: Array, held: BoolArray) -> Array:
    """N (d, f) of `ObliqueChart`, of a Cholesky factor L (d, d) and which coordinates (d,) are held.

    It changes smoothly with L: charts of successive models are compared.
    """
    moving = np.linalg.solve(root, np.eye(len(root)))[:, ~held]
    return np.asarray(np.linalg.solve(np.linalg.cholesky(moving.T @ moving), moving.T).T)
