"""A film as one page of HTML: a slider and a button step through its frames, beside them the curve and parameters."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from emcli import __version__
from emcli.inference.fit_result import FitResult
from emcli.output.animation.gif import COARSER, COLOURS, MAX_BYTES
from emcli.output.animation.stills import FRAME, Stills, indexed, stills
from emcli.output.html import elements
from emcli.output.html.elements import paragraph, table, text
from emcli.output.numbers import scores
from emcli.output.parameter_tables import components
from emcli.output.plots.frames import Film, Frame
from emcli.output.plots.history import History

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_COMPONENTS, MAX_COLUMNS = 12, 7  # of a table of parameters
WHOLE, SHORTEST, LONGEST = 12_000, 350, 900  # milliseconds of all frames together, about, and of one
FINER = ((140, COLOURS), *COARSER)  # pixels an inch, and colours
BODY = """<h1>{title}</h1>
<main class="film" data-interval="{interval}">
<div class="picture">
{frames}<div class="controls" hidden>
<button type="button" class="back" aria-label="one frame back">&#8249;</button>
<button type="button" class="play">Play</button>
<button type="button" class="on" aria-label="one frame on">&#8250;</button>
<input type="range" min="0" max="{last}" value="{last}" step="1" aria-label="iteration">
</div>
<p class="told" role="status">{told}</p>
</div>
<div class="beside">
<div class="curve">{curve}<span class="dot"{dot}></span></div>
{tables}{notes}</div>
</main>
<p class="soft">Arrow keys step from frame to frame, the space bar plays. Drawn by emcli {version}.</p>
"""


def player(
    result: FitResult,
    film: Film,
    history: History,
    inches: tuple[float, float] | None = None,
    dpi: int | None = None,
) -> bytes:
    """The page of a film, the same bytes for the same fit; its pictures are coarser where it would be too large.

    `inches` is the size of a frame; `dpi`, where given, holds however large the file is.
    """
    tables = _tables(result, history, film.frames)
    told = [_told(result, frame) for frame in film.frames]
    made = b""
    for fine, colours in FINER if dpi is None else ((dpi, COLOURS),):
        made = _page(film, stills(film, fine, inches or FRAME), colours, told, tables).encode()
        if len(made) <= MAX_BYTES:
            break
    return made


def _page(film: Film, shown: Stills, colours: int, told: Sequence[str], tables: Sequence[str]) -> str:
    last = len(film.frames) - 1
    frames = "".join(
        f'<figure data-frame="{i}" data-iteration="{"data" if frame.iteration is None else frame.iteration}"'
        f' data-told="{text(told[i])}"{_at(place)}{"" if i == last else " hidden"}>'
        f"{elements.image(_png(still), 'png', told[i], _size(still))}</figure>\n"
        for i, (frame, still, place) in enumerate(
            zip(film.frames, indexed(shown.frames, colours), shown.places, strict=True)
        )
    )
    place, [curve] = shown.places[-1], indexed([shown.curve], colours)
    body = BODY.format(
        title=text(film.title),
        interval=min(max(WHOLE // max(last, 1), SHORTEST), LONGEST),
        frames=frames,
        last=last,
        told=text(told[-1]),
        curve=elements.image(_png(curve), "png", _curve(film), _size(shown.curve)),
        dot=f' style="left: {100 * place[0]:.2f}%; top: {100 * place[1]:.2f}%"' if place else " hidden",
        tables="".join(
            f'<div data-frame="{i}"{"" if i == last else " hidden"}>\n{each}</div>\n' for i, each in enumerate(tables)
        ),
        notes=_notes(film.frames),
        version=text(__version__),
    )
    return elements.page(
        film.title, body, f"emcli {__version__}", ["html/page.css", "animation/player.css"], "animation/player.js"
    )


def _told(result: FitResult, frame: Frame) -> str:
    """What a frame shows, in a line."""
    if frame.iteration is None:
        return frame.panel.title
    value = result.measures(result.best)[frame.iteration].objective
    return frame.panel.title + ("" if value is None else f": {result.objective_name} {scores([value])[0]}")


def _curve(film: Film) -> str:
    return f"{film.climb.y_label} against {film.climb.x_label}; a dot shows where the frame is"


def _tables(result: FitResult, history: History, frames: Sequence[Frame]) -> list[str]:
    """The parameters at each frame; of the data alone none."""
    rows, best = result.data.rows, result.best
    order = best.model.to_original(rows.scaling).order_in(rows)
    models = {i: model.to_original(rows.scaling).ordered(order) for i, model in history.models(best)}
    made = []
    for frame in frames:
        if frame.iteration is None:
            made.append("")
            continue
        columns = result.kind.table(models[frame.iteration].to_parameters(), result.data.columns, rows.total)
        shown = [(title, values[:MAX_COMPONENTS]) for title, values in columns[:MAX_COLUMNS]]
        grid = components(shown)
        made.append(table(min(grid, grid.turned(), key=lambda each: each.width), "parameters"))
        if len(columns) > MAX_COLUMNS or len(columns[0][1]) > MAX_COMPONENTS:
            made[-1] += '<p class="soft">and more, with --trace</p>\n'
    return made


def _at(place: tuple[float, float] | None) -> str:
    """Where the dot is, in per cent of the curve."""
    return "" if place is None else f' data-x="{100 * place[0]:.2f}" data-y="{100 * place[1]:.2f}"'


def _size(picture: Image) -> str:
    return f' width="{picture.width}" height="{picture.height}" decoding="sync"'


def _notes(frames: Sequence[Frame]) -> str:
    """What the panels say below, each sentence once."""
    lines = dict.fromkeys(line for frame in frames for line in frame.panel.note.splitlines())
    return "".join(paragraph(line, "soft") for line in lines)


def _png(picture: Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()
