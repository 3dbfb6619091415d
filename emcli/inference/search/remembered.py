"""What searches in this process have found, for fits of the same rows with one component more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256

from emcli.config.settings import ModelSettings, SearchSettings
from emcli.data.rows import Rows
from emcli.inference.runs import Run
from emcli.models.base import AnyModel

MAX_KEPT = 64  # searches

_kept: dict[str, list[Run]] = {}


def keep(
    kind: type[AnyModel], rows: Rows, settings: ModelSettings, search: SearchSettings, found: Sequence[Run]
) -> None:
    """Keep the runs that a search of some rows found, as they are now; not of rows elsewhere."""
    if not rows.is_local:
        return
    if len(_kept) >= MAX_KEPT:
        _kept.clear()
    _kept[_digest(kind, rows, settings, search)] = [_copied(run) for run in found]


def _copied(run: Run) -> Run:
    return replace(run, scores=list(run.scores), priors=list(run.priors), known=None)


def found_before(kind: type[AnyModel], rows: Rows, settings: ModelSettings, search: SearchSettings) -> list[Run] | None:
    """What the same search found before; None where it was not made."""
    return _kept.get(_digest(kind, rows, settings, search))


def _digest(kind: type[AnyModel], rows: Rows, settings: ModelSettings, search: SearchSettings) -> str:
    """Of what a search follows from."""
    parts = (rows.values, rows.weights, rows.scaling.centre, rows.scaling.exponent, rows.known)
    told = repr((kind, settings, replace(search, jobs=None)))
    return sha256(told.encode() + b"".join(part.tobytes() for part in parts if part is not None)).hexdigest()
