"""How the report of the isotropic model judges a claim: a tolerance, or three standard errors."""

from __future__ import annotations

import math
from collections.abc import Sequence

from thermograd.analysis.isotropic import LawRow, family_chance
from thermograd.report.content import Claim, Verdict
from thermograd.report.wording import number, percent

__all__ = ["SURE", "UNLIKELY", "impossible", "judge", "judge_pulls", "largest"]

SURE = 2.0
"""Standard errors beyond a tolerance that make a claim fail."""

UNLIKELY = 0.0027
"""Chance of three standard errors of a normal law: what is less likely is no chance."""


def judge(error: float, se: float, tolerance: float, reason: str) -> Verdict:
    """Whether an error is within its tolerance, as far as its standard error lets one say.

    Parameters
    ----------
    error, se
        How far off, at least 0, and its standard error; NaN where that is not known.
    tolerance
        What is allowed.
    reason
        What the reader should know of how it was found.

    Examples
    --------
    >>> [judge(error, 0.01, 0.05, "").kind for error in (0.01, 0.06, 0.09)]
    ['holds', 'open', 'fails']

    """
    if not math.isfinite(error):
        return Verdict("open", "undecided", "no number to judge")
    if not math.isfinite(se):
        se, reason = 0.0, f"{reason}; its standard error is not known"
    if error - SURE * se > tolerance:
        return Verdict("fails", "fails", reason)
    if se > tolerance:
        return Verdict("open", "undecided", f"the standard error, {percent(se)}, is above the tolerance")
    if error <= tolerance:
        return Verdict("holds", "holds", reason)
    within = f"above the tolerance by less than {number(SURE)} standard errors"
    return Verdict("open", "undecided", f"{within}; {reason}")


def judge_pulls(rows: Sequence[LawRow], precision: float, reason: str) -> Verdict:
    """Whether all levels agree with a law within three standard errors, and whether these are small enough.

    Parameters
    ----------
    rows
        Levels of one observable against one law.
    precision
        Largest standard error that makes the agreement worth something.
    reason
        What the reader should know of how it was found.

    Examples
    --------
    >>> rows = [LawRow("loss", "finite steps", 0.01, 17, deviation, 0.001) for deviation in (0.001, -0.0005)]
    >>> off = LawRow("loss", "finite steps", 0.1, 17, 0.01, 0.001)
    >>> judge_pulls(rows, 0.01, "").kind, judge_pulls([*rows, off], 0.01, "").kind
    ('holds', 'fails')

    """
    if not rows:
        return Verdict("open", "undecided", "no level of the ELR has enough states")
    chance = family_chance(rows)
    if chance < UNLIKELY:
        unlikely = f"a pull this large has a chance of {number(chance, 2)} among {len(rows)} levels"
        return Verdict("fails", "fails", f"{unlikely}; {reason}")
    coarsest = max(row.se for row in rows)
    if coarsest > precision:
        return Verdict(
            "open", "undecided", f"the largest standard error, {number(coarsest, 2)}, is too large"
        )
    return Verdict("holds", "holds", f"the largest pull has a chance of {number(chance, 2)}; {reason}")


def largest(rows: Sequence[LawRow]) -> tuple[LawRow, LawRow]:
    """The rows of the largest pull and of the largest deviation."""
    return max(rows, key=lambda row: abs(row.pull)), max(rows, key=lambda row: abs(row.deviation))


def impossible(claim: str, reason: str) -> Claim:
    """A claim that could not be tested."""
    return Claim(claim, "–", Verdict("open", "not tested", reason))
