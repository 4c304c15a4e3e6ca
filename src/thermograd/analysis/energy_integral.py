"""The change of the entropy on the sphere with temperature, from the energy alone: the integral of dU/T."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from thermograd.errors import InputError

__all__ = ["Energy", "entropy_change"]

Array = NDArray[np.float64]
Energy = Callable[[Array], ArrayLike] | Sequence[ArrayLike]
"""U as a function of T, or measured ``(T, U)`` or ``(T, U, U_se)``."""

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(20)
_PANEL = 0.5  # in log T: 20 nodes on it reach round-off for any energy that is smooth on the scale of T


def entropy_change(energy: Energy, start: float, temperatures: Array) -> tuple[Array, Array]:
    """``S_sphere(T) - S_sphere(T0)``, the integral of ``dU/T`` at constant volume, and its standard error.

    Parameters
    ----------
    energy
        A function of an array of temperatures: then the result is exact to round-off, with error 0. Measured
        ``(T, U)`` or ``(T, U, U_se)`` are taken as straight between the temperatures, which is exact where
        C_V is constant; errors, independent between temperatures, carry over, and are NaN without ``U_se``.
    start
        ``T0``.
    temperatures
        Where to, shape ``(n,)``.

    Raises
    ------
    InputError
        When the energies are not finite, do not fit together, or do not span the temperatures.

    Examples
    --------
    >>> exact, _ = entropy_change(lambda T: 1 + 5 * T, 1e-3, np.array([2e-3]))
    >>> measured, se = entropy_change(([1e-3, 4e-3], [1.0, 1.015], [1e-3, 1e-3]), 1e-3, np.array([2e-3]))
    >>> print(exact.round(6), measured.round(6), se.round(3), (5 * np.log(2)).round(6))
    [3.465736] [3.465736] [0.327] 3.465736

    """
    if callable(energy):
        return _exact(energy, start, temperatures)
    return _measured(energy, start, temperatures)


def _exact(energy: Callable[[Array], ArrayLike], t0: float, T: Array) -> tuple[Array, Array]:
    """``int dU/T = (U - U0)/T + int (U - U0)/T dlog T``: no derivative of U, and its zero cancels first."""

    def u(t: Array) -> Array:
        values = np.asarray(energy(t), dtype=np.float64)
        if values.shape != t.shape or not np.isfinite(values).all():
            raise InputError(
                f"energy gives {int(np.isfinite(values).sum())} finite values in shape {values.shape} "
                f"at {t.size} temperatures; expected a finite value at each"
            )
        return values

    u0 = u(np.array([t0]))[0]
    change = np.empty_like(T)
    for i, t in enumerate(T):
        log_ratio = math.log(t / t0)
        panels = max(1, math.ceil(abs(log_ratio) / _PANEL))
        centres = (np.arange(panels) + 0.5) / panels
        x = log_ratio * (centres[:, None] + _NODES / (2 * panels)).ravel()
        nodes = t0 * np.exp(x)
        inner = np.tile(_WEIGHTS, panels) @ ((u(nodes) - u0) / nodes) * log_ratio / (2 * panels)
        change[i] = (u(np.array([t]))[0] - u0) / t + inner
    return change, np.zeros_like(T)


def _measured(energy: Sequence[ArrayLike], t0: float, T: Array) -> tuple[Array, Array]:
    """The same of straight pieces: linear in the energies, so that their errors carry over exactly."""
    arrays = [np.asarray(values, dtype=np.float64) for values in energy]
    if len(arrays) not in (2, 3) or arrays[0].ndim != 1 or any(a.shape != arrays[0].shape for a in arrays):
        shapes = [values.shape for values in arrays]
        raise InputError(f"measured energies have shapes {shapes}; expected (T, U) or (T, U, U_se)")
    order = np.argsort(arrays[0])
    t, u = arrays[0][order], arrays[1][order]
    se = arrays[2][order] if len(arrays) == 3 else np.full_like(t, np.nan)
    if len(t) < 2 or not (np.isfinite(t) & np.isfinite(u) & (t > 0)).all() or (np.diff(t) <= 0).any():
        raise InputError(
            f"measured energies at T = {t.tolist()}; expected finite ones at 2 different T > 0 at least"
        )
    ends = np.append(T, t0)
    slack = 1e-9  # a curve may end on the last measured temperature, up to rounding
    if ends.min() < t[0] * (1 - slack) or ends.max() > t[-1] * (1 + slack):
        raise InputError(
            f"energies were measured from T = {t[0]:.6g} to {t[-1]:.6g}; expected them to span "
            f"the curve from {ends.min():.6g} to {ends.max():.6g}"
        )

    def pieces(upto: float) -> Array:
        """What each piece's ``dU/dT`` is multiplied by in the integral from the first temperature."""
        inside = np.clip(upto, t[:-1], t[1:])
        return np.asarray(np.log(inside / t[:-1]), dtype=np.float64)

    weights = np.zeros((len(T), len(t)))  # of each energy in each change
    for i, end in enumerate(T):
        share = (pieces(float(end)) - pieces(t0)) / np.diff(t)
        weights[i, 1:] += share
        weights[i, :-1] -= share
    return weights @ u, np.sqrt(weights**2 @ se**2)
