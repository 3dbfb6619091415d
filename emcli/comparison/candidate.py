"""A candidate of a comparison: a fit that was asked for, and its values of the criteria."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple, NotRequired, TypedDict

import numpy as np
import numpy.typing as npt

from emcli.comparison.calinski_harabasz import calinski_harabasz
from emcli.comparison.differences import differences
from emcli.comparison.gap import Gap
from emcli.config.documents.comparison import CandidateDocument
from emcli.config.documents.fit import FitDocument
from emcli.config.documents.types import in_order
from emcli.config.settings import ModelSettings, Settings
from emcli.data.dataset import Dataset
from emcli.data.rows import Rows
from emcli.errors import EmcliError, Exit, Problem
from emcli.frozen import frozen
from emcli.models.base import AnyModel
from emcli.types import JSON, Array, Mapper

LIKELIHOOD = ("bic", "aic", "icl")  # smaller is better
CLUSTERING = ("silhouette", "ch", "gap")  # of hard assignments; larger is better
SCREENED = "screened"  # the status of a fit by a short search, which ended more than …
WITHIN = 20.0  # … above the best by the criterion: twice the log-likelihood that it may well be short of
ROWS_FOR_ONE = 20  # of a table whose starts climb on a sample: the same grows with the rows
MAX_REASONS = 10  # lines on candidates without a fit


@frozen
class Labels:
    """The component that each row of the data belongs to."""

    labels: npt.NDArray[np.int32]  # (n,) 0-based; -1 for a row that says nothing
    weights: Array | None  # (n,) of the rows


class Kind(TypedDict):
    """What the model of a candidate is, which is known also where its fit failed."""

    model: str
    k: int
    covariance: str | None
    mixing: str | None
    prior: NotRequired[str | float]
    noise: NotRequired[bool]
    fix: NotRequired[Mapping[str, JSON]]  # values at which parameters are held, null where they are free


def kind_of(model: str, settings: ModelSettings) -> Kind:
    """What a model with these settings is."""
    found: Kind = {"model": model, "k": settings.k, "covariance": settings.covariance, "mixing": settings.mixing}
    if settings.prior is not None:
        found["prior"] = settings.prior
    if settings.noise:
        found["noise"] = True
    if settings.fix is not None:
        found["fix"] = settings.fix
    return found


# Gives the model that a start begins with, in working coordinates, from the rows and a map over their batches.
Begin = Callable[[Rows, Mapper], AnyModel]


class Score(NamedTuple):
    """What a criterion of clusterings makes of a fit on its data."""

    criterion: str
    value: float | None  # None where it is not defined
    error: float | None = None  # the standard error of a sampled silhouette, or s of a gap


def _nothing() -> None:
    return None


@frozen
class Candidate:
    """A fit that was asked for: its document, or why there is none."""

    name: str
    settings: Kind
    document: FitDocument | None = None  # where there is a fit
    error: EmcliError | None = None  # why there is none
    fit_settings: Settings | None = None
    labels: Callable[[], Labels | None] = _nothing  # read where they are asked for
    again: Callable[[str, Begin], Candidate] | None = None  # go on with one more start, from that origin and model
    data: Callable[[], Dataset | None] = _nothing  # what was fitted; None where it is not at hand
    score: Score | None = None

    @property
    def reason(self) -> str | None:
        """Why there is no fit, at its place in a file where that is known."""
        if self.error is None:
            return None
        first = self.error.problems[0]
        return first.what if first.line is None else str(first)

    @property
    def fitted(self) -> FitDocument:
        """The document of a candidate that has one."""
        assert self.document is not None
        return self.document

    @cached_property
    def model_settings(self) -> ModelSettings:
        """The settings of its model that say which fits it holds as special cases."""
        return Settings.of(self.settings).model

    @property
    def is_start(self) -> bool:
        """Is it no fit but start values, with no iteration made?"""
        return bool(self.document) and (self.fitted["status"], self.fitted["iterations"]) == ("max_iter", 0)

    @property
    def is_screened(self) -> bool:
        """Was its fit left by a short search, or given up?"""
        return bool(self.document) and self.fitted["status"] == SCREENED

    @property
    def is_artefact(self) -> bool:
        """Does a component of the fit rest on so few rows that no criterion can be believed?"""
        said = self.document.get("warnings", []) if self.document else []
        return any(
            warning["slug"] == "few-rows"
            or (warning["slug"] == "spurious-component" and "set aside" not in warning["message"])
            for warning in said
        )

    def value(self, criterion: str) -> float | None:
        """Its value of a criterion; None where it has none."""
        fit = self.document
        if fit is None:
            return None
        if criterion in LIKELIHOOD:
            return {"bic": fit["bic"], "aic": fit["aic"], "icl": fit["icl"]}[criterion]
        if criterion == "ch":
            return calinski_harabasz(fit)
        return self.score.value if self.score is not None and self.score.criterion == criterion else None

    def gap(self) -> Gap | None:
        """Its gap statistic, where that was asked for and exists."""
        score = self.score
        if score is None or score.criterion != "gap" or score.value is None or score.error is None:
            return None
        return Gap(score.value, score.error)

    def row(self, best: Mapping[str, float | None]) -> CandidateDocument:
        """Its entry in the document of a comparison; `best` are values of criteria that its own are compared with."""
        row: CandidateDocument = {
            "name": self.name,
            "model": self.settings["model"],
            "k": self.settings["k"],
            "covariance": self.settings["covariance"],
            "mixing": self.settings["mixing"],
            "status": "failed",
        }
        if "prior" in self.settings:
            row["prior"] = self.settings["prior"]
        if "noise" in self.settings:
            row["noise"] = self.settings["noise"]
        if "fix" in self.settings:
            row["fix"] = dict(self.settings["fix"])
        if self.document is None:
            row["reason"] = self.reason
            return in_order(CandidateDocument, row)
        fit = self.fitted
        truth = fit.get("truth")
        row["parameters_count"], row["log_likelihood"] = fit["parameters_count"], fit["log_likelihood"]
        if "log_posterior" in fit:
            row["log_posterior"] = fit["log_posterior"]
        row["aic"], row["bic"], row["icl"] = fit["aic"], fit["bic"], fit["icl"]
        row["relative_entropy"] = fit.get("relative_entropy")
        above = {
            key: None if lowest is None or (value := self.value(key)) is None else value - lowest
            for key, lowest in best.items()
        }
        row["delta_bic"] = above.get("bic")
        if "aic" in above:
            row["delta_aic"] = above["aic"]
        if "icl" in above:
            row["delta_icl"] = above["icl"]
        if "inertia" in fit:
            row["inertia"], row["ch"] = fit["inertia"], self.value("ch")
        if self.score is not None and self.score.criterion == "silhouette":
            row["silhouette"], row["silhouette_error"] = self.score.value, self.score.error
        elif self.score is not None:
            row["gap"], row["gap_error"] = self.score.value, self.score.error
        row["iterations"], row["status"] = fit["iterations"], fit["status"]
        if not self.is_screened:
            row["starts"] = sum("from" not in entry for entry in fit.get("restarts", []))
            row["reached"] = fit.get("reached")
        row["warnings"] = [warning["slug"] for warning in fit.get("warnings", [])]
        if self.is_artefact:
            row["artefact"] = True
        if truth is not None and truth["adjusted_rand_index"] is not None:
            row["adjusted_rand_index"] = truth["adjusted_rand_index"]
        if truth is not None and truth["parameters"]:
            row["truth"] = truth["parameters"]
            row["errors"] = differences(fit["parameters"], truth["parameters"])
        return in_order(CandidateDocument, row)


def no_fit(candidates: Sequence[Candidate]) -> EmcliError:
    """What to say where none has a fit: the error of the first, where all have the same, else each by its name."""
    errors = [one.error for one in candidates if one.error is not None]
    if len({(each.problems, each.hint) for each in errors}) == 1:
        return errors[0]
    reasons, hints = [Problem(f"{one.name}: {one.reason}") for one in candidates], {each.hint for each in errors}
    hint = hints.pop() if len(hints) == 1 else None
    return EmcliError(Exit.NO_FIT, *reasons[:MAX_REASONS], hint=hint, unsaid=max(0, len(reasons) - MAX_REASONS))
