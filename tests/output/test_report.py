"""A report holds the fit that it claims to hold, explains every warning, and repeats what its command says."""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from conftest import ROOT, SAMPLES, fit, run
from pages import Page
from rules import Done, hold

from emcli.files import manual

FAITHFUL, IRIS = SAMPLES / "faithful.csv", SAMPLES / "iris_species.csv"
HOSTILE = "<script>alert(1)</script>"


def reported(folder: Path, *words: object) -> tuple[Page, str]:
    """The report of a fit in a folder, and its text."""
    done = run("fit", *words, "-q", "--report", "r.html", cwd=folder)
    assert (done.returncode, done.stderr) == (0, ""), done
    text = (folder / "r.html").read_text(encoding="utf-8")
    return Page(text), text


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures cost most of a report, and are not what the test looks at."""
    monkeypatch.setattr("emcli.output.html.parts.rendered", lambda *_: b"<svg xmlns='http://www.w3.org/2000/svg'/>")


def refused(words: Sequence[object], code: int, *parts: str, cwd: Path = ROOT) -> None:
    """Held to the rules of every bad input, before a fit that would run for minutes."""
    done = run("fit", "gmm", FAITHFUL, "-k", 9, "--restarts", 100000, *words, cwd=cwd)
    hold(Done(done.returncode, done.stdout, done.stderr), code, *parts)


def test_a_report_tells_what_the_document_does(tmp_path: Path) -> None:
    words = ("kmeans", IRIS, "-k", 3, "--truth", "species", "--restarts", 3)
    page, text = reported(tmp_path, *words)
    document = fit(*words)
    parameters = page.tables[0]
    assert parameters[0][:4] == ["component", "rows", "share", "Sepal.Length"]
    assert [row[0] for row in parameters[1:]] == ["1", "true", "2", "true", "3", "true"]
    found = np.array([row[3:] for row in parameters[1::2]], dtype=float)
    assert np.allclose(found, document["parameters"]["centroids"], rtol=1e-5)
    said = " ".join(page.texts["p"] + page.texts["dd"] + page.texts["code"])
    for value in (document["inertia"], document["bic"], document["icl"]):
        assert f"{value:.3f}" in said
    assert f"{document['truth']['adjusted_rand_index']:.4f}" in said and document["data"]["sha256"] in said
    assert "150" in page.texts["dd"] and "iris_species.csv" in page.texts["dd"]
    labels = next(table for table in page.tables if table[0][0] == "true label")
    assert [row[0] for row in labels[1:4]] == ["setosa", "versicolor", "virginica"]
    trace = next(table for table in page.tables if table[0][0] == "iteration")
    assert [float(row[1]) for row in (trace[1], trace[-1])] == pytest.approx(
        [document["trace"][i]["inertia"] for i in (0, -1)], abs=1e-5
    )
    assert {"script", "link", "iframe", "object"}.isdisjoint(tag for tag, _ in page.elements)
    assert "http" not in re.sub(r'src="data:[^"]*"|http-equiv', "", text)
    assert not any(re.search(b"20[0-9]{2}-[0-9]{2}", picture) for picture in page.pictures())  # no date
    assert len(page.pictures()) == 4 and all(attributes["alt"] for tag, attributes in page.elements if tag == "img")
    for picture in page.pictures():
        assert ElementTree.fromstring(picture).tag.endswith("svg")


@pytest.mark.usefixtures("undrawn")
def test_a_report_is_the_same_bytes_and_has_no_time_and_no_folder_in_it(tmp_path: Path) -> None:
    texts = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        texts.append(reported(folder, "kmeans", FAITHFUL, "-k", 2, "--restarts", 2, "--jobs", len(texts) + 1)[1])
    assert texts[0] == texts[1] and str(ROOT) not in texts[0] and not re.search("20[0-9]{2}-[0-9]{2}", texts[0])


@pytest.mark.usefixtures("undrawn")
def test_the_command_of_a_report_repeats_the_fit(tmp_path: Path) -> None:
    """Whatever is in the names: a shell splits it into the words that give the same document."""
    name = "-it's $HOME `b` \\ \u202e é\t.csv"
    (tmp_path / name).write_text(
        f'"{HOSTILE}",b;c\t,label\n' + FAITHFUL.read_text().partition("\n")[2].replace("\n", ",\n")
    )
    flags = (
        "--columns",
        f"{HOSTILE},2",
        "-k",
        2,
        "--restarts",
        2,
        "--max-iter",
        7,
        "--header",
        "--na=-99,-",
        "--standardize",
    )
    page, _ = reported(tmp_path, "kmeans", f"./{name}", *flags)
    command = page.texts["pre"][0]
    split = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {command}"], capture_output=True, check=True, cwd=tmp_path
    ).stdout.decode()
    words = split.rstrip("\0").split("\0")
    assert words[0] == "emcli" and "--seed" in words
    once, again = (run(*words, "--json", cwd=tmp_path) for words in (("fit", "kmeans", f"./{name}", *flags), words[1:]))
    assert again.returncode == 0 and json.loads(again.stdout) == json.loads(once.stdout)


@pytest.mark.usefixtures("undrawn")
def test_the_command_names_an_experiment_and_rows_from_standard_input(tmp_path: Path) -> None:
    page, _ = reported(tmp_path, ROOT / "configs" / "do_batzoglou.yaml")
    assert page.texts["pre"] == ["emcli fit do_batzoglou.yaml --seed 0"]
    rows = FAITHFUL.read_bytes()
    done = run(
        "fit", "kmeans", "-k", 2, "--restarts", 1, "--seed", 5, "--report", "r.html", "-q", stdin=rows, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    page = Page((tmp_path / "r.html").read_text())
    assert page.texts["pre"] == ["emcli fit kmeans - -k 2 --restarts 1 --seed 5"]
    assert any("standard input" in line for line in page.texts["p"])


@pytest.mark.usefixtures("undrawn")
def test_names_stay_text(tmp_path: Path) -> None:
    (tmp_path / "<b>&amp;.csv").write_text(
        f'"{HOSTILE}","</table>\u202e\x1b[2J","""><img src=x onerror=y>"\n'
        + "".join(f"{i * i % 31},{i % 7}.5,{'</td>' if i % 2 else '<i>'}\n" for i in range(40))
    )
    words = ("kmeans", "<b>&amp;.csv", "-k", 2, "--restarts", 1, "--truth", '"><img src=x onerror=y>')
    page, text = reported(tmp_path, *words)
    assert {"script", "i"}.isdisjoint(tag for tag, _ in page.elements)
    assert all("onerror" not in attributes for _, attributes in page.elements)
    assert HOSTILE in page.tables[0][0] and page.texts["h1"][0].startswith("<b>&amp;.csv")
    assert "\x1b" not in text and "\u202e" not in text


@pytest.mark.usefixtures("undrawn")
def test_every_warning_is_explained_where_it_is_met(tmp_path: Path) -> None:
    rows = "".join(f"{i},{'' if i == 7 else i * 37 % 41},{i * i % 7}00000\n" for i in range(40))
    (tmp_path / "x.csv").write_text(f"id,small,large\n{rows}")
    words = ("kmeans", "x.csv", "-k", 2, "--restarts", 1, "--max-iter", 1, "--missing", "drop")
    page, text = reported(tmp_path, *words)
    met = json.loads(run("fit", *words, "--json", cwd=tmp_path).stdout)["warnings"]
    assert {"dropped-rows", "identifier", "scale", "slow"} <= {each["slug"] for each in met}
    assert [row for row in page.texts["h3"] if row in manual.warnings()] == [each["slug"] for each in met]
    plain = html.unescape(re.sub(r"<[^>]*>", "", text))
    for each in met:
        known = manual.warnings()[each["slug"]]
        assert each["message"][1:] in plain
        for title in ("Why.", "What to do."):
            assert f"{title} {known.part(title).replace('`', '')}" in plain


@pytest.mark.usefixtures("undrawn")
def test_the_start_alone_can_be_reported(tmp_path: Path) -> None:
    page, _ = reported(tmp_path, "kmeans", FAITHFUL, "-k", 2, "--restarts", 1, "--max-iter", 0)
    assert len(page.pictures()) >= 1 and page.texts["h2"][:2] == ["Pictures", "Parameters"] and page.tables


@pytest.mark.usefixtures("undrawn")
def test_a_report_of_a_comparison_ranks_and_repeats_it(tmp_path: Path) -> None:
    words = ("compare", "kmeans", SAMPLES / "blobs.csv", "-k", "1-3", "--restarts", 1, "--criterion", "ch")
    done = run(*words, "--json", "--report", tmp_path / "r.html", "-q")
    assert done.returncode == 0, done.stderr
    page, [group] = Page((tmp_path / "r.html").read_text()), json.loads(done.stdout)["groups"]
    names = [each["name"] for each in group["candidates"]]
    assert page.texts["p"][0].startswith(f"Best of 3 candidates: {names[0]}, CH ")
    place = page.tables[0][0].index("k")
    assert [f"kmeans-k{row[place]}" for row in page.tables[0][1:]] == names
    assert "edge-of-grid" in page.texts["h3"] and len(page.pictures()) >= 2
    command = page.texts["pre"][0].split()
    assert " ".join(command) == "emcli compare kmeans blobs.csv -k 1-3 --restarts 1 --seed 0 --criterion ch"
    again = run(*command[1:], "--json", "-q", cwd=SAMPLES)
    assert json.loads(again.stdout)["groups"] == [group]
    refusal = run("compare", "gmm", FAITHFUL, "-k", "1-9", "--restarts", 100000, "--report", "r.txt", cwd=tmp_path)
    hold(Done(refusal.returncode, refusal.stdout, refusal.stderr), 2, "'--report' must end in .html")


def test_a_report_that_cannot_be_is_refused_before_the_fit(tmp_path: Path) -> None:
    refused(("--report", "r.pdf"), 2, "'--report' must end in .html", "r.pdf")
    refused(("--report", "-"), 2, "'--report' must end in .html")
    refused(("--report", tmp_path / "none" / "r.html"), 5, "no such directory")
    refused(("--report", "r.html", "--plot", "./r.html"), 2, "--plot and --report would both be written", cwd=tmp_path)
    refused(("--report", "r.html", "-o", "r.html"), 2, "-o and --report would both be written", cwd=tmp_path)
    data = tmp_path / "data.html"
    data.write_bytes(FAITHFUL.read_bytes())
    done = run("fit", "gmm", data, "-k", 9, "--restarts", 100000, "--report", data)
    hold(Done(done.returncode, done.stdout, done.stderr), 2, "overwrite the input")
    assert data.read_bytes() == FAITHFUL.read_bytes()


def test_a_fit_that_fails_leaves_the_report_that_was_there(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("x\n" + "1\n" * 9)
    (tmp_path / "r.html").write_text("old")
    done = run("fit", "gmm", "x.csv", "-k", 2, "--report", "r.html", cwd=tmp_path)
    assert done.returncode in (3, 4) and done.stdout == ""
    assert (tmp_path / "r.html").read_text() == "old" and len([*tmp_path.iterdir()]) == 2


def test_without_matplotlib_a_report_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    refused(("--report", "r.html"), 2, "drawing 'r.html' needs the Python package matplotlib\n  hint: ")


@pytest.mark.slow
def test_a_report_of_a_million_rows_can_be_mailed(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    place = rng.integers(0, 9, 1_000_000)
    values = np.column_stack(
        [place % 3 * 4 + rng.normal(size=len(place)), place // 3 * 4 + rng.normal(size=len(place))]
    )
    np.savetxt(tmp_path / "x.csv", values, "%.4f", ",", header="x,y", comments="")
    page, text = reported(tmp_path, "gmm", "x.csv", "-k", 9, "--restarts", 1)
    assert len(text) < 2_000_000 and len(page.pictures()) >= 2
