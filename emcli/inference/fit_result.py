"""A finished fit: the best model, its criteria and warnings, and every start that was tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, NotRequired, TypedDict

import numpy as np

from emcli.config.settings import Settings
from emcli.data.dataset import Dataset
from emcli.errors import FitWarning
from emcli.frozen import frozen
from emcli.inference.assignments import Labels, assignments
from emcli.inference.runs import Run
from emcli.inference.search.optima import reached
from emcli.models.base import AnyModel
from emcli.models.measures import Measures
from emcli.models.plain_values import Parameters, called
from emcli.types import JSON, Array

if TYPE_CHECKING:
    from emcli.inference.agreement import Numbered
    from emcli.inference.bootstrap import Bootstrap


class CrossTable(TypedDict):
    """How many rows, or what weight of them, each true label has in each component."""

    labels: list[str]  # true ones by name, in order
    counts: list[list[float]]  # (labels, k)


class Truth(TypedDict):
    """True parameters and labels beside a fit."""

    parameters: Parameters | None  # true ones in the user's units, in the order of the fitted ones they match
    adjusted_rand_index: float | None  # of the assignments against true labels
    cross_table: NotRequired[CrossTable]  # of true labels and components


class TrueLabels(NamedTuple):
    """True labels of the rows of data."""

    names: Sequence[str]
    numbers: Numbered  # (rows,) of each the place of its name


@frozen
class FitResult:
    """A finished fit. Parameters are in the user's units and canonical order; the numbers beside them are theirs."""

    data: Dataset
    settings: Settings
    ledger: list[Run]
    best: Run
    model: AnyModel  # in working coordinates, read back from `parameters`
    parameters: dict[str, JSON]
    log_likelihood: float | None
    inertia: float | None
    log_posterior: float | None  # where there is a prior
    uncertainty: float  # -Σ w ln(max responsibility), nats
    entropy: float  # of the responsibilities, -Σ w r ln r, nats
    sizes: Array  # (k,) sums of the responsibilities; (0,) for a hard model
    warnings: list[FitWarning]
    certificate: Mapping[str, float | None] | None = None  # a proven bound on the best possible fit
    truth: Truth | None = None
    labels: TrueLabels | None = None
    bootstrap: Bootstrap | None = None
    moves: int = 0  # from one optimum to another that the search tried
    prior_shift: float = 0.0  # what to add to ln of a prior density in working coordinates for one in the user's units

    @property
    def kind(self) -> type[AnyModel]:
        """The class of the model."""
        return type(self.model)

    @property
    def called(self) -> list[str]:
        """What the components are called: by their names where some rows are known to be theirs, else by number."""
        return [*called(len(self.model.weights), self.data.rows.components), *self.model.others]

    @property
    def parameters_count(self) -> int:
        """The number of free parameters."""
        return self.model.parameters_count

    @property
    def bound(self) -> float | None:
        """Nats by which no mixture of any number of components is better (Lindsay 1983); None where not known."""
        found = self.certificate or {}
        if found.get("gap") is None or found.get("D") is None:
            return None
        gap, slope, rows = found["gap"] or 0.0, found["D"] or 0.0, self.data.rows.total
        return max(0.0, gap + rows * float(np.log1p(slope / rows)))

    @property
    def objective_name(self) -> str:
        """What `Measures.objective` is of this model."""
        if self.inertia is not None:
            return "inertia"
        return "log-likelihood" if self.log_posterior is None else "log posterior"

    def criteria(self) -> dict[str, float | None]:
        """AIC, BIC and ICL, smaller is better; None where the log-likelihood is."""
        if self.log_likelihood is None:
            return {"aic": None, "bic": None, "icl": None}
        bic = -2 * self.log_likelihood + self.parameters_count * float(np.log(self.data.rows.sample_size))
        return {
            "aic": -2 * self.log_likelihood + 2 * self.parameters_count,
            "bic": bic,
            "icl": bic + 2 * self.uncertainty,
        }

    @property
    def relative_entropy(self) -> float | None:
        """1 - E / (N ln k) of N weighted rows and entropy E (Celeux & Soromenho 1996; Ramaswamy et al. 1993).

        1 where each row is surely of one component, 0 where it is of all alike; None for k=1 and for a hard model.
        """
        if len(self.sizes) < 2:
            return None
        return 1.0 - self.entropy / (self.data.rows.total * float(np.log(len(self.sizes))))

    def assignments(self) -> Labels:
        """The component of each row of data (rows,), from 0."""
        return assignments(self.model, self.data.rows, self.settings.search.jobs)

    def measures(self, run: Run) -> list[Measures]:
        """Log-likelihood, inertia and log posterior of each iteration of a start."""
        return [self._measured(score, prior) for score, prior in zip(run.scores, run.priors, strict=True)]

    def _measured(self, score: float, prior: float) -> Measures:
        found = self.kind.measures(score - prior, self.data.rows, self.settings.model.k)
        if self.log_posterior is None or found.log_likelihood is None:
            return found
        return found._replace(log_posterior=found.log_likelihood + prior + self.prior_shift)

    def reached(self) -> int:
        """The number of starts that reached the best optimum; screened starts count by their score on the sample."""
        return reached(self.kind, self.ledger, self.best)
