"""The one place that knows emcli's modules: its fit of values at hand, timed, and its reader."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import wraps
from itertools import pairwise
from typing import Any


class Prepared:
    """A fit that can be timed: model's name, values (n, d), weights (n,) or None, options as on the command line."""

    def __init__(self, name: str, values: Any, weights: Any, start: Mapping[str, Any] | None, options: dict[str, Any]):
        from emcli.config.resolve import available, resolve
        from emcli.data.dataset import prepare
        from emcli.data.rows import Columns
        from emcli.models import model_class

        self.kind = model_class(name)
        has = available(self.kind.options)  # what this emcli does not have yet is left out
        flags = {key: value for key, value in options.items() if key in has}
        if start is not None:
            flags["start"] = "start.json"
        self.settings = resolve(name, self.kind.options, flags, None, read_start=lambda _: start or {})
        names = ["heads", "tosses"] if name == "coins" else [f"x{j + 1}" for j in range(values.shape[1])]
        began = time.perf_counter()
        columns, needs = Columns(values, [], weights, names), self.kind.requirements(self.settings.model)
        self.data = prepare(columns, needs, self.settings.data, self.settings.search.jobs)
        self.preparing = time.perf_counter() - began

    def run(self) -> dict[str, Any]:
        """Seconds to the last iteration and to the end of all, the score then, iterations, passes over the rows."""
        from emcli.inference.fit import fit

        events = fit(self.kind, self.data, self.settings)
        scores: list[float] = []
        counted: Passes | None = None
        last = began = time.perf_counter()
        while True:
            try:
                event = next(events)
            except StopIteration:
                break
            if hasattr(event, "step"):
                last = time.perf_counter()
                scores.append(event.step.score)
                model = event.step.model
                counted = counted or Passes(type(model), self.data.rows.values)
            elif counted is not None:
                counted.stop()  # the start has ended; what follows is the verdict
        done = time.perf_counter()
        k = len(model.weights)
        log_likelihood, inertia, _ = self.kind.measures(scores[-1], self.data.rows, k)
        assert counted is not None
        return {
            "seconds": last - began,
            "whole": self.preparing + done - began,
            "score": log_likelihood if inertia is None else inertia,
            "iterations": len(scores) - 1,
            "passes": counted.passes,
            "falls": sum(after < before - 1e-9 * abs(before) for before, after in pairwise(scores)),
        }


class Passes:
    """Counts E-steps of all rows from now on, the one just done included: plain ones and those for derivatives.

    The first row tells: it is always looked at in this process.
    """

    def __init__(self, model: type, rows: Any):
        self.first, self.passes, self.counting = rows.ctypes.data, 1, True
        for name in ("e_step", "complete"):
            if hasattr(model, name):
                setattr(model, name, self._counted(getattr(model, name)))

    def _counted(self, method: Any) -> Any:
        @wraps(method)
        def wrapped(model: Any, rows: Any, *rest: Any, **more: Any) -> Any:
            if self.counting and rows.ctypes.data == self.first:
                self.passes += 1
            return method(model, rows, *rest, **more)

        return wrapped

    def stop(self) -> None:
        self.counting = False


def read(path: str) -> Any:
    """The numbers of a CSV, (n, d), as emcli reads them."""
    from emcli.data.table.read import read_table
    from emcli.data.table.table import ColumnSelection, CsvDialect

    def every(header: tuple[str, ...], source: str, has_header: bool) -> ColumnSelection:
        return ColumnSelection(tuple(range(len(header))), ())

    return read_table(path, CsvDialect(None, None, None, "error"), every).numbers
