"""Faults on purpose: the N-th open, read, write, fsync or rename of the program fails."""

from __future__ import annotations

import builtins
import io
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

KINDS = ("open", "read", "write", "fsync", "rename")


class Faults:
    """Counts calls of one kind, and raises at the N-th, or from the N-th on where the fault stays."""

    def __init__(self, kind: str, number: int, error: int, stays: bool = False):
        self.kind, self.number, self.error, self.stays = kind, number, error, stays
        self.seen = 0

    @property
    def happened(self) -> bool:
        return self.seen >= self.number

    def meet(self, kind: str) -> None:
        if kind == self.kind:
            self.seen += 1
            if self.seen == self.number or (self.stays and self.happened):
                raise OSError(self.error, os.strerror(self.error))


class Raw(io.FileIO):
    """A file whose reads and writes may fail."""

    faults: Faults

    def readinto(self, buffer: Any) -> Any:
        self.faults.meet("read")
        return super().readinto(buffer)

    def read(self, size: Any = -1) -> Any:
        self.faults.meet("read")
        return super().read(size)

    def write(self, data: Any) -> Any:
        self.faults.meet("write")
        return super().write(data)


@contextmanager
def injected(faults: Faults, stdout: str) -> Iterator[None]:
    """Every file that a module of emcli opens, and standard output in a file, may fail; nothing else may."""
    plain_open, os_open, fsync, replace = builtins.open, os.open, os.fsync, os.replace

    def ours() -> bool:
        return str(sys._getframe(2).f_globals.get("__name__", "")).startswith("emcli")

    def made(file: Any, mode: str) -> Raw:
        raw = Raw(file, mode.replace("b", "").replace("t", ""))
        raw.faults = faults
        return raw

    def opened(file: Any, mode: str = "r", buffering: int = -1, **how: Any) -> Any:
        if not ours():
            return plain_open(file, mode, buffering, **how)
        faults.meet("open")
        raw = made(file, mode)
        if buffering == 0:
            return raw
        buffered: Any = io.BufferedReader(raw) if "r" in mode else io.BufferedWriter(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, line_buffering=buffering == 1, **how)

    def os_opened(*words: Any, **how: Any) -> int:
        if ours():
            faults.meet("open")
        return os_open(*words, **how)

    def synced(descriptor: int) -> None:
        faults.meet("fsync")
        fsync(descriptor)

    def replaced(*words: Any) -> None:
        faults.meet("rename")
        replace(*words)

    out = io.TextIOWrapper(io.BufferedWriter(made(stdout, "w")), encoding="utf-8")
    with ExitStack() as stack:
        for target, name, new in (
            (builtins, "open", opened), (os, "open", os_opened), (os, "fsync", synced), (os, "replace", replaced),
            (sys, "stdout", out),
        ):  # fmt: skip
            stack.enter_context(patch.object(target, name, new))
        yield
    faults.kind = ""  # what is left in a buffer now is not the program's
