"""The phase diagram of the gradients: with which power of the full one the stochastic gradients vanish."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thermograd.analysis.gradients import GRADIENT_VARIABLES, gradient_norms
from thermograd.analysis.parameterisation import Trend
from thermograd.analysis.points import LeftOut
from thermograd.analysis.power_law import fit_power_law
from thermograd.analysis.runs import Run, runs
from thermograd.analysis.smoothing import gaussian_in_log
from thermograd.autocorrelation import integrated_time
from thermograd.errors import InputError

__all__ = ["PhaseBySize", "PhaseRun", "phase_by_size", "phase_exponents"]

Array = NDArray[np.float64]
_LEAST = 6  # log points of a stretch; fewer hardly tell a slope from noise
_SURE = 2.0
_MANY = 0.1


@dataclass(frozen=True)
class PhaseRun:
    """One run in the plane of the two gradient norms.

    Attributes
    ----------
    at
        Which run.
    points
        Over ``step``: ``full`` and ``stochastic``, and whether in the ``stretch`` of the fit.
    exponent, exponent_se
        ``a`` of ``E|g| = c |E g|^a``: the ratio of the rates at which both fall; NaN where there is no
        stretch.
    coefficient
        ``c``.
    plain, plain_se
        The exponent by plain least squares of log E|g| over log |E g|, as published: too small by the share
        of noise in the variance of log |E g|.
    verdict
        In words, or why there is no exponent.
    names
        The variables that the norms come from.
    left_out
        Log points without a norm above 0: the unbiased square of a small mean gradient can come out negative.
        Those that are left are too large where many are.

    """

    at: dict[str, float]
    points: xr.Dataset
    exponent: float
    exponent_se: float
    coefficient: float
    plain: float
    plain_se: float
    verdict: str
    names: tuple[str, str]
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True)
class PhaseBySize:
    """The exponents of one setting on data sets of several sizes.

    Attributes
    ----------
    points
        Over ``size``: ``exponent``, ``exponent_se``, ``coefficient``, ``plain``, ``plain_se``.
    slope, slope_se
        Of the exponent over the natural logarithm of the size.
    verdict
        In words.
    left_out
        Sizes without an exponent, and why.

    """

    points: xr.Dataset
    slope: float
    slope_se: float
    verdict: str
    left_out: tuple[str, ...]


def phase_exponents(
    trace: xr.Dataset, *, since: float | None = None, decades: float = 1.5, sigma: float = 0.5
) -> tuple[PhaseRun, ...]:
    """Fit ``E|g| = c |E g|^a`` in the last stretch of each run where both norms fall.

    The exponent is 1 where every example's gradient vanishes at the optimum (FE lemma 1), below 1 where
    stochastic gradients fall more slowly. It is found as the ratio of two slopes, of log E|g| and of
    log |E g| over log t: noise of |E g|, which is large, would bend the direct regression towards 0.

    Parameters
    ----------
    trace
        Runs that measured both norms (:mod:`thermograd.analysis.gradients`).
    since
        First iteration of the stretch; None finds it: backwards from the end, for as long as both smoothed
        norms fall, and by no more than `decades` of time, since the exponent of a fast first fall is another.
    decades
        See there.
    sigma
        Width in ln t of the smoothing that finds the stretch; the fit takes the values as they are.

    Returns
    -------
    tuple of PhaseRun
        One for each run; those whose gradients settle have no exponent and say so.

    Raises
    ------
    InputError
        When a norm was not measured.

    References
    ----------
    FE section 6.3, appendix D (lemma 1) and F, figures 7 and 15.

    Examples
    --------
    >>> from thermograd.protocol import FixedSphere
    >>> from thermograd.states import new_trace
    >>> t = np.geomspace(1e3, 1e6, 60).astype(int)
    >>> logged = {"loss": 1 / t, "norm": 1 + 0.0 * t, "grad_sq": t**-2.0, "point_grad_sq": t**-1.6}
    >>> (run,) = phase_exponents(new_trace(FixedSphere(elr=1e-4, radius=1.0), t, logged, dim=200))
    >>> round(run.exponent, 3)
    0.8

    """
    if not decades > 0:
        raise InputError(f"phase exponents: decades is {decades!r}; expected above 0")
    owner = "phase exponents"
    return tuple(
        _phase(run, since, decades, sigma)
        for run in runs(trace, ["loss"], owner=owner, optional=GRADIENT_VARIABLES)
    )


def phase_by_size(
    traces: Mapping[int, xr.Dataset], *, since: float | None = None, decades: float = 1.5, sigma: float = 0.5
) -> PhaseBySize:
    """The exponents of runs that differ in the size of the data set.

    Parameters
    ----------
    traces
        By number of training examples, each of a single run (several seeds are averaged).
    since, decades, sigma
        As for :func:`phase_exponents`.

    Raises
    ------
    InputError
        When fewer than 2 sizes have an exponent.

    References
    ----------
    FE figures 7 and 15.

    """
    rows, left = {}, []
    for size in sorted(traces):
        found = phase_exponents(traces[size], since=since, decades=decades, sigma=sigma)
        if len({tuple(v for k, v in run.at.items() if k != "seed") for run in found}) > 1:
            raise InputError(
                f"phase by size: the trace of {size} examples holds {len(found)} runs; expected one setting"
            )
        good = [run for run in found if math.isfinite(run.exponent)]
        if not good:
            left.append(f"{size} examples: {found[0].verdict if found else 'no runs'}")
            continue
        mean = [
            float(np.mean([getattr(run, n) for run in good])) for n in ("exponent", "coefficient", "plain")
        ]
        errors = [
            float(np.sqrt(np.sum([getattr(run, n) ** 2 for run in good]))) / len(good)
            for n in ("exponent_se", "plain_se")
        ]
        rows[size] = (mean[0], errors[0], mean[1], mean[2], errors[1])
    if len(rows) < 2:
        raise InputError(
            f"phase by size: {len(rows)} sizes have an exponent ({'; '.join(left)}); expected at least 2"
        )
    names = ("exponent", "exponent_se", "coefficient", "plain", "plain_se")
    table = np.array(list(rows.values()))
    sizes = np.array(list(rows), dtype=np.float64)
    points = xr.Dataset({n: ("size", table[:, i]) for i, n in enumerate(names)}, {"size": sizes})
    x, y, se = np.log(sizes), table[:, 0], table[:, 1]
    weight = 1 / se**2 if (np.isfinite(se) & (se > 0)).all() else np.ones_like(x)
    away = x - np.average(x, weights=weight)
    information = float(weight @ away**2)
    slope, slope_se = float(weight @ (away * y)) / information, 1 / math.sqrt(information)
    trend = f"{slope:+.3g} ± {slope_se:.1g} for each factor e in the number of examples"
    if abs(slope) < _SURE * slope_se:
        verdict = f"no trend with the size of the data set: {trend}"
    else:
        word = "approaches 1" if slope < 0 else "moves away from 1"
        verdict = f"the exponent {word} on smaller data sets: {trend}"
    return PhaseBySize(points, slope, slope_se, verdict, tuple(left))


def _phase(run: Run, since: float | None, decades: float, sigma: float) -> PhaseRun:
    norms = gradient_norms(run, owner="phase exponents")
    good = (norms.full > 0) & (norms.stochastic > 0)  # NaN is neither
    reason = f"{' or '.join(norms.names)} is not above 0"
    left_out = tuple(LeftOut({**run.at, "step": float(k)}, reason) for k in run.step[~good])
    step, full, stochastic = run.step[good], norms.full[good], norms.stochastic[good]
    stretch = _stretch(step, full, stochastic, since, decades, sigma)
    points = xr.Dataset(
        {
            "full": ("step", full),
            "stochastic": ("step", stochastic),
            "stretch": ("step", stretch),
        },
        {"step": step},
        run.at,
    )
    n = int(stretch.sum())
    words = ""
    if n < _LEAST:
        words = f"both gradient norms fall at the last {n} of {len(step)} log points only; expected {_LEAST}"
    else:
        laws = [fit_power_law(step[stretch], values[stretch]) for values in (full, stochastic)]
        trends = [Trend(law.exponent, law.exponent_se) for law in laws]
        if not all(trend.falls for trend in trends):
            words = (
                f"full ~ {trends[0]}, stochastic ~ {trends[1]} do not both fall surely, as t^-0.1 or faster"
            )
    if words:
        words = f"no exponent: {words} (under-parameterised training settles)"
        return PhaseRun(run.at, points, *(math.nan,) * 5, words, norms.names, left_out)
    t, x, y = (np.log(values[stretch]) for values in (step, full, stochastic))
    t, dx, dy = (values - values.mean() for values in (t, x, y))
    # log t as an instrument: it is free of noise, and falls with both.
    exponent = float(t @ dy) / float(t @ dx)
    left = dy - exponent * dx
    time = integrated_time(left) if np.ptp(left) > 1e-12 else 1.0
    se = math.sqrt(float(left @ left) / (n - 2) * time * float(t @ t)) / abs(float(t @ dx))
    order = np.argsort(x)
    plain = fit_power_law(np.exp(x[order]), np.exp(y[order]))
    first, last = step[stretch][[0, -1]]
    words = f"E|g| ~ |E g|^({exponent:.3g} ± {se:.1g}) from iteration {first:.3g} to {last:.3g}"
    if exponent + _SURE * se < 1:
        words += ": the stochastic gradients fall more slowly"
    lost = int(np.sum(run.step[~good] >= first))
    if lost > _MANY * (lost + n):
        words += f"; {lost} of {lost + n} log points have no norm above 0, so that |E g| is too large"
    coefficient = math.exp(y.mean() - exponent * x.mean())
    return PhaseRun(
        run.at,
        points,
        exponent,
        se,
        coefficient,
        plain.exponent,
        plain.exponent_se,
        words,
        norms.names,
        left_out,
    )


def _stretch(
    step: Array, full: Array, stochastic: Array, since: float | None, decades: float, sigma: float
) -> NDArray[np.bool_]:
    if len(step) < _LEAST:
        return np.zeros(len(step), dtype=bool)
    if since is not None:
        return np.asarray(step >= since)
    smooth = gaussian_in_log(step, sigma)
    place = np.log(step)
    slopes = [np.gradient(smooth @ np.log(values), place) for values in (full, stochastic)]
    rises = np.flatnonzero(np.max(slopes, axis=0) >= 0)
    begin = int(rises[-1]) + 1 if len(rises) else 0
    return np.asarray((np.arange(len(step)) >= begin) & (step >= step[-1] / 10**decades))
