"""Laws of known entropy and independent points of them: what an estimator can be held against.

Points that remember each other are in :mod:`thermograd.entropy.calibration.walks`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from thermograd.errors import InputError
from thermograd.theory import vmf

__all__ = [
    "Gaussian",
    "Law",
    "UniformSphere",
    "VonMisesFisher",
    "check_dim",
    "check_positive",
    "directions",
]

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
        check_dim(self.dim)

    @property
    def entropy(self) -> float:
        """Log area of the sphere, nats."""
        return float(vmf.entropy_uniform(self.dim + 1))

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """``n`` independent unit vectors, shape ``(n, dim + 1)``."""
        return directions(n, self.dim + 1, rng)


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
        check_dim(self.dim)
        check_positive("T (temperature)", self.parameter)

    @property
    def entropy(self) -> float:
        """By :func:`thermograd.theory.vmf.entropy_sphere`, nats."""
        return float(vmf.entropy_sphere(self.parameter, self.dim + 1))

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """``n`` independent unit vectors, shape ``(n, dim + 1)``."""
        return vmf.sample(self.parameter, directions(1, self.dim + 1, rng)[0], n, rng)


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
        check_dim(self.dim)

    @property
    def entropy(self) -> float:
        """In nats."""
        return 0.5 * self.dim * math.log(2 * math.pi * math.e)

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """``n`` independent points, shape ``(n, dim)``."""
        return rng.standard_normal((n, self.dim))


def directions(n: int, d: int, rng: np.random.Generator) -> Array:
    """Independent uniform unit vectors, shape ``(n, d)``."""
    u = rng.standard_normal((n, d))
    u /= np.sqrt(np.einsum("ij,ij->i", u, u))[:, None]
    return u


def check_dim(dim: int) -> None:
    """Refuse a dimension that is no integer of at least 1."""
    if isinstance(dim, bool) or not isinstance(dim, int | np.integer) or dim < 1:
        raise InputError(f"dim (of the law) is {dim!r}; expected an integer of at least 1")


def check_positive(name: str, value: float) -> None:
    """Refuse a parameter that is not a finite number above 0."""
    if not (value > 0 and math.isfinite(value)):
        raise InputError(f"{name} is {value!r}; expected a finite number above 0")
