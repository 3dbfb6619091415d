"""Tasks of which some need the results of others, shared out among this process and workers forked from it."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Hashable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import closing, suppress
from functools import cache
from threading import Condition, Thread
from typing import Generic, NamedTuple, TypeVar, cast

from emcli.compute.workers import Worker, Workers

Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")
Request = tuple[Key, dict[Key, Result]]  # a task, and the results that it needs
Attempt = tuple[Result | None, Exception | None]  # what came of it: its result, or how it failed


class Task(NamedTuple, Generic[Key]):
    """The tasks whose results one needs, and how much work it is, in units of any kind."""

    needs: AbstractSet[Key]
    work: float


class Tasks(Generic[Key, Result]):
    """Tasks by their names, each done by do(name, results of those it needs).

    Whoever is free takes, of those that can begin, the one from which the longest way leads to the end. Results do not
    depend on who is free when. `do` is inherited; what it returns is sent from process to process.
    """

    def __init__(self, tasks: Mapping[Key, Task[Key]], do: Callable[[Key, Mapping[Key, Result]], Result]) -> None:
        self._tasks, self._do = tasks, do
        self._results: dict[Key, Result] = {}
        self._failures: dict[Key, Exception] = {}
        self._waiting, self._going = set(tasks), 0
        self._changed = Condition()

        @cache
        def way(name: Key) -> float:
            after = (way(other) for other, task in tasks.items() if name in task.needs)
            return tasks[name].work + max(after, default=0.0)

        self._order = sorted(tasks, key=way, reverse=True)

    @property
    def begun(self) -> int:
        """How many have begun, where all this is heard of."""
        return len(self._tasks) - len(self._waiting)

    @property
    def ended(self) -> int:
        """How many have ended, likewise."""
        return self.begun - self._going

    def done(self, count: int) -> dict[Key, Result]:
        """All results in the order of the tasks, by up to `count` processes.

        Raises the failure of the first task that failed, when all are done that do not need it; EmcliError soon where a
        process was ended from outside.
        """
        with closing(Workers(min(count, len(self._tasks)) - 1, self._attempt)) as workers:
            for worker in workers.all:
                with suppress(RuntimeError):  # the system refuses another thread: the worker has nothing to do
                    Thread(target=self._share, args=(self._by(worker),), daemon=True).start()
            self._share(self._attempt)
        for name in self._tasks:
            if name in self._failures:
                raise self._failures[name]
        return {name: self._results[name] for name in self._tasks}

    def _attempt(self, request: Request[Key, Result], _: int = 0) -> Attempt[Result]:
        """Do a task."""
        try:
            return self._do(*request), None
        except Exception as error:
            return None, error

    def _by(self, worker: Worker) -> Callable[[Request[Key, Result]], Attempt[Result]]:
        """The same by a worker. It raises EmcliError where that was ended."""

        def attempt(request: Request[Key, Result]) -> Attempt[Result]:
            worker.send(pickle.dumps(request, pickle.HIGHEST_PROTOCOL))
            answer = worker.answer()
            return (None, answer) if isinstance(answer, Exception) else cast("Attempt[Result]", answer)

        return attempt

    def _share(self, attempt: Callable[[Request[Key, Result]], Attempt[Result]]) -> None:
        """Do one task after another, until none is left that can begin, now or when another ends."""
        while (name := self._next()) is not None:
            try:
                result, failure = attempt((name, {each: self._results[each] for each in self._tasks[name].needs}))
            except Exception as error:  # the worker was ended, or what it needs cannot be sent: nobody goes on
                result, failure = None, error
                with self._changed:
                    self._waiting.clear()
            with self._changed:
                if failure is None:
                    self._results[name] = cast("Result", result)
                else:
                    self._failures[name] = failure
                self._going -= 1
                self._changed.notify_all()

    def _next(self) -> Key | None:
        with self._changed:
            while True:
                for name in self._order:
                    if name in self._waiting and all(each in self._results for each in self._tasks[name].needs):
                        self._waiting.remove(name)
                        self._going += 1
                        return name
                if not self._going:
                    return None
                self._changed.wait()
