"""Mixtures of binomials: each row holds the tosses of one of k coins, and which coin is hidden."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import ClassVar, Self

import numpy as np

from emcli.config.settings import ModelSettings, Narrowed
from emcli.data.rows import Rows
from emcli.data.trials import MAX_PLAIN_LOG, TRIALS
from emcli.models.base import Degenerate, first_pair
from emcli.models.coins import boundary, fixed
from emcli.models.coins.densities import (
    LOG_ZERO,
    are_plain,
    beyond_split,
    excess,
    split_log_densities,
    split_log_odds,
)
from emcli.models.coins.e_step import expected_counts, rounding_squares
from emcli.models.coins.identifiability import too_few_tosses
from emcli.models.coins.initialization import draw_heads
from emcli.models.coins.prior import TAKEN, BetaPrior
from emcli.models.coins.values import CoinValues
from emcli.models.complete_data import Chart, CompleteData
from emcli.models.fixed import Fixed
from emcli.models.nesting import Parts, contains
from emcli.models.parameters import ParameterFault
from emcli.models.posterior import normalise, tilted, weight_slopes
from emcli.models.statistics import Stats
from emcli.types import Array, IndexArray

MAX_BOUND_ROWS = 10_000  # distinct rows up to which the bound on the likelihood is computed
IDENTICAL_WITHIN_SDS = 1e-4  # sds of one toss: coins closer than this are identical


@dataclass(frozen=True, eq=False)
class BinomialStats(Stats):
    """Expected rows, heads and tails of each coin."""

    rows: Array  # (k,) effective rows
    heads: Array  # (k,)
    tails: Array  # (k,)


@dataclass(frozen=True, eq=False)
class BinomialMixture(CoinValues[BinomialStats]):
    """k coins; rows (5, n) as in `densities`."""

    name = "coins"
    observations = TRIALS
    options: ClassVar[Mapping[str, object]] = {
        "k": 2,
        "heads": None,
        "tosses": None,
        "tails": None,
        "flips": None,
        "mixing": "equal",
        "prior": Narrowed(TAKEN),
        "init": "auto",
        "bootstrap": None,
        "fix": fixed.HELD,
        "solver": None,
    }
    grows = True

    weights: Array  # (k,) mixing weights
    heads: Array  # (k,) P(heads)
    free: bool = False  # are the mixing weights estimated?
    prior: BetaPrior | None = None
    fixed: Fixed | None = None  # what is held
    _log_odds: Array = field(init=False, repr=False)  # (k, 3): ln p, ln (1 - p), 1
    _log_weights: Array = field(init=False, repr=False)  # (k, 1)

    def __post_init__(self) -> None:
        log_odds = np.ones((len(self.heads), 3))
        with np.errstate(divide="ignore"):
            np.log(self.heads, out=log_odds[:, 0])
            np.log1p(-self.heads, out=log_odds[:, 1])
            object.__setattr__(self, "_log_weights", np.maximum(np.log(self.weights), LOG_ZERO)[:, None])
        object.__setattr__(self, "_log_odds", np.maximum(log_odds, LOG_ZERO, out=log_odds))

    def e_step(self, rows: Array, weights: Array | None) -> BinomialStats:
        """Heads and tails attributed to each coin, and the log-likelihood with its binomial coefficients."""
        terms = np.minimum(rows[2], MAX_PLAIN_LOG)
        if weights is None:
            total, squares = float(rows.shape[1]), float(terms @ terms)
        else:
            total, squares = float(weights.sum()), float(weights @ terms**2)
        plain = are_plain(rows)
        if plain or not beyond_split(rows).any():
            log_odds = (self._log_odds,) if plain else self._split
            score, counts = expected_counts(log_odds, self.weights, self._log_weights, rows[:4], weights)
        else:
            r, log_density = self.posterior(rows)
            score = float(log_density.sum() if weights is None else weights @ log_density)
            r = r if weights is None else r * weights
            counts = np.stack([r.sum(axis=1), *(r @ rows[:2].T).T])
        if not score > 0.1 * LOG_ZERO:
            raise Degenerate("a row is impossible for every coin: P(heads) of exactly 0 or 1 contradicts it")
        squares += rounding_squares(counts[1] + counts[2], self.heads)
        return BinomialStats(total, score, squares, *counts)

    def m_step(self, stats: BinomialStats) -> Self:
        """P(heads) is heads over tosses; a coin that has lost all its rows stays as it is.

        Raises Degenerate where P(heads) rounds to 1 although the coin has tails.
        """
        pseudo = self.prior.count if self.prior else 0.0
        shown, tails = stats.heads + pseudo, stats.tails + pseudo
        tosses, heads = shown + tails, self.heads.copy()
        np.divide(shown, tosses, out=heads, where=tosses > 0)
        if heads.max() == 1.0:
            near = (heads == 1.0) & (tosses > 0)
            heads[near] = 1.0 - tails[near] / tosses[near]
            if ((heads == 1.0) & (tails > 0.5)).any():
                raise Degenerate("P(heads) of a coin is nearer to 1 than double precision can tell")
        found = replace(self, heads=heads, weights=stats.rows / stats.weight if self.free else self.weights)
        return found if self.fixed is None else found.held()

    def penalised(self, stats: BinomialStats) -> BinomialStats:
        """The statistics with the log posterior as score, where there is a prior. Raises Degenerate at density 0."""
        if self.prior is None:
            return stats
        known = self.log_prior()
        if not known > 0.1 * LOG_ZERO * self.prior.count:
            raise Degenerate("P(heads) of exactly 0 or 1 has density 0 under the prior")
        squares = stats.squares + self.prior.cancelling(self._estimated())
        return replace(stats, score=stats.score + known, squares=squares)

    def log_prior(self) -> float:
        return 0.0 if self.prior is None else self.prior.log_density(self._estimated())

    def _estimated(self) -> Array:
        """ln p and ln (1 - p) of the coins that have a prior: a P(heads) that is held has none."""
        free = slice(None) if self.fixed is None else np.isnan(self.fixed.values)
        return self._log_odds[free, :2]

    def prior_information(self) -> tuple[Array, Array] | None:
        if self.prior is None:
            return None
        slopes, known = self.prior.information(self.heads)
        unknown = np.zeros(len(slopes) - 1 if self.free else 0)
        return np.concatenate([slopes, unknown]), np.concatenate([known, unknown])

    def posterior(self, rows: Array) -> tuple[Array, Array]:
        """Responsibilities (k, n) and log-densities (n,)."""
        log_joint = self.log_densities(rows)
        log_joint += self._log_weights
        log_density = normalise(log_joint)
        return log_joint, log_density

    def log_densities(self, rows: Array) -> Array:
        """ln of the binomial density of each coin (k, n); LOG_ZERO and less where that is 0.

        Where the terms of a row are large, their sum would lose the digits in which coins differ.
        """
        if are_plain(rows):
            return np.asarray(self._log_odds @ rows[:3])
        return split_log_densities(self._split, rows, self.heads)

    @cached_property
    def _split(self) -> tuple[Array, Array]:
        return split_log_odds(self.heads)

    def complete(self, rows: Array, weights: Array | None) -> CompleteData:
        """Complete-data scores and information in the log-odds of each coin."""
        r, _ = self.posterior(rows)
        p, tosses = self.heads[:, None], rows[0] + rows[1]
        informed = (r * tosses) @ (np.ones(len(tosses)) if weights is None else weights) * self.heads * (1 - self.heads)
        places = np.arange(len(p))[:, None]
        mixing = self.weights if self.free else None
        return CompleteData(r, excess(rows, p)[:, None, :], informed[:, None, None], places, mixing, chart=self.chart())

    def gradient(self, stats: BinomialStats) -> Array:
        """The slopes (p,) of the log-likelihood in the parameters of `complete`."""
        mixing = weight_slopes(self.weights, stats.rows) if self.free else ()
        return self.of_free(np.concatenate([stats.heads * (1 - self.heads) - stats.tails * self.heads, mixing]))

    def moved(self, step: Array) -> Self:
        """The mixture after a step (p,) in the free parameters of `complete`."""
        k, chart = len(self.heads), self.chart()
        odds = step[:k] if chart is None else chart.step(step)
        tails = 1 - self.heads
        heads = (
            self.heads
            * np.exp(np.minimum(odds, 0))
            / (self.heads * np.exp(np.minimum(odds, 0)) + tails * np.exp(-np.maximum(odds, 0)))
        )
        if chart is not None:
            return replace(self, heads=heads, weights=chart.tilted(step, self.weights)).held()
        return replace(self, heads=heads, weights=tilted(self.weights, step[k:]) if self.free else self.weights)

    @classmethod
    def fixed_in(cls, settings: ModelSettings, columns: int) -> Fixed | None:
        """P(heads) and mixing weights that are held. Raises FixedFault."""
        return None if settings.fix is None else fixed.read(settings.fix, settings)

    def held(self) -> Self:
        """The coins with those P(heads) and weights that are held at their values again."""
        if self.fixed is None:
            return self
        return replace(self, heads=self.fixed.put(self.heads), weights=self.fixed.shares(self.weights))

    def chart(self) -> Chart | None:
        """The free ones among the log-odds and the mixing weights."""
        return None if self.fixed is None else self.fixed.chart(self.weights, self.free)

    def inward(self, e_step: Callable[[Self], BinomialStats]) -> Sequence[Iterator[Self]]:
        """Ways off P(heads) of 0 and 1, and off mixing weights of 0, to where the likelihood is higher."""
        return boundary.inward(self, e_step)

    def closed(self) -> Iterator[Self]:
        """The mixture with a P(heads) next to 0 or 1 set to it, for each that there is."""
        return boundary.closed(self)

    def sample(self, labels: IndexArray, rng: np.random.Generator, trials: IndexArray | None = None) -> Array:
        """Heads and tosses (n, 2). Raises ParameterFault without the number of tosses of each row."""
        if trials is None:
            raise ParameterFault(("tosses",), "how many tosses has a row?")
        return np.column_stack([rng.binomial(trials, self.heads[labels]), trials])

    @classmethod
    def start_kinds(cls, settings: ModelSettings) -> tuple[str, ...]:
        """Also coins that begin alike, where equal mixing needs several coins for one share of the rows."""
        alike = ("alike",) if settings.mixing == "equal" else ()
        return ("k-means++", "uniform", *alike, "split")

    @classmethod
    def initialize(cls, rows: Rows, settings: ModelSettings, kind: str, rng: np.random.Generator) -> Self:
        """Start values as in `initialization`."""
        heads, prior = draw_heads(rows, settings.k, kind, rng), BetaPrior.of(settings)
        if prior is not None:
            heads = prior.inside(heads, float(np.average(rows.values[:2].sum(axis=0), weights=rows.weights)))
        found = cls(np.full(settings.k, 1.0 / settings.k), heads, settings.mixing == "free", prior)
        return found.holding(cls.fixed_in(settings, 1))

    @classmethod
    def contains(cls, small: ModelSettings, large: ModelSettings) -> bool:
        """Is every mixture with the small settings also one with the large ones?"""
        plain = BetaPrior.of(small) is None and BetaPrior.of(large) is None
        return plain and contains(small, large)  # a prior of k coins is no part of one of more

    def split(
        self, parts: Parts, step: float, rows: Rows, settings: ModelSettings, rng: np.random.Generator | None = None
    ) -> Self:
        """Coins split by `step` sds of a row's share of heads either way."""
        tosses = float(np.average(rows.values[:2].sum(axis=0), weights=rows.weights))
        sds = np.sqrt(np.maximum(self.heads * (1 - self.heads), 0.5 / tosses) / tosses)
        heads = np.clip(self.heads[parts.parents] + step * parts.offsets * sds[parts.parents], 0.0, 1.0)
        prior = BetaPrior.of(settings)
        heads = heads if prior is None else prior.inside(heads, tosses)
        return replace(self, weights=parts.weights, heads=heads, free=settings.mixing == "free", prior=prior)

    def identical_components(self) -> tuple[int, int] | None:
        """Two coins with nearly equal P(heads), if there are any."""
        sd = np.sqrt(self.heads * (1 - self.heads))
        return first_pair(
            lambda i, j: abs(self.heads[i] - self.heads[j]) <= IDENTICAL_WITHIN_SDS * sd[[i, j]].max(), len(sd)
        )

    @classmethod
    def unidentifiable(cls, rows: Rows, settings: ModelSettings) -> str | None:
        """Why the rows have too few tosses to identify the coins; None where they have, or all have names."""
        if settings.fix or len(rows.components) == settings.k:
            return None
        return too_few_tosses(rows, settings.k, settings.mixing)

    @classmethod
    def likelihood_bound(
        cls, log_likelihood: float | None, rows: Rows, settings: ModelSettings
    ) -> Mapping[str, float | None] | None:
        """Lindsay (1983): no mixture of any number of coins is more than gap + N ln(1 + D/N) nats better.

        None where the coin of some rows is known: then the likelihood is not that of a mixture alone.
        """
        if (
            rows.known is not None
            or settings.mixing != "free"
            or log_likelihood is None
            or rows.values.shape[1] > MAX_BOUND_ROWS
        ):
            return None
        if BetaPrior.of(settings) is not None:  # the likelihood is not what is maximized
            return None
        from emcli.models.coins.npmle import npmle

        assert rows.weights is not None
        best = npmle(rows.values[0], rows.values[1], rows.weights)
        if not np.isfinite(best.D):
            return None
        return {"npmle_log_likelihood": best.log_likelihood, "gap": best.log_likelihood - log_likelihood, "D": best.D}
