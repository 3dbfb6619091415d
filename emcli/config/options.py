"""The options that describe a fit: one table for command line, experiment file, `settings` and help."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

DELIMITERS = {"tab": "\t", r"\t": "\t", "space": " ", "comma": ",", "semicolon": ";", "pipe": "|"}
COVARIANCES = ("full", "tied", "diag", "spherical")
MIXINGS = ("free", "equal")
INITS = ("k-means++", "random")
SOLVERS = ("newton", "em")
MISSING = ("error", "drop")

Parse = Callable[[Any], Any]  # a typed value; ValueError says what it must be


def must(be: str, holds: Callable[[Any], bool], convert: Parse = lambda value: value) -> Parse:
    """A parser of the values for which something holds."""

    def parse(value: Any) -> Any:
        if not holds(value):
            raise ValueError(f"must be {be}")
        return convert(value)

    return parse


def integer(low: int, high: int) -> Parse:
    """An integer in a closed range; 3.0 and true are none."""
    return must(f"an integer from {low} to {high}", lambda value: type(value) is int and low <= value <= high)


def one_of(choices: Sequence[str]) -> Parse:
    """One of some words."""
    return must(f"one of {', '.join(choices)}", lambda value: isinstance(value, str) and value in choices)


def a_character(value: Any) -> bool:
    """Is it one character that is no part of a number or a quoted cell?"""
    return isinstance(value, str) and len(value) == 1 and not value.isalnum() and value not in '.+-"\r\n'


# Whether a column is given by name or by 1-based number is for the data to say: a header may hold numbers.
column = must(
    "a column's name or number", lambda value: type(value) is int or (isinstance(value, str) and value != ""), str
)


def columns(value: Any) -> tuple[str, ...]:
    """Columns from a list, or from text with commas, where quotes protect a comma: A,"B,C"."""
    import csv

    try:
        listed = value if isinstance(value, list) else next(csv.reader([column(value)], strict=True))
        names = tuple(column(name.strip() if isinstance(name, str) else name) for name in listed)
    except (ValueError, csv.Error):
        raise ValueError("must be columns' names or numbers with commas between") from None
    if not names or len(set(names)) < len(names):
        raise ValueError("must name at least one column, and each once")
    return names


positive = must(
    "a finite number above 0", lambda value: type(value) in (int, float) and 0 < value <= sys.float_info.max, float
)
boolean = must("true or false", lambda value: isinstance(value, bool))
delimiter = must(
    "one character that is no part of a number, or tab, space, comma, semicolon or pipe",
    lambda value: isinstance(value, str) and a_character(DELIMITERS.get(value, value)),
    lambda value: DELIMITERS.get(value, value),
)


def size(value: Any) -> int:
    """Bytes from text such as 500MB, 1.5GB, 2GiB or 1000000."""
    import re

    found = re.fullmatch("([0-9]{1,15}(?:[.][0-9]{1,9})?) *(?:([kMGT])(i?))?B?", str(value), re.IGNORECASE)
    if not found:
        raise ValueError("must be a size such as 500MB or 2GB")
    unit = (1024 if found[3] else 1000) ** (" kmgt".index(found[2].lower()) if found[2] else 0)
    bytes_ = int(float(found[1]) * unit)
    if not 0 < bytes_ < 2**63:
        raise ValueError("must be more than no bytes, and fewer than 2^63")
    return bytes_


comment = must("one character that begins no number", lambda value: a_character(value) and not value.isspace())
parameters = must(
    "a mapping of parameters, or the name of a file", lambda value: isinstance(value, dict | str) and bool(value)
)


scheduler = must(
    "tcp://HOST:PORT, tls://HOST:PORT or local:N",
    lambda value: (
        isinstance(value, str) and bool(re.fullmatch(r"(tcp|tls)://[^\s/]+:[0-9]{1,5}|local:[1-9][0-9]{0,2}", value))
    ),
)


@dataclass(frozen=True)
class Option:
    """One option: how it is called in the experiment file and on the command line, and what it takes."""

    key: str
    flag: str
    short: str | None
    metavar: str
    group: str  # data | model | starts
    help: str
    parse: Parse
    default: Any = None
    choices: Sequence[str] = ()
    typed: bool = False  # the command line's text means what it would mean in YAML: 3 is a number
    listable: bool = False  # compare takes several
    common: bool = True  # every model has it
    in_yaml: bool = True
    absence: str = ""  # why a model does not have it

    @property
    def name(self) -> str:
        """What the command line's messages call it."""
        return self.short or self.flag.split("/")[0]

    @property
    def switch(self) -> bool:
        """Is it given without a value?"""
        return self.metavar == ""


OPTIONS: tuple[Option, ...] = (
    Option("k", "--components", "-k", "N", "model", "number of clusters, coins or Gaussians", integer(1, 10**4),
           typed=True, listable=True),
    Option("columns", "--columns", None, "A,B", "data", "columns to use, by name or number", columns),
    Option("row_weights", "--row-weights", None, "NAME", "data", "column of row frequencies", column),
    Option("heads", "--heads", None, "NAME", "data", "column of heads counts", column, common=False),
    Option("tosses", "--tosses", None, "NAME", "data", "column of toss counts", column, common=False),
    Option("tails", "--tails", None, "NAME", "data", "column of tails counts, instead of tosses", column, common=False),
    Option("flips", "--flips", None, "NAME", "data", "column of strings such as HTTH or 0110", column, common=False),
    Option("covariance", "--covariance", None, "|".join(COVARIANCES), "model", "shape of the covariances",
           one_of(COVARIANCES), choices=COVARIANCES, listable=True, common=False),
    Option("mixing", "--mixing", None, "|".join(MIXINGS), "model", "mixing weights estimated, or fixed at 1/k",
           one_of(MIXINGS), choices=MIXINGS, listable=True, common=False),
    Option("standardize", "--standardize", None, "", "model", "let all columns count the same: divide each by its sd",
           boolean, False, typed=True, common=False),
    Option("init", "--init", None, "|".join(INITS), "starts", "how starts are drawn", one_of(INITS), "k-means++",
           choices=INITS, listable=True),
    Option("restarts", "--restarts", None, "N", "starts", "independent starts", integer(1, 10**6), 10, typed=True),
    Option("seed", "--seed", None, "N", "starts", "all starts derive from it", integer(0, 2**64 - 1), 0, typed=True),
    Option("tol", "--tol", None, "X", "starts", "stop when less than X nats are left to gain", positive,
           1e-6, typed=True),
    Option("max_iter", "--max-iter", None, "N", "starts", "bound on the iterations of one start", integer(1, 10**9),
           10_000, typed=True),
    Option("solver", "--solver", None, "newton|em", "starts", "plain EM, or Newton steps where EM grows slow (chosen)",
           one_of(SOLVERS), choices=SOLVERS, common=False),
    Option("start", "--start", None, "FILE", "starts", "start values: a fit's JSON, or YAML parameters", parameters),
    Option("bootstrap", "--bootstrap", None, "N", "starts", "errors of the parameters from N refits of drawn data",
           integer(20, 10**6), typed=True, common=False,
           absence="it draws from a fitted likelihood, which hard assignments do not have"),
    Option("truth", "--truth", None, "NAME", "data", "column of true labels, kept out of the fit", column),
    Option("missing", "--missing", None, "|".join(MISSING), "data", "rows with missing cells", one_of(MISSING),
           "error", choices=MISSING),
    Option("delimiter", "--delimiter", None, "C", "data", "character between cells (default: detected)", delimiter),
    Option("header", "--header/--no-header", None, "", "data", "is the first row a header (default: detected)",
           boolean, typed=True),
    Option("comment", "--comment", None, "C", "data", "character that begins a comment line", comment),
    Option("jobs", "--jobs", None, "N", "starts", "cores to use; never changes a byte of the result", integer(1, 1024),
           typed=True, in_yaml=False),
    Option("memory", "--memory", None, "SIZE", "data", "larger tables go to disk (500MB, 2GB; default: half)", size,
           in_yaml=False),
    Option("scheduler", "--scheduler", None, "tcp://HOST:PORT|local:N", "data",
           "a Dask cluster, or N workers here, that read DATA's parts", scheduler, in_yaml=False),
)  # fmt: skip
BY_KEY = {option.key: option for option in OPTIONS}
EXCLUDES = (("flips", "heads"), ("flips", "tosses"), ("flips", "tails"), ("tails", "tosses"))
