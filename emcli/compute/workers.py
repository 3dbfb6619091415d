"""Processes forked from this one that answer its requests; they inherit what it holds, and end with it."""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import IO, NamedTuple, NoReturn

from emcli.errors import EmcliError, Exit
from emcli.files import signals

PR_SET_PDEATHSIG = 1  # prctl(2)


class Worker(NamedTuple):
    """A forked process that was not waited for yet, and this process's ends of its pipes."""

    pid: int
    requests: IO[bytes]
    answers: IO[bytes]

    def send(self, request: bytes) -> None:
        """Send a pickled request. Raises EmcliError where the worker was ended."""
        try:
            self.requests.write(request)
            self.requests.flush()
        except ConnectionError:
            raise _ended() from None

    def answer(self) -> object:
        """The answer to the last request: an exception where it could not be sent. Raises EmcliError likewise."""
        try:
            found: object = pickle.load(self.answers)
        except (EOFError, ConnectionError, pickle.UnpicklingError):  # of an answer cut short
            raise _ended() from None
        return found

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def close(self) -> None:
        for pipe in self[1:]:
            with suppress(OSError):  # of what a worker has not taken
                pipe.close()


class Workers:
    """So many workers, each of which answers a request by `answer` of it and of the worker's number, from 1."""

    def __init__(self, count: int, answer: Callable[..., object]) -> None:
        self.all: list[Worker] = []
        self._answer, self._parent = answer, os.getpid()
        self._take_back = signals.on_signal(self._kill)
        try:
            for number in range(1, count + 1):
                self._start(number)
        except OSError:  # processes or pipes are refused: there is none
            self.close()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Kill the workers, which have nothing to save."""
        with signals.uninterrupted():  # else one could be killed by its number when that is somebody else's
            self._kill()
            for worker in self.all:
                with suppress(ChildProcessError):
                    os.waitpid(worker.pid, 0)
                worker.close()
            self.all = []
            self._take_back()

    def _kill(self) -> None:
        for worker in self.all:
            worker.kill()

    def _start(self, number: int) -> None:
        """Fork worker `number`. It stays in this section, and heeds no signal: this process ends it."""
        with signals.uninterrupted():
            ends: list[IO[bytes]] = []
            try:
                for _ in range(2):
                    reader, writer = os.pipe()
                    ends += open(reader, "rb"), open(writer, "wb")  # noqa: SIM115 - as long as the worker
                taken, requests, answers, given = ends
                pid = os.fork()
            except OSError:
                for end in ends:
                    end.close()
                raise
            if not pid:
                self._serve(number, taken, given, [requests, answers, *(end for each in self.all for end in each[1:])])
            self.all.append(Worker(pid, requests, answers))
            taken.close()
            given.close()

    def _serve(self, number: int, requests: IO[bytes], answers: IO[bytes], inherited: list[IO[bytes]]) -> NoReturn:
        """Answer requests until the parent's end of the pipe closes, or the parent ends, be it in the middle of one."""
        try:
            self._end_with_parent()
            for other in inherited:
                other.close()  # else the parent's ends would stay open here
            while True:
                try:
                    answer = pickle.dumps(self._answer(pickle.load(requests), number), pickle.HIGHEST_PROTOCOL)
                except EOFError:
                    break
                except Exception as error:
                    answer = pickle.dumps(RuntimeError(f"cannot be sent from process to process: {error}"))
                answers.write(answer)
                answers.flush()
        finally:
            os._exit(0)  # nothing of the parent's is to be cleaned up, or said, here

    def _end_with_parent(self) -> None:
        """Have the system kill this worker as soon as its parent ends, where it can."""
        from ctypes import CDLL

        with suppress(OSError, AttributeError):
            CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != self._parent:  # it has ended before
            os._exit(0)


def _ended() -> EmcliError:
    what = "a process that shared the work was ended from outside, perhaps for want of memory"
    return EmcliError(Exit.DATA, what, hint="--jobs 1 works in one process")
