"""Log-densities of rows (5, n) for coins: plain sums, sums of logarithms in two parts, or Loader's formula."""

# rows hold heads, tails, ln of the coefficient, its second part where it is large, and, where a row has more than
# MAX_TOSSES, ln of the greatest density

from __future__ import annotations

import numpy as np

from emcli.data import binomial
from emcli.data.split_logs import MAX_TOSSES, split_logs
from emcli.data.trials import MAX_PLAIN_LOG
from emcli.types import Array, BoolArray

LOG_ZERO = -1e200  # in place of ln 0: times a count of 0 it is 0, times any other count the likelihood is 0
P_STEPS = 2.0**29  # to which P(heads) is rounded, so that products with MAX_TOSSES are exact


def are_plain(rows: Array) -> bool:
    """Are all coefficients so small that plain sums keep the digits in which coins differ?"""
    return bool(rows[2].max(initial=0.0) < MAX_PLAIN_LOG)


def beyond_split(rows: Array) -> BoolArray:
    """Which rows (n,) have a large coefficient and so many tosses that not even products with first parts are exact."""
    return np.asarray((rows[2] > MAX_PLAIN_LOG) & (rows[0] + rows[1] > MAX_TOSSES))


def split_log_odds(p: Array) -> tuple[Array, Array]:
    """For P(heads) p (k,), first parts (k, 3) of ln p, ln (1 - p) and 1, and what the rows count in the rest (k, 4)."""
    first, second = split_logs(p)
    zeros, ones = np.zeros((len(p), 1)), np.ones((len(p), 1))
    return np.hstack([first, ones]), np.hstack([np.maximum(second, LOG_ZERO), zeros, ones])


def split_log_densities(log_odds: tuple[Array, Array], rows: Array, p: Array) -> Array:
    """ln of the densities (k, n) of rows with large coefficients, for P(heads) p (k,) and `split_log_odds` of these."""
    found: Array = log_odds[0] @ rows[:3]
    found += log_odds[1] @ rows[:4]
    beyond = beyond_split(rows)
    if beyond.any():
        heads, tails, _, _, greatest = rows[:, beyond]
        found[:, beyond] = np.maximum(binomial.log_densities(heads, tails, greatest, p[:, None]), LOG_ZERO)
    return found


def excess(rows: Array, p: Array) -> Array:
    """Heads less expected heads (k, n) for P(heads) p (k, 1), to the last digit where there are many tosses."""
    tosses = rows[0] + rows[1]
    if are_plain(rows):
        return np.asarray(rows[0] - tosses * p)
    if tosses.max() > MAX_TOSSES:
        return binomial.excess(rows[0], tosses, p)
    first = np.rint(p * P_STEPS) / P_STEPS
    found: Array = np.hstack([1 - first, -first]) @ rows[:2]
    found -= (p - first) * tosses
    return found
