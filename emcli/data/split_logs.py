"""Logarithms in two parts: products of counts with the first are exact, so that sums of large terms lose no digit."""

from __future__ import annotations

from functools import lru_cache
from math import log, log1p

import numpy as np

from emcli.data.binomial import log_densities
from emcli.types import Array

STEPS = 2.0**24  # of a first part, in one nat
MAX_TOSSES = 2.0**24  # of a row: times a first part of 29 bits they fill the 53 bits of a double
LEAST_FIRST = -32.0  # nats; the second part is the rest
BITS = 110  # of the fractions in the arithmetic of whole numbers
LN2 = 899756482030919243385101862961404  # ln 2 · 2^BITS
HALVINGS, TERMS = 8, 12  # of an exponent below 1/2, and of the exponential series after these: 2^-110 suffices
RATE_STEPS = 512.0  # in one octave of rates, one of which lies near the rate of each row


def split_logs(p: Array) -> tuple[Array, Array]:
    """First and second parts (k, 2) of ln p and ln (1 - p), for p (k,); of ln 0 the second is -inf.

    The first parts are multiples of 2^-24, the second ones correct to the last digit.
    """
    found = np.array([_split(each) for each in p.tolist()]).reshape(-1, 2, 2)
    return found[:, :, 0], found[:, :, 1]


@lru_cache(maxsize=4096)
def _split(p: float) -> tuple[tuple[float, float], tuple[float, float]]:
    part, whole = p.as_integer_ratio()
    if part in (0, whole):
        zero, one = (0.0, -np.inf), (0.0, 0.0)
        return (one, zero) if part else (zero, one)
    return _split_log(part, whole, log(p)), _split_log(whole - part, whole, log1p(-p))


def _split_log(part: int, whole: int, near: float) -> tuple[float, float]:
    """Both parts of ln (part / whole), given that in double precision.

    The second is ln (1 + z) of 1 + z = (part / whole) e^-first.
    """
    first = round(near * STEPS) / STEPS
    if first == 0.0 or first < LEAST_FIRST:
        first = max(first, LEAST_FIRST)
        return first, near - first
    octaves = whole.bit_length() - part.bit_length()
    mantissa = (part << BITS + octaves) // whole
    exponential = _exp(-int(first * STEPS) * 2 ** (BITS - 24) - octaves * LN2)
    return first, log1p(((mantissa * exponential >> BITS) - (1 << BITS)) / 2.0**BITS)


def _exp(exponent: int) -> int:
    """The exponential of a fixed-point number with BITS binary places, of absolute value below about 1."""
    halved, term = exponent >> HALVINGS, 1 << BITS
    total = term
    for i in range(1, TERMS):
        term = (term * halved >> BITS) // i
        total += term
    for _ in range(HALVINGS):
        total = total * total >> BITS
    return total


def split_log_factorials(most: int) -> tuple[Array, Array]:
    """Both parts (most + 1,) of ln n! for n from 0: sums of ln 1 to ln n, each from that of a rate nearby."""
    n = np.arange(1.0, most + 1.0)
    mantissa, octave = np.frexp(n)
    rates, place = np.unique(np.rint(mantissa * RATE_STEPS) / RATE_STEPS, return_inverse=True)
    first, second = (part[:, 0] for part in split_logs(np.append(rates, 0.5)))
    near = np.ldexp(rates[place], octave)
    rest = second[place] - octave * second[-1] + np.log1p((n - near) / near)
    steps = np.rint(rest * STEPS) / STEPS
    firsts = first[place] - octave * first[-1] + steps
    return np.append(0.0, np.cumsum(firsts)), np.append(0.0, np.cumsum(rest - steps))


def split_coefficients(heads: Array, tails: Array, greatest: Array) -> tuple[Array, Array]:
    """Both parts (n,) of ln of the binomial coefficients of counts (n,), at most MAX_TOSSES together and none 0.

    The density of a coin with a rate near that of the row is known to the last digit, and its powers by split logs.
    """
    tosses = heads + tails
    less = heads <= tails
    rate, octave = np.frexp(np.minimum(heads, tails) / tosses)
    rates, place = np.unique(np.ldexp(np.rint(rate * RATE_STEPS) / RATE_STEPS, octave), return_inverse=True)
    firsts, seconds = (part[place].T for part in split_logs(rates))
    few, many = np.where(less, heads, tails), np.where(less, tails, heads)
    density = log_densities(few, many, greatest, rates[place])
    return -(few * firsts[0] + many * firsts[1]), density - (few * seconds[0] + many * seconds[1])
