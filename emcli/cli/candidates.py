"""The candidates that words on the command line ask for: cells of a grid, experiments, and saved fits."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import field
from functools import partial
from typing import IO

from emcli.cli.fit import check_bootstrap, finish
from emcli.cli.grid import Grid, cells
from emcli.cli.guard import note
from emcli.cli.inputs import check_cluster, check_twice, experiment_in, open_data, read_start, source_of
from emcli.comparison.candidate import Candidate, Labels, kind_of
from emcli.comparison.candidates import Begun, CandidateFit, fit_one_by_one, fit_side_by_side, processes
from emcli.comparison.criteria import check_criterion, with_scores
from emcli.comparison.growth import Growth, grown, ks_of, rows_and_criterion
from emcli.comparison.screening import MORE_THAN, Screening, may_be_screened
from emcli.config.documents.fit import FitDocument
from emcli.config.equals import different
from emcli.config.experiment import Experiment
from emcli.config.places import Document
from emcli.config.resolve import resolve, resolve_grid
from emcli.config.settings import Settings, flag
from emcli.config.sources import GRID
from emcli.data.dataset import Dataset
from emcli.errors import EmcliError, Exit, listed, quoted
from emcli.files.examples import data_path, experiment_path
from emcli.files.inputs import will_read
from emcli.frozen import frozen
from emcli.inference.assignments import assignments
from emcli.inference.fit import Events
from emcli.inference.fit_result import FitResult
from emcli.inference.result import read_fit
from emcli.models import MODELS, model_class
from emcli.models.base import AnyModel
from emcli.models.parameters import ParameterFault
from emcli.output.decisions import decisions
from emcli.output.progress import Progress, fit_progress, time_left
from emcli.output.trace import tracing

SEARCHES_ALL = frozenset({"restarts", "init", "start", "fix", "max_iter", "bootstrap"})  # where a user asks for these


def asked(words: Sequence[str], flags: Mapping[str, object], criterion: str | None) -> list[Grid | Candidate]:
    """What words and flags ask for: every file that they name is read, but no data. Raises EmcliError."""
    for key in GRID:  # whose values are words and numbers
        if str(flags.get(key, "")).startswith("--"):
            raise EmcliError(Exit.USAGE, f"'{flag(key)}' needs a value, got the option {quoted(str(flags[key]))}")
    piped = ["-"] if len(words) == 1 and words[0] in MODELS else []
    check_twice(*words, *(path for path in [flags.get("start")] if isinstance(path, str)), *piped)
    if words[0] not in MODELS and not _is_to_be_fitted(words):
        words = [experiment_path(word) for word in words]
    alone = len(words) == 2 and _is_yaml(words[0]) and not words[1].endswith((".yaml", ".yml", ".json"))
    if words[0] in MODELS or alone:
        if len(words) > 2:
            raise EmcliError(Exit.USAGE, f"one data file expected, got {len(words) - 1}: {listed(words[1:])}")
        data = words[1] if len(words) == 2 else None
        experiment = None if words[0] in MODELS else experiment_in(words[0], data)
        return [_grid(words[0], experiment, data, "", flags, criterion)]
    return [
        _saved(word, criterion)
        if word.endswith(".json")
        else _grid(word, experiment_in(word), None, f"{_stem(word)}:", flags, criterion)
        for word in words
    ]


def _is_to_be_fitted(words: Sequence[str]) -> bool:
    """Are these an experiment without data, and an example's name in their place, which has none to give?"""
    if len(words) != 2 or not _is_yaml(words[0]) or experiment_path(words[1]) == words[1]:
        return False
    experiment = experiment_in(words[0])
    return experiment.data is None and experiment.generate is None


def _grid(
    target: str,
    experiment: Experiment | None,
    data: str | None,
    prefix: str,
    flags: Mapping[str, object],
    criterion: str | None,
) -> Grid:
    """The grid of settings that flags and an experiment ask for."""
    kind = model_class(experiment.model if experiment else target)
    check_criterion(criterion, kind)
    said = experiment.document if experiment else None
    source = source_of(data, experiment, at_once=flags.get("scheduler") is None)
    settings = resolve_grid(kind.name, kind.options, flags, said, read_start=read_start)
    check_cluster(settings[0], source)
    _refuse_gap(criterion, settings[0].data.known)
    given = {**(said.section("fit") if said else {}), **{key: each for key, each in flags.items() if each is not None}}
    return Grid(kind, experiment, source, settings, prefix, screens=not SEARCHES_ALL & set(given))


def _refuse_gap(criterion: str | None, known: object) -> None:
    """Raise EmcliError (exit 2) for the gap statistic where components are known: data without clusters have none."""
    if criterion == "gap" and known:
        raise EmcliError(Exit.USAGE, "'--criterion gap' and '--known' exclude each other")


def names(named: Sequence[Grid | Candidate]) -> list[str]:
    """Names of candidates that are known before any data are read: with one column some shapes are the same."""
    found = []
    for each in named:
        if isinstance(each, Candidate):
            found.append(each.name)
        else:
            found += [each.name(settings) for settings in different(each.settings, 1)]
    return found


@frozen
class Candidates:
    """Makes the candidates of a comparison, with a trace and a line of progress."""

    log: IO[str] | None  # where each iteration is written
    bar: Progress
    held: ExitStack  # clusters are let go when it ends
    verbose: bool = False  # is it said what was decided?
    criterion: str | None = None  # by which they are ranked; None: the model's own
    stopped: list[str] = field(default_factory=list)  # where and why, of each number of components that was chosen
    tested: bool = False  # will data be drawn from the fits?
    notes: list[str] = field(default_factory=list)  # what of the grids is not among the candidates, and why

    def of(self, named: Sequence[Grid | Candidate]) -> Iterator[Candidate]:
        """Every candidate in the order given, each fit whole. Raises EmcliError."""
        for each in named:
            if isinstance(each, Candidate):
                yield each
            else:
                yield from self._fitted(each)

    def _fitted(self, grid: Grid) -> Iterator[Candidate]:
        """One candidate for each cell of a grid. With a trace one after another: it tells of each while it is made."""
        fits, size = self._cells(grid)
        count = processes(fits, size, grid.settings[0].search.jobs) if self.log is None else 1
        before = self.bar.elapsed

        def begun(each: CandidateFit, number: int, done: int) -> None:
            left = time_left(done, len(fits), self.bar.elapsed - before)
            self.bar.prefix = f"{number + 1} of {len(fits)}{left}: {each.name}, "

        screens = grid.screens and not self.tested and may_be_screened(fits, self.criterion)
        if grid.settings[0].provenance.auto_k:
            growth = self._grown(fits, screens, size, begun)
            self.stopped.append(grid.prefix.replace(":", ": ") + growth.stopped)
            return iter(growth.candidates)
        if screens and len(fits) > MORE_THAN:
            screening = Screening(fits, count, begun, self.criterion or "bic")
            screening.short(range(len(fits)))
            return iter(screening.full())
        return fit_one_by_one(fits, begun) if count == 1 else fit_side_by_side(fits, count, begun)

    def _grown(self, fits: Sequence[CandidateFit], screens: bool, size: int | None, begun: Begun) -> Growth:
        """Candidates of one number of components after another, as many as it takes."""
        rows, criterion = rows_and_criterion(fits, self.criterion)
        jobs, done = fits[0].settings.search.jobs, list[Candidate]()
        asked = {each.settings.model.k for each in fits}
        ks = [k for k in ks_of(rows, criterion) if k in asked] or [min(asked)]
        fits = [each for each in fits if each.settings.model.k in ks]
        places: dict[int, list[int]] = {k: [] for k in ks}
        for i, each in enumerate(fits):
            places[each.settings.model.k].append(i)

        def fitted(some: Sequence[CandidateFit]) -> list[Candidate]:
            count = processes(some, size, jobs) if self.log is None else 1
            done.extend(fit_one_by_one(some, begun) if count == 1 else fit_side_by_side(some, count, begun))
            return with_scores(done, self.criterion, jobs)[0]

        if not screens:
            return grown(ks, criterion, rows, lambda k: fitted([fits[i] for i in places[k]]), lambda: fitted([]))
        count = processes(fits, size, jobs) if self.log is None else 1
        screening = Screening(fits, count, begun, criterion)
        return grown(ks, criterion, rows, lambda k: screening.short(places[k]), screening.full)

    def _cells(self, grid: Grid) -> tuple[list[CandidateFit], int | None]:
        """One fit for each cell of a grid, and the size of their table."""
        kind = grid.kind
        self.bar.prefix = ""
        self.bar.doing(f"reading {grid.source or 'the rows of ' + (grid.experiment.file if grid.experiment else '')}")
        opened = open_data(grid.source, grid.experiment, kind, grid.settings[0], self.held, self.verbose)

        def checked(settings: Settings) -> Dataset:
            made = opened.dataset(settings)
            check_bootstrap(made, settings)
            if self.tested:
                from emcli.inference.bootstrap import refuse

                refuse(made, "--test")
            return made

        def told(name: str, line: str) -> None:
            self.bar.clear()
            note(f"{name}: {line}")

        fits = []
        found, said = cells(grid, opened, self.tested)
        self.notes.extend(said)
        for settings in found:
            name = grid.name(settings)
            observed = partial(self._finish, name, kind, settings, grid.experiment)
            fits.append(CandidateFit(name, kind, settings, partial(checked, settings), observed, partial(told, name)))
        return fits, opened.size

    def _finish(
        self,
        name: str,
        kind: type[AnyModel],
        settings: Settings,
        experiment: Experiment | None,
        events: Events,
        data: Dataset,
        traced: bool,
    ) -> tuple[FitResult, list[str]]:
        """Run a fit to its end; progress, and a trace of it, see each iteration. With what it decided, if asked."""
        observers = [fit_progress(self.bar, kind, data.rows, settings)]
        with ExitStack() as held:
            if self.log is not None and traced:
                observers.append(held.enter_context(tracing(self.log, kind, data.rows, settings.model, name)))
            result = finish(events, observers, experiment, settings, self.bar)
        self.bar.doing("done, others go on")
        return result, decisions(result) if self.verbose else []


def _is_yaml(word: str) -> bool:
    return word.endswith((".yaml", ".yml"))


def _stem(path: str) -> str:
    return os.path.splitext(os.path.basename(path))[0]


def _saved(path: str, criterion: str | None) -> Candidate:
    """The candidate in a saved fit."""
    document = read_fit(path)
    will_read(str(document["data"].get("source")))  # its data, for scores that need them
    check_criterion(criterion, model_class(document["model"]))
    _refuse_gap(criterion, document.get("components"))
    own = {key: document.get(key) for key in ("k", "covariance", "mixing")}
    kind = kind_of(document["model"], Settings.of({**document.get("settings", {}), **own}).model)
    return Candidate(_stem(path), kind, document, labels=partial(_labels, document), data=partial(_data, document))


def _data(document: FitDocument) -> Dataset | None:
    """What a saved fit was fitted to, where that is still where it was."""
    kind, source = model_class(document["model"]), str(document["data"].get("source"))
    try:
        said = Document(source, {"fit": dict(document["settings"])})
        if not os.path.isfile(source):
            source = data_path(os.path.splitext(os.path.basename(source))[0])  # an example's rows, found by name
        if not os.path.isfile(source):
            return None
        settings = resolve(kind.name, kind.options, {}, said, read_start=read_start)
        experiment = experiment_in(source) if _is_yaml(source) else None
        with ExitStack() as held:
            data = open_data(None if experiment else source, experiment, kind, settings, held).dataset(settings)
    except (EmcliError, KeyError, TypeError, ValueError):
        return None
    return data if data.digest() == document["data"].get("sha256") else None


def _labels(document: FitDocument) -> Labels | None:
    """The assignments of a saved fit, where its data are at hand."""
    data = _data(document)
    if data is None:
        return None
    settings = Settings.of({**document.get("settings", {}), "k": document["k"]})
    kind = model_class(document["model"]).for_rows(data.rows, settings.model)
    try:
        found = kind.from_parameters(document["parameters"], settings.model, data.rows)
    except ParameterFault:
        return None
    model = found.to_scaled(data.rows.scaling, data.rows.covariance)
    return Labels(assignments(model, data.rows, settings.search.jobs), data.row_weights)
