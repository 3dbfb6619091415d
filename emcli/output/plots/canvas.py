"""Dots in braille characters, eight to a cell, each cell in the ink of what covers most of it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from emcli.types import Array, IndexArray

Dots = IndexArray

BITS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])  # of the dot (row, column) in U+2800
SHADES = np.array([[0, 4], [6, 2], [1, 5], [7, 3]]) / 8 + 1 / 16  # ordered dither of one cell
INKS = (32, 208, 35, 170, 220, 45, 160, 102)  # 256-colour numbers near Okabe and Ito's, told apart by everybody
MARKS = "123456789abcdefghijklmnopqrstuvwxyz"


def mark(component: int) -> str:
    """The character that stands for a component."""
    return MARKS[component % len(MARKS)]


def ink(component: int | None) -> str:
    """The escape that begins a component's colour."""
    return "" if component is None else f"38;5;{INKS[component % len(INKS)]}"


def styled(text: str, *codes: str) -> str:
    """A text between escapes."""
    said = ";".join(code for code in codes if code)
    return f"\x1b[{said}m{text}\x1b[0m" if said and text else text


class Canvas:
    """A grid of cells to draw dots and characters on; row 0 of the dots is the top.

    Ground (points, bars, shades) shows in the cells that no line passes through, so that a line is seen on it.
    """

    def __init__(self, width: int, height: int):
        self.width, self.height = width, height
        self.dots = np.zeros((4 * height, 2 * width), dtype=bool)
        self.ground = np.zeros((4 * height, 2 * width), dtype=bool)
        self.votes: dict[int | None, Array] = {}  # weight of each ink in each cell
        self.marked: dict[tuple[int, int], tuple[str, int | None]] = {}  # characters over the dots

    def dot(self, rows: Dots, columns: Dots, colour: int | None, weight: float = 0.0) -> None:
        """Set dots, of the ground if they weigh nothing; where inks meet in a cell the heaviest wins."""
        inside = (rows >= 0) & (rows < self.dots.shape[0]) & (columns >= 0) & (columns < self.dots.shape[1])
        rows, columns = rows[inside], columns[inside]
        (self.dots if weight else self.ground)[rows, columns] = True
        votes = self.votes.setdefault(colour, np.zeros((self.height, self.width)))
        np.add.at(votes, (rows // 4, columns // 2), weight or 1e-6)

    def line(self, rows: Array, columns: Array, colour: int | None, stroke: str) -> tuple[Dots, Dots]:
        """Join points by straight lines; returns the dots on them, in order."""
        steps = np.maximum(np.abs(np.diff(rows)), np.abs(np.diff(columns)))
        counts = np.maximum(1, np.ceil(steps)).astype(int) if len(steps) else np.zeros(0, dtype=int)
        place = np.append(np.repeat(np.arange(len(counts)), counts), max(0, len(rows) - 1)).astype(float)
        if len(counts):
            place[:-1] += (np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)) / np.repeat(
                counts, counts
            )
        at = np.arange(len(rows))
        r, c = np.rint(np.interp(place, at, rows)).astype(int), np.rint(np.interp(place, at, columns)).astype(int)
        run = np.arange(len(r))
        kept = {"thin": run % 3 == 0, "dashed": run % 8 < 5}.get(stroke, run >= 0)
        weight = {"thin": 0.5, "bold": 1000.0}.get(stroke, 10.0)
        self.dot(r[kept], c[kept], colour, weight)
        if stroke == "bold":
            steep = abs(float(np.ptp(r))) > abs(float(np.ptp(c)))
            self.dot(r + (not steep), c + steep, colour, weight)
        return r, c

    def put(self, character: str, row: int, column: int, colour: int | None) -> None:
        """Write a character over the cell that holds a dot."""
        cell = min(max(row // 4, 0), self.height - 1), min(max(column // 2, 0), self.width - 1)
        self.marked[cell] = character, colour

    def free(self) -> npt.NDArray[np.bool_]:
        """The cells that no line passes through."""
        taken = self.dots.reshape(self.height, 4, self.width, 2).sum(axis=(1, 3)) > 0
        return np.asarray(~taken)

    def winners(self, colours: set[int | None] | None = None) -> tuple[list[int | None], Dots]:
        """The inks, and for each cell the place in them of the heaviest."""
        inks = [colour for colour in self.votes if colours is None or colour in colours]
        if not inks:
            return [None], np.zeros((self.height, self.width), dtype=int)
        return inks, np.argmax(np.stack([self.votes[colour] for colour in inks]), axis=0)

    def lines(self, coloured: bool, ascii_only: bool) -> list[str]:
        """The rows of cells as text, each exactly as wide as the canvas."""
        blocks, ground = (dots.reshape(self.height, 4, self.width, 2) for dots in (self.dots, self.ground))
        blocks = np.where(blocks.any(axis=(1, 3), keepdims=True), blocks, ground)
        codes = (blocks * BITS[None, :, None, :]).sum(axis=(1, 3))
        upper, lower = (half.sum(axis=(1, 3)) > 0 for half in (blocks[:, :2], blocks[:, 2:]))
        full = blocks.sum(axis=(1, 3)) > 5
        inks, best = self.winners()
        said = []
        for row in range(self.height):
            parts: list[tuple[str, str]] = []
            for column in range(self.width):
                text, colour = self.marked.get((row, column), ("", None))
                if text:
                    style = f"1;{ink(colour)}".rstrip(";")
                elif not codes[row, column]:
                    text, style = " ", ""
                else:
                    style = ink(inks[best[row, column]])
                    if not ascii_only:
                        text = chr(0x2800 + int(codes[row, column]))
                    elif full[row, column]:
                        text = "#"
                    else:
                        text = ":" if upper[row, column] and lower[row, column] else "'" if upper[row, column] else "."
                if parts and parts[-1][1] == style:
                    parts[-1] = parts[-1][0] + text, style
                else:
                    parts.append((text, style))
            said.append("".join(styled(text, style) if coloured else text for text, style in parts))
        return said
