"""What a stream can show: how wide it is, and whether it takes colours and more than ASCII."""

from __future__ import annotations

import os
from typing import IO

USUAL = 80  # columns where nobody says
LEAST = 20
# Drawing characters for which ASCII has a stand-in; the rest is escaped.
STAND_INS = str.maketrans(dict(zip("─━│└┤┴×·½²", "--|+++x.?2", strict=True)) | {"…": "...", "Σ": "sum"})


def is_terminal(stream: IO[str] | None) -> bool:
    """Is somebody looking?"""
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False


def is_dumb() -> bool:
    """Does the terminal only ever write at its end?"""
    return os.environ.get("TERM", "") in ("dumb", "unknown")


def columns(stream: IO[str]) -> int:
    """Width in characters: COLUMNS, else the terminal's, else 80."""
    said = os.environ.get("COLUMNS", "")
    if said.isascii() and said.isdigit() and int(said) > 0:
        return max(LEAST, int(said))
    try:
        seen = os.get_terminal_size(stream.fileno()).columns if is_terminal(stream) else 0
    except (OSError, ValueError):
        seen = 0
    return max(LEAST, seen) if seen else USUAL


def rows(stream: IO[str]) -> int:
    """Height in lines, 24 where there is no terminal."""
    try:
        return (os.get_terminal_size(stream.fileno()).lines if is_terminal(stream) else 0) or 24
    except (OSError, ValueError):
        return 24


def takes_colour(stream: IO[str]) -> bool:
    """NO_COLOR wins over FORCE_COLOR, and that over what the stream is."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or (is_terminal(stream) and not is_dumb())


def holds(stream: IO[str] | None, text: str) -> bool:
    """Can the stream's encoding say this, and can the terminal that it may be?"""
    if is_terminal(stream) and is_dumb():
        return text.isascii()
    try:
        text.encode(getattr(stream, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def sayable(text: str, stream: IO[str]) -> str:
    """The text as the stream's encoding can say it: as it is, or with stand-ins and escapes of the same meaning."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.replace("  …", "...").translate(STAND_INS)  # a right-aligned cell keeps its width
        return text.encode(encoding, "backslashreplace").decode(encoding)
    return text


def json_for(stream: IO[str], text: str) -> str:
    """JSON as the stream's encoding can say it: what it cannot hold becomes an escape, which means the same."""
    try:
        text.encode(getattr(stream, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        import json

        return "".join(char if char.isascii() else json.dumps(char)[1:-1] for char in text)
    return text
