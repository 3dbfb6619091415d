"""The compare command: a grid of fits, or experiments and saved fits together."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from typing import IO, Any

from emcli.commands import as_dataset, beside_truth, drawn_from, experiment_in, given_once, listed, source_of
from emcli.errors import EmcliError, Exit, Fault, quoted
from emcli.experiment import Experiment, read_start
from emcli.files import Output, open_log, refuse_shared, refuse_twice
from emcli.models import MODELS, family_of
from emcli.options import OPTIONS, Settings
from emcli.selection import CRITERIA, Candidate, as_document, grouped
from emcli.settings import resolve
from emcli.shell import warn

DOCUMENTS = (".yaml", ".yml", ".json")


def compare(words: Sequence[str], given: Mapping[str, Any]) -> int:
    """Fit all candidates, rank them and print the ranking; returns the exit code. Raises EmcliError."""
    from emcli.result import dumps

    if not words:
        raise EmcliError(Exit.USAGE, "missing MODEL, or files to compare", hint="emcli compare --help")
    criterion = given_once(given, "criterion", "--criterion") or "bic"
    if criterion not in CRITERIA:
        raise EmcliError(Exit.USAGE, f"'--criterion' must be one of {', '.join(CRITERIA)}; got {quoted(criterion)}")
    output, trace = given_once(given, "output", "-o"), given_once(given, "trace", "--trace")
    folder = given_once(given, "save_fits", "--save-fits")
    refuse_shared(given["json"], output, trace)
    sink = Output(output, tuple(words)) if output is not None and output != "-" else None
    if folder is not None and not os.path.isdir(folder):
        raise EmcliError(Exit.OUTPUT, Fault("no such directory", folder), hint=f"mkdir -p {folder}")
    with ExitStack() as opened:
        log = None
        if trace is not None:
            log = sys.stdout if trace == "-" else opened.enter_context(open_log(trace, words))
        candidates = list(_candidates(words, given, log))
    if all(candidate.document is None for candidate in candidates):
        reasons = [Fault(f"{candidate.name}: {candidate.reason}") for candidate in candidates]
        raise EmcliError(Exit.NO_FIT, *reasons[:10], unsaid=max(0, len(reasons) - 10))
    groups = grouped(candidates, criterion)
    if folder is not None:
        _save(candidates, folder)
    if len(groups) > 1 and not given["quiet"]:
        warn("different-data", "some fits cannot be ranked against each other; they stand in groups of their own")
    said = dumps(as_document(groups, criterion))
    with sink.staged(said) if sink is not None else nullcontext():
        if given["json"] or output == "-":
            sys.stdout.write(said)
        elif trace != "-":
            from emcli.ranking import print_comparison

            print_comparison(groups, criterion, sys.stdout)
        sys.stdout.flush()
    return Exit.DONE


def _candidates(words: Sequence[str], given: Mapping[str, Any], log: IO[str] | None) -> Iterator[Candidate]:
    """Every candidate in the order given, each fit whole."""
    flags = {option.key: listed(given[option.key]) for option in OPTIONS if given[option.key] is not None}
    refuse_twice(*words, *flags.get("start", ()), *(["-"] if len(words) == 1 and words[0] in MODELS else []))
    if words[0] in MODELS or (len(words) == 2 and _is_yaml(words[0]) and not words[1].endswith(DOCUMENTS)):
        if len(words) > 2:
            raise EmcliError(Exit.USAGE, f"one data file expected, got {len(words) - 1}")
        experiment = None if words[0] in MODELS else experiment_in(words[0])
        yield from _grid(words[0], experiment, words[1] if len(words) > 1 else None, flags, "", log)
        return
    for word in words:
        if word.endswith(".json"):
            yield _saved(word)
        else:
            yield from _grid(word, experiment_in(word), None, flags, f"{_stem(word)}:", log)


def _is_yaml(word: str) -> bool:
    return word.endswith((".yaml", ".yml"))


def _stem(path: str) -> str:
    return os.path.splitext(os.path.basename(path))[0]


def _saved(path: str) -> Candidate:
    from emcli.saved import read_fit

    said = read_fit(path)
    return Candidate(_stem(path), {key: said.get(key) for key in ("model", "k", "covariance", "mixing")}, said)


def _grid(
    target: str, experiment: Experiment | None, data: str | None, flags: Mapping[str, list[str]], prefix: str,
    log: IO[str] | None,
) -> Iterator[Candidate]:  # fmt: skip
    from emcli.loading import read

    family = family_of(experiment.model if experiment else target)
    document = experiment.document if experiment else None
    grid = resolve(family.name, family.options, flags, document, read_start=read_start, grid=True)
    source = source_of(data, experiment)
    raw = read(source, family, grid[0]) if source is not None else None
    columns = None if raw is None else raw.numbers.shape[1]
    for settings in _different(grid, columns):
        name = prefix + _name(settings, family.name)
        kind = {"model": family.name, "k": settings.k, "covariance": settings.covariance, "mixing": settings.mixing}
        try:
            if raw is not None:
                dataset = raw.dataset(family, settings)
                if experiment is not None and source == experiment.data and experiment.data_source:
                    dataset = replace(dataset, source=experiment.data_source)
            else:
                assert experiment is not None
                dataset = as_dataset(drawn_from(experiment, None, None), experiment, family, settings)
            yield Candidate(name, kind, _document(family, dataset, settings, experiment, name, log))
        except EmcliError as error:
            if error.exit_code not in (Exit.DATA, Exit.NO_FIT):
                raise
            yield Candidate(name, kind, reason=error.faults[0].what)


def _different(grid: Sequence[Settings], columns: int | None) -> Iterator[Settings]:
    """The settings, without those that are another's twin: in one dimension diag and spherical equal full."""
    seen = set()
    for settings in grid:
        shape = settings.covariance
        if columns == 1 and shape in ("diag", "spherical"):
            shape = "full"
        key = (settings.k, shape, settings.mixing, settings.init)
        if key not in seen:
            seen.add(key)
            yield settings


def _name(settings: Settings, model: str) -> str:
    parts = (model, f"k{settings.k}", settings.covariance, settings.mixing)
    return "-".join(part for part in parts if part) + ("-random" if settings.init == "random" else "")


def _document(
    family: Any, dataset: Any, settings: Settings, experiment: Experiment | None, name: str, log: IO[str] | None
) -> dict[str, Any]:
    from emcli.fitting import fit
    from emcli.models.family import ParameterFault
    from emcli.result import document
    from emcli.trace import written

    events = fit(family, dataset, settings)
    if log is not None:
        events = written(events, log, family, dataset, settings.k, name)
    while True:
        try:
            next(events)
        except StopIteration as end:
            return document(beside_truth(end.value, experiment, settings))
        except ParameterFault as fault:
            raise EmcliError(Exit.USAGE, Fault(f"start: {fault}", settings.start_source)) from None


def _save(candidates: Sequence[Candidate], folder: str) -> None:
    """Each candidate's own document in a folder, by its name."""
    from emcli.result import dumps

    for candidate in candidates:
        if candidate.document is not None:
            Output(os.path.join(folder, candidate.name.replace(":", "-") + ".json")).write(dumps(candidate.document))
