"""What candidates of a comparison have in common, and so share a colour in its picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from emcli.errors import counted, escaped
from emcli.output.numbers import scores
from emcli.output.plots.figure import middled

if TYPE_CHECKING:
    from emcli.comparison.candidate import Candidate

MOST_COLOURS = 7  # that are told apart
OTHERS = "others"  # that share what is no colour
LONGEST_NAME = 36  # characters
SAME_NATS, SAME_INERTIA = 1e-4, 1e-9  # differences, of inertias relative ones, up to which fits have one optimum


class Kind(NamedTuple):
    """A colour, and whose it is."""

    label: str
    colour: int | None


def k_of(candidate: Candidate) -> int:
    """The number of components."""
    return candidate.settings["k"]


def families(candidates: Sequence[Candidate]) -> dict[str, list[Candidate]]:
    """Candidates that differ in k alone, by what tells them from others, in order of k."""
    found: dict[tuple[str, ...], list[Candidate]] = {}
    for candidate in sorted(candidates, key=k_of):
        said, prefix = candidate.settings, candidate.name.rpartition(":")[0]
        mixing, prior = f"{said['mixing'] or ''} mixing", f"{said.get('prior', 'no')} prior"
        noise = "noise" if said.get("noise") else "no noise"
        key = f"{prefix}:", said["model"], said["covariance"] or "", mixing, prior, noise
        found.setdefault(key, []).append(candidate)
    told = [len({*values}) > 1 for values in zip(*found, strict=True)]
    told[2] = told[2] or not any(told[3:])
    named = {
        " ".join(part for part, shown in zip(key, told, strict=True) if shown and part) or key[1]: members
        for key, members in found.items()
    }
    return dict(sorted(named.items()))


def kinds(candidates: Sequence[Candidate]) -> dict[int, Kind]:
    """Whose colour each candidate has, by its id(): its family's; of many fits of one k that of its optimum.

    Of more families than colours the best have one, and the others share none.
    """
    members = families(candidates)
    if len(members) > MOST_COLOURS and len({one.settings["covariance"] for one in candidates}) > MOST_COLOURS:
        return _by_best_families(candidates, members)
    if len({*map(k_of, candidates)}) > 1 or len(candidates) > MOST_COLOURS >= len(members) > 1:
        return {id(one): Kind(said, i) for i, (said, some) in enumerate(members.items()) for one in some}
    if len(candidates) <= MOST_COLOURS:
        return {id(one): Kind(shortened(one.name), i) for i, one in enumerate(candidates)}
    return _by_optimum(candidates)


def _by_best_families(candidates: Sequence[Candidate], members: dict[str, list[Candidate]]) -> dict[int, Kind]:
    """A colour for each family of which a candidate is ranked highest, and none for all others."""
    rank = {id(one): i for i, one in enumerate(candidates)}
    first = sorted(members, key=lambda said: min(rank[id(one)] for one in members[said]))[: MOST_COLOURS - 1]
    found = {id(one): Kind(OTHERS, None) for one in candidates}
    return found | {id(one): Kind(said, i) for i, said in enumerate(first) for one in members[said]}


def _by_optimum(candidates: Sequence[Candidate]) -> dict[int, Kind]:
    """A colour for each of the best optima, and none for all others."""
    optima: list[list[Candidate]] = []
    for one in sorted(candidates, key=_loss):
        if optima and _same_optimum(optima[-1][0], one):
            optima[-1].append(one)
        else:
            optima.append([one])
    what = "inertia" if "inertia" in candidates[0].fitted else "log-likelihood"
    texts = scores([_loss(some[0]) if what == "inertia" else -_loss(some[0]) for some in optima])
    shown = optima if len(optima) <= MOST_COLOURS else optima[: MOST_COLOURS - 1]
    found = {id(one): Kind(OTHERS, None) for one in candidates}
    for i, (some, text) in enumerate(zip(shown, texts, strict=False)):
        found |= {id(one): Kind(f"{what} {text} ({counted(len(some), 'fit')})", i) for one in some}
    return found


def _loss(candidate: Candidate) -> float:
    """What a fit makes small: its inertia, or minus its log-likelihood."""
    fit = candidate.fitted
    return fit["inertia"] if "inertia" in fit else -(fit["log_likelihood"] or 0.0)


def _same_optimum(one: Candidate, other: Candidate) -> bool:
    allowed = SAME_INERTIA * _loss(one) if "inertia" in one.fitted else SAME_NATS
    return _loss(other) - _loss(one) <= allowed


def shortened(name: str, most: int = LONGEST_NAME) -> str:
    """A name that is safe to show; a long one without its middle."""
    return middled(escaped(name, 400), most)
