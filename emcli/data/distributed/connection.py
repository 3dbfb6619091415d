"""Connections to a Dask cluster: to one that runs, or to workers started here; anything else is told at once."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from emcli import __version__
from emcli.data.distributed import local, worker
from emcli.data.distributed.cluster import Cluster
from emcli.data.distributed.watch import ANSWER_SECONDS
from emcli.errors import EmcliError, Exit, quoted, to_install

MAX_GREETING = 1 << 16  # bytes of a scheduler's first message, which is some hundred


@contextmanager
def connect(address: str) -> Iterator[Cluster]:
    """A cluster for as long as the context lasts; its tasks are cancelled at the end. Raises EmcliError (exit 2)."""
    try:
        import dask
        import distributed
    except ImportError:
        raise EmcliError(
            Exit.USAGE, "'--scheduler' needs the Python package dask", hint=to_install("dask[distributed]", "dask")
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
                asyncio.run(asyncio.wait_for(_greet(address), ANSWER_SECONDS))
            client = distributed.Client(at, timeout=ANSWER_SECONDS)
        except EmcliError:
            raise
        except Exception as error:  # whatever listens there may say anything
            what = f"no scheduler answers at {address}"
            raise EmcliError(Exit.USAGE, what, hint="is `dask scheduler` running there?") from error
        stack.callback(lambda: local.attempt(partial(client.close, timeout=1)))
        cluster = Cluster(client, address)
        stack.callback(cluster.close)
        _check_environments(cluster)
        yield cluster


async def _greet(address: str) -> None:
    """Make sure that a scheduler listens there: a client would wait for ever, or take any memory. Raises Exception."""
    from distributed import Security
    from distributed.comm import connect

    scheme, _, place = address.partition("://")
    if scheme == "tcp":
        await _hear(place)
    how = Security().get_connection_args("client")
    comm = await connect(address, timeout=ANSWER_SECONDS, **how)
    await comm.write({"op": "identity", "reply": True})
    found = await comm.read()
    await comm.close()
    if found["type"] != "Scheduler":
        raise OSError(f"a {quoted(found['type'])} listens there")


async def _hear(place: str) -> None:
    """Hear the first message out, whose length comes before it. Raises OSError where it is no scheduler's."""
    host, _, port = place.rpartition(":")
    reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    try:
        size = int.from_bytes(await reader.readexactly(8), "little")
        if not 0 < size <= MAX_GREETING:
            raise OSError("no message of a scheduler")
        message = await reader.readexactly(size)
        lengths = [int.from_bytes(message[i : i + 8], "little") for i in range(0, len(message) // 8 * 8, 8)]
        if sum(lengths[1 : 1 + lengths[0]]) > MAX_GREETING:
            raise OSError("no message of a scheduler")
    finally:
        writer.close()


def _check_environments(cluster: Cluster) -> None:
    """Raise EmcliError (exit 2) where there are no workers, or they would not give the same bytes."""
    client, address = cluster.client, cluster.address
    try:
        client.wait_for_workers(1, timeout=ANSWER_SECONDS)
    except (OSError, TimeoutError):
        raise EmcliError(Exit.USAGE, f"{address} has no workers", hint="start some with `dask worker`") from None
    theirs = cluster.result(client.get_versions)  # of those that answer
    ours = theirs["client"]["packages"]
    for name, them in sorted({"scheduler": theirs["scheduler"], **theirs["workers"]}.items()):
        for package in ("python", "distributed", "numpy"):
            mine, other = ours[package], them["packages"].get(package)
            if package == "python":
                mine, other = (".".join(str(version).split(".")[:2]) for version in (mine, other))
            if mine != other and not (name == "scheduler" and package == "numpy"):
                raise _mismatch(name, f"{package} {other}", str(mine))
    answering = list(theirs["workers"])
    found = cluster.result(lambda: client.run(worker.version, workers=answering, on_error="return"))
    for name, other in sorted(found.items()):
        if isinstance(other, OSError):  # it stopped answering since
            continue
        if isinstance(other, Exception):
            raise EmcliError(Exit.USAGE, f"the workers of {address} have no emcli to run: {quoted(other, 80)}")
        if other != __version__:
            raise _mismatch(name, f"emcli {other}", __version__)


def _mismatch(name: str, theirs: str, mine: str) -> EmcliError:
    who = name if name == "scheduler" else f"worker {name}"
    return EmcliError(Exit.USAGE, f"the {who} has {theirs}, but here it is {mine}", hint="install the same everywhere")
