"""From a dataset to a finished fit: checked, run, shown as it goes, and set beside what is known."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from emcli.config.experiment import Experiment
from emcli.config.places import dotted
from emcli.config.settings import Settings
from emcli.errors import EmcliError, Exit, Problem
from emcli.models import family_of

if TYPE_CHECKING:
    from emcli.data.dataset import Dataset
    from emcli.inference.fit import Events, Observer, Result
    from emcli.inference.simulate import Drawn
    from emcli.output.progress import Progress


def as_dataset(drawn: Drawn, experiment: Experiment, model: Any, settings: Settings) -> Dataset:
    """Generated rows as if they had been written to a file and read again."""
    from emcli.data.dataset import pick, prepare

    picked = pick(model, drawn.names, experiment.file, settings)
    names = [drawn.names[i] for i in picked.numeric]
    return prepare(model, drawn.values[:, list(picked.numeric)], [], None, names, settings, source=experiment.file)


def drawn_from(experiment: Experiment, rows: int | None, seed: int | None) -> Drawn:
    from emcli.inference.simulate import draw
    from emcli.models.base import ParameterFault

    recipe = experiment.generate
    if recipe is None:
        raise EmcliError(Exit.USAGE, Problem("nothing to draw from: no 'generate:'", experiment.file))
    sizes = recipe.sizes if rows is None else None
    weights = {} if recipe.sizes is None else {"weights": [n / sum(recipe.sizes) for n in recipe.sizes]}
    try:
        return draw(
            family_of(experiment.model),
            {**recipe.parameters, **weights},
            rows or recipe.rows,
            recipe.seed if seed is None else seed,
            sizes,
            recipe.columns,
            {"tosses": recipe.tosses},
        )
    except ParameterFault as fault:
        first = fault.path[:1]
        if recipe.sizes is not None and first in (("weights",), ("sizes",)):  # the weights were made of them
            path: tuple[str | int, ...] = ("sizes",)
        else:
            path = fault.path if first in (("columns",), ("tosses",)) else ("parameters", *fault.path)
        raise EmcliError(
            Exit.USAGE, experiment.problem(("generate", *path), f"generate.{dotted(path)}: {fault.what}")
        ) from None


def check(dataset: Dataset, settings: Settings) -> None:
    """Refuse, before the fit, data that cannot be used as the settings want. Raises EmcliError (exit 3)."""
    if settings.search.bootstrap is not None:
        from emcli.inference.bootstrap import refuse

        refuse(dataset)


def finished(
    events: Events, observers: Sequence[Observer], experiment: Experiment | None, settings: Settings, bar: Progress
) -> Result:
    """The result of a fit's events, beside the truth where that is known, and with its bootstrap."""
    from emcli.inference.fit import observe
    from emcli.models.base import ParameterFault

    try:
        fitted = observe(events, *observers)
    except ParameterFault as fault:
        raise EmcliError(Exit.USAGE, _start_fault(fault, settings, experiment)) from None
    result = _beside_truth(fitted, experiment, settings)
    if settings.search.bootstrap is None:
        return result
    from emcli.inference.bootstrap import bootstrapped
    from emcli.output.progress import replicate_progress

    return observe(bootstrapped(result, settings.search.bootstrap), replicate_progress(bar, settings.search.bootstrap))


def _start_fault(fault: Any, settings: Settings, experiment: Experiment | None) -> Problem:
    """What is wrong with given start values, at its place where they stand in the experiment."""
    if experiment is not None and settings.provenance.start_source == experiment.file:
        path = ("fit", "start", *fault.path)
        return experiment.problem(path, f"{dotted(path)}: {fault.what}")
    return Problem(f"start: {fault}", settings.provenance.start_source)


def bar_for(trace: str | None, quiet: bool) -> Progress:
    """The line of progress on standard error; none where the lines of a trace already run over the same terminal."""
    from emcli.output.progress import Progress

    return Progress(sys.stderr, quiet or (trace == "-" and sys.stdout.isatty()))


def _beside_truth(result: Result, experiment: Experiment | None, settings: Settings) -> Result:
    """The result beside the truth, where an experiment or a column of labels tells it."""
    if result.data.labels is None and (experiment is None or experiment.generate is None):
        return result
    from emcli.inference.truth import with_truth

    if result.data.labels is not None:
        return with_truth(result, None, result.data.labels.ranks())
    assert experiment is not None
    drawn = drawn_from(experiment, None, None)
    truth = result.family.write(result.family.read(drawn.parameters, {}))
    same = as_dataset(drawn, experiment, result.family, settings).digest() == result.data.digest()
    return with_truth(result, truth, drawn.labels if same else None)
