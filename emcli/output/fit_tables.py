"""A fit as tables for people: parameters, iterations, what the starts reached, how it ended, and the criteria."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, TYPE_CHECKING

from emcli.data.known import known_count
from emcli.errors import counted, escaped, listed
from emcli.files.examples import shown
from emcli.inference.fit_result import FitResult
from emcli.inference.runs import Run
from emcli.inference.search.optima import optima_found_once, reached_same, roots_of_best, run_root, same_optimum
from emcli.output.numbers import gain, number, scores, unsigned_zero
from emcli.output.page import BAD, GOOD, Blocks, Grid, Line, Page
from emcli.output.parameter_tables import beyond_intervals, covariances, held_cells, held_note, parameters, true_labels
from emcli.output.terminal import curve, takes_unicode

if TYPE_CHECKING:
    from emcli.data.dataset import Dataset
    from emcli.inference.steps.path import Path
    from emcli.models.plain_values import Titled

FIRST_ITERATIONS, LAST_ITERATIONS = 12, 8  # iterations shown at either end of a long fit
CERTAIN_NATS = 1e-4  # nats by which a certified fit may be short of the best of all
CURVE_WIDTH = 20  # characters of the curve of a fit
MAX_NAMES = 12  # columns of the data up to which the heading names all
CERTAIN_GAIN = 1e-9  # of log-likelihood, below which what is left to gain is nothing to speak of


def print_fit(result: FitResult, page: Page, verbose: bool = False, path: Path[list[Titled]] | None = None) -> None:
    """Print the tables of a fit, and where they were recorded the parameters of each iteration.

    Markdown leaves out the log-likelihood of each iteration.
    """
    blocks: Blocks = (title(result), *parameters(result, page.width), *covariances(result, page.width))
    labels = list(true_labels(result, page.width))
    lines = [
        *ledger(result).splitlines(),
        *bootstrapped(result),
        ending(result),
        criteria(result),
        *separation(result),
    ]
    if not page.is_markdown and not result.best.is_start:
        blocks, lines = (*blocks, iterations(result, page.width, verbose)), [climb(result, page.stream), *lines]
    if path is not None:
        from emcli.output.steps.path_tables import path_tables

        blocks = (*blocks, *path_tables(result, path.iterations(result.best), page.width))
    marked = held_note(held_cells(result))
    page.write((*blocks, *labels), [*marked, *agreement(result), *lines])


def title(result: FitResult) -> str:
    """What was fitted to which rows, in a line."""
    settings, data = result.settings.document(), result.data
    kind = "".join(f", {settings[key]} {key}" for key in ("covariance", "mixing") if key in settings)
    if (prior := settings.get("prior")) is not None:
        kind += ", default prior" if isinstance(prior, str) else f", Beta({prior}, {prior}) prior"
    kind += ", noise" if settings.get("noise") else ""
    weight = "" if data.row_weights is None else f" of total weight {data.rows.total:g}"
    columns = listed(data.columns)
    if len(data.columns) > MAX_NAMES:
        columns += f": {len(data.columns)} columns"
    if settings.get("standardize"):
        columns += "; columns standardized"
    missing = f"; {missing_cells(data)}" if data.missing[0] else ""
    known = f"; {counted(known_count(data.rows), 'row')} of known component" if data.rows.known is not None else ""
    rows = f"{escaped(shown(data.path), 200)}, {data.count} rows{weight} ({columns}){missing}{known}"
    return f"{result.kind.name}, k={settings['k']}{kind}: {rows}"


def missing_cells(data: Dataset) -> str:
    """How many cells are missing, and what a fit assumes of them."""
    cells, rows = data.missing
    return f"{counted(cells, 'missing cell')} in {counted(rows, 'row')}, assumed missing at random"


def iterations(result: FitResult, width: int, verbose: bool, hint: str = ", see -v") -> Grid:
    """Log-likelihood (K-means: inertia) of each iteration of the best start, and what it gained.

    Steps after the last iteration are not counted and have no number.
    """
    values = [measures.objective for measures in result.measures(result.best)]
    shown = scores([value or 0.0 for value in values], 6, apart=False)
    rows = []
    for i, value in enumerate(values):
        change = "" if i == 0 else gain(value or 0.0, values[i - 1] or 0.0)
        rows.append(
            [result.best.numbered[i], shown[i] if value is not None else "", change, result.best.steps[i] if i else ""]
        )
    if len(rows) > FIRST_ITERATIONS + LAST_ITERATIONS + 2 and not verbose:
        rows = [
            *rows[:FIRST_ITERATIONS],
            ["…", f"{len(rows) - FIRST_ITERATIONS - LAST_ITERATIONS} more{hint}", "", ""],
            *rows[-LAST_ITERATIONS:],
        ]
    titles = ["iteration", objective(result), "gain" if result.inertia is None else "change", "step"]
    said_once = [["" if row[0] == row[-1] else row[0], *row[1:]] for row in rows]  # where a column names each step
    whole, plain = Grid(titles, said_once), Grid(titles[:-1], [row[:-1] for row in rows])
    return plain if set(result.best.steps) == {"em"} or whole.width > width else whole


def objective(result: FitResult) -> str:
    """What a fit is judged by, in words; the distances of standardized columns have no unit."""
    return result.objective_name + (" (standardized)" if result.settings.model.standardize else "")


def climb(result: FitResult, stream: IO[str]) -> str:
    """The best start's log-likelihood (K-means: inertia) at every iteration, as a curve in one line."""
    values = [measures.objective or 0.0 for measures in result.measures(result.best)]
    steps = result.best.iterations
    ends = f"from {number(values[0])} to {number(values[-1])} in {counted(steps, 'iteration')}"
    if result.best.source is not None:
        ends += f", after moves from the end of start {run_root(result.ledger, result.best)}"
    return f"{objective(result)} {curve(values, CURVE_WIDTH, takes_unicode(stream))} {ends}"


def given_up(ledger: Sequence[Run]) -> str:
    """How many runs ended before their optimum."""
    count = sum(run.status == "behind" for run in ledger)
    return f", {count} given up on the way" if count else ""


def ledger(result: FitResult) -> str:
    """How many starts reached the best, how bad the worst was, and what moves from the best found."""
    drawn = [run for run in result.ledger if run.source is None]
    finished = [run for run in result.ledger if run.finished]
    worst = min(finished, key=lambda run: run.scores[-1])
    apart = not same_optimum(result.kind, worst.scores[-1], result.best.scores[-1])
    ends = scores([result.measures(run)[-1].objective or 0.0 for run in (result.best, *([worst] if apart else []))])
    line = f"{result.reached()} of {len(drawn)} starts reached the best {objective(result)}, {ends[0]}"
    if result.best.is_start:
        which = f"The best of {len(drawn)} starts" if len(drawn) > 1 else "One start"
        line = f"{which}: {objective(result)} {ends[0]}"
    elif len(drawn) == 1:
        line = f"One start, which ended at {objective(result)} {ends[0]}"
    if apart:
        line += f"; worst {ends[1]}"
    collapsed = sum(run.status == "degenerate" for run in drawn)
    line += f"; {collapsed} collapsed" if collapsed else ""
    if result.best.sample is None:
        line += given_up(result.ledger)
    if result.best.source is not None:
        roots = len(roots_of_best(result.kind, result.ledger, result.best))
        line += f"; moves from {roots if roots > 1 else 'only one'} of them led to it ({result.moves:,} tried)"
    elif result.moves:
        line += f"; {_reached_by_moves(result)}{_moves_in_vain(result)}"
    if result.best.sample is not None:
        tried = f"all were tried on a sample of {result.best.sample[0]} rows"
        line += f"; {tried}, and {len(finished)} finished on all{given_up(result.ledger)}"
    if result.certificate is not None:
        return f"{line}\n{certified(result)}"
    if result.best.status == "max_iter" or len(drawn) < 2 or result.settings.model.k == 1:
        return line
    return line + _what_more_would_find(result)


def _reached_by_moves(result: FitResult) -> str:
    """From how many more starts moves led to the optimum that the best one reached by itself."""
    direct = {run.start for run in result.ledger if run.source is None and reached_same(result.kind, run, result.best)}
    others = roots_of_best(result.kind, result.ledger, result.best) - direct
    return f"moves from {len(others)} more of them led to it too, and " if others else ""


def _moves_in_vain(result: FitResult) -> str:
    """What moves did that led no higher than the best start: whether they all began there, and what they found."""
    moved = [run for run in result.ledger if run.source is not None]
    begun = [result.ledger[run.source - 1] for run in moved if run.source is not None]
    there = result.reached() > 1 and all(reached_same(result.kind, run, result.best) for run in begun)
    higher = [run for run in moved if run.finished and run.scores[-1] > result.best.scores[-1]]
    apart = any(not same_optimum(result.kind, run.scores[-1], result.best.scores[-1]) for run in higher)
    found = "nothing better but artefacts" if apart else "nothing better"
    return f"{counted(result.moves, 'move')}{' from there' if there else ''} found {found}"


def _what_more_would_find(result: FitResult) -> str:
    """A line on further starts: a bound on their chance where their number was fixed beforehand, else an estimate."""
    once, starts = optima_found_once(result.kind, result.ledger)
    if result.settings.search.restarts != "auto" and starts:
        chance = 100 * (1 - 0.05 ** (1 / starts))
        finds = f"a further start finds one with a probability below {chance:.2g} % (95 % confidence)"
        return f"\nA rarer, better optimum is still possible: {finds}"
    if not once:
        return ""
    seen = f"{once} of {counted(starts, 'start')} ended at an optimum of {'its' if once == 1 else 'their'} own"
    return f"\n{seen}: about {100 * once / starts:.0f} % of further starts would find a new one, perhaps a better one"


def certified(result: FitResult) -> str:
    """The certificate in a sentence: how far the fit can be from the best of all."""
    known = result.certificate or {}
    if "optimum" in known:
        if known["reached"]:
            clusters = counted(result.settings.model.k, "cluster has", "clusters have")
            return f"Proven optimal: no {clusters} a smaller inertia (exact in one dimension)."
        return f"Not the best: the smallest inertia of this many clusters is {known['optimum']:.6g}."
    bound = result.bound or 0.0
    if bound < CERTAIN_NATS:
        return "Proven optimal: no mixture of any number of coins has a higher log-likelihood."
    return f"No mixture of any number of coins has a log-likelihood more than {bound:.3g} higher."


def ending(result: FitResult) -> Line:
    """The verdict in the colour of a good or a bad ending."""
    colour = GOOD if result.best.status == "converged" else "" if result.best.is_start else BAD
    return Line(verdict(result), colour)


def verdict(result: FitResult) -> str:
    """In a sentence how the best start ended: by which rule, with how much left to gain."""
    best, steps = result.best, counted(result.best.iterations, "iteration")
    if best.is_start:
        return "The start values themselves: no iteration was made (--max-iter 0)."
    return {
        "projected": f"Converged after {steps}{_still_to_come(best.decrement, result.objective_name)}.",
        "rounding": f"Converged to machine precision after {steps}.",
        "assignments": f"Converged after {steps}: no assignment changes any more.",
        "max_iter": f"Not converged: stopped at --max-iter, after {steps}"
        f"{_still_to_gain(best.decrement, result.objective_name)}.",
    }[str(best.stop)]


def _still_to_come(gain: float | None, what: str) -> str:
    if gain is None:
        return ""
    about = f"about {gain:.1g}" if gain >= CERTAIN_GAIN else f"less than {CERTAIN_GAIN:.0e}"
    return f"; going on would raise the {what} by {about.replace('e-0', 'e-')}"


def _still_to_gain(gain: float | None, what: str) -> str:
    return "" if gain is None else f"; about {gain:.2g} of {what} still to gain"


def bootstrapped(result: FitResult) -> list[str]:
    """Where standard errors come from, and what the Jaccard coefficients say."""
    made = result.bootstrap
    if made is None:
        return []
    said = f"from {len(made.parameters)} refits of data drawn from this fit"
    lines = [] if made.refused else [f"Standard errors and 95 % intervals: {said}."]
    if beyond := beyond_intervals(result):
        lines.append(f"Not within its interval: {listed(beyond)}; the refits are biased there, beyond their errors.")
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
        return f"{result.parameters_count} parameters. No AIC or BIC: inertia is 0"
    listed = ", ".join(f"{name.upper()} {scores([value or 0.0])[0]}" for name, value in values.items())
    kind = "Classification log-likelihood" if result.inertia is not None else "Log-likelihood"
    count = counted(result.parameters_count, "parameter")
    known = "" if result.log_posterior is None else f"Log posterior {scores([result.log_posterior], 6)[0]}. "
    return f"{known}{kind} {scores([result.log_likelihood], 6)[0]}, {count}; {listed} (smaller is better)"


def separation(result: FitResult) -> list[str]:
    """How surely rows belong to one component, where there are several."""
    index = result.relative_entropy
    if index is None:
        return []
    return [f"Relative entropy {unsigned_zero(f'{index:.4f}')} (1: each row surely of one component, 0: of all alike)"]


def agreement(result: FitResult) -> list[str]:
    """How far the groups are the true ones, where these are known."""
    if result.truth is None or result.truth["adjusted_rand_index"] is None:
        return []
    index = result.truth["adjusted_rand_index"]
    unknown = 0 if result.labels is None else int((result.labels.numbers < 0).sum())
    some = f" of {result.data.count - unknown} rows; {counted(unknown, 'row has', 'rows have')} none" if unknown else ""
    return [f"Adjusted Rand index {index:.4f} against the true labels{some} (1: the same groups)"]
