"""What the free-energy paper claims about a setup, and what its runs say: each claim with its criterion."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri

from thermograd.analysis.lines import SphereLine
from thermograd.analysis.published import TEMPERATURE_LAWS, PublishedTemperature
from thermograd.analysis.temperature_law import TemperatureLine
from thermograd.report.free_energy_findings import FreeEnergyFindings
from thermograd.report.wording import number
from thermograd.reproduce.bridge_claims import bridge_claims, estimator_claim
from thermograd.reproduce.claims import Claim, Verdict
from thermograd.reproduce.gradient_claims import (
    decay_claim,
    entropy_claim,
    exponent_claim,
    of_seed,
    settling_claim,
    vanishing_claim,
)

__all__ = ["free_energy_claims", "published_law"]

_SURE = 2.0
_CHANCE = 0.05
_PART = 2 / 3  # of the states in equilibrium that a temperature must exist for
_LEAST = 4  # estimates of a power law that is judged: through three points a line nearly always lies well


def published_law(
    architecture: str, width: int, data: str, overparameterised: bool
) -> tuple[PublishedTemperature | None, bool]:
    """The paper's temperature law to compare with, and whether network and data are the same.

    That of the same network, width and data if there is one; else that of ConvNet on CIFAR-10, over- or
    under-parameterised alike.

    Examples
    --------
    >>> law, same = published_law("ConvNet", 8, "cifar10", False)
    >>> law.exponent, same
    (0.85, True)
    >>> law, same = published_law("ConvNet", 1, "digits", True)
    >>> law.exponent, same
    (0.86, False)

    """
    network = {"ResNet18": "ResNet-18"}.get(architecture, architecture)
    names = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100"}
    alike = [law for law in TEMPERATURE_LAWS if law.overparameterised == overparameterised]
    same = [
        law for law in alike if (law.network, law.width, law.data) == (network, width, names.get(data, data))
    ]
    return (same[0], True) if same else (next(iter(alike), None), False)


def free_energy_claims(
    findings: FreeEnergyFindings,
    *,
    where: str,
    overparameterised: bool,
    published: PublishedTemperature | None = None,
    same_setup: bool = False,
    temperatures: bool = True,
) -> tuple[Claim, ...]:
    """Compare one setup's findings with the paper's claims.

    Parameters
    ----------
    findings
        What was found.
    where
        Network and data, to end a claim with.
    overparameterised
        What the setup is meant to be.
    published
        The paper's temperature law to name beside ours.
    same_setup
        Whether it is for this network and data: else its numbers are not expected here.
    temperatures
        Whether the setup has a grid to find temperatures on: those for the phase diagram have not.

    """
    f = findings
    claims = [_parameterisation(f, where, overparameterised)]
    if temperatures:
        claims += [
            _regimes(f, where, overparameterised),
            _monotonic(f, where),
            _exists(f, where, published),
            _grows(f, where, published, same_setup),
            estimator_claim(f, where),
            *bridge_claims(f, where),
            entropy_claim(f, where),
        ]
    if overparameterised:
        claims += [decay_claim(f, where), vanishing_claim(f, where), exponent_claim(f, where)]
    else:
        claims.append(settling_claim(f, where))
    return tuple(claims)


def _parameterisation(f: FreeEnergyFindings, where: str, over: bool) -> Claim:
    word = "over" if over else "under"
    claim = f"{where} is {word}-parameterised"
    paper = "FE section 6.1, table 1: recognised by whether loss and gradients vanish at small rates"
    found = f.parameterisation
    if isinstance(found, str):
        return Claim(claim, paper, "", "not testable", found)
    verdict: Verdict = "agrees" if found.word == word else "differs"
    if found.word == "undecided":
        verdict = "not testable"
    return Claim(claim, paper, found.word, verdict, found.reason)


def _regimes(f: FreeEnergyFindings, where: str, over: bool) -> Claim:
    wanted = ("convergence", "equilibrium", "divergence") if over else ("equilibrium", "divergence")
    claim = f"With rising ELR training goes through {', '.join(wanted)}: {where}"
    paper = "FE sections 4 and 5, figures 1 and 2 (Kodryan et al.)"
    if isinstance(f.regimes, str):
        return Claim(claim, paper, "", "not testable", f.regimes)
    words = set(f.regimes.points["regime"].values.ravel().tolist())
    missing = [word for word in wanted if word not in words]
    if not f.regimes.in_order:
        return Claim(claim, paper, f.regimes.verdict, "differs", "they do not come in this order")
    if missing:
        reason = f"in order, but {' and '.join(missing)} does not occur on this grid"
        return Claim(claim, paper, f.regimes.verdict, "not testable", reason)
    return Claim(claim, paper, f.regimes.verdict, "agrees", "all occur, in this order")


def _monotonic(f: FreeEnergyFindings, where: str) -> Claim:
    claim = f"Stationary loss and entropy rise with the ELR: {where}"
    paper = "FE section 5, figure 2 left"
    if isinstance(f.lines, str):
        return Claim(claim, paper, "", "not testable", f.lines)
    steps = sum(2 * max(len(line.elr) - 1, 0) for line in f.lines)
    if steps < 4:
        return Claim(claim, paper, "", "not testable", "fewer than three states in equilibrium")
    # Of a hundred comparisons some are off by two standard errors: 5% is the chance of a false alarm in all.
    limit = -float(ndtri(_CHANCE / (steps + 2 * len(f.lines))))
    told, small = [], []
    for line in f.lines:
        for name, symbol in (("loss", "U"), ("entropy", "S")):
            found = _falls(line, name, limit)
            told += [f"{symbol} falls to ELR {number(rate)}{of_seed(line.at)}" for rate in found]
            rise, se = _rise(line, name)
            if rise < -limit * se:
                told.append(f"{symbol} falls from the first to the last ELR{of_seed(line.at)}")
            elif not rise > _SURE * se:
                small.append(f"{symbol}{of_seed(line.at)}: {number(rise)} ± {number(se, 2)}")
    downward = sum(len(_falls(line, name, limit)) for line in f.lines for name in ("loss", "entropy"))
    measured = f"{steps - downward} of {steps} steps between neighbouring ELRs rise or stay"
    rule = f"by {number(limit, 2)} standard errors, which has a chance of 5% in {steps} steps that stay"
    if told:
        return Claim(claim, paper, measured, "differs", f"{'; '.join(told)}: falls {rule}")
    if small:
        reason = f"no rise by two standard errors from the first to the last ELR: {', '.join(small)}"
        return Claim(claim, paper, measured, "not testable", reason)
    reason = f"U and S rise from the first to the last ELR by two standard errors, and no fall {rule}"
    return Claim(claim, paper, measured, "agrees", reason)


def _rise(line: SphereLine, name: str) -> tuple[float, float]:
    """From the first to the last ELR of a line, and its standard error; none where there is no line."""
    if len(line.elr) < 2:
        return 0.0, 0.0
    values, errors = line.values[name], np.nan_to_num(line.errors[name])
    return float(values[-1] - values[0]), float(np.hypot(errors[0], errors[-1]))


def _falls(line: SphereLine, name: str, limit: float) -> list[float]:
    """The ELRs at which an observable has fallen by so many standard errors from the ELR before."""
    change = np.diff(line.values[name])
    se = np.nan_to_num(np.hypot(line.errors[name][1:], line.errors[name][:-1]))
    return [float(rate) for rate in line.elr[1:][change < -limit * se]]


def _exists(f: FreeEnergyFindings, where: str, law: PublishedTemperature | None) -> Claim:
    claim = f"A temperature exists at which each stationary state has the least free energy: {where}"
    paper = "FE sections 3 and 5, figure 2"
    if law is not None:
        paper += f" ({_named(law)}: ELR {number(law.low)} to {number(law.high)}, eps = {law.eps:g})"
    if isinstance(f.temperatures, str):
        return Claim(claim, paper, "", "not testable", f.temperatures)
    measured = "; ".join(f"{_states(line)}{of_seed(line.at)}" for line in f.temperatures)
    there = [line for line in f.temperatures if line.exists]
    none = [line for line in f.temperatures if line.verdict.startswith("no temperature")]
    reason = "; ".join(f"{line.verdict}{of_seed(line.at)}" for line in f.temperatures)
    if len(there) == len(f.temperatures):
        parts = [_part(line) for line in there]
        if all(part >= _PART for part in parts):
            return Claim(claim, paper, measured, "agrees", reason)
        short = "; ".join(
            f"{part:.0%} of the states in equilibrium, ELR {number(line.stretch[0])} to "
            f"{number(line.stretch[1])}{of_seed(line.at)}"
            for line, part in zip(there, parts, strict=True)
            if part < _PART
        )
        lacking = all(_without(line) > 1 - _PART for line in there)
        verdict: Verdict = "differs" if lacking else "not testable"
        return Claim(claim, paper, measured, verdict, f"for {short}, expected two thirds; {reason}")
    if len(none) == len(f.temperatures):
        return Claim(claim, paper, measured, "differs", reason)
    return Claim(claim, paper, measured, "not testable", reason)


def _part(line: TemperatureLine) -> float:
    """Of the states in equilibrium, those of the stretch."""
    return float(line.points["inside"].values.mean())


def _without(line: TemperatureLine) -> float:
    """Of the states in equilibrium, those that have the least F at no temperature beside the stretch."""
    return float((line.points["kind"].values == "none").mean())


def _states(line: TemperatureLine) -> str:
    inside = line.points["inside"].values
    estimates = int((inside & (line.points["kind"].values == "estimate")).sum())
    ends = f"ELR {number(line.stretch[0])} to {number(line.stretch[1])}"
    return f"{int(inside.sum())} of {len(inside)} states ({ends}), {estimates} of them with both bounds"


def _grows(f: FreeEnergyFindings, where: str, law: PublishedTemperature | None, same: bool) -> Claim:
    claim = f"The temperature grows with the ELR as a power law: {where}"
    paper = "FE section 5, figures 2, 9 and 10"
    if law is not None:
        paper += f": T = {law.coefficient:g} elr^{law.exponent:g} ({_named(law)})"
    if isinstance(f.temperatures, str):
        return Claim(claim, paper, "", "not testable", f.temperatures)
    lines = [line for line in f.temperatures if line.exists and line.law is not None]
    if not lines:
        return Claim(claim, paper, "", "not testable", "no temperature is shown to exist")
    measured = "; ".join(f"T = {line.law.text('elr')}{of_seed(line.at)}" for line in lines if line.law)
    few = [line for line in lines if line.law is not None and line.law.n < _LEAST]
    if few:
        reason = f"fewer than {_LEAST} estimates{', '.join(of_seed(line.at) for line in few)}"
        return Claim(claim, paper, measured, "not testable", reason)
    grows = [line.grows for line in lines]
    falls = [
        line.law is not None and line.law.exponent < -_SURE * np.nan_to_num(line.law.exponent_se)
        for line in lines
    ]
    if all(grows):
        return Claim(claim, paper, measured, "agrees", _beside(lines, law, same))
    verdict: Verdict = "differs" if all(falls) else "not testable"
    return Claim(claim, paper, measured, verdict, "an exponent above 0 is not shown by two standard errors")


def _beside(lines: Sequence[TemperatureLine], law: PublishedTemperature | None, same: bool) -> str:
    reason = "every exponent is above 0 by two standard errors"
    if law is None:
        return reason
    if not same:
        return f"{reason}; the published one is of another network and data, and not expected here"
    away = [
        f"{number(line.law.exponent - law.exponent)} ± {number(line.law.exponent_se, 2)}{of_seed(line.at)}"
        for line in lines
        if line.law is not None
    ]
    return f"{reason}; off the published one by {', '.join(away)}"


def _named(law: PublishedTemperature) -> str:
    return f"{law.network}({law.width}), {law.data}, {law.source}"
