"""`emcli explain` and the two pages it reads: every warning and word has a section.

That the commands there print what is shown, every warning among it, tests/docs/test_pages.py sees to.
"""

from __future__ import annotations

import re
from typing import is_typeddict

import pytest
import typer.main
from conftest import ROOT, run, run_here

from emcli.cli import options
from emcli.cli.app import app
from emcli.cli.explain import as_text
from emcli.config.documents import comparison, steps, types
from emcli.config.documents import fit as fits
from emcli.files import manual
from emcli.output.parameter_tables import ERRORS
from emcli.output.ranking_table import TITLES

SECTIONS = manual.sections()
WARNINGS = manual.warnings()
WITHOUT_A_WORD = {  # keys that say what they are, or are told of in the pages on data and documents
    *("schema", "version", "model", "data", "settings", "name", "source", "columns", "column_numbers", "dropped"),
    *("sha256", "slug", "message", "labels", "counts", "warnings", "groups", "best", "reference", "fits", "order"),
    *("candidates", "origin", "sample"),
}


def slugs_of_the_code() -> set[str]:
    said = r"""FitWarning\(\s*"([a-z-]+)"|"slug": "([a-z-]+)\""""
    sources = "".join(path.read_text() for path in (ROOT / "emcli").rglob("*.py"))
    return {"".join(found) for found in re.findall(said, sources)}


def shown(section: manual.Section) -> str:
    """What a section's blocks of commands and output say."""
    return "\n".join(block for block in section.blocks if block.startswith("```"))


def prose(section: manual.Section) -> str:
    return "\n\n".join(block for block in section.blocks if not block.startswith("```"))


def test_every_warning_of_the_program_has_a_section() -> None:
    assert WARNINGS.keys() == slugs_of_the_code()
    assert len(WARNINGS) > 25


@pytest.mark.parametrize("slug", WARNINGS)
def test_the_section_of_a_warning_says_what_why_and_what_to_do_and_shows_it(slug: str) -> None:
    section = WARNINGS[slug]
    assert section.blocks[0].endswith(".") and not section.blocks[0].startswith("**Why")
    assert section.part(manual.WHY).endswith(".") and section.part(manual.REMEDY).endswith((".", ")"))
    command, output = (block for block in section.blocks if block.startswith("```"))
    assert command.startswith("```sh\n") and "emcli " in command
    assert re.search(rf"^emcli: warning: .* \[{slug}\]$", output, re.M)


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.name)
def test_the_numbers_that_a_section_tells_are_in_what_it_shows_or_follow_from_that(section: manual.Section) -> None:
    """Numbers with three decimals or more are results of the section's commands."""
    commands = re.findall(r"^```sh\n(.*?)^```", shown(section), re.S | re.M)
    seen = "\n".join(shown(other) for other in SECTIONS if any(command in shown(other) for command in commands))
    seen += (ROOT / "docs" / manual.READING).read_text().partition("## Warnings")[0]
    for number in re.findall(r"(?<![\d.])\d+\.\d{3,}", prose(section)):
        assert number in seen or number in ("0.001", "0.0001", "0.000001"), number  # limits


def test_every_name_leads_to_one_section() -> None:
    told = [manual.key(name) for each in SECTIONS for name in (each.name, *each.others)]
    assert sorted(told) == sorted(set(told))
    assert set(told) == set(manual.names())


def test_what_a_section_links_to_is_a_section_there() -> None:
    anchors = {re.sub(r"[^\w -]", "", each.name.lower()).replace(" ", "-"): each.name for each in SECTIONS}
    for section in SECTIONS:
        for page, anchor in re.findall(r"\]\(([\w.-]*)#([\w-]+)\)", "\n".join(section.blocks)):
            there = manual.READING if anchors[anchor] in WARNINGS else manual.WORDS
            here = manual.READING if section.name in WARNINGS else manual.WORDS
            assert (page or here) == there, (section.name, anchor)


def test_every_title_key_and_option_of_importance_has_a_word() -> None:
    known = manual.names()
    kinds = {kind for module in (comparison, fits, steps) for kind in vars(module).values() if is_typeddict(kind)}
    keys = {key for kind in kinds - {fits.WarningDocument} for key in types.keys(kind)}
    titles = {
        *TITLES.values(),
        *ERRORS,
        "component",
        "rows",
        "weight",
        "P(heads)",
        "sd",
        "variance",
        "share",
        "Jaccard",
    }
    titles |= {"iteration", "log-likelihood", "gain", "change", "step", "covariance of", "true", "true label"}
    fit = typer.main.get_command(app).commands["fit"]  # type: ignore[attr-defined]
    panels = (options.MODEL, options.STARTS)
    flags = {max(each.opts, key=len) for each in fit.params if getattr(each, "rich_help_panel", "") in panels}
    flags |= {"--truth", "--row-weights", "--components", "-k", "--criterion"}
    flags -= {"--jobs"}  # which changes no result
    parts = ["standard_errors", "low", "high", "jaccard", "replicates", "p_1", "distance", "log_density", "centroids"]
    wanted = {*(keys - WITHOUT_A_WORD), *(titles - {"model", "warnings", "covariance of"}), *flags, *parts}
    assert not {word for word in wanted if manual.key(word) not in known}


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("found-once", "found-once"),
        ("FOUND once", "found-once"),
        ("ARI", "adjusted-rand-index"),
        ("adjusted_rand_index", "adjusted-rand-index"),
        ("loglik", "log-likelihood"),
        ("log_likelihood", "log-likelihood"),
        ("P(heads)", "P(heads)"),
        ("standard deviation", "sd"),
        ("--tol", "tol"),
        ("-k", "component"),
        ("saddle", "saddle"),
        ("2.5 %", "interval"),
    ],
)
def test_a_word_is_found_however_it_is_written(word: str, name: str) -> None:
    done = run("explain", word)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == name


def test_several_words_are_one_name_or_a_section_each() -> None:
    assert run("explain", "found", "once").stdout == run("explain", "found-once").stdout
    both = run("explain", "aic", "bic").stdout
    assert both == run("explain", "aic").stdout + "\n" + run("explain", "bic").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["responsibilty"], "nothing is said of 'responsibilty' (did you mean 'responsibility'?)"),
        (["aic", "qqq"], "nothing is said of 'qqq'"),
        (["--qqq"], "nothing is said of '--qqq'"),
        ([""], "nothing is said of ''"),
        (["\x1b[31m"], r"nothing is said of '\x1b[31m'"),
    ],
)
def test_a_word_that_has_no_section_is_an_error_of_one_line_with_a_hint(words: list[str], said: str) -> None:
    done = run("explain", *words)
    assert (done.returncode, done.stdout) == (2, "")
    hint = "  hint: `emcli explain` lists all words, `emcli fit --help` all options"
    assert done.stderr.splitlines() == [f"emcli: error: {said}", hint]


def test_without_a_word_all_are_listed_by_group() -> None:
    listed = run("explain").stdout
    assert all(len(line) <= 80 for line in listed.splitlines())
    groups = [line for line in listed.splitlines() if line and not line.startswith((" ", "`"))]
    assert groups == list(dict.fromkeys(each.group for each in SECTIONS))
    named = [name for line in listed.splitlines() if line.startswith("  ") for name in re.split(" {2,}", line.strip())]
    assert sorted(named) == sorted(each.name for each in SECTIONS)


def test_a_section_is_wrapped_to_the_width_and_is_plain_text() -> None:
    for section in SECTIONS:
        for width in (40, 80, 100):
            lines = as_text(section, width)
            assert max(len(line) for line in lines if not line.startswith("    ")) <= width, section.name
            assert not re.search(r"\*\*|\]\(|```", "\n".join(lines)), section.name
        shown_as_it_is = [line for line in as_text(section, 80) if len(line) > 80]
        assert not shown_as_it_is
        assert len(as_text(section, 80)) <= 45, section.name
    narrow = run_here(["explain", "found-once"], env={"COLUMNS": "50"}).stdout
    assert narrow.splitlines() == as_text(WARNINGS["found-once"], 50)
    assert run_here(["explain", "bic"], env={"COLUMNS": "300"}).stdout.splitlines() == as_text(
        manual.names()["bic"], 100
    )


def test_words_are_completed_by_a_shell() -> None:
    assert options.explained("found") == ["found-once"]
    assert options.explained("Log_l") == ["log-likelihood"]
    assert options.explained("ar") == ["artefact"] and options.explained("ari") == ["ari"]
    assert {"sd", "silhouette", "start", "slow"} <= set(options.explained("s"))


def test_paragraphs_and_lists_of_a_section_are_plain_text_of_the_width() -> None:
    section = manual.sections()[0]._replace(blocks=["Said in\ntwo lines.", "- one\n- two, which is\n  longer"])
    assert as_text(section, 12)[1:] == ["", "Said in two", "lines.", "- one", "- two, which", "  is longer"]
