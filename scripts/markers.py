"""What a script writes into a page stands between markers, and nothing else of the page is touched."""

import sys
from pathlib import Path

__all__ = ["fill"]


def fill(page: str, name: str, content: str, where: Path) -> str:
    """The page with this between its ``<!-- begin NAME -->`` and ``<!-- end NAME -->``; errors say where."""
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    if page.count(begin) != 1 or page.count(end) != 1:
        sys.exit(f"{where} has no {begin} with {end}, or more than one; expected each once")
    return page[: page.index(begin)] + f"{begin}\n\n{content}\n\n" + page[page.index(end) :]
