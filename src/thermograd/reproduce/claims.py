"""What a paper claims, what was measured, and whether the two agree: one line each, one table for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Literal, get_args

from thermograd.errors import InputError

if TYPE_CHECKING:
    from thermograd.report.content import Table

__all__ = ["Claim", "Verdict", "claims_table", "from_dict", "to_html", "to_markdown"]

Verdict = Literal["agrees", "differs", "not testable"]

_COLUMNS = ("Claim", "Paper", "Measured", "Verdict", "Why")


@dataclass(frozen=True)
class Claim:
    """One line of the summary.

    Parameters
    ----------
    claim
        The paper's statement, with the setup that it was tested on.
    paper
        Where the paper makes it, and the value that it publishes, if any: ``"IG table 4: R^2 = 0.9975"``.
    measured
        The number found here, with its error bar; empty if there is none.
    verdict
        ``"agrees"``, ``"differs"``, or ``"not testable"``: at this scale, with these runs.
    reason
        By what criterion, and where it differs or cannot be tested, why.

    Raises
    ------
    InputError
        If the verdict is another word, or claim, paper or reason is empty.

    Examples
    --------
    >>> Claim("V1", "IG 4", "0.1%", "agrees", "median within 1%").verdict
    'agrees'
    >>> Claim("V1", "IG 4", "0.1%", "maybe", "median within 1%")
    Traceback (most recent call last):
    thermograd.errors.InputError: Claim 'V1': verdict is 'maybe'; expected agrees, differs, not testable

    """

    claim: str
    paper: str
    measured: str
    verdict: Verdict
    reason: str

    def __post_init__(self) -> None:
        if self.verdict not in get_args(Verdict):
            expected = ", ".join(get_args(Verdict))
            raise InputError(f"Claim {self.claim!r}: verdict is {self.verdict!r}; expected {expected}")
        for name in ("claim", "paper", "reason"):
            if not str(getattr(self, name)).strip():
                raise InputError(f"Claim {self.claim!r}: {name} is empty; expected text")

    def to_dict(self) -> dict[str, str]:
        """For JSON."""
        return asdict(self)


def from_dict(content: dict[str, Any]) -> Claim:
    """A claim as `Claim.to_dict` wrote it.

    Raises
    ------
    InputError
        If a key is missing, unknown, or a value not a text.

    """
    keys = set(Claim.__dataclass_fields__)
    if set(content) != keys or not all(isinstance(value, str) for value in content.values()):
        raise InputError(f"claim is {content!r}; expected texts under {', '.join(sorted(keys))}")
    return Claim(**content)


def to_markdown(claims: Sequence[Claim]) -> str:
    """The claims as a table in GitHub-flavoured Markdown.

    Examples
    --------
    >>> print(to_markdown([Claim("V1", "IG 4", "0.1%", "agrees", "within 1%")]))
    | Claim | Paper | Measured | Verdict | Why |
    | --- | --- | --- | --- | --- |
    | V1 | IG 4 | 0.1% | agrees | within 1% |
    <BLANKLINE>

    """
    lines = [_COLUMNS, ("---",) * len(_COLUMNS), *(_cells(claim) for claim in claims)]
    return "".join(
        "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in line) + " |\n"
        for line in lines
    )


def to_html(claims: Sequence[Claim]) -> str:
    """The claims as an HTML table; each row's class is its verdict, with a hyphen for the space.

    Examples
    --------
    >>> '<tr class="agrees"><td>a &lt; b</td>' in to_html([Claim("a < b", "IG 4", "", "agrees", "so")])
    True

    """
    head = "".join(f"<th>{name}</th>" for name in _COLUMNS)
    rows = "".join(
        f'<tr class="{claim.verdict.replace(" ", "-")}">'
        + "".join(f"<td>{escape(cell)}</td>" for cell in _cells(claim))
        + "</tr>\n"
        for claim in claims
    )
    return f'<table class="claims">\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n'


def claims_table(claims: Sequence[Claim], name: str = "claims", title: str = "The paper's claims") -> Table:
    """The claims as a table of a report's page."""
    from thermograd.report.content import Table

    return Table(name, title, _COLUMNS, tuple(map(_cells, claims)), prose=True)


def _cells(claim: Claim) -> tuple[str, str, str, str, str]:
    return claim.claim, claim.paper, claim.measured, claim.verdict, claim.reason
