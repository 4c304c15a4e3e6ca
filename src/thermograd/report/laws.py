"""The summary: each law as a claim, what was measured with its error, and a verdict by a stated criterion."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from thermograd.analysis import Collapse, MaxwellCheck, Points, PressureSlopes, RadiusCheck
from thermograd.report.content import Claim, Section, Verdict
from thermograd.report.findings import Findings
from thermograd.report.wording import (
    PROTOCOL_NAMES,
    VERSIONS,
    formula,
    number,
    percent,
    percent_with_error,
    place,
    with_error,
)

__all__ = ["CRITERIA", "summary"]

_RADIUS_TOLERANCE = 0.02
_MAXWELL_TOLERANCE = 0.10
_COLLAPSE_RATIO = 0.1
_SURE = 2.0  # standard errors

CRITERIA = (
    "How the verdicts are given: a law of the radius or of the gas holds when half of the runs agree "
    f"with it to {percent(_RADIUS_TOLERANCE)} or better; a Maxwell relation when its mean error is at "
    f"most {percent(_MAXWELL_TOLERANCE)}; a collapse when {percent(_COLLAPSE_RATIO)} or less of the "
    f"spread is left. A law fails when it misses this by more than {number(_SURE)} standard errors, and "
    "is undecided in between or when the error itself is larger than the tolerance. Holding to a "
    "tolerance is not being exact: read the numbers."
)
"""The rule behind the verdicts, for the reader."""


def summary(findings: Mapping[str, Findings]) -> Section:
    """What was run and whether the laws hold: the first section of the page.

    Parameters
    ----------
    findings
        Results by protocol name.

    """
    ran = []
    claims = []
    for protocol, found in findings.items():
        status = found.states["status"].values
        good = int((status == "equilibrium").sum())
        name = PROTOCOL_NAMES[protocol]
        ran.append(f"{name}, {status.size} runs, {good} of them in equilibrium")
        claims += [
            _gas(name, found.gas),
            *_radius(name, found.radius),
            *_maxwell(name, found.maxwell),
            *_pressure(name, found.pressure),
            _collapse(name, found.collapse),
        ]
    dims = sorted({int(found.states.attrs["dim"]) for found in findings.values()})
    what = f"Run: {'; '.join(ran)}. Scale-invariant weights: d = {' and '.join(map(str, dims))}."
    paragraphs = (what, CRITERIA, *_caution(findings))
    return Section("summary", "Do the laws hold?", paragraphs, claims=tuple(claims))


def _caution(findings: Mapping[str, Findings]) -> list[str]:
    """What a reader must know before believing a verdict on an entropy, from the samples behind it."""
    worths = [
        found.states["entropy_effective_samples"]
        .where(found.states["status"] == "equilibrium")
        .values.ravel()
        for found in findings.values()
        if "entropy_effective_samples" in found.states
    ]
    known = np.concatenate(worths) if worths else np.empty(0)
    known = known[np.isfinite(known)]
    if known.size == 0:
        return ["How correlated the samples behind the entropies were is not on record."]
    return [
        f"The entropies behind the Maxwell relations come from samples that are worth a median of "
        f"{number(float(np.median(known)))} independent ones: see “How good the entropy is”."
    ]


def _judge(error: float, se: float, tolerance: float, reason: str) -> Verdict:
    """Compare an error and its standard error with a tolerance."""
    if not math.isfinite(error):
        return Verdict("open", "undecided", "no number to judge")
    if not math.isfinite(se):
        se, reason = 0.0, f"{reason}; its standard error is not known"
    if error - _SURE * se > tolerance:
        return Verdict("fails", "fails", reason)
    if se > tolerance:
        return Verdict("open", "undecided", f"the standard error, {percent(se)}, is above the tolerance")
    if error <= tolerance:
        return Verdict("holds", "holds", reason)
    within = f"above the tolerance by less than {number(_SURE)} standard errors"
    return Verdict("open", "undecided", f"{within}; {reason}")


def _impossible(claim: str, reason: str) -> Claim:
    return Claim(claim, "–", Verdict("open", "not tested", reason))


def _gas(name: str, points: Points | str) -> Claim:
    claim = f"{name}: ideal gas law, Z = pV / (RT) = 1"
    if isinstance(points, str):
        return _impossible(claim, points)
    z, se = points.values["compressibility"], points.errors["compressibility"]
    known = se[np.isfinite(se)]
    error = float(np.median(known)) if known.size else math.nan
    middle = float(np.median(z))
    measured = (
        f"median Z = {with_error(middle, error)}, from {number(float(z.min()))} to {number(float(z.max()))}"
    )
    size = np.abs(z - 1)
    reason = (
        f"half of the runs within {percent(float(np.median(size)))}, all within {percent(float(size.max()))}"
    )
    return Claim(claim, measured, _judge(float(np.median(size)), error, _RADIUS_TOLERANCE, reason))


def _radius(name: str, check: RadiusCheck | str) -> list[Claim]:
    if isinstance(check, str):
        return [_impossible(f"{name}: stationary radius", check)]
    what = "effective weight decay" if check.observable == "effective_wd" else "stationary radius"
    claims = []
    for line in check.summary:
        claim = f"{name}: {what}, {VERSIONS[line.version]} formula"
        if line.n == 0:
            claims.append(_impossible(claim, "the formula has no stationary radius for any of the runs"))
            continue
        errors = check.points["relative_error_se"].sel(version=line.version).values
        errors = errors[np.isfinite(errors)]
        typical = float(np.median(errors)) if errors.size else math.nan
        measured = (
            f"median error {percent(line.median)} (its standard error is {percent(typical)} in a typical "
            f"run), worst {percent_with_error(line.worst, line.worst_se)} at {place(line.worst_at)}"
        )
        reason = f"{line.n} runs"
        claims.append(Claim(claim, measured, _judge(line.median, typical, _RADIUS_TOLERANCE, reason)))
    return claims


def _maxwell(name: str, check: MaxwellCheck | str) -> list[Claim]:
    if isinstance(check, str):
        return [_impossible(f"{name}: Maxwell relation", check)]
    constant = check.centre
    measured = (
        f"{formula(constant.name)} = {with_error(constant.value, constant.se)} (ideal "
        f"{number(constant.ideal)}); error over the grid: mean "
        f"{percent_with_error(check.mean_error, check.mean_error_se)}, largest "
        f"{percent_with_error(check.max_error, check.max_error_se)} at {place(check.max_error_at)}"
    )
    reason = f"fit of {check.fit.n} runs, R² = {number(check.fit.r_squared, 4)}"
    verdict = _judge(check.mean_error, check.mean_error_se, _MAXWELL_TOLERANCE, reason)
    return [Claim(f"{name}: Maxwell relation {formula(check.relation)}", measured, verdict)]


def _pressure(name: str, slopes: PressureSlopes | str | None) -> list[Claim]:
    claim = f"{name}: Maxwell relation (dp/dT)_V = (d−1)/(2V)"
    if slopes is None:
        return []
    if isinstance(slopes, str):
        return [_impossible(claim, slopes)]
    ratios = np.array([slope.ratio for slope in slopes.slopes])
    errors = np.array([slope.ratio_se for slope in slopes.slopes])
    mean, error = float(ratios.mean()), float(np.sqrt((errors**2).sum()) / len(errors))
    measured = (
        f"slope over ideal slope {with_error(mean, error)}, mean of {len(ratios)} radii; from "
        f"{number(float(ratios.min()))} to {number(float(ratios.max()))}"
    )
    off = float(np.abs(ratios - 1).mean())
    return [Claim(claim, measured, _judge(off, error, _MAXWELL_TOLERANCE, f"mean error {percent(off)}"))]


def _collapse(name: str, found: Collapse | str) -> Claim:
    if isinstance(found, str):
        return _impossible(f"{name}: gradient noise depends on one variable", found)
    claim = f"{name}: gradient noise depends on {formula(found.right.variable)} alone"
    measured = (
        f"spread about one curve {percent_with_error(found.right.residual, found.right.residual_se)} "
        f"(errors of measurement alone: {percent(found.noise)}), against {percent(found.wrong.residual)} "
        f"about a curve in {formula(found.wrong.variable)} and {percent(found.total)} in all"
    )
    # Spread that is all measurement error says nothing against a collapse, however small the total is.
    if found.right.residual - _SURE * found.right.residual_se <= found.noise:
        if found.noise > found.total / 2:
            too_coarse = "the errors of measurement are as large as the spread that could collapse"
            return Claim(claim, measured, Verdict("open", "undecided", too_coarse))
        return Claim(claim, measured, Verdict("holds", "holds", "to within the errors of measurement"))
    share = f"{percent(found.right.ratio)} of the spread is left"
    se = found.right.residual_se / found.total if found.total > 0 else math.nan
    return Claim(claim, measured, _judge(found.right.ratio, se, _COLLAPSE_RATIO, share))
