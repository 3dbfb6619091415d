"""A cluster looked at each second: workers that stop answering are removed, and what is lost is known."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from distributed import Client

ANSWER_SECONDS = 4  # for a scheduler to answer
SILENT_SECONDS = 20  # without a heartbeat, which comes every half second (of a hundred workers every two)
WITHOUT_WORKERS_SECONDS = 8  # after which a fit is given up


class Heartbeats:
    """When each worker was last heard, by this machine's clock: the scheduler's time of it is only compared."""

    def __init__(self) -> None:
        self._heard: dict[str, tuple[object, float]] = {}

    def silent(self, seen: Mapping[str, object], now: float) -> list[str]:
        """The workers that were not heard for too long; `seen` has the scheduler's time of each, as it is now."""
        before = self._heard
        self._heard = {
            name: before[name] if name in before and before[name][0] == at else (at, now) for name, at in seen.items()
        }
        return [name for name, (_, since) in self._heard.items() if now - since > SILENT_SECONDS]


class Watch:
    """Looks at a cluster as long as its client lives, in the client's own loop of events."""

    def __init__(self, client: Client) -> None:
        self.lost = ""  # in words, what is lost
        self._client = client
        self._task = asyncio.run_coroutine_threadsafe(self._look(), client.loop.asyncio_loop)

    def end(self) -> None:
        """Look no more."""
        self._task.cancel()

    async def _look(self) -> None:
        heartbeats, since, missed = Heartbeats(), time.monotonic(), 0
        while not self.lost:
            await asyncio.sleep(1)
            try:
                found = await asyncio.wait_for(self._client.scheduler.identity(), ANSWER_SECONDS)
            except (OSError, TimeoutError) as error:
                missed += 1  # once may be for want of time in this process
                if missed > 1 or not isinstance(error, TimeoutError):
                    self.lost = "the scheduler is gone"
                continue
            missed = 0
            workers, now = found["workers"], time.monotonic()
            gone = heartbeats.silent({name: worker["last_seen"] for name, worker in workers.items()}, now)
            for name in gone:
                with suppress(OSError, TimeoutError):
                    what = self._client.scheduler.unregister(address=name, stimulus_id=f"emcli-silent-{now}")
                    await asyncio.wait_for(what, ANSWER_SECONDS)
            since = now if len(workers) > len(gone) else since
            if now - since > WITHOUT_WORKERS_SECONDS:
                self.lost = "all workers are gone"
