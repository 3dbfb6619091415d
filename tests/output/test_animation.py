"""An animation holds the frames that it claims to hold, in order, and is one small file that needs no other."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT, SAMPLES, run
from inprocess import loaded
from pages import Page
from PIL import Image, ImageSequence
from rules import Done, hold

from emcli.config.resolve import resolve
from emcli.inference.fit import fit as start_all
from emcli.inference.fit import observe
from emcli.inference.result import read_start
from emcli.models import model_class
from emcli.output.animation.gif import EARLY_FRAMES, watchable
from emcli.output.animation.stills import DOT
from emcli.output.plots.history import History

BLOBS = ("kmeans", SAMPLES / "blobs.csv", "-k", 3, "--init", "random", "--restarts", 1, "--seed", 4, "-q")


def drawn(folder: Path, name: str, *words: object) -> tuple[bytes, dict[str, Any]]:
    """An animation of a fit, and its document."""
    done = run("fit", *words, "--plot", name, "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return (folder / name).read_bytes(), json.loads(done.stdout)


def dot(frame: Image.Image) -> np.ndarray | None:
    """Where the middle of the dot on the curve is, (x, y); None where there is none."""
    beside = frame.convert("RGB").crop((frame.width * 3 // 5, 0, frame.width, frame.height))
    rows, columns = np.nonzero((np.asarray(beside) == DOT).all(axis=2))
    return np.array([columns.mean(), rows.mean()]) if len(rows) else None


def test_a_gif_goes_from_the_data_to_the_end_and_over_again(tmp_path: Path) -> None:
    gif, document = drawn(tmp_path, "em.gif", *BLOBS, "--dpi", 60)
    steps = document["iterations"]
    image = Image.open(io.BytesIO(gif))
    frames = [frame.copy() for frame in ImageSequence.Iterator(image)]
    stays = [frame.info["duration"] for frame in ImageSequence.Iterator(image)]
    assert steps >= 4 and len(frames) == steps + 2 and len({frame.size for frame in frames}) == 1
    assert image.info["loop"] == 0 and stays[-1] > stays[0] > max(stays[1:-1])
    pixels = np.array([np.asarray(frame.convert("RGB")) for frame in frames])
    assert (
        len(np.unique(pixels @ np.array([1 << 16, 1 << 8, 1]))) <= 256
    )  # one palette, so that what stays does not flicker
    margin = pixels[:, :, : pixels.shape[2] // 20]
    assert (margin == margin[0]).all() and (margin != 255).any()
    ways = [dot(frame) for frame in frames]
    assert ways[0] is None  # the data alone are before the curve begins
    places = np.array(ways[1:])
    across, down = np.diff(places[:, 0]), np.diff(places[:, 1])
    assert across == pytest.approx(across.mean(), abs=1.0) and across.mean() > 20  # an iteration is as wide as the next
    inertia = np.diff([step["inertia"] for step in document["trace"][: steps + 1]])
    assert down == pytest.approx(inertia * down.sum() / inertia.sum(), abs=1.5)


def test_a_page_holds_every_frame_with_its_numbers(tmp_path: Path) -> None:
    written, document = drawn(tmp_path, "em.html", *BLOBS)
    page, steps = Page(written.decode()), document["iterations"]
    figures = [attributes for tag, attributes in page.elements if tag == "figure"]
    assert [each["data-iteration"] for each in figures] == ["data", *map(str, range(steps + 1))]
    assert ["hidden" in each for each in figures] == [True] * (steps + 1) + [
        False
    ]  # read without scripts, it is the end
    told = [each["data-told"] for each in figures]
    assert told[0] == "The data"
    for iteration, (line, step) in enumerate(zip(told[1:], document["trace"], strict=False)):
        assert line.endswith(f": inertia {step['inertia']:.3f}"), iteration
    assert page.texts["p"][0].strip() == told[-1]
    last = np.array([row[-2:] for row in page.tables[-1][1:]], dtype=float)
    assert np.allclose(last, document["parameters"]["centroids"], rtol=1e-5) and len(page.tables) == steps + 1
    pictures = [Image.open(io.BytesIO(each)) for each in page.pictures()]
    assert len(pictures) == steps + 3 and len({each.size for each in pictures[:-1]}) == 1
    assert all(one.tobytes() != other.tobytes() for one, other in pairwise(pictures[:-1]))
    shares = [(float(each["data-x"]), float(each["data-y"])) for each in figures[1:]]
    assert np.diff(np.array(shares)[:, 0]) == pytest.approx(np.diff(np.array(shares)[:, 0]).mean(), abs=0.02)
    assert "data-x" not in figures[0]
    [dot] = [each for tag, each in page.elements if each.get("class") == "dot"]
    assert dot["style"] == f"left: {shares[-1][0]:.2f}%; top: {shares[-1][1]:.2f}%" and "hidden" not in dot


def test_a_page_loads_nothing_and_runs_only_its_own_script(tmp_path: Path) -> None:
    name = '<script>alert(1)</script>","</figure><img src=x onerror=y>'
    (tmp_path / "<b>.csv").write_text(f'"{name}"\n' + (SAMPLES / "blobs.csv").read_text().partition("\n")[2])
    done = run("fit", "kmeans", "<b>.csv", "-k", 2, "--restarts", 1, "-q", "--plot", "em.html", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    page = Page(text := (tmp_path / "em.html").read_text())
    [script] = page.texts["script"]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    [policy] = [each["content"] for tag, each in page.elements if tag == "meta" and "http-equiv" in each]
    assert policy == f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    assert "http" not in re.sub(r'src="data:[^"]*"|http-equiv', "", text) and len(page.pictures()) > 2
    assert all("onerror" not in attributes for _, attributes in page.elements)
    controls = [each for tag, each in page.elements if tag in ("button", "input")]
    assert len(controls) == 4 and sum("aria-label" in each for each in controls) == 3  # and one has a text
    assert next(each for tag, each in page.elements if each.get("class") == "controls")["hidden"] == ""


def test_iterations_size_and_fineness_are_as_asked(tmp_path: Path) -> None:
    words = (*BLOBS, "--iterations", "0,2,last", "--size", "6x3", "--dpi", 50)
    gif, document = drawn(tmp_path, "em.gif", *words)
    image = Image.open(io.BytesIO(gif))
    assert image.n_frames == 3 and image.size == (300, 150)
    page = Page(drawn(tmp_path, "em.html", *words)[0].decode())
    figures = [attributes for tag, attributes in page.elements if tag == "figure"]
    assert [each["data-iteration"] for each in figures] == ["0", "2", str(document["iterations"])]
    assert Image.open(io.BytesIO(page.pictures()[0])).size == (300, 150)
    assert Image.open(io.BytesIO(drawn(tmp_path, "em.gif", *BLOBS, "--iterations", "data")[0])).n_frames == 1
    pixels = drawn(tmp_path, "em.gif", *BLOBS, "--iterations", "0", "--size", "600x400px")[0]
    assert Image.open(io.BytesIO(pixels)).size == (600, 400)


@pytest.mark.parametrize("name", ["em.gif", "em.html"])
def test_an_animation_is_the_same_bytes_for_the_same_fit(name: str, tmp_path: Path) -> None:
    words = (*BLOBS, "--iterations", "1,last", "--dpi", 40)
    one, other = (drawn(tmp_path, name, *words, "--jobs", jobs)[0] for jobs in (1, 2))
    assert one == other


def test_of_many_starts_at_one_optimum_the_reported_one_is_kept_whole() -> None:
    """Which of them is the highest is rounding; the one that is reported is the first."""
    kind = model_class("gmm")
    settings = resolve(kind.name, kind.options, {"k": 2, "restarts": 30}, None, read_start=read_start)
    history = History(settings.search.tol)
    result = observe(start_all(kind, loaded(kind, SAMPLES / "faithful.csv", settings), settings), history)
    assert result.reached() > 16 and result.best.iterations > 8
    assert [iteration for iteration, _ in history.models(result.best)] == [*range(result.best.iterations + 1)]
    assert len(history._kept) < 5  # and few of the others


@pytest.mark.parametrize("count", [1, 2, EARLY_FRAMES, 35, 36, 37, 60, 256, 1000])
def test_many_iterations_are_thinned_to_what_can_be_watched(count: int) -> None:
    kept = [*range(6), *range(6, 3 * count, 3)][:count]
    chosen = watchable(kept)
    iterations = [each for each in chosen if isinstance(each, int)]
    assert chosen[0] == "data" and len(chosen) == len(iterations) + 1 <= 36 + (count < 36)
    assert iterations == sorted(set(iterations)) and set(iterations) <= set(kept)
    assert iterations[:EARLY_FRAMES] == kept[:EARLY_FRAMES] and iterations[-1] == kept[-1]
    steps = [kept.index(other) - kept.index(one) for one, other in pairwise(iterations)]
    assert all(one <= other + 1 for one, other in pairwise(steps[:-1]))  # ever fewer
    assert len(iterations) == count if count < 36 else len(iterations) >= 24


@pytest.mark.parametrize("name", ["em.gif", "em.html"])
def test_what_has_no_iterations_is_not_animated(name: str, tmp_path: Path) -> None:
    done = run("compare", "gmm", SAMPLES / "faithful.csv", "-k", "1-9", "--restarts", 100000, "--plot", tmp_path / name)
    hold(Done(done.returncode, done.stdout, done.stderr), 2, "an animation is of one fit", name)


def test_without_matplotlib_an_animation_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """And without Pillow, which matplotlib cannot be loaded without."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    done = run("fit", "gmm", SAMPLES / "faithful.csv", "-k", 9, "--restarts", 100000, "--plot", "em.gif", cwd=ROOT)
    said = f"drawing 'em.gif' needs the Python package matplotlib\n  hint: {sys.executable} -m pip install matplotlib"
    hold(Done(done.returncode, done.stdout, done.stderr), 2, said)


def test_the_animation_of_the_readme_is_made_with_the_other_figures() -> None:
    assert _words() and "docs/figures/em.gif" in (ROOT / "README.md").read_text()
    with Image.open(ROOT / "docs" / "figures" / "em.gif") as kept:
        assert kept.n_frames > 10 and kept.size == (688, 344)
    assert (ROOT / "docs" / "figures" / "em.gif").stat().st_size < 500_000


@pytest.mark.slow
def test_the_animation_of_the_readme_shows_what_the_program_draws(tmp_path: Path) -> None:
    words = [str(ROOT / word) if word.endswith(".csv") else word for word in _words()]
    made = Image.open(io.BytesIO(drawn(tmp_path, "em.gif", *words)[0]))
    with Image.open(ROOT / "docs" / "figures" / "em.gif") as kept:
        assert (made.n_frames, made.size) == (kept.n_frames, kept.size)
        for one, other in zip(ImageSequence.Iterator(made), ImageSequence.Iterator(kept), strict=True):
            apart = np.abs(np.asarray(one.convert("RGB"), int) - np.asarray(other.convert("RGB"), int))
            assert (
                apart.max(axis=2) > 60
            ).mean() < 0.01  # other versions of fonts and libraries draw a little otherwise


def _words() -> list[str]:
    """What `make figures` types after `emcli fit` to draw it."""
    recipes = " ".join((ROOT / "Makefile").read_text().replace("\\\n", " ").split())
    return recipes.partition(" --plot docs/figures/em.gif")[0].rpartition("/emcli fit ")[2].split()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["em.gif", "em.html"])
@pytest.mark.parametrize(("rows", "k"), [(19_999, 9), (1_000_000, 4)])
def test_an_animation_of_many_rows_stays_small(rows: int, k: int, name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(rows, 2)) + 2.5 * np.column_stack(np.divmod(rng.integers(0, 9, rows), 3))
    np.savetxt(tmp_path / "x.csv", values, "%.4f", ",", header="x,y", comments="")
    words = ("kmeans", "x.csv", "-k", k, "--init", "random", "--restarts", 1, "--seed", 4, "-q")
    written, document = drawn(tmp_path, name, *words)
    assert document["iterations"] > 20 and len(written) < 2_000_000
