"""Whether free-energy minimisation has the temperature of the gradient: of its noise, or of all of it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import xarray as xr

from thermograd.analysis.bridge import BridgeLine
from thermograd.report.free_energy_findings import FreeEnergyFindings
from thermograd.report.wording import number
from thermograd.reproduce.claims import Claim, Verdict
from thermograd.reproduce.gradient_claims import of_seed

__all__ = ["bridge_claims", "estimator_claim"]

_NEAR = 0.25  # part by which two temperatures may differ that are called the same
_PAPER = "neither (IG section 3.2 has the temperature of the noise, FE section 4 the other)"


def bridge_claims(f: FreeEnergyFindings, where: str) -> tuple[Claim, Claim]:
    """Compare state by state, by ratios that must be 1 within 25% or three standard errors.

    Parameters
    ----------
    f
        What was found.
    where
        Network and data, to end a claim with.

    """
    noise = (
        f"The temperature of free-energy minimisation is that of the gradient noise, ELR sigma2/2: {where}"
    )
    whole = (
        "The temperature of free-energy minimisation is that of the whole gradient, "
        f"ELR E|g|^2 / 2(d - 1): {where}"
    )
    if isinstance(f.bridge, str):
        untested = [Claim(one, _PAPER, "", "not testable", f.bridge) for one in (noise, whole)]
        return untested[0], untested[1]
    means = []
    for line in f.bridge:
        pairs = (("F", line.minimum), ("dU/dS", line.slope))
        told = ", ".join(f"{name} {mean}" for name, mean in pairs if mean is not None)
        means.append(f"over the noise's: {told or 'none'}{of_seed(line.at)}")
    first = _judged(noise, "; ".join(means), f.bridge, [line.points for line in f.bridge])
    if isinstance(f.whole, str):
        return first, Claim(whole, _PAPER, "", "not testable", f.whole)
    return first, _judged(whole, "", f.bridge, f.whole)


def estimator_claim(f: FreeEnergyFindings, where: str) -> Claim:
    """Whether the paper's entropy, by the graph of neighbours, has the temperatures of nearest distances.

    Judged state by state as `bridge_claims`, where both have a temperature.

    Parameters
    ----------
    f
        What was found.
    where
        Network and data, to end a claim with.

    """
    claim = f"The temperature does not depend on the estimator of the entropy: {where}"
    paper = "FE section 4 takes the graph of 50 neighbours, IG appendix D nearest distances"
    if isinstance(f.temperatures, str) or isinstance(f.graph, str):
        why = f.temperatures if isinstance(f.temperatures, str) else f.graph
        return Claim(claim, paper, "", "not testable", str(why))
    told, away, tested = [], [], True
    for one, other in zip(f.temperatures, f.graph, strict=True):
        both = xr.align(one.points, other.points, join="inner")
        T, by_graph = (points["temperature"].values for points in both)
        known = np.isfinite(T) & np.isfinite(by_graph)
        tested = tested and one.exists and other.exists and int(known.sum()) > 1
        if not known.any():
            continue
        ratio = by_graph[known] / T[known]
        # Both are of the same windows and share most of their errors: the larger one counts, and not both.
        errors = [points["temperature_se"].values / points["temperature"].values for points in both]
        se = np.nan_to_num(np.maximum(*errors)[known])
        apart = np.abs(np.log(ratio)) > np.maximum(math.log1p(_NEAR), 3 * se)
        span = f"{number(float(ratio.min()))} to {number(float(ratio.max()))}"
        laws = [line.law.text("elr") if line.law else "no power law" for line in (one, other)]
        told.append(
            f"ratios {span} of {int(known.sum())} states; T = {laws[1]} and {laws[0]}{of_seed(one.at)}"
        )
        rates = both[0]["elr"].values[known][apart]
        away += [f"ELR {number(float(rate))}{of_seed(one.at)}" for rate in rates]
    measured = "; ".join(told)
    if not tested:
        return Claim(claim, paper, measured, "not testable", "no temperature is shown to exist by both")
    if away:
        return Claim(claim, paper, measured, "differs", f"apart by more than 25% at {', '.join(away)}")
    return Claim(claim, paper, measured, "agrees", "each within 25% or three standard errors")


def _judged(claim: str, measured: str, lines: Sequence[BridgeLine], ratios: Sequence[xr.Dataset]) -> Claim:
    found = [_same(line, points) for line, points in zip(lines, ratios, strict=True)]
    verdicts = {verdict for verdict, _, _ in found}
    verdict: Verdict = "differs" if "differs" in verdicts else "not testable"
    if len(verdicts) == 1:
        verdict = found[0][0]
    seeds = [of_seed(line.at) for line in lines]
    spreads = [f"{spread}{seed}" for (_, spread, _), seed in zip(found, seeds, strict=True) if spread]
    reasons = [f"{reason}{seed}" for (_, _, reason), seed in zip(found, seeds, strict=True)]
    return Claim(claim, _PAPER, "; ".join(filter(None, (measured, *spreads))), verdict, "; ".join(reasons))


def _same(line: BridgeLine, points: xr.Dataset) -> tuple[Verdict, str, str]:
    """The verdict on one line, the span of its ratios, and where they are not 1."""
    if not line.temperatures.exists:
        return "not testable", "", "no temperature of free-energy minimisation is shown to exist"
    least, slope = points["minimum_ratio"].values, points["slope_ratio"].values
    ratio = np.where(np.isfinite(least), least, slope)
    se = np.where(np.isfinite(least), points["minimum_ratio_se"].values, points["slope_ratio_se"].values)
    known = np.isfinite(ratio) & (ratio > 0)
    if known.sum() < 2:
        return "not testable", "", line.verdict
    elr, ratio, se = points["elr"].values[known], ratio[known], np.nan_to_num(se[known])
    # Of the logarithm: a ratio of 25 ± 9 is no nearer to 1 for its large error.
    good = np.abs(np.log(ratio)) <= np.maximum(math.log1p(_NEAR), 3 * se / ratio)
    spread = f"ratios {number(float(ratio.min()))} to {number(float(ratio.max()))} of {len(ratio)} states"
    if good.all():
        return "agrees", spread, "each within 25% of 1 or three standard errors"
    meet = "they meet nowhere"
    if good.any():
        meet = f"they meet at ELR {', '.join(number(float(e)) for e in elr[good])}"
    apart = (
        f"{number(float(r))} at {number(float(e))}" for e, r in zip(elr[~good], ratio[~good], strict=True)
    )
    return "differs", spread, f"{meet} and part elsewhere: ratio {', '.join(apart)}"
