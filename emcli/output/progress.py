"""The line of progress on a terminal, erased when the work is done."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Self

from emcli.errors import MAX_LINE, escaped
from emcli.files import signals
from emcli.output.terminal import console, is_terminal

if TYPE_CHECKING:
    from rich.console import Console

    from emcli.data.rows import Rows
    from emcli.inference.fit import Observer
    from emcli.inference.search.search import Event
    from emcli.models.base import AnyModel

FIRST_AFTER_SECONDS, REDRAW_SECONDS = 0.5, 0.1  # seconds before the first showing, and between two
ERASED = b"\r\x1b[2K"  # what a terminal takes for an empty line


class Progress:
    """A line that is redrawn in place while the context lasts; nothing at all unless somebody looks at the stream."""

    def __init__(self, stream: IO[str], quiet: bool = False):
        self._stream = stream
        self._wanted = not quiet and is_terminal(stream)
        self._begun = time.monotonic()
        self._next = self._begun + FIRST_AFTER_SECONDS
        self._console: Console | None = None  # once something was shown
        self.prefix = ""  # said before what is shown: which of many pieces of work this is

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._console is not None:
            self._draw(self._console, "")
            self._take_back()

    @property
    def due(self) -> bool:
        """Is it time to draw again? Ask before making a costly text."""
        return self._wanted and time.monotonic() >= self._next

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._begun

    def show(self, text: str) -> None:
        """Draw the line, cut to the terminal, unless it is too early to draw again."""
        if not self.due:
            return
        if self._console is None:
            seen = console(self._stream)
            self._wanted = not seen.is_dumb_terminal
            if self._wanted:
                self._console, self._take_back = seen, signals.on_signal(self._erase)
        if self._console is not None:
            self._draw(self._console, self.prefix + text)
        self._next = time.monotonic() + REDRAW_SECONDS

    def _draw(self, seen: Console, text: str) -> None:
        """Begin the line anew, with a text or with none."""
        from rich.control import Control
        from rich.segment import ControlType
        from rich.text import Text

        line = Text(escaped(text, MAX_LINE), end="")
        line.truncate(seen.width - 1, overflow="ellipsis")  # the last column would begin a new line
        with suppress(OSError, ValueError):
            seen.print(Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2)), line, sep="", end="")

    def _erase(self) -> None:
        """Make room for what a signal says, not by the stream, which may be in the middle of a line."""
        os.write(self._stream.fileno(), ERASED)


def time_left(done: int, total: int, elapsed: float) -> str:
    """How long the rest takes if it goes on as before, in words; nothing before anything is done."""
    if not 0 < done < total:
        return ""
    seconds = elapsed * (total - done) / done
    if seconds < 90:
        return f", about {max(1, round(seconds))} s left"
    return f", about {round(seconds / 60)} min left" if seconds < 5400 else f", about {seconds / 3600:.1f} h left"


def fit_progress(bar: Progress, kind: type[AnyModel], rows: Rows, k: int, restarts: int | str) -> Observer:
    """An observer of a fit that shows the start, its iteration and its log-likelihood, or inertia."""
    from emcli.inference.starts import IterationEvent

    def show(event: Event) -> None:
        if not (isinstance(event, IterationEvent) and bar.due):
            return
        log_likelihood, inertia = kind.measures(event.step.score, rows, k)
        what = "" if bar.prefix else "log-likelihood "
        score = f"inertia {inertia:.6g}" if inertia is not None else f"{what}{log_likelihood or 0.0:.8g}"
        of = f" of {max(event.start, restarts)}" if isinstance(restarts, int) else ""
        bar.show(f"start {event.start}{of}, iteration {event.iteration}, {score}")

    return show


def replicate_progress(bar: Progress, replicates: int) -> Callable[[int], None]:
    """An observer of a bootstrap that shows how many of its replicates are done."""
    before = bar.elapsed

    def show(done: int) -> None:
        bar.show(f"replicate {done} of {replicates}{time_left(done, replicates, bar.elapsed - before)}")

    return show
