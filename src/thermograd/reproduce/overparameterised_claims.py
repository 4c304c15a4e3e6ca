"""Over-parameterised training at fixed ELR: what the paper says of its regimes, judged run by run."""

from __future__ import annotations

import numpy as np
import xarray as xr

from thermograd.analysis.regimes import Regimes
from thermograd.analysis.runs import Run, runs
from thermograd.report.wording import number
from thermograd.reproduce.claims import Claim
from thermograd.reproduce.verdicts import untested

__all__ = ["overparameterised_claims"]

_PAPER = "IG appendix H, figure 13"
_LARGEST = 3
_DECADES = 10.0  # factor in time over which a fall is told


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
    series = {
        run.at["elr"]: run for run in runs(trace, ["loss", "norm", "grad_sq", "tr_sigma"], owner="claims")
    }
    return [
        _small(rates, falling, found.verdict),
        _large(rates, settled, found),
        *_falls(falling, series),
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


def _falls(falling: list[float], series: dict[float, Run]) -> list[Claim]:
    norm = "over-parameterised: where it converges the norm slowly shrinks"
    cold = "over-parameterised: where it converges T goes to 0"
    if not falling:
        reason = "no run is recognised as converging"
        return [untested(norm, _PAPER, reason), untested(cold, _PAPER, reason)]
    shrinks, cools = {}, {}
    for rate in falling:
        run = series[rate]
        late = run.step >= run.step[-1] / _DECADES
        shrinks[rate] = float(run.series["norm"][-1] / run.series["norm"].max())
        noise = np.maximum(run.series["tr_sigma"], 0)
        cools[rate] = float(np.median(noise[late][-5:]) / noise.max())
    told = ", ".join(f"{number(rate)}: {1 - ratio:.3%}" for rate, ratio in shrinks.items())
    every = all(ratio < 1 for ratio in shrinks.values())
    some = any(ratio < 1 for ratio in shrinks.values())
    claims = [
        Claim(
            norm,
            _PAPER,
            f"below its largest value, by ELR: {told}",
            "agrees" if every else "not testable" if some else "differs",
            "every converging run's norm is past its largest value"
            if every
            else "at the smallest ELRs and decays the norm needs longer than the run to turn",
        )
    ]
    colder = ", ".join(f"{number(rate)}: {number(ratio, 2)}" for rate, ratio in cools.items())
    fell = all(ratio < 0.1 for ratio in cools.values())
    claims.append(
        Claim(
            cold,
            _PAPER,
            f"T at the end over its largest value, by ELR: {colder}",
            "agrees" if fell else "differs",
            "T = elr Tr Sigma / (2 (d - 1)) has fallen by more than ten times in every run"
            if fell
            else "T has not fallen ten times in every run",
        )
    )
    return claims
