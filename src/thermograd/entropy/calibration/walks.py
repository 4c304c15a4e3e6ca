"""Stationary random walks of known entropy, sampled exactly: queues that an estimator can be held against.

Each point of an Ornstein-Uhlenbeck walk remembers the one before by ``exp(-spacing)``: a first-order
autoregression, in R^m and wrapped around the sphere, where it is the small-temperature limit of SGD in an
isotropic minimum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincc, gammainccinv, gammaincinv, ndtr

from thermograd.entropy.calibration.laws import Gaussian, check_dim, check_positive, directions
from thermograd.errors import InputError

__all__ = ["SphereWalk", "Walk"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Walk:
    """The stationary Ornstein-Uhlenbeck walk of unit variance in R^dim: ``E x_i x_j = exp(-|i-j| spacing)``.

    Parameters
    ----------
    dim
        Dimension, at least 1.
    spacing
        From one point to the next in correlation times, above 0.

    Raises
    ------
    InputError
        For a dimension below 1 or a spacing that is not above 0.

    Examples
    --------
    >>> x = Walk(3, 0.1).draw(2000, np.random.default_rng(0))
    >>> print(round(float(np.mean(x[1:] * x[:-1])), 1), round(math.exp(-0.1), 1))
    0.9 0.9

    """

    dim: int
    spacing: float
    name: ClassVar[str] = "walk"
    on_sphere: ClassVar[bool] = False
    parameter: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        check_dim(self.dim)
        check_positive("spacing (in correlation times)", self.spacing)

    @property
    def entropy(self) -> float:
        """Of the stationary law, nats."""
        return Gaussian(self.dim).entropy

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """``n`` successive points, shape ``(n, dim)``, the first from the stationary law."""
        kept, new = math.exp(-self.spacing), math.sqrt(-math.expm1(-2.0 * self.spacing))
        x = rng.standard_normal((n, self.dim))
        for i in range(1, n):  # in place: the sample may be most of the memory there is
            x[i] *= new
            x[i] += kept * x[i - 1]
        return x


@dataclass(frozen=True)
class SphereWalk:
    """An Ornstein-Uhlenbeck walk of variance T in a tangent space, wrapped along geodesics around S^dim.

    A tangent vector x goes to the point at arc length ``|x|`` in its direction, which shrinks volumes by
    ``(sin|x|/|x|)^(dim-1)``, so that the entropy is known at any T at which the walk stays short of the far
    pole: ``(dim/2) log(2 pi e T) + (dim-1) E log(sin|x|/|x|)``. For small ``dim T`` it is SGD with isotropic
    noise in an isotropic minimum: von Mises-Fisher, up to ``dim (dim-4) T / 12`` nats.

    Parameters
    ----------
    dim
        Dimension of the sphere, at least 1.
    parameter
        Temperature ``T``, the variance in each direction.
    spacing
        From one point to the next in correlation times, above 0.

    Raises
    ------
    InputError
        For a dimension below 1, a temperature or spacing that is not above 0, or a temperature at which the
        walk wraps around more than half a great circle.

    Examples
    --------
    >>> from thermograd.entropy.calibration.laws import VonMisesFisher
    >>> law = SphereWalk(9, 1e-4, 0.5)
    >>> round(law.entropy - VonMisesFisher(9, 1e-4).entropy, 6), round(9 * 5 * 1e-4 / 12, 6)
    (0.000375, 0.000375)

    """

    dim: int
    parameter: float
    spacing: float
    name: ClassVar[str] = "sphere walk"
    on_sphere: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_dim(self.dim)
        check_positive("T (temperature)", self.parameter)
        check_positive("spacing (in correlation times)", self.spacing)
        if gammaincc(0.5 * self.dim, 0.5 * math.pi**2 / self.parameter) > 1e-15:
            raise InputError(
                f"T (temperature) is {self.parameter} in {self.dim} dimensions, where a wrapped walk reaches "
                f"the far pole; expected well below pi^2/dim = {math.pi**2 / self.dim:.3g}"
            )

    @property
    def entropy(self) -> float:
        """Of the stationary law, nats."""
        # The mean over |x|^2 = T chi^2, as a smooth function of a normal variable: Gauss-Hermite.
        node, weight = np.polynomial.hermite_e.hermegauss(60)
        half = 0.5 * self.dim
        square = np.where(node < 0, gammaincinv(half, ndtr(node)), gammainccinv(half, ndtr(-node)))
        # Nodes beyond the far pole have the weights of things that do not happen.
        radius = np.minimum(np.sqrt(2.0 * self.parameter * square), 3.14)
        shrinking = float(weight @ np.log(np.sinc(radius / np.pi))) / math.sqrt(2 * math.pi)
        return half * math.log(2 * math.pi * math.e * self.parameter) + (self.dim - 1) * shrinking

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """``n`` successive unit vectors, shape ``(n, dim + 1)``, about a direction drawn at random."""
        centre = directions(1, self.dim + 1, rng)[0]
        u = np.empty((n, self.dim + 1))
        u[:, 1:] = Walk(self.dim, self.spacing).draw(n, rng)
        u[:, 1:] *= math.sqrt(self.parameter)
        radius = np.sqrt(np.einsum("ij,ij->i", u[:, 1:], u[:, 1:]))
        u[:, 1:] *= np.sinc(radius / np.pi)[:, None]
        u[:, 0] = np.cos(radius)
        # Reflect the first axis into the centre; away from it, so that no digit is lost.
        mirror = centre.copy()
        mirror[0] += math.copysign(1.0, centre[0])
        mirror /= math.sqrt(float(mirror @ mirror))
        u -= np.outer(2.0 * (u @ mirror), mirror)
        return u
