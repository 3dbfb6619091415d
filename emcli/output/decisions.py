"""What a fit decided by itself, in words: its starts, the sample that they were tried on, and its solver."""

from __future__ import annotations

from collections import Counter

from emcli.errors import counted
from emcli.inference.fit_result import FitResult
from emcli.inference.runs import MAX_NEWTON_PARAMETERS
from emcli.inference.search.optima import drawn_starts
from emcli.models.complete_data import CompleteDataModel
from emcli.models.quasi_newton import has_slopes
from emcli.output.fit_tables import given_up


def decisions(result: FitResult) -> list[str]:
    """Sentences, without the end of one."""
    search, ledger, best = result.settings.search, result.ledger, result.best
    drawn = drawn_starts(ledger)
    kinds = ", ".join(f"{count} {kind}" for kind, count in Counter(run.kind for run in drawn).items())
    said = f"starts: {len(drawn)} ({kinds}) from seed {search.seed}, --restarts {search.restarts}"
    said += f"; {counted(result.moves, 'move')} from the best" if result.moves else ""
    lines = [f"{said}; the best is entry {best.start} ({best.kind})"]
    samples = {run.sample[0] for run in ledger if run.sample is not None}
    went_on = sum(run.finished or run.status == "behind" for run in ledger)
    if samples:
        size = f"{max(samples)} of {result.data.rows.count} rows"
        lines.append(f"sample: starts were tried on {size}, and {went_on} of them went on with all{given_up(ledger)}")
    else:
        lines.append("sample: none, every start climbed on all rows")
    steps = Counter(step for step in best.steps[1:] if step)
    taken = ", ".join(f"{count} {kind}" for kind, count in steps.items())
    lines.append(f"solver: {_solver(result)}; steps of the best start: {taken or 'none'}")
    return lines


def _solver(result: FitResult) -> str:
    asked, count = result.settings.search.solver, result.parameters_count
    if asked is not None:
        return f"{asked}, as asked"
    if not isinstance(result.model, CompleteDataModel):
        return "the model's own"
    if result.data.rows.known is None and has_slopes(result.model):
        return "quasi-newton, where em grows slow (newton needs free natural parameters, which this model has not)"
    if not result.model.has_information:
        return "em (newton needs free natural parameters, which this model has not)"
    if count > MAX_NEWTON_PARAMETERS:
        return f"em ({count} parameters are more than {MAX_NEWTON_PARAMETERS}, up to which it is newton)"
    return "newton, where em grows slow"
