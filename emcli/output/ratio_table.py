"""The table of tests of k against k + 1 components."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from emcli.comparison.likelihood_ratio import LEVEL
from emcli.errors import escaped
from emcli.output.numbers import scores
from emcli.output.page import Block, Grid

if TYPE_CHECKING:
    from emcli.comparison.ratio_tests import RatioTest

HEADING = "Test of k components against k + 1, by data drawn from the fit of k (parametric bootstrap)"
TITLES = "k", "against", "statistic", "as large", "p (error)", "decision"
FOOTER = (
    "statistic: 2 (log-likelihood of k + 1 less that of k); p: how often data of k components have one as large, up to "
    f"{LEVEL:g} more than k are needed."
)


def ratio_table(tests: Sequence[RatioTest], width: int) -> Iterator[Block]:
    """A row for each test; below it which fits were not tested, and why."""
    yield HEADING
    done = [each for each in tests if each.ratio is not None]
    if done:
        named = len({_shape(each) for each in tests}) > 1
        titles = ["fit", *TITLES[1:]] if named else list(TITLES)
        yield from Grid.of(titles, _columns(done, named)).within(width)
    left = [
        f"{each.small.name} was not tested against k={each.large.settings['k']}: {each.reason}"
        for each in tests
        if each.reason is not None
    ]
    for last in {_shape(each): each for each in tests}.values():
        if last.ratio is not None and last.ratio.is_rejected:
            k = last.large.settings["k"]
            left.append(f"{last.large.name}: no smaller k suffices, and no larger one was tested; try -k {k}-{2 * k}")
    if left:
        yield [escaped(line, 200) for line in left]


def _columns(tests: Sequence[RatioTest], named: bool) -> Iterator[Sequence[str]]:
    """The cells of each column."""
    ratios = [each.ratio for each in tests if each.ratio is not None]
    yield [each.small.name if named else str(each.small.settings["k"]) for each in tests]
    yield [str(each.large.settings["k"]) for each in tests]
    yield scores([each.statistic for each in ratios])
    yield [f"{each.exceedances} of {each.replicates}" for each in ratios]
    yield [f"{each.p:.4f} ({each.p_error:.4f})" for each in ratios]
    yield [_decision(each) for each in tests]


def _decision(test: RatioTest) -> str:
    k = test.small.settings["k"]
    return f"more than {k}" if test.ratio is not None and test.ratio.is_rejected else f"{k} suffice{'s' * (k == 1)}"


def _shape(test: RatioTest) -> str:
    """What the fits are but for their k."""
    return test.small.name.replace(f"k{test.small.settings['k']}", "k", 1)
