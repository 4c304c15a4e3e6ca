"""Projected SGD on the toy sphere: one great circle a step, exact losses and gradients along the way.

The whole experiment of FE section 6.2: two circles share a point (over-parameterised training), three do not.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from thermograd.errors import InputError
from thermograd.protocol import FixedSphere, Grid
from thermograd.simulate.toy.great_circles import START, circles, unit
from thermograd.simulate.toy.sphere import minimum, observables
from thermograd.states import new_trace

__all__ = ["draws", "path", "schedule", "simulate"]

Array = NDArray[np.float64]
Picks = NDArray[np.int32]

_LEAST_LOSS = 1e-300  # arithmetic on what lies below is also many times slower
_MOST_STEPS = 10**9  # a run's draws are held in memory, four bytes each


def schedule(steps: int, *, log_points: int = 200, even_points: int = 500) -> tuple[int, ...]:
    """The iterations after which a run is looked at: evenly spread in the logarithm, and evenly.

    The first kind, from iteration 1 on, shows the approach (FE logs about 200 of them), the second makes
    averages over the end of a run.

    Parameters
    ----------
    steps
        Length of the run, at least 1.
    log_points, even_points
        How many of either kind at most, at least 1.

    Raises
    ------
    InputError
        If a number is below 1 or not an integer.

    Examples
    --------
    >>> schedule(100, log_points=5, even_points=4)
    (1, 3, 10, 25, 32, 50, 75, 100)

    """
    for name, value in (("steps", steps), ("log_points", log_points), ("even_points", even_points)):
        _whole(f"schedule: {name}", value)
    spread = np.geomspace(1, steps, log_points) if log_points > 1 else np.array([1.0])
    even = steps * np.arange(1, even_points + 1) / even_points
    points = {round(step) for step in (*spread.tolist(), *even.tolist())}
    return tuple(sorted(points - {0}))


def simulate(
    normals: ArrayLike,
    elr: float | Sequence[float],
    *,
    steps: int = 50_000,
    seed: int = 0,
    start: ArrayLike = START,
    stop_below: float = 1e-16,
    log_at: Sequence[int] | None = None,
) -> xr.Dataset:
    """Run projected SGD on the toy sphere at every learning rate, each run with draws of its own.

    ``x <- (x - elr grad L_i(x)) / |...|`` on the unit sphere with ``L_i(x) = (n_i . x)^2 / |x|^2``,
    circle i drawn uniformly at each step. A run ends after `steps`, or when the full loss falls below
    `stop_below`.

    Parameters
    ----------
    normals
        Normals of the circles' planes, shape ``(n, 3)``, made unit vectors: `overparameterized`,
        `underparameterized`, or any others.
    elr
        Learning rate, or several; the radius is 1, so they are effective ones. The runs of other values do
        not change when one is added.
    steps
        Iterations at most.
    seed
        At least 0; the same gives the same runs.
    start
        Where all runs start, shape ``(3,)``; its length is left out.
    stop_below
        Full loss at which a run has converged; at least 1e-300, below which float64 has no squares left.
        Circles that lie askew meet only up to rounding, at losses of about 1e-32.
    log_at
        Iterations to log at, increasing, from 1 to `steps`; by default those of `schedule`. The last one of
        every run is logged as well. ``range(1, steps + 1)`` logs everything.

    Returns
    -------
    xarray.Dataset
        A trace of the fixed sphere, for `thermograd.states.stationary` and the figures: ``loss``,
        ``full_grad_norm``, ``mean_batch_grad_norm``, ``grad_sq``, ``tr_sigma``, ``batch_grad_sq``,
        ``effective_wd``, ``norm``. Every value is exact (a mean over all circles) and that of the log point
        itself, not of the interval before it; NaN after a run ended, whose ``outcome_reason`` says why.

    Raises
    ------
    InputError
        If an argument is not as described.

    References
    ----------
    FE section 6.2 and appendix E.

    Examples
    --------
    >>> from thermograd.simulate.toy.great_circles import overparameterized
    >>> trace = simulate(overparameterized(), [0.1, 0.3], steps=1000)
    >>> [reason.split(" after ")[0] for reason in trace.outcome_reason.values.ravel().tolist()]
    ['loss below 1e-16', 'loss below 1e-16']

    """
    n = circles(normals)
    rates = Grid(FixedSphere, {"elr": _several(elr), "radius": [1.0]})
    threshold = _threshold(stop_below)
    if steps > _MOST_STEPS:
        raise InputError(f"toy: steps is {steps!r}; expected at most {_MOST_STEPS}")
    points = _log_points(log_at, _whole("toy: steps", steps))
    runs = [_Run(n, rate, steps, seed, start, threshold, points) for rate in rates.axes["elr"]]
    every = np.union1d(points, [run.done for run in runs])
    variables: dict[str, Array] = {}
    for i, run in enumerate(runs):
        places = np.searchsorted(every, run.at)
        for name, values in _measured(n, run).items():
            variables.setdefault(name, np.full((len(runs), 1, len(every)), np.nan))[i, 0, places] = values
    found = minimum(n)
    return new_trace(
        rates,
        every,
        variables,
        dim=3,
        outcome_reason=[[run.reason] for run in runs],
        attrs={
            "experiment": "toy sphere",
            "normals": n.ravel().tolist(),
            "start": unit(start, "start").tolist(),
            "minimum_loss": found.loss,
            "batch_size": 1,
            "seed": seed,
            "steps": steps,
            "stop_below": threshold,
            "values": "exact, at the log point itself",
        },
    )


def path(
    normals: ArrayLike,
    elr: float,
    *,
    steps: int = 50_000,
    seed: int = 0,
    start: ArrayLike = START,
    stop_below: float = 1e-16,
    log_at: Sequence[int] | None = None,
) -> xr.DataArray:
    """Where one run of `simulate` goes: the very run that it makes of these arguments.

    Parameters
    ----------
    normals, elr, steps, seed, start, stop_below
        As in `simulate`.
    log_at
        Iterations at which to note the position; by default all of them. Start and end are noted as well.

    Returns
    -------
    xarray.DataArray
        Unit vectors, dimensions ``step`` and ``xyz``; the learning rate is in the attributes.

    Raises
    ------
    InputError
        If an argument is not as described.

    Examples
    --------
    >>> from thermograd.simulate.toy.great_circles import overparameterized
    >>> walked = path(overparameterized(), 0.3, steps=3)
    >>> walked.sizes["step"], walked.isel(step=0).values.round(3)
    (4, array([-0.796,  0.597,  0.1  ]))

    """
    n, rate = circles(normals), FixedSphere(elr=elr, radius=1.0).elr
    points = _log_points(range(1, _whole("toy: steps", steps) + 1) if log_at is None else log_at, steps)
    run = _Run(n, rate, steps, seed, start, _threshold(stop_below), points)
    coords = {"step": np.concatenate([[0], run.at]), "xyz": ["x", "y", "z"]}
    positions = np.concatenate([unit(start, "start")[None], run.positions])
    attrs = {"elr": rate, "seed": seed, "normals": n.ravel().tolist()}
    return xr.DataArray(positions, coords, ("step", "xyz"), name="position", attrs=attrs)


class _Run:
    """One run: the log points that it reached, where it was then, and how it ended."""

    def __init__(
        self, n: Array, elr: float, steps: int, seed: int, start: ArrayLike, stop_below: float, log_at: Picks
    ) -> None:
        from thermograd.simulate.toy.kernel import walk

        self.elr = elr
        logged = np.empty((len(log_at), 3))
        picks = draws(len(n), elr, steps, seed)
        done, *last = walk(n, unit(start, "start"), elr, picks, stop_below, log_at, logged)
        reached = int(np.searchsorted(log_at, done, side="right"))
        self.done, self.at, self.positions = done, log_at[:reached], logged[:reached]
        if reached == 0 or self.at[-1] != done:
            self.at = np.append(self.at, np.int32(done))
            self.positions = np.concatenate([self.positions, [last]])
        converged = float(np.mean((n @ np.array(last)) ** 2)) < stop_below
        self.reason = (
            f"loss below {stop_below:g} after {done} iterations" if converged else f"{done} iterations"
        )


def draws(count: int, elr: float, steps: int, seed: int) -> Picks:
    """The circles that a run at this learning rate is shown, one a step, uniform and independent."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise InputError(f"toy: seed is {seed!r}; expected an integer of at least 0")
    # Hashed with the learning rate: independent runs, and none that depends on its neighbours in the grid.
    digest = hashlib.sha256("\0".join((str(int(seed)), "circles", repr(float(elr)))).encode()).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:16], "big"))
    return rng.integers(0, count, size=steps, dtype=np.int32)


def _measured(normals: Array, run: _Run) -> dict[str, Array]:
    values = observables(normals, run.positions)
    values["norm"] = np.ones(len(run.at))
    squares = 4 * (s2 := (run.positions @ normals.T) ** 2) * (1 - s2)
    # (sqrt(1 + u) - 1)/elr with u = elr^2 |g|^2, written without the cancellation (IG eq. 83).
    growth = run.elr * squares / (np.sqrt(1 + run.elr**2 * squares) + 1)
    values["effective_wd"] = growth.mean(axis=-1)
    return values


def _several(elr: float | Sequence[float]) -> Sequence[float]:
    return [elr] if isinstance(elr, (int, float)) else list(elr)


def _log_points(log_at: Sequence[int] | None, steps: int) -> Picks:
    points = np.asarray(schedule(steps) if log_at is None else log_at)
    whole = points.ndim == 1 and len(points) > 0 and points.dtype.kind in "iu"
    if not (whole and points[0] >= 1 and points[-1] <= steps and (np.diff(points) > 0).all()):
        raise InputError(f"toy: log_at is {log_at!r}; expected increasing integers from 1 to steps = {steps}")
    return points.astype(np.int32)


def _threshold(stop_below: float) -> float:
    if not (isinstance(stop_below, (int, float)) and 0 <= stop_below < math.inf):
        raise InputError(f"toy: stop_below is {stop_below!r}; expected a finite loss of at least 0")
    return max(float(stop_below), _LEAST_LOSS)


def _whole(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise InputError(f"{name} is {value!r}; expected an integer of at least 1")
    return int(value)
