"""V4: hyperparameters of constant entropy for any energy, and whether measured states along them keep it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc

from thermograd.analysis.common_slope import Slope, common_slope
from thermograd.analysis.energy_fit import known
from thermograd.analysis.energy_integral import Energy, entropy_change
from thermograd.analysis.points import LeftOut, select
from thermograd.errors import InputError
from thermograd.protocol import FixedELR, FixedLR, FixedSphere, Protocol
from thermograd.theory import gas
from thermograd.theory.radius import stationary_radius_elr, stationary_radius_lr

__all__ = ["Adiabat", "AdiabatCheck", "adiabat", "entropy_along"]

Array = NDArray[np.float64]
_LEAST = 3  # points of a curve: two have no trend with an error
_STILL = 1e-6  # change of log T below which there is no trend with T


@dataclass(frozen=True)
class Adiabat:
    """A curve of hyperparameters along which ``S = S_sphere + (d-1) log r`` stays.

    Attributes
    ----------
    protocols
        One for each temperature.
    temperature, radius
        Along the curve.
    sphere_change, sphere_change_se
        ``S_sphere(T) - S_sphere(T0)`` in nats, and its standard error from those of measured energies (0 for
        an exact energy, NaN where errors are not known): as much as the entropy of states on the curve may
        differ by the fault of the curve.
    gamma
        Exponent of ``p V**gamma = const`` between the start and each point; NaN at the start. ``C_p / C_V``
        when cold.

    """

    protocols: tuple[Protocol, ...]
    temperature: Array
    radius: Array
    sphere_change: Array
    sphere_change_se: Array
    gamma: Array


@dataclass(frozen=True)
class AdiabatCheck:
    """Whether the entropy stays along a curve of measured states.

    Attributes
    ----------
    points
        Over ``point``: hyperparameters, ``temperature``, ``entropy``, ``entropy_sphere`` and their ``_se``.
    mean, mean_se
        Entropy, weighted by its errors where all are known.
    chi_squared, freedom, p_value
        Of the entropies about their mean, and the chance of a larger value if the entropy is constant; NaN
        where errors are not known.
    spread, span
        Standard deviation of the entropies, and largest minus smallest, in nats.
    sphere_span
        Largest minus smallest entropy on the sphere: the change that the radius has to undo.
    trend
        ``dS/dlog T`` along the curve, its ratio in units of R; None where T does not change.
    left_out
        Points not used.

    """

    points: xr.Dataset
    mean: float
    mean_se: float
    chi_squared: float
    freedom: int
    p_value: float
    spread: float
    span: float
    sphere_span: float
    trend: Slope | None
    left_out: tuple[LeftOut, ...]


def adiabat(start: Protocol, *, energy: Energy, temperatures: ArrayLike, dim: int, sigma2: float) -> Adiabat:
    """Follow the adiabat from a protocol to other temperatures: ``dS = dU/T + (d-1) dlog r = 0``.

    No shape of U is assumed: ``r = r0 exp(-(S_sphere(T) - S_sphere(T0))/(d-1))`` with
    ``S_sphere(T) - S_sphere(T0)`` the integral of ``dU/T``. Temperature and radius become hyperparameters by
    ``elr = 2 T / sigma2``, ``lr = elr r**2`` and the state equation ``wd = (d-1) T / r**2``. Where ``C_V`` is
    constant these are the curves of :mod:`thermograd.theory.adiabats`.

    Parameters
    ----------
    start
        Where the curve begins.
    energy
        Mean loss over temperature: a function of an array, or measured ``(T, U)`` or ``(T, U, U_se)``, then
        taken as straight between the temperatures, and its errors as independent.
    temperatures
        Where to follow it to, shape ``(n,)``; measured energies must span them and the start.
    dim
        Number of scale-invariant weights ``d``.
    sigma2
        Gradient variance per direction on the unit sphere, the same all along.

    Raises
    ------
    InputError
        When a number is out of range, or the energies do not fit together or do not reach far enough.

    References
    ----------
    IG section 4 (V4) and appendix D.4, eq. 97-99, for constant heat capacities.

    Examples
    --------
    When cold, at fixed LR, the learning rate alone sets the entropy (IG eq. 31):

    >>> curve = adiabat(
    ...     FixedLR(lr=0.1, wd=1e-3), energy=lambda T: 5 * T, temperatures=[1e-3, 1e-2], dim=11, sigma2=1.0
    ... )
    >>> for protocol, gamma in zip(curve.protocols, curve.gamma):
    ...     print(f"lr {protocol.lr:.4f} wd {protocol.wd:.4f} gamma {gamma:.4f}")
    lr 0.1000 wd 0.0002 gamma 2.0000
    lr 0.1000 wd 0.0200 gamma 2.0000

    """
    T = np.atleast_1d(np.asarray(temperatures, dtype=np.float64))
    if T.ndim != 1 or not T.size or not (np.isfinite(T) & (T > 0)).all():
        raise InputError(f"adiabat: temperatures are {T.tolist()}; expected a list of finite numbers above 0")
    if not (isinstance(dim, (int, np.integer)) and dim >= 2):
        raise InputError(f"adiabat: dim is {dim!r}; expected the number of weights, at least 2")
    if not (math.isfinite(sigma2) and sigma2 > 0):
        raise InputError(f"adiabat: sigma2 is {sigma2!r}; expected a finite number above 0")
    t0, r0 = _state(start, dim, sigma2)
    change, change_se = entropy_change(energy, t0, T)
    r = r0 * np.exp(-change / (dim - 1))
    protocols = tuple(
        _protocol(type(start), float(t), float(x), dim, sigma2) for t, x in zip(T, r, strict=True)
    )
    with np.errstate(invalid="ignore", divide="ignore"):  # 0/0 at the start
        log_v = 2 * np.log(r / r0)
        gamma = np.where(log_v == 0, np.nan, 1 - np.log(T / t0) / log_v)  # p = R T / V
    return Adiabat(protocols, T, r, change, change_se, gamma)


def _state(start: Protocol, dim: int, sigma2: float) -> tuple[float, float]:
    tr_sigma = sigma2 * (dim - 1)
    if isinstance(start, FixedSphere):
        return float(gas.temperature_elr(start.elr, sigma2)), start.radius
    if isinstance(start, FixedELR):
        radius = stationary_radius_elr(start.elr, start.wd, tr_sigma).sde
        return float(gas.temperature_elr(start.elr, sigma2)), float(radius)
    if isinstance(start, FixedLR):
        radius = stationary_radius_lr(start.lr, start.wd, tr_sigma).sde
        return float(gas.temperature_lr(start.lr, start.wd, sigma2, dim)), float(radius)
    raise InputError(f"adiabat: start is {start!r}; expected a FixedSphere, FixedELR or FixedLR protocol")


def _protocol(kind: type[Protocol], T: float, radius: float, dim: int, sigma2: float) -> Protocol:
    elr = 2 * T / sigma2
    wd = float(gas.pressure(gas.volume(radius), T, dim))
    values = {"elr": elr, "radius": radius, "wd": wd, "lr": elr * radius**2}
    return kind(**{name: values[name] for name in kind.axes})


def entropy_along(
    states: Sequence[xr.Dataset], *, statuses: Sequence[str] = ("equilibrium",), observable: str = "entropy"
) -> AdiabatCheck:
    """Test that the entropy of measured states is the same all along a curve (IG section 4, V4).

    Parameters
    ----------
    states
        Stationary states of one protocol, a dataset of a single point each, with ``entropy`` and
        ``temperature``.
    statuses
        Statuses of points to use.
    observable
        Which entropy: ``"entropy"``, or ``"entropy_chart"`` for the papers' reading of it.

    Raises
    ------
    InputError
        When a dataset holds more than a point, protocols or dimensions differ, something was not measured, or
        fewer than 3 points can be used.

    Examples
    --------
    >>> from thermograd.states import new_states
    >>> def state(elr, radius):
    ...     T = elr / 2
    ...     measured = {"norm": radius, "tr_sigma": 10.0, "entropy_sphere": 5 * np.log(T)}
    ...     measured |= {"norm_se": 0.0, "entropy_sphere_se": 0.1}
    ...     return new_states(FixedSphere(elr, radius), measured, dim=11)
    >>> check = entropy_along([state(1e-3, 2.0), state(4e-3, 1.0), state(1.6e-2, 0.5)])
    >>> print(f"{check.span:.3f} {check.sphere_span:.3f} {check.p_value:.3f}")
    0.000 13.863 1.000

    """
    sphere = observable.replace("entropy", "entropy_sphere", 1)
    rows: list[dict[str, float]] = []
    left_out: list[LeftOut] = []
    kinds = {(str(one.attrs.get("protocol")), str(one.attrs.get("dim"))) for one in states}
    if len(kinds) > 1:
        raise InputError(
            f"entropy along a curve: states are of {sorted(kinds)}; expected one protocol and dim"
        )
    for i, one in enumerate(states):
        points = select(one, [observable, sphere, "temperature"], statuses)
        if points.used.size != 1:
            raise InputError(
                f"entropy along a curve: dataset {i} holds {points.used.size} points; expected a single one"
            )
        left_out += points.left_out
        if len(points):
            row = {name: float(values[0]) for name, values in (points.axes | points.values).items()}
            rows.append(row | {f"{name}_se": float(values[0]) for name, values in points.errors.items()})
    if len(rows) < _LEAST:
        raise InputError(
            f"entropy along a curve: {len(rows)} usable points, {len(left_out)} left out; expected {_LEAST}"
        )
    table = xr.Dataset({name: ("point", [row[name] for row in rows]) for name in rows[0]})
    S, S_se, T = (table[name].values for name in (observable, f"{observable}_se", "temperature"))
    weighted = known(S_se)
    weight = 1 / S_se**2 if weighted else np.ones_like(S)
    mean, freedom = float(np.average(S, weights=weight)), len(S) - 1
    chi_squared = float(weight @ (S - mean) ** 2) if weighted else math.nan
    spread = float(S.std(ddof=1))
    R = float(gas.gas_constant(int(states[0].attrs["dim"])))
    moves = np.ptp(np.log(T)) > _STILL
    seeds = table["seed"].values if "seed" in table else np.zeros_like(S)
    return AdiabatCheck(
        points=table,
        mean=mean,
        mean_se=1 / math.sqrt(weight.sum()) if weighted else spread / math.sqrt(len(S)),
        chi_squared=chi_squared,
        freedom=freedom,
        p_value=float(chdtrc(freedom, chi_squared)) if weighted else math.nan,
        spread=spread,
        span=float(np.ptp(S)),
        sphere_span=float(np.ptp(table[sphere].values)),
        # Each seed has a head, and an entropy, of its own.
        trend=common_slope(np.log(T), S, S_se, seeds, ideal=0.0, unit=R) if moves else None,
        left_out=tuple(left_out),
    )
