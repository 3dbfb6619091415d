"""A path or standard input opened once, as the bytes of a text file: decompressed, never binary."""

from __future__ import annotations

import gzip
import os
import re
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from typing import IO, Any, BinaryIO

from emcli.errors import EmcliError, Exit, Fault, suggestion

_CONVERT, _DECOMPRESS = "save it as CSV first", "decompress it first"
_SIGNATURES = [  # those made of printable letters could begin a header, so they need an odd byte too
    (rb"\x89PNG", "PNG", None), (rb"\xff\xd8\xff", "JPEG", None), (rb"%PDF-", "PDF", None), (rb"\x7fELF", "ELF", None),
    (rb"\x93NUMPY", "NumPy .npy", _CONVERT), (rb"PAR1[^ -~\t\r\n]", "Parquet", _CONVERT),
    (rb"PK[\x03\x05]", "zip or xlsx", _CONVERT), (rb"SQLite format 3\0", "SQLite", _CONVERT),
    (rb"\x28\xb5\x2f\xfd", "zstd", _DECOMPRESS), (rb"\xfd7zXZ\0", "xz", _DECOMPRESS),
    (rb"BZh[1-9]1AY", "bzip2", _DECOMPRESS), (rb"\x1f\x8b", "gzip in gzip", _DECOMPRESS),
]  # fmt: skip


def refused(what: str, name: str, *place: int, hint: str | None = None) -> EmcliError:
    """The error for data that cannot be read; its place is a line, or a line and a field number."""
    return EmcliError(Exit.DATA, Fault(what, name, *place), hint=hint)


class Reader:
    """Reads a stream once and in order; a read error is told by the number of bytes before it."""

    def __init__(self, stream: IO[bytes] | gzip.GzipFile, name: str, size: int = 0):
        # read1 and an unbuffered read keep what came before an error; a buffered read would lose and miscount it.
        self._fetch = getattr(stream, "read1", stream.read)
        self.name, self.size = name, size  # bytes of the file as it is stored; 0 where that is not known
        self._ahead = b""
        self._count = 0
        self._ended = False  # a terminal would want a second Ctrl-D if it were asked again

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes, fewer only at the end."""
        taken, self._ahead = self._ahead[:size], self._ahead[size:]
        pieces, missing = [taken], size - len(taken)
        while missing and not self._ended:
            piece = self._piece(missing)
            self._ended = not piece
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)

    def peek(self, size: int) -> bytes:
        """The next `size` bytes, fewer only at the end, left to be read again."""
        seen = self.read(size)
        self._ahead = seen + self._ahead
        return seen

    def _piece(self, size: int) -> bytes:
        try:
            piece: bytes | None = self._fetch(size)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            what = "truncated" if isinstance(error, EOFError) else "damaged"
            raise refused(f"{what} gzip data after {self._count} bytes", self.name) from error
        except OSError as error:
            raise refused(f"read error after {self._count} bytes: {_reason(error)}", self.name) from error
        if piece is None:
            raise refused(f"read error after {self._count} bytes: no data ready (non-blocking stream)", self.name)
        self._count += len(piece)
        return piece


def display_name(source: str) -> str:
    """How messages call a source."""
    return "<stdin>" if source == "-" else source or "''"


@contextmanager
def opened(source: str, stdin: BinaryIO | None = None) -> Iterator[Reader]:
    """The text of a path or of standard input (`-`): gunzipped if it is gzip, without byte order mark, never binary."""
    name = display_name(source)
    if source == "-":
        stream = stdin if stdin is not None else getattr(sys.stdin, "buffer", None)
        if stream is None or stream.closed:
            raise refused("standard input is closed", name)
        yield _decoded(Reader(stream, name), source)
        return
    try:
        file = open(source, "rb", buffering=0)  # noqa: SIM115 - the errors of opening are not those of reading
    except FileNotFoundError as error:
        folder, base = os.path.split(source)
        raise refused(f"no such file{suggestion(base, _siblings(folder))}", name) from error
    except OSError as error:
        raise refused(_reason(error), name) from error
    except ValueError as error:  # a NUL, or a character that the file system cannot encode
        raise refused("not a possible file name", name) from error
    with file:
        yield _decoded(Reader(file, name, os.fstat(file.fileno()).st_size), source)


def _reason(error: OSError) -> str:
    text = error.strerror or str(error) or type(error).__name__
    return text[:1].lower() + text[1:]


def _siblings(folder: str) -> list[str]:
    with suppress(OSError), os.scandir(folder or ".") as entries:
        return sorted(entry.name for entry in islice(entries, 1000))
    return []


def _decoded(reader: Reader, source: str) -> Reader:
    name = reader.name
    if reader.peek(2) == b"\x1f\x8b":
        unzipping: Any = reader  # GzipFile only ever calls read
        reader = Reader(gzip.GzipFile(fileobj=unzipping, mode="rb"), name, reader.size)
    elif source.lower().endswith(".gz") and reader.peek(1):
        raise refused("not gzip data", name, hint="the name ends in .gz, but the content is not compressed with gzip")
    start = reader.peek(16)
    for signature, kind, hint in _SIGNATURES:
        if re.match(signature, start):
            raise refused(f"not a text file (looks like {kind})", name, hint=hint)
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise refused("UTF-16 text, expected UTF-8", name, hint="convert it: iconv -f UTF-16 -t UTF-8")
    if start.startswith(b"\xef\xbb\xbf"):
        reader.read(3)
    return reader
