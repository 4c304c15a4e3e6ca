"""Whether a network is over-parameterised for its data, recognised from how its runs end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thermograd.analysis.gradients import GRADIENT_VARIABLES, gradient_norms
from thermograd.analysis.power_law import fit_power_law
from thermograd.analysis.runs import Run, runs
from thermograd.errors import InputError

__all__ = ["Parameterisation", "RunEnd", "Trend", "parameterisation", "run_ends"]

Array = NDArray[np.float64]
_SURE = 2.0  # standard errors
_SLOW = 0.1  # exponent in time that is called falling: 20% in a decade
_REST = 0.25  # one that is excluded where a curve is called settled: what falls at all does so faster
_LEAST = 6
_LEFT = 0.05
_MOVED = 0.9


@dataclass(frozen=True)
class Trend:
    """The exponent of one curve in time, ``y ~ t^b``, over the end of a run.

    Attributes
    ----------
    exponent, se
        ``b`` and its standard error.

    """

    exponent: float
    se: float

    @property
    def falls(self) -> bool:
        """Faster than ``t^-0.1``, surely."""
        return self.exponent + _SURE * self.se < -_SLOW

    @property
    def settled(self) -> bool:
        """Neither falling nor, surely, changing as ``t^0.25`` or ``t^-0.25``."""
        return not self.falls and abs(self.exponent) + _SURE * self.se < _REST

    def __str__(self) -> str:
        return f"t^({self.exponent:.2g} ± {self.se:.1g})"


@dataclass(frozen=True)
class RunEnd:
    """What a run does at its end.

    Attributes
    ----------
    at
        Which run.
    trends
        Of ``loss``, ``full`` and ``stochastic`` gradient norm and ``snr``, as far as measured.
    word
        ``over``: the loss has fallen far and it and both norms keep falling, as only interpolation allows.
        ``under``: all of them have settled at values above 0. ``undecided``: anything else.
    reason
        In words.

    """

    at: dict[str, float]
    trends: dict[str, Trend]
    word: str
    reason: str


@dataclass(frozen=True)
class Parameterisation:
    """The verdict on a setting.

    Attributes
    ----------
    word
        ``over``, ``under`` or ``undecided``.
    reason
        In words, with the run that decides.
    ends
        Every run.

    """

    word: str
    reason: str
    ends: tuple[RunEnd, ...]


def parameterisation(
    trace: xr.Dataset, *, decades: float = 1.0, first_loss: float | None = None
) -> Parameterisation:
    """Recognise over- and under-parameterised training from the runs at the smallest ELR that decide.

    A network that can fit all data drives the loss and every gradient to zero at a small enough learning
    rate; one that cannot keeps gradient noise, and settles. At a larger learning rate the first settles as
    well, in chaotic equilibrium: a grid without small rates takes it for the second. Runs that are too short
    decide nothing, and a settled run only where stochastic gradients fall at no smaller rate.

    Parameters
    ----------
    trace
        Runs of one network and data set with ``loss`` and both gradient norms
        (:mod:`thermograd.analysis.gradients`).
    decades
        Length of the end that is looked at, in decades of time.
    first_loss
        Loss before training, of which 5% must not be left where training is called over-parameterised: in
        their first steps all runs fall alike; more than 90% are left where a run has hardly begun. None takes
        the largest of the run, which a prepared start makes too small.

    Raises
    ------
    InputError
        When something was not measured.

    References
    ----------
    FE sections 5 and 6, table 1 and figure 6.

    Examples
    --------
    >>> from thermograd.protocol import FixedSphere
    >>> from thermograd.states import new_trace
    >>> t = np.geomspace(1e2, 1e5, 60).astype(int)
    >>> falling = {"loss": 1 / t, "norm": 1 + 0.0 * t, "grad_sq": t**-2.0, "point_grad_sq": t**-1.6}
    >>> parameterisation(new_trace(FixedSphere(elr=1e-4, radius=1.0), t, falling, dim=200)).word
    'over'

    """
    ends = run_ends(trace, decades=decades, first_loss=first_loss)
    vanishing = False
    for end in sorted(ends, key=lambda end: end.at[_rate(end)]):
        where = f"at {_rate(end)} = {end.at[_rate(end)]:.3g}, {end.reason}"
        if end.word == "over":
            return Parameterisation("over", where, ends)
        if end.word == "under" and not vanishing:
            return Parameterisation("under", where, ends)
        if end.word == "under":
            return Parameterisation(
                "undecided", f"{where}; but at smaller rates stochastic gradients still fall", ends
            )
        vanishing |= "stochastic" not in end.trends or end.trends["stochastic"].falls
    return Parameterisation("undecided", ends[0].reason if ends else "no runs", ends)


def run_ends(
    trace: xr.Dataset, *, decades: float = 1.0, first_loss: float | None = None
) -> tuple[RunEnd, ...]:
    """How loss, gradient norms and SNR of every run change over its last decades of time.

    Parameters
    ----------
    trace, decades, first_loss
        As for :func:`parameterisation`.

    """
    if not decades > 0:
        raise InputError(f"run ends: decades is {decades!r}; expected above 0")
    return tuple(
        _end(run, decades, first_loss)
        for run in runs(trace, ["loss"], owner="run ends", optional=GRADIENT_VARIABLES)
    )


def _rate(end: RunEnd) -> str:
    return "elr" if "elr" in end.at else "lr"


def _end(run: Run, decades: float, first_loss: float | None) -> RunEnd:
    if len(run.step) < _LEAST:
        return RunEnd(run.at, {}, "undecided", f"the run has {len(run.step)} log points")
    norms = gradient_norms(run, owner="run ends")
    curves = {
        "loss": run.series["loss"],
        "full": norms.full,
        "stochastic": norms.stochastic,
        "snr": norms.snr,
    }
    late = run.step >= run.step[-1] / 10**decades
    trends: dict[str, Trend] = {}
    for name, values in curves.items():
        good = late & (values > 0)  # NaN is not
        if good.sum() < _LEAST:
            reason = f"{name} has {int(good.sum())} values above 0 at the end; expected {_LEAST}"
            return RunEnd(run.at, trends, "undecided", reason)
        law = fit_power_law(run.step[good], values[good])
        trends[name] = Trend(law.exponent, law.exponent_se)
    told = ", ".join(f"{name} ~ {trend}" for name, trend in trends.items())
    falling = [name for name in ("loss", "full", "stochastic") if trends[name].falls]
    left = float(run.series["loss"][late].mean()) / (first_loss or float(run.series["loss"].max()))
    if len(falling) == 3 and left > _LEFT:
        return RunEnd(run.at, trends, "undecided", f"all falls, and {left:.0%} of the loss are left: {told}")
    if len(falling) == 3:
        return RunEnd(run.at, trends, "over", f"loss and both gradient norms keep falling: {told}")
    if left > _MOVED:
        return RunEnd(
            run.at, trends, "undecided", f"{left:.0%} of the loss are left, the run has hardly begun: {told}"
        )
    if all(trend.settled for trend in trends.values()):
        return RunEnd(run.at, trends, "under", f"loss, gradient norms and SNR have settled: {told}")
    fall = " and ".join(falling) or "nothing"
    return RunEnd(run.at, trends, "undecided", f"{fall} falls and not all has settled: {told}")
