"""The option --report: checked before the work, recorded during it, written after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emcli.errors import EmcliError, Exit, quoted
from emcli.files.outputs import Output

if TYPE_CHECKING:
    from emcli.comparison.ranking import Comparison
    from emcli.inference.fit import Observer
    from emcli.inference.fit_result import FitResult
    from emcli.output.plots.history import History


class ReportFile:
    """Where a report goes: a file, or nowhere (None). Raises EmcliError before any work."""

    def __init__(self, path: str | None):
        self._sink: Output | None = None
        self._history: History | None = None
        if path is None:
            return
        if not path.lower().endswith((".html", ".htm")):
            raise EmcliError(Exit.USAGE, f"'--report' must end in .html; got {quoted(path, 200)}")
        from emcli.output.plots.matplotlib_renderer import need_matplotlib

        self._sink = Output(path)
        need_matplotlib(path)

    def observers(self, tol: float) -> list[Observer]:
        """Observers that record a fit's events for its pictures; none where no report is written."""
        if self._sink is None:
            return []
        from emcli.output.plots.history import History

        self._history = History(tol)
        return [self._history]

    def fit(self, result: FitResult, command: str) -> None:
        """Write the report of a fit that a command line repeats."""
        if self._sink is None or self._history is None:
            return
        from emcli.output.html.report import report
        from emcli.output.plots.fit_figure import of_fit

        self._sink.write(report(result, of_fit(result, self._history, in_pairs=False), command))

    def comparison(self, comparison: Comparison, command: str) -> None:
        """Write the report of a comparison that a command line repeats."""
        if self._sink is None:
            return
        from emcli.output.html.comparison_report import comparison_report
        from emcli.output.plots.comparison.figure import of_comparison

        self._sink.write(comparison_report(comparison, of_comparison(comparison.groups), command))
