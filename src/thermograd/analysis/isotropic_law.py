"""What theory says of the isotropic noise model at any hyperparameters: the lines behind the points."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from thermograd.errors import InputError
from thermograd.protocol import PROTOCOLS
from thermograd.states.schema import validate
from thermograd.theory import gas, vmf
from thermograd.theory.radius import effective_wd_sphere, stationary_radius_elr, stationary_radius_lr
from thermograd.theory.relaxation import radius_at_elr, radius_at_lr

__all__ = [
    "finite_step_on_grid",
    "isotropic_law",
    "law_on_grid",
    "noise_scale",
    "queue_on_grid",
    "started_on_grid",
]

Array = NDArray[np.float64]
_TIMES = 400  # nodes of a mean over time: the radius relaxes smoothly


def isotropic_law(
    protocol: str, first: ArrayLike, second: ArrayLike, *, dim: int, sigma: float
) -> dict[str, Array]:
    """The stationary state of the isotropic model from its hyperparameters alone (IG sections 3.2 and 5).

    ``T = elr sigma^2 / 2`` on a fixed sphere and at fixed ELR, ``sqrt(lr wd sigma^2 / (2 (d-1)))`` at fixed
    LR; the direction has the von Mises-Fisher law of concentration ``1/T``, the radius is the SDE's.

    Parameters
    ----------
    protocol
        Name of the protocol.
    first, second
        Its hyperparameters, in the order of ``Protocol.axes``.
    dim
        Number of weights ``d``.
    sigma
        Standard deviation of the gradient noise along each axis.

    Returns
    -------
    dict
        ``temperature``, ``effective_lr``, ``loss``, ``entropy_sphere``, ``norm``, ``effective_wd``,
        ``entropy``; ``loss_small_t`` and ``entropy_sphere_small_t``, the published small-T forms; and
        ``norm_finite_step`` and ``effective_wd_finite_step``, right to all orders in the step size but for
        the fluctuations of the gradient. All in the common shape of the hyperparameters.

    References
    ----------
    IG eq. 63, 67, 72, 84, 103, 106, appendix G.

    Examples
    --------
    >>> law = isotropic_law("FixedLR", 0.01, 0.01, dim=3, sigma=1.0)
    >>> print(f"T = {law['temperature']:.3f}, U = {law['loss']:.3f}, r = {law['norm']:.3f}")
    T = 0.005, U = 0.005, r = 1.000

    """
    first, second = np.broadcast_arrays(np.asarray(first, dtype=float), np.asarray(second, dtype=float))
    sigma2, tr_sigma = sigma**2, sigma**2 * (dim - 1)
    if protocol == "FixedLR":
        temperature = gas.temperature_lr(first, second, sigma2, dim)
    else:
        temperature = gas.temperature_elr(first, sigma2)
    grad_sq = vmf.grad_sq(temperature, dim)
    decay, decay_finite = second, second
    if protocol == "FixedSphere":
        radius, radius_finite = second, second
        decays = effective_wd_sphere(first, second, tr_sigma, grad_sq)
        decay, decay_finite = decays.sde, decays.finite_step
    else:
        settle = stationary_radius_lr if protocol == "FixedLR" else stationary_radius_elr
        radii = settle(first, second, tr_sigma, grad_sq)
        radius, radius_finite = radii.sde, radii.finite_step
    sphere = vmf.entropy_sphere(temperature, dim)
    found = {
        "temperature": temperature,
        "effective_lr": 2 * temperature / sigma2,
        "loss": vmf.energy(temperature, dim),
        "loss_small_t": vmf.energy_small_t(temperature, dim),
        "entropy_sphere": sphere,
        "entropy_sphere_small_t": vmf.entropy_sphere_small_t(temperature, dim),
        "norm": radius,
        "norm_finite_step": radius_finite,
        "effective_wd": decay,
        "effective_wd_finite_step": decay_finite,
        "entropy": gas.entropy(sphere, radius, dim),
    }
    return {name: np.asarray(values, dtype=float) for name, values in found.items()}


def law_on_grid(states: xr.Dataset) -> xr.Dataset:
    """`isotropic_law` at every point of the states' grid.

    Parameters
    ----------
    states
        Stationary states of the isotropic model; attributes ``dim`` and ``sigma``.

    Raises
    ------
    InputError
        Unknown protocol, a grid axis missing, or no lawful ``sigma`` on record.

    """
    axes = _axes(states)
    first, second = np.meshgrid(*(states[axis].values.astype(float) for axis in axes), indexing="ij")
    found = isotropic_law(
        str(states.attrs["protocol"]), first, second, dim=int(states.attrs["dim"]), sigma=noise_scale(states)
    )
    coords = {axis: states[axis] for axis in axes}
    return xr.Dataset({name: (axes, values) for name, values in found.items()}, coords)


def finite_step_on_grid(states: xr.Dataset) -> xr.Dataset:
    """What the discrete chain does at its finite steps, at every point of the states' grid.

    `thermograd.theory.isotropic`, from the hyperparameters alone: the prediction to draw beside the limit of
    small steps.

    Parameters
    ----------
    states
        Stationary states of the isotropic model; attributes ``dim`` and ``sigma``.

    Returns
    -------
    xarray.Dataset
        ``loss``, ``entropy_sphere``, ``norm`` and ``effective_wd``; NaN where nothing is stationary.

    Raises
    ------
    InputError
        As `law_on_grid`.

    """
    from thermograd.theory.isotropic import fixed_elr, fixed_lr, fixed_sphere

    axes = _axes(states)
    law = {"FixedSphere": fixed_sphere, "FixedELR": fixed_elr, "FixedLR": fixed_lr}
    first, second = np.meshgrid(*(states[axis].values.astype(float) for axis in axes), indexing="ij")
    found = law[str(states.attrs["protocol"])](first, second, noise_scale(states), int(states.attrs["dim"]))
    values = {
        "loss": found.energy,
        "entropy_sphere": found.entropy_sphere,
        "norm": found.radius,
        "effective_wd": found.effective_wd,
    }
    coords = {axis: states[axis] for axis in axes}
    return xr.Dataset({name: (axes, np.asarray(each)) for name, each in values.items()}, coords)


def queue_on_grid(states: xr.Dataset, size: int, spacing: ArrayLike) -> xr.Dataset:
    """The entropy that a queue of directions is expected to read, bias included, at every point of the grid.

    `finite_step_on_grid` plus `thermograd.theory.queue_bias`: a queue that spans few correlation times of the
    direction sees a part of the stationary law only, and finitely many points are never quite enough.

    Parameters
    ----------
    states
        Stationary states of the isotropic model; attributes ``dim`` (up to 101) and ``sigma``.
    size
        Directions in the queue.
    spacing
        Iterations between them, one number or an array over the grid.

    Returns
    -------
    xarray.Dataset
        ``entropy_sphere``, in nats, and ``queue_span``, the correlation times of the direction that a queue
        spans.

    Raises
    ------
    InputError
        As `finite_step_on_grid` and `thermograd.theory.queue_bias.queue_bias`.

    """
    from thermograd.theory.queue_bias import queue_bias, spacing_in_times

    law, dim = law_on_grid(states), int(states.attrs["dim"])
    times = spacing_in_times(spacing, law["effective_lr"].values)
    # Rounded, so that points of one temperature are worked out once: the bias changes far less than this.
    levels, where = np.unique([float(f"{value:.2g}") for value in times.ravel()], return_inverse=True)
    bias = np.array([queue_bias(size, float(level), dim - 1).bias for level in levels])[where]
    read = finite_step_on_grid(states)[["entropy_sphere"]] + bias.reshape(times.shape)
    return read.assign(queue_span=(law["effective_lr"].dims, (size - 1) * times))


def started_on_grid(states: xr.Dataset, *, fraction: float = 0.5) -> xr.Dataset | None:
    """The mean radius of runs that have not forgotten where they started, at every point of the grid.

    The finite-step radius times the mean over the last part of the run of ``r(t) / r(infinity)``, from
    `thermograd.theory.relaxation` with the whole mean square gradient as its noise.

    Parameters
    ----------
    states
        Stationary states of the isotropic model; attributes ``dim``, ``sigma``, ``steps`` and
        ``initial_radius``.
    fraction
        Part of the run, counted from its end, that the states are means of.

    Returns
    -------
    xarray.Dataset or None
        ``norm``; None on a fixed sphere, and where a run of known length from a number is not on record: who
        starts where theory says has nothing to forget.

    Raises
    ------
    InputError
        As `finite_step_on_grid`.

    References
    ----------
    IG eq. 11 and 18.

    Examples
    --------
    The published length from radius 1, at the smallest step of the published grid and ten times above:

    >>> from thermograd.protocol import FixedELR
    >>> from thermograd.states import new_states
    >>> attrs = {"sigma": 1.0, "steps": 2_000_000, "initial_radius": 1.0}
    >>> states = new_states(FixedELR.grid(elr=[1e-3, 1e-2], wd=[0.01]), {}, dim=3, attrs=attrs)
    >>> ratio = started_on_grid(states).norm / finite_step_on_grid(states).norm
    >>> print((ratio.values.ravel() - 1).round(4))
    [0.0278 0.    ]

    """
    axes = _axes(states)
    steps, start = (_number(states.attrs.get(name)) for name in ("steps", "initial_radius"))
    if states.attrs["protocol"] == "FixedSphere" or not (steps > 0 and start > 0):
        return None
    finite, law = finite_step_on_grid(states), law_on_grid(states)
    first, second = np.meshgrid(*(states[axis].values.astype(float) for axis in axes), indexing="ij")
    dim, T = int(states.attrs["dim"]), law["temperature"].values
    mean_square = (dim - 1) * noise_scale(states) ** 2 + vmf.grad_sq(T, dim)
    given = (first[..., None], second[..., None], mean_square[..., None])
    times = steps * (1.0 - fraction * (np.arange(_TIMES) + 0.5) / _TIMES)
    if states.attrs["protocol"] == "FixedLR":
        then, end = radius_at_lr(times, *given, start), stationary_radius_lr(*given, 0.0).sde
    else:
        then, end = radius_at_elr(times, *given, start), stationary_radius_elr(*given, 0.0).sde
    left: xr.Dataset = finite[["norm"]] * (then / end).mean(axis=-1)
    return left


def _number(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return math.nan


def _axes(states: xr.Dataset) -> tuple[str, str]:
    validate(states, "states")
    first, second = PROTOCOLS[str(states.attrs["protocol"])].axes
    return first, second


def noise_scale(states: xr.Dataset) -> float:
    """The noise of the simulation that made these states, their attribute ``sigma``.

    Parameters
    ----------
    states
        Stationary states of the isotropic model.

    Raises
    ------
    InputError
        When it is not on record or not above 0: measured states alone do not say what theory to hold them to.

    """
    value = states.attrs.get("sigma")
    try:
        sigma = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        sigma = math.nan
    if not (math.isfinite(sigma) and sigma > 0):
        raise InputError(
            f"isotropic law: attribute sigma is {value!r}; expected the noise scale of the isotropic model, "
            "above 0"
        )
    return sigma
