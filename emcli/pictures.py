"""Pictures of a fit and of a comparison, built from their numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from emcli.em import Array
from emcli.figure import Panel, Picture, Series

if TYPE_CHECKING:
    from emcli.fitting import Result, Start
    from emcli.history import History
    from emcli.selection import Candidate, Group

MOST_STARTS = 50  # thin lines
MOST_POINTS = 400  # of a line of iterations


def of_fit(result: Result, history: History) -> Picture:
    """The model as its family shows it, and the log-likelihood of every start against the iteration."""
    family, rows, best = result.family, result.data.rows, result.best
    end = family.outward(best.model, rows)
    order = family.order(end)
    path = [(i, family.outward(model, rows).ordered(order)) for i, model in history.models(best)]
    truth = (result.truth or {}).get("parameters")
    shown = family.panels(path, rows, result.assignments, truth)
    curve = _climb(result)
    # Three moments fill a row; fewer panels leave room beside them.
    panels = [*shown[:-1], [*shown[-1], curve]] if len(shown[-1]) < 3 else [*shown, [curve]]
    kind = result.settings.document()
    about = [f"k = {kind['k']}", *(f"{kind[key]} {key}" for key in ("covariance", "mixing") if key in kind)]
    return Picture(f"{result.data.source}: {family.name}, {', '.join(about)}", panels)


def _climb(result: Result) -> Panel:
    """Log-likelihood, or inertia where the model has one, against the iteration: starts thin, the best bold."""
    others = [start for start in result.ledger if start.finished and start is not result.best]
    some = others[:: -(-len(others) // MOST_STARTS) or 1]
    named = (
        f"other starts ({len(others)})" if len(some) == len(others) else f"{len(some)} of {len(others)} other starts"
    )
    lines = [_curve(result, start) for start in (*some, result.best)]
    series = [Series("line", x, y, named if i == 0 else None, None, "thin") for i, (x, y) in enumerate(lines[:-1])]
    best = "best start" if result.best.exact is False else "best of all, found directly"
    x, y = lines[-1]
    series.append(Series("line" if len(x) > 1 else "points", x, y, f"{best} ({result.best.start})", 0, "bold"))
    if len(x) > 1:
        series.append(Series("points", x[-1:], y[-1:], None, 0))
    measure = "log-likelihood (nats)" if result.inertia is None else "inertia"
    title = "Log-likelihood" if result.inertia is None else "Inertia"
    reach = max(float(x[-1]), 1.0)
    longest = max(float(line[0][-1]) for line in lines)
    x_range = None if longest <= 3 * reach else (-0.12 * reach, 3 * reach)
    return Panel(f"{title}, iteration by iteration", "iteration", measure, series, whole=True, x_range=x_range)


def _curve(result: Result, start: Start) -> tuple[Array, Array]:
    pairs = result.log_likelihoods(start)
    hard = result.inertia is not None
    return _thinned([pair[1] if hard else pair[0] for pair in pairs])


def _thinned(values: Sequence[float | None]) -> tuple[Array, Array]:
    """Iterations and values that are known, of many some, the early ones closest."""
    y = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    x = np.flatnonzero(np.isfinite(y))
    if len(x) > MOST_POINTS:
        x = x[np.unique(np.geomspace(1, len(x), MOST_POINTS).round().astype(np.intp)) - 1]
    return x.astype(np.float64), y[x]


def of_comparison(groups: Sequence[Group], criterion: str) -> Picture:
    """A row for each group: the criterion against k, a line a family, and the candidates' log-likelihoods."""
    fitted = [candidate for group in groups for candidate in group.candidates if candidate.document is not None]
    sources = list(
        dict.fromkeys(str(candidate.document["data"].get("source")) for candidate in fitted if candidate.document)
    )
    shown = ", ".join(sources[:3]) + (" …" if len(sources) > 3 else "")
    ks = [int(candidate.settings["k"]) for candidate in fitted]
    models = ", ".join(dict.fromkeys(str(candidate.settings["model"]) for candidate in fitted))
    span = f"k = {min(ks)}" if min(ks) == max(ks) else f"k = {min(ks)} to {max(ks)}"
    rows = []
    for group in groups:
        known = [candidate for candidate in group.candidates if candidate.document is not None]
        if known:
            rows.append([_ranking(known, criterion, group.reason), _climbs(known)])
    return Picture(f"{shown}: {models}, {span}", rows)


def _families(candidates: Sequence[Candidate]) -> dict[str, list[Candidate]]:
    """Candidates that differ in k alone, by what they share, in order of k."""
    found: dict[str, list[Candidate]] = {}
    for candidate in sorted(candidates, key=lambda one: int(one.settings["k"])):
        found.setdefault(_kind(candidate), []).append(candidate)
    several = len({tuple(one.settings.get(key) for key in ("model", "mixing")) for one in candidates}) > 1
    short = {_short(members[0]): members for members in found.values()}
    return found if several or len(short) < len(found) else short


def _kind(candidate: Candidate) -> str:
    said = candidate.settings
    parts = [said.get("model"), said.get("covariance"), said.get("mixing") and f"{said['mixing']} mixing"]
    prefix = candidate.name.rpartition(":")[0]
    return " ".join(str(part) for part in (prefix and f"{prefix}:", *parts) if part)


def _short(candidate: Candidate) -> str:
    return str(candidate.settings.get("covariance") or candidate.settings.get("model"))


def _ranking(candidates: Sequence[Candidate], criterion: str, reason: str | None) -> Panel:
    series = []
    for colour, (kind, members) in enumerate(sorted(_families(candidates).items())):
        pairs = [(int(one.settings["k"]), _number(one.document, criterion)) for one in members]
        x, y = np.array([(k, value) for k, value in pairs if value is not None], dtype=np.float64).reshape(-1, 2).T
        series += [Series("line", x, y, kind, colour), Series("points", x, y, None, colour)]
    best = candidates[0]
    value = _number(best.document, criterion)
    if value is not None:
        at = np.array([float(best.settings["k"])])
        series.append(Series("points", at, np.array([value]), f"best: {best.name}", None, "thin"))
    title = reason or "The lowest is the best"
    return Panel(title, "k", f"{criterion.upper()} (smaller is better)", series, whole=True)


def _climbs(candidates: Sequence[Candidate]) -> Panel:
    families = dict(sorted(_families(candidates).items()))
    alone = len(families) == 1
    series = []
    ends = []
    for colour, members in enumerate(families.values()):
        for j, one in enumerate(members):
            x, y = _thinned([step.get("log_likelihood") for step in (one.document or {}).get("trace") or []])
            if len(x):
                label, number = f"k = {one.settings['k']}", j if alone else colour
                stroke = "bold" if one is candidates[0] else "normal"
                kind = "line" if len(x) > 1 else "points"
                series.append(
                    Series(kind, x, y, label if alone else None, number, stroke, mark=None if alone else label)
                )
                ends.append(float(x[-1]))
    reach = 3 * float(np.median(ends)) if ends else 1.0
    x_range = (-0.04 * reach, reach) if ends and max(ends) > 2 * reach else None
    return Panel("Best start of each", "iteration", "log-likelihood (nats)", series, whole=True, x_range=x_range)


def _number(document: Mapping[str, Any] | None, key: str) -> float | None:
    value = (document or {}).get(key)
    return None if value is None else float(value)
