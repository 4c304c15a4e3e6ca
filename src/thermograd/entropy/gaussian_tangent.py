"""Entropy of directions that gather about one: a Gaussian law in the tangent space there."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from thermograd.autocorrelation import mean_with_error
from thermograd.entropy.estimate import EntropyEstimate, above_uniform_warning
from thermograd.entropy.gaussian import fit_gaussian
from thermograd.entropy.points import as_directions
from thermograd.errors import InputError
from thermograd.theory.vmf_limits import entropy_uniform

__all__ = ["gaussian_tangent"]

_OWNER = "gaussian_tangent"
_FAR = 0.5 * math.pi


def gaussian_tangent(x: Any) -> EntropyEstimate:
    """Entropy on the unit sphere, of a law that is Gaussian in the tangent space at the mean direction.

    Each direction is laid out there along its arc, ``y = theta e`` (the logarithm map); the sphere's area is
    that of the tangent space times ``(sin theta / theta)^(d-2)``:

        S_sphere = S_gaussian(y) + (d-2) E log(sin theta / theta),

    with the Gaussian part of :func:`thermograd.entropy.gaussian` in ``d - 1`` dimensions. Unlike
    :func:`thermograd.entropy.von_mises_fisher` it allows a different spread in every direction.

    Parameters
    ----------
    x
        Unit vectors in time order, shape ``(n, d)``, ``n`` well above ``d``.

    Returns
    -------
    EntropyEstimate
        In nats, absolute, with a warning when the tangent law is not Gaussian or reaches past a quarter of
        the way round.

    Raises
    ------
    InputError
        When the sample is not worth more points than dimensions, has no mean direction, or as for every
        estimator.

    References
    ----------
    N. Fisher, T. Lewis and B. Embleton, Statistical Analysis of Spherical Data (1987), section 3.4 for
    tangent coordinates; the Jacobian is that of geodesic polar coordinates.

    Examples
    --------
    Cold von Mises-Fisher directions, whose entropy is ``(d-1)/2 log(2 pi e T)``:

    >>> import numpy as np
    >>> from thermograd.theory import vmf
    >>> x = vmf.sample(1e-3, np.ones(10), 2000, np.random.default_rng(0))
    >>> print(f"{gaussian_tangent(x).entropy:.2f}; exact {vmf.entropy_sphere(1e-3, 10):.2f}")
    -18.34; exact -18.33

    """
    u = as_directions(x, _OWNER, at_least=3)
    n, d = u.shape
    if n - 1 <= d - 1:  # said here, before a square of that size is made
        raise InputError(
            f"{_OWNER}: {n} points in {d - 1} dimensions have no covariance of full rank; "
            f"expected at least {d + 1} points"
        )
    mean = u.mean()
    length = float(np.linalg.norm(mean))
    if length < 3.0 / math.sqrt(n):  # a uniform law's is 1/sqrt(n)
        raise InputError(
            f"{_OWNER}: the mean of the {n} directions has length {length:.3g}, no more than uniform ones "
            "have; expected directions that gather about one"
        )
    mean /= length
    # The reflection that takes the mean direction to an axis, applied without losing the digits of small
    # angles.
    axis = np.zeros(d)
    axis[0] = -math.copysign(1.0, mean[0])
    mirror = (mean - axis) / np.linalg.norm(mean - axis)
    points = u[:]
    away = np.subtract(points, mean, dtype=np.float64)
    tangent = (away - 2.0 * np.outer(away @ mirror, mirror))[:, 1:]
    sine = np.sqrt(np.einsum("ij,ij->i", tangent, tangent))
    theta = np.arctan2(sine, points @ mean)
    stretch = np.ones(n)
    np.divide(theta, sine, out=stretch, where=sine > 0)
    jacobian = -(d - 2) * np.log(stretch)
    fit = fit_gaussian(tangent * stretch[:, None], _OWNER)
    uniform = float(entropy_uniform(d))
    warnings = fit.warnings
    if far := int(np.count_nonzero(theta > _FAR)):
        warnings += (f"{far} of {n} directions lie more than a right angle from their mean",)
    entropy, se = fit.entropy, fit.se
    if math.isfinite(entropy):
        area = mean_with_error(jacobian)
        together, alone = mean_with_error(0.5 * fit.squares + jacobian), mean_with_error(0.5 * fit.squares)
        entropy += area.mean
        se = math.sqrt(max(fit.se**2 + together.se**2 - alone.se**2, 0.25 * fit.se**2))
        warnings += above_uniform_warning(entropy, se, uniform)
    return EntropyEstimate(
        entropy, se, n, fit.n_effective, d - 1, True, "gaussian-tangent", {}, warnings, uniform
    )
