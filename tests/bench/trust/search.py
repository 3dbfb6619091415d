"""Long searches in plain NumPy for the best optimum of a small problem: EM written anew, nothing of emcli."""

from __future__ import annotations

from math import log

import numpy as np
from scipy.special import gammaln

State = tuple[np.ndarray, np.ndarray, np.ndarray]  # weights (k,); means or P(heads); covariances, or nothing


def best(kind: str, options: dict[str, str], values: np.ndarray, k: int, seed: int = 1) -> float:
    """The log-likelihood of the best optimum found (kmeans: minus the inertia) of values (n, d)."""
    if kind == "kmeans":
        from sklearn.cluster import KMeans

        return -float(KMeans(k, n_init=500, tol=0.0, max_iter=1000, random_state=seed).fit(values).inertia_)
    rng = np.random.default_rng(seed)
    if kind == "coins":
        problem: Coins | Gaussians = Coins(values, options["--mixing"] == "equal")
    else:
        problem = Gaussians(values, options.get("--covariance") == "tied")
    return search(problem, k, rng)


class Coins:
    """Binomial mixtures of rows (heads, tosses)."""

    def __init__(self, values: np.ndarray, equal: bool):
        self.heads, self.tosses, self.equal = values[:, 0], values[:, 1], equal
        self.constant = gammaln(self.tosses + 1) - gammaln(self.heads + 1) - gammaln(self.tosses - self.heads + 1)
        self.rates = self.heads / np.maximum(self.tosses, 1)

    def start(self, k: int, number: int, rng: np.random.Generator) -> State:
        """Rates of rows, uniform ones, or (third kind) uniform ones that differ little."""
        kind = number % 3
        rates = rng.choice(self.rates, k) if kind == 0 else rng.uniform(size=k)
        if kind == 2:
            rates = self.heads.sum() / self.tosses.sum() + 0.05 * (rates - 0.5)
        return np.full(k, 1 / k), np.clip(rates, 0.01, 0.99), np.empty(0)

    def swapped(self, state: State, j: int, rng: np.random.Generator) -> State:
        weights, rates = state[0].copy(), np.clip(state[1], 1e-4, 1 - 1e-4)
        rates[j], weights[j] = rng.uniform(0.01, 0.99), 1 / len(rates)
        return weights / weights.sum(), rates, state[2]

    def densities(self, state: State) -> np.ndarray:
        p = np.clip(state[1], 1e-300, 1 - 1e-16)
        tails = (self.tosses - self.heads)[:, None]
        return self.constant[:, None] + self.heads[:, None] * np.log(p) + tails * np.log1p(-p)

    def m_step(self, r: np.ndarray) -> State | None:
        mass = np.maximum(r.T @ self.tosses, 1e-300)
        weights = np.full(r.shape[1], 1 / r.shape[1]) if self.equal else r.mean(axis=0)
        return weights, (r.T @ self.heads) / mass, np.empty(0)

    def chance(self, state: State, r: np.ndarray) -> bool:
        return False


class Gaussians:
    """Gaussian mixtures of rows (n, d), with one covariance for all or one each."""

    def __init__(self, values: np.ndarray, tied: bool):
        self.x, self.tied = values, tied
        self.covariance = np.cov(values.T, bias=True).reshape(values.shape[1], -1)

    def start(self, k: int, number: int, rng: np.random.Generator) -> State:
        """Means at rows far from each other (k-means++) or at any rows; covariances of several sizes."""
        means = self.x[rng.choice(len(self.x), k, replace=False)]
        if number % 2:
            root = np.linalg.inv(np.linalg.cholesky(self.covariance)).T
            z, chosen = self.x @ root, [int(rng.integers(len(self.x)))]
            while len(chosen) < k:
                gaps = np.min([((z - z[i]) ** 2).sum(axis=1) for i in chosen], axis=0)
                chosen.append(int(rng.choice(len(z), p=gaps / gaps.sum())))
            means = self.x[chosen]
        return np.full(k, 1 / k), means, np.tile(self.covariance * rng.choice([1.0, 0.25, 1 / k**2]), (k, 1, 1))

    def swapped(self, state: State, j: int, rng: np.random.Generator) -> State:
        weights, means, covariances = (part.copy() for part in state)
        means[j], weights[j] = self.x[rng.integers(len(self.x))], 1 / len(weights)
        if not self.tied:
            covariances[j] = self.covariance * rng.choice([0.25, 0.03])
        return weights / weights.sum(), means, covariances

    def densities(self, state: State) -> np.ndarray:
        _, means, covariances = state
        roots = np.linalg.cholesky(covariances)
        z = np.linalg.solve(roots, (self.x[None] - means[:, None]).transpose(0, 2, 1))
        return -0.5 * ((z**2).sum(axis=1).T + self.x.shape[1] * log(2 * np.pi)) - np.log(
            np.diagonal(roots, axis1=1, axis2=2)
        ).sum(axis=1)

    def m_step(self, r: np.ndarray) -> State | None:
        mass = r.sum(axis=0)
        if mass.min() < 1e-8:
            return None
        means = (r.T @ self.x) / mass[:, None]
        gaps = self.x[None] - means[:, None]
        sums = np.einsum("nk,kni,knj->kij", r, gaps, gaps)
        covariances = np.tile(sums.sum(axis=0) / len(self.x), (len(mass), 1, 1)) if self.tied else (
            sums / mass[:, None, None])  # fmt: skip
        if np.linalg.det(covariances).min() < 1e-14 * np.linalg.det(self.covariance):
            return None
        return mass / len(self.x), means, covariances

    def chance(self, state: State, r: np.ndarray) -> bool:
        """Does a component rest on few rows that happen to lie close together (one column, own variances)?

        Fewer than 3 different rows; or an sd below an eighth of the pooled one, fewer than half of the rows, and a
        count m within 1.96 sd that does not stand out from the e expected there: m ln(m / e) - m + e < 2 ln n.
        """
        if self.tied:
            return False
        weights, means, covariances = state
        pooled = float(weights @ covariances[:, 0, 0])
        for j, (mean, variance) in enumerate(zip(means[:, 0], covariances[:, 0, 0], strict=True)):
            if len(np.unique(self.x[r[:, j] > 0.5])) < 3:
                return True
            if variance < pooled / 64 and weights[j] < 0.5:
                far = np.abs(self.x[:, 0] - mean) / variance**0.5
                m = (far < 1.96).sum()
                others = 1 - r[far < 1.96, j]
                e = max(float(others.sum()), 0.5 * ((far >= 1.96) & (far < 3 * 1.96)).sum(), 1e-9)
                if m <= e or m * log(m / e) - m + e < 2 * log(len(self.x)):
                    return True
        return False


def climb(
    problem: Coins | Gaussians, state: State, most: int, tol: float
) -> tuple[float, float, State, np.ndarray] | None:
    """EM until a step gains less than tol: the log-likelihood, the limit that the last gains promise (Aitken), the
    state and the responsibilities; None where a component collapses."""
    values = [-np.inf, -np.inf]
    for _ in range(most):
        with np.errstate(divide="ignore"):
            joint = problem.densities(state) + np.log(state[0])
        top = joint.max(axis=1, keepdims=True)
        shares = np.exp(joint - top)
        sums = shares.sum(axis=1, keepdims=True)
        r = shares / sums
        values.append(float((np.log(sums) + top).sum()))
        if values[-1] - values[-2] < tol:
            break
        after = problem.m_step(r)
        if after is None:
            return None
        state = after
    gain, before = values[-1] - values[-2], values[-2] - values[-3]
    limit = values[-1] + (gain * gain / (before - gain) if 0 < gain < before < np.inf else 0.0)
    return values[-1], limit, state, r


def search(problem: Coins | Gaussians, k: int, rng: np.random.Generator, starts: int = 60, swaps: int = 300) -> float:
    """The best of many starts, then random swaps (Fränti & Kivijärvi 2000) that are kept where they end higher."""
    value, found = -np.inf, None
    for number in range(starts + swaps):
        begin = problem.start(k, number, rng) if number < starts or found is None else (
            problem.swapped(found, int(rng.integers(k)), rng))  # fmt: skip
        end = climb(problem, begin, 300, 1e-6)
        if end and end[1] > value + 1e-4:
            end = climb(problem, end[2], 20_000, 1e-9)
            if end and end[0] > value and not problem.chance(end[2], end[3]):
                value, found = end[0], end[2]
    assert found is not None
    return value
