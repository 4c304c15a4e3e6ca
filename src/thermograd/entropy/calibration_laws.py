"""Laws of known entropy, and exact samples of them: what an estimator can be held against.

Independent points: uniform on the sphere, von Mises-Fisher, Gaussian. Points of a stationary random walk,
each remembering the one before by ``exp(-spacing)``: the Ornstein-Uhlenbeck walk, sampled exactly as an
autoregression, in R^m and wrapped around the sphere, where it is the small-temperature limit of SGD in an
isotropic minimum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincc, gammainccinv, gammaincinv, ndtr

from thermograd.errors import InputError
from thermograd.theory import vmf

__all__ = ["Gaussian", "Law", "SphereWalk", "UniformSphere", "VonMisesFisher", "Walk"]

Array = NDArray[np.float64]


class Law(Protocol):
    """What the study asks of a law.

    Attributes
    ----------
    name
        Of the family.
    dim
        Dimension of the space that it fills: ``m`` in R^m, ``d - 1`` on the sphere in R^d.
    on_sphere
        Whether its points are unit vectors.
    spacing
        From one point to the next in correlation times; infinite for independent points.
    parameter
        What else tells members of the family apart: a temperature, or NaN.

    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def dim(self) -> int: ...  # noqa: D102
    @property
    def on_sphere(self) -> bool: ...  # noqa: D102
    @property
    def spacing(self) -> float: ...  # noqa: D102
    @property
    def parameter(self) -> float: ...  # noqa: D102
    @property
    def entropy(self) -> float: ...  # noqa: D102

    def draw(self, n: int, rng: np.random.Generator) -> Array: ...  # noqa: D102


@dataclass(frozen=True)
class UniformSphere:
    """The uniform law on the unit sphere S^dim, of entropy ``log(2 pi^(d/2) / Gamma(d/2))``, d = dim + 1.

    Parameters
    ----------
    dim
        Dimension of the sphere, at least 1.

    Raises
    ------
    InputError
        For a dimension below 1.

    Examples
    --------
    >>> law = UniformSphere(2)
    >>> round(law.entropy, 4), law.draw(5, np.random.default_rng(0)).shape
    (2.531, (5, 3))

    """

    dim: int
    name: ClassVar[str] = "uniform"
    on_sphere: ClassVar[bool] = True
    spacing: ClassVar[float] = math.inf
    parameter: ClassVar[float] = math.inf

    def __post_init__(self) -> None:
        _check_dim(self.dim)

    @property
    def entropy(self) -> float:
        """Log area of the sphere, nats."""
        return float(vmf.entropy_uniform(self.dim + 1))

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """``n`` independent unit vectors, shape ``(n, dim + 1)``."""
        return _directions(n, self.dim + 1, rng)


@dataclass(frozen=True)
class VonMisesFisher:
    """The Gibbs law ``exp(-(1 + mu.u)/T)`` on the unit sphere S^dim about a direction drawn at random.

    Parameters
    ----------
    dim
        Dimension of the sphere, at least 1.
    parameter
        Temperature ``T``, above 0.

    Raises
    ------
    InputError
        For a dimension below 1 or a temperature that is not above 0.

    References
    ----------
    IG appendix E.

    Examples
    --------
    >>> round(VonMisesFisher(2, 1e3).entropy, 4)
    2.531

    """

    dim: int
    parameter: float
    name: ClassVar[str] = "von Mises-Fisher"
    on_sphere: ClassVar[bool] = True
    spacing: ClassVar[float] = math.inf

    def __post_init__(self) -> None:
        _check_dim(self.dim)
        _check_positive("T (temperature)", self.parameter)

    @property
    def entropy(self) -> float:
        """By :func:`thermograd.theory.vmf.entropy_sphere`, nats."""
        return float(vmf.entropy_sphere(self.parameter, self.dim + 1))

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """``n`` independent unit vectors, shape ``(n, dim + 1)``."""
        return vmf.sample(self.parameter, _directions(1, self.dim + 1, rng)[0], n, rng)


@dataclass(frozen=True)
class Gaussian:
    """The standard normal law in R^dim, of entropy ``(dim/2) log(2 pi e)``.

    Parameters
    ----------
    dim
        Dimension, at least 1.

    Raises
    ------
    InputError
        For a dimension below 1.

    Examples
    --------
    >>> round(Gaussian(1).entropy, 4)
    1.4189

    """

    dim: int
    name: ClassVar[str] = "Gaussian"
    on_sphere: ClassVar[bool] = False
    spacing: ClassVar[float] = math.inf
    parameter: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        _check_dim(self.dim)

    @property
    def entropy(self) -> float:
        """In nats."""
        return 0.5 * self.dim * math.log(2 * math.pi * math.e)

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """``n`` independent points, shape ``(n, dim)``."""
        return rng.standard_normal((n, self.dim))


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
        _check_dim(self.dim)
        _check_positive("spacing (in correlation times)", self.spacing)

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
        _check_dim(self.dim)
        _check_positive("T (temperature)", self.parameter)
        _check_positive("spacing (in correlation times)", self.spacing)
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
        centre = _directions(1, self.dim + 1, rng)[0]
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


def _directions(n: int, d: int, rng: np.random.Generator) -> Array:
    u = rng.standard_normal((n, d))
    u /= np.sqrt(np.einsum("ij,ij->i", u, u))[:, None]
    return u


def _check_dim(dim: int) -> None:
    if isinstance(dim, bool) or not isinstance(dim, int | np.integer) or dim < 1:
        raise InputError(f"dim (of the law) is {dim!r}; expected an integer of at least 1")


def _check_positive(name: str, value: float) -> None:
    if not (value > 0 and math.isfinite(value)):
        raise InputError(f"{name} is {value!r}; expected a finite number above 0")
