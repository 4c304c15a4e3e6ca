"""Gradient noise that is not the same in all directions: the simplest way to break the Gibbs law.

A constant noise covariance in the tangent space of the minimum is given by its ``d - 1`` eigenvalues. The
frame is chosen so that ``mu`` is the first axis and the eigenvectors are the others: there each axis has its
own noise, and directions collected there are turned into the usual frame by one reflection.

What is constant and what is projected: the covariance of the noise before projection, ``diag(s^2)``, is the
same at every ``w``; a step sees ``P_u diag(s^2) P_u``, whose trace is ``sum s_i^2`` at the minimum and drifts
with ``u`` away from it. Along ``mu``, where the minimum itself has no noise, ``s`` is the root mean square of
the others, so that a flat spectrum is the isotropic model everywhere and not at the minimum only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from thermograd.errors import InputError

__all__ = ["noise_scales", "reflect", "spectrum_checked"]


def spectrum_checked(spectrum: ArrayLike, dim: int) -> tuple[float, ...]:
    """The eigenvalues as plain numbers, or one line on what is wrong with them.

    Parameters
    ----------
    spectrum
        Variances of the tangent noise in units of ``sigma^2``, shape ``(d-1,)``, above 0.
    dim
        Dimension ``d`` of the weights.

    Returns
    -------
    tuple of float
        The same numbers.

    Raises
    ------
    InputError
        For another length, or a value that is not a finite number above 0.

    Examples
    --------
    >>> spectrum_checked([2, 0.5], dim=4)
    Traceback (most recent call last):
    thermograd.errors.InputError: spectrum has 2 variances; expected dim - 1 = 3 of them

    """
    try:
        values = np.asarray(spectrum, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"spectrum is {spectrum!r}; expected dim - 1 = {dim - 1} variances") from None
    if values.shape != (dim - 1,):
        raise InputError(f"spectrum has {values.size} variances; expected dim - 1 = {dim - 1} of them")
    bad = np.flatnonzero(~(np.isfinite(values) & (values > 0)))
    if len(bad):
        raise InputError(f"spectrum[{bad[0]}] is {values[bad[0]]:g}; expected finite variances above 0")
    return tuple(values.tolist())


def noise_scales(sigma: float, spectrum: Sequence[float] | None, dim: int) -> NDArray[np.float64]:
    """Standard deviation of the gradient noise along each axis, ``s_i = sigma sqrt(v_i)``.

    Parameters
    ----------
    sigma
        Scale of the noise.
    spectrum
        Variances ``v`` along axes 1 to d-1, in units of ``sigma^2``; None: all 1.
    dim
        Dimension ``d`` of the weights.

    Returns
    -------
    array
        Shape ``(d,)``; axis 0, along ``mu``, has the root mean square of the others.

    Examples
    --------
    >>> noise_scales(2.0, [1.5, 0.5], dim=3).round(3)
    array([2.   , 2.449, 1.414])

    """
    scales = np.full(dim, float(sigma))
    if spectrum is not None:
        scales[1:] *= np.sqrt(spectrum)
        scales[0] *= np.sqrt(np.mean(spectrum))
    return scales


def reflect(x: NDArray[np.floating[Any]], mean_direction: NDArray[np.float64]) -> NDArray[np.float64]:
    """Vectors of the eigenframe in the usual frame: the Householder reflection that swaps axis 0 and ``mu``.

    Parameters
    ----------
    x
        Vectors, shape ``(..., d)``.
    mean_direction
        ``mu``, shape ``(d,)``, of norm 1.

    Returns
    -------
    array
        Shape of `x`, float64. The reflection is its own inverse and keeps all distances.

    Examples
    --------
    >>> mu = np.array([0.6, 0.0, 0.8])
    >>> reflect(np.array([1.0, 0.0, 0.0]), mu), reflect(mu, mu).round(12)
    (array([0.6, 0. , 0.8]), array([1., 0., 0.]))

    """
    normal = np.array(mean_direction, dtype=np.float64)
    normal[0] -= 1.0
    square = normal @ normal
    points = np.asarray(x, dtype=np.float64)
    if square == 0:  # mu is axis 0 already
        return points.copy()
    return points - np.multiply.outer(points @ normal, 2.0 / square * normal)
