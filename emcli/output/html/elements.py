"""Parts of a page of HTML: text and tables whose foreign text stays text, pictures inside the page, and the page."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from hashlib import sha256
from html import escape
from importlib.resources import files

from emcli.errors import MAX_LINE, escaped
from emcli.output.page import BAD, GOOD, Block, Grid, Line, parts_of

CLASSES = {GOOD: "good", BAD: "bad"}
MEDIA = {"svg": "image/svg+xml", "png": "image/png"}
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="generator" content="{generator}">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
{body}
{script}</body>
</html>
"""


def text(foreign: str, limit: int = MAX_LINE) -> str:
    """Foreign text as HTML: markup is shown as typed, and control and bidirectional characters are escaped."""
    return escape(escaped(foreign, limit))


def marked(sentence: str) -> str:
    """A sentence of the program as HTML; what stands in backquotes is typed."""
    parts = [text(part, len(sentence) * 12) for part in sentence.split("`")]
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))


def paragraph(line: str, kind: str = "") -> str:
    """A line as a paragraph of a class; a good or bad ending has its colour."""
    if isinstance(line, Line):
        kind = f"{kind} {CLASSES.get(line.colour, '')}".strip()
    return f"<p{_class(kind)}>{text(line)}</p>\n"


def table(grid: Grid, name: str) -> str:
    """A table that scrolls by itself where it is wider than the page; `name` tells those who do not see it."""
    head = "".join(f'<th scope="col">{_cell(title)}</th>' for title in grid.titles)
    rows = []
    for i, (first, *others) in enumerate(grid.rows):
        cells = f'<th scope="row">{_cell(first)}</th>' + "".join(f"<td>{_cell(cell)}</td>" for cell in others)
        rows.append(f"<tr{_class('best' if i == grid.best else '')}>{cells}</tr>\n")
    return (
        f'<div class="wide" role="region" tabindex="0" aria-label="{text(name)}">\n'
        f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{''.join(rows)}</tbody>\n</table>\n</div>\n"
    )


def blocks(parts: Iterable[Block], name: str) -> str:
    """Tables and lines, as they stand on a page of text."""
    shown = [part for block in parts for part in parts_of(block)]
    return "".join(table(part, name) if isinstance(part, Grid) else paragraph(part) for part in shown)


def definitions(pairs: Iterable[tuple[str, str]]) -> str:
    """Terms, and what each is: HTML made by the functions above."""
    return "<dl>\n" + "".join(f"<dt>{text(term)}</dt><dd>{what}</dd>\n" for term, what in pairs) + "</dl>\n"


def section(title: str, *parts: str) -> str:
    """A section with its heading."""
    return f"<section>\n<h2>{text(title)}</h2>\n{''.join(parts)}</section>\n"


def image(content: bytes, kind: str, alternative: str, attributes: str = "") -> str:
    """A picture inside the page, with a text for those who do not see it."""
    data = b64encode(content).decode("ascii")
    return f'<img alt="{text(alternative, 1000)}"{attributes} src="data:{MEDIA[kind]};base64,{data}">'


def page(title: str, body: str, generator: str, style: Sequence[str], script: str | None = None) -> str:
    """A whole page, which may load nothing: the named style sheets and the script are part of it."""
    code = "" if script is None else _resource(script)
    digest = b64encode(sha256(code.encode()).digest()).decode("ascii")
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    policy += f"; script-src 'sha256-{digest}'" if script is not None else ""
    return PAGE.format(
        policy=policy,
        generator=escape(generator),
        title=text(title),
        style="".join(map(_resource, style)),
        body=body.rstrip("\n"),
        script="" if script is None else f"<script>{code}</script>\n",
    )


def _resource(name: str) -> str:
    return (files("emcli.output") / name).read_text(encoding="utf-8")


def _cell(content: str) -> str:
    return escape(content).replace("\n", "<br>")


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""
