"""Choosing between fits: candidates in groups that can be compared, ranked by one criterion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING

from emcli import __version__
from emcli.comparison.candidate import LIKELIHOOD, Candidate
from emcli.comparison.gap import chosen
from emcli.config.documents.comparison import COMPARISON, CandidateDocument, ComparisonDocument
from emcli.config.documents.fit import FitDocument
from emcli.config.documents.types import in_order
from emcli.config.equals import identity
from emcli.errors import FitWarning, counted
from emcli.frozen import frozen
from emcli.inference.search.optima import SAME_OPTIMUM_NATS

if TYPE_CHECKING:
    from emcli.comparison.alignment import Alignment
    from emcli.comparison.ratio_tests import RatioTest

CLOSE = 2.0  # difference of BIC up to which it is weak evidence (Kass & Raftery 1995)


def same_scale(one: Candidate, other: Candidate) -> bool:
    """Are both fits of the same data, by the same kind of score?"""
    return scale(one) == scale(other)


def default_criterion(candidate: Candidate) -> str:
    """Likelihoods mostly ask for more clusters of whole rows: those are chosen by their silhouette.

    Where cells are missing, by CH: a silhouette needs the distances between rows.
    """
    if "inertia" not in candidate.fitted:
        return "bic"
    return "ch" if candidate.fitted["data"].get("missing") else "silhouette"


def scale(candidate: Candidate) -> tuple[str, bool, bool]:
    """What fits that can be ranked share: data, kind of score, and whether columns were standardized."""
    fit = candidate.fitted
    return fit["data"]["sha256"], "inertia" in fit, bool(fit.get("settings", {}).get("standardize"))


@frozen
class RankedGroup:
    """Candidates that can be ranked against each other, best first, and why the others cannot join them."""

    reason: str | None
    candidates: Sequence[Candidate]
    criterion: str = "bic"

    def rows(self) -> list[CandidateDocument]:
        """One entry for each candidate."""
        compared = {"bic", self.criterion}.intersection(LIKELIHOOD)
        best = {criterion: self.lowest(criterion) for criterion in compared}
        return [candidate.row(best) for candidate in self.candidates]

    def lowest(self, criterion: str) -> float | None:
        """The lowest value of a criterion, of fits that are no artefacts if there are any."""
        fits = [candidate for candidate in self.candidates if candidate.document is not None]
        honest = [candidate for candidate in fits if not candidate.is_artefact]
        return min((value for one in honest or fits if (value := one.value(criterion)) is not None), default=None)

    def close_to_best(self) -> list[Candidate]:
        """The fits within CLOSE of the first by a likelihood, without it: evidence that is not worth a bare mention."""
        best, *others = self.candidates
        top = best.value(self.criterion)
        if top is None or self.criterion not in LIKELIHOOD:
            return []
        return [
            one
            for one in others
            if one.is_artefact == best.is_artefact
            and (value := one.value(self.criterion)) is not None
            and value - top < CLOSE
        ]

    def are_same(self, one: Candidate, other: Candidate) -> bool:
        """Are two fits one optimum of one model, by what ranks them?"""
        values = one.value(self.criterion), other.value(self.criterion)
        if values[0] is None or values[1] is None or identity(one.model_settings) != identity(other.model_settings):
            return False
        return abs(values[0] - values[1]) <= 2 * SAME_OPTIMUM_NATS


def grouped(candidates: Sequence[Candidate], criterion: str | None) -> list[RankedGroup]:
    """Groups of the same data and the same kind of score, each ranked by its criterion, artefacts and failures last.

    Without a criterion it is BIC; for hard assignments the silhouette, or the index of Caliński & Harabasz where the
    data are not at hand. Fits of different data have no common scale, and neither have an inertia and a log-likelihood.
    """
    kinds: dict[tuple[str, bool, bool], list[Candidate]] = {}
    for candidate in candidates:
        if candidate.document is not None:
            kinds.setdefault(scale(candidate), []).append(candidate)
    failed = [candidate for candidate in candidates if candidate.document is None]
    groups = []
    digests = {digest for digest, _, _ in kinds}
    for (digest, hard, standardized), members in kinds.items():
        reasons = [f"data: {_read(members[0].fitted, digest)}"] if len(digests) > 1 else []
        if len({kind for _, kind, _ in kinds}) > 1:
            reasons.append("K-means (classification likelihood)" if hard else "mixture models (likelihood)")
        if hard and len({units for _, kind, units in kinds if kind}) > 1:
            reasons.append("columns standardized" if standardized else "columns as they are")
        by = criterion or default_criterion(members[0])
        if by == "silhouette" and any(member.score is None for member in members):
            by = "ch"
        groups.append(RankedGroup("; ".join(reasons) or None, _ranked(members, by), by))
    if failed and len(groups) == 1:
        groups = [replace(groups[0], candidates=[*groups[0].candidates, *failed])]
    elif failed:
        groups.append(RankedGroup("no fit" if groups else None, failed))
    return groups


def _read(fit: FitDocument, digest: str) -> str:
    """Which data were fitted, and which missing cells there are in them."""
    data = fit["data"]
    missing = f"; used with {counted(data['missing'], 'missing cell')}" if data.get("missing") else ""
    return f"{data.get('source')} (sha256 {digest[:12]}…{missing})"


def _ranked(members: Sequence[Candidate], criterion: str) -> list[Candidate]:
    """Sorted by the criterion, artefacts after all others; by the gap statistic, the k first that its rule chooses.

    Criteria of clusterings choose among numbers of clusters: each has the value of its lowest inertia, and of fits of
    one k the lower inertia is better.
    """
    if criterion in LIKELIHOOD:
        return sorted(members, key=lambda one: (one.is_artefact, _or_last(one.value(criterion))))
    by_inertia = sorted(members, key=lambda one: one.fitted["inertia"])
    lowest: dict[int, Candidate] = {}
    for member in by_inertia:
        lowest.setdefault(member.settings["k"], member)
    best = {k: _or_last(one.value(criterion), -1.0) for k, one in lowest.items()}
    k = chosen({k: gap for k, one in lowest.items() if (gap := one.gap()) is not None}) if criterion == "gap" else None
    return sorted(by_inertia, key=lambda one: (one.is_artefact, one.settings["k"] != k, best[one.settings["k"]]))


def _or_last(value: float | None, sign: float = 1.0) -> float:
    return inf if value is None else sign * value


@frozen
class Comparison:
    """What came of a comparison: groups, fits side by side, tests of k, and why no larger k was tried."""

    groups: Sequence[RankedGroup]
    aligned: Sequence[Alignment]
    warnings: Sequence[FitWarning]
    stopped: Sequence[str]
    tests: Sequence[RatioTest]

    def document(self) -> ComparisonDocument:
        """The document of a comparison; `best` is the name of the first group's first candidate."""
        first = self.groups[0].candidates[0] if self.groups else None
        made: ComparisonDocument = {
            "schema": COMPARISON,
            "version": __version__,
            "criterion": self.groups[0].criterion if self.groups else "bic",
            "warnings": [{"slug": warning.slug, "message": warning.message} for warning in self.warnings],
            "groups": [
                {"reason": group.reason, "criterion": group.criterion, "candidates": group.rows()}
                for group in self.groups
            ],
            "alignments": [each.document() for each in self.aligned],
            "best": first.name if first is not None and first.document is not None else None,
        }
        if self.stopped:
            made["stopped"] = list(self.stopped)
        if self.tests:
            made["tests"] = [each.document() for each in self.tests]
        return in_order(ComparisonDocument, made)
