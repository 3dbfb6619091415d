"""Every command in docs/ runs, shows what it prints, and every link and table in them is right."""

from __future__ import annotations

import math
import re
import shutil
from pathlib import Path

import pytest
import typer.main
from conftest import run_here

from emcli.cli.app import app
from emcli.models import model_class
from emcli.models.parameters import ParameterFault

from .pages import PAGES, ROOT, Block, anchors, blocks, links, tabled, without_blocks
from .shell import is_excerpt, lines, run_line, stated_code
from .tables import EXITS, TABLES

OTHERS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "sample_data/README.md")]
TEXTS = {path: path.read_text() for path in [*PAGES, *OTHERS]}
FOREIGN = {"--user", "--git"}  # options of other programs that pages name
NUMBER = re.compile(r"-?\d+\.\d+")
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def run_page(page: Path, folder: Path, slow: bool) -> None:
    """Run a page's commands in order, and compare what they print with what it shows."""
    assert run_here(["examples", str(folder)]).returncode == 0
    printed: tuple[str, str] | None = None
    for block in blocks(TEXTS[page]):
        where = f"{page.name}:{block.line}"
        if block.kind == "sh":
            printed = None if block.slow and not slow else commands(block, folder, where)
        elif block.kind == "text":
            if printed is not None:
                out, err = printed
                assert is_excerpt(block.text, err + out) or is_excerpt(block.text, out + err), f"{where}: {err}{out}"
        elif block.name:
            (folder / block.name).write_text(block.text)


def commands(block: Block, folder: Path, where: str) -> tuple[str, str] | None:
    """Run the lines of a block; both outputs of them all, None where one of them needs jq and there is none."""
    out = err = ""
    if "jq " in block.text and shutil.which("jq") is None:
        return None
    for line in lines(block.text):
        done = run_line(line, folder)
        assert done.code == stated_code(line), f"{where}: {line}: exit {done.code}\n{done.err}"
        out, err = out + done.out, err + done.err
    return out, err


@each_page
def test_the_commands_of_a_page_run_and_print_what_it_shows(page: Path, tmp_path: Path) -> None:
    run_page(page, tmp_path / "here", slow=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(block.slow for block in blocks(TEXTS[page]))], ids=lambda page: page.stem
)
def test_the_slow_commands_of_a_page_run_too(page: Path, tmp_path: Path) -> None:
    run_page(page, tmp_path / "here", slow=True)


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: page.stem)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for link in links(TEXTS[page]):
        if "://" in link or link.startswith("mailto:"):
            continue
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        assert target.exists(), link
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target.read_text()), link


@each_page
def test_the_tables_of_a_page_are_those_of_the_code(page: Path) -> None:
    assert tabled(TEXTS[page], TABLES) == TEXTS[page], "run `make docs`"


def test_every_table_stands_in_some_page() -> None:
    used = re.findall(r"<!-- table: (.+?) -->", "".join(TEXTS[page] for page in PAGES))
    assert sorted(used) == sorted(TABLES)


@each_page
def test_every_option_that_a_page_names_is_one(page: Path) -> None:
    known = {"--help", "--version", "--install-completion", *FOREIGN}
    for command in typer.main.get_command(app).commands.values():  # type: ignore[attr-defined]
        for parameter in command.params:
            known |= {*parameter.opts, *parameter.secondary_opts}
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", without_blocks(TEXTS[page])))
    assert named <= known


REFUSED: dict[str, tuple[str, str]] = {  # the messages of docs/data.md: the data, and the command
    "2 fields, expected 3": ("a,b,c\n1,2,3\n1,2\n4,5,6\n4,5,7\n", "kmeans -k 2"),
    "the delimiter could be ',' or ';'": ("a,b;c\n1,x;3\n4,y;6\n", "kmeans -k 2"),
    "column 'x' is text": ("x,y\na,1\nb,2\nc,3\n", "kmeans -k 2"),
    "cannot read 'five' as a number": ("x\n1\nfive\n3\n4\n", "kmeans -k 2"),
    "value is not finite": ("x\n1\ninf\n3\n4\n", "kmeans -k 2"),
    "column 'x' is empty": ("x,y\n,1\n,2\n,3\n", "kmeans -k 2"),
    "is mostly empty": ("x,y\n1,1\n" + ",2\n" * 20, "kmeans -k 2"),
    "heads 11 > tosses 10": ("heads,tosses\n5,10\n11,10\n", "coins"),
    "heads must be a whole number": ("heads,tosses\n5,10\n1.5,10\n", "coins"),
    "flips must be H and T, or 1 and 0": ("flips\nHT\nHX\n", "coins"),
    "weights must be at least 0": ("x,w\n1,1\n2,-1\n", "kmeans -k 1 --row-weights w"),
    "k=4 needs at least 4 rows, got 3": ("x\n1\n2\n3\n", "kmeans -k 4"),
    "column 'b' is constant": ("a,b\n1,2\n2,2\n4,2\n", "gmm -k 1"),
    "not a text file (looks like zip or xlsx)": ("PK\x03\x04", "kmeans -k 2"),
    "UTF-16 text, expected UTF-8": ("\N{BYTE ORDER MARK}x", "kmeans -k 2"),
    "not valid UTF-8": ("x\n\xe9\n", "kmeans -k 2"),
}


@pytest.mark.parametrize("message", REFUSED)
def test_a_message_that_the_page_on_data_tells_is_the_programs(message: str, tmp_path: Path) -> None:
    text, words = REFUSED[message]
    coding = "utf-16-le" if "UTF-16" in message else "latin-1"
    (tmp_path / "x.csv").write_bytes(text.encode(coding))
    model, *options = words.split()
    done = run_here(["fit", model, "x.csv", *options], tmp_path)
    assert message in done.stderr
    assert done.returncode == (4 if "constant" in message else 3)


def test_the_readme_tells_the_exit_codes_as_the_page_on_json_does() -> None:
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", TEXTS[ROOT / "README.md"].split("| exit code |")[1], re.M)
    assert dict(rows) == {str(int(code)): meaning for code, meaning in EXITS.items()}


def test_the_messages_that_the_page_on_data_tells_are_tried() -> None:
    rows = re.findall(r"^\| (`.*?) \|", TEXTS[ROOT / "docs" / "data.md"].split("## What is refused")[1], re.M)
    assert {message for row in rows for message in re.findall("`(.+?)`", row)} == set(REFUSED)


def test_the_page_on_experiments_names_the_parameters_of_each_model() -> None:
    _, rows = TEXTS[ROOT / "docs" / "experiments.md"].split("| model | key | form |")
    named: dict[str, set[str]] = {}
    for model, keys in re.findall(r"^\| (.*?) ?\| (`.*?) \|", rows.partition("\n\n")[0], re.M):
        named.setdefault(model.strip(" `") or list(named)[-1], set()).update(re.findall(r"`(\w+)`", keys))
    assert list(named) == ["gmm", "coins", "kmeans"]
    for model, keys in named.items():
        assert {key for key in set().union(*named.values()) if is_parameter(model, key)} == keys


def is_parameter(model: str, key: str) -> bool:
    """Does a model know this parameter?"""
    try:
        model_class(model).from_parameters({key: None})
    except ParameterFault as fault:
        return "unknown parameter" not in str(fault)
    raise AssertionError("None is no parameter")


def test_the_index_leads_to_every_page() -> None:
    index = ROOT / "docs" / "index.md"
    assert {page.name for page in PAGES} - {"index.md"} <= set(links(TEXTS[index]))


def test_each_calculation_of_the_tutorial_is_right() -> None:
    prose = " ".join(without_blocks((ROOT / "docs" / "tutorial.md").read_text()).split())
    term = r"\(?-?\d[\d.]*\)?[²³⁸]?"
    found = re.findall(rf"({term}(?: [·/+-] {term})+) = (-?\d[\d.]*\d)", prose)
    assert len(found) >= 5
    for sum_, said in found:
        plain = sum_.translate({ord("·"): "*", ord("²"): "**2", ord("³"): "**3", ord("⁸"): "**8"})
        digits = len(said.partition(".")[2])
        assert abs(eval(plain) - float(said)) <= 0.5001 * 10**-digits, f"{sum_} = {said}"


def test_each_number_of_the_tutorial_is_printed() -> None:
    text = (ROOT / "docs" / "tutorial.md").read_text()
    printed = [float(each) for block in blocks(text) if block.kind == "text" for each in NUMBER.findall(block.text)]
    for said in NUMBER.findall(re.sub(r"`[^`]*`|\]\([^)]*\)", "", without_blocks(text))):
        digits = len(said.partition(".")[2])
        if digits >= 2 and said != f"{math.log(272):.4f}":  # of the 272 rows of Old Faithful
            assert any(abs(abs(float(said)) - abs(each)) <= 0.5001 * 10**-digits for each in printed), said


@pytest.mark.parametrize(
    ("shown", "is_shown"),
    [
        ("a 1\nb 2\n", True),
        ("b 2\n", True),
        ("a 1\n…\nc 3\n", True),
        ("a …\nb 2\n", True),
        ("a 1\nc 3\n", False),
        ("c 3\n…\na 1\n", False),
        ("a\n", False),
        ("…\nd\n", False),
    ],
)
def test_what_is_shown_must_have_been_printed(shown: str, is_shown: bool) -> None:
    assert is_excerpt(shown, "a 1\nb 2  \nc 3\n") is is_shown


@pytest.mark.parametrize(
    ("line", "code", "out"),
    [
        ("emcli schema fits # exits with 2", 2, ""),
        ("printf 'a\\n1\\n2\\n' > x.csv && cat x.csv | tail -1", 0, "2\n"),
        ("cat no.csv && echo not", 1, ""),
        ("echo $((1 + 2)); false", 1, "3\n"),
    ],
)
def test_lines_are_run_as_a_shell_would(line: str, code: int, out: str, tmp_path: Path) -> None:
    done = run_line(line, tmp_path)
    assert (done.code, done.out) == (code, out)
    assert stated_code(line) == (2 if "exits" in line else 0)
