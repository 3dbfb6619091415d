"""Coins as the rest of the program sees them: options, starts, parameters and their tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from emcli.data import trial_counts, trials
from emcli.data.rows import Picked, Rows, Total
from emcli.data.scaling import weighed
from emcli.errors import FitWarning
from emcli.models import nesting
from emcli.models.base import Count, ParameterFault, Predictor, Share, first_pair
from emcli.models.coins.mixture import Coins, Tosses
from emcli.models.coins.purse import Purse
from emcli.models.parameters import Given
from emcli.models.seeding import far_apart
from emcli.types import Array, IndexArray

LARGEST_CERTIFIED = 10_000  # different rows up to which the certificate is worked out


class CoinsFamily:
    """Coins as the rest of the program sees them."""

    name = "coins"
    options: Mapping[str, object] = {
        "k": 2,
        "heads": None,
        "tosses": None,
        "tails": None,
        "flips": None,
        "mixing": "equal",
        "init": "k-means++",
        "bootstrap": None,
        "solver": None,
    }
    fixed_point = "rounding"
    hard = False

    def select(self, header: Sequence[str], find: Callable[[str], int], taken: set[int], settings: Any) -> Picked:
        return trials.select(header, find, settings)

    def rows(
        self, numbers: Array, texts: Sequence[list[str]], weights: Array | None, names: Sequence[str], settings: Any
    ) -> Rows:
        return trials.rows(numbers, texts, weights, names, settings)

    def across(self, total: Total, names: Sequence[str], settings: Any) -> Rows:
        return trials.across(total, names, settings)

    def draw(self, rows: Rows, settings: Any, rng: np.random.Generator) -> Iterator[Coins]:
        k, thrown = settings.model.k, rows.values[0] + rows.values[1]
        rates = rows.values[0] / thrown
        while True:
            heads = rng.uniform(rates.min(), rates.max(), k)
            if settings.search.init != "random":
                chosen = far_apart(rates[None, :], rows.weights, k, rng)
                drawn = (rows.values[0, chosen] + 0.5) / (thrown[chosen] + 1.0)
                heads = np.where([rate in rates[chosen[:i]] for i, rate in enumerate(rates[chosen])], heads, drawn)
            yield Coins(np.full(k, 1.0 / k), heads, settings.model.mixing == "free")

    def short_runs(self, settings: Any) -> tuple[int, int]:
        return (1, 0) if settings.search.init == "random" or settings.model.k == 1 else (4, 8)

    def read(
        self, parameters: Mapping[str, Any], settings: Mapping[str, Any], k: int | None = None, rows: Rows | None = None
    ) -> Coins:
        given = Given(parameters, ("weights", "heads"))
        heads = given.array("heads", (k,))
        for i, p in enumerate(heads):
            if not 0 <= p <= 1:
                raise ParameterFault(("heads", i), f"must be a probability from 0 to 1, got {p:g}")
        weights = given.weights(len(heads))
        free = settings.get("mixing", "equal") == "free"
        if not free and rows is not None and np.ptp(weights) > 1e-9:
            raise ParameterFault(("weights",), "must be equal with mixing: equal")
        return Coins(weights, heads, free)

    def write(self, model: Coins, stats: Tosses | None = None, rows: Rows | None = None) -> dict[str, Any]:
        return {"weights": model.weights.tolist(), "heads": model.heads.tolist()}

    def sampler(self, parameters: Mapping[str, Any], options: Mapping[str, Any]) -> Purse:
        model = self.read(parameters, {})
        tosses = options.get("tosses")
        if tosses is None:
            raise ParameterFault(("tosses",), "how many tosses has a row?")
        counts = {int(n): float(w) for n, w in tosses.items()} if isinstance(tosses, Mapping) else {int(tosses): 1.0}
        shares = np.array(list(counts.values()))
        return Purse(model.weights, model.heads, np.array(list(counts)), shares / shares.sum())

    def inward(self, model: Coins, rows: Rows) -> Coins:
        return model

    def outward(self, model: Coins, rows: Rows) -> Coins:
        return model

    def order(self, model: Coins) -> IndexArray:
        return np.lexsort((model.weights, model.heads))

    def measures(self, score: float, rows: Rows, k: int) -> tuple[float | None, float | None]:
        return score, None

    def apart(self, one: Mapping[str, Any], other: Mapping[str, Any]) -> Array:
        """On the scale on which a share of heads has the same variance wherever it is (Freeman & Tukey 1950)."""
        angles, others = (np.arcsin(np.sqrt(np.asarray(each["heads"], dtype=np.float64))) for each in (one, other))
        return np.asarray(np.abs(angles[:, None] - others))

    def within(self, small: Mapping[str, Any], large: Mapping[str, Any]) -> bool:
        return nesting.within(small, large)

    def grown(self, model: Coins, settings: Any, rows: Rows, step: float) -> Iterator[Coins]:
        free, tosses = (
            settings.model.mixing == "free",
            float(np.average(rows.values[:2].sum(axis=0), weights=rows.weights)),
        )
        sds = np.sqrt(np.maximum(model.heads * (1 - model.heads), 0.5 / tosses) / tosses)
        for parents, offsets, weights in nesting.parted(model.weights, settings.model.k, free):
            yield Coins(weights, np.clip(model.heads[parents] + step * offsets * sds[parents], 0.0, 1.0), free)

    def table(self, parameters: Mapping[str, Any], names: Sequence[str], total: float) -> list[tuple[str, list[Any]]]:
        weights = parameters["weights"]
        return [
            ("rows", [Count(total * w) for w in weights]),
            ("weight", [Share(w) for w in weights]),
            ("P(heads)", list(parameters["heads"])),
        ]

    def estimate(self, rows: Rows, members: Array, settings: Any) -> dict[str, Any]:
        weighted = weighed(members, rows.weights)
        heads, tails = (weighted @ rows.values[:2].T).T
        sizes = weighted.sum(axis=1)
        return {"weights": (sizes / sizes.sum()).tolist(), "heads": (heads / (heads + tails)).tolist()}

    def extras(self, rows: Rows) -> dict[str, Any]:
        tosses: Counter[int] = Counter()
        assert rows.weights is not None
        for heads, tails, weight in zip(*rows.values[:2].tolist(), rows.weights.tolist(), strict=True):
            tosses[int(heads + tails)] += weight
        return {"tosses": {str(n): int(w) if w == int(w) else w for n, w in sorted(tosses.items())}}

    def predictor(self, parameters: Mapping[str, Any], settings: Mapping[str, Any], names: Sequence[str]) -> Predictor:
        model = self.read(parameters, settings)
        if len(names) > 2:
            raise ParameterFault((), f"coins have one or two columns, but data.columns names {len(names)}")

        def apply(numbers: Array, texts: Sequence[list[str]]) -> tuple[Array, Array]:
            heads, tails = trials.counts(numbers, texts, names, settings.get("tails"), settings.get("tosses"))
            pairs, place = trial_counts.distinct(heads, tails)
            responsibilities, log_density = model.posterior(trials.with_coefficients(pairs))
            return responsibilities[:, place], log_density[place]

        return Predictor(len(names) == 1, apply, len(model.heads), "log_density")

    def spurious(self, model: Coins, stats: Callable[[], Tosses], rows: Rows) -> str | None:
        return None

    def identical(self, model: Coins) -> tuple[int, int] | None:
        sd = np.sqrt(model.heads * (1 - model.heads))
        return first_pair(lambda i, j: abs(model.heads[i] - model.heads[j]) <= 1e-4 * sd[[i, j]].max(), len(sd))

    def unidentified(self, rows: Rows, settings: Any) -> str | None:
        return trials.unidentified(rows, settings.model.k, settings.model.mixing)

    def exact(self, rows: Rows, settings: Any) -> None:
        return None

    def certificate(self, log_likelihood: float | None, rows: Rows, settings: Any) -> dict[str, float] | None:
        """Lindsay (1983): no mixture of any number of coins is more than gap + N ln(1 + D/N) nats better."""
        if settings.model.mixing != "free" or log_likelihood is None or rows.values.shape[1] > LARGEST_CERTIFIED:
            return None
        from emcli.models.coins.npmle import npmle

        assert rows.weights is not None
        heads, tails, log_comb = rows.values
        best = npmle(heads, tails, log_comb, rows.weights)
        if not np.isfinite(best.D):
            return None
        return {"npmle_log_likelihood": best.log_likelihood, "gap": best.log_likelihood - log_likelihood, "D": best.D}

    def cautions(self, model: Coins, stats: Tosses) -> list[FitWarning]:
        return []
