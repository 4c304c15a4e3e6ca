"""Over-parameterised training at fixed ELR: what the paper says of its regimes, judged run by run."""

from __future__ import annotations

import math

import xarray as xr

from thermograd.analysis.parameterisation import Trend
from thermograd.analysis.power_law import fit_power_law
from thermograd.analysis.regimes import Regimes
from thermograd.analysis.runs import Run, runs
from thermograd.report.wording import number
from thermograd.reproduce.claims import Claim
from thermograd.reproduce.verdicts import untested

__all__ = ["overparameterised_claims"]

_PAPER = "IG appendix H, figure 13"
_LARGEST = 3
_DECADE = 10.0  # factor in time over which a fall is told
_SURE = 2.0
_STEEP = -0.3  # exponent in time that no settled run may have, or it tells nothing of the others
_LEAST = 6  # log points of a trend
_SEVERAL = 2  # converging runs, of which one may be too short to tell
_LOST = 0.1  # part of them that may not be above 0


def overparameterised_claims(trace: xr.Dataset, found: Regimes) -> list[Claim]:
    """Judge the paper's four statements on over-parameterised training.

    Parameters
    ----------
    trace
        Runs at fixed ELR over time.
    found
        Their regimes, as the package recognises them.

    """
    words = _by_rate(found)
    rates = sorted(words)
    falling = [rate for rate in rates if words[rate] == "convergence"]
    settled = [rate for rate in rates if words[rate] == "equilibrium"]
    every = list(runs(trace, ["norm", "tr_sigma"], owner="claims"))
    every = [run for run in every if len(run.step)]
    return [
        _small(rates, falling, found.verdict),
        _large(rates, settled, found),
        *_falls(*([run for run in every if run.at["elr"] in some] for some in (falling, settled))),
    ]


def _by_rate(found: Regimes) -> dict[float, str]:
    """The regime at each ELR; where runs of one ELR differ, both are named, which is neither."""
    words = found.points["regime"].transpose("elr", ...)
    told = {}
    for i, rate in enumerate(words["elr"].values):
        here = sorted(set(words.values[i].ravel().tolist()))
        told[float(rate)] = here[0] if len(here) == 1 else " or ".join(here)
    return told


def _small(rates: list[float], falling: list[float], verdict: str) -> Claim:
    claim = "over-parameterised: at small ELRs loss and both parts of the gradient keep falling (convergence)"
    if not falling:
        return Claim(claim, _PAPER, verdict, "differs", "no run is recognised as converging")
    first = rates[: len(falling)] == falling
    reason = f"the {len(falling)} smallest of {len(rates)} ELRs" if first else "not the smallest ELRs alone"
    return Claim(claim, _PAPER, verdict, "agrees" if first else "differs", reason)


def _large(rates: list[float], settled: list[float], found: Regimes) -> Claim:
    claim = f"over-parameterised: at the {_LARGEST} largest ELRs all settle (equilibrium)"
    if len(rates) <= _LARGEST:
        return untested(claim, _PAPER, f"{len(rates)} ELRs; expected more than {_LARGEST}")
    measured = "settled at " + (", ".join(number(rate) for rate in settled) or "no ELR")
    if settled == rates[-_LARGEST:]:
        return Claim(claim, _PAPER, measured, "agrees", "these three and no others")
    if settled and settled == rates[-len(settled) :]:
        reason = f"the largest {len(settled)}, where the paper has {_LARGEST}: the grid decides how many"
        return Claim(claim, _PAPER, measured, "agrees", reason)
    words = found.points["regime"].transpose("elr", ...).values.reshape(len(rates), -1)
    reasons = found.points["reason"].transpose("elr", ...).values.reshape(len(rates), -1)
    odd = [
        f"ELR {number(rate)}: {words[i][0]}, {reasons[i][0]}"
        for i, rate in enumerate(rates)
        if i >= len(rates) - _LARGEST and words[i][0] != "equilibrium"
    ]
    if all("unsettled" in text for text in odd):
        return Claim(claim, _PAPER, measured, "not testable", f"too short to tell: {'; '.join(odd)}")
    return Claim(claim, _PAPER, measured, "differs", "; ".join(odd))


def _falls(falling: list[Run], settled: list[Run]) -> list[Claim]:
    norm = "over-parameterised: where it converges the norm slowly shrinks"
    cold = "over-parameterised: where it converges T goes to 0"
    if not falling:
        reason = "no run is recognised as converging"
        return [untested(norm, _PAPER, reason), untested(cold, _PAPER, reason)]
    return [_shrinks(norm, falling, settled), _cools(cold, falling, settled)]


def _shrinks(claim: str, falling: list[Run], settled: list[Run]) -> Claim:
    found = [_trend(run, "norm") for run in falling]
    measured = f"norm over the last decade of time: {_told(falling, found)}{_beside(settled, 'norm')}"
    down = [one.exponent + _SURE * one.se < 0 for one in found]
    up = [one.exponent - _SURE * one.se > 0 for one in found]
    if all(down):
        return Claim(claim, _PAPER, measured, "agrees", "every exponent is below 0 by two standard errors")
    reason = f"below 0 by two standard errors in {sum(down)} of {len(found)} runs, above in {sum(up)}"
    if any(up):
        reason += "; at the smallest ELRs and decays the norm needs longer than the run to turn"
    told = all(up) and len(up) >= _SEVERAL
    return Claim(claim, _PAPER, measured, "differs" if told else "not testable", reason)


def _cools(claim: str, falling: list[Run], settled: list[Run]) -> Claim:
    found = [_trend(run, "tr_sigma") for run in falling]
    measured = (
        "T = elr Tr Sigma / (2 (d - 1)) over the last decade of time: "
        f"{_told(falling, found)}{_beside(settled, 'tr_sigma')}"
    )
    control = [_trend(run, "tr_sigma") for run in settled]
    if any(one.exponent < _STEEP and one.exponent + _SURE * one.se < 0 for one in control):
        reason = f"a settled run falls faster than t^{_STEEP} as well: the exponent does not tell them apart"
        return Claim(claim, _PAPER, measured, "not testable", reason)
    down = [one.exponent + _SURE * one.se < 0 for one in found]
    if all(down):
        return Claim(claim, _PAPER, measured, "agrees", "every exponent is below 0 by two standard errors")
    stays = [one.settled or one.exponent - _SURE * one.se > 0 for one in found]
    reason = f"below 0 by two standard errors in {sum(down)} of {len(found)} runs"
    if any(one and not other for one, other in zip(stays, down, strict=True)):
        return Claim(claim, _PAPER, measured, "differs", f"{reason}; another has settled or rises")
    return Claim(claim, _PAPER, measured, "not testable", f"{reason}; the others are too noisy to tell")


def _trend(run: Run, name: str) -> Trend:
    """The exponent in time over the last decade of a run; NaN where too few values are above 0."""
    late = run.step >= run.step[-1] / _DECADE
    good = late & (run.series[name] > 0)
    if good.sum() < _LEAST or (late & ~good).sum() > _LOST * late.sum():
        return Trend(math.nan, math.nan)
    law = fit_power_law(run.step[good], run.series[name][good])
    return Trend(law.exponent, law.exponent_se)


def _told(several: list[Run], found: list[Trend]) -> str:
    return ", ".join(_word(run, one) for run, one in zip(several, found, strict=True))


def _word(run: Run, found: Trend) -> str:
    told = str(found) if math.isfinite(found.exponent) else "too few values above 0"
    return f"{told} at ELR {number(run.at['elr'])}"


def _beside(settled: list[Run], name: str) -> str:
    """What the runs show that have settled, in which nothing falls."""
    return f"; settled: {_told(settled, [_trend(run, name) for run in settled])}" if settled else ""
