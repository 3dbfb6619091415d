"""Choosing between fits: candidates in groups that can be compared, ranked by one criterion."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from emcli import __version__
from emcli.types import Array

SCHEMA = "emcli.compare/1"
CRITERIA = ("bic", "aic", "icl")


@dataclass(frozen=True, eq=False)
class Labels:
    """The component that each row of the data belongs to."""

    labels: Any  # (n,) 0-based; -1 for a row that says nothing
    weights: Array | None  # (n,) of the rows


def _nothing() -> None:
    return None


@dataclass(frozen=True)
class Candidate:
    """A fit that was asked for: its document, or why there is none."""

    name: str
    settings: Mapping[str, Any]  # model, k, covariance and mixing, also where the fit failed
    document: Any = None  # as `emcli fit` writes it
    reason: str | None = None
    fit_settings: Any = None
    labels: Callable[[], Labels | None] = _nothing  # read where they are asked for
    again: Callable[[str, Any], Candidate] | None = None  # go on with one more start, from that origin and model

    def row(self, best: float | None) -> dict[str, Any]:
        """Its line in the document of a comparison; `best` is the group's lowest BIC."""
        line: dict[str, Any] = {"name": self.name, **self.settings}
        said = self.document
        if said is None:
            return {**line, "status": "failed", "reason": self.reason}
        for key in ("parameters_count", "log_likelihood", "aic", "bic"):
            line[key] = said.get(key)
        bic = said.get("bic")
        line["delta_bic"] = None if bic is None or best is None else bic - best
        line["icl"] = said.get("icl")
        if "inertia" in said:
            line["inertia"] = said["inertia"]
        line["iterations"], line["status"] = said.get("iterations"), said.get("status")
        line["starts"], line["reached"] = len(said.get("restarts") or []), said.get("reached")
        line["warnings"] = [warning.get("slug") for warning in said.get("warnings") or []]
        truth = said.get("truth") or {}
        if truth.get("adjusted_rand_index") is not None:
            line["adjusted_rand_index"] = truth["adjusted_rand_index"]
        if truth.get("parameters"):
            line["truth"] = truth["parameters"]
            line["errors"] = differences(said["parameters"], truth["parameters"])
        return line


def differences(parameters: Any, others: Any) -> Any:
    """The first less the second, of whatever form they share; None where they share none."""
    if isinstance(parameters, Mapping) and isinstance(others, Mapping):
        both = {key: differences(value, others[key]) for key, value in parameters.items() if key in others}
        return {key: value for key, value in both.items() if value is not None} or None
    if isinstance(parameters, list) and isinstance(others, list):
        if len(parameters) != len(others):
            return None
        return [differences(one, other) for one, other in zip(parameters, others, strict=True)]
    numbers = isinstance(parameters, int | float) and isinstance(others, int | float)
    return float(parameters - others) if numbers else None


def same_scale(one: Candidate, other: Candidate) -> bool:
    """Are both fits of the same data, by the same kind of score?"""
    return _scale(one) == _scale(other)


def _scale(candidate: Candidate) -> tuple[str, bool, bool]:
    said = candidate.document
    standardized = bool((said.get("settings") or {}).get("standardize"))
    return str(said["data"].get("sha256")), "inertia" in said, standardized


@dataclass(frozen=True)
class Group:
    """Candidates that can be ranked against each other, best first, and why the others cannot join them."""

    reason: str | None
    candidates: Sequence[Candidate]

    def rows(self) -> list[dict[str, Any]]:
        """One line for each candidate."""
        bics = [c.document["bic"] for c in self.candidates if c.document and c.document.get("bic") is not None]
        return [candidate.row(min(bics, default=None)) for candidate in self.candidates]


def grouped(candidates: Sequence[Candidate], criterion: str) -> list[Group]:
    """Groups of the same data and the same kind of score, each ranked; smaller is better, failures last.

    Fits of different data have no common scale, and neither have an inertia and a log-likelihood.
    """
    kinds: dict[tuple[str, bool, bool], list[Candidate]] = {}
    for candidate in candidates:
        if candidate.document is not None:
            kinds.setdefault(_scale(candidate), []).append(candidate)
    failed = [candidate for candidate in candidates if candidate.document is None]
    groups = []
    digests = {digest for digest, _, _ in kinds}
    for (digest, hard, standardized), members in kinds.items():
        first = members[0].document
        reasons = [f"data {digest[:12]} of {first['data'].get('source')}"] if len(digests) > 1 else []
        if len({kind for _, kind, _ in kinds}) > 1:
            reasons.append("K-means, by its classification likelihood" if hard else "by the likelihood of the rows")
        if hard and len({units for _, kind, units in kinds if kind}) > 1:
            reasons.append("columns standardized" if standardized else "columns as they are")
        ranked = sorted(members, key=lambda member: _worth(member, criterion))
        groups.append(Group("; ".join(reasons) or None, ranked))
    if failed:
        only = not groups
        groups = (
            [*groups, Group(None if only else "no fit", failed)]
            if only or len(groups) > 1
            else [Group(groups[0].reason, [*groups[0].candidates, *failed])]
        )
    return groups


def _worth(candidate: Candidate, criterion: str) -> float:
    value = (candidate.document or {}).get(criterion)
    return float("inf") if value is None else float(value)


def as_document(groups: Sequence[Group], criterion: str, aligned: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The comparison as plain values; `best` is the name of the first group's first candidate."""
    first = groups[0].candidates[0] if groups else None
    return {
        "schema": SCHEMA,
        "version": __version__,
        "criterion": criterion,
        "groups": [{"reason": group.reason, "candidates": group.rows()} for group in groups],
        "alignments": list(aligned),
        "best": first.name if first is not None and first.document is not None else None,
    }
