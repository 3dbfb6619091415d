"""Documents of any size: memory is bounded by their bytes before they are parsed, and work is linear in them."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from time import process_time
from typing import Any

import pytest
from bad_inputs import SAVED_GMM as GMM

from emcli.compute import memory
from emcli.config.documents.fit import FitDocument
from emcli.config.documents.problems import problems
from emcli.config.saved_fit import bytes_needed, parsed, refuse_wrong
from emcli.errors import EmcliError
from emcli.types import JSON

MANY = 20_000
TEXTS = {
    "empty mappings": "[" + ",".join(["{}"] * MANY) + "]",
    "empty lists": "[" + ",".join(["[]"] * MANY) + "]",
    "lists in lists": "[" + ",".join(["[[1]]"] * MANY) + "]",
    "mappings in mappings": "[" + ",".join(['{"":{}}'] * MANY) + "]",
    "lists in mappings": "[" + ",".join(['{"":[]}'] * MANY) + "]",
    "one mapping": json.dumps({f"k{i}": f"v{i}" for i in range(MANY)}, separators=(",", ":")),
    "mappings of many keys": json.dumps([{f"a{i}": 1, f"b{i}": 2.5, f"c{i}": None} for i in range(MANY)]),
    "floats": "[" + ",".join(["1e9"] * MANY) + "]",
    "integers": json.dumps(list(range(10**9, 10**9 + MANY)), separators=(",", ":")),
    "short texts": json.dumps([f"{i}" for i in range(MANY)], separators=(",", ":")),
    "one text": json.dumps("x" * 10**6),
    "a wide text": json.dumps("\U0001f600" + "x" * 10**6, ensure_ascii=False),
    "a text that an escape makes wide": json.dumps("\U0001f600" + "x" * 10**6),
}


@pytest.mark.parametrize("name", TEXTS)
def test_parsing_takes_no_more_memory_than_its_bytes_tell(name: str) -> None:
    content = TEXTS[name].encode()
    tracemalloc.start()
    try:
        kept = parsed(content, "x.json")
        peak = tracemalloc.get_traced_memory()[1] + len(content)
    finally:
        tracemalloc.stop()
    assert kept is not None
    assert peak < bytes_needed(content) < 12 * peak


def test_a_trace_is_not_thought_to_be_much_larger_than_it_is() -> None:
    steps = [{"iteration": i, "log_likelihood": -1234.5678 + i, "step": "em"} for i in range(MANY)]
    content = json.dumps({**GMM, "trace": steps}).encode()
    assert bytes_needed(content) < 20 * len(content)


def test_a_document_that_would_not_fit_is_refused_before_it_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    content = b"[" + b"[]," * 10**6 + b"[]]"
    monkeypatch.setattr(memory, "free", lambda: 50 * 10**6)
    with pytest.raises(EmcliError, match=r"not enough memory for a document of 3 MB: it takes .* MB, and 50 MB"):
        parsed(content, "x.json")


def doubled(n: int) -> str:
    return "{" + ",".join(f'"key{i}":1,"key{i}":1' for i in range(n)) + "}"


def wrong(n: int) -> str:
    return json.dumps({**GMM, "trace": [{"iteration": -1, "log_likelihood": "x"}] * (n // 4)})


def no_numbers(n: int) -> str:
    return json.dumps({**GMM, "parameters": {"means": [None] * n}})


def seconds(content: bytes) -> float:
    before = process_time()
    try:
        value = parsed(content, "x.json")
        refuse_wrong(problems(FitDocument, value), "x.json")
    except EmcliError:
        pass
    return process_time() - before


@pytest.mark.parametrize("made", [doubled, wrong, no_numbers])
def test_work_is_linear_in_a_document(made: Callable[[int], str], without_collection: None) -> None:
    short, long = (min(seconds(made(n).encode()) for _ in range(3)) for n in (2_500, 20_000))
    assert long < 24 * short  # 8 times; 64 if it were quadratic


def test_all_that_is_wrong_is_counted_and_ten_are_told() -> None:
    document: Any = {**GMM, "parameters": {"means": [None] * 500}}
    with pytest.raises(EmcliError) as caught:
        refuse_wrong(problems(FitDocument, document), "x.json")
    assert len(caught.value.problems) == 10
    assert caught.value.unsaid == 490
    right: JSON = dict(GMM)
    refuse_wrong(problems(FitDocument, right), "x.json")
