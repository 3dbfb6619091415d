"""Large CSV: polars reads what numpy reads to the last bit, never more, and the table is all that memory must hold."""

from __future__ import annotations

import gzip
import io
import math
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from test_data import AUTO, DROP, REFUSED, almost_tables, columns, every_column, fault_of, outcome, read

from emcli import csvtext, fastcsv
from emcli.cells import Body, CsvOptions
from emcli.data import read_table
from emcli.models.points import rows

pytest.importorskip("polars")

bits = st.integers(0, 2**64 - 1).map(lambda word: float(np.uint64(word).view(np.float64))).filter(math.isfinite)
numerals = st.one_of(
    bits.map(repr),
    st.from_regex(r"[-+]?([0-9]{1,25}(\.[0-9]{0,25})?|\.[0-9]{1,25})([eE][-+]?[0-9]{1,3})?", fullmatch=True),
    st.text("0123456789+-.eE", max_size=6),
)


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fastcsv, "LARGE", 0)


def both(content: bytes, options: CsvOptions, choose: Any) -> tuple[Any, Any]:
    with pytest.MonkeyPatch.context() as patch:
        slow = outcome(content, options, choose)
        patch.setattr(fastcsv, "LARGE", 0)
        return outcome(content, options, choose), slow


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    almost_tables(),
    st.sampled_from([AUTO, DROP, *(CsvOptions(delimiter=d, header=h) for d in ",;\t" for h in (False, True))]),
    st.sampled_from([5, 16, 4 << 20]),
    st.sampled_from([every_column, columns(0)]),
)
@example(b"a,b\n1,2\n3\n4,5,6\n", AUTO, 4 << 20, every_column)
@example(b"a,b\n1,2\n3\n4,5,6\n", AUTO, 4 << 20, columns(0))
@example(b"a,b\n1,\n3,4\n", AUTO, 4 << 20, columns(0))
@example(b"a\n1\n\n3\n", AUTO, 4 << 20, every_column)
@example(b"a,b\n1,2\n\xef\xbb\xbf3,4\n", AUTO, 5, every_column)
def test_both_ways_of_reading_agree(content: bytes, options: CsvOptions, block: int, choose: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csvtext, "BLOCK", block)
        fast, slow = both(content, options, choose)
        assert fast == slow


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(numerals, numerals), min_size=1, max_size=8), st.sampled_from(["\n", "\r\n"]))
def test_every_spelling_of_a_number_has_the_same_bits_or_the_same_fault(cells: list[tuple[str, str]], end: str) -> None:
    fast, slow = both(("x,y" + end + end.join(map(",".join, cells))).encode(), AUTO, every_column)
    assert fast == slow


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize(("content", "line"), [case[1:3] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_nothing_is_corrected(content: bytes, line: str) -> None:
    assert [str(fault) for fault in fault_of(content).faults] == [line]


@pytest.mark.usefixtures("always")
def test_plain_numbers_do_take_the_fast_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(np, "loadtxt", None)
    monkeypatch.setattr(Body, "_by_row", None)
    for content in ("x,y\n1,2\n3,-4e5\n", "x\t y\r\n1\t2\r\n3\t-4e5\r\n\r\n", "1;2\n3;-4e5"):
        assert read(content).numbers.tolist() == [[1, 2], [3, -4e5]]


@pytest.mark.usefixtures("always")
def test_without_polars_numpy_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fastcsv, "_engine", None)
    monkeypatch.setitem(sys.modules, "polars", None)
    assert read("x,y\n1,2\n").numbers.tolist() == [[1, 2]]
    assert fastcsv._engine is False


@pytest.mark.parametrize("packed", [False, True])
def test_a_large_file_is_known_by_its_size_or_by_what_was_read(
    packed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    content = b"x,y\n" + b"1,2\n" * 1000
    path = tmp_path / "x.csv"
    path.write_bytes(gzip.compress(content) if packed else content)
    monkeypatch.setattr(fastcsv, "by_polars", lambda data, *_: asked.append(len(data)))
    monkeypatch.setattr(fastcsv, "LARGE", 3000)
    monkeypatch.setattr(csvtext, "BLOCK", 1000)
    monkeypatch.setattr(csvtext, "SAMPLE", 8)
    assert len(read_table(str(path), AUTO, every_column).numbers) == 1000
    assert len(asked) == (2 if packed else 5)
    asked.clear()
    read_table("-", AUTO, every_column, io.BytesIO(content))
    assert len(asked) == 2


def test_small_files_do_without_polars() -> None:
    script = "import sys; from emcli.cli import main; main(['fit', 'gmm', 'sample_data/faithful.csv', '-k', '1']); "
    script += "assert 'polars' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def test_jobs_bound_the_threads_of_polars() -> None:
    script = "from emcli import fastcsv; fastcsv.use_threads(1); import polars; print(polars.thread_pool_size())"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout == "1\n"


@given(st.lists(st.integers(0, 40), min_size=1, max_size=20), st.integers(0, 3), st.sampled_from([8, 64, 1 << 26]))
def test_rows_grow_in_place_and_keep_their_order(sizes: list[int], width: int, room: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fastcsv, "_ROOM", room)
        growing, whole = fastcsv.Growing(), np.arange(float(sum(sizes) * width)).reshape(sum(sizes), width)
        for piece in np.split(whole, np.cumsum(sizes)[:-1]):
            growing.append(piece)
        assert np.array_equal(growing.rows(), whole)


def test_preparing_rows_takes_little_more_memory_than_the_rows() -> None:
    numbers = np.random.default_rng(0).normal(size=(4_000_000, 2))
    tracemalloc.start()
    try:
        rows(numbers, None, ("x", "y"), 2, common=False)
        assert tracemalloc.get_traced_memory()[1] < 1.5 * numbers.nbytes
    finally:
        tracemalloc.stop()
