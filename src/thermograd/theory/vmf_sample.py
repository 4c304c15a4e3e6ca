"""Independent draws from the von Mises-Fisher law."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from thermograd.errors import InputError

__all__ = ["sample"]


def sample(T: float, mu: ArrayLike, n: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Independent unit vectors from the Gibbs law ``exp(-(1 + mu.u)/T)``: exact at any temperature.

    Rejection sampling of the cosine (Wood 1994, algorithm VM*) and a uniform direction around it. Note the
    sign: the points gather about ``-mu``, where the loss is smallest.

    Parameters
    ----------
    T
        Temperature, at least 0, in units of the loss; ``inf`` for the uniform law.
    mu
        Direction in which the loss grows, shape ``(d,)``, ``d >= 2``; its length is ignored.
    n
        Number of points, at least 0.
    generator
        Where the random numbers come from.

    Returns
    -------
    numpy.ndarray
        Shape ``(n, d)``.

    Raises
    ------
    InputError
        If ``T`` is negative or not a number, or ``mu`` is not a non-zero vector.

    Examples
    --------
    >>> u = sample(0.5, [0.0, 0.0, 1.0], 10_000, np.random.default_rng(0))
    >>> loss = 1 + u[:, 2]
    >>> exact = 1 - (1 / np.tanh(2.0) - 0.5)
    >>> bool(abs(loss.mean() - exact) < 4 * loss.std() / 100)
    True

    """
    mu = np.asarray(mu, dtype=float)
    length = float(np.linalg.norm(mu)) if mu.ndim == 1 else 0.0
    if mu.size < 2 or not (np.isfinite(length) and length > 0):
        raise InputError(f"mu has shape {mu.shape} and length {length}; expected a finite, non-zero vector")
    T = float(T)
    if not T >= 0:
        raise InputError(f"T (temperature) is {T!r}; expected a number of at least 0")
    axis = -mu / length
    d = mu.size
    height = _one_minus_cosine(1.0 / T if T > 0 else np.inf, d, n, generator)
    around = generator.standard_normal((n, d))
    around -= np.outer(around @ axis, axis)
    around /= np.linalg.norm(around, axis=1, keepdims=True)
    return np.outer(1.0 - height, axis) + np.sqrt(height * (2.0 - height))[:, None] * around


def _one_minus_cosine(kappa: float, d: int, n: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Draws of ``1 - cos`` of the angle to the mean: keeping the small difference keeps its digits."""
    if np.isinf(kappa):
        return np.zeros(n)
    b = (d - 1.0) / (2.0 * kappa + np.hypot(2.0 * kappa, d - 1.0))
    far = 2.0 * b / (1.0 + b)  # 1 - x0 in Wood's notation
    accepted = np.empty(0)
    while accepted.size < n:
        # At least two of three are accepted, so one round and a small second one do.
        tries = int(1.6 * (n - accepted.size)) + 16
        z = generator.beta(0.5 * (d - 1.0), 0.5 * (d - 1.0), tries)
        height = 2.0 * b * z / (1.0 - (1.0 - b) * z)
        score = kappa * (far - height) + (d - 1.0) * np.log(
            (far + (1.0 - far) * height) / (far * (2.0 - far))
        )
        accepted = np.concatenate([accepted, height[score >= -generator.standard_exponential(tries)]])
    return accepted[:n]
