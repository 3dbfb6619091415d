"""What a stream can show: how wide it is, whether it takes colours and more than ASCII; and a curve in one line."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from typing import IO

MIN_COLUMNS, DEFAULT_COLUMNS, MAX_COLUMNS = 20, 80, 10_000  # columns
ROUNDING = 1e-12  # of numbers that are as good as equal
BLOCKS, ASCII_BLOCKS = "▁▂▃▄▅▆▇█", "_.-=+*#%"
# Drawing characters for which ASCII has a stand-in; the rest is escaped.
STAND_INS = str.maketrans(dict(zip("─━│└┘┌┐╰╯╭╮┤┴×·½²", "--|++++++++++x.?2", strict=True)) | {"…": "...", "Σ": "sum"})


def is_terminal(stream: IO[str] | None) -> bool:
    """Is the stream a terminal?"""
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False


def cells(text: str) -> int:
    """Columns of a terminal that a text takes."""
    if text.translate(STAND_INS).isascii():  # drawing characters take one each
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def columns(stream: IO[str], asked: int | None = None) -> int:
    """Width in characters: as asked, else COLUMNS, else the terminal's, else 80."""
    said = os.environ.get("COLUMNS", "")
    width = asked or (int(said) if said.isdecimal() else 0)
    if not width and is_terminal(stream):
        with suppress(OSError, ValueError):
            width = os.get_terminal_size(stream.fileno()).columns
    return max(MIN_COLUMNS, width or DEFAULT_COLUMNS)


def takes_colour(stream: IO[str] | None) -> bool:
    """NO_COLOR wins over FORCE_COLOR, and that over what the stream is."""
    if os.environ.get("NO_COLOR") or is_dumb():
        return False
    return bool(os.environ.get("FORCE_COLOR")) or is_terminal(stream)


def is_dumb() -> bool:
    """Does TERM say that the terminal knows neither colour nor cursor?"""
    return os.environ.get("TERM", "").lower() in ("dumb", "unknown")


def wrapped(text: str, width: int) -> list[str]:
    """A message in lines of a width, broken between words; all but the first are indented."""
    from textwrap import wrap

    return wrap(text, width, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False) or [""]


def takes_unicode(stream: IO[str]) -> bool:
    """Can the stream's encoding say more than ASCII, and can the terminal that it may be?"""
    return _encoding(stream).lower().startswith("utf") and not (is_dumb() and is_terminal(stream))


def sayable(text: str, stream: IO[str]) -> str:
    """The text as the stream's encoding can say it: as it is, or with stand-ins and escapes of the same meaning."""
    if not _holds(stream, text):
        text = text.replace("  …", "...").translate(STAND_INS)  # a right-aligned cell keeps its width
        return text.encode(_encoding(stream), "backslashreplace").decode(_encoding(stream))
    return text


def json_for(stream: IO[str], text: str) -> str:
    """JSON as the stream's encoding can say it: what it cannot hold becomes an escape, which means the same."""
    if not _holds(stream, text):
        import json

        return "".join(char if char.isascii() else json.dumps(char)[1:-1] for char in text)
    return text


def _encoding(stream: IO[str]) -> str:
    return getattr(stream, "encoding", None) or "utf-8"


def _holds(stream: IO[str], text: str) -> bool:
    try:
        text.encode(_encoding(stream))
    except UnicodeEncodeError:
        return False
    return True


def curve(values: Sequence[float], width: int, unicode: bool = True) -> str:
    """Values as one line of characters, low to high, at most `width`."""
    steps = BLOCKS if unicode else ASCII_BLOCKS
    if len(values) > width:
        stride = (len(values) - 1) / (width - 1)
        values = [values[round(i * stride)] for i in range(width)]
    if not values:
        return ""
    low, high = min(values), max(values)
    if not high - low > ROUNDING * max(abs(low), abs(high)):
        return steps[3] * len(values)
    levels = ((value / 2 - low / 2) / (high / 2 - low / 2) for value in values)  # halves, so that nothing overflows
    return "".join(steps[round(level * (len(steps) - 1))] for level in levels)
