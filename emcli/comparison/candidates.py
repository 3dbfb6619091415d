"""The candidates of a comparison: each cell of a grid fitted whole, experiments, and saved fits."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import IO, Any

from emcli.cli.commands import experiment_in, listed, raw_of, refuse_on_cluster, source_of
from emcli.cli.running import as_dataset, check, drawn_from, finished
from emcli.comparison.ranking import Candidate, Labels
from emcli.config.experiment import Experiment, start_values
from emcli.config.options import OPTIONS
from emcli.config.places import Document
from emcli.config.resolve import resolve
from emcli.config.settings import Settings
from emcli.data.dataset import Dataset, read
from emcli.errors import EmcliError, Exit
from emcli.files import refuse_twice
from emcli.inference.fit import Events, assignments, continued, fit
from emcli.inference.result import document, read_fit
from emcli.inference.starts import Start
from emcli.models import MODELS, family_of
from emcli.models.base import Family, ParameterFault
from emcli.output.progress import Progress, fit_progress, time_left
from emcli.output.trace import tracing

DOCUMENTS = (".yaml", ".yml", ".json")


@dataclass(frozen=True)
class Cell:
    """What to fit, and to what."""

    name: str
    family: Family
    settings: Settings
    dataset: Callable[[], Dataset]
    experiment: Experiment | None
    log: IO[str] | None
    bar: Progress

    def fitted(self) -> Candidate:
        """Its fit; where there is none, the reason. Raises EmcliError for what is wrong with the command."""
        try:
            data = self.dataset()
            check(data, self.settings)
            return self._drained(fit(self.family, data, self.settings), data)
        except EmcliError as error:
            if error.exit_code not in (Exit.DATA, Exit.NO_FIT):
                raise
            return Candidate(self.name, _kind(self.family, self.settings), reason=error.problems[0].what)

    def _again(self, before: Sequence[Start], origin: str, begin: Any) -> Candidate:
        data = self.dataset()
        return self._drained(continued(self.family, data, self.settings, before, origin, begin), data)

    def _drained(self, events: Events, data: Dataset) -> Candidate:
        rows, k = data.rows, self.settings.model.k
        observers = [fit_progress(self.bar, self.family, rows, k, self.settings.search.restarts)]
        with ExitStack() as traced:
            if self.log is not None:
                observers.append(traced.enter_context(tracing(self.log, self.family, rows, k, self.name)))
            result = finished(events, observers, self.experiment, self.settings, self.bar)
        return Candidate(
            self.name,
            _kind(self.family, self.settings),
            document(result),
            fit_settings=self.settings,
            labels=partial(self._labels, result.model),
            again=partial(self._again, result.ledger),
        )

    def _labels(self, model: Any) -> Labels | None:
        if self.settings.data.scheduler is not None:
            return None
        data = self.dataset()
        return Labels(assignments(self.family, model, data.rows, self.settings.search.jobs), data.row_weights)


def candidates(
    words: Sequence[str], given: Mapping[str, Any], log: IO[str] | None, bar: Progress, held: ExitStack
) -> Iterator[Candidate]:
    """Every candidate in the order given, each fit whole; clusters are let go when `held` ends. Raises EmcliError."""
    flags = {option.key: listed(given[option.key]) for option in OPTIONS if given[option.key] is not None}
    refuse_twice(*words, *flags.get("start", ()), *(["-"] if len(words) == 1 and words[0] in MODELS else []))
    if words[0] in MODELS or (len(words) == 2 and _is_yaml(words[0]) and not words[1].endswith(DOCUMENTS)):
        if len(words) > 2:
            raise EmcliError(Exit.USAGE, f"one data file expected, got {len(words) - 1}")
        experiment = None if words[0] in MODELS else experiment_in(words[0])
        cells = _grid(words[0], experiment, words[1] if len(words) > 1 else None, flags, "", log, bar, held)
        yield from _fitted(cells, bar)
        return
    for word in words:
        if word.endswith(".json"):
            yield _saved(word)
        else:
            yield from _fitted(_grid(word, experiment_in(word), None, flags, f"{_stem(word)}:", log, bar, held), bar)


def _fitted(cells: Iterator[Cell], bar: Progress) -> Iterator[Candidate]:
    every, before = list(cells), bar.elapsed
    for done, cell in enumerate(every):
        left = time_left(done, len(every), bar.elapsed - before)
        bar.prefix = f"{done + 1} of {len(every)}{left}: {cell.name}, "
        yield cell.fitted()


def _is_yaml(word: str) -> bool:
    return word.endswith((".yaml", ".yml"))


def _stem(path: str) -> str:
    return os.path.splitext(os.path.basename(path))[0]


def _kind(family: Family, settings: Settings) -> dict[str, Any]:
    return {
        "model": family.name,
        "k": settings.model.k,
        "covariance": settings.model.covariance,
        "mixing": settings.model.mixing,
    }


def _saved(path: str) -> Candidate:
    said = read_fit(path)
    kind = {key: said.get(key) for key in ("model", "k", "covariance", "mixing")}
    return Candidate(_stem(path), kind, said, labels=partial(_labels, said))


def _grid(
    target: str, experiment: Experiment | None, data: str | None, flags: Mapping[str, list[str]], prefix: str,
    log: IO[str] | None, bar: Progress, held: ExitStack,
) -> Iterator[Cell]:  # fmt: skip
    family = family_of(experiment.model if experiment else target)
    grid = resolve(
        family.name,
        family.options,
        flags,
        experiment.document if experiment else None,
        read_start=start_values,
        grid=True,
    )
    source = source_of(data, experiment)
    refuse_on_cluster(grid[0], source)
    raw = raw_of(source, family, grid[0], held) if source is not None else None
    columns = None if raw is None else raw.columns

    def dataset(settings: Settings) -> Dataset:
        if raw is None:
            assert experiment is not None
            return as_dataset(drawn_from(experiment, None, None), experiment, family, settings)
        made: Dataset = raw.dataset(family, settings)
        named = experiment.data_source if experiment is not None and source == experiment.data else None
        return replace(made, source=named) if named else made

    for settings in _different(grid, columns):
        name = prefix + _name(settings, family.name)
        yield Cell(name, family, settings, partial(dataset, settings), experiment, log, bar)


def _different(grid: Sequence[Settings], columns: int | None) -> Iterator[Settings]:
    """The settings, without those that are another's twin: in one dimension diag and spherical equal full."""
    seen = set()
    for settings in grid:
        shape = settings.model.covariance
        if columns == 1 and shape in ("diag", "spherical"):
            shape = "full"
        key = (settings.model.k, shape, settings.model.mixing, settings.search.init)
        if key not in seen:
            seen.add(key)
            yield settings


def _name(settings: Settings, model: str) -> str:
    parts = (model, f"k{settings.model.k}", settings.model.covariance, settings.model.mixing)
    return "-".join(part for part in parts if part) + ("-random" if settings.search.init == "random" else "")


def _labels(said: Mapping[str, Any]) -> Labels | None:
    """The assignments of a saved fit, where the data that it was fitted to are still where they were."""
    family, source = family_of(said["model"]), str(said["data"].get("source"))
    try:
        settings = resolve(
            family.name, family.options, {}, Document(source, {"fit": dict(said["settings"])}), read_start=start_values
        )[0]
        if _is_yaml(source):
            experiment = experiment_in(source)
            data = as_dataset(drawn_from(experiment, None, None), experiment, family, settings)
        elif os.path.isfile(source):
            data = read(source, family, settings).dataset(family, settings)
        else:
            return None
        if data.digest() != said["data"].get("sha256"):
            return None
        model = family.inward(family.read(said["parameters"], said, settings.model.k, data.rows), data.rows)
    except (EmcliError, ParameterFault, KeyError, TypeError, ValueError):
        return None
    return Labels(assignments(family, model, data.rows, settings.search.jobs), data.row_weights)
