"""Pages of HTML as a browser takes them apart, for tests of what emcli writes."""

from __future__ import annotations

import base64
from html.parser import HTMLParser

ALONE = {"img", "meta", "br", "input"}  # elements without an end


class Page(HTMLParser):
    """What a browser makes of a page: its elements, texts, tables; every element must be closed where it was opened."""

    def __init__(self, text: str):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: dict[str, list[str]] = {}
        self.tables: list[list[list[str]]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in ALONE:
            self._open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
        elif tag not in ALONE:
            self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if {"td", "th"} & set(self._open):
            self.tables[-1][-1][-1] += data
            return
        for tag in set(self._open) & self.texts.keys():
            self.texts[tag][-1] += data

    def pictures(self) -> list[bytes]:
        """What is in each of its images; it must be in the page itself."""
        sources = [attributes["src"] for tag, attributes in self.elements if tag == "img"]
        assert all(source.startswith("data:image/") for source in sources)
        return [base64.b64decode(source.partition(",")[2]) for source in sources]
