"""Which workers of a cluster have stopped answering, by this machine's clock alone."""

from __future__ import annotations

from emcli.data.distributed.watch import SILENT_SECONDS, Heartbeats


def test_a_worker_is_silent_once_its_heartbeat_has_not_changed_for_so_long() -> None:
    heartbeats = Heartbeats()
    assert heartbeats.silent({"a": 5e9, "b": -1.0}, 100.0) == []  # the scheduler's clock may be any
    assert heartbeats.silent({"a": 5e9, "b": -2.0}, 100.0 + SILENT_SECONDS) == []
    assert heartbeats.silent({"a": 5e9, "b": -2.0}, 100.1 + SILENT_SECONDS) == ["a"]
    assert heartbeats.silent({"a": 6e9, "b": -2.0}, 100.2 + SILENT_SECONDS) == []


def test_a_worker_that_is_new_or_came_back_is_not_silent() -> None:
    heartbeats = Heartbeats()
    assert heartbeats.silent({"a": 1.0}, 0.0) == []
    assert heartbeats.silent({"b": 1.0}, 1000.0) == []
    assert heartbeats.silent({"a": 1.0, "b": 2.0}, 2000.0) == []
