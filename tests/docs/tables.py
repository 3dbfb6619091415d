"""The tables of docs/ that follow from the code: keys, options, limits, constants and exit codes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import MISSING, fields
from functools import cache, partial
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, is_typeddict

from emcli.cli.schema import meanings
from emcli.config import experiment, settings
from emcli.config.documents import comparison, fit, schema, steps, types
from emcli.config.resolve import available
from emcli.data.table.cells import MISSING as MARKS
from emcli.data.trial_columns import HEADS, TAILS, TOSSES
from emcli.errors import Exit
from emcli.inference import runs
from emcli.models import MODELS, model_class

from . import constants
from .pages import ROOT

COMMANDS = ("fit", "steps", "compare", "predict", "generate", "explain", "examples", "schema")
OWN = [name for name, place in MODELS.items() if place.startswith("emcli.")]  # tests add one
NUMBERS = "a number, or lists of them"
KINDS = {kind for module in (fit, comparison, steps) for kind in vars(module).values() if is_typeddict(kind)}
WITHOUT_DEFAULT = {  # what it means that a setting is not given, in words
    "k": "must be given",
    "columns": "all that have no other use",
    "row_weights": "each row counts once",
    "heads": "named " + " or ".join(f"`{name}`" for name in HEADS),
    "tosses": "named " + ", ".join(f"`{name}`" for name in TOSSES),
    "tails": "named " + " or ".join(f"`{name}`" for name in TAILS),
    "flips": "named `flips`, or the only column",
    "solver": f"`newton`; `em` with k = 1 or more than {runs.MAX_NEWTON_PARAMETERS} parameters",
    "start": "drawn",
    "na": "the usual marks",
    "header": "detected",
    "delimiter": "detected",
    "decimal": "a point, or a comma where points group digits",
    "skip": "0",
}
EXITS = {
    Exit.DONE: "done",
    Exit.NOT_CONVERGED: "`--require-convergence`, and the best fit did not converge",
    Exit.USAGE: "the command line or the experiment file is wrong",
    Exit.DATA: "the data, or the JSON of a fit, cannot be read or are invalid",
    Exit.NO_FIT: "no fit: every start degenerated",
    Exit.OUTPUT: "the output cannot be written",
    Exit.BUG: "a bug",
}


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    cells_of = [titles, ["---"] * len(titles), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells_of)


def must_be(check: Callable[[object], object]) -> str:
    """What a check or a conversion takes, as its message says it."""
    try:
        check(object())
    except ValueError as error:
        return plainly(str(error).removeprefix("must be "))
    raise AssertionError("takes anything")


def plainly(words: str) -> str:
    """The words of a message without numbers that nobody reads."""
    words = words.replace(str(2**64 - 1), "2^64 - 1").replace("from 0 to 1000000000000000", "of at least 0")
    return re.sub("10{6,}", lambda found: f"10^{len(found[0]) - 1}", words).replace("a finite number", "a number")


def default_of(key: str) -> str:
    """The default of a setting that all models share."""
    for group in settings.GROUPS:
        for each in fields(group):
            if each.name == key and each.default is not MISSING and each.default is not None:
                return written(each.default)
    return WITHOUT_DEFAULT.get(key, "none")


def written(value: object) -> str:
    """A value as one types it."""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`".replace("1e-0", "1e-")


def own_defaults(key: str) -> dict[str, str]:
    """The default of each model that has an option, where it is the model's own."""
    found = {}
    for name in OWN:
        options = model_class(name).options
        if key in available(options):
            own = None if isinstance(options.get(key), settings.Narrowed) else options.get(key)
            found[name] = default_of(key) if own is None else written(own)
    return found


def fit_keys() -> str:
    """The keys of `fit:`, with what the option's help says of them."""
    rows = []
    for key in settings.DOCUMENT_KEYS:
        defaults = own_defaults(key)
        default = "; ".join(f"{name}: {value}" for name, value in defaults.items())
        if len(set(defaults.values())) == 1:
            default = next(iter(defaults.values()))
        models = "all" if len(defaults) == len(OWN) else ", ".join(defaults)
        rows.append([f"`{key}`", must_be(settings.CHECKS[key]), default, models, meanings()[key]])
    return table(["key", "value", "default", "models", "what it does"], rows)


def options_of(model: str) -> str:
    """The options that only some models have, those of one of them."""
    rows = []
    for key in ("k", *sorted(settings.OPTIONAL, key=list(settings.CHECKS).index)):
        if key in own_defaults_of(model):
            own = model_class(model).options.get(key)
            value = must_be(own.check if isinstance(own, settings.Narrowed) else settings.CHECKS[key])
            rows.append([f"`{settings.flag(key)}`", value, own_defaults(key)[model], meanings()[key]])
    return table(["option", "value", "default", "what it does"], rows)


def own_defaults_of(model: str) -> set[str]:
    return available(model_class(model).options)


def top_keys() -> str:
    return table(
        ["key", "value", "what it is"],
        [[f"`{key}`", must_be(check), schema.EXPERIMENT_MEANINGS[key]] for key, check in experiment.TOP.items()],
    )


def generate_keys() -> str:
    defaults = {
        each.name: each.default for each in fields(experiment.Simulation) if each.default not in (MISSING, None)
    }
    rows = [
        [
            f"`{key}`",
            must_be(check),
            written(defaults[key]) if key in defaults else "must be given" if key == "parameters" else "none",
            schema.GENERATE_MEANINGS[key],
        ]
        for key, check in experiment.GENERATE.items()
    ]
    return table(["key", "value", "default", "what it is"], rows)


def document_keys(kind: type) -> str:
    """The keys of a document's type, those that are not always there in words."""
    rows = [
        [f"`{name}`", type_in_words(key.kind), "yes" if key.needed else "", key.meaning]
        for name, key in types.keys(kind).items()
    ]
    return table(["key", "value", "required", "what it is"], rows)


def type_in_words(hint: Any) -> str:
    """The type of a key, as its check says it."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated and isinstance(arguments[1], types.Known):
        return "an object, of the keys of `fit:`"
    if origin is Annotated:
        return must_be(arguments[1]).replace("a mapping", "an object") if arguments[1] is not types.numbers else NUMBERS
    if origin in (Union, UnionType):
        return f"{type_in_words(arguments[0])}, or null"
    if origin is list:
        return f"a list: each {type_in_words(arguments[0])}"
    if origin is dict:
        return f"an object of parameters: {type_in_words(arguments[1])}"
    assert is_typeddict(hint)
    return "an object"


def help_of(command: str) -> str:
    """The page that `emcli COMMAND --help` prints."""
    return f"```text\n{help_pages()[command]}\n```"


@cache
def help_pages() -> dict[str, str]:
    """The help of each command, printed by one process in 80 columns."""
    each = "[(main(['help', name]), print(end='\\f')) for name in sys.argv[1:]]"
    script = f"import sys; from emcli.cli.app import main; {each}"
    env = {**os.environ, "COLUMNS": "80", "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run([sys.executable, "-c", script, *COMMANDS], capture_output=True, env=env, check=True)
    pages = done.stdout.decode().split("\f")[:-1]
    shown = ["\n".join(line.rstrip() for line in page.strip("\n").splitlines()) for page in pages]
    return dict(zip(COMMANDS, shown, strict=True))


def exit_codes() -> str:
    assert list(EXITS) == list(Exit)
    return table(["code", "meaning"], [[str(int(code)), meaning] for code, meaning in EXITS.items()])


def missing_marks() -> str:
    names = {"": "an empty cell", "\\n": "`\\N`"}
    marks = sorted(MARKS)
    return ", ".join(names.get(mark, f"`{mark.upper() if mark.isalpha() else mark}`") for mark in marks) + "."


TABLES: dict[str, Callable[[], str]] = {
    "fit keys": fit_keys,
    "experiment keys": top_keys,
    "generate keys": generate_keys,
    **{f"options of {name}": partial(options_of, name) for name in ("kmeans", "coins", "gmm")},
    **{f"keys of {kind.__name__}": partial(document_keys, kind) for kind in KINDS},
    "exit codes": exit_codes,
    **{f"help of {name}": partial(help_of, name) for name in COMMANDS},
    "missing marks": missing_marks,
    "limits": lambda: table(["limit", "value"], constants.limits()),
    "constants": lambda: table(["value", "what it is"], constants.constants()),
}
