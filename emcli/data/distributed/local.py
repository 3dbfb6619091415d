"""Workers on this machine, as processes of their own, and what must be allowed for them."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from emcli.errors import EmcliError, Exit, Problem, quoted
from emcli.files import signals
from emcli.files.inputs import reason
from emcli.files.outputs import temporary_folder

if TYPE_CHECKING:
    from distributed import LocalCluster

CLOSE_SECONDS = 5  # for workers to end
START_SECONDS = 30  # for a worker to be there
OPEN_FILES = (32, 16)  # that a scheduler takes, and each worker


def start(address: str, stack: ExitStack) -> LocalCluster:
    """Start workers on this machine, as processes of one thread each; the stack stops them."""
    from multiprocessing import active_children

    import dask
    from distributed import LocalCluster

    where = temporary_folder()
    try:
        with signals.uninterrupted():
            made = TemporaryDirectory(prefix="emcli-", dir=where, ignore_cleanup_errors=True)
            stack.callback(signals.on_signal(made.cleanup))
    except OSError as error:
        what = f"cannot keep the workers' files: {reason(error)}"
        raise EmcliError(Exit.OUTPUT, Problem(what, where), hint="TMPDIR names another folder") from None
    folder = stack.enter_context(made)
    os.environ["DASK_LOGGING__DISTRIBUTED"] = "critical"
    workers = int(address.removeprefix("local:"))
    _allow_open_files(OPEN_FILES[0] + OPEN_FILES[1] * workers, address)
    dask.config.set({"temporary-directory": folder})  # the scheduler keeps files too
    others = active_children()

    def kill() -> None:
        """End the workers that did not close when they were asked to, such as one that is stopped."""
        for process in active_children():
            if process not in others:
                process.kill()

    stack.callback(kill)
    stack.callback(signals.on_signal(kill))
    try:
        with _unheard():
            cluster = LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",  # any that is free: with None, port 8787, and a warning if it is taken
                scheduler_kwargs={"dashboard": False},
                silence_logs=logging.CRITICAL,
                local_directory=folder,
                death_timeout=START_SECONDS,
            )
    except Exception as error:
        what = f"{address}: workers cannot be started: {first_reason(error)}"
        raise EmcliError(Exit.DATA, what, hint="a higher `ulimit -u`, more memory, or fewer workers") from error
    stack.callback(lambda: attempt(partial(cluster.close, timeout=CLOSE_SECONDS)))
    return cluster


def _allow_open_files(count: int, address: str) -> None:
    """Have the system allow so many open files. Raises EmcliError (exit 3): without them a cluster waits for ever."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= count:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
    except (OSError, ValueError):
        what = f"{address} takes {count} open files, and {soft} are allowed"
        raise EmcliError(Exit.DATA, what, hint=f"ulimit -n {count}, or fewer workers") from None


@contextmanager
def _unheard() -> Iterator[None]:
    """Have processes that are started in the block say nothing, whatever happens to them: it is said here."""
    kept = os.dup(2)
    try:
        with signals.undone(lambda: os.dup2(kept, 2)), open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def first_reason(error: BaseException) -> str:
    """What the first of errors that led to one another says."""
    while earlier := error.__cause__ or error.__context__:
        error = earlier
    if isinstance(error, TimeoutError):
        return f"no answer within {START_SECONDS} s"
    return reason(error) if isinstance(error, OSError) else quoted(str(error) or type(error).__name__, 80)


def attempt(work: Callable[[], object]) -> None:
    """Call a function, and ignore any error."""
    with suppress(Exception, asyncio.CancelledError):
        work()
