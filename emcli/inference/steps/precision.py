"""How many digits the numbers of a row have, so that each follows from those that it is computed from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import ceil, exp, floor, inf, isfinite, log, log10

from emcli.models.worked import Column, Worked

SHARE_DECIMALS = 4, 6  # of responsibilities: the fewest, and the most
PART_DIGITS = 3  # decimals of what they share out
FEWEST, MOST = 3, 15  # significant digits of a density
LEAST_LOG = -700.0  # of a density, below which it is beyond a double, and only its order of magnitude is told
FEWEST_DECIMALS = 3  # of a distance
ROUNDING = 0.3  # of a unit in the last place, which parameters may move by their own rounding
TEN = log(10)


def share_decimals(every: Sequence[Worked]) -> int:
    """Decimals of responsibilities, so that what they share out of these rows has its own."""
    largest = max((abs(c.factor) for worked in every for c in _columns(worked) if c.role == "part"), default=1.0)
    fewest, most = SHARE_DECIMALS
    return min(max(PART_DIGITS + ceil(log10(max(largest, 1.0))), fewest), most)


def with_digits(worked: Worked, decimals: int) -> Worked:
    """A row whose densities and distances have the digits that its responsibilities, of so many decimals, take."""
    roles = {column.role: column for column in _columns(worked)}
    if not {"density", "joint", "share"} <= roles.keys():
        return worked
    density, joint, share = (roles[role] for role in ("density", "joint", "share"))
    sum_log = joint.total if joint.total is not None else -inf
    whole = _digits(sum_log, 10.0**-decimals)
    last = unit(sum_log, whole) / max(1.0, len(share.cells) / 2)  # of the sum, which all their roundings lead to
    shares = [float(r or 0.0) for r in share.cells]
    of_joint = [
        _digits(value, last / r if r else inf, _fewest(density_log))
        for value, r, density_log in zip(joint.cells, shares, density.cells, strict=True)
    ]
    units = [unit(value, n) for value, n in zip(joint.cells, of_joint, strict=True)]
    of_density = [_digits(value, u, _fewest(value)) for value, u in zip(density.cells, units, strict=True)]
    made = {id(joint): [*of_joint, whole], id(density): of_density}
    targets = [unit(value, n) for value, n in zip(density.cells, of_density, strict=True)]
    told = [_told(value, r, decimals) for value, r in zip(density.cells, shares, strict=True)]
    for i, column in enumerate(reversed([c for c in _columns(worked) if c.slope])):
        needed = [u / s for u, s, t in zip(targets, column.slope, told, strict=True) if t and s > 0 and u > 0]
        places = min(max(-floor(log10(min(needed, default=1.0))), FEWEST_DECIMALS), MOST)
        made[id(column)] = [places]
        if i == 0:  # the last distance: those before it lead to it
            targets = [10.0**-places] * len(targets)
    sheets = [
        replace(
            sheet,
            lead=[_with(column, made) for column in sheet.lead],
            groups=[[_with(column, made) for column in group] for group in sheet.groups],
        )
        for sheet in worked.sheets
    ]
    return replace(worked, sheets=sheets)


def same(shown: Worked, other: Worked, decimals: int) -> bool:
    """Do the densities and distances of another model differ from these by no more than their last digits tell?"""
    r = next((c.cells for c in _columns(shown) if c.role == "share"), ())
    for one, two in zip(_columns(shown), _columns(other), strict=True):
        if one.role not in ("density", "difference") or not one.digits:
            continue
        logs = next(c.cells for c in _columns(shown) if c.role == "density")
        for i, (a, b) in enumerate(zip(one.cells, two.cells, strict=True)):
            if not _told(logs[i], float(r[i] or 0.0), decimals):
                continue
            step = unit(a, one.digits[i]) if one.role == "density" else 10.0 ** -one.digits[0]
            if a is None or b is None or not abs(a - b) <= ROUNDING * step:
                return False
    return True


def far_digits(worked: Worked) -> int:
    """Digits of values from which their differences follow, where these are far smaller."""
    needed = [0]
    for column in (c for c in _columns(worked) if c.role == "difference" and c.scale > 0):
        largest = max(abs(cell) for cell in column.cells if cell is not None)
        if largest > 0:
            needed.append(floor(log10(column.scale)) - floor(log10(largest)) + FEWEST + 1)
    return max(needed)


def finest_joint(worked: Worked) -> float:
    """The finest relative unit of a density times a weight."""
    columns = [c for c in _columns(worked) if c.role == "joint"]
    return min((unit(v, n) for c in columns for v, n in zip(c.cells, c.digits, strict=False)), default=1.0)


def unit(value: float | None, digits: int) -> float:
    """One in the last of so many digits of a number with this natural logarithm, relative to the number."""
    return 10.0 ** (1 - digits) / _mantissa(value)


def _mantissa(value: float | None) -> float:
    if value is None or not isfinite(value):
        return 1.0
    return exp(value - floor(value / TEN) * TEN)


def _digits(value: float | None, tolerance: float, fewest: int = FEWEST) -> int:
    """The fewest digits of a number with this natural logarithm, whose last is no more than a relative tolerance."""
    if not isfinite(tolerance):
        return fewest
    return min(max(1 + ceil(-log10(tolerance * _mantissa(value)) - 1e-9), fewest), MOST)


def _fewest(value: float | None) -> int:
    return FEWEST if value is not None and value > LEAST_LOG else 1


def _told(value: float | None, share: float, decimals: int) -> bool:
    """Can this density be computed: it shows in the responsibilities, or is a number that a calculator holds?"""
    return value is not None and isfinite(value) and (value > LEAST_LOG or share >= 0.5 * 10.0**-decimals)


def _with(column: Column, made: Mapping[int, Sequence[int]]) -> Column:
    return replace(column, digits=made[id(column)]) if id(column) in made else column


def _columns(worked: Worked) -> list[Column]:
    return [column for sheet in worked.sheets for group in (sheet.lead, *sheet.groups) for column in group]
