"""The compare command: a grid of fits, or experiments and saved fits together."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, nullcontext
from typing import TYPE_CHECKING, Any

from emcli.cli.commands import given_once
from emcli.cli.guard import warn
from emcli.cli.running import bar_for
from emcli.comparison.ranking import CRITERIA, Candidate, Group, as_document, grouped
from emcli.errors import EmcliError, Exit, Problem, quoted
from emcli.files import Output, open_log, refuse_shared
from emcli.models import MODELS
from emcli.output.plots.target import Plot
from emcli.output.terminal import json_for

if TYPE_CHECKING:
    from emcli.comparison.alignment import Alignment


def compare(words: Sequence[str], given: Mapping[str, Any]) -> int:
    """Fit all candidates, rank them and print the ranking; returns the exit code. Raises EmcliError."""
    from emcli.comparison.alignment import alignments
    from emcli.comparison.candidates import candidates as fitted
    from emcli.comparison.nesting import settled
    from emcli.inference.result import dumps

    if not words:
        raise EmcliError(Exit.USAGE, "missing MODEL, or files to compare", hint="emcli compare --help")
    criterion = given_once(given, "criterion", "--criterion") or "bic"
    if criterion not in CRITERIA:
        raise EmcliError(Exit.USAGE, f"'--criterion' must be one of {', '.join(CRITERIA)}; got {quoted(criterion)}")
    output, trace = given_once(given, "output", "-o"), given_once(given, "trace", "--trace")
    folder = given_once(given, "save_fits", "--save-fits")
    refuse_shared(given["json"], output, trace)
    sink = Output(output, tuple(words)) if output is not None and output != "-" else None
    plot = Plot(given_once(given, "plot", "--plot"), given, tuple(words))
    if folder is not None and not os.path.isdir(folder):
        raise EmcliError(Exit.OUTPUT, Problem("no such directory", folder), hint=f"mkdir -p {folder}")
    with ExitStack() as opened:
        log = None
        if trace is not None:
            log = sys.stdout if trace == "-" else opened.enter_context(open_log(trace, words))
        bar = opened.enter_context(bar_for(trace, given["quiet"]))
        candidates = settled(list(fitted(words, given, log, bar, opened)))
    if all(candidate.document is None for candidate in candidates):
        reasons = [Problem(f"{candidate.name}: {candidate.reason}") for candidate in candidates]
        raise EmcliError(Exit.NO_FIT, *reasons[:10], unsaid=max(0, len(reasons) - 10))
    groups = grouped(candidates, criterion)
    if folder is not None:
        _save(candidates, folder)
    if len(groups) > 1 and not given["quiet"]:
        warn("different-data", "some fits cannot be ranked against each other; they stand in groups of their own")
    for candidate in candidates:
        for said in (candidate.document or {}).get("warnings") or []:
            if said.get("slug") == "nesting" and not given["quiet"]:
                warn("nesting", f"{candidate.name}: {said['message']}")
    beside = alignments(candidate for group in groups for candidate in group.candidates)
    said = dumps(as_document(groups, criterion, [each.document() for each in beside]))
    drawn = plot.comparison(groups, criterion)
    with sink.staged(said) if sink is not None else nullcontext():
        if given["json"] or output == "-":
            sys.stdout.write(json_for(sys.stdout, said))
        elif trace != "-":
            from emcli.output.comparison_tables import print_comparison

            shown = _of_the_best(groups, beside) if words[0] in MODELS and not given["verbose"] else beside
            print_comparison(groups, shown, criterion, sys.stdout)
        sys.stdout.write(drawn)
        sys.stdout.flush()
    return Exit.DONE


def _of_the_best(groups: Sequence[Group], aligned: Sequence[Alignment]) -> list[Alignment]:
    """Only the fits beside the best of each group: a grid has many more."""
    best = {group.candidates[0].name for group in groups}
    return [each for each in aligned if each.reference.name in best]


def _save(candidates: Sequence[Candidate], folder: str) -> None:
    """Each candidate's own document in a folder, by its name."""
    from emcli.inference.result import dumps

    for candidate in candidates:
        if candidate.document is not None:
            Output(os.path.join(folder, candidate.name.replace(":", "-") + ".json")).write(dumps(candidate.document))
