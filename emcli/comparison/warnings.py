"""What to warn of in a comparison: each warning of the fits once, and what only the comparison shows."""

from __future__ import annotations

from collections.abc import Sequence

from emcli.comparison.candidate import Candidate
from emcli.comparison.ranking import CLOSE, RankedGroup
from emcli.errors import FitWarning

MAX_NAMED = 5  # of the fits that are about as good as the best
READING = (
    *("columns", "exclude", "row_weights", "heads", "tosses", "tails", "flips", "missing", "na"),
    *("decimal", "thousands", "header", "comment", "delimiter", "skip"),
)


def fit_warnings(groups: Sequence[RankedGroup]) -> list[FitWarning]:
    """The warnings of all fits, each kind once for each data: in the words of the highest ranked fit that has it.

    That is named. What is said in the same words of every fit is about the data, and names none.
    """
    fits = [candidate for group in groups for candidate in group.candidates if candidate.document is not None]
    found: dict[tuple[str, str | None], list[tuple[str, str]]] = {}  # slug and data: names of fits, their messages
    for candidate in fits:
        for warning in candidate.fitted.get("warnings", []):
            data = candidate.fitted["data"].get("sha256")
            found.setdefault((warning["slug"], data), []).append((candidate.name, warning["message"]))
    return [FitWarning(slug, _sentence(said, len(fits))) for (slug, _), said in found.items()]


def _sentence(said: Sequence[tuple[str, str]], fits: int) -> str:
    name, message = said[0]
    if len(said) == fits and len({message for _, message in said}) == 1:
        return message
    return f"{name}{f' (and {len(said) - 1} more)' * (len(said) > 1)}: {message}"


def comparison_warnings(groups: Sequence[RankedGroup], chosen: bool = False) -> list[FitWarning]:
    """Warnings that no single fit has: `different-data`, `edge-of-grid`, `same-fit` and `not-distinguishable`.

    chosen: was it left to the program how many components are tried?
    Of start values with no iteration made only the first: their ranks say nothing of the fits they would lead to.
    """
    found = []
    fits = [candidate for group in groups for candidate in group.candidates if candidate.document is not None]
    if _of_different_data(fits):
        what = "these fits are of different data and not comparable, so they are ranked in separate groups"
        found.append(FitWarning("different-data", what))
    groups = [group for group in groups if not any(candidate.is_start for candidate in group.candidates)]
    edges = [group.candidates[0] for group in groups if _at_edge(group)]
    if edges:
        k, names = edges[0].settings["k"], ", ".join(edge.name for edge in edges)
        largest = "largest that -k auto tries" if chosen else "largest asked for"
        what = f"the best k of {names} is the {largest}, so a larger one may be better; try -k {k}-{2 * k}"
        found.append(FitWarning("edge-of-grid", what))
    for group in groups:
        best, close = group.candidates[0], group.close_to_best()
        same = [candidate for candidate in close if group.are_same(best, candidate)]
        others = [candidate for candidate in close if not group.are_same(best, candidate)]
        if same:
            what = f"these are the same fit, one optimum of one model: {_named([best, *same])}"
            found.append(FitWarning("same-fit", what))
        if others:
            apart = f"is not distinguishable from {_named(others)}: less than {CLOSE:g} apart"
            found.append(FitWarning("not-distinguishable", f"by {group.criterion.upper()} {best.name} {apart}"))
    return found


def _named(candidates: Sequence[Candidate]) -> str:
    """The names of the first ones, and how many more there are."""
    more = len(candidates) - MAX_NAMED
    return ", ".join(each.name for each in candidates[:MAX_NAMED]) + f" and {more} more" * (more > 0)


def _at_edge(group: RankedGroup) -> bool:
    """Is the best k the largest of several?"""
    ks = {candidate.settings["k"] for candidate in group.candidates}
    best = group.candidates[0]
    return best.document is not None and len(ks) > 1 and best.settings["k"] == max(ks)


def _of_different_data(fits: Sequence[Candidate]) -> bool:
    """Are there fits of several sources, or of one that has changed? Other columns of one file are no other data."""
    if len({candidate.fitted["data"]["sha256"] for candidate in fits}) < 2:
        return False
    readings: dict[str, set[str]] = {}
    for candidate in fits:
        data, settings = candidate.fitted["data"], candidate.fitted.get("settings", {})
        reading = repr([data["columns"], *(settings.get(key) for key in READING)])
        readings.setdefault(reading, set()).add(data["sha256"])
    sources = {candidate.fitted["data"].get("source") for candidate in fits}
    return len(sources) > 1 or any(len(digests) > 1 for digests in readings.values())
