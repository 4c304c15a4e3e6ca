"""The three regimes of training on the sphere, recognised run by run."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import xarray as xr

from thermograd.analysis.parameterisation import RunEnd, run_ends
from thermograd.errors import InputError
from thermograd.states.schema import grid_dims, validate

__all__ = ["REGIMES", "Regimes", "regimes"]

REGIMES = ("convergence", "equilibrium", "divergence", "unsettled", "unknown")
"""Regimes 1, 2, 3 of Kodryan et al.; then runs that are too short for one, and those without numbers."""

_CLOSE = 0.75


@dataclass(frozen=True)
class Regimes:
    """The regime of every run.

    Attributes
    ----------
    points
        Over the grid: ``regime``, one of :data:`REGIMES`, and ``reason`` in words.
    verdict
        Where each regime lies on the axis of the learning rate, in words.
    in_order
        Whether, along every line of the grid, convergence comes before equilibrium and that before
        divergence.

    """

    points: xr.Dataset
    verdict: str
    in_order: bool


def regimes(
    states: xr.Dataset,
    trace: xr.Dataset | None = None,
    *,
    random_loss: float | None = None,
    close: float = _CLOSE,
) -> Regimes:
    """Tell convergence, chaotic equilibrium and divergence apart.

    1. *convergence*: the loss keeps falling and, where the trace is given, both gradient norms with it;
    2. *equilibrium*: stationary, below the loss of a random direction;
    3. *divergence*: the loss is that of a random direction, within the factor `close`, or not finite.

    What still falls while its gradients do not, or drifts otherwise, is *unsettled*: a longer run decides.

    Parameters
    ----------
    states
        Stationary states with ``loss``.
    trace
        The runs they came from, with gradient norms; None goes by the statuses alone, which on a fixed sphere
        tell falling loss, and elsewhere not from a norm that relaxes.
    random_loss
        Mean loss at random directions of the weights; None tells divergence from values that are not finite
        alone.
    close
        Part of `random_loss` from which a loss counts as random.

    Raises
    ------
    InputError
        When the loss was not measured, the trace has another grid, or a number is out of range.

    References
    ----------
    Kodryan et al. (2022), section 4; FE sections 4 and 5.

    Examples
    --------
    >>> from thermograd.protocol import FixedSphere
    >>> from thermograd.states import new_states
    >>> found = regimes(
    ...     new_states(
    ...         FixedSphere.grid(elr=[1e-4, 1e-2, 1.0], radius=[1.0]),
    ...         {"loss": [[0.001], [0.5], [2.3]]},
    ...         dim=10,
    ...         status=[["converging"], ["equilibrium"], ["equilibrium"]],
    ...     ),
    ...     random_loss=2.4,
    ... )
    >>> found.points.regime.values.ravel().tolist()
    ['convergence', 'equilibrium', 'divergence']

    """
    validate(states, "states")
    if "loss" not in states:
        raise InputError("regimes: variable loss is missing from the states; expected it")
    if random_loss is not None and not (math.isfinite(random_loss) and random_loss > 0):
        raise InputError(f"regimes: random_loss is {random_loss!r}; expected a finite loss above 0")
    if not 0 < close <= 1:
        raise InputError(f"regimes: close is {close!r}; expected above 0 and at most 1")
    dims = grid_dims(states)
    ends = _ends(states, trace, dims)
    shape = tuple(states.sizes[name] for name in dims)
    word, reason = np.full(shape, "", dtype=object), np.full(shape, "", dtype=object)
    loss = states["loss"].transpose(*dims).values
    status = states["status"].transpose(*dims).values
    why = states["status_reason"].transpose(*dims).values
    for place in np.ndindex(shape):
        word[place], reason[place] = _regime(
            float(loss[place]),
            str(status[place]),
            str(why[place]),
            ends.get(place),
            random_loss,
            close,
            "radius" in dims,
        )
    points = xr.Dataset(
        {"regime": (dims, word.astype(str)), "reason": (dims, reason.astype(str))},
        {name: states[name] for name in dims},
    )
    return Regimes(points, *_along(points, dims[0]))


def _ends(
    states: xr.Dataset, trace: xr.Dataset | None, dims: tuple[str, ...]
) -> dict[tuple[int, ...], RunEnd]:
    if trace is None:
        return {}
    if any(
        name not in trace.dims or trace[name].values.tolist() != states[name].values.tolist() for name in dims
    ):
        raise InputError(
            "regimes: the trace has another grid than the states; expected the runs they came from"
        )
    places = np.ndindex(*(states.sizes[name] for name in dims))
    return dict(zip(places, run_ends(trace), strict=True))


def _regime(
    loss: float,
    status: str,
    why: str,
    end: RunEnd | None,
    random_loss: float | None,
    close: float,
    sphere: bool,
) -> tuple[str, str]:
    if status == "diverged":
        return "divergence", why or "the run diverged"
    if status == "failed" or not math.isfinite(loss):
        return "unknown", why or "no loss was measured"
    if random_loss is not None and loss >= close * random_loss:
        return "divergence", f"loss {loss:.3g} is that of a random direction, {random_loss:.3g}"
    if status == "converging" or (end is not None and end.word == "over"):
        if end is None and not sphere:
            # There the norm alone may be what still relaxes.
            return "unsettled", f"{why or 'something keeps falling'}; the gradients were not looked at"
        if end is None:
            return "convergence", f"{why or 'the loss keeps falling'}; the gradients were not looked at"
        if end.word == "over":
            return "convergence", end.reason
        return "unsettled", f"{why or status}; {end.reason}"
    if status != "equilibrium":
        return "unsettled", why or status
    compared = "not compared with a random direction"
    if random_loss is not None:
        compared = f"{loss / random_loss:.0%} of a random direction's"
    return "equilibrium", f"stationary, loss {loss:.3g}, {compared}"


def _along(points: xr.Dataset, axis: str) -> tuple[str, bool]:
    """Where the regimes lie on the first axis, and whether they come in order on every line."""
    rates = points[axis].values
    words = points["regime"].transpose(axis, ...).values.reshape(len(rates), -1)
    told, in_order = [], True
    for name in REGIMES:
        here = rates[(words == name).any(axis=1)]
        if len(here):
            span = f"{here[0]:.3g}" if len(here) == 1 else f"{here[0]:.3g} to {here[-1]:.3g}"
            told.append(f"{name} at {axis} {span} ({int((words == name).sum())} runs)")
    for line in words.T:
        order = [REGIMES.index(word) for word in line if word in REGIMES[:3]]
        in_order &= order == sorted(order)
    mixed = "" if in_order else "; not in the order of the learning rates"
    return "; ".join(told) + mixed, in_order
