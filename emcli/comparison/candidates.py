"""Candidates of a comparison while they are fitted: one after another, or several at a time in processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import inf

from emcli.comparison.candidate import SCREENED, Begin, Candidate, Labels, kind_of
from emcli.comparison.nesting import all_grown
from emcli.compute.processes import can_fork
from emcli.compute.tasks import Task, Tasks
from emcli.compute.threads import usable_cores
from emcli.config.documents.fit import FitDocument
from emcli.config.settings import Settings
from emcli.data.dataset import Dataset
from emcli.errors import EmcliError, Exit
from emcli.frozen import frozen
from emcli.inference.assignments import assignments
from emcli.inference.fit import Events, Models, continued, fit, short_fit
from emcli.inference.fit_result import FitResult
from emcli.inference.result import document
from emcli.inference.runs import Run
from emcli.inference.search.screening import is_screened, starts_on_sample
from emcli.inference.starts import has_one_optimum
from emcli.models.base import AnyModel

MAX_COPIED_BYTES = 1 << 23  # of a table's numbers, of which each process that fits a candidate makes a copy
MIN_SPLIT_BYTES = 1 << 21  # of a table from which the processes of one fit serve as well as those of several

# Runs a fit's events to their end, seen by whom they concern, a trace too if True: its result, and what is said of it.
Finish = Callable[[Events, Dataset, bool], tuple[FitResult, Sequence[str]]]
Starts = Mapping[int, Run]  # starts of a search on a sample of the rows, by their number
Begun = Callable[["CandidateFit", int, int], object]  # hears which fit begins, as which of all, and how many are done


@frozen
class Fitted:
    """What is left of a fit: its document or why there is none, and what goes on from it; a process can send it."""

    document: FitDocument | None = None
    error: EmcliError | None = None
    model: AnyModel | None = None  # in working coordinates
    ledger: Sequence[Run] = ()
    said: Sequence[str] = ()

    @property
    def is_screened(self) -> bool:
        """Was its search a short one?"""
        return self.document is not None and self.document["status"] == SCREENED


@frozen
class CandidateFit:
    """A fit to be made: of a model with its settings, to a dataset."""

    name: str
    kind: type[AnyModel]
    settings: Settings
    dataset: Callable[[], Dataset]  # raises EmcliError where the data are not such as the settings need
    finish: Finish
    tell: Callable[[str], object]  # says something of the fit
    found: FitDocument | None = None  # by a short search, than which a full one ends no lower
    needed: float = -inf  # a log-likelihood; a full search that cannot reach it is given up

    def run(self, jobs: int | None, starts: Starts | None = None) -> Fitted:
        """Its fit by so many processes; where there is none, the reason. Raises EmcliError for a wrong command.

        `starts` are those of a large table that were run before, by their number.
        """
        known = self._models([self.found] if self.found else [])
        made = self._made(partial(fit, known=known, needed=self.needed, made=starts), jobs)
        return _marked(made) if made.is_screened else made

    def starts(self, numbers: Sequence[int]) -> Starts:
        """Starts on a sample with which its full search begins, by this process; none where it does not."""
        model, search = self.settings.model, replace(self.settings.search, jobs=1)
        try:
            rows = self.dataset().rows
        except EmcliError:  # the search will say so
            return {}
        kind = self.kind.for_rows(rows, model)
        return starts_on_sample(kind, rows, model, search, numbers) if is_screened(kind, rows, model, search) else {}

    def short(self, jobs: int | None, smaller: Sequence[FitDocument]) -> Fitted:
        """The same by a short search, also from smaller fits; a full one where that costs no more."""
        if self._has_one_optimum():
            return self.run(jobs)
        return _marked(self._made(partial(short_fit, known=self._models(smaller)), jobs, traced=False))

    def _has_one_optimum(self) -> bool:
        """Do all starts lead to the same fit, as with one component?"""
        try:
            rows = self.dataset().rows
        except EmcliError:
            return False
        return has_one_optimum(self.kind.for_rows(rows, self.settings.model), rows, self.settings.model)

    def _models(self, fits: Sequence[FitDocument]) -> list[Models]:
        return [partial(all_grown, each, self.settings.model) for each in fits]

    def _made(
        self, by: Callable[[type[AnyModel], Dataset, Settings], Events], jobs: int | None, traced: bool = True
    ) -> Fitted:
        settings = replace(self.settings, search=replace(self.settings.search, jobs=jobs))
        try:
            data = self.dataset()
            return self._finished(by(self.kind, data, settings), data, traced)
        except EmcliError as error:
            if error.exit_code not in (Exit.DATA, Exit.NO_FIT):
                raise
            return Fitted(error=error)

    def candidate(self, fitted: Fitted) -> Candidate:
        """The candidate that the fit makes, after what is to be said of it."""
        for line in fitted.said:
            self.tell(line)
        if fitted.model is None:
            kind = kind_of(self.kind.name, self.settings.model)
            return Candidate(self.name, kind, error=fitted.error, fit_settings=self.settings)
        return Candidate(
            self.name,
            kind_of(self.kind.name, self.settings.model),
            fitted.document,
            fit_settings=self.settings,
            labels=partial(self._labels, fitted.model),
            again=partial(self._again, fitted),
            data=self.dataset,
        )

    def _again(self, before: Fitted, origin: str, begin: Begin) -> Candidate:
        """Go on with one more start, from the model that `begin` gives."""
        data = self.dataset()
        more = continued(self.kind, data, self.settings, before.ledger, origin, begin, before.is_screened)
        made = self._finished(more, data, traced=not before.is_screened)
        return self.candidate(_marked(made) if before.is_screened else made)

    def _finished(self, events: Events, data: Dataset, traced: bool) -> Fitted:
        result, said = self.finish(events, data, traced)
        ledger = [replace(run, known=None) for run in result.ledger]  # what is known of a run holds the rows
        return Fitted(document(result), None, result.model, ledger, said)

    def _labels(self, model: AnyModel) -> Labels | None:
        """The component of each row; None where the rows are on a cluster."""
        if self.settings.data.scheduler is not None:
            return None
        data = self.dataset()
        return Labels(assignments(model, data.rows, self.settings.search.jobs), data.row_weights)


def _marked(made: Fitted) -> Fitted:
    """A fit by a short search, of which nothing was decided that is to be said."""
    if made.document is None:
        return made
    document = made.document.copy()
    document["status"] = SCREENED
    document.pop("reached", None)
    return replace(made, document=document, said=())


def processes(fits: Sequence[CandidateFit], size: int | None, jobs: int | None) -> int:
    """How many fits are made side by side, each in a process, of a table of so many bytes; None: it is elsewhere.

    One where copies of the table would take much memory, and where a large table's few fits would leave cores idle.
    """
    cores = usable_cores(jobs)
    count = min(cores, len(fits))
    if size is None or size > MAX_COPIED_BYTES or not can_fork():
        return 1
    return count if count == cores or size < MIN_SPLIT_BYTES else 1


def fit_one_by_one(fits: Sequence[CandidateFit], begun: Begun) -> Iterator[Candidate]:
    """Each candidate when its fit ends, which has all processes."""
    for i, each in enumerate(fits):
        begun(each, i, i)
        yield each.candidate(each.run(each.settings.search.jobs))


def fit_side_by_side(fits: Sequence[CandidateFit], count: int, begun: Begun) -> Iterator[Candidate]:
    """The same candidates in the same order, fitted by `count` processes.

    The largest begin, so that none comes late. `begun` hears of the fits of this process.
    """

    def run(i: int, _: Mapping[int, Fitted | EmcliError]) -> Fitted | EmcliError:
        begun(fits[i], tasks.begun - 1, tasks.ended)
        try:
            return fits[i].run(1)
        except EmcliError as error:  # of several the first in the order asked for is raised
            return error

    tasks = Tasks({i: Task[int](set(), each.settings.model.k) for i, each in enumerate(fits)}, run)
    for i, found in tasks.done(count).items():
        if isinstance(found, EmcliError):
            raise found
        yield fits[i].candidate(found)
