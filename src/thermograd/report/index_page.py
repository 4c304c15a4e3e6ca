"""The first page of a reproduction: links to the pages of all setups, and every claim with its verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from thermograd.files import atomic_write

__all__ = ["ClaimLine", "IndexEntry", "write_index"]

_KINDS = {"agrees": "holds", "differs": "fails", "not testable": "open"}
_COLUMNS = ("Claim", "Paper", "Measured", "Verdict", "Why")


@dataclass(frozen=True)
class ClaimLine:
    """One claim: what the paper says and where, what was measured, the verdict in a word, and why."""

    claim: str
    paper: str
    measured: str
    verdict: str
    reason: str

    @property
    def kind(self) -> str:
        """The class of its verdict in the page's style."""
        return _KINDS.get(self.verdict, "open")


@dataclass(frozen=True)
class IndexEntry:
    """One setup in the list.

    Attributes
    ----------
    title
        Its name.
    page
        Address of its page, relative to this one; empty if it has none.
    note
        What it is, or why it was not run.
    claims
        What was found.

    """

    title: str
    page: str = ""
    note: str = ""
    claims: tuple[ClaimLine, ...] = ()


def write_index(
    path: Path, entries: Sequence[IndexEntry], *, title: str, lead: str, command: str = ""
) -> Path:
    """Write the page; it needs nothing but the pages that it links to.

    Parameters
    ----------
    path
        Where to, ending in ``.html``.
    entries
        Setups in their order, those that were not run among them.
    title, lead
        Heading and first sentence.
    command
        Command line that makes it again.

    Returns
    -------
    Path
        The page.

    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    own = files("thermograd.report")
    environment = Environment(autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True)
    template = environment.from_string(own.joinpath("index_template.html").read_text("utf-8"))
    tally = Counter(claim.verdict for entry in entries for claim in entry.claims)
    counted = ", ".join(f"{tally[word]} {word}" for word in _KINDS) + "."
    text = template.render(
        title=title,
        lead=lead,
        css=Markup(own.joinpath("style.css").read_text("utf-8")),
        entries=entries,
        counted=counted,
        columns=_COLUMNS,
        command=command,
    )
    atomic_write(path, text)
    return path
