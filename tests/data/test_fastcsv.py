"""Large CSV: Arrow reads what numpy reads to the last bit, never more, and the table is all that memory must hold."""

from __future__ import annotations

import gzip
import io
import math
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_data import AUTO, DROP, REFUSED, almost_tables, columns, every_column, fault_of, outcome, read

from emcli.compute import arrays
from emcli.config.settings import DataSettings
from emcli.data.points import POINTS
from emcli.data.rows import Columns
from emcli.data.scaling import ScalingRule
from emcli.data.table import arrow, numeric_chunks
from emcli.data.table.read import read_table
from emcli.data.table.table import CsvDialect, ReadSizes
from emcli.data.table.table_builder import TableBuilder
from emcli.errors import EmcliError

pytest.importorskip("pyarrow")

bits = st.integers(0, 2**64 - 1).map(lambda word: float(np.uint64(word).view(np.float64))).filter(math.isfinite)
numerals = st.one_of(
    bits.map(repr),
    st.from_regex(r"[-+]?([0-9]{1,25}(\.[0-9]{0,25})?|\.[0-9]{1,25})([eE][-+]?[0-9]{1,3})?", fullmatch=True),
    st.text("0123456789+-.eE", max_size=6),
)


ALWAYS = CsvDialect(sizes=ReadSizes(arrow=0))  # Arrow however small the table


def both(content: bytes, dialect: CsvDialect, choose: Any, chunk: int = 2 << 20) -> tuple[Any, Any]:
    small, large = (replace(dialect, sizes=ReadSizes(chunk=chunk, arrow=arrow)) for arrow in (1 << 30, 0))
    return outcome(content, large, choose), outcome(content, small, choose)


@settings(max_examples=100, deadline=None)
@given(
    almost_tables(),
    st.sampled_from([AUTO, DROP, *(CsvDialect(delimiter=d, header=h) for d in ",;\t" for h in (False, True))]),
    st.sampled_from([5, 16, 4 << 20]),
    st.sampled_from([every_column, columns(0)]),
)
@example(b"a,b\n1,2\n3\n4,5,6\n", AUTO, 4 << 20, every_column)
@example(b"a,b\n1,2\n3\n4,5,6\n", AUTO, 4 << 20, columns(0))
@example(b"a,b\n1,\n3,4\n", AUTO, 4 << 20, columns(0))
@example(b"a\n1\n\n3\n", AUTO, 4 << 20, every_column)
@example(b"a,b\n1,2\n\xef\xbb\xbf3,4\n", AUTO, 5, every_column)
def test_both_ways_of_reading_agree(content: bytes, dialect: CsvDialect, chunk: int, choose: Any) -> None:
    fast, slow = both(content, dialect, choose, chunk)
    assert fast == slow


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(numerals, numerals), min_size=1, max_size=8), st.sampled_from(["\n", "\r\n"]))
def test_every_spelling_of_a_number_has_the_same_bits_or_the_same_fault(cells: list[tuple[str, str]], end: str) -> None:
    fast, slow = both(("x,y" + end + end.join(map(",".join, cells))).encode(), AUTO, every_column)
    assert fast == slow


@pytest.mark.parametrize(("content", "line"), [case[1:3] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_nothing_is_corrected(content: bytes, line: str) -> None:
    assert [str(fault) for fault in fault_of(content, ALWAYS).problems] == [line]


def test_plain_numbers_do_take_the_fast_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(np, "loadtxt", None)
    monkeypatch.setattr(TableBuilder, "add_rows", None)
    for content in ("x,y\n1,2\n3,-4e5\n", "x\t y\r\n1\t2\r\n3\t-4e5\r\n\r\n", "1;2\n3;-4e5"):
        assert read(content, ALWAYS).numbers.tolist() == [[1, 2], [3, -4e5]]


def test_without_arrow_numpy_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    arrow.load_arrow.cache_clear()
    try:
        assert read("x,y\n1,2\n", ALWAYS).numbers.tolist() == [[1, 2]]
        assert arrow.load_arrow() is None
    finally:
        arrow.load_arrow.cache_clear()


@pytest.mark.parametrize("packed", [False, True])
def test_a_large_file_is_known_by_its_size_or_by_what_was_read(
    packed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    content = b"x,y\n" + b"1,2\n" * 1000
    path = tmp_path / "x.csv"
    path.write_bytes(gzip.compress(content) if packed else content)
    monkeypatch.setattr(numeric_chunks, "_parse_by_arrow", lambda data, *_: asked.append(len(data)))
    dialect = CsvDialect(sizes=ReadSizes(chunk=1000, sample=8, arrow=3000))
    assert len(read_table(str(path), dialect, every_column).numbers) == 1000
    assert len(asked) == (2 if packed else 5)
    asked.clear()
    read_table("-", dialect, every_column, io.BytesIO(content))
    assert len(asked) == 2


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_a_large_file_is_the_same_for_any_jobs_and_its_faults_are_where_they_are(jobs: int, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    values = np.random.default_rng(1).normal(size=(30_000, 2)).round(6)
    lines = ["x,y", *(f"{x},{y}" for x, y in values.tolist())]
    path.write_text("\n".join(lines))
    dialect = CsvDialect(jobs=jobs, sizes=ReadSizes(chunk=1 << 17, arrow=1 << 18))
    assert path.stat().st_size > dialect.sizes.arrow
    assert np.array_equal(read_table(str(path), dialect, every_column).numbers, values)
    lines[25_000], lines[28_000] = "1,one", "2"
    path.write_text("\n".join(lines))
    with pytest.raises(EmcliError) as caught:
        read_table(str(path), dialect, every_column)
    assert [str(fault).partition(":")[2][:24] for fault in caught.value.problems] == [
        "25001:2: cannot read 'on",
        "28001: 1 field, expected",
    ]


def test_small_files_do_without_arrow() -> None:
    script = "import sys; from emcli.cli.app import main; main(['fit', 'gmm', 'sample_data/faithful.csv', '-k', '1']); "
    script += "assert 'pyarrow' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=20),
    st.integers(0, 3),
    st.sampled_from([8, 64, 1 << 26]),
    st.sampled_from([0, 1, 30, 10_000]),
)
def test_rows_grow_in_place_and_keep_their_order(sizes: list[int], width: int, room: int, expected: int) -> None:
    rows_so_far = arrays.GrowingArray(room)
    whole = np.arange(float(sum(sizes) * width)).reshape(sum(sizes), width)
    for piece in np.split(whole, np.cumsum(sizes)[:-1]):
        rows_so_far.append(piece, expected)
    assert np.array_equal(rows_so_far.rows(), whole)


def test_preparing_rows_takes_little_more_memory_than_the_rows() -> None:
    numbers = np.random.default_rng(0).normal(size=(4_000_000, 2))
    tracemalloc.start()
    try:
        POINTS.prepare(Columns(numbers, [], None, ("x", "y")), 2, ScalingRule.EACH_COLUMN, DataSettings())
        assert tracemalloc.get_traced_memory()[1] < 1.5 * numbers.nbytes
    finally:
        tracemalloc.stop()
