"""What is said of a fit: how well it fits, and which component has little evidence."""

from __future__ import annotations

from typing import NamedTuple

from emcli.types import JSON


class Measures(NamedTuple):
    """How well a model fits, in the user's units."""

    log_likelihood: float | None  # nats, with all constants; None where it is infinite
    inertia: float | None = None  # sum of squared distances, where the model has one
    log_posterior: float | None = None  # log-likelihood and ln of the prior density, where there is a prior

    @property
    def objective(self) -> float | None:
        """What people judge the fit by: its inertia or log posterior where it has one, else its log-likelihood."""
        if self.inertia is not None:
            return self.inertia
        return self.log_likelihood if self.log_posterior is None else self.log_posterior

    def document(self) -> dict[str, JSON]:
        """The measures that there are, for JSON."""
        found: dict[str, JSON] = {"log_likelihood": self.log_likelihood}
        more = {"log_posterior": self.log_posterior, "inertia": self.inertia}
        return found | {key: value for key, value in more.items() if value is not None}


class Artefact(NamedTuple):
    """A component for which there is little evidence."""

    by_chance: bool  # does chance explain it, so that the optimum is to be set aside? else it has too few rows to tell
    why: str  # a sentence without its end: 'component 2 …'
