"""One line on a terminal that says how far long work has come, and leaves no trace."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Self

from emcli.output.terminal import columns, is_dumb, is_terminal, sayable

if TYPE_CHECKING:
    from emcli.data.rows import Rows
    from emcli.inference.fit import Event, Observer
    from emcli.models.base import Family

PATIENCE, PAUSE = 0.5, 0.1  # seconds before the first showing, and between two


class Progress:
    """A line that is redrawn in place while the context lasts; nothing at all unless somebody looks at the stream."""

    def __init__(self, stream: IO[str], quiet: bool = False):
        self._stream = stream
        shared = "jobserver" in os.environ.get("MAKEFLAGS", "")  # under make -j others write to the same terminal
        self._wanted = not (quiet or shared or is_dumb()) and is_terminal(stream)
        self._begun = time.monotonic()
        self._next = self._begun + PATIENCE
        self._shown = False
        self.prefix = ""  # said before what is shown: which of many pieces of work this is

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    @property
    def due(self) -> bool:
        """Is it time to draw again? Ask before a text that is costly to make."""
        return self._wanted and time.monotonic() >= self._next

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._begun

    def show(self, text: str) -> None:
        """Draw the line, cut to the terminal, unless it is too early to draw again."""
        if not self.due:
            return
        room = columns(self._stream) - 1  # the last column would begin a new line
        self._shown = True  # before it is: a signal may come in between
        self._write("\r" + sayable(self.prefix + text, self._stream)[:room] + "\x1b[K")
        self._next = time.monotonic() + PAUSE

    def clear(self) -> None:
        """Leave the line as if nothing had been there, for what is printed next."""
        if self._shown:
            self._write("\r\x1b[K")
            self._shown = False

    def _write(self, text: str) -> None:
        with suppress(OSError, ValueError):
            self._stream.write(text)
            self._stream.flush()


def time_left(done: int, total: int, elapsed: float) -> str:
    """How long the rest takes if it goes on as before, in words; nothing before anything is done."""
    if not 0 < done < total:
        return ""
    seconds = elapsed * (total - done) / done
    if seconds < 90:
        return f", about {max(1, round(seconds))} s left"
    return f", about {round(seconds / 60)} min left" if seconds < 5400 else f", about {seconds / 3600:.1f} h left"


def fit_progress(bar: Progress, family: Family, rows: Rows, k: int, restarts: int) -> Observer:
    """An observer of a fit that shows the start, its iteration and its log-likelihood, or inertia."""
    from emcli.inference.starts import Iteration

    def show(event: Event) -> None:
        if not (isinstance(event, Iteration) and bar.due):
            return
        log_likelihood, inertia = family.measures(event.step.score, rows, k)
        what = "" if bar.prefix else "log-likelihood "
        score = f"inertia {inertia:.6g}" if inertia is not None else f"{what}{log_likelihood or 0.0:.8g}"
        bar.show(f"start {event.start} of {max(event.start, restarts)}, iteration {event.iteration}, {score}")

    return show


def replicate_progress(bar: Progress, replicates: int) -> Callable[[int], None]:
    """An observer of a bootstrap that shows how many of its replicates are done."""
    before = bar.elapsed

    def show(done: int) -> None:
        bar.show(f"replicate {done} of {replicates}{time_left(done, replicates, bar.elapsed - before)}")

    return show
