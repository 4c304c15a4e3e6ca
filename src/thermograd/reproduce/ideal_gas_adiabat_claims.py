"""Whether the entropy of a network stays along its adiabats, said with numbers (V4)."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from thermograd.analysis.adiabat_paths import AdiabatPaths, PathOutcome
from thermograd.report.wording import PROTOCOL_NAMES, number, with_error
from thermograd.reproduce.claims import Claim
from thermograd.reproduce.verdicts import untested, verdict

__all__ = ["adiabat_claims"]

_TOLERANCE = 0.1  # of R for each e-fold in T: that of the Maxwell relations, which are as steep
_CLAIMS = {
    "noise": "S stays along dU = T dS from measured energies, T from the noise (V4)",
    "gas": "S stays along dU = T dS from measured energies, T = pV/R (V4)",
    "entropy": "S stays at new states along the curve that the grid's entropies give (V4)",
}
_PAPERS = {
    "noise": "IG section 4 (V4) and D.4; 6.1: not testable for networks, whose energy is not the loss",
    "gas": "no such claim; for an ideal gas the same as with T from the noise",
    "entropy": "IG section 4 (V4): S is a function of the state",
}


def adiabat_claims(paths: Mapping[str, AdiabatPaths] | str) -> list[Claim]:
    """Judge every path of every protocol.

    Parameters
    ----------
    paths
        By protocol, or why there are none.

    """
    if isinstance(paths, str):
        return [untested(claim, _PAPERS[name], paths) for name, claim in _CLAIMS.items() if name != "gas"]
    claims = []
    for protocol, found in paths.items():
        control = found.paths.get("constant-wd")
        for name, claim in _CLAIMS.items():
            if name in found.paths:
                what = f"{PROTOCOL_NAMES[protocol]}: {claim}"
                doubt = float(found.curves[name].sphere_change_se.max())
                claims.append(_judged(what, _PAPERS[name], found.paths[name], control, doubt))
    return claims


def _judged(claim: str, paper: str, path: PathOutcome, control: PathOutcome | None, doubt: float) -> Claim:
    check = path.check
    if isinstance(check, str):
        return untested(claim, paper, check)
    if check.trend is None:
        return untested(claim, paper, "T is the same all along the path")
    # Seeds and states scatter more than their own errors say: the error is that of the scatter.
    trend, se = check.trend.plain / _unit(path), check.trend.plain_se / _unit(path)
    measured = (
        f"dS/dlog T = ({with_error(trend, se)}) R along {len(check.points.point)} states, S within "
        f"{number(check.span)} nats, while the direction's entropy changes by {number(check.sphere_span)}; "
        f"the curve itself is known to {number(doubt)} nats at its ends"
    )
    if control is not None and not isinstance(control.check, str) and control.check.trend is not None:
        other = control.check.trend.plain / _unit(control), control.check.trend.plain_se / _unit(control)
        measured += f"; at constant WD dS/dlog T = ({with_error(*other)}) R"
    # What is judged is the law that planned the curve, and so the curve's own error counts as well.
    half = float(np.ptp(np.log(check.points["temperature"].values))) / 2
    word, reason = verdict(abs(trend), math.hypot(se, doubt / half / _unit(path)), _TOLERANCE)
    left = check.span / check.sphere_span if check.sphere_span > 0 else math.nan
    reason += f" (of R, for each e-fold in T); {left:.1%} of the direction's change are left"
    if check.left_out:
        reason += f"; {len(check.left_out)} states out of equilibrium left out"
    return Claim(claim, paper, measured, word, reason)


def _unit(path: PathOutcome) -> float:
    return float((int(path.states[0].attrs["dim"]) - 1) / 2)
