"""A Dask cluster as a place for rows: its workers read the parts and keep them, and answers come back in part order."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial, reduce
from hashlib import sha256
from operator import add
from tempfile import TemporaryDirectory
from typing import Any

from emcli.config.settings import DataSettings
from emcli.data.dataset import Dataset, shown_source, unfit
from emcli.data.distributed import worker
from emcli.data.distributed.rows import Scattered, counted
from emcli.data.rows import DataFault, Observations, Requirements, Rows
from emcli.data.table.partitions import check_header, partition_files
from emcli.errors import EmcliError, Exit, FitWarning, quoted

PATIENCE = 5  # seconds for a scheduler to answer, and for workers to be there
GONE = 8  # seconds without any worker after which a fit is given up
EXTRA = "pip install 'emcli[dask]'"


class Cluster:
    """A connection to a scheduler. Errors of workers are raised here; a lost scheduler is one more of them."""

    def __init__(self, client: Any, address: str) -> None:
        self._client, self.address = client, address
        self._held: list[Any] = []  # futures that keep the parts in the workers' memory

    def begun(self, function: Callable[..., Any], *lists: Sequence[Any], spread: bool = False) -> list[Any]:
        """Handles of function(*each) on the workers, in turn where `spread`, else where the arguments are."""
        if not spread:
            return self._client.map(partial(worker.kept, function), *lists, pure=False)  # type: ignore[no-any-return]
        places = [name for name, threads in sorted(self._threads().items()) for _ in range(threads)]
        return [
            self._client.submit(
                worker.kept, function, *each, pure=False, workers=[places[i % len(places)]], allow_other_workers=True
            )
            for i, each in enumerate(zip(*lists, strict=True))
        ]

    def ended(self, handles: Sequence[Any]) -> list[Any]:
        """What the handles stand for, in order. Raises the first error among them, and EmcliError where all is lost."""
        with self._watched():
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
                    if time.monotonic() - since > GONE:
                        coming.cancel()
                        raise self._lost("all workers are gone") from None
        for each in found:
            if isinstance(each, worker.Raised):
                raise each.error
        return found

    def asked(self, function: Callable[..., Any], *lists: Sequence[Any]) -> list[Any]:
        """function(*each) on the workers, in order."""
        return self.ended(self.begun(function, *lists))

    def _threads(self) -> dict[str, int]:
        with self._watched():
            return dict(self._client.sync(self._client.scheduler.ncores, callback_timeout=PATIENCE))

    def _lost(self, what: str) -> EmcliError:
        return EmcliError(Exit.DATA, f"{self.address}: {what}", hint="nothing is written; run it again")

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Any way in which a cluster can fail as one error."""
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


class Kept:
    """Parts in the memory of a cluster's workers."""

    def __init__(self, cluster: Cluster, handles: Sequence[Any]) -> None:
        self._cluster, self.handles = cluster, handles

    def each(self, function: Callable[..., Any], handles: Sequence[Any], *more: Sequence[Any]) -> list[Any]:
        return self._cluster.asked(function, handles, *more)

    def made(self, function: Callable[..., Rows], *more: Sequence[Any]) -> Kept:
        return Kept(self._cluster, self._cluster.begun(function, self.handles, *more))


@contextmanager
def connected(address: str) -> Iterator[Cluster]:
    """A cluster for as long as the context lasts; its tasks are cancelled at the end. Raises EmcliError (exit 2)."""
    try:
        import dask
        import distributed
    except ImportError:
        raise EmcliError(
            Exit.USAGE, "'--scheduler' needs the extra 'dask', which is not installed", hint=EXTRA
        ) from None
    logging.disable(logging.CRITICAL)  # what is wrong is said once, in one line
    with ExitStack() as opened:
        dask.config.set({"distributed.comm.timeouts.connect": f"{PATIENCE}s", "distributed.comm.retry.count": 0})
        try:
            at = _started(address, opened) if address.startswith("local:") else address
            if at is address:
                asyncio.run(_greeted(address))
            client = distributed.Client(at, timeout=PATIENCE)
        except (OSError, TimeoutError, ValueError, RuntimeError) as error:
            what = f"no scheduler answers at {address}"
            raise EmcliError(Exit.USAGE, what, hint="is `dask scheduler` running there?") from error
        opened.callback(_closed, client)
        _refuse_others(client, address)
        yield Cluster(client, address)


async def _greeted(address: str) -> None:
    """Shake hands: a client would wait for ever for what listens there and says nothing. Raises OSError."""
    from distributed import Security
    from distributed.comm import connect

    how = Security().get_connection_args("client")
    comm = await asyncio.wait_for(connect(address, timeout=PATIENCE, **how), PATIENCE)
    await comm.close()


def _started(address: str, opened: ExitStack) -> Any:
    """Workers here, as processes of one thread each, stopped when the context ends."""
    from distributed import LocalCluster

    folder = opened.enter_context(TemporaryDirectory(prefix="emcli-", ignore_cleanup_errors=True))
    os.environ["DASK_LOGGING__DISTRIBUTED"] = "critical"
    cluster = LocalCluster(
        n_workers=int(address.removeprefix("local:")), threads_per_worker=1, processes=True, host="127.0.0.1",
        dashboard_address=None, silence_logs=logging.CRITICAL, local_directory=folder,
    )  # fmt: skip
    opened.callback(lambda: suppressed(partial(cluster.close, timeout=PATIENCE)))
    return cluster


def _closed(client: Any) -> None:
    """Let go of everything: the scheduler then cancels what nobody waits for."""
    suppressed(partial(client.cancel, list(client.futures), force=True) if client.status == "running" else bool)
    suppressed(partial(client.close, timeout=1))


def suppressed(work: Callable[[], Any]) -> None:
    """Do it if it can be done."""
    with suppress(Exception, asyncio.CancelledError):
        work()


def _refuse_others(client: Any, address: str) -> None:
    """Raise EmcliError (exit 2) where there are no workers, or they would not give the same bytes."""
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
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
                raise _other(name, f"{package} {other}", str(mine))
    try:
        found = client.run(worker.versions)
    except Exception as error:
        raise EmcliError(Exit.USAGE, f"the workers of {address} have no emcli to run: {quoted(error, 80)}") from error
    for name, them in sorted(found.items()):
        for package, mine in worker.versions().items():
            if them[package] != mine:
                raise _other(name, f"{package} {them[package]}", mine)


def _other(name: str, theirs: str, mine: str) -> EmcliError:
    who = name if name == "scheduler" else f"worker {name}"
    return EmcliError(Exit.USAGE, f"the {who} has {theirs}, but here it is {mine}", hint="install the same everywhere")


class Elsewhere:
    """A table whose parts the workers hold as they were read: one reading serves a whole grid."""

    def __init__(self, cluster: Cluster, source: str, observations: Observations, settings: DataSettings) -> None:
        self._cluster, self._source = cluster, source
        path = os.path.abspath(source)
        [paths] = cluster.ended(cluster.begun(partition_files, [path], spread=True))
        shown = [os.path.normpath(os.path.join(source, os.path.relpath(each, path))) for each in paths]
        n = len(paths)
        self._raw = cluster.begun(worker.part, paths, shown, [observations] * n, [settings] * n, spread=True)
        self._facts: list[worker.Facts] = cluster.asked(worker.facts, self._raw)
        for fact, name in zip(self._facts, shown, strict=True):
            check_header(name, fact.header, self._facts[0].header, 1)
        self.columns = len(self._facts[0].names)

    def dataset(self, needs: Requirements, settings: DataSettings, jobs: int | None = None) -> Dataset:
        """The rows as a fit that needs this works on them. Raises EmcliError."""
        names = self._facts[0].names

        def total(function: Callable[..., Any]) -> Any:
            return reduce(add, self._cluster.asked(worker.told, self._raw, [function] * len(self._raw)))

        try:
            rows = needs.check(needs.observations.summarize(total, names, needs.k, needs.rule, settings))
        except DataFault as fault:
            raise unfit(fault, self._source) from None
        if not rows.count:
            n = len(self._raw)
            placed = self._cluster.begun(worker.placed, self._raw, [needs.observations] * n, [rows] * n)
            sizes = self._cluster.asked(counted, placed)
            rows = Scattered.of(rows, Kept(self._cluster, placed), sizes).or_merged()
        facts = self._facts
        digest = sha256("".join(fact.digest for fact in facts).encode()).hexdigest()
        return Dataset(
            rows, shown_source(self._source), sum(fact.count for fact in facts), sum(fact.dropped for fact in facts),
            names, lambda: digest, None, None, (*_said(facts), *rows.cautions),
        )  # fmt: skip


def _said(facts: Sequence[worker.Facts]) -> list[FitWarning]:
    """The parts' cautions, each kind once, in the words of the first part that has it."""
    first: dict[str, str] = {}
    for fact in facts:
        for caution in fact.cautions:
            first.setdefault(caution.slug, caution.message)
    dropped = sum(fact.dropped for fact in facts)
    if dropped:
        first["dropped-rows"] = f"{dropped} row{'s' * (dropped > 1)} with missing values left out"
    return [FitWarning(slug, message) for slug, message in first.items()]
