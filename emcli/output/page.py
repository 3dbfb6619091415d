"""A page of tables and lines: as wide as asked in a terminal or a pipe, or as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from emcli.errors import MAX_LINE, escaped
from emcli.output.terminal import columns, console, is_terminal, sayable, wrapped

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

ENDLESS = 1 << 30  # characters, of a page that has no width
GAP = 3  # characters between two columns
MAX_CELL, MAX_HEADING = 80, 40  # characters
GOOD, BAD = "green", "red"


class Line(str):
    """A line with a colour."""

    colour: str

    def __new__(cls, text: str, colour: str) -> Line:
        """The text, to be shown in that colour where there is colour."""
        line = super().__new__(cls, text)
        line.colour = colour
        return line


@dataclass(frozen=True)
class Grid:
    """A table: titles and rows of cells, all aligned right; what is quoted of files is escaped."""

    titles: Sequence[str]
    rows: Sequence[Sequence[str]]
    best: int | None = None  # the row to point out in colour

    def __post_init__(self) -> None:
        titles = ["\n".join(escaped(part, MAX_HEADING) for part in title.split("\n")) for title in self.titles]
        object.__setattr__(self, "titles", titles)
        object.__setattr__(self, "rows", [[escaped(cell, MAX_CELL) for cell in row] for row in self.rows])

    @property
    def widths(self) -> list[int]:
        """How wide each column is, in characters."""
        from rich.cells import cell_len

        return [
            max(cell_len(part) for cell in column for part in cell.split("\n"))
            for column in zip(self.titles, *self.rows, strict=True)
        ]

    @property
    def width(self) -> int:
        """Of the whole table, in characters."""
        widths = self.widths
        return sum(widths) + GAP * (len(widths) - 1)

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

    def rich(self) -> Table:
        """As rich draws it, of the look that all tables have."""
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
        for title in self.titles:
            table.add_column(Text(title), justify="right", no_wrap=True)
        for i, row in enumerate(self.rows):
            table.add_row(*map(Text, row), style=GOOD if i == self.best else None)
        return table

    def markdown(self) -> str:
        """As a Markdown table; a bar in a cell is escaped."""
        rows = [[_cell(cell) for cell in row] for row in (self.titles, *self.rows)]
        lines = [rows[0], ["---:"] * len(self.titles), *rows[1:]]
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)


Block = Grid | str | Sequence[str | Grid] | None  # a table, or a line, or several of these
Blocks = Sequence[Block]


@dataclass(frozen=True)
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
        for block in blocks:
            if block is not None:
                parts = [block] if isinstance(block, Grid | str) else block
                text += "".join(p.markdown() if isinstance(p, Grid) else f"{_plain(p)}\n" for p in parts) + "\n"
        return text + "".join(f"- {_plain(line)}\n" for line in lines)

    def _text(self, blocks: Blocks, lines: Sequence[str]) -> str:

        screen = console(self.stream)
        screen.width = ENDLESS  # nothing is cut or folded but here
        with screen.capture() as captured:
            for block in blocks:
                if block is None:
                    continue
                for part in [block] if isinstance(block, Grid | str) else block:
                    if isinstance(part, Grid):
                        screen.print(part.rich())
                    else:
                        self._print(screen, part)
                screen.print()
            for line in lines:
                self._print(screen, line)
        return captured.get()

    def _print(self, screen: Console, line: str) -> None:
        from rich.text import Text

        text, colour = _plain(line), line.colour if isinstance(line, Line) else ""
        width = min(self.width, columns(self.stream))
        whole = not is_terminal(self.stream) or len(text) <= width
        for part in [text] if whole else wrapped(text, width):
            screen.print(Text(part, style=colour))


def _cell(text: str) -> str:
    return text.replace("\n", " ").replace("|", "\\|")


def _plain(text: str) -> str:
    return escaped(text, MAX_LINE)
