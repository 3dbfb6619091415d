"""The command `compare`: choose between the fits of a grid, or of experiments and saved fits."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import IO, TYPE_CHECKING, Any

import typer

from emcli.cli import options
from emcli.errors import EmcliError, Exit, Problem
from emcli.models import MODELS, model_class

if TYPE_CHECKING:
    from emcli.comparison.candidates import CandidateFit
    from emcli.comparison.ranking import Candidate, Labels
    from emcli.config.experiment import Experiment
    from emcli.config.settings import Settings
    from emcli.data.dataset import Dataset
    from emcli.inference.fit import Events
    from emcli.inference.fit_result import FitResult
    from emcli.models.base import AnyModel
    from emcli.output.progress import Progress


def compare(
    ctx: typer.Context,
    words: options.Words,
    k: options.ComponentsGrid = None,
    covariance: options.CovarianceGrid = None,
    mixing: options.MixingGrid = None,
    standardize: options.Standardize = None,
    columns: options.Columns = None,
    row_weights: options.RowWeights = None,
    heads: options.Heads = None,
    tosses: options.Tosses = None,
    tails: options.Tails = None,
    flips: options.Flips = None,
    truth: options.Truth = None,
    missing: options.MissingCells = None,
    delimiter: options.Delimiter = None,
    comment: options.Comment = None,
    header: options.Header = None,
    memory: options.Memory = None,
    scheduler: options.Scheduler = None,
    init: options.StartsGrid = None,
    restarts: options.Restarts = None,
    seed: options.Seed = None,
    tol: options.Tolerance = None,
    max_iter: options.Iterations = None,
    solver: options.Steps = None,
    start: options.StartFile = None,
    bootstrap: options.Bootstrap = None,
    jobs: options.Jobs = None,
    criterion: options.Ranking = None,
    json: options.Json = None,
    output: options.Document = None,
    trace: options.Trace = None,
    plot: options.Picture = None,
    save_fits: options.SaveFits = None,
    quiet: options.Quiet = None,
    verbose: options.Verbose = None,
    debug: options.Debug = None,
) -> int:
    """Choose between fits: a grid of them, or experiments and saved fits together.

    Examples:
      emcli compare gmm sample_data/faithful.csv -k 1-6 --covariance full,tied
      emcli compare coins tacks.csv -k 1-4 --mixing free,equal --criterion aic
      emcli compare configs/heights.yaml configs/mixture_1d.yaml
      emcli compare fits/*.json --json

    Each candidate is a full fit with its own starts. Fits of different data, and
    K-means against the others, stand in groups that are never ranked together.
    """
    from emcli.cli.fit import progress
    from emcli.cli.guard import warn
    from emcli.cli.inputs import settings_in
    from emcli.comparison.alignment import alignments
    from emcli.comparison.nesting import settled
    from emcli.comparison.ranking import as_document, grouped
    from emcli.files import Output, open_log, refuse_shared
    from emcli.inference.result import dumps
    from emcli.output.plots.target import Plot
    from emcli.output.terminal import json_for

    criterion = criterion or "bic"
    refuse_shared(bool(json), output, trace)
    file = Output(output, words) if output not in (None, "-") else None
    picture = Plot(plot, ctx.params, tuple(words))
    if save_fits is not None and not os.path.isdir(save_fits):
        raise EmcliError(Exit.OUTPUT, Problem("no such directory", save_fits), hint=f"mkdir -p {save_fits}")
    with ExitStack() as held:
        log = None
        if trace is not None:
            log = sys.stdout if trace == "-" else held.enter_context(open_log(trace, words))
        bar = held.enter_context(progress(trace, quiet))
        candidates = settled(list(Candidates(settings_in(ctx.params), log, bar, held).of(words)))
    if all(candidate.document is None for candidate in candidates):
        reasons = [Problem(f"{candidate.name}: {candidate.reason}") for candidate in candidates]
        raise EmcliError(Exit.NO_FIT, *reasons[:10], unsaid=max(0, len(reasons) - 10))
    groups = grouped(candidates, criterion)
    if save_fits is not None:
        _save(candidates, save_fits)
    if len(groups) > 1 and not quiet:
        warn("different-data", "some fits cannot be ranked against each other; they stand in groups of their own")
    for candidate in () if quiet else candidates:
        for said in (candidate.document or {}).get("warnings") or []:
            if said.get("slug") == "nesting":
                warn("nesting", f"{candidate.name}: {said['message']}")
    aligned = alignments(candidate for group in groups for candidate in group.candidates)
    text = dumps(as_document(groups, criterion, [each.document() for each in aligned]))
    drawn = picture.comparison(groups, criterion)
    with file.staged(text) if file else nullcontext():
        if json or output == "-":
            sys.stdout.write(json_for(sys.stdout, text))
        elif trace != "-":
            from emcli.output.comparison_tables import print_comparison

            best = {group.candidates[0].name for group in groups}
            all_of_them = verbose or words[0] not in MODELS  # a grid has very many
            shown = [each for each in aligned if all_of_them or each.reference.name in best]
            print_comparison(groups, shown, criterion, sys.stdout)
        sys.stdout.write(drawn)
        sys.stdout.flush()
    return Exit.DONE


@dataclass(frozen=True)
class Candidates:
    """What candidates are made of: settings from flags, and who sees their fits."""

    flags: Mapping[str, object]
    log: IO[str] | None  # where each iteration is written
    bar: Progress
    held: ExitStack  # clusters are let go when it ends

    def of(self, words: Sequence[str]) -> Iterator[Candidate]:
        """Every candidate in the order given, each fit whole. Raises EmcliError."""
        from emcli.cli.inputs import experiment_in
        from emcli.files import refuse_twice

        piped = ["-"] if len(words) == 1 and words[0] in MODELS else []
        refuse_twice(*words, *(path for path in [self.flags.get("start")] if isinstance(path, str)), *piped)
        alone = len(words) == 2 and _is_yaml(words[0]) and not words[1].endswith((".yaml", ".yml", ".json"))
        if words[0] in MODELS or alone:
            if len(words) > 2:
                raise EmcliError(Exit.USAGE, f"one data file expected, got {len(words) - 1}")
            experiment = None if words[0] in MODELS else experiment_in(words[0])
            yield from self._fitted(self._grid(words[0], experiment, words[1] if len(words) == 2 else None, ""))
            return
        for word in words:
            if word.endswith(".json"):
                yield _saved(word)
            else:
                yield from self._fitted(self._grid(word, experiment_in(word), None, f"{_stem(word)}:"))

    def _fitted(self, fits: Sequence[CandidateFit]) -> Iterator[Candidate]:
        from emcli.output.progress import time_left

        before = self.bar.elapsed
        for done, each in enumerate(fits):
            left = time_left(done, len(fits), self.bar.elapsed - before)
            self.bar.prefix = f"{done + 1} of {len(fits)}{left}: {each.name}, "
            yield each.run()

    def _grid(self, target: str, experiment: Experiment | None, data: str | None, prefix: str) -> list[CandidateFit]:
        """One fit for each cell of the grid that flags and experiment ask for."""
        from emcli.cli.fit import check_bootstrap
        from emcli.cli.inputs import check_cluster, open_data, source_of
        from emcli.comparison.candidates import CandidateFit
        from emcli.config.experiment import start_values
        from emcli.config.resolve import resolve_grid

        kind = model_class(experiment.model if experiment else target)
        document = experiment.document if experiment else None
        grid = resolve_grid(kind.name, kind.options, self.flags, document, read_start=start_values)
        source = source_of(data, experiment)
        check_cluster(grid[0], source)
        dataset, columns = open_data(source, experiment, kind, grid[0], self.held)

        def checked(settings: Settings) -> Dataset:
            made = dataset(settings)
            check_bootstrap(made, settings)
            return made

        fits = []
        for settings in _different(grid, columns):
            name = prefix + _name(settings, kind.name)
            finish = partial(self._finish, name, kind, settings, experiment)
            fits.append(CandidateFit(name, kind, settings, partial(checked, settings), finish))
        return fits

    def _finish(
        self,
        name: str,
        kind: type[AnyModel],
        settings: Settings,
        experiment: Experiment | None,
        events: Events,
        data: Dataset,
    ) -> FitResult:
        """Run a fit to its end; trace and progress see each iteration as it happens."""
        from emcli.cli.fit import finish
        from emcli.output.progress import fit_progress
        from emcli.output.trace import tracing

        k = settings.model.k
        observers = [fit_progress(self.bar, kind, data.rows, k, settings.search.restarts)]
        with ExitStack() as traced:
            if self.log is not None:
                observers.append(traced.enter_context(tracing(self.log, kind, data.rows, k, name)))
            return finish(events, observers, experiment, settings, self.bar)


def _is_yaml(word: str) -> bool:
    return word.endswith((".yaml", ".yml"))


def _stem(path: str) -> str:
    return os.path.splitext(os.path.basename(path))[0]


def _name(settings: Settings, model: str) -> str:
    parts = (model, f"k{settings.model.k}", settings.model.covariance, settings.model.mixing)
    return "-".join(part for part in parts if part) + ("-random" if settings.search.init == "random" else "")


def _different(grid: Sequence[Settings], columns: int | None) -> list[Settings]:
    """The settings, without those that are another's twin: in one dimension diag and spherical equal full."""
    kept: dict[tuple[object, ...], Settings] = {}
    for settings in grid:
        shape = settings.model.covariance
        if columns == 1 and shape in ("diag", "spherical"):
            shape = "full"
        kept.setdefault((settings.model.k, shape, settings.model.mixing, settings.search.init), settings)
    return list(kept.values())


def _saved(path: str) -> Candidate:
    """A candidate that has been fitted before."""
    from emcli.comparison.ranking import Candidate
    from emcli.inference.result import read_fit

    document = read_fit(path)
    kind = {key: document.get(key) for key in ("model", "k", "covariance", "mixing")}
    return Candidate(_stem(path), kind, document, labels=partial(_labels, document))


def _labels(document: Mapping[str, Any]) -> Labels | None:
    """The assignments of a saved fit, where the data that it was fitted to are still where they were."""
    from emcli.cli.inputs import experiment_in, open_data
    from emcli.comparison.ranking import Labels
    from emcli.config.experiment import start_values
    from emcli.config.places import Document
    from emcli.config.resolve import resolve
    from emcli.inference.assignments import assignments
    from emcli.models.parameters import ParameterFault

    kind, source = model_class(document["model"]), str(document["data"].get("source"))
    said = Document(source, {"fit": dict(document["settings"])})
    try:
        if not os.path.isfile(source):
            return None
        settings = resolve(kind.name, kind.options, {}, said, read_start=start_values)
        experiment = experiment_in(source) if _is_yaml(source) else None
        with ExitStack() as held:
            read = open_data(None if experiment else source, experiment, kind, settings, held)[0]
            data = read(settings)
        if data.digest() != document["data"].get("sha256"):
            return None
        found = kind.from_parameters(document["parameters"], settings.model, data.rows)
        model = found.to_scaled(data.rows.frame, data.rows.spread)
    except (EmcliError, ParameterFault, KeyError, TypeError, ValueError):
        return None
    return Labels(assignments(model, data.rows, settings.search.jobs), data.row_weights)


def _save(candidates: Sequence[Candidate], folder: str) -> None:
    """Write each candidate's own document into a folder, by its name."""
    from emcli.files import Output
    from emcli.inference.result import dumps

    for candidate in candidates:
        if candidate.document is not None:
            Output(os.path.join(folder, candidate.name.replace(":", "-") + ".json")).write(dumps(candidate.document))
