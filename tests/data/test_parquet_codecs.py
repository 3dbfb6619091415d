"""Parquet of every compression: ordinary tables are read, and what expands is refused before it is decoded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_data import every_column

from emcli.data.table.read import read_table
from emcli.data.table.table import ColumnSelection, CsvDialect
from emcli.errors import EmcliError

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
CODECS = [name for name in ("none", "snappy", "gzip", "brotli", "zstd", "lz4")
          if name == "none" or pyarrow.Codec.is_available(name)]  # fmt: skip
DEEP = [name for name in CODECS if name in ("gzip", "brotli", "zstd")]  # the others expand 21- and 255-fold at most
BOMB = "expands more than 500-fold, as no data do"


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("codec", CODECS)
def test_an_ordinary_table_is_read(codec: str, version: str, tmp_path: Path) -> None:
    n, path = 3000, tmp_path / "x.parquet"
    numbers, texts = np.random.default_rng(1).standard_normal(n), [f"t{i % 7}" for i in range(n)]
    table = pyarrow.table({"a": numbers, "b": np.arange(n), "t": texts})
    parquet.write_table(table, path, compression=codec, data_page_version=version, row_group_size=700)
    found = read_table(str(path), CsvDialect(), lambda *_: ColumnSelection((0, 1), (2,)))
    assert found.numbers.tolist() == np.column_stack([numbers, np.arange(n)]).tolist()
    assert [list(column) for column in found.texts] == [texts]


def varint(number: int, width: int = 1) -> bytes:
    """Thrift's zigzag number, in at least `width` bytes."""
    groups = []
    number <<= 1
    while number or len(groups) < width:
        groups.append(number & 127 | 128)
        number >>= 7
    return bytes([*groups[:-1], groups[-1] & 127])


def lie(path: Path) -> None:
    """Let the footer tell that the first column takes 1000 bytes."""
    content = path.read_bytes()
    size = parquet.ParquetFile(path).metadata.row_group(0).column(0).total_uncompressed_size
    start = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    true = varint(size)
    assert content.count(true, start) == 1
    path.write_bytes(content[:start] + content[start:].replace(true, varint(1000, len(true))))
    assert parquet.ParquetFile(path).metadata.row_group(0).column(0).total_uncompressed_size == 1000


@pytest.mark.parametrize("codec", DEEP)
def test_a_cell_that_expands_is_refused_whatever_the_footer_tells(
    codec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.parquet"
    table = pyarrow.table({"a": ["x" * 70_000_000, "y"], "b": [1.0, 2.0]})
    parquet.write_table(table, path, compression=codec, use_dictionary=False, write_statistics=False)
    lie(path)
    refused_undecoded(path, BOMB, monkeypatch)


def refused_undecoded(path: Path, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def decoded(*_: Any, **__: Any) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(parquet.ParquetFile, "iter_batches", decoded)
    with pytest.raises(EmcliError, match=what):
        read_table(str(path), CsvDialect(), every_column)


@pytest.mark.parametrize("kind", ["string", "binary", "of a fixed length"])
@pytest.mark.parametrize("codec", CODECS)
def test_a_value_of_a_dictionary_counts_as_often_as_it_stands(codec: str, kind: str, tmp_path: Path) -> None:
    n, size, path = 20_000, 5_000, tmp_path / "x.parquet"
    of = {"string": pyarrow.string(), "binary": pyarrow.binary(), "of a fixed length": pyarrow.binary(size)}[kind]
    value = pyarrow.array([b"x" * size if kind != "string" else "x" * size], type=of)
    column = pyarrow.DictionaryArray.from_arrays(pyarrow.array(np.zeros(n, dtype=np.int32)), value)
    parquet.write_table(pyarrow.table({"a": column, "b": np.ones(n)}), path, compression=codec)
    assert path.stat().st_size < 50_000
    with pytest.raises(EmcliError, match=BOMB):
        read_table(str(path), CsvDialect(), every_column)


@pytest.mark.parametrize("kind", ["string", "binary"])
def test_values_that_share_a_prefix_are_not_read(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, values = tmp_path / "x.parquet", ["x" * 100_000] * 50
    table = pyarrow.table({"a": pyarrow.array(values, type=getattr(pyarrow, kind)()), "b": np.arange(50.0)})
    parquet.write_table(table, path, use_dictionary=False, column_encoding={"a": "DELTA_BYTE_ARRAY"})
    refused_undecoded(path, "column 'a' is in the encoding DELTA_BYTE_ARRAY, which is not read", monkeypatch)


@pytest.mark.parametrize("kind", ["list", "struct"])
def test_texts_in_lists_and_structures_are_bounded_too(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, n = tmp_path / "x.parquet", 2000
    texts = pyarrow.DictionaryArray.from_arrays(pyarrow.array(np.zeros(n, dtype=np.int32)), ["x" * 50_000])
    if kind == "list":
        column = pyarrow.ListArray.from_arrays(pyarrow.array([0, n - 1, n], type=pyarrow.int32()), texts)
    else:
        column = pyarrow.StructArray.from_arrays([texts], ["t"])
    parquet.write_table(pyarrow.table({"a": column, "b": np.arange(float(len(column)))}), path, store_schema=False)
    flat = read_table(str(path), CsvDialect(), lambda *_: ColumnSelection((1,), ()))
    assert flat.numbers[:, 0].tolist() == list(range(len(column)))
    refused_undecoded(path, "texts in lists or structures of 'a[.].*' that may expand without bound", monkeypatch)


def test_a_header_of_a_page_that_is_none_is_a_damaged_file(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    parquet.write_table(pyarrow.table({"a": np.arange(1000.0)}), path, use_dictionary=False)
    content = path.read_bytes()
    for at in range(4, 40):
        for byte in (0, 0xFF, content[at] ^ 0x10):
            path.write_bytes(content[:at] + bytes([byte]) + content[at + 1 :])
            try:
                assert read_table(str(path), CsvDialect(), every_column).numbers.shape == (1000, 1)
            except EmcliError as wrong:
                assert "damaged Parquet data" in str(wrong) or "expands more" in str(wrong)
