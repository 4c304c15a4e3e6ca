"""The temperature of a run that never settles, ``T = dU/dS`` along its way, and whether it tends to zero."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thermograd.analysis.points import LeftOut
from thermograd.analysis.power_law import PowerLaw, fit_power_law
from thermograd.analysis.runs import Run, runs
from thermograd.analysis.smoothing import carried, gaussian_in_log, noise_about
from thermograd.errors import InputError

__all__ = ["DecayRun", "temperature_decay"]

Array = NDArray[np.float64]
_SURE = 3.0  # standard errors of a slope that is called one
_MOST = 0.1  # part of the log points of the fit that may have no positive temperature


@dataclass(frozen=True)
class DecayRun:
    """The temperature of one run over time.

    Attributes
    ----------
    at
        Which run.
    points
        Over ``step``: ``loss`` and ``entropy`` as used, ``temperature``, ``temperature_se``. A temperature
        that is not above 0 is kept: it shows the noise.
    law
        ``T = c t^a`` over the later part; None where too many temperatures there are not above 0.
    late
        The same over the second half of that part, in log time.
    vanishes
        Whether T tends to 0: both exponents are negative, the first by 3 standard errors.
    verdict
        The same in words.
    left_out
        Log points of the fit that have no positive temperature.

    """

    at: dict[str, float]
    points: xr.Dataset
    law: PowerLaw | None
    late: PowerLaw | None
    vanishes: bool
    verdict: str
    left_out: tuple[LeftOut, ...]


def temperature_decay(
    trace: xr.Dataset,
    *,
    half: int = 2,
    sigma: float = 0.2,
    since: float | None = None,
    observable: str = "entropy_sphere",
) -> tuple[DecayRun, ...]:
    """``T_i = (U_(i+h) - U_(i-h)) / (S_(i+h) - S_(i-h))`` over the log points of each run, and its power law.

    For runs at small learning rates of over-parameterised networks, which keep converging: there is no
    stationary state to minimise a free energy, and the temperature follows from the way itself. Log points
    should be evenly spaced in log time. Errors come from the noise about the smooth curves.

    Parameters
    ----------
    trace
        Runs with ``loss`` and the entropy, known up to a constant.
    half
        ``h``, in log points.
    sigma
        Width of the Gaussian kernel in ln t that smooths U and S first; 0 for none.
    since
        First iteration of the power law; None takes the later half of the log time that has temperatures.
    observable
        Variable with the entropy.

    Returns
    -------
    tuple of DecayRun
        One for each run with at least ``2 half + 3`` usable log points.

    Raises
    ------
    InputError
        When a variable is missing, `half` is below 1, or no run is long enough.

    References
    ----------
    FE section 5.2, appendix B, figures 3 and 11 (``h = 2``; smoothed with ``sigma = 0.2`` where noisy).

    Examples
    --------
    Energy falling as 1/t, entropy as ``-100 log t``: T falls as 1/t.

    >>> from thermograd.protocol import FixedSphere
    >>> from thermograd.states import new_trace
    >>> t = np.geomspace(1e3, 1e6, 100).astype(int)
    >>> logged = {"loss": 1 / t, "norm": 1 + 0.0 * t, "entropy_sphere": -100 * np.log(t)}
    >>> (run,) = temperature_decay(new_trace(FixedSphere(elr=1e-4, radius=1.0), t, logged, dim=200))
    >>> run.vanishes, round(run.law.exponent, 1)
    (True, -1.0)

    """
    if half < 1:
        raise InputError(f"temperature decay: half is {half!r}; expected at least 1 log point")
    needs = ["loss", observable]
    usable = [run for run in runs(trace, needs, owner="temperature decay") if len(run.step) >= 2 * half + 3]
    if not usable:
        raise InputError(
            f"temperature decay: no run has {2 * half + 3} log points with loss and {observable}; "
            "expected one at least"
        )
    return tuple(_decay(run, observable, half, sigma, since) for run in usable)


def _decay(run: Run, observable: str, half: int, sigma: float, since: float | None) -> DecayRun:
    U, S, step = run.series["loss"], run.series[observable], run.step
    smooth = gaussian_in_log(step, sigma)
    difference = smooth[2 * half :] - smooth[: -2 * half]
    t = step[half:-half]
    dU, dS = difference @ U, difference @ S
    noise = [noise_about(step, series) for series in (U, S)]
    with np.errstate(divide="ignore", invalid="ignore"):
        T = dU / dS
        # Of log T: the relative errors of the two differences, carried through the same matrix.
        spread = np.zeros((len(t), len(t)))
        for s, change in zip(noise, (dU, dS), strict=True):
            spread += carried(difference, s) / np.outer(change, change)
        T_se = np.abs(T) * np.sqrt(np.diag(spread))
    start = float(np.sqrt(t[0] * t[-1])) if since is None else float(since)
    later = t >= start
    good = later & np.isfinite(T) & (T > 0)
    reason = "its temperature is not above 0"
    left = tuple(LeftOut({**run.at, "step": float(k)}, reason) for k in t[later & ~good])
    law = late = None
    if good.sum() >= 3 and len(left) <= _MOST * later.sum():
        law = fit_power_law(t[good], T[good], covariance=spread[np.ix_(good, good)])
        end = good & (t >= np.sqrt(start * t[-1]))
        if end.sum() >= 3:
            late = fit_power_law(t[end], T[end], covariance=spread[np.ix_(end, end)])
    falls = law is not None and law.exponent < -_SURE * law.exponent_se
    vanishes = falls and (late is None or late.exponent < 0)
    points = xr.Dataset(
        {
            "loss": ("step", (smooth @ U)[half:-half]),
            "entropy": ("step", (smooth @ S)[half:-half]),
            "temperature": ("step", T),
            "temperature_se": ("step", T_se),
        },
        {"step": t},
        {**run.at, "half": half, "sigma": sigma, "since": start},
    )
    verdict = _verdict(law, late, T[good], falls, vanishes, int(later.sum()), len(left))
    return DecayRun(run.at, points, law, late, bool(vanishes), verdict, left)


def _verdict(
    law: PowerLaw | None,
    late: PowerLaw | None,
    T: Array,
    falls: bool,
    vanishes: bool,
    count: int,
    without: int,
) -> str:
    if law is None:
        return (
            f"no temperature: at {without} of {count} log points dU/dS is not above 0; U and S no longer "
            "change together (a settled run has none along its way)"
        )
    found = f"T = {law.text('t')}, at the end {T[-1]:.2g}"
    if vanishes:
        return f"T tends to zero: {found}"
    if falls and late is not None:
        return f"T falls and then stays: {found}; in the second half of the fit as t^{late.exponent:.2g}"
    return f"T does not tend to zero: {found}; the fall is below {_SURE:g} standard errors"
