"""Immutable values: dataclasses, made in a quarter of the standard ones' time, of which a start makes sixty."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass, field, fields
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, eq_default=False, field_specifiers=(field,))
def frozen(cls: type[T]) -> type[T]:
    """A class as a dataclass whose fields are set once, and that is equal to itself alone.

    As `dataclass(frozen=True, eq=False)`, which compiles for each class the methods that all share here.
    """
    found = dataclass(repr=False, eq=False)(cls)
    found.__setattr__, found.__delattr__ = _set_once, _never  # type: ignore[method-assign]
    found.__repr__ = _shown  # type: ignore[method-assign]
    return found


def _set_once(self: object, name: str, value: object) -> None:
    own = self.__dict__
    if name in own or name not in self.__dataclass_fields__:  # type: ignore[attr-defined]
        raise FrozenInstanceError(f"cannot assign to field {name!r}")
    own[name] = value


def _never(self: object, name: str) -> None:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _shown(self: object) -> str:
    shown = (f"{each.name}={getattr(self, each.name)!r}" for each in fields(self) if each.repr)  # type: ignore[arg-type]
    return f"{type(self).__qualname__}({', '.join(shown)})"
