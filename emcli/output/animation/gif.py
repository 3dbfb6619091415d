"""A film as an animated GIF: each frame with the curve beside it, on which a dot shows how far EM has come."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from emcli.config.iterations import DATA, Moment
from emcli.output.animation.stills import DOT, FRAME, Stills, indexed, stills
from emcli.output.plots.frames import Film

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_FRAMES = 36  # unless they are asked for
EARLY_FRAMES = 8  # iterations from the start on, of which none is left out
MAX_BYTES = 1_900_000  # of an animation
COLOURS = 128
COARSER = ((110, COLOURS), (100, 64), (80, 32), (60, 24), (40, 16))  # pixels an inch, and colours
CURVE_WIDTH = 3.6  # inches
CURVE_SHARE = CURVE_WIDTH / (FRAME[0] + CURVE_WIDTH)
FIRST, LAST = 1500, 3000  # milliseconds that the first and the last frame stay
LONGEST, SHORTEST, WHOLE = 800, 300, 9000  # of each other frame, and of all of them together, about


def watchable(iterations: Sequence[int]) -> list[Moment]:
    """The data, and of these iterations so many as can be watched: the first ones, then ever fewer, and the last."""
    if len(iterations) < MOST_FRAMES:
        return [DATA, *iterations]
    first, rest = iterations[:EARLY_FRAMES], iterations[EARLY_FRAMES:]
    some = np.geomspace(1, len(rest), MOST_FRAMES - len(first) - 1).round().astype(int) - 1
    return [DATA, *first, *(rest[i] for i in np.unique(some).tolist())]


def gif(film: Film, inches: tuple[float, float] | None = None, dpi: int | None = None) -> bytes:
    """The bytes of a GIF that repeats for ever, the same for the same film; coarser where it would be too large.

    `inches` is the size of the whole; `dpi`, where given, holds however large the file is.
    """
    width, height = inches or (FRAME[0] + CURVE_WIDTH, FRAME[1])
    made = b""
    for fine, colours in COARSER if dpi is None else ((dpi, COLOURS),):
        curve = round(width * CURVE_SHARE * fine) / fine  # whole pixels
        made = _written(stills(film, fine, (width - curve, height), (curve, height)), colours)
        if len(made) <= MAX_BYTES:
            break
    return made


def _written(shown: Stills, colours: int) -> bytes:
    pictures = [_beside(frame, shown.curve, place) for frame, place in zip(shown.frames, shown.places, strict=True)]
    first, *others = indexed(pictures, colours)
    between = min(max(WHOLE // max(len(others), 1), SHORTEST), LONGEST)
    durations = [FIRST, *[between] * (len(others) - 1), LAST] if others else LAST
    out = io.BytesIO()
    first.save(out, "GIF", save_all=True, append_images=others, duration=durations, loop=0, optimize=False)
    return out.getvalue()


def _beside(frame: Image, curve: Image, place: tuple[float, float] | None) -> Image:
    """A frame and the curve in one image, with a dot at a place of the curve."""
    from PIL import Image, ImageDraw

    whole = Image.new("RGB", (frame.width + curve.width, max(frame.height, curve.height)), "white")
    whole.paste(frame, (0, 0))
    whole.paste(curve, (frame.width, 0))
    if place is not None:
        radius = curve.height // 60
        dot = Image.new("L", (8 * radius, 8 * radius))  # four times as large as it is shown, for smooth edges
        ImageDraw.Draw(dot).ellipse((0, 0, 8 * radius - 1, 8 * radius - 1), fill=255)
        at = frame.width + round(place[0] * curve.width) - radius, round(place[1] * curve.height) - radius
        whole.paste(Image.new("RGB", (2 * radius, 2 * radius), DOT), at, dot.resize((2 * radius, 2 * radius)))
    return whole
