"""The table of the benchmark as plain text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

from tests.bench.racing import OURS, Outcome, Row, ratio

WIDE = 38


def lines(row: Row) -> Iterable[str]:
    """One case: who ran, how long, the ratio to emcli, the score, the peak; then what the issue asks for."""
    yield f"== {row.case}"
    ours = next((o for o in row.outcomes if o.who == OURS), None)
    for outcome in row.outcomes:
        yield f"   {outcome.who:<{WIDE}}{_cells(outcome, ours)}".rstrip()
    for check in row.checks:
        sign = ">=" if check.at_least else "<="
        verdict = {True: "met", False: "NOT MET", None: "not measured"}[check.met]
        value = "-" if check.value is None else f"{check.value:.4g}"
        yield f"   {check.what:<{WIDE + 18}}{value:>10}  {sign} {check.limit:<8.4g} {verdict}"
    yield from (f"   ({note})" for note in row.notes)


def _cells(outcome: Outcome, ours: Outcome | None) -> str:
    if outcome.failure and not outcome.seconds:
        return f"{outcome.failure}"
    seconds = "-" if outcome.median is None else f"{outcome.median:.3f} s"
    times = ratio(outcome, ours) if ours else None
    score = "" if outcome.score is None else f"{outcome.score:.9g}"
    cpu = f"{median(outcome.cpu):.1f} s" if outcome.cpu else ""
    peak = f"{outcome.peak_mb:.0f} MB" if outcome.peak_mb else ""
    passes = outcome.said.get("passes")
    note = f"  {passes:.0f} E-steps" if passes and outcome.who != OURS else ""
    return f"{seconds:>11} {'' if times is None else f'{times:.2f}x':>8}  {score:>18} {cpu:>8} {peak:>9}{note}"


def heading(missing: Sequence[str]) -> str:
    """What stands above the table."""
    text = f"   {'':<{WIDE}}{'median':>11} {'ratio':>8}  {'score':>18} {'cpu':>8} {'peak':>9}"
    return text + (f"\n   (not installed, so left out: {', '.join(missing)})" if missing else "")
