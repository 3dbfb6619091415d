"""The picture of a comparison: criteria against k, and the candidates' log-likelihoods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from emcli.comparison.ranking import CLUSTERING
from emcli.output.plots.figure import Panel, Picture, Series, base_name, climb_range, thinned

if TYPE_CHECKING:
    from emcli.comparison.ranking import Candidate, RankedGroup

MOST_GROUPS = 6  # rows of panels
MOST_MARKS = 16  # candidates whose k is written at their curves


def of_comparison(groups: Sequence[RankedGroup]) -> Picture:
    """A row for each group: the criterion against k, a line a family, and the candidates' log-likelihoods."""
    fitted = [candidate for group in groups for candidate in group.candidates if candidate.document is not None]
    sources = list(dict.fromkeys(base_name(str(one.fitted["data"].get("source"))) for one in fitted))
    shown = ", ".join(sources[:3]) + (" …" if len(sources) > 3 else "")
    ks = [_k(candidate) for candidate in fitted]
    models = ", ".join(dict.fromkeys(str(candidate.settings["model"]) for candidate in fitted))
    span = f"k = {min(ks)}" if min(ks) == max(ks) else f"k = {min(ks)} to {max(ks)}"
    rows = []
    for group in groups[:MOST_GROUPS]:
        known = [candidate for candidate in group.candidates if candidate.document is not None]
        if known:
            kinds = ", ".join(dict.fromkeys(str(one.settings["model"]) for one in known))
            source = base_name(str(known[0].fitted["data"].get("source")))
            best = "highest" if group.criterion in CLUSTERING else "lowest"
            title = f"The {best} is the best" if len(groups) == 1 else f"{source}: {kinds}"
            rows.append([_ranking(known, group.criterion, title), _climbs(known)])
    return Picture(f"{shown}: {models}, {span}", rows)


def _families(candidates: Sequence[Candidate]) -> dict[str, list[Candidate]]:
    """Candidates that differ in k alone, by what they share, in order of k."""
    found: dict[str, list[Candidate]] = {}
    for candidate in sorted(candidates, key=_k):
        found.setdefault(_kind(candidate), []).append(candidate)
    several = len({tuple(one.settings.get(key) for key in ("model", "mixing")) for one in candidates}) > 1
    said = [(members[0].settings, members) for members in found.values()]
    short = {str(one.get("covariance") or one.get("model")): members for one, members in said}
    return found if several or len(short) < len(found) else short


def _kind(candidate: Candidate) -> str:
    said = candidate.settings
    parts = [said.get("model"), said.get("covariance"), said.get("mixing") and f"{said['mixing']} mixing"]
    prefix = candidate.name.rpartition(":")[0]
    return " ".join(str(part) for part in (prefix and f"{prefix}:", *parts) if part)


def _ranking(candidates: Sequence[Candidate], criterion: str, title: str) -> Panel:
    series, larger = [], criterion in CLUSTERING
    for colour, (kind, members) in enumerate(sorted(_families(candidates).items())):
        pairs = [(_k(one), value) for one in members if (value := one.value(criterion)) is not None]
        x, y = np.array(pairs, dtype=np.float64).reshape(-1, 2).T
        best_of_k = {k: max(y[x == k]) if larger else min(y[x == k]) for k in x}
        line = np.array([*best_of_k]), np.array([*best_of_k.values()])
        series += [Series("line", line[0], line[1], kind, colour), Series("points", x, y, None, colour)]
    best = candidates[0]
    value = best.value(criterion)
    y_range = None
    if value is not None:
        series.append(
            Series("points", np.array([float(_k(best))]), np.array([value]), f"best: {best.name}", None, "thin")
        )
        known = np.concatenate([one.y for one in series if one.kind == "line"])
        reach = max(8 * (float(np.median(known)) - value), 40.0)
        above = int(np.sum(known > value + reach))
        if not larger and float(known.max()) > value + 1.5 * reach:
            y_range = value - 0.06 * reach, value + reach
            title += f" ({above} beyond the axis)"
    ks = [_k(one) for one in candidates]
    x_range = min(ks) - 0.4, max(ks) + 0.4
    name = criterion if criterion in ("silhouette", "gap") else criterion.upper()
    label = f"{name} ({'larger' if larger else 'smaller'} is better)"
    return Panel(title, "k", label, series, whole=True, x_range=x_range, y_range=y_range)


def _climbs(candidates: Sequence[Candidate]) -> Panel:
    """Log-likelihood of each candidate's best start: the best of each family bold; of one family, a colour a k."""
    families = dict(sorted(_families(candidates).items()))
    alone = len(families) == 1
    series, ends, curves, bold = [], [1.0], [], []
    for colour, (kind, members) in enumerate(families.items()):
        best = min(members, key=candidates.index)
        for j, one in enumerate(members):
            steps = one.document.get("trace", []) if one.document else []
            x, y = thinned([step.get("log_likelihood") for step in steps])
            if not len(x):
                continue
            label = f"k = {_k(one)}" if alone else f"{kind}, k = {_k(one)}"
            if alone and len({_k(other) for other in members}) < len(members):
                label = one.name
            stroke = "bold" if one is best else "thin"
            shape = "line" if len(x) > 1 else "points"
            said = label if alone or one is best else None
            mark = None if alone or len(candidates) > MOST_MARKS else str(_k(one))
            stroke = stroke if shape == "line" else "normal"
            series.append(Series(shape, x, y, said, j if alone else colour, stroke, mark=mark))
            curves.append(y)
            if one is best:
                ends.append(float(x[-1]))
                bold.append(y)
    lasts = [float(one.x[-1]) for one in series] or [1.0]
    reach = max(1.5 * max(ends), float(np.median(lasts)))
    x_range = (-0.04 * reach, reach) if max(lasts) > 2 * reach else None
    title = "Log-likelihood of each candidate" if alone else "Log-likelihood by kind and k, the best of each bold"
    y_range = climb_range(curves, curves if alone else bold) if curves else None
    return Panel(title, "iteration", "log-likelihood", series, whole=True, x_range=x_range, y_range=y_range)


def _k(candidate: Candidate) -> int:
    k = candidate.settings.get("k")
    return k if isinstance(k, int) else 0
