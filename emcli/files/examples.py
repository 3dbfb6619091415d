"""The examples that come with emcli: experiments and data sets, found by name wherever it is installed."""

from __future__ import annotations

import os
import re
import shutil
import tempfile

from emcli.errors import EmcliError, Exit, Problem
from emcli.files.inputs import reason

EXPERIMENTS, DATA_SETS = "configs", "sample_data"  # folders of the repository, packaged as emcli/examples
ABOUT = os.path.join(DATA_SETS, "README.md")
ROW = r"\| `(\w+)\.csv` \| (.*?) \| (.*?) \|"


def experiment_path(word: str) -> str:
    """The file of the experiment that a word names, unless it is a file itself; else the word."""
    return word if os.path.exists(word) else _path(word, EXPERIMENTS, ".yaml")


def data_path(word: str) -> str:
    """The file of the data set that a word names, unless it is a file itself; else the word."""
    return word if os.path.exists(word) else data_set(word)


def data_set(word: str) -> str:
    """The file of the data set that a word names; else the word."""
    return _path(word, DATA_SETS, ".csv")


def _path(word: str, folder: str, ending: str) -> str:
    if not re.fullmatch(r"\w+", word):
        return word
    path = os.path.join(home(), folder, word + ending)
    return path if os.path.isfile(path) else word


def shown(path: str) -> str:
    """A path in headings: of an example that was found by name, its file name, and that it is an example."""
    folders = tuple(os.path.join(home(), folder, "") for folder in (EXPERIMENTS, DATA_SETS))
    return f"{os.path.basename(path)} (example)" if path.startswith(folders) else path


def word_of(path: str) -> str:
    """What a data set is called on the command line: by its name where it is an example, else by its path."""
    name = os.path.splitext(os.path.basename(path))[0]
    return name if os.path.abspath(data_path(name)) == os.path.abspath(path) else path


def names() -> list[str]:
    """The names of the experiments."""
    return _named(EXPERIMENTS, ".yaml")


def experiments() -> dict[str, str]:
    """What each experiment is, in a sentence, by name: the comment that it begins with."""
    found = {}
    for name in names():
        with open(os.path.join(home(), EXPERIMENTS, f"{name}.yaml"), encoding="utf-8") as file:
            comment = re.match("(#.*\n)*", file.read())
        assert comment is not None
        found[name] = _sentence(" ".join(comment[0].replace("#", " ").split()))
    return found


def data_sets() -> dict[str, str]:
    """What each data set is, by name: what the table beside them says; those that an experiment draws are its own."""
    with open(os.path.join(home(), ABOUT), encoding="utf-8") as file:
        about = {name: f"{_sentence(text)} ({rows} rows)" for name, rows, text in re.findall(ROW, file.read())}
    about |= {name: f"the rows of the experiment {name}" for name in names()}
    return {name: about[name] for name in _named(DATA_SETS, ".csv")}


def copy_into(folder: str) -> list[str]:
    """Copy all examples into a folder, which must be new or empty, all or none; the paths of the two folders there.

    Raises EmcliError (exit 5).
    """
    target = os.path.abspath(folder)
    try:
        with tempfile.TemporaryDirectory(prefix=".emcli-", dir=os.path.dirname(target)) as made:
            for part in (EXPERIMENTS, DATA_SETS):
                shutil.copytree(os.path.join(home(), part), os.path.join(made, "all", part))
            os.rename(os.path.join(made, "all"), target)  # over an empty folder too, and over nothing else
    except OSError as wrong:
        hint = "name a new folder" if os.path.exists(target) else None
        raise EmcliError(Exit.OUTPUT, Problem(reason(wrong), folder or "''"), hint=hint) from None
    return [os.path.join(folder, part) for part in (EXPERIMENTS, DATA_SETS)]


def home() -> str:
    """The folder of the examples: in the package where it is installed, beside it in the repository."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    inside = os.path.join(package, "examples")
    return inside if os.path.isdir(inside) else os.path.dirname(package)


def _named(folder: str, ending: str) -> list[str]:
    found = os.listdir(os.path.join(home(), folder))
    return sorted(name.removesuffix(ending) for name in found if name.endswith(ending))


def _sentence(text: str) -> str:
    """The first sentence of a text, without its full stop; those after initials end none."""
    return re.split(r"(?<![A-Z])[.](?: |$)", text, maxsplit=1)[0]
