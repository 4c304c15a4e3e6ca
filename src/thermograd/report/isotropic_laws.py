"""The summary of the isotropic laboratory: V1 to V4 as claims, what was measured, and verdicts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from thermograd.analysis.adiabat import AdiabatCheck
from thermograd.analysis.common_slope import Slope
from thermograd.analysis.heat import HeatCheck
from thermograd.analysis.potentials import PotentialCheck
from thermograd.analysis.radius import RadiusCheck
from thermograd.analysis.slopes import SlopeCheck
from thermograd.report.content import Claim, Section, Verdict
from thermograd.report.isotropic_anisotropy import AnisotropyFindings, anisotropy_claims
from thermograd.report.isotropic_findings import AdiabatFindings, IsotropicFindings
from thermograd.report.isotropic_hot import HotFindings, hot_claims
from thermograd.report.isotropic_pooled import pooled_claims
from thermograd.report.isotropic_verdict import SURE, UNLIKELY, impossible, judge
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

__all__ = ["CRITERIA", "ideal_text", "isotropic_summary", "trusted"]

_RADIUS, _MAXWELL, _PRESSURE, _HEAT = 0.01, 0.01, 0.03, 0.02
_BEYOND = 0.05
_STAYS = 0.1  # of what the entropy on the sphere changes by
_SCATTER = 1e-3

CRITERIA = (
    "How the verdicts are given. A law holds when it is met within a tolerance: the radius and the effective "
    f"decay to {percent(_RADIUS)} in half of the states, a Maxwell relation to {percent(_MAXWELL)}, one of "
    f"the pressure to {percent(_PRESSURE)}, because finite steps raise it by that much, a heat capacity to "
    f"{percent(_HEAT)}. It fails when it misses that by more than {number(SURE)} standard errors, and is "
    "undecided in between or when the standard error itself is above the tolerance. Energy and entropy, "
    "pooled by temperature, are held to three standard errors: the law fails when the largest pull has a "
    f"chance below {percent(UNLIKELY)}, by Student's law for so few states and as many levels as were looked "
    f"at; each such claim says how small the errors are. V2 holds when at most {percent(_BEYOND)} of "
    "the states have their minimum more than one grid step away by more than 3 standard errors. An adiabat "
    f"holds when its entropies spread by at most {percent(_STAYS)} of what the entropy on the sphere "
    "changes by and scatter no more than their errors say. Holding to a tolerance is not being exact: read "
    "the numbers."
)
"""The rule behind the verdicts, for the reader."""


def isotropic_summary(
    found: Mapping[str, IsotropicFindings],
    adiabats: Mapping[str, AdiabatFindings],
    hot: Mapping[str, HotFindings],
    anisotropic: Sequence[AnisotropyFindings] = (),
) -> Section:
    """What was simulated and which laws hold: the first section of the page.

    Parameters
    ----------
    found
        Results by protocol name.
    adiabats
        Results along adiabats, by title.
    hot
        Results at other dimensions and temperatures, by title.
    anisotropic
        Results under anisotropic noise.

    """
    ran, claims = [], []
    for protocol, results in found.items():
        status = results.states["status"].values
        good = int((status == "equilibrium").sum())
        ran.append(f"{PROTOCOL_NAMES[protocol]}, {status.size} states, {good} of them in equilibrium")
    for protocol, results in found.items():
        name = PROTOCOL_NAMES[protocol]
        claims += pooled_claims(name, results)
    for protocol, results in found.items():
        claims += _radius(PROTOCOL_NAMES[protocol], results.findings.radius)
    claims += [_potential(PROTOCOL_NAMES[p], results.potentials) for p, results in found.items()]
    for protocol, results in found.items():
        claims += _slopes(PROTOCOL_NAMES[protocol], results.slopes)
    for protocol, results in found.items():
        claims += _heat(PROTOCOL_NAMES[protocol], results.heat)
    for title, measured in hot.items():
        claims += hot_claims(title, measured)
    for each in anisotropic:
        claims += anisotropy_claims(each)
    claims += [_adiabat(title, results) for title, results in adiabats.items()]
    dims = sorted({int(results.states.attrs["dim"]) for results in found.values()})
    what = f"Simulated: {'; '.join(ran)}. Weights: d = {' and '.join(map(str, dims))}."
    return Section("summary", "Do the laws hold?", (what, CRITERIA), claims=tuple(claims))


def trusted(slope: Slope) -> tuple[float, float]:
    """The ratio of a slope to its ideal that is to be believed, and its error.

    The weighted one, unless the points scatter about their lines far more than their errors allow; then the
    unweighted one, whose error is that scatter.

    Parameters
    ----------
    slope
        From :func:`thermograd.analysis.log_log_slopes`.

    """
    strained = slope.chi_squared > slope.freedom + 5 * math.sqrt(2 * max(slope.freedom, 1))
    if not strained or slope.value == 0 or not math.isfinite(slope.plain_se):
        return slope.ratio, slope.ratio_se
    unit = slope.value / slope.ratio
    return slope.plain / unit, abs(slope.plain_se / unit)


def ideal_text(relation: str, ideal: float) -> str:
    """A relation with the value that theory gives it, as a formula.

    Examples
    --------
    >>> ideal_text("(dS/dlog wd)_elr", -1.0)
    '(dS/d log wd)_elr = −1'

    """
    return f"{formula(relation)} = {number(ideal)}"


def _radius(name: str, check: RadiusCheck | str) -> list[Claim]:
    if isinstance(check, str):
        return [impossible(f"V1, {name}: stationary radius", check)]
    what = "effective weight decay" if check.observable == "effective_wd" else "stationary radius"
    claims = []
    for line in check.summary:
        if line.version == "discrete":
            continue  # lies between the other two, and stands in the table
        claim = f"V1, {name}: {what}, {VERSIONS[line.version]} formula"
        if line.n == 0:
            claims.append(impossible(claim, "the formula has no stationary radius for any of the states"))
            continue
        errors = check.points["relative_error_se"].sel(version=line.version).values
        errors = errors[np.isfinite(errors)]
        typical = float(np.median(errors)) if errors.size else math.nan
        measured = (
            f"median error {percent(line.median)} (its standard error is {percent(typical)} in a typical "
            f"state), worst {percent_with_error(line.worst, line.worst_se)} at {place(line.worst_at)}"
        )
        verdict = judge(line.median, typical, _RADIUS, f"{line.n} states")
        claims.append(Claim(claim, measured, verdict))
    return claims


def _potential(name: str, check: PotentialCheck | str) -> Claim:
    claim = f"V2, {name}: each state minimises its own potential among all that were observed"
    if isinstance(check, str):
        return impossible(claim, check)
    claim = claim.replace("potential", "Helmholtz energy F" if check.potential == "F" else "Gibbs energy G")
    clear = sum(not each.within_error for each in check.beyond)
    measured = (
        f"{percent(check.within_one)} of {check.n} states have their minimum at most one grid step away "
        f"({percent(check.by_chance)} would by chance); {len(check.beyond)} have it further away, "
        f"{clear} of these by more than 3 standard errors"
    )
    share = clear / check.n
    se = math.sqrt(max(share * (1 - share), 1 / check.n) / check.n)
    reason = f"{percent(share)} of the states are clearly minimised elsewhere"
    if share <= _BEYOND and check.within_one < (1 + check.by_chance) / 2:
        # Errors that excuse every miss leave nothing that could have failed.
        return Claim(claim, measured, Verdict("open", "undecided", "the errors are too large to find minima"))
    return Claim(claim, measured, judge(share, se, _BEYOND, reason))


def _slopes(name: str, check: SlopeCheck | str) -> list[Claim]:
    if isinstance(check, str):
        return [impossible(f"V3, {name}: Maxwell relation", check)]
    claims = []
    for law in check.laws:
        if law.cold:
            continue
        ratio, se = trusted(law.pooled)
        measured = (
            f"{with_error(ratio * law.ideal, abs(se * law.ideal))}, {with_error(ratio, se)} of the ideal; "
            f"{f'{len(law.lines)} lines' if law.lines else 'a plane'} through {law.pooled.n} states"
        )
        reason = f"off by {percent_with_error(abs(ratio - 1), se)}"
        # Of the pressure, p ~ T (1 + elr/2): finite steps are no fault of the relation.
        tolerance = _PRESSURE if law.relation.startswith(("(dp/", "(d log p")) else _MAXWELL
        verdict = judge(abs(ratio - 1), se, tolerance, reason)
        claims.append(Claim(f"V3, {name}: {ideal_text(law.relation, law.ideal)}", measured, verdict))
    return claims


def _heat(name: str, check: HeatCheck | str) -> list[Claim]:
    claim = f"V4, {name}: heat capacity when cold, C_V = R = (d−1)/2, so that gamma = 2"
    if isinstance(check, str):
        return [impossible(claim, check)]
    ratio, se = check.c_v / check.gas_constant, check.c_v_se / check.gas_constant
    measured = (
        f"C_V / R = {with_error(ratio, se)}, gamma = {with_error(check.gamma, check.gamma_se)}, from U up to "
        f"T = {number(check.fit.hottest)} ({check.fit.n} temperatures)"
    )
    reason = f"off by {percent_with_error(abs(ratio - 1), se)}"
    claims = [Claim(claim, measured, judge(abs(ratio - 1), se, _HEAT, reason))]
    if check.lines:
        measured = (
            f"(C_p − C_V) / R = {with_error(check.mayer, check.mayer_se)}, mean of {len(check.lines)} "
            "weight decays, C_p from the enthalpy at fixed pressure"
        )
        off = abs(check.mayer - 1)
        reason = f"off by {percent_with_error(off, check.mayer_se)}"
        verdict = judge(off, check.mayer_se, _HEAT, reason)
        claims.append(Claim(f"V4, {name}: C_p − C_V = R", measured, verdict))
    return claims


def _adiabat(title: str, found: AdiabatFindings) -> Claim:
    claim = f"V4, {title}: the entropy stays along the adiabat"
    check = found.along
    if isinstance(check, str):
        return impossible(claim, check)
    others = [
        f"along “{words}” it spreads by {number(other.spread)} nats"
        for words, other in found.contrast.items()
        if isinstance(other, AdiabatCheck)
    ]
    measured = (
        f"{check.points.sizes['point']} states: the entropies spread by {number(check.spread)} nats "
        f"(standard deviation) while the entropy on the sphere changes by {number(check.sphere_span)} nats"
        f"{''.join(f'; {other}' for other in others)}. chi² = {number(check.chi_squared)} for "
        f"{check.freedom} degrees of freedom, p = {number(check.p_value, 2)}"
    )
    if not check.sphere_span > 0:
        return Claim(claim, measured, Verdict("open", "undecided", "nothing changes along this path"))
    share = check.spread / check.sphere_span
    errors = check.points["entropy_se"].values
    freedom = max(check.freedom, 1)
    # Errors of the entropies blur their spread by this much; unknown, the spread of n numbers is blurred by
    # its own size over sqrt(2 (n - 1)).
    se = float(np.sqrt(np.mean(errors**2) / freedom)) / check.sphere_span
    se = se if math.isfinite(se) else share / math.sqrt(2 * freedom)
    scatter = "as their errors say" if not check.p_value < _SCATTER else "more than their errors say"
    reason = f"the spread is {percent(share)} of that change; the entropies scatter {scatter}"
    verdict = judge(share, se, _STAYS, reason)
    if verdict.kind == "holds" and check.p_value < _SCATTER:
        verdict = Verdict("open", "undecided", reason)
    return Claim(claim, measured, verdict)
