"""How many components: one more at a time, until two in a row bring no better criterion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import NamedTuple

from emcli.comparison.candidate import CLUSTERING, LIKELIHOOD, Candidate
from emcli.comparison.candidates import CandidateFit
from emcli.comparison.gap import chosen
from emcli.config.sources import MOST_COMPONENTS
from emcli.errors import EmcliError

WITHOUT_BETTER = 2  # numbers of components in a row, after which no more are tried


class Growth(NamedTuple):
    """The candidates that were tried, and why no more were."""

    candidates: list[Candidate]
    stopped: str


def rows_and_criterion(fits: Sequence[CandidateFit], criterion: str | None) -> tuple[float, str]:
    """The rows of the data, and the criterion; None: the model's own. Raises EmcliError where no fit has data."""
    faults = []
    for each in fits:
        try:
            rows = each.dataset().rows
        except EmcliError as error:
            faults.append(error)
            continue
        own = "bic" if not each.kind.hard else "ch" if rows.observed is not None else "silhouette"
        return rows.sample_size, criterion or own
    raise faults[0]


def ks_of(rows: float, criterion: str) -> range:
    """The numbers of components that may be tried for so many rows: at most their root.

    They begin with the least for which there is a criterion.
    """
    first = 2 if criterion in CLUSTERING and criterion != "gap" else 1
    return range(first, 1 + max(first, min(MOST_COMPONENTS, int(rows**0.5))))


def grown(
    ks: Sequence[int],
    criterion: str,
    rows: float,
    more: Callable[[int], list[Candidate]],
    finish: Callable[[], list[Candidate]],
) -> Growth:
    """Try one number of components after another; those tried so far are what `more` returns, and `finish` at the end.

    `finish` may change which is the best; then it goes on.
    """
    for k in ks:
        found = more(k)
        if (_is_enough(found, criterion) or k == ks[-1]) and _is_enough(found := finish(), criterion):
            return Growth(found, f"-k auto stopped at k={k}: {_why(found, criterion)}.")
    return Growth(found, f"-k auto stopped at k={ks[-1]}, the most that it tries for {rows:,g} rows.")


def _is_enough(found: Sequence[Candidate], criterion: str) -> bool:
    """Have two in a row brought nothing better? With the gap statistic: does its rule choose one, but the last?"""
    ks = sorted({candidate.settings["k"] for candidate in found})
    if criterion == "gap":
        return len(ks) > 1 and _best(found, criterion) != ks[-1]
    return ks.index(_best(found, criterion)) + WITHOUT_BETTER < len(ks)


def _best(found: Sequence[Candidate], criterion: str) -> int:
    """The smallest k with the best value, of candidates that are no artefacts."""
    if criterion == "gap":
        gaps = {one.settings["k"]: gap for one in found if (gap := one.gap()) is not None}
        return chosen(gaps) or found[0].settings["k"]
    sign = 1.0 if criterion in LIKELIHOOD else -1.0
    values: dict[int, float] = {}
    for each in found:
        k, value = each.settings["k"], each.value(criterion)
        known = inf if value is None or each.is_artefact else sign * value
        values[k] = min(known, values.get(k, inf))
    return min(sorted(values), key=lambda k: values[k])


def _why(found: Sequence[Candidate], criterion: str) -> str:
    best, ks = _best(found, criterion), sorted({candidate.settings["k"] for candidate in found})
    if criterion == "gap":
        return f"the gap of k={best} is not below that of k={ks[ks.index(best) + 1]} less its s"
    name = criterion if criterion == "silhouette" else criterion.upper()
    return f"{ks[-2]} and {ks[-1]} brought no better {name} than k={best}"
