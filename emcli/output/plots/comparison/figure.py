"""The picture of a comparison: criteria against k, the ranking by name, and how each candidate came about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from emcli.output.plots.comparison.kinds import MOST_COLOURS, families, k_of, shortened
from emcli.output.plots.comparison.panels import against_k, by_name, climbs, inertia_against_k
from emcli.output.plots.figure import Panel, Picture, base_name

if TYPE_CHECKING:
    from emcli.comparison.candidate import Candidate
    from emcli.comparison.ranking import RankedGroup

MOST_GROUPS = 6  # that are drawn
WHOLE_GROUPS = 2  # up to which all panels of each are drawn
MOST_IN_ROW = 3  # panels
LONGEST_SOURCE = 40  # characters


def of_comparison(groups: Sequence[RankedGroup]) -> Picture:
    """For each group its criterion against k, or by name, and below or beside it how its fits came about."""
    fitted = [candidate for group in groups for candidate in group.candidates if candidate.document is not None]
    sources = list(dict.fromkeys(map(_source, fitted)))
    shown = ", ".join(sources[:3]) + (" …" if len(sources) > 3 else "")
    ks = [k_of(candidate) for candidate in fitted]
    models = ", ".join(dict.fromkeys(candidate.settings["model"] for candidate in fitted))
    span = f"k = {min(ks)}" if min(ks) == max(ks) else f"k = {min(ks)} to {max(ks)}"
    rows: list[list[Panel]] = []
    several = len([group for group in groups if group.candidates[0].document is not None]) > 1
    for group in groups[:MOST_GROUPS]:
        known = [candidate for candidate in group.candidates if candidate.document is not None]
        if not known:
            continue
        panels = _panels(known, group, len(groups) <= WHOLE_GROUPS)
        if several:  # each says whose it is
            panels = [[replace(panel, title=f"{_source(known[0])}: {panel.title}") for panel in row] for row in panels]
        rows += panels
    return Picture(f"{shown}: {models}, {span}", rows)


def _panels(candidates: Sequence[Candidate], group: RankedGroup, whole: bool) -> list[list[Panel]]:
    """What there is to show of a group, in rows; of one among many in one row."""
    ways, criterion = climbs(candidates), group.criterion
    if len(candidates) == 1:
        return [ways]
    ranking = by_name(candidates, criterion, len(group.candidates) - len(candidates))
    if len({*map(k_of, candidates)}) == 1:
        return [[ranking], ways]
    first = against_k(candidates, criterion)
    if not whole:
        return [[first[0], *ways]]
    if "inertia" in candidates[0].fitted:
        first = [inertia_against_k(candidates), *first]
    many = len(families(candidates)) > MOST_COLOURS  # whose names take room below a panel
    rows = [[*first, *ways]] if len(first) + len(ways) <= MOST_IN_ROW and not many else [first, ways]
    return [*rows, [ranking]] if len(families(candidates)) > 1 else rows


def _source(candidate: Candidate) -> str:
    return shortened(base_name(str(candidate.fitted["data"].get("source"))), LONGEST_SOURCE)
