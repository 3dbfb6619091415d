"""The option --test of compare: checked before any data are read, and carried out after the fits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from emcli.errors import EmcliError, Exit

if TYPE_CHECKING:
    from emcli.cli.grid import Grid
    from emcli.comparison.candidate import Candidate
    from emcli.comparison.ratio_tests import RatioTest
    from emcli.output.progress import Progress

MIN_REPLICATES, MAX_REPLICATES = 19, 9999  # with fewer no p is as small as 0.05


def check_test(replicates: int | None, named: Sequence[Grid | Candidate]) -> None:
    """Raise EmcliError (exit 2) where no fit could be tested against another."""
    from emcli.cli.grid import Grid

    if replicates is None:
        return
    if not MIN_REPLICATES <= replicates <= MAX_REPLICATES:
        what = f"'--test' must be an integer from {MIN_REPLICATES} to {MAX_REPLICATES}, got '{replicates}'"
        raise EmcliError(Exit.USAGE, what)
    grids = [each for each in named if isinstance(each, Grid)]
    if not grids:
        what = "'--test' fits data that it draws with the settings of a fit, and these are saved fits"
        raise EmcliError(Exit.USAGE, what, hint="name the model and the data, or an experiment, and -k")
    soft = [each for each in grids if not each.kind.hard]
    if not soft:
        what = f"'--test' compares likelihoods, and {grids[0].kind.name} has none"
        raise EmcliError(Exit.USAGE, what, hint="--criterion gap compares its clusters with data that have none")
    if any(settings.search.max_iter == 0 for each in soft for settings in each.settings):
        raise EmcliError(Exit.USAGE, "'--test' compares fits, and --max-iter 0 makes none")
    if any(settings.data.scheduler is not None for each in soft for settings in each.settings):
        what = "'--test' and '--scheduler' exclude each other: it fits many tables that it draws in this process"
        raise EmcliError(Exit.USAGE, what, hint="without --scheduler a table may be larger than memory, too")
    for each in soft:
        ks = {settings.model.k for settings in each.settings}
        if any(k + 1 in ks for k in ks):
            return
    k = soft[0].settings[0].model.k
    what = "'--test' compares k with k + 1, and no two numbers of components that follow each other are asked for"
    raise EmcliError(Exit.USAGE, what, hint=f"try -k {k}-{k + 1}")


def carried_out(
    replicates: int | None, candidates: Sequence[Candidate], jobs: int | None, bar: Progress
) -> list[RatioTest]:
    """The tests of k against k + 1, with a line of progress; none where --test was not given."""
    if replicates is None:
        return []
    from emcli.comparison.ratio_tests import ratio_tests
    from emcli.output.progress import replicate_progress

    def begun(small: Candidate, large: Candidate) -> Callable[[int], None]:
        bar.prefix = f"{small.name} against k={large.settings['k']}: "
        return replicate_progress(bar, replicates)

    made = list(ratio_tests(candidates, replicates, jobs, begun))
    bar.prefix = ""
    return made
