"""Why a search ended without a fit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from emcli.config.settings import ModelSettings
from emcli.data.dataset import Dataset
from emcli.errors import EmcliError, Exit, Problem
from emcli.inference.runs import Run
from emcli.models.base import AnyModel


def no_fit(kind: type[AnyModel], data: Dataset, settings: ModelSettings, ledger: Sequence[Run]) -> EmcliError:
    """The error that says why no run of a search ended with a fit."""
    collapsed = [run for run in ledger if run.status == "degenerate"]
    reason = Counter(run.reason for run in collapsed).most_common(1)[0][0] if collapsed else ""
    what = f"no fit: all {len(collapsed)} starts collapsed ({reason})" if collapsed else "no fit"
    if others := [run for run in ledger if run.finished]:
        aside = [run.artefact.why for run in others if run.artefact is not None]
        runs = f"of {len(ledger)} runs"
        ended = [f"{len(aside)} {runs} ended at an artefact ({aside[0]})"] if aside else []
        if lower := len(others) - len(aside):
            k = settings.k - 1
            reach = "one component reaches" if k == 1 else f"{k} components reach"
            ended.append(f"{lower} {runs} ended no higher than {reach}")
        what = f"no fit: {', '.join(ended)}{', the others collapsed' * bool(collapsed)}"
    hint = "try a smaller -k or another --covariance" if "covariance" in kind.options else None
    ends = [run.last for run in collapsed if run.last is not None]
    if cause := kind.cause_of_collapse(data.rows, settings, ends):
        blamed, hint = cause
        what = f"no fit: {blamed}" if blamed in what else f"{what}; {blamed}"
    if any(warning.slug == "header-guess" for warning in data.warnings):
        hint = "the first row was read as data: if it is a header, add --header"
    return EmcliError(Exit.NO_FIT, Problem(what, data.path), hint=hint)
