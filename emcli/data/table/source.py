"""A path or standard input opened once, as the bytes of a text file: decompressed, never binary."""

from __future__ import annotations

import gzip
import os
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, Protocol, cast

from emcli.errors import EmcliError, Exit, Problem, to_install
from emcli.files.inputs import reason, shown_name, standard_input, why_unreadable

_CONVERT_HINT, _DECOMPRESS_HINT = "save it as CSV first", "decompress it first"
_GZIP_SIGNATURE, _ZSTD_SIGNATURE = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_SIGNATURES = [  # those made of printable letters could begin a header, so they need an odd byte too
    (rb"\x89PNG", "PNG", None),
    (rb"\xff\xd8\xff", "JPEG", None),
    (rb"%PDF-", "PDF", None),
    (rb"\x7fELF", "ELF", None),
    (rb"\x93NUMPY", "NumPy .npy", _CONVERT_HINT),
    (rb"PAR1[^ -~\t\r\n]", "Parquet", _CONVERT_HINT),
    (rb"PK[\x03\x05]", "zip or xlsx", _CONVERT_HINT),
    (rb"SQLite format 3\0", "SQLite", _CONVERT_HINT),
    (re.escape(_ZSTD_SIGNATURE), "zstd in zstd", _DECOMPRESS_HINT),
    (rb"\xfd7zXZ\0", "xz", _DECOMPRESS_HINT),
    (rb"BZh[1-9]1AY", "bzip2", _DECOMPRESS_HINT),
    (_GZIP_SIGNATURE, "gzip in gzip", _DECOMPRESS_HINT),
]
_COMPRESSORS = {".gz": "gzip", ".zst": "zstd"}
_MAX_EXPANSION = 500  # what is made of a file over its own size, where that is more than _HARMLESS_BYTES bytes
_HARMLESS_BYTES = 1 << 26


def data_error(what: str, name: str, *place: int, hint: str | None = None) -> EmcliError:
    """The error for data that cannot be read; its place is a line, or a line and a field number."""
    return EmcliError(Exit.DATA, Problem(what, name, *place), hint=hint)


def check_expansion(size: int, read: int, name: str) -> None:
    """Raise EmcliError where `size` bytes are made of the `read` bytes of a file, as no data do."""
    if size > max(_HARMLESS_BYTES, _MAX_EXPANSION * read):
        raise data_error(f"expands more than {_MAX_EXPANSION}-fold, as no data do (a decompression bomb?)", name)


class ByteStream(Protocol):
    """Anything with a method read, which gives b"" at the end."""

    def read(self, size: int, /) -> bytes | None:
        """At most `size` bytes; None where a non-blocking stream has none ready."""


class Reader:
    """Reads a stream once and in order; the message of a read error says how many bytes came before it."""

    def __init__(self, stream: ByteStream, name: str, size: int = 0, compressed: Reader | None = None):
        # read1 and an unbuffered read keep what came before an error; a buffered read would lose and miscount it.
        self._fetch: Callable[[int], bytes | None] = getattr(stream, "read1", stream.read)
        self.name = name
        self.size = size  # of a file that is not compressed; 0: unknown
        self._compressed = compressed  # the reader that the decompressor reads from
        self._peeked = b""
        self._count = 0
        self._ended = False  # a terminal would want a second Ctrl-D if it were asked again

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes, fewer only at the end."""
        taken, self._peeked = self._peeked[:size], self._peeked[size:]
        pieces, missing = [taken] * bool(taken), size - len(taken)  # join copies nothing where there is one piece
        while missing and not self._ended:
            piece = self._read_some(missing)
            self._ended = not piece
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)

    def peek(self, size: int) -> bytes:
        """The next `size` bytes, fewer only at the end; the next read gives them again."""
        seen = self.read(size)
        self._peeked = seen + self._peeked
        return seen

    def _read_some(self, size: int) -> bytes:
        try:
            piece = self._fetch(size)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            what = "truncated" if isinstance(error, EOFError) else "damaged"
            raise data_error(f"{what} gzip data after {self._count} bytes", self.name) from error
        except OSError as error:
            raise data_error(f"read error after {self._count} bytes: {reason(error)}", self.name) from error
        except EmcliError:
            raise
        except Exception as error:
            if self._compressed is None or type(error).__name__ != "ZstdError":
                raise
            raise data_error(f"damaged zstd data after {self._count} bytes", self.name) from error
        if piece is None:
            raise data_error(f"read error after {self._count} bytes: no data ready (non-blocking stream)", self.name)
        self._count += len(piece)
        if self._compressed is not None:
            check_expansion(self._count, self._compressed._count, self.name)
        return piece


@contextmanager
def open_text(source: str, stdin: BinaryIO | None = None) -> Iterator[Reader]:
    """The text of a path or of standard input (`-`): decompressed, without byte order mark. Raises EmcliError."""
    name = shown_name(source)
    if source == "-":
        yield _as_text(Reader(stdin if stdin is not None else standard_input(Exit.DATA), name), source)
        return
    try:
        file = open(source, "rb", buffering=0)  # noqa: SIM115 - the errors of opening are not those of reading
        size = os.fstat(file.fileno()).st_size
    except (OSError, ValueError) as error:
        raise data_error(why_unreadable(source, error), name) from error
    with file:
        yield _as_text(Reader(file, name, size), source)


def _as_text(reader: Reader, source: str) -> Reader:
    """The reader itself, or one that decompresses it, past the byte order mark. Raises EmcliError for binary data."""
    name = reader.name
    if reader.peek(2) == _GZIP_SIGNATURE:
        unzipped = gzip.GzipFile(fileobj=cast(BinaryIO, reader), mode="rb")  # which only calls read
        reader = Reader(unzipped, name, compressed=reader)
    elif reader.peek(4) == _ZSTD_SIGNATURE:
        reader = Reader(_zstd_stream(reader), name, compressed=reader)
    elif (ending := os.path.splitext(source)[1].lower()) in _COMPRESSORS and reader.peek(1):
        compressor = _COMPRESSORS[ending]
        hint = f"the name ends in {ending}, but the content is not compressed with {compressor}"
        raise data_error(f"not {compressor} data", name, hint=hint)
    start = reader.peek(16)
    for signature, kind, hint_for_kind in _SIGNATURES:
        if re.match(signature, start):
            raise data_error(f"not a text file (looks like {kind})", name, hint=hint_for_kind)
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise data_error("UTF-16 text, expected UTF-8", name, hint="convert it: iconv -f UTF-16 -t UTF-8")
    if start.startswith(b"\xef\xbb\xbf"):
        reader.read(3)
    return reader


def _zstd_stream(reader: Reader) -> ByteStream:
    """A stream of decompressed zstd data, in little memory whatever window the data ask for."""
    try:
        import zstandard  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        hint = f"{to_install('zstandard')}; or decompress it first: zstd -dc FILE | emcli … -"
        raise data_error("zstd data need the Python package zstandard", reader.name, hint=hint) from None
    decompressor = zstandard.ZstdDecompressor(max_window_size=1 << 27)
    stream: ByteStream = decompressor.stream_reader(reader, read_across_frames=True)
    return stream
