"""Fits of one model and k side by side: which component of one goes with which of the other, and how far they agree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache

from emcli.comparison.candidate import Candidate
from emcli.comparison.differences import differences
from emcli.config.documents.comparison import AlignedFitDocument, AlignmentDocument
from emcli.config.documents.fit import FitDocument
from emcli.frozen import frozen
from emcli.inference.agreement import adjusted_rand_index, match_components, reorder
from emcli.models import model_class
from emcli.types import JSON, Array

DIFFERENT = 1e200  # distance of components that are known to be different


@frozen
class AlignedFit:
    """One fit beside the reference, its components in the reference's order."""

    candidate: Candidate
    order: list[int]  # 0-based component that goes with each of the reference's
    parameters: Mapping[str, JSON]
    adjusted_rand_index: float | None = None  # of the two fits' assignments; None where the data are not at hand


@frozen
class Alignment:
    """Fits of one model and k, all matched to the components of the first."""

    reference: Candidate
    others: list[AlignedFit]

    def document(self) -> AlignmentDocument:
        """Its entry in the document of a comparison; components count from 1."""
        parameters = self.reference.fitted["parameters"]
        fits: list[AlignedFitDocument] = [
            {
                "name": other.candidate.name,
                "order": [i + 1 for i in other.order],
                "differences": differences(other.parameters, parameters),
                "adjusted_rand_index": other.adjusted_rand_index,
            }
            for other in self.others
        ]
        kind = self.reference.settings
        return {"model": kind["model"], "k": kind["k"], "reference": self.reference.name, "fits": fits}


def alignments(candidates: Iterable[Candidate]) -> list[Alignment]:
    """The fits of each model, k and columns that there are two of or more; the first is the reference."""
    kinds: dict[tuple[object, ...], list[Candidate]] = {}
    for candidate in candidates:
        said = candidate.document
        if said is not None:
            key = (said["model"], said["k"], *said["data"]["columns"])
            kinds.setdefault(key, []).append(candidate)
    found = []
    for first, *rest in kinds.values():
        if rest:
            first = replace(first, labels=cache(first.labels))
            found.append(Alignment(first, [_beside(first, other) for other in rest]))
    return found


def _beside(reference: Candidate, other: Candidate) -> AlignedFit:
    parameters = other.fitted["parameters"]
    kind = model_class(reference.fitted["model"])
    distances = kind.distances(reference.fitted["parameters"], parameters)
    order = match_components(_by_name(distances, reference.fitted, other.fitted)).tolist()
    index = None
    if reference.fitted["data"].get("sha256") == other.fitted["data"].get("sha256"):
        one, two = reference.labels(), other.labels()
        if one is not None and two is not None:
            index = adjusted_rand_index(one.labels, two.labels, one.weights)
    return AlignedFit(other, order, reorder(parameters, order), index)


def _by_name(distances: Array, one: FitDocument, other: FitDocument) -> Array:
    """Distances (k, k) of the components of two fits, where those with one name are the same in both, and no others."""
    found, known = distances.copy(), (one["data"].get("known", {}), other["data"].get("known", {}))
    for i, name in enumerate(one.get("components", [])):
        if name in known[0] and name in known[1]:
            j = other.get("components", []).index(name)
            found[i] = found[:, j] = DIFFERENT
            found[i, j] = 0.0
    return found
