"""Settings in a grid that are several names of one model: which are kept, and what is said of the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from emcli.config.covariances import ALL, letters, of_one_column, of_one_component
from emcli.config.settings import ModelSettings, Settings


def identity(own: ModelSettings, columns: int | None = None, apart: bool = False) -> str:
    """What all names of one model of so many columns have in common; None: of several columns.

    Shapes have two names, in one dimension a volume is all there is, E or V, and of one component nothing varies and
    no weight is estimated: it is the same of several shapes, unless these are to be `apart`.
    """
    shape, mixing = own.covariance and _one_of_equals(own.covariance, columns), own.mixing
    if _is_alone(own) and not apart:
        shape, mixing = shape and of_one_component(shape), None
    return repr({**vars(own), "covariance": shape, "mixing": mixing})


def different(grid: Sequence[Settings], columns: int | None, apart: bool = False) -> list[Settings]:
    """The settings without duplicates, under the first of their names."""
    kept: dict[tuple[str, str], Settings] = {}
    for settings in grid:
        own = settings.model
        if columns == 1 and own.covariance in ALL:
            settings = replace(settings, model=replace(own, covariance=of_one_column(own.covariance)))
        kept.setdefault((identity(own, columns, apart), settings.search.init), settings)
    return list(kept.values())


def compared_once(grid: Sequence[Settings], columns: int | None, apart: bool = False) -> list[str]:
    """Lines on which shapes and mixings are one and the same of so many columns, or with one component."""
    where = "of one column " if columns == 1 else ""
    shapes = _grouped(_names(each.model.covariance for each in grid), lambda name: _one_of_equals(name, columns))
    alone = [each.model for each in grid if _is_alone(each.model) and not apart]
    named = _names(each.covariance for each in alone)
    first = [names[0] for names in shapes if names[0] in named]
    of_one = _grouped(first, lambda name: of_one_component(_one_of_equals(name, columns)))
    mixings = _grouped(_names(each.mixing for each in alone), lambda _: "")
    return [
        *_line(f"{where}the same covariance", shapes),
        *_line("with k=1 the same covariance", of_one),
        *_line("with k=1 the same mixing", mixings),
    ]


def _is_alone(own: ModelSettings) -> bool:
    """Is it one component, without a prior, of which shapes may have their own, and without held values?"""
    return own.k == 1 and own.prior is None and own.fix is None


def _one_of_equals(shape: str, columns: int | None) -> str:
    """The letters that stand for all names of one shape of so many columns."""
    return of_one_column(shape) if columns == 1 else letters(shape)


def _names(values: Iterable[str | None]) -> list[str]:
    return [*dict.fromkeys(value for value in values if value is not None)]


def _grouped(names: Sequence[str], key: Callable[[str], str]) -> list[list[str]]:
    """Names with one key together."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(key(name), []).append(name)
    return list(groups.values())


def _line(what: str, groups: Sequence[Sequence[str]]) -> Iterator[str]:
    """A line on names that stand for one and the same, where there are such."""
    if said := "; ".join(" = ".join(names) for names in groups if len(names) > 1):
        yield f"{what}, compared once: {said}"
