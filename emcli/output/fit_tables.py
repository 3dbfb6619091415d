"""A fit as tables for people: parameters, iterations, the ledger in one line, a verdict and the criteria."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, TYPE_CHECKING

import numpy as np

from emcli.errors import MAX_LINE, counted, escaped
from emcli.inference.bootstrap import LEVELS
from emcli.inference.diagnostics import optima_found_once
from emcli.inference.fit_result import FitResult
from emcli.inference.search.search import same_optimum
from emcli.models.plain_values import Count, Share
from emcli.output.terminal import columns, console, curve, is_terminal, sayable, takes_unicode

if TYPE_CHECKING:
    from rich.table import Table

    Block = Table | str | list[str] | None  # a table, or one line or several

FIRST_ITERATIONS, LAST_ITERATIONS = 12, 8  # iterations shown at either end of a long fit
CERTAIN_NATS = 1e-4  # nats by which a certified fit may be short of the best of all
PIPE_WIDTH = 100  # characters of a table of parameters in a pipe above which it is turned
CURVE_WIDTH = 20  # characters of the curve of a fit
MAX_MATRIX_COLUMNS = 6  # columns of the data up to which whole covariance matrices are shown


def print_fit(result: FitResult, stream: IO[str], verbose: bool) -> None:
    """Print the tables of a fit."""
    widest = columns(stream) if is_terminal(stream) else PIPE_WIDTH
    blocks = (_title(result), _parameters(result, widest), _covariances(result), _iterations(result, verbose))
    lines = (
        climb(result, stream),
        *ledger(result).splitlines(),
        *_bootstrapped(result),
        verdict(result),
        criteria(result),
        *_agreement(result),
    )
    stream.write(as_text(blocks, lines, stream))


def as_text(blocks: Sequence[Block], lines: Sequence[str], stream: IO[str]) -> str:
    """Tables and lines with an empty line after each block, then lines, as wide as the stream is.

    What a line quotes of files is escaped here, and in `table` what a cell quotes.
    """
    screen = console(stream)
    if not is_terminal(stream):
        screen.width = 1000  # nothing is cut or folded in a pipe
    with screen.capture() as captured:
        for block in blocks:
            if block is None:
                continue
            for part in block if isinstance(block, list) else [block]:
                screen.print(escaped(part, MAX_LINE) if isinstance(part, str) else part)
            screen.print()
        for line in lines:
            screen.print(escaped(line, MAX_LINE))
    return sayable("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()), stream)


def number(value: float | str) -> str:
    """A number for a table: six significant digits; whole numbers whole; shares in per cent."""
    if isinstance(value, Share):
        return f"{100 * value:.1f} %"
    if isinstance(value, Count):
        return f"{value:.1f}"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return f"{value:.0f}" if value == int(value) and abs(value) < 1e6 else f"{value:.6g}"
    return str(value)


def _title(result: FitResult) -> str:
    settings, data = result.settings.document(), result.data
    kind = "".join(f", {settings[key]} {key}" for key in ("covariance", "mixing") if key in settings)
    weight = "" if data.row_weights is None else f" of total weight {data.rows.total:g}"
    columns = ", ".join(escaped(name) for name in data.columns)
    rows = f"{escaped(data.source, 200)}, {data.count} rows{weight} ({columns})"
    return f"{result.kind.name}, k={settings['k']}{kind}: {rows}"


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """A table of right-aligned cells, of the look that all tables have."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for heading in titles:
        table.add_column(escaped(heading), justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*(escaped(cell, 80) for cell in row))
    return table


def _parameters(result: FitResult, widest: int) -> Table:
    """Fitted components, each followed by the true one it matches where that is known; turned where it is too wide."""
    fitted = result.kind.table(result.parameters, result.data.columns, result.data.rows.total)
    if len(result.sizes):  # with equal mixing they are not the weights' shares of the rows
        fitted = [(title, [Count(n) for n in result.sizes] if title == "rows" else cells) for title, cells in fitted]
    rows = [[str(i + 1), *map(number, cells)] for i, cells in enumerate(zip(*(c for _, c in fitted), strict=True))]
    true = result.truth and result.truth["parameters"]
    if true:
        known = dict(result.kind.table(true, result.data.columns, result.data.rows.total))
        blank = [known.get(title) for title, _ in fitted]
        count = max(len(cells) for cells in known.values())
        lines = [["true", *(number(cells[i]) if cells else "" for cells in blank)] for i in range(count)]
        if count == len(rows):
            rows = [line for pair in zip(rows, lines, strict=True) for line in pair]
        else:
            rows += lines
    rows = _with_errors(result, rows)
    titles = ["component", *(title for title, _ in fitted)]
    if result.bootstrap is not None and result.bootstrap.jaccard is not None:
        titles.append("Jaccard")
        rows = [[*row, result.bootstrap.stability(int(row[0]) - 1) if row[0].isdigit() else ""] for row in rows]
    columns = [[title, *cells] for title, *cells in zip(titles, *rows, strict=True)]
    if sum(max(map(len, column)) + 3 for column in columns) > widest:
        return table([str(cell) for cell in columns[0]], columns[1:])
    return table(titles, rows)


def _with_errors(result: FitResult, rows: list[list[str]]) -> list[list[str]]:
    """Below each component its standard errors and the ends of its 95 % intervals, where there is a bootstrap."""
    if result.bootstrap is None or result.bootstrap.refused:
        return rows
    tables = [result.kind.table(p, result.data.columns, result.data.rows.total) for p in result.bootstrap.parameters]
    kinds = [type(cells[0]) for _, cells in tables[0]]
    unknown = [title == "rows" and result.settings.model.mixing == "equal" for title, _ in tables[0]]
    cells = np.array([[column for _, column in each] for each in tables], dtype=np.float64)  # (replicates, columns, k)
    ends = np.quantile(cells, LEVELS, axis=0)
    shown = {"std. error": cells.std(axis=0, ddof=1), "2.5 %": ends[0], "97.5 %": ends[1]}
    lines: list[list[str]] = []
    component = 0
    for row in rows:
        lines.append(row)
        if row[0] == str(component + 1):
            for label, values in shown.items():
                told = [
                    "" if blank else number(kind(value))
                    for kind, value, blank in zip(kinds, values[:, component], unknown, strict=True)
                ]
                lines.append([label, *told])
            component += 1
    return lines


def _covariances(result: FitResult) -> Table | None:
    """Whole covariance matrices where they hold more than the standard deviations in the table above."""
    names, shape = result.data.columns, result.settings.document().get("covariance")
    if (
        "covariances" not in result.parameters
        or shape not in ("full", "tied")
        or not 1 < len(names) <= MAX_MATRIX_COLUMNS
    ):
        return None
    matrices = np.asarray(result.parameters["covariances"])
    shown = [("all", matrices[0])] if shape == "tied" else [(str(i + 1), m) for i, m in enumerate(matrices)]
    rows = [
        [label if j == 0 else "", escaped(name), *map(number, matrix[j])]
        for label, matrix in shown
        for j, name in enumerate(names)
    ]
    return table(["component", "covariance of", *names], rows)


def _iterations(result: FitResult, verbose: bool) -> Table:
    """Log-likelihood (K-means: inertia) of each iteration of the best start, and what it gained."""
    values = [measures.objective for measures in result.measures(result.best)]
    rows = []
    for i, value in enumerate(values):
        change = 0.0 if i == 0 else (value or 0.0) - (values[i - 1] or 0.0)
        gain = "" if i == 0 else f"{change:+.3f}" if abs(change) >= 1 else f"{change:+.3g}"
        rows.append([str(i), f"{value:.6f}" if value is not None else "", gain, result.best.steps[i] if i else ""])
    if len(rows) > FIRST_ITERATIONS + LAST_ITERATIONS + 2 and not verbose:
        rows = [
            *rows[:FIRST_ITERATIONS],
            ["…", f"{len(rows) - FIRST_ITERATIONS - LAST_ITERATIONS} more, see -v", "", ""],
            *rows[-LAST_ITERATIONS:],
        ]
    titles = ["iteration", result.objective_name, "gain" if result.inertia is None else "change", "step"]
    shown = len(titles) - (set(result.best.steps) == {"em"})
    return table(titles[:shown], [row[:shown] for row in rows])


def climb(result: FitResult, stream: IO[str]) -> str:
    """The best start's log-likelihood (K-means: inertia) at every iteration, as a curve in one line."""
    values = [measures.objective or 0.0 for measures in result.measures(result.best)]
    steps = result.best.iterations
    ends = f"from {number(values[0])} to {number(values[-1])} in {counted(steps, 'iteration')}"
    return f"{result.objective_name} {curve(values, CURVE_WIDTH, takes_unicode(stream))} {ends}"


def ledger(result: FitResult) -> str:
    """How many starts reached the best, how bad the worst was, and what moves from the best found."""
    drawn = [run for run in result.ledger if run.source is None]
    finished = [run for run in result.ledger if run.finished]
    line = f"{result.reached()} of {counted(len(drawn), 'start')} reached {result.objective_name} "
    line += f"{result.measures(result.best)[-1].objective or 0.0:.3f}"
    worst = min(finished, key=lambda run: run.scores[-1])
    if not same_optimum(result.kind, worst.scores[-1], result.best.scores[-1]):
        line += f"; worst {result.measures(worst)[-1].objective or 0.0:.3f}"
    collapsed = sum(run.status == "degenerate" for run in drawn)
    line += f"; {collapsed} collapsed" if collapsed else ""
    moved = sum(run.source is not None for run in result.ledger)
    if result.best.source is not None:
        line += f"; {counted(result.moves, 'move')} from earlier optima led to it"
    elif result.moves:
        line += f"; {counted(result.moves, 'move')} from there" + ("" if moved else " found nothing better")
    if result.best.sample is not None:
        line += f"; all were tried on a sample of {result.best.sample[0]} rows, and {len(finished)} finished on all"
    if result.certificate is not None:
        return f"{line}\n{certified(result)}"
    if result.best.status == "max_iter" or len(drawn) < 2 or result.settings.model.k == 1:
        return line
    return line + _what_more_would_find(result)


def _what_more_would_find(result: FitResult) -> str:
    """A line on further starts: a bound on their chance where their number was fixed beforehand, else what was seen."""
    once, starts = optima_found_once(result.kind, result.ledger)
    if result.settings.search.restarts != "auto" and starts:
        chance = 100 * (1 - 0.05 ** (1 / starts))
        return f"\nA further start would find a better optimum with a chance below {chance:.2g} % (95 % confidence)"
    return f"\n{counted(once, 'lower optimum', 'lower optima')} seen once" if once else ""


def certified(result: FitResult) -> str:
    """The certificate in a sentence: how far the fit can be from the best of all."""
    known = result.certificate or {}
    if "optimum" in known:
        if known["reached"]:
            return "Certified: no clusters of this number have a smaller inertia (exact in one dimension)."
        return f"Not the best: the smallest inertia of this many clusters is {known['optimum']:.6g}."
    bound = result.bound or 0.0
    if bound < CERTAIN_NATS:
        return "Certified: no mixture of any number of coins is better."
    return (
        f"With any number of coins the log-likelihood could rise by at most {bound:.3g} nats; this does not say that "
        "it could with so few."
    )


def verdict(result: FitResult) -> str:
    """In a sentence how the best start ended: by which rule, with how much left to gain."""
    best = result.best
    left = "" if best.decrement is None else f" (expected remaining gain {best.decrement:.1e} nats)"
    steps = counted(best.iterations, "iteration")
    return {
        "projected": f"Converged in {steps}{left}.",
        "rounding": f"Converged in {steps}, to where rounding hides any further gain{left}.",
        "assignments": f"Converged in {steps}: no assignment changes any more.",
        "max_iter": f"NOT converged: stopped after {steps}, at --max-iter{left}.",
    }[str(best.stop)]


def _bootstrapped(result: FitResult) -> list[str]:
    made = result.bootstrap
    if made is None:
        return []
    said = f"from {len(made.parameters)} refits of data drawn from this fit"
    lines = [] if made.refused else [f"Standard errors and 95 % intervals: {said}."]
    if made.jaccard is not None:
        lines.append(
            f"Jaccard: how much of a component's rows is found again, {'1: all' if not made.refused else said}; "
            "below 0.5 it is dissolved, above 0.75 stable (Hennig 2007)."
        )
    return lines


def criteria(result: FitResult) -> str:
    """Log-likelihood, number of parameters and information criteria."""
    values = result.criteria()
    if result.log_likelihood is None:
        return f"{result.parameters_count} parameters; no criteria: the log-likelihood is unbounded at inertia 0"
    listed = ", ".join(f"{name.upper()} {value:.3f}" for name, value in values.items())
    kind = "Classification log-likelihood" if result.inertia is not None else "Log-likelihood"
    count = counted(result.parameters_count, "parameter")
    return f"{kind} {result.log_likelihood:.6f}, {count}; {listed} (smaller is better)"


def _agreement(result: FitResult) -> list[str]:
    if result.truth is None or result.truth["adjusted_rand_index"] is None:
        return []
    return [
        f"Adjusted Rand index {result.truth['adjusted_rand_index']:.4f} against the true labels (1: the same groups)"
    ]
