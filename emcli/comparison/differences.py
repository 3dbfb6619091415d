"""Differences of parameters, number by number."""

from __future__ import annotations

from collections.abc import Mapping

from emcli.types import JSON


def differences(parameters: Mapping[str, JSON], others: Mapping[str, JSON]) -> dict[str, JSON] | None:
    """The first less the second, of each parameter that they share; None where they share none."""
    both = {key: _difference(value, others[key]) for key, value in parameters.items() if key in others}
    return {key: value for key, value in both.items() if value is not None} or None


def _difference(value: JSON, other: JSON) -> JSON:
    """The first less the second, number by number in lists of the same form; None where the forms differ."""
    if isinstance(value, list) and isinstance(other, list):
        if len(value) != len(other):
            return None
        each = [_difference(one, another) for one, another in zip(value, other, strict=True)]
        return None if None in each else each
    if isinstance(value, int | float) and isinstance(other, int | float):
        return float(value - other)
    return None
