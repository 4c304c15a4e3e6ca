"""What a reproduction leaves behind: each setup's claims on disk, and from them the first page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thermograd.errors import InputError
from thermograd.files import atomic_write
from thermograd.reproduce.choice import NotRun
from thermograd.reproduce.claims import Claim, from_dict, to_markdown

__all__ = ["CLAIMS_FILE", "Entry", "read_claims", "save_claims", "to_page_claims", "write_summary"]

CLAIMS_FILE = "claims.json"

_LEAD = (
    "Every setup that was run, with a page of its own, and what the papers claim beside what was measured: "
    "agrees, differs, or cannot be tested with these runs, and why."
)


@dataclass(frozen=True)
class Entry:
    """One line of the first page.

    Attributes
    ----------
    name
        Of the setup, which is the name of its folder.
    note
        What it is, or why it was not run.
    claims
        What was found.

    """

    name: str
    note: str
    claims: tuple[Claim, ...] = ()


def save_claims(claims: Sequence[Claim], folder: Path) -> Path:
    """Write a setup's claims beside its results, so that a later call can put them on the first page."""
    path = folder / CLAIMS_FILE
    content = [claim.to_dict() for claim in claims]
    atomic_write(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    return path


def read_claims(folder: Path) -> tuple[Claim, ...]:
    """The claims that `save_claims` wrote; none if it never did.

    Raises
    ------
    InputError
        If the file is damaged.

    Examples
    --------
    >>> read_claims(Path("/no/such/folder"))
    ()

    """
    path = folder / CLAIMS_FILE
    try:
        content = json.loads(path.read_text())
        return tuple(from_dict(one) for one in content)
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, TypeError, InputError) as error:
        raise InputError(f"{path} is damaged ({error}); expected a list of claims: delete it") from error


def write_summary(
    folder: Path,
    entries: Sequence[Entry],
    left_out: Sequence[NotRun] = (),
    *,
    title: str,
    command: str = "",
) -> Path:
    """Write ``index.html``, ``claims.md`` and ``claims.json`` for all setups in a folder.

    Parameters
    ----------
    folder
        With one folder for each setup.
    entries
        In the order of the page.
    left_out
        Setups that were not run: listed with the reason and the command that helps.
    title
        Of the page.
    command
        Command line that makes all of it.

    Returns
    -------
    Path
        The page.

    """
    from thermograd.report.index_page import ClaimLine, IndexEntry, write_index

    parts, lines, everything = [f"# {title}\n"], [], []
    for entry in entries:
        page = f"{entry.name}/report.html" if (folder / entry.name / "report.html").exists() else ""
        told = tuple(ClaimLine(**claim.to_dict()) for claim in entry.claims)
        lines.append(IndexEntry(entry.name, page, entry.note, told))
        if entry.claims:
            parts.append(f"## {entry.name}\n\n{entry.note}\n\n{to_markdown(entry.claims)}")
        everything += [{"setup": entry.name, **claim.to_dict()} for claim in entry.claims]
    lines += [IndexEntry(one.setup, "", _words(one)) for one in left_out]
    if left_out:
        parts.append("## Not run\n\n" + "".join(f"- {one.setup}: {_words(one)}\n" for one in left_out))
    if command:
        parts.append(f"Made by `{command}`.\n")
    atomic_write(folder / "claims.md", "\n".join(parts))
    atomic_write(folder / CLAIMS_FILE, json.dumps(everything, indent=1, ensure_ascii=False) + "\n")
    return write_index(folder / "index.html", lines, title=title, lead=_LEAD, command=command)


def to_page_claims(claims: Sequence[Claim]) -> tuple[Any, ...]:
    """The claims as a report's page shows them, with a coloured verdict."""
    from thermograd.report import content

    kinds: dict[str, Any] = {"agrees": "holds", "differs": "fails", "not testable": "open"}
    return tuple(
        content.Claim(
            f"{one.claim} [{one.paper}]",
            one.measured or "–",
            content.Verdict(kinds[one.verdict], one.verdict, one.reason),
        )
        for one in claims
    )


def _words(one: NotRun) -> str:
    return f"not run: {one.reason}" + (f"; run: {one.command}, then this again" if one.command else "")
