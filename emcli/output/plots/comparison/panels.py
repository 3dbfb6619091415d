"""Panels of a comparison: criteria against k, candidates by name, and how the fit of each came about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from emcli.comparison.candidate import CLUSTERING
from emcli.config.equals import identity
from emcli.errors import counted
from emcli.output.numbers import scores
from emcli.output.plots.comparison.kinds import OTHERS, families, k_of, kinds, shortened
from emcli.output.plots.figure import FLAT_NATS, Panel, Series, thinned
from emcli.types import Array

if TYPE_CHECKING:
    from emcli.comparison.candidate import Candidate

MOST_NAMES = 40  # candidates that are named below each other
MOST_MARKS = 16  # curves at whose ends their k is written
LATE = 0.1  # of the iterations of a fit, after which its curve is near its end
LONGER = 3.0  # how many times more iterations than usual a fit must have to end beyond the part that is shown larger
HIGHER = 3.0  # how many times lower than a panel a part must be to be shown larger
WORDS = ("silhouette", "gap")  # criteria that are no abbreviations
Range = tuple[float, float]


def title_of(criterion: str) -> str:
    """A criterion as a title names it."""
    return criterion.capitalize() if criterion in WORDS else criterion.upper()


def label_of(criterion: str) -> str:
    """A criterion as an axis names it."""
    if criterion == "gap":
        return "gap statistic"  # the largest is not always the best
    name = criterion if criterion in WORDS else criterion.upper()
    return f"{name} ({'larger' if criterion in CLUSTERING else 'smaller'} is better)"


def inertia_against_k(candidates: Sequence[Candidate]) -> Panel:
    """What inertia each number of clusters leaves."""
    series = _against_k([(one, one.fitted["inertia"]) for one in candidates], larger=False)
    top = max(float(one.y.max()) for one in series)
    return Panel(
        "Inertia against k: look for an elbow",
        "k",
        "inertia (falls with each cluster)",
        series,
        whole=True,
        x_range=_ks(candidates),
        y_range=(-0.04 * top, 1.04 * top) if top > 0 else None,
    )


def against_k(candidates: Sequence[Candidate], criterion: str) -> list[Panel]:
    """A criterion against k, a line a family; and what is near the best one larger, where others are far from it."""
    larger = criterion in CLUSTERING
    known = [(one, value) for one in candidates if (value := one.value(criterion)) is not None]
    series = _against_k(known, larger)
    title = f"{title_of(criterion)} against k: the {'highest' if larger else 'lowest'} is the best"
    if criterion == "gap":
        title = "Gap against k: the smallest k that is good enough"
    whole = Panel(title, "k", label_of(criterion), series, whole=True, x_range=_ks(candidates))
    best, value = candidates[0], candidates[0].value(criterion)
    if value is None:
        return [whole]
    at = np.array([float(k_of(best))]), np.array([value])
    series += _errors(known)
    series.append(Series("points", *at, f"best: {shortened(best.name)}", None, "thin"))
    values = np.array([value for _, value in known])
    reach = max(8 * (float(np.median(values)) - value), 40.0)
    if larger or float(values.max()) <= value + 1.5 * reach:
        return [whole]
    return _with_part(whole, title_of(criterion), _ks(candidates, 0.3), (value - 0.06 * reach, value + reach))


def _against_k(known: Sequence[tuple[Candidate, float]], larger: bool) -> list[Series]:
    """Values against k: the candidates as dots, and a line through the best of each k of a family."""
    series, others = list[Series](), list[Series]()
    values = {id(one): value for one, value in known}
    colours = kinds([one for one, _ in known])
    for said, members in families([one for one, _ in known]).items():
        label, colour = colours[id(members[0])]
        x, y = _points(members, values)
        best_x, best_y = _points([*_shared(members, [one for one, _ in known]), *members], values)
        best_of_k = {k: best_y[best_x == k].max() if larger else best_y[best_x == k].min() for k in best_x.tolist()}
        best = np.array([*best_of_k]), np.array([*best_of_k.values()])
        if label == OTHERS:  # thin lines below the others, of which one says whose they are
            others.append(Series("line", *best, None if others else OTHERS, colour, "thin"))
            continue
        series.append(Series("line", *best, said, colour))
        series.append(Series("points", x, y, None, colour))
    return [*others, *series]


def _points(candidates: Sequence[Candidate], values: Mapping[int, float]) -> tuple[Array, Array]:
    """The k of candidates, and their values, which are known by id()."""
    x, y = [*map(k_of, candidates)], [values[id(one)] for one in candidates]
    return np.array(x, dtype=np.float64), np.array(y, dtype=np.float64)


def _shared(members: Sequence[Candidate], candidates: Sequence[Candidate]) -> list[Candidate]:
    """The fit of one component that a family has in common with another, which lists it."""
    if k_of(members[0]) == 1:
        return []
    same = identity(replace(members[0].model_settings, k=1))
    return [one for one in candidates if k_of(one) == 1 and identity(one.model_settings) == same][:1]


def _errors(known: Sequence[tuple[Candidate, float]]) -> list[Series]:
    """Lines of one standard error up and down, where values have one."""
    found = [(k_of(one), value, one.score.error) for one, value in known if one.score and one.score.error]
    return [
        Series(
            "line", np.full(2, float(k)), np.array([value - error, value + error]), None if i else "1 standard error"
        )
        for i, (k, value, error) in enumerate(sorted(found))
    ]


def by_name(candidates: Sequence[Candidate], criterion: str, failed: int) -> Panel:
    """The ranking: a line for each candidate, the best at the top, with its value; beside them some have no fit.

    K-means of one k has nothing to choose but the lowest inertia.
    """
    if criterion in CLUSTERING and len({*map(k_of, candidates)}) == 1:
        by, label, known = (
            "inertia",
            "inertia (smaller is better)",
            [(one, one.fitted["inertia"]) for one in candidates],
        )
    else:
        by, label = title_of(criterion) if criterion not in WORDS else criterion, label_of(criterion)
        known = [(one, value) for one in candidates if (value := one.value(criterion)) is not None]
    shown, colours, series = known[:MOST_NAMES], kinds(candidates), []
    values = [value for _, value in shown]
    names = [
        f"{i + 1}.  {shortened(one.name)}{' *' if one.is_artefact else ''}   {text}"
        for i, ((one, _), text) in enumerate(zip(shown, scores(values), strict=True))
    ]
    for said in dict.fromkeys(colours[id(one)] for one, _ in shown):
        mine = np.array([i for i, (one, _) in enumerate(shown) if colours[id(one)] == said])
        own = said.label in {shortened(one.name) for one, _ in shown}  # that of one candidate stands beside it
        series.append(
            Series("points", np.array(values)[mine], mine.astype(np.float64), None if own else said.label, said.colour)
        )
    series.append(Series("points", np.array(values[:1]), np.zeros(len(values[:1])), None, None, "thin"))
    notes = []
    if any(one.is_artefact for one, _ in shown):
        notes.append("* a component rests on so few rows that it is probably an artefact: ranked after the others")
    if len(shown) < len(candidates):
        notes.append(f"the first {len(shown)} of {counted(len(candidates), 'fit')}")
    if failed:
        notes.append(f"{counted(failed, 'candidate')} without a fit")
    y_range, note = (-0.6, len(names) - 0.4), "\n".join(notes)
    return Panel(f"Ranking by {by}, the best first", label, "", series, y_range=y_range, note=note, names=names)


def climbs(candidates: Sequence[Candidate]) -> list[Panel]:
    """The log-likelihood (K-means: inertia) of each best start by iteration; and where most of them end larger.

    A start far below all ends is not shown: beside it nothing else could be seen. A mark says how far below it is.
    """
    hard = "inertia" in candidates[0].fitted
    name = "inertia" if hard else "log-likelihood"
    series = [one for one in _curves(candidates, hard) if len(one.x)]
    whole = Panel(f"{name.capitalize()}, iteration by iteration", "iteration", name, series, whole=True)
    if not series:
        return [replace(whole, note="the documents of these fits hold no iterations")]
    curves = [(one.x, one.y) for one in series]
    x_range, y_range = _ends(curves, -1.0 if hard else 1.0)
    y = np.concatenate([one.y for one in series])
    seen = None if hard else _without_low_starts(curves)
    if seen is not None:
        whole, y_range = _cut(whole, seen), (max(y_range[0], seen[0]), y_range[1])
    if max(one.x.max() for one in series) <= x_range[1] and np.ptp(seen or y) <= HIGHER * np.ptp(y_range):
        return [whole]
    return _with_part(whole, name.capitalize(), x_range, y_range)


def _cut(whole: Panel, seen: Range) -> Panel:
    """A panel of what is seen, that says how far below its frame curves begin."""
    low = [float(one.y[0]) for one in whole.series if one.y[0] < seen[0]]
    said = f"{counted(len(low), 'start')} below"
    mark = Series("points", np.zeros(1), np.array(seen[:1]), None, None, "below", mark=said)
    lowest = f"{'the lowest ' * (len(low) > 1)}at {scores([min(low)])[0]}"
    note = f"{whole.y_label}: {said} the frame, {lowest}"
    return replace(whole, series=[*whole.series, mark], y_range=seen, note=note)


def _curves(candidates: Sequence[Candidate], hard: bool) -> Iterator[Series]:
    """A curve for each candidate, the best of each family bold; of one family a colour for each k."""
    colours, of_kind, ks = kinds(candidates), families(candidates), sorted({*map(k_of, candidates)})
    best_of = {id(min(members, key=candidates.index)) for members in of_kind.values()}
    told = set()
    for one in sorted(candidates, key=k_of):
        steps = one.fitted.get("trace", [])[: one.fitted["iterations"] + 1]
        x, y = thinned([step.get("inertia") if hard else step["log_likelihood"] for step in steps])
        is_best, k = id(one) in best_of, k_of(one)
        label, colour = colours[id(one)]
        if len(ks) > 1 and len(of_kind) > 1:
            label = label if label == OTHERS else f"{label}, best: k = {k}" if is_best else ""
        elif len(ks) > 1:
            label, colour = f"k = {k}", ks.index(k)
        bold = is_best and label != OTHERS
        shape, stroke = ("line", "bold" if bold else "thin") if len(x) > 1 else ("points", "normal")
        mark = str(k) if len(ks) > 1 and len(candidates) <= MOST_MARKS else None
        yield Series(shape, x, y, None if label in told else label or None, colour, stroke, mark=mark)
        told.add(label)


def _without_low_starts(curves: Sequence[tuple[Array, Array]]) -> Range | None:
    """What rising curves reach after their first iterations, where they begin far below; None where they do not."""
    later = [float(np.interp(max(LATE * x[-1], 1.0), x, y)) for x, y in curves]
    low, high = min(later), max(float(y[-1]) for _, y in curves)
    reach = max(high - low, FLAT_NATS)
    if high - min(float(y.min()) for _, y in curves) <= HIGHER * reach:
        return None
    return low - 0.25 * reach, high + 0.05 * reach


def _ends(curves: Sequence[tuple[Array, Array]], sign: float) -> tuple[Range, Range]:
    """Where most curves end, in iterations and in what they measure; sign: -1 where they fall."""
    lasts, ends = (np.array([float(curve[i][-1]) for curve in curves]) for i in (0, 1))
    ends = sign * ends
    top, usual = float(ends.max()), float(np.median(lasts))
    late = [float(sign * (y[-1] - np.interp(LATE * x[-1], x, y))) for x, y in curves]
    reach = max(3 * (top - float(np.median(ends))), 1.5 * float(np.median(late)), FLAT_NATS)
    low, high = sorted((sign * (top - reach), sign * (top + 0.05 * reach)))
    right = float(lasts.max())
    if right > LONGER * usual:
        right = max(1.5 * usual, 1.05 * float(lasts[int(ends.argmax())]))
    right = max(right, 1.0)
    return (-0.03 * right, 1.03 * right), (low, high)


def _with_part(whole: Panel, what: str, x_range: Range, y_range: Range) -> list[Panel]:
    """A panel with a frame around a part of it, and that part larger."""
    x, y = np.array(x_range)[[0, 1, 1, 0, 0]], np.array(y_range)[[0, 0, 1, 1, 0]]
    frame = Series("line", x, y, None, None, "thin")
    inner = [one for one in whole.series if one.stroke != "below"]
    part = replace(whole, title=f"{what}: the framed part", series=inner, note="")
    part = replace(part, x_range=x_range, y_range=y_range)
    return [replace(whole, series=[frame, *whole.series]), part]


def _ks(candidates: Sequence[Candidate], beyond: float = 0.4) -> Range:
    """All k, and a little beyond them."""
    ks = [*map(k_of, candidates)]
    return min(ks) - beyond, max(ks) + beyond
