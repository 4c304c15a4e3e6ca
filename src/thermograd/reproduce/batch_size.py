"""Temperature and gradient noise against the batch size: setups of several batch sizes taken together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import xarray as xr

from thermograd.analysis.batch_size import BatchSizeCheck, BatchSizeLaw, batch_size_laws
from thermograd.errors import InputError
from thermograd.report.wording import PROTOCOL_NAMES, number, with_error
from thermograd.reproduce.claims import Claim
from thermograd.reproduce.summary import save_claims, to_page_claims

__all__ = ["batch_size_claims", "batch_size_page"]

_PAPER = "FE section 2 and appendix A: T = eta sigma^2 / B; neither paper varies B"
_TOLERANCE, _SURE = 0.1, 2.0
_QUESTIONS = {
    ("sigma2", "rate"): "The gradient noise falls as 1/B at a fixed rate",
    ("temperature", "rate"): "The temperature falls with B as its noise says, at a fixed rate",
    ("temperature", "rate / B"): "The temperature is a function of the rate per image",
    ("loss", "rate / B"): "The loss is a function of the rate per image",
}


def batch_size_page(
    states: Mapping[str, Mapping[int, xr.Dataset]],
    folder: Path,
    *,
    left_out: Sequence[str] = (),
    command: str = "",
) -> Path:
    """Fit powers of the batch size, judge the claims, and write the page.

    Parameters
    ----------
    states
        Stationary states by protocol and batch size.
    folder
        Where the page goes.
    left_out
        Setups that are not among the states, and why.
    command
        Command line that makes it again.

    Returns
    -------
    Path
        The page.

    """
    from thermograd.report.free_energy_family import write_batch_size_report

    checks: dict[str, BatchSizeCheck | str] = {}
    for protocol, by_size in states.items():
        try:
            checks[protocol] = batch_size_laws(by_size)
        except InputError as error:
            checks[protocol] = str(error)
    claims = batch_size_claims(checks)
    save_claims(claims, folder)
    return write_batch_size_report(
        checks,
        states,
        folder,
        title="Temperature and gradient noise against the batch size",
        claims=to_page_claims(claims),
        left_out=left_out,
        command=command,
    )


def batch_size_claims(checks: Mapping[str, BatchSizeCheck | str]) -> tuple[Claim, ...]:
    """Judge whether noise and temperature follow the batch size as those of independent images.

    An exponent agrees within 0.1 of the expected one if its standard error is no larger; it differs when that
    is missed by more than two standard errors.

    Parameters
    ----------
    checks
        By protocol, or why there is none.

    Examples
    --------
    >>> {claim.verdict for claim in batch_size_claims({"FixedSphere": "2 batch sizes"})}
    {'not testable'}

    """
    claims = []
    for protocol, check in checks.items():
        for (observable, held), question in _QUESTIONS.items():
            claim = f"{question}: {PROTOCOL_NAMES[protocol]}"
            law = None if isinstance(check, str) else check.law(observable, held)
            if law is None:
                why = check if isinstance(check, str) else "no such runs in equilibrium at 3 batch sizes"
                claims.append(Claim(claim, _PAPER, "", "not testable", why))
            else:
                claims.append(_judged(claim, law))
    return tuple(claims)


def _judged(claim: str, law: BatchSizeLaw) -> Claim:
    exponent, se = law.law.exponent, law.law.exponent_se
    name = {"sigma2": "sigma2", "temperature": "T", "loss": "U"}[law.observable]
    measured = (
        f"{name} ~ B^({with_error(exponent, se)}) at {law.held} = {number(law.value)}, B from "
        f"{number(law.law.low)} to {number(law.law.high)}"
    )
    away = abs(exponent - law.expected)
    pull = number(abs(law.pull), 2)
    reason = f"expected {number(law.expected)}; off by {number(away, 2)}, {pull} standard errors"
    if away - _SURE * se > _TOLERANCE:
        why = f"{reason}; 0.1 is missed by more than two standard errors"
        return Claim(claim, _PAPER, measured, "differs", why)
    if away <= _TOLERANCE and se <= _TOLERANCE:
        return Claim(claim, _PAPER, measured, "agrees", f"{reason}; within 0.1")
    return Claim(claim, _PAPER, measured, "not testable", f"{reason}: the error is too large to tell")
