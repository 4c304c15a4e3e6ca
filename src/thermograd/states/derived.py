"""Derived observables: each a law of measured ones, with the slopes that carry the errors across."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thermograd.theory import gas
from thermograd.theory.relaxation import relaxation_steps_elr, relaxation_steps_lr

__all__ = ["Derived", "derive", "independent_error"]

Array = NDArray[np.float64]
_STEP = 1e-6  # relative step of the central differences: their error is of order 1e-10


@dataclass(frozen=True)
class Derived:
    """A derived observable at every grid point.

    Attributes
    ----------
    value
        Shape of the grid.
    slopes
        Its derivative with respect to each measured observable that it depends on; empty when it follows from
        the hyperparameters alone.

    """

    value: Array
    slopes: dict[str, Array]


@dataclass(frozen=True)
class _Law:
    inputs: tuple[str, ...]
    value: Callable[..., Array]


def _laws(protocol: str, axes: Mapping[str, Array], dim: int) -> dict[str, _Law]:
    """The laws of this protocol: what each takes, and the theory's function that gives it."""

    def sigma2(tr_sigma: Array) -> Array:
        return tr_sigma / (dim - 1)

    if protocol == "FixedLR":
        lr, wd = axes["lr"], axes["wd"]
        pressure = _Law((), lambda: wd)
        temperature = _Law(("tr_sigma",), lambda tr: gas.temperature_lr(lr, wd, sigma2(tr), dim))
        effective_lr = _Law(("norm",), lambda norm: lr / norm**2)
        relaxation = _Law((), lambda: relaxation_steps_lr(lr, wd))
    else:
        elr = axes["elr"]
        pressure = _Law((), lambda: axes["wd"]) if "wd" in axes else _Law(("effective_wd",), lambda p: p)
        temperature = _Law(("tr_sigma",), lambda tr: gas.temperature_elr(elr, sigma2(tr)))
        effective_lr = _Law((), lambda: elr)
        relaxation = _Law(("tr_sigma",), lambda tr: relaxation_steps_elr(elr, tr))
    volume = _Law(("norm",), gas.volume)
    ratio = _Law(
        (*pressure.inputs, "norm", "tr_sigma"),
        lambda *values: gas.compressibility(
            pressure.value(*values[:-2]), gas.volume(values[-2]), temperature.value(values[-1]), dim
        ),
    )
    return {
        "volume": volume,
        "pressure": pressure,
        "sigma2": _Law(("tr_sigma",), sigma2),
        "temperature": temperature,
        "entropy": _Law(("entropy_sphere", "norm"), lambda sphere, norm: gas.entropy(sphere, norm, dim)),
        "entropy_chart": _Law(
            ("entropy_sphere_chart", "norm"), lambda sphere, norm: gas.entropy(sphere, norm, dim)
        ),
        "snr": _Law(("grad_sq", "tr_sigma"), lambda grad_sq, tr_sigma: np.sqrt(grad_sq / tr_sigma)),
        "effective_lr": effective_lr,
        "relaxation_steps": relaxation,
        "compressibility": ratio,
    }


def derive(
    protocol: str, axes: Mapping[str, Array], dim: int, means: Mapping[str, Array]
) -> dict[str, Derived]:
    """Every derived observable whose inputs were measured.

    Parameters
    ----------
    protocol
        Name of the protocol.
    axes
        Its hyperparameters, broadcast to the grid.
    dim
        Number of scale-invariant weights ``d``.
    means
        Stationary means of the measured observables, each of the grid's shape.

    Returns
    -------
    dict
        By name. Where a law has no value (an ``snr`` whose unbiased ``grad_sq`` came out negative) it is NaN.

    Examples
    --------
    >>> norm = np.array([2.0])
    >>> volume = derive("FixedELR", {"elr": np.ones(1), "wd": np.ones(1)}, 3, {"norm": norm})["volume"]
    >>> volume.value, volume.slopes["norm"].round(6)
    (array([2.]), array([2.]))

    """
    shape = np.broadcast_shapes(*(np.shape(values) for values in axes.values()))
    found: dict[str, Derived] = {}
    for name, law in _laws(protocol, axes, dim).items():
        if not all(needed in means for needed in law.inputs):
            continue
        inputs = [means[needed] for needed in law.inputs]
        with np.errstate(invalid="ignore", divide="ignore"):
            value = np.broadcast_to(law.value(*inputs), shape).astype(np.float64)
            value = np.where(np.isfinite(value), value, np.nan)
            slopes = {needed: _slope(law.value, inputs, i) for i, needed in enumerate(law.inputs)}
        found[name] = Derived(value, slopes)
    return found


def _slope(law: Callable[..., Array], inputs: list[Array], which: int) -> Array:
    step = _STEP * np.where(inputs[which] == 0, 1.0, np.abs(inputs[which]))
    above, below = list(inputs), list(inputs)
    above[which], below[which] = inputs[which] + step, inputs[which] - step
    slope: Array = (law(*above) - law(*below)) / (2 * step)
    return slope


def independent_error(derived: Derived, errors: Mapping[str, Array]) -> Array | None:
    """The delta method for inputs with independent errors; None where an input has no error."""
    if not derived.slopes or not all(name in errors for name in derived.slopes):
        return None
    total: Array = np.sqrt(sum(((slope * errors[name]) ** 2 for name, slope in derived.slopes.items())))
    return total
