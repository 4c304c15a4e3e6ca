"""Whether free-energy minimisation has the temperature of the gradient: of its noise, or of all of it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thermograd.analysis.bridge import BridgeLine
from thermograd.report.free_energy_findings import FreeEnergyFindings
from thermograd.report.wording import number
from thermograd.reproduce.claims import Claim, Verdict
from thermograd.reproduce.gradient_claims import of_seed

__all__ = ["bridge_claims", "estimator_claim"]

Array = NDArray[np.float64]

_NEAR = 0.25  # part by which two temperatures may differ that are called the same
_BLIND = 0.5  # three standard errors of a ratio beyond which agreement within them tells nothing
_LEAST = 3  # states that tell something
_PAPER = "neither (IG section 3.2 has the temperature of the noise, FE section 4 the other)"


def bridge_claims(f: FreeEnergyFindings, where: str) -> tuple[Claim, Claim]:
    """Compare state by state, by ratios that must be 1 within 25% or three standard errors.

    A state that agrees only because three standard errors are above 50% of its ratio tells nothing and is
    left out; fewer than three others cannot be judged.

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

    Judged state by state as `bridge_claims`, on the lines where both have a temperature.

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
    told, away, lost, unjudged, judged = [], [], [], [], 0
    for one in f.temperatures:
        other = next((line for line in f.graph if line.at == one.at), None)
        if other is None or not (one.exists and other.exists):
            unjudged.append(f"no temperature is shown to exist by both{of_seed(one.at)}")
            continue
        both = xr.align(one.points, other.points, join="inner")
        T, by_graph = (points["temperature"].values for points in both)
        known = np.isfinite(T) & np.isfinite(by_graph)
        if not known.any():
            unjudged.append(f"no state has a temperature by both{of_seed(one.at)}")
            continue
        ratio = by_graph[known] / T[known]
        # Both are of the same windows and share most of their errors: the larger one counts, and not both.
        errors = [points["temperature_se"].values / points["temperature"].values for points in both]
        se = np.nan_to_num(np.maximum(*errors)[known])
        apart, telling = _apart(ratio, se)
        span = f"{number(float(ratio.min()))} to {number(float(ratio.max()))}"
        laws = [line.law.text("elr") if line.law else "no power law" for line in (one, other)]
        told.append(
            f"ratios {span} of {int(known.sum())} states; T = {laws[1]} and {laws[0]}{of_seed(one.at)}"
        )
        if telling.sum() < _LEAST:
            unjudged.append(f"{_left_out(telling) or f'{len(telling)} states'}{of_seed(one.at)}")
            continue
        lost += [f"{text}{of_seed(one.at)}" for text in filter(None, [_left_out(telling)])]
        judged += 1
        rates = both[0]["elr"].values[known][apart]
        away += [f"ELR {number(float(rate))}{of_seed(one.at)}" for rate in rates]
    measured = "; ".join(told)
    rest = [*lost, *(f"not judged: {why}" for why in unjudged)]
    if not judged:
        reason = f"expected {_LEAST} states of a line that tell something: {'; '.join(unjudged)}"
        return Claim(claim, paper, measured, "not testable", reason)
    if away:
        reason = "; ".join([f"apart by more than 25% at {', '.join(away)}", *rest])
        return Claim(claim, paper, measured, "differs", reason)
    return Claim(
        claim, paper, measured, "agrees", "; ".join(["each within 25% or three standard errors", *rest])
    )


def _apart(ratio: Array, relative: Array) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which ratios are not 1, and which tell something: those, and others with errors that are not large."""
    # Of the logarithm: a ratio of 25 ± 9 is no nearer to 1 for its large error.
    apart = np.abs(np.log(ratio)) > np.maximum(math.log1p(_NEAR), 3 * relative)
    return apart, apart | (3 * relative <= _BLIND)


def _left_out(telling: NDArray[np.bool_]) -> str:
    lost = int((~telling).sum())
    return f"{lost} of {len(telling)} states left out, as three standard errors are above 50%" if lost else ""


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
    if not known.any():
        return "not testable", "", line.verdict
    elr, ratio, se = points["elr"].values[known], ratio[known], np.nan_to_num(se[known])
    apart, telling = _apart(ratio, se / ratio)
    spread = f"ratios {number(float(ratio.min()))} to {number(float(ratio.max()))} of {len(ratio)} states"
    lost = _left_out(telling)
    if telling.sum() < _LEAST:
        reason = f"{int(telling.sum())} states have a temperature that tells something; expected {_LEAST}"
        return "not testable", spread, "; ".join(filter(None, (reason, lost)))
    if not apart.any():
        reason = "each within 25% of 1 or three standard errors"
        return "agrees", spread, "; ".join(filter(None, (reason, lost)))
    good = telling & ~apart
    meet = "they meet nowhere"
    if good.any():
        meet = f"they meet at ELR {', '.join(number(float(e)) for e in elr[good])}"
    where = (
        f"{number(float(r))} at {number(float(e))}" for e, r in zip(elr[apart], ratio[apart], strict=True)
    )
    reason = f"{meet} and part elsewhere: ratio {', '.join(where)}"
    return "differs", spread, "; ".join(filter(None, (reason, lost)))
