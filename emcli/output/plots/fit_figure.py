"""Pictures of a fit and of a comparison, built from their numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from emcli.output.plots.figure import Panel, Picture, Series
from emcli.output.plots.model_panels import Snapshot, panels_of
from emcli.types import Array

if TYPE_CHECKING:
    from emcli.comparison.ranking import Candidate, Group
    from emcli.inference.fit_result import FitResult
    from emcli.inference.starts import Run
    from emcli.output.plots.history import History

MOST_STARTS = 50  # thin lines
FLAT = 0.01  # nats: a smaller climb is not worth a magnifying glass
MOST_GROUPS = 6  # rows of panels
MOST_MARKS = 16  # candidates whose k is written at their curves
MOST_POINTS = 400  # of a line of iterations


def of_fit(result: FitResult, history: History) -> Picture:
    """The model, iteration by iteration, and the log-likelihood of every start against the iteration."""
    rows, best = result.data.rows, result.best
    order = best.model.to_original(rows.frame).canonical_order()
    path = [
        Snapshot(i, model.to_original(rows.frame).ordered(order), model.ordered(order))
        for i, model in history.models(best)
    ]
    truth = result.truth["parameters"] if result.truth else None
    shown = panels_of(path[-1].model, path, rows, result.assignments(), truth)
    curve = _climb(result)
    # Three moments fill a row; fewer panels leave room beside them.
    panels = [*shown[:-1], [*shown[-1], curve]] if len(shown[-1]) < 3 else [*shown, [curve]]
    kind = result.settings.document()
    about = [f"k = {kind['k']}", *(f"{kind[key]} {key}" for key in ("covariance", "mixing") if key in kind)]
    return Picture(f"{_base(result.data.source)}: {result.kind.name}, {', '.join(about)}", panels)


def _climb(result: FitResult) -> Panel:
    """Log-likelihood, or inertia where the model has one, against the iteration: starts thin, the best bold."""
    others = [start for start in result.ledger if start.finished and start is not result.best]
    some = others[:: -(-len(others) // MOST_STARTS) or 1]
    named = f"{len(others)} other start{'' if len(others) == 1 else 's'}"
    lines = [_curve(result, start) for start in (*some, result.best)]
    series = [
        Series(
            "line",
            x,
            y,
            None if i else f"{named}, {len(some)} shown" if len(some) < len(others) else named,
            None,
            "thin",
        )
        for i, (x, y) in enumerate(lines[:-1])
    ]
    best = f"best: {'found directly' if result.best.origin == 'exact' else f'start {result.best.start}'}"
    x, y = lines[-1]
    if len(x) > 1:
        series.append(Series("line", x, y, best, 0, "bold"))
    series.append(Series("points", x[-1:], y[-1:], None if len(x) > 1 else best, 0))
    reach = max([1.0, *x[-1:]])
    longest = max(float(line[0][-1]) for line in lines if len(line[0]))
    x_range = None if longest <= 3 * reach else (-0.12 * reach, 3 * reach)
    measure, title = ("log-likelihood (nats)", "Log-likelihood of each start")
    if result.inertia is not None:
        measure, title = "inertia", "Inertia of each start"
    y_range = None if result.inertia is not None else _upper([line[1] for line in lines])
    return Panel(title, "iteration", measure, series, whole=True, x_range=x_range, y_range=y_range)


def _upper(curves: Sequence[Array], leading: Sequence[Array] | None = None) -> tuple[float, float] | None:
    """Where the leading curves of log-likelihood climb; what is far below comes from under the frame."""
    everything = np.concatenate(curves)
    later = np.concatenate([curve[1:] for curve in leading or curves])
    if not len(later) or not float(everything.max()) > float(later.min()):
        return None
    top = float(everything.max())
    low = max(float(everything.min()), top - 1.5 * (top - float(later.min())))
    low = min(low, top - FLAT)
    return low - 0.05 * (top - low), top + 0.05 * (top - low)


def _curve(result: FitResult, start: Run) -> tuple[Array, Array]:
    pairs = result.measures(start)
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
    sources = list(dict.fromkeys(_base(str((one.document or {})["data"].get("source"))) for one in fitted))
    shown = ", ".join(sources[:3]) + (" …" if len(sources) > 3 else "")
    ks = [_k(candidate) for candidate in fitted]
    models = ", ".join(dict.fromkeys(str(candidate.settings["model"]) for candidate in fitted))
    span = f"k = {min(ks)}" if min(ks) == max(ks) else f"k = {min(ks)} to {max(ks)}"
    rows = []
    for group in groups[:MOST_GROUPS]:
        known = [candidate for candidate in group.candidates if candidate.document is not None]
        if known:
            kinds = ", ".join(dict.fromkeys(str(one.settings["model"]) for one in known))
            source = _base(str((known[0].document or {})["data"].get("source")))
            title = "The lowest is the best" if len(groups) == 1 else f"{source}: {kinds}"
            rows.append([_ranking(known, criterion, title), _climbs(known)])
    return Picture(f"{shown}: {models}, {span}", rows)


def _families(candidates: Sequence[Candidate]) -> dict[str, list[Candidate]]:
    """Candidates that differ in k alone, by what they share, in order of k."""
    found: dict[str, list[Candidate]] = {}
    for candidate in sorted(candidates, key=_k):
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


def _ranking(candidates: Sequence[Candidate], criterion: str, title: str) -> Panel:
    series = []
    for colour, (kind, members) in enumerate(sorted(_families(candidates).items())):
        pairs = [(_k(one), value) for one in members if (value := _number(one.document, criterion)) is not None]
        x, y = np.array(pairs, dtype=np.float64).reshape(-1, 2).T
        lowest = {k: min(y[x == k]) for k in x}
        line = np.array([*lowest]), np.array([*lowest.values()])
        series += [Series("line", line[0], line[1], kind, colour), Series("points", x, y, None, colour)]
    best = candidates[0]
    value = _number(best.document, criterion)
    y_range = None
    if value is not None:
        series.append(
            Series("points", np.array([float(_k(best))]), np.array([value]), f"best: {best.name}", None, "thin")
        )
        known = np.concatenate([one.y for one in series if one.kind == "line"])
        reach = max(8 * (float(np.median(known)) - value), 40.0)
        above = int(np.sum(known > value + reach))
        if float(known.max()) > value + 1.5 * reach:
            y_range = value - 0.06 * reach, value + reach
            title += f" ({above} above the frame)"
    ks = [_k(one) for one in candidates]
    x_range = min(ks) - 0.4, max(ks) + 0.4
    label = f"{criterion.upper()} (smaller is better)"
    return Panel(title, "k", label, series, whole=True, x_range=x_range, y_range=y_range)


def _climbs(candidates: Sequence[Candidate]) -> Panel:
    """Log-likelihood of each candidate's best start: the best of each family bold; of one family, a colour a k."""
    families = dict(sorted(_families(candidates).items()))
    alone = len(families) == 1
    series, ends, curves, bold = [], [1.0], [], []
    for colour, (kind, members) in enumerate(families.items()):
        best = min(members, key=candidates.index)
        for j, one in enumerate(members):
            x, y = _thinned([step.get("log_likelihood") for step in _trace(one.document)])
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
    y_range = _upper(curves, curves if alone else bold) if curves else None
    return Panel(title, "iteration", "log-likelihood (nats)", series, whole=True, x_range=x_range, y_range=y_range)


def _base(source: str) -> str:
    return source.rpartition("/")[2] or source


def _trace(document: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    """The iterations in a document, which may come from a file."""
    said = (document or {}).get("trace")
    return [step for step in said if isinstance(step, dict)] if isinstance(said, list) else []


def _k(candidate: Candidate) -> int:
    k = candidate.settings.get("k")
    return k if isinstance(k, int) else 0


def _number(document: Mapping[str, Any] | None, key: str) -> float | None:
    value = (document or {}).get(key)
    return float(value) if isinstance(value, int | float) else None
