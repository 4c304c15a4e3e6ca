"""The rule behind verdicts: an error, its standard error and a tolerance that was fixed beforehand."""

from __future__ import annotations

import math

from thermograd.reproduce.claims import Claim, Verdict

__all__ = ["SURE", "median_verdict", "untested", "verdict"]

SURE = 2.0
"""Standard errors by which a claim must be missed before it counts as missed."""


def verdict(error: float, se: float, tolerance: float) -> tuple[Verdict, str]:
    """Whether an error stays within a tolerance, and by what rule, in words.

    It agrees within the tolerance, differs when the tolerance is missed by more than two standard errors, and
    cannot be told in between, or where the standard error itself is above the tolerance.

    Parameters
    ----------
    error
        Absolute deviation from what is claimed.
    se
        Its standard error; NaN where not known, which counts as 0 and is said.
    tolerance
        Largest deviation that agrees.

    Examples
    --------
    >>> verdict(0.02, 0.01, 0.1)[0], verdict(0.3, 0.01, 0.1)[0], verdict(0.12, 0.02, 0.1)[0]
    ('agrees', 'differs', 'not testable')
    >>> verdict(0.05, 0.4, 0.1)
    ('not testable', 'the standard error, 40%, is above the tolerance of 10%')

    """
    if not math.isfinite(error):
        return "not testable", "there is no number to judge"
    known = math.isfinite(se)
    spread = se if known else 0.0
    doubt = "" if known else "; its standard error is not known"
    if error - SURE * spread > tolerance:
        return "differs", f"off by {error:.1%}, tolerance {tolerance:.0%}{doubt}"
    if spread > tolerance:
        return "not testable", f"the standard error, {spread:.0%}, is above the tolerance of {tolerance:.0%}"
    if error <= tolerance:
        return "agrees", f"off by {error:.1%}, tolerance {tolerance:.0%}{doubt}"
    return (
        "not testable",
        f"off by {error:.1%}, above the tolerance of {tolerance:.0%} by less than {SURE:.0f} standard errors",
    )


def median_verdict(median: float, se: float, n: int, tolerance: float) -> tuple[Verdict, str]:
    """The same for the median of the absolute errors of so many runs.

    Half of many runs do not come within a tolerance by chance: here a median within it agrees whatever the
    error bars of single runs, which count what measurement and prediction have in common twice.

    Parameters
    ----------
    median
        Of the absolute errors.
    se
        Standard error of a typical run.
    n
        Number of runs; the median is known 1.25 times less well than the mean of as many.
    tolerance
        Largest median that agrees.

    Examples
    --------
    >>> [median_verdict(median, 0.08, 9, 0.01)[0] for median in (0.004, 0.02, 0.09)]
    ['agrees', 'not testable', 'differs']

    """
    spread = 1.25 * se / math.sqrt(max(n, 1)) if math.isfinite(se) else math.nan
    if median <= tolerance:
        return "agrees", f"off by {median:.2%}, tolerance {tolerance:.0%}"
    if math.isfinite(spread) and median - SURE * spread <= tolerance:
        return "not testable", f"off by {median:.2%} ± {spread:.2%}, tolerance {tolerance:.0%}"
    return verdict(median, spread, tolerance)


def untested(claim: str, paper: str, reason: str) -> Claim:
    """A claim that could not be tested, and why."""
    return Claim(claim, paper, "", "not testable", reason)
