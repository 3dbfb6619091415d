"""Arrow, used only where memory is ample: where its C++ gets none it ends the program, and no error can say so."""

from __future__ import annotations

import os
from functools import cache
from types import ModuleType

from emcli.compute.memory import is_ample

LIBRARY_BYTES = 1 << 29  # of addresses that its libraries, and the stacks and heaps of its threads, take at most


@cache
def load_arrow() -> ModuleType | None:
    """Arrow with its CSV reader, or None where it is not installed."""
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")  # others reserve a gigabyte of addresses at once
    try:
        import pyarrow
        import pyarrow.csv
    except ImportError:
        return None
    module: ModuleType = pyarrow
    return module


def arrow_is_usable() -> bool:
    """Is Arrow installed, and memory ample for its libraries and heaps?"""
    return is_ample() and load_arrow() is not None
