"""`python -m tests.docs --write`: make the tables of docs/ anew; without --write, name the pages that differ."""

from __future__ import annotations

import sys

from .pages import PAGES, tabled
from .tables import TABLES

for page in PAGES:
    text = page.read_text()
    if (made := tabled(text, TABLES)) != text:
        print(f"docs/{page.name}")
        if "--write" in sys.argv:
            page.write_text(made)
