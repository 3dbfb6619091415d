"""A column of strings of which many are equal, in little memory."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import Any, overload

import numpy as np


class Words(Sequence[str]):
    """Strings by number; each different one is kept once."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}
        self._different: list[str] = []
        self._numbers = array("i")

    def append(self, word: str) -> None:
        """Add one at the end."""
        number = self._known.setdefault(word, len(self._different))
        if number == len(self._different):
            self._different.append(word)
        self._numbers.append(number)

    def extend(self, words: Iterable[str]) -> None:
        """Add some at the end."""
        for word in words:
            self.append(word)

    def only(self, kept: Any) -> Words:
        """Those at some places, in that order."""
        some = Words()
        some._known, some._different = self._known, self._different
        some._numbers.frombytes(np.frombuffer(self._numbers, np.intc)[kept].tobytes())
        return some

    def ranks(self) -> Any:
        """For each its place among the different ones in ascending order, (n,)."""
        order = sorted(range(len(self._different)), key=self._different.__getitem__)
        rank = np.empty(len(order), dtype=np.intc)
        rank[order] = np.arange(len(order))
        return rank[np.frombuffer(self._numbers, np.intc)]

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> list[str]: ...
    def __getitem__(self, at: int | slice) -> str | list[str]:
        if isinstance(at, slice):
            return [self._different[number] for number in self._numbers[at]]
        return self._different[self._numbers[at]]

    def __len__(self) -> int:
        return len(self._numbers)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]
