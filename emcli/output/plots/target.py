"""The option --plot: checked before the fit, recorded during it, drawn after it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from emcli.errors import EmcliError, Exit, quoted
from emcli.files.outputs import Output
from emcli.output.plots.form import ANIMATIONS, Form

if TYPE_CHECKING:
    from emcli.comparison.ranking import RankedGroup
    from emcli.config.iterations import Moment
    from emcli.inference.fit import Observer
    from emcli.inference.fit_result import FitResult
    from emcli.inference.simulate import SimulatedData
    from emcli.models.base import AnyModel
    from emcli.output.plots.figure import Picture
    from emcli.output.plots.history import History

MOST_FRAMES = 36  # side by side: more cannot be read, and are no small file


class Plot:
    """Where a picture goes: a file, the terminal ('-'), or nowhere (None). Raises EmcliError before any work."""

    def __init__(
        self,
        path: str | None,
        iterations: str | None = None,
        size: str | None = None,
        dpi: int | None = None,
        moves: bool = False,  # may it be an animation?
    ):
        self.path = path
        self._sink: Output | None = None
        self._history: History | None = None
        self._moments = _moments(iterations)
        self._form = Form.of(size, dpi)
        asked = {"--iterations": iterations, "--size": size, "--dpi": dpi}
        for name in (name for name, value in asked.items() if value is not None):
            if path is None:
                raise EmcliError(Exit.USAGE, f"'{name}' needs --plot FILE")
            if path == "-" and name != "--iterations":
                raise EmcliError(Exit.USAGE, f"'{name}' is of a picture in a file, and not with --plot -")
        if path is None:
            return
        if self._moments and len(self._moments) > MOST_FRAMES and not path.lower().endswith(ANIMATIONS):
            what = f"'--iterations' has room for {MOST_FRAMES} side by side, got {len(self._moments)}"
            raise EmcliError(Exit.USAGE, what, hint="--plot FILE.gif or FILE.html shows them one after the other")
        if path == "-":
            from emcli.output.plots.terminal_renderer import need_uniplot

            need_uniplot()
            return
        from emcli.output.plots.matplotlib_renderer import format_of, need_matplotlib

        self._format = format_of(path, moves)
        self._sink = Output(path)
        need_matplotlib(path)

    def observers(self, tol: float) -> list[Observer]:
        """Observers that record a fit's events for the picture; none where no picture is drawn."""
        if self.path is None:
            return []
        from emcli.output.plots.history import History

        self._history = History(tol, [each for each in self._moments or () if isinstance(each, int)])
        return [self._history]

    def fit(self, result: FitResult) -> str:
        """Draw a fit: writes the file, or returns the text for the terminal."""
        if self._history is None:
            return ""
        if self.path != "-" and self._format in ANIMATIONS:
            self._animate(result, self._history)
            return ""
        from emcli.output.plots.fit_figure import of_film, of_fit

        if self._moments is None:
            return self._put(of_fit(result, self._history, in_pairs=self._sink is not None))
        from emcli.output.plots.frames import film

        return self._put(of_film(film(result, self._history, self._moments)))

    def _animate(self, result: FitResult, history: History) -> None:
        from emcli.output.animation.gif import gif, watchable
        from emcli.output.animation.player import player
        from emcli.output.plots.frames import film

        wanted = self._moments or watchable([iteration for iteration, _ in history.models(result.best)])
        made, inches = film(result, history, wanted), self._form.inches
        assert self._sink is not None
        if self._format == "gif":
            self._sink.write(gif(made, inches, self._form.given))
        else:
            self._sink.write(player(result, made, history, inches, self._form.given))

    def unreached(self, result: FitResult) -> list[int]:
        """The iterations to draw that the fit does not have: its last one is drawn in their place."""
        last = result.best.iterations
        return [each for each in self._moments or () if isinstance(each, int) and each > last]

    def drawn(self, kind: type[AnyModel], rows: SimulatedData, source: str, labels: bool) -> str:
        """Draw rows that were drawn: writes the file, or returns the text for the terminal."""
        if self.path is None:
            return ""
        from emcli.output.plots.drawn_figure import of_drawn

        return self._put(of_drawn(kind, rows, source, labels))

    def comparison(self, groups: Sequence[RankedGroup]) -> str:
        """Draw a comparison: writes the file, or returns the text for the terminal."""
        if self.path is None:
            return ""
        from emcli.output.plots.comparison.figure import of_comparison

        return self._put(of_comparison(groups))

    def _put(self, picture: Picture) -> str:
        if self._sink is None:
            from emcli.output.plots.terminal_renderer import drawn

            return "\n" + drawn(picture, sys.stdout)
        from emcli.output.plots.matplotlib_renderer import rendered

        self._sink.write(rendered(picture, self._format, self._form))
        return ""


def _moments(text: str | None) -> tuple[Moment, ...] | None:
    if text is None:
        return None
    from emcli.config.iterations import moments

    try:
        return moments(text)
    except ValueError as error:
        raise EmcliError(Exit.USAGE, f"'--iterations' {error}, got {quoted(text)}") from None
