"""The toy sphere's data: great circles, one example each, and the two sets of them that the paper takes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from thermograd.errors import InputError

__all__ = ["START", "circles", "overparameterized", "underparameterized", "unit"]

Array = NDArray[np.float64]

START = (-0.8, 0.6, 0.1)
"""Where the paper's runs start, before it is put on the sphere (FE section 6.2)."""


def circles(normals: ArrayLike) -> Array:
    """Great circles of the unit sphere, told by the normals of their planes.

    Circle i is one training example: its loss at a point x is ``L_i(x) = (n_i . x)^2 / |x|^2``, the squared
    distance to the plane of the circle; the full loss is the mean over the circles.

    Parameters
    ----------
    normals
        Normals of any length above 0, shape ``(n, 3)``, any number of them.

    Returns
    -------
    numpy.ndarray
        The normals at unit length, shape ``(n, 3)``.

    Raises
    ------
    InputError
        If the shape is another, or a normal is zero or not finite.

    References
    ----------
    FE section 6.2.

    Examples
    --------
    >>> print(circles([[0, 0, 2], [3, 0, 4]]))
    [[0.  0.  1. ]
     [0.6 0.  0.8]]

    """
    try:
        given = np.asarray(normals, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"normals are {normals!r}; expected numbers of shape (n, 3)") from None
    if given.ndim != 2 or given.shape[1] != 3 or len(given) == 0:
        raise InputError(f"normals have shape {given.shape}; expected (n, 3) with n >= 1")
    return np.stack([unit(normal, f"normals[{i}]") for i, normal in enumerate(given)])


def unit(vector: ArrayLike, name: str) -> Array:
    """A vector of R^3 at unit length; `name` is what to call it when it has none."""
    try:
        given = np.asarray(vector, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name} is {vector!r}; expected three numbers") from None
    if given.shape != (3,) or not np.isfinite(given).all() or not given.any():
        raise InputError(f"{name} is {given.tolist()}; expected three finite numbers, not all 0")
    # Scaled first: squares of very long or short vectors leave the range of floats.
    scaled = given / np.abs(given).max()
    return np.asarray(scaled / np.sqrt(scaled @ scaled))


def overparameterized() -> Array:
    """The paper's over-parameterised setup, OP: two circles, which meet at the poles with zero loss.

    Half the angle between the normals is ``a`` = 30 degrees, so that theorem 1 expects a limiting SNR of at
    least ``tan a`` = 0.577.

    Projected SGD converges below the learning rate 1 and nowhere above. A step from a point at distance
    ``s = n . x`` from the plane takes its height z above the plane of the normals to
    ``z (1 + 2 elr s^2) / sqrt(1 + 4 elr^2 s^2 (1 - s^2))``. That is no less than z if and only if
    ``s^2 >= (elr - 1) / (2 elr)``: always for ``elr <= 1``, and never close to the optimum beyond. At 1 the
    steps are reflections, z gains ``4 s^4`` of itself, and the loss falls as 1/t.

    References
    ----------
    FE appendix E.

    Examples
    --------
    >>> overparameterized().shape
    (2, 3)

    """
    return circles([[np.sqrt(3) / 2, 0.5, 0.0], [np.sqrt(3) / 2, -0.5, 0.0]])


def underparameterized() -> Array:
    """The paper's under-parameterised setup, UP: three circles without a common point.

    They lie at equal distances from the pole, which is the minimum of the full loss, ``1/26`` there.

    References
    ----------
    FE appendix E.

    Examples
    --------
    >>> underparameterized().shape
    (3, 3)

    """
    half = np.sqrt(3) / 2
    return circles([[1.0, 0.0, 0.2], [-0.5, half, 0.2], [-0.5, -half, 0.2]])
