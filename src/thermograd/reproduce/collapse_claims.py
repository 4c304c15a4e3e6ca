"""The collapse of the gradient noise on one curve, judged on the states of one protocol."""

from __future__ import annotations

import math

from thermograd.analysis import Collapse
from thermograd.report.wording import formula, percent, percent_with_error
from thermograd.reproduce.claims import Claim
from thermograd.reproduce.verdicts import SURE, untested, verdict

__all__ = ["collapse_claims"]

_COLLAPSE = 0.1
_LEFT = 0.25  # of the variance beyond errors, that may be left by two standard errors where errors hide it
_FREEDOM = 8  # with fewer, two standard errors of a spread are more than half of it


def collapse_claims(name: str, found: Collapse) -> list[Claim]:
    """Judge whether sigma2 of all runs of a protocol lies on one curve.

    It does if nothing is left about the curve but the errors of measurement, and these are not as large as
    all that there is to collapse; else if a tenth or less of the spread is left.

    Parameters
    ----------
    name
        The protocol, as text names it.
    found
        The spread about the curve.

    """
    claim = f"{name}: sigma2 depends on {formula(found.right.variable)} alone"
    paper = "IG 6.3 and appendix F, figures 2a and 5-10"
    spread = percent_with_error(found.right.residual, found.right.residual_se)
    measured = (
        f"spread about one curve {spread}, errors of measurement alone {percent(found.noise)}; "
        f"{percent(found.wrong.residual)} about a curve in {formula(found.wrong.variable)}, "
        f"{percent(found.total)} in all; {found.n} runs"
    )
    freedom = found.right.freedom
    if freedom < _FREEDOM or not math.isfinite(found.right.residual):
        reason = f"{freedom} degrees of freedom about the curve; expected at least {_FREEDOM}"
        return [Claim(claim, paper, measured, "not testable", reason)]
    if found.right.residual - SURE * found.right.residual_se <= found.noise:
        # Squares: errors add to what the law leaves, and to all that there is, alike.
        left = (
            found.right.residual**2
            - found.noise**2
            + 2 * SURE * found.right.residual * found.right.residual_se
        )
        if 2 * found.noise > found.total or left > _LEFT * (found.total**2 - found.noise**2):
            reason = "sigma2 hardly varies on this grid: its errors are as large as what could collapse"
            return [Claim(claim, paper, measured, "not testable", reason)]
        return [Claim(claim, paper, measured, "agrees", "nothing is left but the errors of measurement")]
    if not found.total > 0:
        return [untested(claim, paper, "sigma2 is the same everywhere")]
    word, _ = verdict(found.right.ratio, found.right.residual_se / found.total, _COLLAPSE)
    reason = f"{percent(found.right.ratio)} of the spread is left, tolerance {percent(_COLLAPSE)}"
    return [Claim(claim, paper, measured, word, reason)]
