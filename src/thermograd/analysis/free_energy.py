"""Between which temperatures a state has the least free energy among its competitors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from thermograd.errors import InputError

__all__ = ["KINDS", "Bands", "Pairs", "free_energies", "longest_stretch", "pair_bounds", "temperature_bands"]

Array = NDArray[np.float64]

_ROUNDING = 1e-13

KINDS = ("estimate", "upper bound", "lower bound", "unbounded", "none")
"""What the competitors leave of a temperature: both bounds, one, neither, or a contradiction."""


@dataclass(frozen=True)
class Bands:
    """The temperatures at which each state is the minimiser.

    Attributes
    ----------
    lower, upper
        Ends of the interval, shape ``(n,)``; 0 and infinity where there is no bound. Where ``lower > upper``
        no temperature exists.
    temperature
        Their geometric mean; NaN where it is no estimate.
    kind
        One of :data:`KINDS` each.

    """

    lower: Array
    upper: Array
    temperature: Array
    kind: NDArray[np.str_]


@dataclass(frozen=True)
class Pairs:
    """What each competitor alone says: state ``i`` beats state ``j`` for ``lower_ij <= T <= upper_ij``.

    Attributes
    ----------
    lower, upper
        Shape ``(..., n, n)``; 0 and infinity where there is no bound, as on the diagonal.

    """

    lower: Array
    upper: Array

    def against(self, competitors: slice) -> Bands:
        """The interval of every state when these alone compete."""
        return _bands(self.lower[..., competitors], self.upper[..., competitors])


def temperature_bands(
    U: ArrayLike,
    S: ArrayLike,
    *,
    eps: float = 0.0,
    U_covariance: Array | None = None,
    S_covariance: Array | None = None,
    sigmas: float = 2.0,
) -> Bands:
    """All temperatures ``T > 0`` with ``U_i - T S_i <= U_j - T S_j + slack`` for every competitor ``j``.

    A competitor of larger entropy bounds T from above, ``T <= (U_j - U_i + slack) / (S_j - S_i)``, one of
    smaller entropy from below. Points whose interval is not empty lie on the lower convex hull of U over S.

    Parameters
    ----------
    U, S
        Energies and entropies (nats), shape ``(n,)``.
    eps
        Slack in units of the loss, the same for all pairs (FE takes 1e-2 to 4e-2).
    U_covariance, S_covariance
        Covariances of the errors of U and of S, shape ``(n, n)``, U and S independent. With them the slack
        of a pair grows by `sigmas` standard errors of ``F_i - F_j``, which depend on T: the bounds become
        roots of a quadratic (Fieller). Entropies that are not told apart then give no upper bound.
    sigmas
        How many standard errors.

    Raises
    ------
    InputError
        Fewer than 3 states, shapes that differ, values that are not finite, or a negative slack.

    References
    ----------
    FE section 4 and appendix B.

    Examples
    --------
    A cold gas, ``U = 5 T``, ``S = 5 log T``; the ends of a line have one bound alone:

    >>> T = np.array([1.0, 2.0, 4.0, 8.0])
    >>> bands = temperature_bands(5 * T, 5 * np.log(T))
    >>> bands.temperature.round(2), bands.kind.tolist()
    (array([ nan, 2.04, 4.08,  nan]), ['upper bound', 'estimate', 'estimate', 'lower bound'])

    """
    u, s = np.asarray(U, dtype=np.float64), np.asarray(S, dtype=np.float64)
    if u.ndim != 1 or u.shape != s.shape or len(u) < 3:
        raise InputError(
            f"temperature bands: U and S have shapes {u.shape}, {s.shape}; expected (n,), n >= 3"
        )
    if not (np.isfinite(u).all() and np.isfinite(s).all()):
        raise InputError("temperature bands: a U or S is not finite; expected finite values")
    pairs = pair_bounds(u, s, eps=eps, U_covariance=U_covariance, S_covariance=S_covariance, sigmas=sigmas)
    return _bands(pairs.lower, pairs.upper)


def pair_bounds(
    U: Array,
    S: Array,
    *,
    eps: float = 0.0,
    U_covariance: Array | None = None,
    S_covariance: Array | None = None,
    sigmas: float = 2.0,
) -> Pairs:
    """The bounds of each pair of states, before they are joined; see :func:`temperature_bands`.

    Parameters
    ----------
    U, S
        Shape ``(..., n)``: many samples at once.
    eps, U_covariance, S_covariance, sigmas
        As there.

    """
    if not (0 <= eps < np.inf and 0 <= sigmas < np.inf):
        raise InputError(f"temperature bands: eps is {eps!r}, sigmas {sigmas!r}; expected at least 0")
    a = U[..., :, None] - U[..., None, :] - eps
    b = S[..., :, None] - S[..., None, :]
    # Entropies that differ by rounding alone, as smoothed equal ones do, are equal.
    b = np.where(np.abs(b) <= _ROUNDING * np.abs(S).max(axis=-1)[..., None, None], 0.0, b)
    # z^2 times the variances of the two differences
    vu, vs = (sigmas**2 * _of_differences(c) for c in (U_covariance, S_covariance))
    # a - b T > sqrt(vu + vs T^2) is forbidden: of a concave function of T, so an interval of T.
    A, B, C = b**2 - vs, -2 * a * b, a**2 - vu
    root = 2 * np.sqrt(np.maximum(vu * b**2 + vs * a**2 - vu * vs, 0.0))
    above = (a > 0) & (C > 0)  # i is beaten at T = 0
    hopeless = above & (b <= 0) & (A >= 0)  # and at every other T
    rising = ~above & (b < 0) & (A > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        lower = np.where(above, np.where(hopeless, np.inf, 2 * C / (-B + root)), 0.0)
        upper = np.where(rising, (-B + root) / (2 * A), np.inf)
    return Pairs(lower, upper)


def longest_stretch(pairs: Pairs) -> tuple[slice, int]:
    """The longest run of neighbouring states with a temperature each, and how many of them have both bounds.

    Fewer competitors never make an interval smaller, so every part of such a stretch is one as well and two
    moving ends find the longest; of several the one with most two-sided bounds is taken. None but the states
    of the stretch compete.

    Examples
    --------
    The energy of the last state is too high: a chord over the one before lies below it.

    >>> T = np.array([1.0, 2.0, 4.0, 8.0, 9.0])
    >>> U, S = 5 * T, 5 * np.log(T)
    >>> U[4], S[4] = 41, S[3] + 5
    >>> longest_stretch(pair_bounds(U, S))
    (slice(0, 4, None), 2)

    """
    n = pairs.lower.shape[-1]
    best, start, score = slice(0, 0), 0, (0, 0)
    for stop in range(1, n + 1):
        while True:
            bands = _bands(pairs.lower[start:stop, start:stop], pairs.upper[start:stop, start:stop])
            if not (bands.kind == "none").any():
                break
            start += 1
        reached = (stop - start, int((bands.kind == "estimate").sum()))
        if reached > score:
            best, score = slice(start, stop), reached
    return best, score[1]


def free_energies(U: ArrayLike, S: ArrayLike, temperatures: ArrayLike) -> tuple[Array, NDArray[np.int64]]:
    """The curves ``F = U - T S`` of several temperatures, and where each is least.

    Parameters
    ----------
    U, S
        Shape ``(n,)``.
    temperatures
        Shape ``(m,)``.

    Returns
    -------
    tuple
        F of shape ``(m, n)``, and the places of the minima, shape ``(m,)``.

    Examples
    --------
    >>> F, least = free_energies([0.0, 1.0, 4.0], [0.0, 1.0, 2.0], [0.5, 2.0, 5.0])
    >>> F[1], least
    (array([ 0., -1.,  0.]), array([0, 1, 2]))

    """
    u, s, t = (np.asarray(values, dtype=np.float64) for values in (U, S, temperatures))
    curves = u[None, :] - t[:, None] * s[None, :]
    return curves, np.argmin(curves, axis=1)


def _of_differences(covariance: Array | None) -> Array | float:
    if covariance is None:
        return 0.0
    own = np.diagonal(covariance)
    return np.maximum(own[:, None] + own[None, :] - 2 * covariance, 0.0)


def _bands(lower: Array, upper: Array) -> Bands:
    low, high = lower.max(axis=-1), upper.min(axis=-1)
    # Of three points on a straight line the bounds are equal, and may cross by rounding.
    none = np.isinf(low) | (low > high * (1 + 1e-12)) | (high <= 0)
    below, above = low > 0, np.isfinite(high)
    kind = np.select(
        [none, below & above, above, below],
        ["none", "estimate", "upper bound", "lower bound"],
        "unbounded",
    )
    with np.errstate(invalid="ignore"):
        mean = np.where(kind == "estimate", np.sqrt(low) * np.sqrt(high), np.nan)
    return Bands(low, high, mean, kind)
