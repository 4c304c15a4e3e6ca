"""The stationary state of a training run, predicted from its hyperparameters and its gradient noise."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass

import numpy as np

from thermograd.errors import InputError
from thermograd.protocol import FixedELR, FixedLR, FixedSphere, Protocol
from thermograd.theory import gas
from thermograd.theory.radius import (
    Versions,
    compressibility_elr,
    compressibility_lr,
    effective_wd_sphere,
    stationary_radius_elr,
    stationary_radius_lr,
    why_no_radius,
)
from thermograd.theory.relaxation import relaxation_steps_elr, relaxation_steps_lr

__all__ = ["Prediction", "predict"]


@dataclass(frozen=True)
class Prediction:
    """What the ideal-gas theory says about a stationary state.

    Attributes
    ----------
    temperature
        ``T``, in units of the loss.
    pressure
        ``p``: the weight decay, on a fixed sphere the effective one (SDE); per unit of learning rate.
    volume
        ``V = radius**2 / 2``, in units of the weights squared; ``pressure * volume = R T`` exactly.
    radius
        Norm of the weights, SDE version; on a fixed sphere its radius.
    radius_discrete
        The same with ``tr_sigma + grad_sq`` in place of ``tr_sigma`` (IG appendix G).
    radius_finite_step
        The same to all orders in the step size: the one to compare a measurement with.
    effective_lr
        Step size on the unit sphere, ``lr / radius**2``.
    effective_wd
        The weight decay; on a fixed sphere the one that the projection stands for, SDE version.
    effective_wd_discrete
        On a fixed sphere its discrete version, else the weight decay.
    effective_wd_finite_step
        On a fixed sphere its finite-step version, the one to compare a measurement with; else the weight
        decay.
    relaxation_steps
        Iterations in which the start is forgotten: the time constant of ``radius**2`` at fixed ELR, of
        ``radius**4`` at fixed LR, and on a fixed sphere, where the radius has nothing to forget, the time in
        which noise alone turns the direction (`thermograd.theory.relaxation.relaxation_steps_elr`).
    compressibility
        ``Z = p V / (R T)`` with the discrete radius or effective weight decay, dimensionless: 1 for an ideal
        gas.

    """

    temperature: float
    pressure: float
    volume: float
    radius: float
    radius_discrete: float
    radius_finite_step: float
    effective_lr: float
    effective_wd: float
    effective_wd_discrete: float
    effective_wd_finite_step: float
    relaxation_steps: float
    compressibility: float


def predict(protocol: Protocol, *, tr_sigma: float, dim: int, grad_sq: float = 0.0) -> Prediction:
    """The stationary state that a protocol leads to, given the gradient noise (IG section 3.2, appendix G).

    Parameters
    ----------
    protocol
        `FixedSphere`, `FixedELR` or `FixedLR`.
    tr_sigma
        Trace of the minibatch gradient covariance on the unit sphere, ``r^2 E|g - E g|^2``, above 0, in units
        of the loss squared. As measured in the stationary state: it changes with the hyperparameters.
    dim
        Number of trainable scale-invariant weights, at least 2.
    grad_sq
        Squared norm of the full gradient on the unit sphere, ``r^2 |E g|^2``, at least 0, in units of the
        loss squared.

    Returns
    -------
    Prediction
        All of it as plain numbers.

    Raises
    ------
    InputError
        If an argument is out of range, or if the protocol has no stationary radius at this noise.

    Examples
    --------
    A network of 11 weights whose gradients are mostly noise:

    >>> from thermograd.protocol import FixedELR, FixedSphere
    >>> state = predict(FixedELR(elr=0.01, wd=0.02), tr_sigma=4.0, dim=11, grad_sq=0.2)
    >>> state.temperature, state.pressure, state.volume, state.radius
    (0.002, 0.02, 0.5, 1.0)

    The state equation ``p V = R T`` with ``R = (dim - 1)/2``:

    >>> state.pressure * state.volume, 5.0 * state.temperature
    (0.01, 0.01)

    The full gradient makes the radius a little larger than the SDE says, and the gas less than ideal:

    >>> round(state.radius_discrete, 4), round(state.radius_finite_step, 4), round(state.compressibility, 4)
    (1.0247, 1.0247, 1.05)

    On a sphere of that radius the effective weight decay is that weight decay:

    >>> predict(FixedSphere(elr=0.01, radius=1.0), tr_sigma=4.0, dim=11).effective_wd
    0.02

    Steps can be too long for any radius to be stationary:

    >>> predict(FixedELR(elr=0.6, wd=0.02), tr_sigma=4.0, dim=11)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    thermograd.errors.InputError: FixedELR(elr=0.6, wd=0.02): no stationary radius: elr**2 * (tr_sigma + ...

    """
    tr_sigma, grad_sq, dim = _checked(tr_sigma, grad_sq, dim)
    reason = why_no_radius(protocol, tr_sigma + grad_sq)
    if reason:
        raise InputError(f"{protocol!r}: {reason}")
    sigma2 = tr_sigma / (dim - 1)
    if isinstance(protocol, FixedLR):
        lr, wd = protocol.lr, protocol.wd
        radius, wds = stationary_radius_lr(lr, wd, tr_sigma, grad_sq), _same(wd)
        temperature = gas.temperature_lr(lr, wd, sigma2, dim)
        steps, z = relaxation_steps_lr(lr, wd), compressibility_lr(tr_sigma, grad_sq)
    elif isinstance(protocol, FixedELR | FixedSphere):
        if isinstance(protocol, FixedELR):
            radius = stationary_radius_elr(protocol.elr, protocol.wd, tr_sigma, grad_sq)
            wds = _same(protocol.wd)
        else:
            radius = _same(protocol.radius)
            wds = effective_wd_sphere(protocol.elr, protocol.radius, tr_sigma, grad_sq)
        temperature = gas.temperature_elr(protocol.elr, sigma2)
        steps, z = relaxation_steps_elr(protocol.elr, tr_sigma), compressibility_elr(tr_sigma, grad_sq)
    else:
        raise InputError(f"protocol is {protocol!r}; expected a FixedSphere, FixedELR or FixedLR")
    return Prediction(
        temperature=float(temperature),
        pressure=float(wds.sde),
        volume=float(gas.volume(radius.sde)),
        radius=float(radius.sde),
        radius_discrete=float(radius.discrete),
        radius_finite_step=float(radius.finite_step),
        effective_lr=protocol.effective_lr(float(radius.sde)),
        effective_wd=float(wds.sde),
        effective_wd_discrete=float(wds.discrete),
        effective_wd_finite_step=float(wds.finite_step),
        relaxation_steps=float(steps),
        compressibility=float(z),
    )


def _same(value: float) -> Versions:
    """What the protocol holds fixed is the same in all versions."""
    array = np.asarray(value)
    return Versions(array, array, array)


def _checked(tr_sigma: float, grad_sq: float, dim: int) -> tuple[float, float, int]:
    noise, square = _number(tr_sigma), _number(grad_sq)
    if not noise > 0:
        raise InputError(
            f"tr_sigma (trace of the gradient covariance) is {tr_sigma!r}; expected a number above 0"
        )
    if not square >= 0:
        raise InputError(f"grad_sq (squared norm of the full gradient) is {grad_sq!r}; expected at least 0")
    try:
        weights = operator.index(dim)
    except TypeError:
        weights = 0
    if weights < 2:
        raise InputError(f"dim (number of weights) is {dim!r}; expected an integer of at least 2")
    return noise, square, weights


def _number(value: object) -> float:
    """As a float; NaN, which passes no check, if it is not a finite number."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return math.nan
    return number if math.isfinite(number) else math.nan
