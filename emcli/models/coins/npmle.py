"""Nonparametric maximum likelihood of mixtures of coins: the best mixture of any number of coins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from emcli.data.binomial import log_greatest
from emcli.types import Array

D_TOLERANCE = 1e-7  # at which D is small enough, in nats
MAX_GRID_ENTRIES = 2e7  # rows times grid points at most
MAX_GRID_POINTS = 20000  # between the rates: a quarter of a standard deviation for two million tosses
EM_STEPS = 30  # before the first Newton step
MAX_IDLE_STEPS = 12  # Newton steps in a row without a lower D, after which the search ends
MAX_WORK = 1e9  # rows times squared coins summed over all steps, some seconds, after which the search ends
MAX_REFINEMENTS = 60  # steps to refine a maximum of the gradient: enough to bisect a bracket down to rounding
MIN_DENSITY = 1e-100  # of a row relative to a coin with its own rate; smaller ones are not divided by


@dataclass(frozen=True)
class NPMLE:
    """The best binomial mixture, and the proof that no other is better by more than N ln(1 + D / N)."""

    log_likelihood: float  # with binomial coefficients
    D: float  # greatest directional derivative towards a coin; 0 at the optimum
    heads: Array  # (m,) P(heads) of its coins, ascending
    weights: Array  # (m,) mixing weights


class Peaks(NamedTuple):
    """Local maxima over p of the gradient sum_i w_i Bin(h_i | n_i, p) / f_i - N."""

    heads: Array  # (m,)
    gradient: Array  # (m,)


class Likelihood:
    """Binomial likelihoods relative to each row's own rate h / n, so that none overflows."""

    def __init__(self, heads: Array, tails: Array, weights: Array) -> None:
        self.heads, self.tails, self.weights = heads, tails, weights
        self.tosses = heads + tails
        self.rates = heads / self.tosses
        self.total = float(weights.sum())
        with np.errstate(divide="ignore", invalid="ignore"):
            head_part = np.where(heads > 0, heads * np.log(self.rates), 0.0)
            tail_part = np.where(tails > 0, tails * np.log(tails / self.tosses), 0.0)
        self.log_greatest = head_part + tail_part
        self.grid = self._spaced()
        self._on_grid = self._densities_on_grid()

    def _spaced(self) -> Array:
        """Grid (g,): the rates, ascending, and points a quarter of a standard deviation apart in angle.

        Beyond the extreme rates every term of the gradient falls, so the grid ends there.
        """
        allowed = max(int(MAX_GRID_ENTRIES / len(self.heads)), 64)
        rates = np.unique(self.rates)
        angles = np.arcsin(np.sqrt(rates[[0, -1]]))
        wanted = int(np.ptp(angles) * 8 * np.sqrt(self.tosses.max())) + 2
        if len(rates) > allowed // 2:
            rates = rates[np.linspace(0, len(rates) - 1, allowed // 2).astype(np.intp)]
        points = np.sin(np.linspace(angles[0], angles[1], min(wanted, allowed - len(rates), MAX_GRID_POINTS))) ** 2
        grid: Array = np.unique(np.concatenate([rates, np.clip(points, rates[0], rates[-1])]))
        return grid

    def _densities_on_grid(self) -> Array:
        """Densities (g, n) by a plain product: 1e-10 off for a million tosses, accurate enough to locate maxima."""
        with np.errstate(divide="ignore"):
            logs = np.maximum(np.column_stack([np.log(self.grid), np.log1p(-self.grid)]), -1e200)
        found: Array = logs @ np.stack([self.heads, self.tails])
        found -= self.log_greatest
        return np.asarray(np.exp(found, out=found))

    def densities(self, p: Array) -> Array:
        """Densities (n, m) for P(heads) p (m,), accurate for many tosses too."""
        away = p - self.rates[:, None]
        heads, tails = self.heads[:, None], self.tails[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            up = np.where(heads > 0, heads * np.log1p(np.maximum(away / self.rates[:, None], -1.0)), 0.0)
            down = np.where(tails > 0, tails * np.log1p(np.maximum(-away * self.tosses[:, None] / tails, -1.0)), 0.0)
        return np.asarray(np.exp(up + down))

    def gradient(self, p: Array, ratio: Array) -> tuple[Array, Array, Array]:
        """Gradient (m,) at p, and its first two derivatives in the log-odds of p; `ratio` (n,) is w / f."""
        terms = self.densities(p) * ratio[:, None]
        excess = self.heads[:, None] - self.tosses[:, None] * p
        slope = terms * excess
        curvature = (slope * excess).sum(axis=0) - (self.tosses @ terms) * p * (1 - p)
        return terms.sum(axis=0) - self.total, slope.sum(axis=0), curvature

    def peaks(self, density: Array) -> Peaks:
        """Every local maximum of the gradient of a mixture with this density (n,), by safeguarded Newton steps."""
        ratio = self.weights / np.maximum(density, MIN_DENSITY)
        height = np.concatenate([[-np.inf], self._on_grid @ ratio, [-np.inf]])
        inner = height[1:-1]
        at = np.flatnonzero((inner > height[:-2]) & (inner >= height[2:]) & (inner >= 0.5 * self.total))
        low, high = self.grid[np.maximum(at - 1, 0)], self.grid[np.minimum(at + 1, len(self.grid) - 1)]
        end = (at == 0) | (at == len(self.grid) - 1)
        p = np.where(end, (low + high) / 2, self.grid[at])
        for _ in range(MAX_REFINEMENTS):
            _, slope, curvature = self.gradient(p, ratio)
            low, high = np.where(slope > 0, p, low), np.where(slope > 0, high, p)
            with np.errstate(divide="ignore", invalid="ignore"):
                newton = p - p * (1 - p) * slope / curvature
            moved = np.where((curvature < 0) & (newton > low) & (newton < high), newton, (low + high) / 2)
            moved = np.where(slope == 0, p, moved)
            still = np.abs(moved - p) <= 1e-6 * np.sqrt(p * (1 - p) / self.tosses.max())
            p = moved
            if still.all():
                break
        heads = np.unique(np.concatenate([p, self.grid[at[end]]]))  # an end may itself be the maximum
        return Peaks(heads, self.gradient(heads, ratio)[0])

    def start(self) -> Array:
        """Start values (m,): the median rates of bins three standard deviations wide, so that one is near every row."""
        rates = np.unique(self.rates)
        bins = min(int(np.pi * np.sqrt(self.tosses.max()) / 3), 1000) + 30
        place = (np.arcsin(np.sqrt(rates)) * (2 * bins / np.pi)).astype(np.intp)
        _, first, counts = np.unique(place, return_index=True, return_counts=True)
        return np.asarray(rates[first + counts // 2])


def npmle(heads: Array, tails: Array, weights: Array) -> NPMLE:
    """Nonparametric maximum likelihood of a binomial mixture, over any number of coins (Lindsay 1983).

    `heads`, `tails` and `weights` (frequencies, fractional or not) are (n,), over distinct rows. Constrained Newton
    (Wang 2007): add every local maximum of the gradient to the support, solve the quadratic model of the
    log-likelihood for the mixing weights, search along the line. D bounds what any binomial mixture gains over the one
    returned by N ln(1 + D / N), N the sum of the weights (Lindsay 1983); it falls below 1e-7 unless thousands of rows
    need a hundred coins. Raises ValueError if no row has both tosses and weight.
    """
    used = (weights > 0) & (heads + tails > 0)
    if not used.any():
        raise ValueError("needs a row with tosses and weight")
    model = Likelihood(heads[used], tails[used], weights[used])
    p = model.start()
    masses = _em(model, model.densities(p))
    found = NPMLE(-np.inf, np.inf, p, masses)
    constant = float(model.weights @ log_greatest(heads[used], tails[used]))
    idle = work = 0
    while True:
        columns = model.densities(p)
        density = columns @ masses
        peaks = model.peaks(density)
        slack = max(float(peaks.gradient.max()), 0.0) if density.min() > MIN_DENSITY else np.inf
        idle = 0 if slack < found.D else idle + 1
        if slack <= found.D:
            found = NPMLE(_score(model, density) + constant, slack, p, masses)
        work += columns.size * len(p)
        if slack < D_TOLERANCE or idle > MAX_IDLE_STEPS or work > MAX_WORK:
            break
        fresh = peaks.heads[~np.isin(peaks.heads, p)]
        columns = np.concatenate([columns, model.densities(fresh)], axis=1)
        p, masses = np.concatenate([p, fresh]), np.concatenate([masses, np.zeros(len(fresh))])
        masses = _newton(model, columns, masses)
        p, masses = _merged(model, p[masses > 0], masses[masses > 0])
    return found


def _score(model: Likelihood, density: Array) -> float:
    """Log-likelihood relative to a model with one coin for each row."""
    with np.errstate(divide="ignore"):
        return float(model.weights @ np.log(density))


def _em(model: Likelihood, columns: Array) -> Array:
    """Mixing weights (m,) after some steps of EM from equal ones; `columns` are densities (n, m).

    Far from the optimum the Newton step starves rows, whose densities then but double from step to step.
    """
    masses: Array = np.full(columns.shape[1], 1.0 / columns.shape[1])
    for _ in range(EM_STEPS):
        masses *= (model.weights / np.maximum(columns @ masses, MIN_DENSITY)) @ columns / model.total
    masses /= masses.sum()
    return masses


def _newton(model: Likelihood, columns: Array, masses: Array) -> Array:
    """Mixing weights (m,) after one constrained Newton step with a line search; `columns` are densities (n, m).

    The quadratic model is |S x - 2|^2 over the simplex, S = densities / f, weighted by w; it is non-negative least
    squares with one row more for the sum (Dax 1990). The R of a QR decomposition stands for all the rows.
    """
    from scipy.optimize import nnls

    density = columns @ masses
    relative = columns / np.maximum(density, MIN_DENSITY)[:, None]
    root = np.sqrt(model.weights / model.total)
    triangle = np.linalg.qr((relative - 2.0) * root[:, None], mode="r")
    wanted = np.zeros(len(triangle) + 1)
    wanted[-1] = 1.0
    try:
        solved, _ = nnls(np.vstack([triangle, np.ones(len(masses))]), wanted, maxiter=30 * len(masses))
    except RuntimeError:  # out of iterations: a step of EM raises the likelihood too
        solved = masses * (model.weights @ relative)
    direction = solved / solved.sum() - masses
    score, gain = _score(model, density), float(model.weights @ (relative @ direction))
    length = 1.0
    while length > 1e-10:
        moved = masses + length * direction
        if _score(model, columns @ moved) >= score + 1e-4 * length * gain:
            return np.asarray(np.maximum(moved, 0.0) / np.maximum(moved, 0.0).sum())
        length *= 0.5
    return masses


def _merged(model: Likelihood, p: Array, masses: Array) -> tuple[Array, Array]:
    """Coins in ascending order, merged where they are closer than a thousandth of a standard deviation.

    Merged coins lie at their weighted mean: near where the next Newton step would put them.
    """
    order = np.argsort(p)
    p, masses = p[order], masses[order]
    width = 1e-3 * np.sqrt(p * (1 - p) / model.tosses.max())
    group = np.concatenate([[0], np.cumsum(np.diff(p) > width[1:])])
    together = np.bincount(group, masses)
    return np.asarray(np.bincount(group, masses * p) / together), np.asarray(together)
