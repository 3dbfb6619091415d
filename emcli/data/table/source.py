"""A path or standard input opened once, as the bytes of a text file: decompressed, never binary."""

from __future__ import annotations

import gzip
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from emcli.errors import EmcliError, Exit, Problem
from emcli.files import reason, shown_name, standard_input, why_unreadable

_CONVERT, _DECOMPRESS = "save it as CSV first", "decompress it first"
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_SIGNATURES = [  # those made of printable letters could begin a header, so they need an odd byte too
    (rb"\x89PNG", "PNG", None), (rb"\xff\xd8\xff", "JPEG", None), (rb"%PDF-", "PDF", None), (rb"\x7fELF", "ELF", None),
    (rb"\x93NUMPY", "NumPy .npy", _CONVERT), (rb"PAR1[^ -~\t\r\n]", "Parquet", _CONVERT),
    (rb"PK[\x03\x05]", "zip or xlsx", _CONVERT), (rb"SQLite format 3\0", "SQLite", _CONVERT),
    (re.escape(_ZSTD), "zstd in zstd", _DECOMPRESS), (rb"\xfd7zXZ\0", "xz", _DECOMPRESS),
    (rb"BZh[1-9]1AY", "bzip2", _DECOMPRESS), (_GZIP, "gzip in gzip", _DECOMPRESS),
]  # fmt: skip


_PACKERS = {".gz": "gzip", ".zst": "zstd"}
_HARMLESS, _BOMB = 1 << 26, 500  # bytes that may come of nothing; how many times larger data may become beyond


def refused(what: str, name: str, *place: int, hint: str | None = None) -> EmcliError:
    """The error for data that cannot be read; its place is a line, or a line and a field number."""
    return EmcliError(Exit.DATA, Problem(what, name, *place), hint=hint)


class Reader:
    """Reads a stream once and in order; a read error is told by the number of bytes before it."""

    def __init__(self, stream: Any, name: str, size: int = 0, packed: Reader | None = None):
        # read1 and an unbuffered read keep what came before an error; a buffered read would lose and miscount it.
        self._fetch = getattr(stream, "read1", stream.read)
        self.name = name
        self._ahead = b""
        self.size = size  # of a file that is read as it is; 0: not known
        self._packed = packed  # what this one is decompressed from
        self._count = 0
        self._ended = False  # a terminal would want a second Ctrl-D if it were asked again

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes, fewer only at the end."""
        taken, self._ahead = self._ahead[:size], self._ahead[size:]
        pieces, missing = [taken] * bool(taken), size - len(taken)  # join copies nothing where there is one piece
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
            raise refused(f"read error after {self._count} bytes: {reason(error)}", self.name) from error
        except EmcliError:
            raise
        except Exception as error:
            if self._packed is None or type(error).__name__ != "ZstdError":
                raise
            raise refused(f"damaged zstd data after {self._count} bytes", self.name) from error
        if piece is None:
            raise refused(f"read error after {self._count} bytes: no data ready (non-blocking stream)", self.name)
        self._count += len(piece)
        if self._packed is not None and self._count > max(_HARMLESS, _BOMB * self._packed._count):
            raise refused(f"expands more than {_BOMB}-fold, as no data do (a decompression bomb?)", self.name)
        return piece


@contextmanager
def opened(source: str, stdin: BinaryIO | None = None) -> Iterator[Reader]:
    """The text of a path or of standard input (`-`): gunzipped if it is gzip, without byte order mark, never binary."""
    name = shown_name(source)
    if source == "-":
        yield _decoded(Reader(stdin if stdin is not None else standard_input(Exit.DATA), name), source)
        return
    try:
        file = open(source, "rb", buffering=0)  # noqa: SIM115 - the errors of opening are not those of reading
        size = os.fstat(file.fileno()).st_size
    except (OSError, ValueError) as error:
        raise refused(why_unreadable(source, error), name) from error
    with file:
        yield _decoded(Reader(file, name, size), source)


def _unpacked(reader: Reader) -> Any:
    """A stream of decompressed zstd data, in little memory whatever the data ask for."""
    try:
        import zstandard  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        hint = "pip install zstandard, or decompress it first: zstd -dc FILE | emcli … -"
        raise refused("zstd data need the Python package zstandard", reader.name, hint=hint) from None
    unlimited = zstandard.ZstdDecompressor(max_window_size=1 << 27)
    return unlimited.stream_reader(reader, read_across_frames=True)


def _decoded(reader: Reader, source: str) -> Reader:
    name = reader.name
    unzipping: Any = reader  # decompressors only ever call read
    if reader.peek(2) == _GZIP:
        reader = Reader(gzip.GzipFile(fileobj=unzipping, mode="rb"), name, packed=reader)
    elif reader.peek(4) == _ZSTD:
        reader = Reader(_unpacked(unzipping), name, packed=reader)
    elif (ending := os.path.splitext(source)[1].lower()) in _PACKERS and reader.peek(1):
        packer = _PACKERS[ending]
        said = f"the name ends in {ending}, but the content is not compressed with {packer}"
        raise refused(f"not {packer} data", name, hint=said)
    start = reader.peek(16)
    for signature, kind, hint in _SIGNATURES:
        if re.match(signature, start):
            raise refused(f"not a text file (looks like {kind})", name, hint=hint)
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise refused("UTF-16 text, expected UTF-8", name, hint="convert it: iconv -f UTF-16 -t UTF-8")
    if start.startswith(b"\xef\xbb\xbf"):
        reader.read(3)
    return reader
