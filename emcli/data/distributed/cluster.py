"""Work sent to a Dask cluster, and a table whose partitions its workers read and keep; results come in order."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial, reduce
from hashlib import sha256
from itertools import cycle
from operator import add
from typing import TYPE_CHECKING, Any, TypeVar

from emcli.config.settings import DataSettings
from emcli.data.dataset import Dataset, unfit
from emcli.data.distributed import worker
from emcli.data.distributed.rows import DistributedRows
from emcli.data.distributed.watch import Watch
from emcli.data.identifiers import Tally, with_identifiers
from emcli.data.rows import DataFault, Observations, Requirements
from emcli.data.table.partitions import check_header, partition_files
from emcli.data.table.row_problems import dropped_rows
from emcli.data.table.table import numbers_of
from emcli.data.weights import with_weight_sums
from emcli.errors import EmcliError, Exit, FitWarning
from emcli.files.inputs import name_in_results

if TYPE_CHECKING:
    from distributed import Client, Future

T = TypeVar("T")


class Cluster:
    """A connection to a scheduler. Errors of workers, and the loss of the scheduler, are raised here."""

    def __init__(self, client: Client, address: str) -> None:
        self.client, self.address = client, address
        self._watch = Watch(client)

    def submit(
        self, function: Callable[..., object], *lists: Sequence[object], round_robin: bool = False
    ) -> list[Future]:
        """Handles of the results of a map, which stay on the workers: on those that hold the arguments, or in turn."""
        work = partial(worker.capture_errors, function)
        if not round_robin:
            handles: list[Future] = self.client.map(work, *lists, pure=False)
            return handles
        threads = self.result(self.client.scheduler.ncores)
        places = [name for name, count in sorted(threads.items()) for _ in range(count)]
        if not places:
            raise self._lost("all workers are gone")
        return [
            self.client.submit(work, *each, pure=False, workers=[place], allow_other_workers=True)
            for place, *each in zip(cycle(places), *lists, strict=False)
        ]

    def gather(self, handles: Sequence[Future]) -> list[Any]:
        """The results behind the handles, in order. Raises the first error among them; EmcliError if lost."""
        # One wait for work and transfer: a worker that dies in between sets the client waiting for it once more.
        found = list(self.result(lambda: self.client.gather(list(handles), asynchronous=True)))
        for each in found:
            if isinstance(each, worker.RemoteError):
                raise each.error
        return found

    def map(self, function: Callable[..., T], *lists: Sequence[object]) -> list[T]:
        """The results of a map over the workers, in order; handles among the arguments stand for what they hold."""
        return self.gather(self.submit(function, *lists))

    def result(self, ask: Callable[[], Awaitable[T]]) -> T:
        """What is asked for in the client's loop, however long it takes. Raises EmcliError if the cluster is lost."""

        async def answer() -> T:
            return await ask()

        with self._one_error():
            coming = asyncio.run_coroutine_threadsafe(answer(), self.client.loop.asyncio_loop)
            while True:
                try:
                    return coming.result(timeout=1)
                except TimeoutError:
                    if coming.done():
                        raise
                    if self._watch.lost:
                        coming.cancel()
                        raise self._lost(self._watch.lost) from None

    def close(self) -> None:
        """Look at the workers no more, and cancel all tasks."""
        self._watch.end()
        with suppress(Exception, asyncio.CancelledError):
            if self.client.status == "running" and not self._watch.lost:
                self.client.cancel(list(self.client.futures), force=True)

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
            if type(lost).__name__.endswith("CancelledError") or self.client.status != "running":
                raise self._lost("the scheduler is gone") from lost
            raise


class RemoteTable:
    """A table whose partitions the workers keep as they were read: one reading serves a whole grid of fits."""

    def __init__(self, cluster: Cluster, source: str, observations: Observations, settings: DataSettings) -> None:
        self._cluster, self._source = cluster, source
        self._tally: Tally | None = None  # of the whole table, once it was asked for
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
        first = self._summaries[0]
        self._names = tuple(first.header[column] for column in first.columns)
        self.columns = len(self._names)

    def dataset(self, needs: Requirements, settings: DataSettings, jobs: int | None = None) -> Dataset:
        """The rows as a fit that needs this works on them. Raises EmcliError."""
        names, first = self._names, self._summaries[0]

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
            try:
                rows = needs.placed(rows)
            except DataFault as fault:
                raise unfit(fault, self._source) from None
        dropped = sum(summary.dropped for summary in self._summaries)
        warnings = tuple(_reading_warnings(self._summaries, settings.missing))
        if needs.observations.are_measured:
            if self._tally is None:
                self._tally = total(lambda numbers, texts, weights: Tally.of(numbers))
            columns, header, has_header = first.columns, first.header, first.has_header
            warnings = with_identifiers(warnings, self._tally, columns, header, has_header, settings, dropped)
        digest = sha256("".join(summary.digest for summary in self._summaries).encode()).hexdigest()
        return Dataset(
            rows=rows,
            source=name_in_results(self._source),
            path=self._source,
            count=sum(summary.count for summary in self._summaries),
            dropped=dropped,
            columns=names,
            digest=lambda: digest,
            labels=None,
            row_weights=None,
            warnings=(*warnings, *rows.warnings),
            column_numbers=numbers_of(first.columns, first.header),
            missing=(sum(one.missing[0] for one in self._summaries), sum(one.missing[1] for one in self._summaries)),
        )


def _reading_warnings(summaries: Sequence[worker.PartitionSummary], missing: str) -> list[FitWarning]:
    """The partitions' warnings, each kind once, in the words of the first partition that has it."""
    first: dict[str, str] = {}
    for summary in summaries:
        for warning in summary.warnings:
            first.setdefault(warning.slug, warning.message)
    dropped = sum(summary.dropped for summary in summaries)
    if dropped:
        first["dropped-rows"] = dropped_rows(dropped, missing).message
    return [FitWarning(slug, message) for slug, message in first.items()]
