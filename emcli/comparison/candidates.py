"""A candidate of a comparison while it is fitted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from emcli.comparison.ranking import Begin, Candidate, Kind, Labels
from emcli.config.settings import Settings
from emcli.data.dataset import Dataset
from emcli.errors import EmcliError, Exit
from emcli.inference.assignments import assignments
from emcli.inference.fit import Events, continued, fit
from emcli.inference.fit_result import FitResult
from emcli.inference.result import document
from emcli.inference.starts import Run
from emcli.models.base import AnyModel

Finish = Callable[[Events, Dataset], FitResult]  # runs a fit's events to their end, seen by whom they concern


@dataclass(frozen=True, eq=False)
class CandidateFit:
    """A fit to be made: of a model with its settings, to a dataset."""

    name: str
    kind: type[AnyModel]
    settings: Settings
    dataset: Callable[[], Dataset]  # raises EmcliError where the data are not such as the settings need
    finish: Finish

    def run(self) -> Candidate:
        """Its fit; where there is none, the reason. Raises EmcliError for what is wrong with the command."""
        try:
            data = self.dataset()
            return self._finished(fit(self.kind, data, self.settings), data)
        except EmcliError as error:
            if error.exit_code not in (Exit.DATA, Exit.NO_FIT):
                raise
            return Candidate(self.name, self._kind(), reason=error.problems[0].what)

    def _again(self, before: Sequence[Run], origin: str, begin: Begin) -> Candidate:
        """Go on with one more start, from the model that `begin` gives."""
        data = self.dataset()
        return self._finished(continued(self.kind, data, self.settings, before, origin, begin), data)

    def _finished(self, events: Events, data: Dataset) -> Candidate:
        result = self.finish(events, data)
        return Candidate(
            self.name,
            self._kind(),
            document(result),
            fit_settings=self.settings,
            labels=partial(self._labels, result.model),
            again=partial(self._again, result.ledger),
            data=self.dataset,
        )

    def _kind(self) -> Kind:
        settings = self.settings.model
        return {
            "model": self.kind.name,
            "k": settings.k,
            "covariance": settings.covariance,
            "mixing": settings.mixing,
        }

    def _labels(self, model: AnyModel) -> Labels | None:
        """The component of each row; None where the rows are on a cluster."""
        if self.settings.data.scheduler is not None:
            return None
        data = self.dataset()
        return Labels(assignments(model, data.rows, self.settings.search.jobs), data.row_weights)
