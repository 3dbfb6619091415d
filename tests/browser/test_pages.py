"""Animations and reports in a browser: they are read, stepped and played at any width, and say no error."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, run
from PIL import Image

from browser.chromium import Chromium, executable
from emcli.output.animation.stills import FONT, FRAME
from emcli.output.html.parts import ALONE
from emcli.output.plots.matplotlib_axes import STYLE

pytestmark = pytest.mark.browser
WIDTHS = (400, 1200)
SMALLEST = 8.9  # CSS pixels of a letter's size
FITS = {
    "kmeans.html": "fit kmeans sample_data/blobs.csv -k 3 --init random --restarts 1 --seed 4",
    "mixture.html": "fit configs/mixture_1d.yaml --max-iter 20",
    "coins.html": "fit configs/two_coins.yaml",
    "iris.html": "fit gmm sample_data/iris.csv -k 3 --restarts 2",
}
REPORTS = {
    "faithful-report.html": "fit gmm sample_data/faithful.csv -k 2",
    "coins-report.html": "fit configs/two_coins.yaml",
    "compared-report.html": "compare gmm sample_data/faithful.csv -k 1-3 --covariance full,tied --restarts 2",
    "warned-report.html": "fit kmeans sample_data/iris_species.csv -k 4 --truth species --restarts 1 --max-iter 1",
}


@pytest.fixture(scope="module")
def pages(browser: Chromium, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the animations and the reports."""
    folder = tmp_path_factory.mktemp("pages")
    for option, lines in (("--plot", FITS), ("--report", REPORTS)):
        for name, line in lines.items():
            done = run(*line.split(), "-q", option, folder / name, cwd=ROOT)
            assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    """One browser for all tests; without one there is nothing to test."""
    path = executable()
    if path is None:
        pytest.exit("no Chromium was found: apt-get install chromium, or EMCLI_CHROMIUM=/path/to/chromium", 2)
    with Chromium(path) as opened:
        yield opened


def kept(browser: Chromium, name: str) -> None:
    """Keep a screenshot to look at, where EMCLI_SHOTS names a folder."""
    if folder := os.environ.get("EMCLI_SHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        browser.screenshot(Path(folder) / name)


def shown(browser: Chromium) -> list[str]:
    """The iterations of the frames that are on the screen."""
    frames = "[...document.querySelectorAll('figure')].filter(f => f.offsetParent !== null)"
    found: list[str] = browser.value(f"{frames}.map(f => f.dataset.iteration)")
    return found


def pixels(browser: Chromium) -> np.ndarray:
    """What is on the screen."""
    return np.asarray(Image.open(io.BytesIO(browser.screenshot(whole=False))).convert("RGB"))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", [*FITS, *REPORTS])
def test_a_page_is_read_at_any_width_and_says_no_error(name: str, width: int, pages: Path, browser: Chromium) -> None:
    browser.open(pages / name, width)
    assert browser.console == [] and browser.requests == [(pages / name).as_uri()]
    assert browser.value("document.documentElement.scrollWidth") <= width
    seen = [
        *browser.value("[...document.images].filter(i => i.offsetParent).map(i => [i.naturalWidth, i.clientWidth])")
    ]
    assert seen and all(natural > 0 and wide > 0 for natural, wide in seen)
    letters = "[...document.querySelectorAll('p, li, td, th, dd, code, button')].filter(e => e.offsetParent)"
    assert browser.value(f"Math.min(...{letters}.map(e => parseFloat(getComputedStyle(e).fontSize)))") >= 12
    drawn, points = (ALONE, STYLE["legend.fontsize"]) if name in REPORTS else (FRAME, FONT - 1.5)
    narrowest = min(wide for _, wide in seen)
    assert narrowest / drawn[0] * points / 72 >= (SMALLEST if width == 400 or name in REPORTS else 0)
    outside = "[...document.body.querySelectorAll('*')].filter(e => !e.closest('.wide') && e.offsetParent)"
    assert browser.value(f"Math.max(...{outside}.map(e => e.getBoundingClientRect().right))") <= width + 0.5
    kept(browser, f"{Path(name).stem}-{width}.png")


@pytest.mark.parametrize("width", WIDTHS)
def test_the_slider_and_the_keys_choose_the_frame(width: int, pages: Path, browser: Chromium) -> None:
    browser.open(pages / "kmeans.html", width)
    count = browser.value("document.querySelectorAll('figure').length")
    assert shown(browser) == ["data"] and count > 5
    before = pixels(browser)
    browser.value("s = document.querySelector('input'); s.value = 3; s.dispatchEvent(new Event('input'))")
    assert shown(browser) == ["2"] and "2 iterations: inertia" in browser.value("s.getAttribute('aria-valuetext')")
    after = pixels(browser)
    assert after.shape == before.shape and (after != before).any(axis=2).sum() > 1000
    assert browser.value("document.querySelector('.told').textContent") == browser.value("s.ariaValueText")
    for key, iteration in (("ArrowRight", "3"), ("ArrowLeft", "2"), ("ArrowLeft", "1"), ("Home", "data")):
        browser.key(key)
        assert shown(browser) == [iteration], key
    again = np.abs(pixels(browser).astype(int) - before).max()
    assert browser.value("scrollY") == 0 and again < 10  # but for what a browser rounds
    browser.key("End")
    assert shown(browser) == [str(count - 2)]
    browser.click(".back")
    assert shown(browser) == [str(count - 3)]
    browser.click(".on")
    browser.click(".on")
    assert shown(browser) == [str(count - 2)] and browser.console == []
    browser.value("document.querySelector('input').focus()")
    browser.key("ArrowLeft")  # the slider's own key counts once
    assert shown(browser) == [str(count - 3)]


def test_play_goes_on_to_the_end_and_can_be_paused(pages: Path, browser: Chromium) -> None:
    browser.open(pages / "kmeans.html")
    count = browser.value("document.querySelectorAll('figure').length")
    browser.click(".play")
    assert browser.value("document.querySelector('.play').textContent") == "Pause"
    browser.wait("document.querySelector('figure[data-iteration=\"1\"]').offsetParent !== null")
    browser.click(".play")
    paused = shown(browser)
    browser.value("new Promise(done => setTimeout(done, 2 * document.querySelector('.film').dataset.interval))")
    assert shown(browser) == paused
    browser.value("document.activeElement.blur()")
    browser.key(" ")
    browser.wait("document.querySelector('.play').textContent === 'Play'")
    assert shown(browser) == [str(count - 2)] and browser.console == []
    browser.click(".play")  # once more, from the beginning
    assert shown(browser) == ["data"]
    browser.click(".play")


def test_the_dot_is_where_the_curve_is(pages: Path, browser: Chromium) -> None:
    """Below the middle of the dot, with the dot taken away, is the colour of the curve."""
    browser.open(pages / "mixture.html")
    for iteration in (1, 5, 20):
        browser.value(f"location.hash = '#iteration={iteration}'")
        browser.wait(f"document.querySelector('figure[data-iteration=\"{iteration}\"]').offsetParent !== null")
        box = "document.querySelector('.dot').getBoundingClientRect()"
        x, y = (round(at) for at in browser.value(f"(b => [b.x + b.width / 2, b.y + b.height / 2])({box})"))
        browser.value("document.querySelector('.dot').style.visibility = 'hidden'")
        around = pixels(browser)[y - 3 : y + 4, x - 3 : x + 4].astype(int)
        browser.value("document.querySelector('.dot').style.visibility = ''")
        assert (np.abs(around - (0, 0x72, 0xB2)).sum(axis=2) < 60).any(), iteration


def test_an_address_names_the_iteration(pages: Path, browser: Chromium) -> None:
    browser.open(pages / "kmeans.html")
    browser.value("location.hash = '#iteration=last'")
    browser.wait("document.querySelector('.dot').offsetParent !== null")
    assert shown(browser) == [str(browser.value("document.querySelectorAll('figure').length") - 2)]


def test_without_scripts_the_last_frame_is_seen(pages: Path, browser: Chromium) -> None:
    browser.ask("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(pages / "kmeans.html")
        count = browser.value("document.querySelectorAll('figure').length")
        assert shown(browser) == [str(count - 2)]
        assert browser.value("document.querySelector('.controls').offsetParent") is None
        assert browser.value("document.querySelector('.dot').offsetParent !== null")
    finally:
        browser.ask("Emulation.setScriptExecutionDisabled", value=False)


@pytest.mark.parametrize("name", ["kmeans.html", "warned-report.html"])
def test_a_page_is_dark_where_the_reader_wants_that_and_is_printed_in_black(
    name: str, pages: Path, browser: Chromium
) -> None:
    """Letters and paper are told apart by 7 to 1 and more (WCAG 2, 1.4.6)."""
    for scheme in ("light", "dark"):
        browser.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        browser.open(pages / name)
        style = "getComputedStyle(document.body)"
        paper, ink = (_luminance(browser.value(f"{style}.{what}")) for what in ("backgroundColor", "color"))
        assert (max(paper, ink) + 0.05) / (min(paper, ink) + 0.05) > 7 and (paper < ink) == (scheme == "dark")
        kept(browser, f"{Path(name).stem}-{scheme}.png")
    browser.ask("Emulation.setEmulatedMedia", features=[])
    printed = browser.ask("Page.printToPDF")["data"]
    assert len(printed) > 10_000


def _luminance(colour: str) -> float:
    """The relative luminance of rgb(…), from 0 to 1."""
    values = np.array(colour[4:-1].split(","), dtype=float) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))
