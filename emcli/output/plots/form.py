"""The size of a picture in a file, as people give it."""

from __future__ import annotations

import re

from emcli.errors import EmcliError, Exit, quoted
from emcli.frozen import frozen

DPI, DRAWING_DPI = 120, 160  # of a PNG; of what is an image in a drawing, such as very many dots
ANIMATIONS = ("gif", "html")
MANY_PANELS = 12
INCHES, DPIS = (1.5, 60.0), (20, 1200)  # the least and the most
MOST_PIXELS = 50_000_000
SIZE = r"([0-9]{1,6}(?:\.[0-9]{1,6})?)x([0-9]{1,6}(?:\.[0-9]{1,6})?)(in|px)?"


@frozen
class Form:
    """How large a picture is, and how fine."""

    inches: tuple[float, float] | None = None  # width and height; None: as its panels need
    given: int | None = None  # pixels an inch; None: as usual

    def dpi(self, kind: str, panels: int = 1) -> int:
        """Pixels an inch in a file of that kind; in a drawing of many panels images are coarser."""
        return self.given or (DPI if kind == "png" or panels > MANY_PANELS else DRAWING_DPI)

    @classmethod
    def of(cls, size: str | None, dpi: int | None) -> Form:
        """From `--size 9x6` (inches), `--size 1200x800px`, and `--dpi`. Raises EmcliError (exit 2)."""
        fine = DPI if dpi is None else dpi
        if not DPIS[0] <= fine <= DPIS[1]:
            raise EmcliError(Exit.USAGE, f"'--dpi' must be an integer from {DPIS[0]} to {DPIS[1]}, got '{fine}'")
        if size is None:
            return cls(None, dpi)
        found = re.fullmatch(SIZE, size)
        if found is None:
            what = f"'--size' must be WIDTHxHEIGHT in inches, such as 9x6, or 1200x800px, got {quoted(size)}"
            raise EmcliError(Exit.USAGE, what)
        unit = fine if found[3] == "px" else 1
        width, height = float(found[1]) / unit, float(found[2]) / unit
        least, most = INCHES
        if not (least <= width <= most and least <= height <= most):
            what = f"'--size' must be from {least:g} to {most:g} inches each way, got {quoted(size)}"
            raise EmcliError(Exit.USAGE, what if unit == 1 else f"{what} at {fine} pixels an inch")
        if width * height * fine * fine > MOST_PIXELS:
            what = f"'--size' and '--dpi' must make at most {MOST_PIXELS / 1e6:g} million pixels, got "
            raise EmcliError(Exit.USAGE, f"{what}{width * height * fine * fine / 1e6:.0f}")
        return cls((width, height), fine if found[3] == "px" else dpi)


AS_USUAL = Form()
