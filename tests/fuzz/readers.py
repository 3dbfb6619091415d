"""The readers of tables, of experiments and of saved fits: each takes or refuses any bytes; all else is found."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from bad_inputs import CATALOGUE, SAVED_COINS, SAVED_GMM, Bad
from conftest import ROOT, SAMPLES
from fuzzed_tables import same_both_ways

from emcli.config.experiment import read_experiment
from emcli.config.resolve import resolve_grid
from emcli.data.table.csv_writer import format_csv
from emcli.data.table.table import CsvDialect
from emcli.errors import EmcliError, FitWarning
from emcli.inference.predict import Form, predictions
from emcli.inference.result import dumps, read_fit
from emcli.models import MODELS, model_class

CHUNKS = (1, 7, 64, 1 << 20)
OPTIONS: Mapping[str, Sequence[object]] = {
    "delimiter": (None, None, None, ",", ";", "\t", " "),
    "header": (None, None, True, False),
    "comment": (None, None, "#", "1"),
    "missing": ("error", "drop", "keep"),
    "na": (None, None, ("1",), ("x", "2.50")),
    "decimal": (None, None, ".", ","),
    "thousands": (None, None, ",", ".", "'", " "),
    "skip": (None, None, 0, 1, 3),
}
FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None))


def read_table(data: bytes) -> None:
    """A table, both ways; the last bytes choose the options."""
    content, rest = data[:-4], int.from_bytes(data[-4:])
    given: dict[str, object] = {}
    for name, values in OPTIONS.items():
        rest, place = divmod(rest, len(values))
        given[name] = values[place]
    if given["decimal"] == given["thousands"]:
        given["thousands"] = None
    same_both_ways(content, CsvDialect(**given), CHUNKS[rest % len(CHUNKS)])  # type: ignore[arg-type]


def read_yaml(data: bytes) -> None:
    """An experiment, and the settings of the fits that it asks for."""
    path = FOLDER / "e.yaml"
    path.write_bytes(data)
    try:
        experiment = read_experiment(str(path), MODELS)
        kind = model_class(experiment.model)
        resolve_grid(kind.name, kind.options, {}, experiment.document, read_start=lambda name: {})
    except EmcliError as error:
        refused(error, 2)


def read_saved(data: bytes) -> None:
    """A saved fit, which is applied to rows and written again where it is taken."""
    path, new = FOLDER / "f.json", FOLDER / "x.csv"
    path.write_bytes(data)
    try:
        fit = read_fit(str(path))
        names = fit["data"]["columns"]
        new.write_text("".join(format_csv(names, [["1", "0", "HT"]] * len(names))), errors="surrogatepass")
        for piece in predictions(fit, str(path), str(new), CsvDialect(header=True), Form()):
            assert not isinstance(piece, str) or "nan" not in piece.lower() or "nan" in "".join(names).lower()
            assert isinstance(piece, str | tuple | FitWarning)
        dumps(fit)
    except EmcliError as error:
        refused(error, 2, 3)


def refused(error: EmcliError, *codes: int) -> None:
    """A refusal is a few lines that can be shown."""
    assert error.exit_code in codes and 1 <= len(error.lines()) <= 12
    assert all(line.isprintable() for line in error.lines()), error.lines()


READERS: Mapping[str, Callable[[bytes], None]] = {"csv": read_table, "yaml": read_yaml, "fit": read_saved}


def seeds(reader: str) -> Iterator[bytes]:
    """Inputs to begin with: samples, experiments, fits, and what the tests know to be bad."""
    cases = [case for row in CATALOGUE.values() for case in ([row] if isinstance(row, Bad) else row)]
    ending = {"csv": ".csv", "yaml": ".yaml", "fit": ".json"}[reader]
    for case in cases:
        given = [text for name, text in case.files.items() if name.endswith(ending)]
        given += [case.stdin] if reader == "csv" and case.stdin is not None else []
        yield from (text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text for text in given)
    if reader == "csv":
        yield from (path.read_bytes()[:600] + bytes(4) for path in SAMPLES.glob("*.csv"))
    elif reader == "yaml":
        yield from (path.read_bytes() for path in (ROOT / "configs").glob("*.yaml"))
    else:
        yield from (json.dumps(fit).encode() for fit in (SAVED_GMM, SAVED_COINS))
