"""A Dask cluster whose workers read the partitions of a table and keep them; results come back in partition order."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial, reduce
from hashlib import sha256
from itertools import cycle
from operator import add
from typing import TYPE_CHECKING, Any, TypeVar

from emcli import __version__
from emcli.config.settings import DataSettings
from emcli.data.dataset import Dataset, shown_source, unfit, with_weight_sums
from emcli.data.distributed import local, worker
from emcli.data.distributed.rows import DistributedRows
from emcli.data.rows import DataFault, Observations, Requirements
from emcli.data.table.partitions import check_header, partition_files
from emcli.data.table.row_problems import dropped_rows
from emcli.errors import EmcliError, Exit, FitWarning, quoted

if TYPE_CHECKING:
    from distributed import Client, Future

ANSWER_SECONDS = 5  # for a scheduler to answer, and for workers to be there
WITHOUT_WORKERS_SECONDS = 8  # after which a fit is given up
INSTALL_HINT = "pip install 'emcli[dask]'"
T = TypeVar("T")


class Cluster:
    """A connection to a scheduler. Errors of workers, and the loss of the scheduler, are raised here."""

    def __init__(self, client: Client, address: str) -> None:
        self._client, self.address = client, address

    def submit(
        self, function: Callable[..., object], *lists: Sequence[object], round_robin: bool = False
    ) -> list[Future]:
        """Handles of the results of a map, which stay on the workers: on those that hold the arguments, or in turn."""
        work = partial(worker.capture_errors, function)
        if not round_robin:
            handles: list[Future] = self._client.map(work, *lists, pure=False)
            return handles
        places = [name for name, threads in sorted(self._threads().items()) for _ in range(threads)]
        return [
            self._client.submit(work, *each, pure=False, workers=[place], allow_other_workers=True)
            for place, *each in zip(cycle(places), *lists, strict=False)
        ]

    def gather(self, handles: Sequence[Future]) -> list[Any]:
        """The results behind the handles, in order. Raises the first error among them; EmcliError if lost."""
        with self._one_error():
            since, loop = time.monotonic(), self._client.loop.asyncio_loop
            # One wait for work and transfer: a worker that dies in between sets the client waiting for it once more.
            coming = asyncio.run_coroutine_threadsafe(self._client.gather(list(handles), asynchronous=True), loop)
            while True:
                try:
                    found = list(coming.result(timeout=1))
                    break
                except TimeoutError:
                    if coming.done():
                        raise
                    since = time.monotonic() if self._threads() else since
                    if time.monotonic() - since > WITHOUT_WORKERS_SECONDS:
                        coming.cancel()
                        raise self._lost("all workers are gone") from None
        for each in found:
            if isinstance(each, worker.RemoteError):
                raise each.error
        return found

    def map(self, function: Callable[..., T], *lists: Sequence[object]) -> list[T]:
        """The results of a map over the workers, in order; handles among the arguments stand for what they hold."""
        return self.gather(self.submit(function, *lists))

    def _threads(self) -> dict[str, int]:
        with self._one_error():
            return dict(self._client.sync(self._client.scheduler.ncores, callback_timeout=ANSWER_SECONDS))

    def _lost(self, what: str) -> EmcliError:
        return EmcliError(Exit.DATA, f"{self.address}: {what}", hint="nothing is written; run it again")

    @contextmanager
    def _one_error(self) -> Iterator[None]:
        """Turn any failure of the cluster into an EmcliError."""
        from distributed import KilledWorker
        from distributed.comm import CommClosedError

        try:
            yield
        except KilledWorker as killed:
            what = f"{killed.allowed_failures + 1} workers died of one task, perhaps for want of memory"
            raise self._lost(what) from None
        except (CommClosedError, OSError, TimeoutError, asyncio.CancelledError) as lost:
            raise self._lost("the scheduler is gone") from lost
        except Exception as lost:
            if type(lost).__name__.endswith("CancelledError") or self._client.status != "running":
                raise self._lost("the scheduler is gone") from lost
            raise


@contextmanager
def connect(address: str) -> Iterator[Cluster]:
    """A cluster for as long as the context lasts; its tasks are cancelled at the end. Raises EmcliError (exit 2)."""
    try:
        import dask
        import distributed
    except ImportError:
        raise EmcliError(
            Exit.USAGE, "'--scheduler' needs the extra 'dask', which is not installed", hint=INSTALL_HINT
        ) from None
    except Exception as error:  # of psutil
        hint = None if os.path.exists("/proc/self") else "it needs /proc"
        what = f"Dask cannot be used on this machine: {local.first_reason(error)}"
        raise EmcliError(Exit.DATA, what, hint=hint) from error
    logging.disable(logging.CRITICAL)  # what is wrong is said once, in one line
    with ExitStack() as stack:
        dask.config.set({"distributed.comm.timeouts.connect": f"{ANSWER_SECONDS}s", "distributed.comm.retry.count": 0})
        try:
            at = local.start(address, stack) if address.startswith("local:") else address
            if at is address:
                asyncio.run(_handshake(address))
            client = distributed.Client(at, timeout=ANSWER_SECONDS)
        except (OSError, TimeoutError, ValueError, RuntimeError) as error:
            what = f"no scheduler answers at {address}"
            raise EmcliError(Exit.USAGE, what, hint="is `dask scheduler` running there?") from error
        stack.callback(_close, client)
        _check_environments(client, address)
        yield Cluster(client, address)


async def _handshake(address: str) -> None:
    """Shake hands: a client would wait for ever for what listens there and says nothing. Raises OSError."""
    from distributed import Security
    from distributed.comm import connect

    how = Security().get_connection_args("client")
    comm = await asyncio.wait_for(connect(address, timeout=ANSWER_SECONDS, **how), ANSWER_SECONDS)
    await comm.close()


def _close(client: Client) -> None:
    """Cancel all tasks and close the connection."""
    local.attempt(partial(client.cancel, list(client.futures), force=True) if client.status == "running" else bool)
    local.attempt(partial(client.close, timeout=1))


def _check_environments(client: Client, address: str) -> None:
    """Raise EmcliError (exit 2) where there are no workers, or they would not give the same bytes."""
    try:
        client.wait_for_workers(1, timeout=ANSWER_SECONDS)
    except (OSError, TimeoutError):
        raise EmcliError(Exit.USAGE, f"{address} has no workers", hint="start some with `dask worker`") from None
    theirs = client.get_versions()
    ours = theirs["client"]["packages"]
    for name, them in sorted({"scheduler": theirs["scheduler"], **theirs["workers"]}.items()):
        for package in ("python", "distributed", "numpy"):
            mine, other = ours[package], them["packages"].get(package)
            if package == "python":
                mine, other = (".".join(str(version).split(".")[:2]) for version in (mine, other))
            if mine != other and not (name == "scheduler" and package == "numpy"):
                raise _mismatch(name, f"{package} {other}", str(mine))
    try:
        found = client.run(worker.version)
    except Exception as error:
        raise EmcliError(Exit.USAGE, f"the workers of {address} have no emcli to run: {quoted(error, 80)}") from error
    for name, other in sorted(found.items()):
        if other != __version__:
            raise _mismatch(name, f"emcli {other}", __version__)


def _mismatch(name: str, theirs: str, mine: str) -> EmcliError:
    who = name if name == "scheduler" else f"worker {name}"
    return EmcliError(Exit.USAGE, f"the {who} has {theirs}, but here it is {mine}", hint="install the same everywhere")


class RemoteTable:
    """A table whose partitions the workers keep as they were read: one reading serves a whole grid of fits."""

    def __init__(self, cluster: Cluster, source: str, observations: Observations, settings: DataSettings) -> None:
        self._cluster, self._source = cluster, source
        path = os.path.abspath(source)
        [paths] = cluster.gather(cluster.submit(partition_files, [path], round_robin=True))
        shown = [os.path.normpath(os.path.join(source, os.path.relpath(each, path))) for each in paths]
        n = len(paths)
        self._raw = cluster.submit(
            worker.read_partition, paths, shown, [observations] * n, [settings] * n, round_robin=True
        )
        self._summaries = cluster.map(worker.summarize, self._raw)
        for summary, name in zip(self._summaries, shown, strict=True):
            check_header(name, summary.header, self._summaries[0].header, 1)
        self.columns = len(self._summaries[0].names)

    def dataset(self, needs: Requirements, settings: DataSettings, jobs: int | None = None) -> Dataset:
        """The rows as a fit that needs this works on them. Raises EmcliError."""
        names = self._summaries[0].names

        def total(function: Callable[..., T]) -> T:
            found: T = reduce(add, self._cluster.map(worker.evaluate, self._raw, [function] * len(self._raw)))
            return found

        try:
            rows = needs.check(needs.observations.summarize(total, names, needs.k, needs.rule, settings))
        except DataFault as fault:
            raise unfit(fault, self._source) from None
        weights = [summary.weights for summary in self._summaries if summary.weights is not None]
        rows = with_weight_sums(rows, reduce(add, weights) if weights else None)
        if not rows.count:
            n = len(self._raw)
            placed = self._cluster.submit(worker.place_rows, self._raw, [needs.observations] * n, [rows] * n)
            rows = DistributedRows.of(rows, self._cluster, placed).or_merged()
        digest = sha256("".join(summary.digest for summary in self._summaries).encode()).hexdigest()
        return Dataset(
            rows=rows,
            source=shown_source(self._source),
            count=sum(summary.count for summary in self._summaries),
            dropped=sum(summary.dropped for summary in self._summaries),
            columns=names,
            digest=lambda: digest,
            labels=None,
            row_weights=None,
            warnings=(*_reading_warnings(self._summaries), *rows.warnings),
        )


def _reading_warnings(summaries: Sequence[worker.PartitionSummary]) -> list[FitWarning]:
    """The partitions' warnings, each kind once, in the words of the first partition that has it."""
    first: dict[str, str] = {}
    for summary in summaries:
        for warning in summary.warnings:
            first.setdefault(warning.slug, warning.message)
    dropped = sum(summary.dropped for summary in summaries)
    if dropped:
        first["dropped-rows"] = dropped_rows(dropped).message
    return [FitWarning(slug, message) for slug, message in first.items()]
