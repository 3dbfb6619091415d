"""The frames of a film as images of one size, and the curve beside them, on which each frame has its place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emcli.output.plots.figure import Panel
from emcli.output.plots.frames import Film
from emcli.output.plots.matplotlib_axes import INK, PALETTE, draw_panel
from emcli.output.plots.matplotlib_legends import draw_legends
from emcli.output.plots.matplotlib_renderer import styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL.Image import Image

Size = tuple[float, float]
FRAME, CURVE = (5.0, 4.3), (4.0, 3.4)  # inches
DOT = 213, 94, 0
EXACT = ((255, 255, 255), DOT, *(tuple(bytes.fromhex(ink[1:])) for ink in (INK, *PALETTE)))  # these stay as they are
PLACES = np.array([1 << 16, 1 << 8, 1], dtype=np.int32)  # of red, green and blue in one number
FONT = 10.5  # points: to be read where a frame is 376 pixels wide
SIZES = {"font.size": FONT, "axes.titlesize": FONT + 0.5, "legend.fontsize": FONT - 1.5}


@dataclass(frozen=True)
class Stills:
    """What a film looks like."""

    frames: Sequence[Image]  # RGB, all of one size
    curve: Image
    places: Sequence[tuple[float, float] | None]  # of each frame on the curve, in shares of its width and height


def stills(film: Film, dpi: int, frame_size: Size = FRAME, curve_size: Size = CURVE) -> Stills:
    """Draw each frame and the curve, at so many pixels an inch."""
    with styled(SIZES):
        frames = list(_frames([frame.panel for frame in film.frames], frame_size, dpi))
        canvas, axes = _canvas(curve_size, dpi)
        across, up = draw_panel(axes, film.climb)
        draw_legends(axes.figure, [axes])
        curve = _image(canvas)
        width, height = canvas.get_width_height()
        places: list[tuple[float, float] | None] = []
        for frame in film.frames:
            at = _point(film.climb, frame.iteration)
            if at is None:
                places.append(None)
                continue
            point = axes.transData.transform((across.tidy(at[0]), up.tidy(at[1])))
            x, y = np.clip(point, axes.bbox.min, axes.bbox.max).tolist()
            places.append((x / width, 1 - y / height))
    return Stills(frames, curve, places)


def indexed(pictures: Sequence[Image], colours: int) -> list[Image]:
    """Images of one size with one palette of so many colours, by the first, the middle and the last of them."""
    from PIL import Image

    some = [pictures[i] for i in sorted({0, len(pictures) // 2, len(pictures) - 1})]
    width, height = some[0].size
    together = Image.new("RGB", (width, height * len(some)))
    for i, picture in enumerate(some):
        together.paste(picture, (0, height * i))
    found = together.quantize(max(colours - len(EXACT), 2), dither=Image.Dither.NONE).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette([*found, *(part for colour in EXACT for part in colour)])
    return [_with_palette(picture, palette, len(found) // 3) for picture in pictures]


def _with_palette(picture: Image, palette: Image, first: int) -> Image:
    """An image with the nearest colours of a palette, of which those from `first` on are met exactly."""
    from PIL import Image

    nearest = np.array(picture.quantize(palette=palette, dither=Image.Dither.NONE))
    pixels = np.asarray(picture) @ PLACES
    for i, colour in enumerate(EXACT):
        nearest[pixels == colour @ PLACES] = first + i
    made = Image.fromarray(nearest, "P")
    made.putpalette(palette.getpalette() or [])
    return made


def _frames(panels: Sequence[Panel], size: Size, dpi: int) -> Iterator[Image]:
    """Each panel in the same axes, which the last one has laid out."""
    canvas, axes = _canvas(size, dpi)
    for i, panel in enumerate([panels[-1], *panels]):
        axes.clear()
        draw_panel(axes, panel)
        draw_legends(axes.figure, [axes])
        if i:
            yield _image(canvas)
        else:
            canvas.figure.draw_without_rendering()
            canvas.figure.set_layout_engine("none")


def _point(panel: Panel, iteration: int | None) -> tuple[float, float] | None:
    """Where an iteration is on the curve of a panel, in the units of its axes."""
    curve = panel.series[0]
    if iteration is None or not len(curve.x):
        return None
    return float(iteration), float(np.interp(iteration, curve.x, curve.y))


def _canvas(size: Size, dpi: int) -> tuple[FigureCanvasAgg, Axes]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    width, height = (round(each * dpi) + 0.1 for each in size)  # what is left of a pixel is cut
    figure = Figure(figsize=(width / dpi, height / dpi), dpi=dpi, layout="constrained")
    return FigureCanvasAgg(figure), figure.subplots()


def _image(canvas: FigureCanvasAgg) -> Image:
    from PIL import Image

    canvas.draw()  # type: ignore[no-untyped-call]
    return Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])  # type: ignore[no-untyped-call]
