"""Responsibilities from joint log-densities, without underflow; mixing weights in a Newton step."""

from __future__ import annotations

import numpy as np

from emcli.types import Array

LEAST_EXPONENT, LEAST = -700.0, 1e-303  # the exponential of the first is just below the second


def normalise(log_joint: Array) -> Array:
    """Turn ln w_k f_k(x), shape (..., k, n), into responsibilities in place; return log-densities ln f(x), (..., n).

    Log-sum-exp: the largest term of each row is subtracted first, so that each column sums to 1 however far the row is.
    """
    top = log_joint.max(axis=-2)
    np.subtract(log_joint, top[..., None, :], out=log_joint)
    exp(log_joint)
    total: Array = log_joint.sum(axis=-2)
    np.divide(log_joint, total[..., None, :], out=log_joint)
    np.log(total, out=total)
    np.add(total, top, out=total)
    return total


def exp(exponents: Array) -> None:
    """Exponentials in place, 0 below e^-700: processors take several times as long where they nearly underflow."""
    if exponents.min(initial=0.0) < LEAST_EXPONENT:
        np.maximum(exponents, LEAST_EXPONENT, out=exponents)
        np.exp(exponents, out=exponents)
        exponents *= exponents > LEAST
    else:
        np.exp(exponents, out=exponents)


def logarithms(weights: Array) -> Array:
    """ln of mixing weights, minus infinity of 0; without `errstate`, which takes longer, where none is."""
    if 0.0 not in weights.ravel().tolist():
        return np.asarray(np.log(weights))
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(weights))


def tilted(weights: Array, step: Array) -> Array:
    """Mixing weights (k,) after a step (k - 1,) in their log-ratios to the last one."""
    lifted: Array = weights * np.exp(np.append(step, 0.0) - max(0.0, step.max(initial=0.0)))
    lifted /= lifted.sum()
    return lifted


def weight_slopes(weights: Array, sizes: Array) -> Array:
    """Slopes (k - 1,) of the log-likelihood in the log-ratios of mixing weights to the last one, from sizes (k,)."""
    slopes: Array = (sizes - weights * sizes.sum())[:-1]
    return slopes
