"""The ideal-gas paper's claims on networks, each judged on the states of one protocol."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np
import xarray as xr

from thermograd.analysis import (
    MaxwellCheck,
    RadiusCheck,
    collapse,
    maxwell,
    pressure_slopes,
    radius,
)
from thermograd.analysis.compressibility import CompressibilityCheck, compressibility
from thermograd.analysis.levels import levels
from thermograd.errors import InputError
from thermograd.report.wording import PROTOCOL_NAMES, formula, number, percent, place, with_error
from thermograd.report.wording import percent_with_error as with_percent
from thermograd.reproduce.claims import Claim
from thermograd.reproduce.collapse_claims import collapse_claims
from thermograd.reproduce.ideal_gas_published import published_maxwell, setup_difference
from thermograd.reproduce.potential_claims import potential_claim
from thermograd.reproduce.presets import Setup
from thermograd.reproduce.verdicts import SURE, median_verdict, untested, verdict

__all__ = ["gas_claims"]

Result = TypeVar("Result")
_MEDIAN, _WORST = 0.01, 0.05  # of the finite-step radius: what a law without free numbers should reach
_MENDED = 0.25  # part of the SDE's error that the discrete radius may leave
_MAXWELL = 0.10
_R_SQUARED = 0.98
_REAL_GAS = 0.02


def gas_claims(setup: Setup, states: Mapping[str, xr.Dataset]) -> list[Claim]:
    """Judge V1, V2, V3, the collapse of the noise, the temperature and the compressibility of every protocol.

    Parameters
    ----------
    setup
        What was run; its published counterpart is quoted.
    states
        Stationary states by protocol.

    """
    claims = []
    for protocol, dataset in states.items():
        name = PROTOCOL_NAMES[protocol]
        claims += _tested(
            dataset, radius, _radius, f"{name}: V1, where the norm settles", "IG 6.3, appendix G"
        )
        claims.append(potential_claim(name, dataset))
        claims += _maxwell(setup, name, protocol, dataset)
        if protocol == "FixedSphere":
            claims.append(_pressure(name, dataset))
        claims += _tested(
            dataset, collapse, collapse_claims, f"{name}: collapse of sigma2", "IG 6.3, figures 2, 5-10"
        )
        claims.append(_temperature(name, dataset))
        claims += _tested(dataset, compressibility, _real_gas, f"{name}: real gas", "IG 7")
    return claims


def _tested(
    dataset: xr.Dataset,
    test: Callable[[xr.Dataset], Result],
    judge: Callable[[str, Result], list[Claim]],
    what: str,
    paper: str,
) -> list[Claim]:
    try:
        return judge(what.split(":")[0], test(dataset))
    except InputError as error:
        return [untested(what, paper, str(error))]


def _radius(name: str, check: RadiusCheck) -> list[Claim]:
    what = "effective weight decay" if check.observable == "effective_wd" else "stationary radius"
    lines = {line.version: line for line in check.summary}
    errors = check.points["relative_error"]
    step = lines["finite_step"]
    claim = (
        f"{name}: {what} at finite steps, median within {percent(_MEDIAN)}, worst within {percent(_WORST)}"
    )
    paper = "IG 6.3 (V1), figure 12: the discrete prediction is close (no number)"
    if step.n == 0:
        return [untested(claim, paper, "no run has a stationary radius")]
    typical = _median(check.points["relative_error_se"].sel(version="finite_step"))
    measured = (
        f"median {percent(step.median)} (error bar of a run {percent(typical)}), worst "
        f"{with_percent(step.worst, step.worst_se)} at {place(step.worst_at)}; {step.n} runs, "
        f"{len(check.left_out)} left out"
    )
    word, reason = median_verdict(step.median, typical, step.n, _MEDIAN)
    reason = f"median {reason}"
    if step.worst - SURE * (step.worst_se if math.isfinite(step.worst_se) else 0.0) > _WORST:
        word, reason = "differs", "the worst run is surely above"
    elif step.worst > _WORST:
        reason += "; the worst run is above by less than two of its error bars"
    claims = [Claim(claim, paper, measured, word, reason)]
    sde, discrete = lines["sde"], lines["discrete"]
    low, high = _ends(errors.sel(version="sde"))
    grows = high > low and sde.median > discrete.median
    share = discrete.median / sde.median if sde.median > 0 else math.nan
    claims.append(
        Claim(
            f"{name}: the SDE falls short as steps grow, and the mean gradient mends it",
            "IG 6.3 and appendix G, figures 2c and 12",
            f"SDE off by {percent(low)} at the smallest third of the steps, {percent(high)} at the largest; "
            f"median {percent(sde.median)} against {percent(discrete.median)} with |E g|²",
            "agrees" if grows and share <= _MENDED else "differs",
            f"{percent(share)} of the SDE's error is left"
            + ("" if low < _MAXWELL else "; at no step of this grid is the mean gradient small"),
        )
    )
    return claims


def _median(values: xr.DataArray) -> float:
    known = values.values[np.isfinite(values.values)]
    return float(np.median(known)) if known.size else math.nan


def _ends(errors: xr.DataArray) -> tuple[float, float]:
    """Median error over the smallest and largest third of the states, by what their steps depend on."""
    first, second = (str(name) for name in errors.dims[:2])
    rate = errors[first] * errors[second] if second == "wd" and first == "lr" else errors[first]
    rates, values = (array.values.ravel() for array in xr.broadcast(rate, errors))
    good = np.isfinite(values)
    values = np.abs(values)
    order = values[good][np.argsort(rates[good], kind="stable")]
    third = max(1, len(order) // 3)
    return float(np.median(order[:third])), float(np.median(order[-third:]))


def _maxwell(setup: Setup, name: str, protocol: str, dataset: xr.Dataset) -> list[Claim]:
    row = published_maxwell(setup, protocol)
    paper = "IG section 4 (V3); not printed for the fixed sphere"
    if row is not None:
        paper = (
            f"IG table 4, {row.network} on {row.data}: R² {row.r_squared:g}, "
            f"{', '.join(f'{x:g}' for x in row.numbers)}, largest error {row.max_error:.1%}"
        )
    claim = f"{name}: Maxwell relation (V3) within {percent(_MAXWELL)} at the grid's centre"
    try:
        check = maxwell(dataset)
    except InputError as error:
        return [untested(claim, paper, str(error))]
    numbers = ", ".join(f"{formula(n.name)} = {with_error(n.value, n.se)}" for n in check.numbers)
    measured = (
        f"R² {number(check.fit.r_squared, 4)}; {formula(check.centre.name)} = "
        f"{with_error(check.centre.value, check.centre.se)} (ideal {number(check.centre.ideal)}); {numbers}; "
        f"error over the grid: largest {with_percent(check.max_error, check.max_error_se)}, mean "
        f"{with_percent(check.mean_error, check.mean_error_se)}; {check.fit.n} runs"
    )
    word, reason = verdict(abs(check.centre.value - check.centre.ideal), check.centre.se, _MAXWELL)
    reasons = [reason, *_why_scattered(check, dataset)]
    if row is not None:
        beaten = "smaller" if check.max_error < row.max_error else "larger"
        reasons.append(f"largest error {beaten} than the published; {setup_difference(setup)}".rstrip("; "))
    return [Claim(claim, paper, measured, word, "; ".join(reasons))]


def _why_scattered(check: MaxwellCheck, dataset: xr.Dataset) -> list[str]:
    """What a low R² comes from: the scatter about the surface beside the errors of the entropies."""
    if check.fit.r_squared >= _R_SQUARED:
        return []
    errors = dataset["entropy_se"].where(dataset["status"] == "equilibrium").values
    errors = errors[np.isfinite(errors)]
    own = float(np.sqrt(np.mean(errors**2))) if errors.size else math.nan
    entropy = dataset["entropy"].where(dataset["status"] == "equilibrium").values
    total = float(np.nanstd(entropy))
    left = total * math.sqrt(max(0.0, 1 - check.fit.r_squared))
    cause = "the surface is not quadratic or states differ" if left > 2 * own else "noise of the entropy"
    return [
        f"R² below {_R_SQUARED}: {number(left)} nats about the surface, {number(own)} by the states' own "
        f"errors, {number(total)} over the grid: {cause}"
    ]


def _pressure(name: str, dataset: xr.Dataset) -> Claim:
    claim = f"{name}: Maxwell relation (dp/dT)_V = (d−1)/(2V)"
    paper = "IG section 4 (V3), eq. 82; no number for networks"
    try:
        slopes = pressure_slopes(dataset).slopes
        real = compressibility(dataset)
    except InputError as error:
        return untested(claim, paper, str(error))
    ratio, se = _mean_ratio([s.ratio for s in slopes], [s.ratio_se for s in slopes])
    measured = f"slope over the ideal one {with_error(ratio, se)}, {len(slopes)} radii"
    word, reason = verdict(abs(ratio - 1), se, _MAXWELL)
    if word == "differs":
        predicted = _predicted_slope(dataset, real)
        reason += (
            f"; a real gas, as Z goes from {number(real.smallest)} to {number(real.largest)} with T: the "
            f"discrete law with the measured mean gradient gives {predicted}"
        )
    return Claim(claim, paper, measured, word, reason)


def _predicted_slope(dataset: xr.Dataset, real: CompressibilityCheck) -> str:
    """The slope that the finite-step pressure has, in place of the measured one."""
    Z = real.points["predicted"].sel(version="finite_step", drop=True).transpose(*dataset["pressure"].dims)
    lawful = dataset.assign(pressure=dataset["pressure"] * Z / dataset["compressibility"])
    lawful["pressure"].attrs = dataset["pressure"].attrs
    try:
        slopes = pressure_slopes(lawful).slopes
    except InputError:
        return "no number"
    return with_error(*_mean_ratio([s.ratio for s in slopes], [s.ratio_se for s in slopes]))


def _mean_ratio(values: list[float], errors: list[float]) -> tuple[float, float]:
    return float(np.mean(values)), float(np.sqrt(np.sum(np.square(errors))) / len(errors))


def _temperature(name: str, dataset: xr.Dataset) -> Claim:
    claim = f"{name}: T rises with the learning rate, but for the largest"
    paper = "IG 6.3 and appendix F, figures 2b and 5-10"
    try:
        found = levels(dataset)
    except InputError as error:
        return untested(claim, paper, str(error))
    ends = [found.log_temperature.slope(level) for level in (found.low, found.high)]
    middle, se = found.log_temperature.slope(math.sqrt(found.low * found.high))
    T = [float(found.temperature(level)[0]) for level in (found.low, found.high)]
    variable = formula(found.variable)
    measured = (
        f"T from {number(T[0])} to {number(T[1])}; d log T/d log({variable}) = "
        f"{with_error(float(middle), float(se))} in the middle, "
        f"{with_error(float(ends[0][0]), float(ends[0][1]))} at the smallest, "
        f"{with_error(float(ends[1][0]), float(ends[1][1]))} at the largest {variable}"
    )
    if ends[0][0] + SURE * ends[0][1] < 0:
        return Claim(claim, paper, measured, "differs", f"it falls at the smallest {variable}")
    if middle - SURE * se > 0:
        bends = ends[1][0] + SURE * ends[1][1] < 0
        return Claim(
            claim, paper, measured, "agrees", "it rises" + ("; it falls at the largest" if bends else "")
        )
    if middle + SURE * se < 0:
        return Claim(claim, paper, measured, "differs", "it falls over the whole grid")
    return Claim(claim, paper, measured, "not testable", "the slope is within two standard errors of 0")


def _real_gas(name: str, check: CompressibilityCheck) -> list[Claim]:
    lines = {line.version: line for line in check.lines}
    step = lines["finite_step"]
    exponent = with_error(check.pressure_exponent, check.pressure_exponent_se)
    median = _median(check.points["measured_se"] / check.points["measured"])
    word, reason = median_verdict(step.median, step.error, step.n, _REAL_GAS)
    # By scale invariance nothing but T can matter.
    if abs(check.pressure_exponent) > SURE * check.pressure_exponent_se + _REAL_GAS:
        word, reason = "differs", "Z depends on the pressure at constant temperature"
    return [
        Claim(
            f"{name}: a real gas, V = Z R T / p, with Z from the mean gradient and from T alone",
            "IG section 7 proposes it, without numbers",
            f"Z from {number(check.smallest)} to {number(check.largest)} (error bars {percent(median)}); "
            f"predicted within {percent(step.median)} (median), {percent(step.worst)} (worst); "
            f"error bars of the ratio {percent(step.error)}; (d log Z/d log p)_T = {exponent}",
            word,
            reason,
        )
    ]
