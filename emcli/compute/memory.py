"""How much memory is free, and the refusal of work that would not fit, before it is begun."""

from __future__ import annotations

import os
from contextlib import suppress

from emcli.errors import EmcliError, Exit, Problem

AMPLE_BYTES = 1 << 30  # bytes of memory, or of addresses


def free() -> int | None:
    """Bytes that this process can still allocate by the limits of machine, control group and process; None: unknown."""
    found: list[int] = []
    with suppress(OSError, ValueError, StopIteration), open("/proc/meminfo") as file:
        line = next(line for line in file if line.startswith("MemAvailable:"))
        found.append(int(line.split()[1]) << 10)
    with suppress(OSError, ValueError), open("/sys/fs/cgroup/memory.max") as file:
        most = int(file.read())
        found.append(most - _number("/sys/fs/cgroup/memory.current"))
    with suppress(ImportError, OSError, ValueError):
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit != resource.RLIM_INFINITY:
            found.append(limit - _number("/proc/self/statm") * os.sysconf("SC_PAGE_SIZE"))
    return max(min(found), 0) if found else None


def is_ample() -> bool:
    """Is there memory for the heaps of threads and for large libraries?"""
    available = free()
    return available is None or available >= AMPLE_BYTES


def keep_freed() -> None:
    """Have the C library reuse freed memory: pages fresh from the system cost as much as the arithmetic on them.

    glibc keeps twice as much as the largest block that was ever given back, up to 32 MB (mallopt(3), M_MMAP_THRESHOLD).
    """
    import numpy as np

    np.empty(31 << 20, dtype=np.uint8)  # given back at once, and never touched


def _number(path: str) -> int:
    with open(path) as file:
        return int(file.read().split()[0])


def require(size: int, what: str, source: str | None = None) -> None:
    """Raise EmcliError (exit 3) where that many bytes are not free."""
    if size < 1 << 24:  # too little to ask for
        return
    available = free()
    if available is not None and size > available:
        message = f"not enough memory for {what}: it takes {shown(size)}, and {shown(available)} are free"
        raise EmcliError(Exit.DATA, Problem(message, source))


def shown(size: int) -> str:
    """A number of bytes as people read it."""
    return f"{size / 1e9:.3g} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
