"""Whether the end of a run is an equilibrium: tests for drift, and the verdict in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from thermograd.autocorrelation import means_with_errors

__all__ = ["Drift", "Verdict", "drift", "judge"]

_FALSE_ALARM = 0.0027  # two-sided: three standard errors of a Gaussian
_INDEPENDENT = 6  # samples; a window worth fewer cannot tell a drift from a slow fluctuation
_LEAST_POINTS = 8  # log points in the window; the noise and the drift of fewer cannot be told apart


@dataclass(frozen=True)
class Drift:
    """How much a series differs between the halves of a window.

    Attributes
    ----------
    relative
        Second half's mean against the first's: +0.1 for 10% more. Of positive series geometric means are
        taken.
    z
        The difference in units of its standard error.
    threshold
        What ``|z|`` exceeds by chance with probability 0.0027: 3 for long series, more for short ones.
    n_effective
        Independent samples that the whole window is worth, any drift included.

    """

    relative: float
    z: float
    threshold: float
    n_effective: float

    def matters(self, tolerance: float) -> bool:
        """Whether it exceeds the tolerance and is significant, or too slow to be told from noise."""
        significant = abs(self.z) > self.threshold or self.n_effective < _INDEPENDENT
        return abs(self.relative) > tolerance and significant

    def __str__(self) -> str:
        return f"{self.relative:+.2%} between the halves of the window (z = {self.z:.1f})"


@dataclass(frozen=True)
class Verdict:
    """A status of :data:`thermograd.states.STATUSES` and the reason in words."""

    status: str
    reason: str


def drift(series: ArrayLike) -> Drift:
    """Compare the halves of a window.

    The difference of the halves' means is measured against the noise *around a parabola through the whole
    window*, with its autocorrelation: measured around each half's own mean, a strong drift passes for slow
    noise and the test becomes blind to exactly what it should find (around a straight line, to a strong
    relaxation).

    Parameters
    ----------
    series
        Finite values, shape ``(n,)``, ``n >= 8``; logarithms are compared when all are positive.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> noise = rng.normal(0, 0.1, 100)
    >>> drift(5 + noise).matters(0.02), drift(5 + noise + np.linspace(0, 1, 100)).matters(0.02)
    (False, True)

    """
    return _drifts([np.asarray(series, dtype=np.float64)])[0]


def _drifts(windows: Sequence[NDArray[np.float64]]) -> list[Drift]:
    """The drift of several series of one length, whose errors are found together."""
    if not windows:
        return []
    compared = [np.log(values) if (values > 0).all() else values for values in windows]
    # First the noise around the parabolas, then the series as they are.
    worth = means_with_errors([*map(_without_parabola, compared), *compared])
    found = []
    for i, (values, series) in enumerate(zip(windows, compared, strict=True)):
        half = len(series) // 2
        difference = float(series[-half:].mean() - series[:half].mean())
        logarithmic = series is not values
        scale = 1.0 if logarithmic else float(np.abs(values).mean()) or 1.0
        relative = math.expm1(difference) if logarithmic else difference / scale
        # The halves have half the points each: the difference of their means has twice the whole mean's
        # error. Rounding leaves a noiseless series an error of about 1e-16, not a significance.
        error = math.hypot(2 * float(worth.se[i]), 1e-12 * max(1.0, float(np.abs(series).max())))
        degrees = max(float(worth.n_effective[i]) - 3, 1.0)
        threshold = float(stdtrit(degrees, 1 - _FALSE_ALARM / 2))
        found.append(
            Drift(relative, difference / error, threshold, float(worth.n_effective[len(windows) + i]))
        )
    return found


def _without_parabola(values: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = _powers(len(values))
    coefficients, *_ = np.linalg.lstsq(powers, values, rcond=None)
    left: NDArray[np.float64] = values - powers @ coefficients
    return left


@lru_cache(maxsize=8)
def _powers(n: int) -> NDArray[np.float64]:
    powers = np.asarray(np.polynomial.legendre.legvander(np.linspace(-1, 1, n), 2), dtype=np.float64)
    powers.flags.writeable = False
    return powers


def judge(
    window: Mapping[str, NDArray[np.float64]],
    *,
    outcome: str,
    outcome_reason: str,
    steps: float,
    relaxation_steps: float,
    tolerance: float,
    relaxations: float,
) -> Verdict:
    """The status of one grid point; :func:`thermograd.states.stationary` says what each means.

    Parameters
    ----------
    window
        The series of the averaging window by name, each of shape ``(n,)``, NaN where there is no value.
    outcome, outcome_reason
        How the run ended, as its trace says.
    steps
        Iterations done, counted to the last log point.
    relaxation_steps
        Relaxation time of the norm in iterations; NaN or 0 where the norm is held fixed or the time unknown.
    tolerance
        Largest relative drift that does not matter.
    relaxations
        Fewest relaxation times that a run must span.

    """
    if outcome in ("failed", "missing"):
        return Verdict("failed", outcome_reason or f"the run is {outcome}")
    if outcome == "diverged":
        return Verdict("diverged", outcome_reason or "the run diverged")
    for name in ("loss", "norm"):
        bad = ~np.isfinite(window[name])
        if bad.any():
            return Verdict("diverged", f"{name} is not finite at {bad.sum()} of {len(bad)} log points")
    points = len(window["loss"])
    if points == 0:
        return Verdict("failed", "the run has no log points")
    if points < _LEAST_POINTS:
        return Verdict(
            "not-stationary", f"{points} log points in the window; expected {_LEAST_POINTS} or more"
        )
    spans = steps / relaxation_steps if relaxation_steps > 0 else math.inf
    if spans < relaxations:
        return Verdict(
            "converging",
            f"too short for the norm to forget its start: {steps:.0f} iterations are {spans:.2g} of its "
            f"relaxation times ({relaxation_steps:.3g} iterations); expected at least {relaxations:g}",
        )
    watched = {name: series for name, series in window.items() if _can_drift(name, series)}
    drifts = dict(zip(watched, _drifts(list(watched.values())), strict=True))
    for name in ("loss", "batch_grad_sq"):
        if name in drifts and drifts[name].matters(tolerance) and drifts[name].relative < 0:
            return Verdict("converging", f"{name} keeps falling: {drifts[name]}")
    for name, found in drifts.items():
        if found.matters(tolerance):
            return Verdict("not-stationary", f"{name} drifts: {found}")
    relaxed = f", {spans:.3g} relaxation times" if math.isfinite(spans) else ""
    return Verdict("equilibrium", f"no drift above {tolerance:.3g} over {points} log points{relaxed}")


_WATCHED = ("loss", "batch_grad_sq", "norm", "effective_wd", "tr_sigma")


def _can_drift(name: str, series: NDArray[np.float64]) -> bool:
    return name in _WATCHED and bool(np.isfinite(series).all())
