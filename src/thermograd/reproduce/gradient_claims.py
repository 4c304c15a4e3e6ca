"""What the free-energy paper claims about gradients and temperature along runs, and what these runs say."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from thermograd.analysis.parameterisation import RunEnd, Trend
from thermograd.report.free_energy_findings import FreeEnergyFindings
from thermograd.report.wording import number, with_error
from thermograd.reproduce.claims import Claim, Verdict

__all__ = ["decay_claim", "entropy_claim", "exponent_claim", "of_seed", "settling_claim", "vanishing_claim"]

_SURE = 2.0
_SLOWER = 0.5  # part of the full gradient's exponent that is left to the ratio of both norms


def of_seed(at: Mapping[str, float]) -> str:
    """Which seed, in brackets; empty where there is one alone."""
    return f" (seed {at['seed']:g})" if "seed" in at else ""


def decay_claim(f: FreeEnergyFindings, where: str) -> Claim:
    """T = dU/dS tends to zero along the runs that converge."""
    claim = f"At small ELR the temperature falls towards 0 along training: {where}"
    paper = "FE section 5.2, figures 3 and 11"
    if isinstance(f.decay, str):
        return Claim(claim, paper, "", "not testable", f.decay)
    fitted = [run for run in f.decay if run.law is not None]
    measured = "; ".join(
        f"T ~ t^({with_error(run.law.exponent, run.law.exponent_se)}) at ELR {number(run.at['elr'])}"
        for run in fitted
        if run.law is not None
    )
    vanish = [run for run in fitted if run.vanishes]
    count = f"{len(vanish)} of {len(f.decay)} converging runs"
    if not fitted:
        return Claim(claim, paper, "", "not testable", f.decay[0].verdict)
    lost = len(f.decay) - len(fitted)
    if lost > len(fitted):
        reason = f"{lost} of {len(f.decay)} converging runs have no temperature above 0 to fit"
        return Claim(claim, paper, measured, "not testable", reason)
    if len(vanish) == len(fitted):
        rest = f"; {lost} have no temperature above 0 to fit" if lost else ""
        return Claim(claim, paper, measured, "agrees", f"T tends to zero in {count}{rest}")
    verdict: Verdict = "differs" if 2 * len(vanish) < len(fitted) else "not testable"
    others = "; ".join(f"ELR {number(run.at['elr'])}: {run.verdict}" for run in fitted if not run.vanishes)
    return Claim(claim, paper, measured, verdict, f"T tends to zero in {count}; {others}")


def settling_claim(f: FreeEnergyFindings, where: str) -> Claim:
    """Under-parameterised: nothing falls at the end of the runs in equilibrium, on the whole."""
    claim = f"Gradient norms and signal-to-noise ratio settle above 0: {where}"
    paper = "FE section 6.1, table 1, figure 6"
    ends = _ends(f, "equilibrium")
    if isinstance(ends, str):
        return Claim(claim, paper, "", "not testable", ends)
    pooled = {name: _pooled([end.trends[name] for end in ends]) for name in ("full", "stochastic", "snr")}
    told = ", ".join(f"{name} ~ {trend}" for name, trend in pooled.items())
    measured = f"{told}, weighted means of {len(ends)} runs in equilibrium over their last decade"
    falling = [name for name, trend in pooled.items() if trend.falls]
    if falling:
        return Claim(claim, paper, measured, "differs", f"{' and '.join(falling)} falls as t^-0.1 or faster")
    if all(trend.settled for trend in pooled.values()):
        reason = "none falls as t^-0.1 or faster, and t^0.25 and t^-0.25 are excluded by two standard errors"
        return Claim(claim, paper, measured, "agrees", reason)
    return Claim(claim, paper, measured, "not testable", "the ends of the runs are too noisy to tell")


def _pooled(trends: Sequence[Trend]) -> Trend:
    """The mean exponent, weighted by the errors, its own enlarged where the exponents scatter more."""
    values = np.array([trend.exponent for trend in trends])
    weights = 1 / np.maximum(np.array([trend.se for trend in trends]), 1e-12) ** 2
    mean = float(np.average(values, weights=weights))
    scatter = float(weights @ (values - mean) ** 2) / max(len(values) - 1, 1)
    return Trend(mean, math.sqrt(max(scatter, 1.0) / float(weights.sum())))


def entropy_claim(f: FreeEnergyFindings, where: str) -> Claim:
    """What nearest neighbours among the iterates of a window read is more than the length of a step."""
    claim = f"The measured entropy is that of the stationary law and not the volume of a step: {where}"
    paper = "FE section 4: an estimator on consecutive iterates that is assumed to follow the true entropy"
    if isinstance(f.steps, str):
        return Claim(claim, paper, "", "not testable", f.steps)
    measured = "; ".join(f"{one}{of_seed(one.at)}" for one in f.steps)
    words = {one.word for one in f.steps}
    if words == {"law"}:
        return Claim(claim, paper, measured, "agrees", "slopes are below 0.9 by two standard errors")
    if words == {"step"}:
        reason = "slopes are within 0.1 of 1, that of a step; the law of a cold gas has 1/2"
        return Claim(claim, paper, measured, "differs", reason)
    return Claim(claim, paper, measured, "not testable", "the slopes do not tell one from the other")


def vanishing_claim(f: FreeEnergyFindings, where: str) -> Claim:
    """Over-parameterised: both norms fall, and their ratio at most half as fast as the full gradient."""
    claim = f"At small ELR full and stochastic gradients vanish together, the SNR far more slowly: {where}"
    paper = "FE section 6.1, table 1, figure 6"
    ends = _ends(f, "convergence")
    if isinstance(ends, str):
        return Claim(claim, paper, "", "not testable", ends)
    good = [end for end in ends if _vanish(end)]
    bad = [end for end in ends if _stay(end)]
    measured = "; ".join(f"{_told(end)} at ELR {number(end.at['elr'])}" for end in ends)
    if len(good) == len(ends):
        return Claim(claim, paper, measured, "agrees", f"so in all of {len(ends)} converging runs")
    verdict: Verdict = "differs" if len(bad) == len(ends) else "not testable"
    reason = f"so in {len(good)} of {len(ends)} converging runs, surely not so in {len(bad)}"
    return Claim(claim, paper, measured, verdict, reason)


def _excess(end: RunEnd) -> tuple[float, float]:
    """By how much the SNR's exponent is larger than half of the full gradient's, and its standard error."""
    full, snr = end.trends["full"], end.trends["snr"]
    return abs(snr.exponent) - _SLOWER * abs(full.exponent), math.hypot(snr.se, _SLOWER * full.se)


def _vanish(end: RunEnd) -> bool:
    over, se = _excess(end)
    return end.trends["full"].falls and end.trends["stochastic"].falls and over + _SURE * se <= 0


def _stay(end: RunEnd) -> bool:
    """Whether a norm has surely settled, or the SNR is surely no slower."""
    over, se = _excess(end)
    return end.trends["full"].settled or end.trends["stochastic"].settled or over - _SURE * se > 0


def _ends(f: FreeEnergyFindings, regime: str) -> list[RunEnd] | str:
    """The ends of the runs of a regime that measured all four curves."""
    if isinstance(f.parameterisation, str):
        return f.parameterisation
    if isinstance(f.regimes, str):
        return f.regimes
    words = f.regimes.points["regime"]
    found = [
        end
        for end in f.parameterisation.ends
        if str(words.sel({n: end.at[str(n)] for n in words.dims}).item()) == regime
        and {"full", "stochastic", "snr"} <= set(end.trends)
    ]
    return found or f"no run with both gradient norms is in {regime}"


def _told(end: RunEnd) -> str:
    return ", ".join(f"{name} ~ {trend}" for name, trend in end.trends.items() if name != "loss")


def exponent_claim(f: FreeEnergyFindings, where: str) -> Claim:
    """Over-parameterised: the exponent between both norms is below 1."""
    claim = f"Stochastic gradients vanish more slowly than the full one, E|g| ~ |E g|^a with a < 1: {where}"
    paper = "FE section 6.3, figures 7 and 15: a = 0.78 to 0.93 (ConvNet), 0.77 to 0.87 (ResNet-18)"
    if isinstance(f.phase, str):
        return Claim(claim, paper, "", "not testable", f.phase)
    known = [run for run in f.phase if math.isfinite(run.exponent)]
    if not known:
        return Claim(claim, paper, "", "not testable", f.phase[0].verdict)
    measured = "; ".join(
        f"a = {with_error(run.exponent, run.exponent_se)} at ELR {number(run.at['elr'])}{of_seed(run.at)}"
        for run in known
    )
    below = [run for run in known if run.exponent + _SURE * run.exponent_se < 1]
    above = [run for run in known if run.exponent - _SURE * run.exponent_se > 1]
    reason = f"below 1 by two standard errors in {len(below)} of {len(known)} runs, above in {len(above)}"
    verdict: Verdict = "agrees" if len(below) > len(known) / 2 and not above else "not testable"
    return Claim(claim, paper, measured, "differs" if len(above) > len(below) else verdict, reason)
