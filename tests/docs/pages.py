"""The pages of docs/: their blocks, links, headings and the tables between markers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs").glob("*.md"))
FENCED = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.M | re.S)
TABLE = re.compile(r"(<!-- table: ([^\n]+?) -->\n).*?(<!-- end -->)", re.S)
SLOW = "<!-- slow -->"  # above a block of commands that take long


class Block(NamedTuple):
    """A fenced block: `sh` holds commands, `text` what they print, any other kind with a name is a file."""

    kind: str
    name: str  # of a file: the second word of the fence
    text: str
    line: int  # of the page, from 1, on which the text begins
    slow: bool


def blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    for found in FENCED.finditer(text):
        kind, _, name = found[1].strip().partition(" ")
        before = text[: found.start()]
        yield Block(kind, name.strip(), found[2], before.count("\n") + 2, before.rstrip().endswith(SLOW))


def without_blocks(text: str) -> str:
    """A page's prose."""
    return FENCED.sub("", text)


def links(text: str) -> list[str]:
    """The targets of a page's links and pictures."""
    return re.findall(r"\]\(([^)\s]+)\)", without_blocks(text))


def anchors(text: str) -> set[str]:
    """What a link may name after `#`: headings as GitHub writes them."""
    headings = re.findall(r"^#+ (.+)$", without_blocks(text), re.M)
    plain = [re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", heading)).strip().lower() for heading in headings]
    return {heading.replace(" ", "-") for heading in plain}


def tabled(text: str, tables: Mapping[str, Callable[[], str]]) -> str:
    """A page with each table between markers made anew. Raises KeyError for one that nobody makes."""
    return TABLE.sub(lambda found: f"{found[1]}{tables[found[2]]()}\n{found[3]}", text)
