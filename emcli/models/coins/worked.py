"""The E-step and the M-step of coins in numbers: heads and tails shared out by responsibilities."""

from __future__ import annotations

from math import comb, exp

import numpy as np

from emcli.data.rows import Rows
from emcli.models.coins.mixture import BinomialMixture, BinomialStats
from emcli.models.statistics import Stats
from emcli.models.worked import Column, Group, Sheet, Worked, WorkedSteps, plain
from emcli.types import Array

MAX_WHOLE = 1e15  # of a binomial coefficient, up to which all its digits are shown


class WorkedCoins(WorkedSteps[BinomialMixture]):
    """Shows how the coins of a mixture share each row's heads and tails."""

    noun = "coin"
    density = "probability"
    m_title = "M-step: the expected heads and tails of all {rows} rows"

    def parameters(self, model: BinomialMixture, rows: Rows) -> Sheet:
        """Mixing weight and P(heads)."""
        weights = Column("weight", model.weights.tolist(), "parameter", of="weights")
        return Sheet([[weights, Column("P(heads)", model.heads.tolist(), "parameter", of="heads")]])

    def e_step(self, model: BinomialMixture, rows: Rows) -> list[str]:
        """The binomial probability, the responsibility, and what it shares out."""
        return [
            "probability of h heads, t tails = C(h + t, h) · P(heads)^h · (1 - P(heads))^t",
            *self.share_formulas(model, rows),
        ]

    def values(self, x: Array, rows: Rows) -> dict[str, float]:
        """Heads and tails."""
        return {"heads": float(x[0, 0]), "tails": float(x[1, 0])}

    def log_densities(self, model: BinomialMixture, x: Array) -> Array:
        """ln of the binomial probability of each coin (k,)."""
        found: Array = model.log_densities(x)[:, 0]
        return np.where(found < -1e100, -np.inf, found)

    def row(self, model: BinomialMixture, x: Array, rows: Rows, known: int | None = None) -> Worked:
        """The row's heads and tails, shared out."""
        heads, tails = self.values(x, rows).values()
        h, t = plain(heads), plain(tails)
        log_ways = x[2, 0] + x[3, 0]
        ways = float(comb(int(heads + tails), int(heads))) if log_ways < np.log(MAX_WHOLE) else None
        shown = plain(ways) if ways is not None else f"{exp(log_ways):.6g}" if log_ways < 700 else ""
        head, tail = "head" if heads == 1 else "heads", "tail" if tails == 1 else "tails"
        about = f"{h} {head}, {t} {tail}" + (f"; C({plain(heads + tails)}, {h}) = {shown}" if shown else "")
        numbers, sheet = self.shared(model, x, rows, known, parts={f"× {h}\n{head}": heads, f"× {t}\n{tail}": tails})
        r = numbers["responsibility"]
        numbers |= {"expected_heads": r * heads, "expected_tails": r * tails}
        return Worked(numbers, [sheet], about, self.values(x, rows))

    def sums(self, model: BinomialMixture, stats: Stats, improved: BinomialMixture, rows: Rows) -> Worked:
        """Expected heads and tails of each coin in all rows, and its new P(heads)."""
        assert isinstance(stats, BinomialStats)
        heads, tails = stats.heads, stats.tails
        held = [] if model.fixed is None else (~np.isnan(model.fixed.values)).tolist()
        quotient: Group = [
            Column("expected\nheads", heads.tolist(), total=float(heads.sum())),
            Column("expected\ntails", tails.tolist(), total=float(tails.sum())),
            Column("heads\n+ tails", (heads + tails).tolist(), total=float((heads + tails).sum())),
            Column("new\nP(heads)", improved.heads.tolist(), "parameter", of="heads"),
            Column("was", model.heads.tolist(), "parameter", of="heads", held=held),
        ]
        numbers = {"rows": stats.rows, "heads": heads, "tails": tails}
        formulas = ["new P(heads) = expected heads / (expected heads + expected tails)"]
        if model.prior is not None:
            more, twice = plain(model.prior.count), plain(2 * model.prior.count)
            formulas = [
                f"new P(heads) = (expected heads + {more}) / (expected heads + expected tails + {twice})",
                f"the prior counts as {more} more heads and {more} more tails of each coin",
            ]
        idle = {int(i): "has no row left, and stays as it is" for i in np.flatnonzero(heads + tails == 0)}
        sheets = [self.weights(model, stats.rows, improved, rows), Sheet([quotient], formulas)]
        return Worked(numbers, sheets, notes=idle)
