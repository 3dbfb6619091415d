"""The line of progress on a terminal: never silent for a second, erased when the work is done."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from threading import Event as Flag
from threading import RLock, Thread
from typing import IO, TYPE_CHECKING, Self

from emcli.errors import MAX_LINE, counted, escaped
from emcli.files import signals
from emcli.output.terminal import cells, columns, is_dumb, is_terminal, sayable

if TYPE_CHECKING:
    from emcli.config.settings import Settings
    from emcli.data.rows import Rows
    from emcli.inference.fit import Observer
    from emcli.inference.search.search import Event
    from emcli.models.base import AnyModel

FIRST_AFTER_SECONDS, REDRAW_SECONDS = 0.5, 0.1  # seconds before the first showing, and between two
BEAT_SECONDS = 0.5  # after which the line is drawn again by itself, with how long it has said the same
ERASED = b"\r\x1b[2K"  # what a terminal takes for an empty line


class Progress:
    """A line that is redrawn in place while the context lasts; nothing at all unless somebody looks at the stream.

    A thread draws it again where the work says nothing for long, so that nobody takes it for dead.
    """

    def __init__(self, stream: IO[str], quiet: bool = False, beat_seconds: float = BEAT_SECONDS):
        self._stream, self._beat_seconds = stream, beat_seconds
        self._wanted = not quiet and is_terminal(stream) and not is_dumb()
        self._process = os.getpid()  # one forked from it, which works on a part, has no line to draw
        self._begun = self._said = time.monotonic()
        self._next = self._begun + FIRST_AFTER_SECONDS
        self._lock, self._stop, self._is_drawn = RLock(), Flag(), False
        self._text = ""
        self._take_back: Callable[[], object] = lambda: None
        self.prefix = ""  # said before what is shown: which of many pieces of work this is

    def __enter__(self) -> Self:
        if self._wanted:
            self._take_back = signals.on_signal(self._erase)
            with suppress(RuntimeError):  # the system refuses another thread
                Thread(target=self._beat, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self.clear()
        self._wanted = False
        self._take_back()

    @property
    def due(self) -> bool:
        """Is it time to draw again? Ask before making a costly text."""
        return self._wanted and os.getpid() == self._process and time.monotonic() >= self._next

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._begun

    def show(self, text: str) -> None:
        """Draw the line, cut to the terminal, unless it is too early to draw again."""
        if self.due:
            self.doing(text)
            self._draw(self.prefix + text)

    def doing(self, text: str) -> None:
        """Say what is being done from now on: shown where that takes long, with the seconds that it took."""
        if self._wanted:
            self._text, self._said = text, time.monotonic()

    def clear(self) -> None:
        """Erase the line, for something else to be said there."""
        with self._lock:
            if self._is_drawn:
                self._draw("")
                self._is_drawn = False

    def _beat(self) -> None:
        while not self._stop.wait(self._beat_seconds):
            with self._lock:
                now = time.monotonic()
                if not self._stop.is_set() and self._text and now >= self._next + self._beat_seconds - REDRAW_SECONDS:
                    seconds = int(now - self._said)
                    self._draw(f"{self.prefix}{self._text}{f' ({seconds} s)' if seconds else ''}")

    def _draw(self, text: str) -> None:
        """Begin the line anew, with a text or with none."""
        with self._lock, suppress(OSError, ValueError):
            self._is_drawn, self._next = True, time.monotonic() + REDRAW_SECONDS
            self._stream.write(
                ERASED.decode() + sayable(_cut(escaped(text, MAX_LINE), max(2, self._width - 1)), self._stream)
            )
            self._stream.flush()

    @property
    def _width(self) -> int:
        """Of the terminal, whatever COLUMNS says: a longer line would not be erased."""
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or columns(self._stream)
        except (OSError, ValueError):
            return columns(self._stream)

    def _erase(self) -> None:
        """Make room for what a signal says, not by the stream, which may be in the middle of a line."""
        self._wanted = False
        self._stop.set()
        held = self._lock.acquire(timeout=0.1)  # the thread may be drawing
        if self._is_drawn:
            os.write(self._stream.fileno(), ERASED)
        if held:
            self._lock.release()


def _cut(text: str, width: int) -> str:
    """The text, or as much of it as a width has room for."""
    if cells(text) <= width:
        return text
    if text.isascii():
        return text[: width - 1] + "…"
    from rich.cells import set_cell_size

    return set_cell_size(text, width - 1) + "…"


def time_left(done: int, total: int, elapsed: float) -> str:
    """How long the rest takes if it goes on as before, in words; nothing before anything is done."""
    if not 0 < done < total:
        return ""
    seconds = elapsed * (total - done) / done
    if seconds < 90:
        return f", about {max(1, round(seconds))} s left"
    return f", about {round(seconds / 60)} min left" if seconds < 5400 else f", about {seconds / 3600:.1f} h left"


def fit_progress(bar: Progress, kind: type[AnyModel], rows: Rows, settings: Settings) -> Observer:
    """An observer of a fit that shows the start, its iteration and its score, and between starts the best so far."""
    from emcli.inference.runs import IterationEvent
    from emcli.inference.search.screening import is_screened, sample_rows

    k, restarts = settings.model.k, settings.search.restarts
    total = restarts if isinstance(restarts, int) else 0
    before, ended, best = bar.elapsed, 0, -float("inf")
    if is_screened(kind, rows, settings.model, settings.search):
        bar.doing(f"trying starts on a sample of {sample_rows(kind, rows, settings.model)} rows")
        total = 0  # few of them go on, so that none tells how long the others take
    else:
        bar.doing("start 1")

    def score(of: float) -> str:
        log_likelihood, inertia, _ = kind.measures(of, rows, k)
        what = "" if bar.prefix else "log-likelihood "
        return f"inertia {inertia:.6g}" if inertia is not None else f"{what}{log_likelihood or 0.0:.8g}"

    def show(event: Event) -> None:
        nonlocal ended, best
        if isinstance(event, IterationEvent):
            if bar.due:
                of = f" of {max(event.start, total)}" if total else ""
                left = "" if bar.prefix else time_left(ended, total, bar.elapsed - before)
                bar.show(
                    f"start {event.start}{of}, iteration {event.iteration}, {score(event.step.likelihood_score)}{left}"
                )
            return
        ended += event.source is None
        if event.finished:
            best = max(best, event.likelihood_score)
            bar.doing(f"{counted(ended, 'start')} tried, best {score(best)}")

    return show


def replicate_progress(bar: Progress, replicates: int) -> Callable[[int], None]:
    """An observer of a bootstrap that shows how many of its replicates are done."""
    before = bar.elapsed
    bar.doing(f"bootstrap of {replicates} replicates")

    def show(done: int) -> None:
        text = f"replicate {done} of {replicates}{time_left(done, replicates, bar.elapsed - before)}"
        bar.show(text)
        bar.doing(text)

    return show
