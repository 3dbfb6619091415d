"""A page of tables and lines: as wide as asked in a terminal or a pipe, or as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import IO

from emcli.errors import MAX_LINE, escaped
from emcli.frozen import frozen
from emcli.output.terminal import cells, columns, is_terminal, sayable, takes_colour, wrapped

ENDLESS = 1 << 30  # characters, of a page that has no width
GAP = 3  # characters between two columns
MAX_CELL, MAX_HEADING = 80, 40  # characters
GOOD, BAD = "green", "red"
COLOURS = {GOOD: "32", BAD: "31", "bold": "1"}  # as a terminal is told


class Line(str):
    """A line with a colour."""

    colour: str

    def __new__(cls, text: str, colour: str) -> Line:
        """The text, to be shown in that colour where there is colour."""
        line = super().__new__(cls, text)
        line.colour = colour
        return line


@frozen
class Grid:
    """A table: titles and rows of cells, all aligned right; what is quoted of files is escaped."""

    titles: Sequence[str]
    rows: Sequence[Sequence[str]]
    best: int | None = None  # the row to point out in colour

    def __post_init__(self) -> None:
        titles = ["\n".join(escaped(part, MAX_HEADING) for part in title.split("\n")) for title in self.titles]
        object.__setattr__(self, "titles", titles)
        object.__setattr__(self, "rows", [[escaped(cell, MAX_CELL) for cell in row] for row in self.rows])

    @classmethod
    def of(cls, titles: Sequence[str], columns: Iterable[Sequence[str]], best: int | None = None) -> Grid:
        """A table of columns."""
        return cls(titles, list(zip(*columns, strict=True)), best)

    @property
    def widths(self) -> list[int]:
        """How wide each column is, in characters."""
        return [
            max(cells(part) for cell in column for part in cell.split("\n"))
            for column in zip(self.titles, *self.rows, strict=True)
        ]

    @property
    def width(self) -> int:
        """Of the whole table, in characters."""
        widths = self.widths
        return sum(widths) + GAP * (len(widths) - 1)

    def narrowed(self, width: int, spared: Sequence[str]) -> tuple[Grid, list[str]]:
        """The table less as many of these columns, in this order, as have no room in a width; and their titles."""
        grid, left_out = self, []
        for title in spared:
            if grid.width <= width or len(grid.titles) == 1:
                break
            if title in grid.titles:
                kept = [i for i, other in enumerate(grid.titles) if other != title]
                rows = [[row[i] for i in kept] for row in grid.rows]
                grid = Grid([grid.titles[i] for i in kept], rows, grid.best)
                left_out.append(title)
        return grid, left_out

    def turned(self) -> Grid:
        """The table with its rows as columns."""
        first, *others = zip(self.titles, *self.rows, strict=True)
        return Grid(first, others)

    def within(self, width: int, together: int = 1, kept: int = 1) -> Iterator[Grid]:
        """Tables of some columns each that fit a width: the first `kept` in all, and so many others stay together."""
        widths = [each + GAP for each in self.widths]
        room, start = width + GAP - sum(widths[:kept]), kept
        while start < len(widths) or start == kept == len(widths):
            stop = start + together
            while stop < len(widths) and sum(widths[start : stop + together]) <= room:
                stop += together
            rows = [[*row[:kept], *row[start:stop]] for row in self.rows]
            yield Grid([*self.titles[:kept], *self.titles[start:stop]], rows, self.best)
            start = stop

    def lines(self) -> Iterator[Line]:
        """As lines: titles, a rule, and the rows, each cell at the right of its column."""
        widths = self.widths
        titles = [title.split("\n") for title in self.titles]
        lowest = max(map(len, titles))
        yield from _printed([[""] * (lowest - len(title)) + title for title in titles], widths, "bold")
        yield Line("─" * self.width, "")
        for i, row in enumerate(self.rows):
            yield from _printed([cell.split("\n") for cell in row], widths, GOOD if i == self.best else "")

    def markdown(self) -> str:
        """As a Markdown table; a bar in a cell is escaped."""
        rows = [[_cell(cell) for cell in row] for row in (self.titles, *self.rows)]
        lines = [rows[0], ["---:"] * len(self.titles), *rows[1:]]
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)


Block = Grid | str | Sequence[str | Grid]  # a table, or a line, or several of these
Blocks = Sequence[Block]


def parts_of(block: Block) -> Sequence[str | Grid]:
    """The tables and lines of a block."""
    return [block] if isinstance(block, Grid | str) else block


@frozen
class Page:
    """Where tables are written, and how."""

    stream: IO[str]
    width: int  # of tables, in characters
    is_markdown: bool = False

    @classmethod
    def of(cls, stream: IO[str], width: int | None = None, is_markdown: bool = False) -> Page:
        """A page as wide as asked, by default as the terminal, or COLUMNS, or 80; Markdown has no width."""
        return cls(stream, ENDLESS if is_markdown else columns(stream, width), is_markdown)

    def write(self, blocks: Blocks, lines: Sequence[str]) -> None:
        """Write tables and lines with an empty line after each block, then lines.

        What a line quotes of files is escaped here. Lines are wrapped at words on a terminal, and stay whole elsewhere.
        """
        text = self._markdown(blocks, lines) if self.is_markdown else self._text(blocks, lines)
        self.stream.write(sayable("".join(f"{line.rstrip()}\n" for line in text.splitlines()), self.stream))

    def _markdown(self, blocks: Blocks, lines: Sequence[str]) -> str:
        text = ""
        for parts in map(parts_of, blocks):
            text += "".join(p.markdown() if isinstance(p, Grid) else f"{_plain(p)}\n" for p in parts) + "\n"
        return text + "".join(f"- {_plain(line)}\n" for line in lines)

    def _text(self, blocks: Blocks, lines: Sequence[str]) -> str:
        printed: list[str] = []
        for block in blocks:
            for part in parts_of(block):
                printed += map(self._coloured, part.lines()) if isinstance(part, Grid) else self._wrapped(part)
            printed.append("")
        for line in lines:
            printed += self._wrapped(line)
        return "".join(f"{line}\n" for line in printed)

    def _wrapped(self, line: str) -> Iterator[str]:
        """A line as it is shown: on a terminal in lines of its width."""
        text, colour = _plain(line), line.colour if isinstance(line, Line) else ""
        width = min(self.width, columns(self.stream))
        whole = not is_terminal(self.stream) or len(text) <= width
        for part in [text] if whole else wrapped(text, width):
            yield self._coloured(Line(part, colour))

    def _coloured(self, line: Line) -> str:
        if not line or line.colour not in COLOURS or not takes_colour(self.stream):
            return line
        return f"\x1b[{COLOURS[line.colour]}m{line.rstrip()}\x1b[0m"


def _printed(row: Sequence[Sequence[str]], widths: Sequence[int], colour: str) -> Iterator[Line]:
    """The lines of a row, whose cells may have several."""
    for parts in zip_longest(*row, fillvalue=""):
        shown = (" " * (width - cells(part)) + part for part, width in zip(parts, widths, strict=True))
        yield Line((" " * GAP).join(shown), colour)


def _cell(text: str) -> str:
    return text.replace("\n", " ").replace("|", "\\|")


def _plain(text: str) -> str:
    return escaped(text, MAX_LINE)
