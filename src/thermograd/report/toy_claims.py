"""What the toy sphere's runs say about the claims of FE section 6, each with its criterion."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thermograd.report.content import Claim, Verdict
from thermograd.report.wording import number, with_error
from thermograd.theory.snr import two_circle_limiting_snr_sq

__all__ = ["Estimate", "converging_claims", "decay_exponent", "settling_claims"]

Array = NDArray[np.float64]
_SMALL = 0.0317  # learning rates whose second-order terms are below these runs' errors
_ENOUGH = 45.0  # steps times learning rate; the paper's start is at 1e-16 after about 39


class Estimate(NamedTuple):
    """A number and its standard error."""

    value: float
    error: float


def converging_claims(trace: xr.Dataset, limits: xr.Dataset) -> list[Claim]:
    """The claims about circles that share a point: convergence, limiting SNR, one rate of decay.

    Parameters
    ----------
    trace, limits
        What ``simulate`` and ``limits`` returned for two circles that meet at the poles.

    """
    rate, converged = limits["elr"].values, limits["converged"].values
    steps = float(trace.attrs["steps"])
    should, never = (rate < 1) & (rate * steps > _ENOUGH), rate >= 1
    right = bool(converged[should].all() and not converged[never].any())
    slow = int(np.sum(~converged & (rate * steps <= _ENOUGH)))
    span = (
        f"{number(rate[converged].min())} to {number(rate[converged].max())}" if converged.any() else "none"
    )
    claims = [
        Claim(
            "Every learning rate below 1 converges to the shared optimum, none from 1 on",
            f"loss below {trace.attrs['stop_below']:g} at {int(converged.sum())} of {len(rate)} learning "
            f"rates ({span}); {slow} too slow for {steps:.0f} iterations",
            _verdict(right, bool(should.any() and never.any()), "all that had time converged, none above"),
        )
    ]
    normals = np.reshape(trace.attrs["normals"], (-1, 3))
    angle = float(0.5 * np.arccos(np.clip(normals[0] @ normals[1], -1, 1)))
    use = converged & (rate <= _SMALL) & (limits["snr_sq_se"].values > 0)
    if use.sum() >= 3:
        least = int(np.flatnonzero(use)[0])
        low = Estimate(float(limits["snr"][least]), float(limits["snr_se"][least]))
        claims.append(
            Claim(
                "Slow runs approach along the central meridian: SNR towards tan a (theorem 1)",
                f"{with_error(*low)} at {number(rate[least])}; tan a = {number(np.tan(angle), 4)}",
                _verdict(abs(low.value - np.tan(angle)) < 0.01, bool(rate[least] < 0.005), "within 0.01"),
            )
        )
        excess = limits["snr_sq"].values - (two_circle_limiting_snr_sq(rate, angle) - rate)
        slope = _through_origin(rate[use], excess[use])
        claims.append(
            Claim(
                "The limiting SNR rises with the learning rate, SNR^2 = tan^2 a + LR for small ones",
                f"slope {with_error(*slope)} up to {number(_SMALL)}",
                _verdict(abs(slope.value - 1) < 3 * slope.error, slope.error < 0.3, "1 within three errors"),
            )
        )
    exponent = decay_exponent(trace.isel(elr=np.flatnonzero(converged)))
    claims.append(
        Claim(
            "Full and stochastic gradients decay at one rate: E|g| ~ |grad L|^1 (lemma 1)",
            f"exponent {with_error(*exponent)}",
            _verdict(abs(exponent.value - 1) < 0.01, bool(np.isfinite(exponent.value)), "1 within 0.01"),
        )
    )
    return claims


def settling_claims(trace: xr.Dataset, limits: xr.Dataset, tr_sigma: float) -> list[Claim]:
    """The claims about circles without a common point: the loss settles above its minimum, the SNR above 0.

    Parameters
    ----------
    trace, limits
        What ``simulate`` and ``limits`` returned.
    tr_sigma
        Trace of the gradient's covariance at the minimum.

    """
    rate = limits["elr"].values
    use = limits["settled"].values & (rate <= _SMALL) & (limits["loss_se"].values > 0)
    excess = limits["loss"].values - float(trace.attrs["minimum_loss"])
    known = bool(use.sum() >= 3)
    nothing = Estimate(float("nan"), float("nan"))
    ratio = _mean(excess[use] / (rate[use] * tr_sigma / 4)) if known else nothing
    slope = _log_slope(rate[use], limits["snr"].values[use]) if known else nothing
    return [
        Claim(
            "The loss settles above its minimum, rising with the learning rate: U = R T, T = LR sigma^2 / 2",
            f"(U - min) / (R T) = {with_error(*ratio)}, {int(use.sum())} rates up to {number(_SMALL)}",
            _verdict(abs(ratio.value - 1) < 3 * ratio.error, known, "1 within three errors"),
        ),
        Claim(
            "The SNR settles, and falls to 0 with the learning rate as its square root",
            f"exponent {with_error(*slope)}",
            _verdict(abs(slope.value - 0.5) < 3 * slope.error, known, "1/2 within three errors"),
        ),
    ]


def decay_exponent(trace: xr.Dataset, below: float = 1e-2) -> Estimate:
    """The exponent a of ``E|g| ~ |grad L|^a``, fitted to each run and averaged; NaN where nothing decays.

    Parameters
    ----------
    trace
        Runs that converge.
    below
        Norm of the full gradient from which on a run counts as close to the optimum.

    """
    slopes = []
    for i in range(trace.sizes["elr"]):
        run = trace.isel(elr=i, radius=0)
        full, batch = run["full_grad_norm"].values, run["mean_batch_grad_norm"].values
        close = np.isfinite(full) & (full < below) & (full > 0)
        if close.sum() >= 5 and np.ptp(np.log(full[close])) > 2:
            slopes.append(np.polyfit(np.log(full[close]), np.log(batch[close]), 1)[0])
    return _mean(np.array(slopes)) if len(slopes) > 1 else Estimate(float("nan"), float("nan"))


def _verdict(holds: bool, known: bool, reason: str) -> Verdict:
    if not known:
        return Verdict("open", "open", "too few runs to tell")
    return Verdict("holds", "holds", reason) if holds else Verdict("fails", "fails", f"expected: {reason}")


def _mean(values: Array) -> Estimate:
    return Estimate(float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values))))


def _through_origin(x: Array, y: Array) -> Estimate:
    """Slope of ``y = s x`` when the error of y grows as x does: the mean ratio, with its scatter."""
    # The SNR's fluctuations are of the order of the learning rate, but slow runs have an approach behind them
    # that has not died away; they hold the least information on the slope.
    heavy = x > 0.1 * x.max()
    return _mean(y[heavy] / x[heavy])


def _log_slope(x: Array, y: Array) -> Estimate:
    fit, covariance = np.polyfit(np.log(x), np.log(y), 1, cov=True)
    return Estimate(float(fit[0]), float(np.sqrt(covariance[0, 0])))
