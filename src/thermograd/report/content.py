"""What a report is made of, before it is a page: tables, claims, pictures, sections."""

from __future__ import annotations

import base64
import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from thermograd.figures.interactive import Fragment

__all__ = ["Claim", "Picture", "Section", "Table", "Verdict"]


@dataclass(frozen=True)
class Table:
    r"""A table of texts, the same on the page, as CSV and as Markdown.

    Attributes
    ----------
    name
        Stem of its files.
    title
        What it shows, in one line.
    columns
        Headings.
    rows
        One tuple of cells per row, as long as ``columns``; the first cell heads the row.
    note
        How to read it.
    prose
        Whether cells hold sentences, which are set left and wrapped.

    Examples
    --------
    >>> print(Table("t", "Title", ("a", "b"), (("1|2", "3"),)).markdown())
    | a | b |
    | --- | --- |
    | 1\|2 | 3 |
    <BLANKLINE>

    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    prose: bool = False

    @property
    def numeric(self) -> tuple[bool, ...]:
        """For each column whether it holds numbers, which are set right."""
        return tuple(
            any(row[i] for row in self.rows) and all(row[i][:1] in "0123456789−–(" for row in self.rows)
            for i in range(len(self.columns))
        )

    def csv(self) -> str:
        """The table as CSV (RFC 4180, except for plain newlines)."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([self.columns, *self.rows])
        return text.getvalue()

    def markdown(self) -> str:
        """The table as GitHub-flavoured Markdown."""
        lines = [self.columns, ("---",) * len(self.columns), *self.rows]
        return "".join("| " + " | ".join(_one_line(cell) for cell in line) + " |\n" for line in lines)


def _one_line(cell: str) -> str:
    return " ".join(cell.replace("|", "\\|").split())


@dataclass(frozen=True)
class Verdict:
    """What the measurement says about a claim.

    Attributes
    ----------
    kind
        ``holds``, ``fails``, or ``open`` when the data cannot tell.
    word
        The verdict in a word or two.
    reason
        By what criterion.

    """

    kind: Literal["holds", "fails", "open"]
    word: str
    reason: str = ""


@dataclass(frozen=True)
class Claim:
    """One line of the summary: what the theory says, what was measured, and the verdict."""

    claim: str
    measured: str
    verdict: Verdict


@dataclass(frozen=True)
class Picture:
    """A figure in the page, as the bytes of an SVG file."""

    svg: bytes
    alt: str
    caption: str
    narrow: bool = False

    @property
    def base64(self) -> str:
        """The SVG in the alphabet of data URIs: the page needs no other file."""
        return base64.b64encode(self.svg).decode("ascii")


@dataclass(frozen=True)
class Section:
    """A part of the page: paragraphs, then preformatted blocks, claims, tables, things to turn, pictures."""

    anchor: str
    title: str
    paragraphs: tuple[str, ...] = ()
    blocks: tuple[str, ...] = ()
    claims: tuple[Claim, ...] = ()
    tables: tuple[Table, ...] = ()
    fragments: tuple[Fragment, ...] = ()
    pictures: tuple[Picture, ...] = ()
