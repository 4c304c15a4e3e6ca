"""Choices that every grid point makes for itself: where to start and how far apart to collect directions.

A rule is any function of a protocol and the mean square gradient ``m = E|g|^2`` on the unit sphere; pass one
where a number would do for all points. `predicted_radius` and `direction_relaxation` are the two that the
theory suggests.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

from thermograd.protocol import FixedELR, FixedLR, Protocol
from thermograd.theory import gas, vmf
from thermograd.theory.radius import stationary_radius_elr, stationary_radius_lr

__all__ = ["Rule", "direction_relaxation", "expected_mean_square", "expected_temperature", "predicted_radius"]

Rule = Callable[[Protocol, float], float]
"""A number for a grid point: from its protocol and the mean square of its gradients on the unit sphere."""


def predicted_radius(protocol: Protocol, mean_square: float) -> float:
    """The radius at which the weights will settle, to start there: ``r*`` of the finite-step balance.

    Parameters
    ----------
    protocol
        One of the three protocols.
    mean_square
        ``m = tr_sigma + grad_sq`` on the unit sphere, in units of the loss squared.

    Returns
    -------
    float
        Radius; on a fixed sphere its own. NaN where no radius is stationary.

    References
    ----------
    IG eq. 63 and 72, to all orders in the step (`thermograd.theory.radius`).

    Examples
    --------
    >>> round(predicted_radius(FixedELR(elr=0.1, wd=0.05), 9.4), 3)
    3.104
    >>> from thermograd.protocol import FixedSphere
    >>> predicted_radius(FixedSphere(elr=0.1, radius=2.0), 9.4)
    2.0

    """
    if isinstance(protocol, FixedELR):
        return float(stationary_radius_elr(protocol.elr, protocol.wd, mean_square).finite_step)
    if isinstance(protocol, FixedLR):
        return float(stationary_radius_lr(protocol.lr, protocol.wd, mean_square).finite_step)
    return protocol.values["radius"]


def direction_relaxation(protocol: Protocol, mean_square: float) -> float:
    """Iterations in which the direction forgets where it was, ``1 / elr``.

    Near its minimum the test loss has curvature 1 in every direction, so that a step of effective learning
    rate ``elr`` takes the part ``elr`` off a deviation. Directions collected this far apart are worth about
    as much as independent ones; the published ones, 50 iterations apart, are worth twenty times less at the
    smallest steps of the published grids.

    Parameters
    ----------
    protocol
        One of the three protocols.
    mean_square
        ``m = tr_sigma + grad_sq`` on the unit sphere: at fixed LR it says where the radius will settle.

    Returns
    -------
    float
        In iterations.

    Examples
    --------
    >>> from thermograd.protocol import FixedSphere
    >>> round(direction_relaxation(FixedSphere(elr=1e-3, radius=1.0), 3.0))
    1000
    >>> protocol = FixedLR(lr=0.01, wd=0.02)
    >>> round(direction_relaxation(protocol, 3.0) * protocol.lr / predicted_radius(protocol, 3.0) ** 2, 6)
    1.0

    """
    return 1.0 / protocol.effective_lr(predicted_radius(protocol, mean_square))


def expected_temperature(protocol: Protocol, tr_sigma: float, dim: int) -> float:
    """Temperature of the stationary state when the noise is known, by the protocol's own law.

    Parameters
    ----------
    protocol
        One of the three protocols.
    tr_sigma
        Trace of the gradient noise covariance on the unit sphere.
    dim
        Dimension ``d`` of the weights.

    Returns
    -------
    float
        ``elr sigma2 / 2``, or ``sqrt(lr wd sigma2 / (2 (d-1)))`` at fixed LR, with
        ``sigma2 = tr_sigma / (d-1)``.

    References
    ----------
    IG sections 3.2 and 5.

    Examples
    --------
    >>> from thermograd.protocol import FixedSphere
    >>> expected_temperature(FixedSphere(elr=0.01, radius=5.0), tr_sigma=2.0, dim=3)
    0.005

    """
    sigma2 = tr_sigma / (dim - 1)
    if isinstance(protocol, FixedLR):
        return float(gas.temperature_lr(protocol.lr, protocol.wd, sigma2, dim))
    return float(gas.temperature_elr(protocol.values["elr"], sigma2))


def expected_mean_square(protocol: Protocol, tr_sigma: float, dim: int) -> float:
    """Mean square gradient of the isotropic model, ``tr_sigma + (d-1) T A_d(1/T)``: noise and mean gradient.

    Parameters
    ----------
    protocol
        One of the three protocols.
    tr_sigma
        Trace of the gradient noise covariance on the unit sphere.
    dim
        Dimension ``d`` of the weights.

    Returns
    -------
    float
        ``m = E|g|^2`` on the unit sphere; at most ``tr_sigma + 1``.

    References
    ----------
    `thermograd.theory.vmf.grad_sq`.

    Examples
    --------
    >>> from thermograd.protocol import FixedSphere
    >>> round(expected_mean_square(FixedSphere(elr=0.01, radius=1.0), tr_sigma=2.0, dim=3), 5)
    2.00995

    """
    temperature = expected_temperature(protocol, tr_sigma, dim)
    if not math.isfinite(temperature):
        return tr_sigma + 1.0
    return tr_sigma + _grad_sq(temperature, dim)


@lru_cache(maxsize=4096)  # the points of a grid share temperatures, and each is asked for several times
def _grad_sq(temperature: float, dim: int) -> float:
    return float(vmf.grad_sq(temperature, dim))
