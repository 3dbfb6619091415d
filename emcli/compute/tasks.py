"""Tasks of which some need the results of others, shared out among this process and workers forked from it."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from functools import cache
from threading import Condition, Thread
from typing import Generic, NamedTuple, TypeVar, cast

from emcli.compute.workers import Worker, Workers
from emcli.errors import EmcliError

Result = TypeVar("Result")
Attempt = tuple[Result | None, Exception | None]  # what came of a task: its result, or how it failed


class Task(NamedTuple):
    """Whose results a task needs, by place, and how much work it is, in units of any kind."""

    needs: Sequence[int]
    work: float


class Tasks(Generic[Result]):
    """Tasks that are done by do(place, results of those it needs).

    Whoever is free takes, of those that can begin, the one from which the longest way leads to the end. Results do not
    depend on who is free when. `do` is inherited; what it returns is sent from process to process.
    """

    def __init__(self, tasks: Sequence[Task], do: Callable[[int, Sequence[Result]], Result]) -> None:
        self._tasks, self._do = tasks, do
        self._results: dict[int, Result] = {}
        self._failures: dict[int, Exception] = {}
        self._waiting, self._going = set(range(len(tasks))), 0
        self._changed = Condition()

        @cache
        def way(place: int) -> float:
            after = (way(i) for i, task in enumerate(tasks) if place in task.needs)
            return tasks[place].work + max(after, default=0.0)

        self._order = sorted(range(len(tasks)), key=lambda place: (-way(place), place))

    @property
    def begun(self) -> int:
        """How many have begun, where all this is heard of."""
        return len(self._tasks) - len(self._waiting)

    @property
    def ended(self) -> int:
        """How many have ended, likewise."""
        return self.begun - self._going

    def done(self, count: int) -> list[Result]:
        """All results in order, by up to `count` processes.

        Raises the failure of the first task that failed, when all are done that do not need it; and EmcliError at once
        where a process was ended from outside.
        """
        with closing(Workers(min(count, len(self._tasks)) - 1, self._attempt)) as workers:
            for worker in workers.all:
                with suppress(RuntimeError):  # the system refuses another thread: the worker has nothing to do
                    Thread(target=self._share, args=(self._by(worker),), daemon=True).start()
            self._share(self._attempt)
        if self._failures:
            raise self._failures[min(self._failures)]
        return [self._results[i] for i in range(len(self._tasks))]

    def _attempt(self, request: tuple[int, Sequence[Result]], _: int = 0) -> Attempt[Result]:
        """Do a task."""
        try:
            return self._do(*request), None
        except Exception as error:
            return None, error

    def _by(self, worker: Worker) -> Callable[[tuple[int, Sequence[Result]]], Attempt[Result]]:
        """The same by a worker. It raises EmcliError where that was ended."""

        def attempt(request: tuple[int, Sequence[Result]]) -> Attempt[Result]:
            worker.send(pickle.dumps(request, pickle.HIGHEST_PROTOCOL))
            answer = worker.answer()
            if isinstance(answer, Exception):
                return None, answer
            return cast("Attempt[Result]", answer)

        return attempt

    def _share(self, attempt: Callable[[tuple[int, Sequence[Result]]], Attempt[Result]]) -> None:
        """Do one task after another, until none is left that can begin, now or when another ends."""
        while (place := self._next()) is not None:
            try:
                result, failure = attempt((place, [self._results[i] for i in self._tasks[place].needs]))
            except EmcliError as error:
                result, failure = None, error
                self._waiting.clear()
            with self._changed:
                if failure is None:
                    self._results[place] = cast("Result", result)
                else:
                    self._failures[place] = failure
                self._going -= 1
                self._changed.notify_all()

    def _next(self) -> int | None:
        with self._changed:
            while True:
                for place in self._order:
                    if place in self._waiting and all(i in self._results for i in self._tasks[place].needs):
                        self._waiting.remove(place)
                        self._going += 1
                        return place
                if not self._going:
                    return None
                self._changed.wait()
