"""What commands read: experiments, data from files, clusters or a simulation, and settings from flags."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

from emcli.cli.guard import note
from emcli.config.experiment import Experiment, read_experiment
from emcli.config.places import Path, dotted, named_in
from emcli.config.settings import CHECKS, Settings
from emcli.errors import EmcliError, Exit, Problem, quoted, suggestion
from emcli.files import examples
from emcli.files.inputs import refuse_missing, will_read
from emcli.models import MODELS, model_class
from emcli.output.terminal import MAX_COLUMNS, MIN_COLUMNS

if TYPE_CHECKING:
    from emcli.cli.options import Format
    from emcli.data.dataset import Dataset, RawTable
    from emcli.data.distributed.cluster import RemoteTable
    from emcli.data.table.table import ColumnSelection
    from emcli.inference.simulate import SimulatedData
    from emcli.models.base import AnyModel
    from emcli.types import JSON

DATA_FILES = (".csv", ".tsv", ".txt", ".gz", ".zst", ".parquet")


def settings_in(params: Mapping[str, object]) -> dict[str, object]:
    """The settings among the parameters of a command that were given."""
    return {key: value for key, value in params.items() if key in CHECKS and value is not None}


def experiment_in(path: str, data: str | None = None) -> Experiment:
    """The experiment in a file. Raises EmcliError (exit 2), also for what looks like a mistyped model.

    Where DATA are named its `generate:` is left out: what it draws, and their truth, are of other rows.
    """
    if path in MODELS:
        what = f"expected an experiment (YAML) or a fit (JSON), got the model {quoted(path)}"
        raise EmcliError(Exit.USAGE, what, hint="a fit's JSON can be generated from: emcli fit … -o FILE")
    path = examples.experiment_path(path)
    if "." not in path and "/" not in path and path != "-" and not os.path.exists(path):
        what = f"no such model {quoted(path)}{suggestion(path, (*MODELS, *examples.names()))}"
        hint = f"models are {', '.join(MODELS)}; an experiment is a .yaml file; `emcli examples` lists the examples"
        if examples.data_path(path) != path:
            what = f"{quoted(path)} is a data set, neither a model nor an experiment"
            hint = f"a model ({', '.join(MODELS)}) comes first: emcli fit gmm {path} -k 2"
        raise EmcliError(Exit.USAGE, what, hint=hint)
    try:
        experiment = read_experiment(path, MODELS)
    except EmcliError as error:
        if error.hint is None and path.endswith(DATA_FILES):
            error.hint = f"if these are data, the model comes first: emcli fit gmm {path}"
        elif error.hint is None and not path.endswith((".yaml", ".yml")) and os.path.isfile(path):
            error.hint = "an experiment is YAML; a fit is JSON, in a file that ends in .json"
        raise
    return experiment if data is None else replace(experiment, generate=None)


def read_start(path: str) -> Mapping[str, JSON]:
    """The parameters in a file of start values. Raises EmcliError: exit 3 for a fit's JSON, 2 for YAML."""
    from emcli.inference.result import read_start

    try:
        return read_start(path)
    except EmcliError as error:
        if error.hint is None and error.exit_code == Exit.USAGE:
            heads = ", ".join(path.split(",")) if re.fullmatch(r"[\d.]+(, ?[\d.]+)*", path) else "0.8, 0.7"
            values = f"heads: [{heads}] or means: [[2, 55], [4, 80]]"
            error.hint = f"start values stand in a file: a fit's JSON, or YAML such as {values}"
        raise


def source_of(named: str | None, experiment: Experiment | None, at_once: bool = True) -> str | None:
    """Where the data come from, registered as read; None: they are drawn from the experiment's `generate:`.

    Raises EmcliError (exit 3) for a file that is not there, where that is to be told `at_once`.
    """
    from emcli.data.table.partitions import partition_files

    source = _source_of(named, experiment)
    if source is not None:
        if named is not None and at_once:
            _refuse_missing(source)
        will_read(*partition_files(source))
    return source


def _refuse_missing(source: str) -> None:
    """Raise EmcliError (exit 3) for data that are not there; a word may be nearly the name of an example."""
    try:
        refuse_missing(source)
    except EmcliError as error:
        near = suggestion(source, examples.data_sets()) if re.fullmatch(r"\w+", source) else ""
        error.hint = f"`emcli examples` lists the data sets that come with it{near}" if near else None
        raise


def _source_of(named: str | None, experiment: Experiment | None) -> str | None:
    is_open = sys.stdin is not None and not sys.stdin.closed
    if named is not None:
        if named == "-" and is_open and sys.stdin.isatty():
            note("reading CSV from the terminal, end with Ctrl-D")
        path = examples.data_path(named)
        if path == named and not os.path.exists(named) and examples.experiment_path(named) != named:
            hint = f"{named} is an experiment that comes with emcli, and has data of its own: emcli fit {named}"
            raise EmcliError(Exit.DATA, Problem("no such file", named), hint=hint)
        return path
    if experiment is not None and (experiment.data or experiment.generate):
        return experiment.data
    if is_open and not sys.stdin.isatty():
        return "-"
    raise EmcliError(Exit.USAGE, "missing DATA; give a CSV file or '-' for standard input")


def check_shared(
    json: bool, output: str | None, trace: str | None, plot: str | None, report: str | None = None
) -> None:
    """Refuse two results that would be written to one place; --json and -o write the same one."""
    places = {"--json": "-" if json else None, "-o": output, "--trace": trace, "--plot": plot, "--report": report}
    given = [(flag, path) for flag, path in places.items() if path]
    for (one, path), (other, second) in combinations(given, 2):
        if os.path.realpath(path) == os.path.realpath(second) and (one, other) != ("--json", "-o"):
            if path == "-":
                one, other = (flag if flag == "--json" else f"{flag} -" for flag in (one, other))
            where = "standard output" if path == "-" else quoted(second, 200)
            raise EmcliError(Exit.USAGE, f"{one} and {other} would both be written to {where}")


def check_tables(
    format: Format | None, width: int | None, json: bool, output: str | None, trace: str | None, plot: str | None
) -> None:
    """Refuse a format of tables where something else is printed, and a width that nothing is printed in."""
    if width is not None and not MIN_COLUMNS <= width <= MAX_COLUMNS:
        what = f"'--width' must be an integer from {MIN_COLUMNS} to {MAX_COLUMNS}, got '{width}'"
        raise EmcliError(Exit.USAGE, what)
    others = {"--json": json, "-o -": output == "-", "--trace -": trace == "-", "--plot -": plot == "-"}
    for other, given in others.items():
        if format is not None and given and not (format == "text" and other == "--plot -"):
            raise EmcliError(Exit.USAGE, f"--format {format} and {other} would both be written to standard output")


def check_twice(*sources: str | None) -> None:
    """Refuse standard input for more than one thing."""
    if sources.count("-") > 1:
        raise EmcliError(Exit.USAGE, "standard input (-) can be only one of the inputs")


def check_cluster(settings: Settings, source: str | None, plot: bool = False, report: bool = False) -> None:
    """Raise EmcliError (exit 2) for options that need all rows in this process, where they are on a cluster."""
    if settings.data.scheduler is None:
        return
    if source is None or source == "-":
        raise EmcliError(Exit.USAGE, "'--scheduler' needs DATA that its workers can read: a file, or a folder of parts")
    data = settings.data
    options = {"--plot": plot, "--report": report, "--truth": data.truth, "--known": data.known}
    for name, asked in options.items():
        if asked:
            raise EmcliError(Exit.USAGE, f"'{name}' and '--scheduler' exclude each other")


@contextmanager
def told_what_is_no_table(source: str) -> Iterator[None]:
    """Where a file that is named as data cannot be read as such, and is a fit or an experiment by its name, say so."""
    try:
        yield
    except EmcliError as error:
        if source.endswith(".json"):
            error.hint = "a fit's JSON is for predict, compare, generate and --start, and no data"
        elif source.endswith((".yaml", ".yml")):
            error.hint = f"an experiment takes the place of the model: emcli fit {source}"
        raise


class OpenedData(NamedTuple):
    """A table that was read, drawn, or is on a cluster."""

    dataset: Callable[[Settings], Dataset]  # prepared for settings; raises EmcliError
    columns: int  # that the model reads as numbers
    size: int | None  # bytes of its numbers; None: on a cluster


def open_data(
    source: str | None,
    experiment: Experiment | None,
    kind: type[AnyModel],
    settings: Settings,
    held: ExitStack,
    verbose: bool = False,
) -> OpenedData:
    """Read data once, here or on a cluster that is let go when `held` ends.

    `verbose`: say how the file was read.
    """
    if source is None:
        assert experiment is not None
        if settings.data.known is not None:
            what = f"known labels are a column of data, and the rows of {experiment.file} are drawn"
            raise EmcliError(Exit.USAGE, what, hint="write them to a file: emcli generate --labels")
        if verbose:
            note(f"drawing the rows of {experiment.file}")
        drawn = simulated(experiment)
        columns = len(_picked(drawn, experiment, kind, settings).numeric)
        return OpenedData(lambda settings: as_dataset(drawn, experiment, kind, settings), columns, drawn.values.nbytes)
    named = experiment if experiment is not None and source == experiment.data else None

    def placed() -> AbstractContextManager[None]:
        return named_in(named.document, ("data",)) if named else nullcontext()

    if settings.data.scheduler is None:
        from emcli.data.dataset import read

        with placed(), told_what_is_no_table(source):
            here = read(source, kind.observations, settings.data, settings.search.jobs)
        if verbose:
            note(here.description(settings.data))
        raw: RawTable | RemoteTable = here
        size: int | None = here.numbers.nbytes
    else:
        from emcli.data.distributed import cluster, connection

        workers = held.enter_context(connection.connect(settings.data.scheduler))
        with placed():
            raw = cluster.RemoteTable(workers, source, kind.observations, settings.data)
        size = None

    def dataset(settings: Settings) -> Dataset:
        with placed():
            made: Dataset = raw.dataset(kind.requirements(settings.model), settings.data, settings.search.jobs)
        return replace(made, source=named.data_source) if named and named.data_source else made

    return OpenedData(dataset, raw.columns, size)


def as_dataset(drawn: SimulatedData, experiment: Experiment, kind: type[AnyModel], settings: Settings) -> Dataset:
    """Simulated rows as if they had been written to a file and read again."""
    from emcli.data.dataset import prepare
    from emcli.data.rows import Columns

    picked = _picked(drawn, experiment, kind, settings)
    names = [drawn.names[i] for i in picked.numeric]
    columns = Columns(drawn.values[:, list(picked.numeric)], [], None, names)
    needs = kind.requirements(settings.model)
    return prepare(columns, needs, settings.data, settings.search.jobs, source=experiment.file)


def _picked(drawn: SimulatedData, experiment: Experiment, kind: type[AnyModel], settings: Settings) -> ColumnSelection:
    """The columns of drawn rows that the model reads."""
    from emcli.data.dataset import pick

    return pick(kind.observations, drawn.names, experiment.file, settings.data)


def simulated(experiment: Experiment, rows: int | None = None, seed: int | None = None) -> SimulatedData:
    """The rows of an experiment's `generate:`, of another number or seed where these are given."""
    from emcli.inference.simulate import draw
    from emcli.models.parameters import ParameterFault

    recipe = experiment.generate
    if recipe is None:
        raise EmcliError(Exit.USAGE, Problem("nothing to draw from: no 'generate:'", experiment.file))
    parameters = dict(recipe.parameters)
    if recipe.sizes is not None:
        parameters["weights"] = [n / sum(recipe.sizes) for n in recipe.sizes]
    try:
        return draw(
            model_class(experiment.model),
            parameters,
            rows or recipe.rows,
            recipe.seed if seed is None else seed,
            recipe.sizes if rows is None else None,
            recipe.columns,
            recipe.tosses,
        )
    except ParameterFault as fault:
        first = fault.path[:1]
        path: Path = ("parameters", *fault.path)
        if recipe.sizes is not None and first in (("weights",), ("sizes",)):  # the weights were made of them
            path = ("sizes",)
        elif first in (("columns",), ("tosses",)):
            path = fault.path
        what = f"generate.{dotted(path)}: {fault.what}"
        raise EmcliError(Exit.USAGE, experiment.document.problem(("generate", *path), what)) from None
