"""Identifiability of mixtures of coins: how many tosses a row must have."""

from __future__ import annotations

from emcli.config.settings import Mixing
from emcli.data.rows import Rows


def too_few_tosses(rows: Rows, k: int, mixing: Mixing | None) -> str | None:
    """Why the rows have too few tosses to identify k coins (Teicher 1963; Blischke 1964); None where they have enough.

    Free mixing needs n >= 2k - 1 tosses, equal mixing n >= k and never 1; in as many rows as there are parameters.
    """
    if k == 1:
        return None
    needed, parameters = (2 * k - 1, 2 * k - 1) if mixing == "free" else (max(k, 2), k)
    assert rows.weights is not None
    enough = float(rows.weights[rows.values[0] + rows.values[1] >= needed].sum())
    if enough >= parameters:
        return None
    return (
        f"{k} coins with {mixing} mixing need rows of at least {needed} tosses to be told apart, and {enough:g} of "
        f"{rows.total:g} rows have as many; the values are one choice of many"
    )
