"""The sections of the manual on warnings and words, found wherever emcli is installed."""

from __future__ import annotations

import os
import re
from functools import cache
from typing import NamedTuple

from emcli.files.examples import home

FOLDER, READING, WORDS = "docs", "reading-a-fit.md", "words.md"  # of the repository, packaged as emcli/examples/docs
OF_WARNINGS = "Warnings "  # how the headings begin under which each warning has a section
WHY, REMEDY = "Why.", "What to do."  # titles of paragraphs in these


class Section(NamedTuple):
    """What the manual says of a warning or a word."""

    name: str
    group: str  # the heading that it stands under
    blocks: list[str]  # of Markdown: paragraphs, lists and fenced blocks
    others: list[str]  # other names of the same

    def part(self, title: str) -> str:
        """The paragraph that begins with a title in bold, as one line without it; empty where there is none."""
        mark = f"**{title}** "
        found = next((block for block in self.blocks if block.startswith(mark)), mark)
        return plain(found.removeprefix(mark))


def plain(text: str) -> str:
    """Markdown as one line of plain text; backquotes stay around what is typed."""
    text = re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", text)
    return " ".join(re.sub(r"\*+([^*\s][^*]*)\*+", r"\1", text).split())


def key(word: str) -> str:
    """What a word is looked up by: capitals, spaces, underscores, hyphens and brackets make no difference."""
    return re.sub(r"(?:[^\w+]|_)+", "-", word.lower()).strip("-")  # k-means++ is no k-means


@cache
def sections() -> list[Section]:
    """All sections, of warnings first, in the order of the pages."""
    warnings = [each for each in _page(READING) if each.group.startswith(OF_WARNINGS)]
    return [*warnings, *_page(WORDS)]


def warnings() -> dict[str, Section]:
    """The section of each warning, by its slug."""
    return {each.name: each for each in sections() if each.group.startswith(OF_WARNINGS)}


def names() -> dict[str, Section]:
    """Every section by the keys of its name and of its other names."""
    by_name = {key(each.name): each for each in sections()}
    return {key(other): each for each in sections() for other in each.others} | by_name


def _page(name: str) -> list[Section]:
    with open(os.path.join(home(), FOLDER, name), encoding="utf-8") as file:
        text = re.sub("<!--.*?-->\n?", "", file.read(), flags=re.S)
    found = []
    for part in re.split("^## ", text, flags=re.M)[1:]:
        group, *parts = re.split("^### ", part, flags=re.M)
        for each in parts:
            title, _, body = each.partition("\n")
            blocks = [block.strip("\n") for block in re.findall(r"```.*?^```|[^\n].*?(?=\n\n|\Z)", body, re.S | re.M)]
            others = [block for block in blocks if block.startswith("Also: ")]
            listed = re.findall(r"`([^`]+)`", " ".join(others))
            found.append(Section(title.strip(), group.partition("\n")[0], blocks, listed))
    return found
