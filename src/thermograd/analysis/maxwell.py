"""V3, Maxwell relations: how the entropy of stationary states changes with the hyperparameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thermograd.analysis.points import LeftOut, Points, select
from thermograd.analysis.quadratic import QuadraticFit, fit_quadratic
from thermograd.errors import InputError
from thermograd.protocol import PROTOCOLS
from thermograd.theory.gas import gas_constant

__all__ = ["MaxwellCheck", "MaxwellNumber", "maxwell"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class MaxwellNumber:
    """One number of table 4.

    Attributes
    ----------
    name
        As the paper writes it.
    value, se
        Measured, with the standard error from the residuals of the fit; pure numbers.
    ideal
        What the Maxwell relation says.

    """

    name: str
    value: float
    se: float
    ideal: float


@dataclass(frozen=True)
class MaxwellCheck:
    """The Maxwell relation of one protocol, tested on a smooth surface through the measured entropies.

    Attributes
    ----------
    protocol
        Its name.
    variables
        What ``x`` and ``y`` are.
    relation
        The relation in words of mathematics.
    fit
        The surface, in nats.
    numbers
        The three numbers of table 4.
    centre
        The left side of the relation over R at the middle of the grid's points, where the fit is sure of it.
        The first of `numbers`, as the paper defines it, is the same at ``x = y = 0``, at hyperparameters of
        1: an extrapolation by decades whenever the second-order coefficients are not exactly 0.
    max_error, max_error_se, max_error_at
        Largest ``|left - right| / right`` over the points, its standard error, and where it is.
    mean_error, mean_error_se
        Its mean over the points.
    left_out
        Points not used.

    """

    protocol: str
    variables: tuple[str, str]
    relation: str
    fit: QuadraticFit
    numbers: tuple[MaxwellNumber, MaxwellNumber, MaxwellNumber]
    centre: MaxwellNumber
    max_error: float
    max_error_se: float
    max_error_at: dict[str, float]
    mean_error: float
    mean_error_se: float
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True)
class _Relation:
    """``left = (constant + of_x x + of_y y) . a``, to equal ``sign * scale R`` everywhere."""

    text: str
    names: tuple[str, str, str]
    constant: tuple[float, ...]  # rows over the coefficients a0 .. a5
    of_x: tuple[float, ...]
    of_y: tuple[float, ...]
    y_sign: float  # table 4 prints (2 a4 - a5)/R at fixed LR, where the derivative holds (a5 - 2 a4) y
    scale: float
    ideal: float


_ELR = _Relation(
    "(dS/dlog wd)_elr = -(d-1)/2",
    ("a2/R", "2 a4/R", "a5/R"),
    (0, 0, 1, 0, 0, 0),
    (0, 0, 0, 0, 0, 1),
    (0, 0, 0, 0, 2, 0),
    1.0,
    1.0,
    -1.0,
)
_LR = _Relation(
    "(dS/dlog lr)_wd - (dS/dlog wd)_lr = (d-1)/2",
    ("(a1-a2)/R", "(2 a4-a5)/R", "(2 a3-a5)/R"),
    (0, 1, -1, 0, 0, 0),
    (0, 0, 0, 2, 0, -1),
    (0, 0, 0, 0, -2, 1),
    -1.0,
    1.0,
    1.0,
)
_SPHERE = _Relation(
    "(dS/dlog r)_elr = d-1",
    ("a2/2R", "2 a4/2R", "a5/2R"),
    (0, 0, 1, 0, 0, 0),
    (0, 0, 0, 0, 0, 1),
    (0, 0, 0, 0, 2, 0),
    1.0,
    2.0,
    1.0,
)
_RELATIONS = {"FixedELR": _ELR, "FixedLR": _LR, "FixedSphere": _SPHERE}


def maxwell(
    states: xr.Dataset,
    *,
    statuses: Sequence[str] = ("equilibrium",),
    weighted: bool = False,
    observable: str = "entropy",
) -> MaxwellCheck:
    """Test the Maxwell relation of the states' protocol on a quadratic fit of the entropy (IG section 4, V3).

    ``S = a0 + a1 x + a2 y + a3 x^2 + a4 y^2 + a5 x y``, ``x = log lr`` or ``log elr``, ``y = log wd``, or
    ``log radius`` on the fixed sphere, natural logarithms, ``R = (d-1)/2``. The relations are

    - fixed ELR: ``(dS/dlog wd)_elr = -R``: ``a2/R, 2 a4/R, a5/R = -1, 0, 0``;
    - fixed LR: ``(dS/dlog lr)_wd - (dS/dlog wd)_lr = R``: ``(a1-a2)/R, (2 a3-a5)/R, (2 a4-a5)/R = 1, 0, 0``;
    - fixed sphere: ``(dS/dV)_T = (d-1)/(2V)``, where T depends on the ELR alone, so that
      ``(dS/dlog r)_elr = 2R``: ``a2/2R, 2 a4/2R, a5/2R = 1, 0, 0``. There the measured pressure is the real
      test, see :func:`thermograd.analysis.pressure_slopes`.

    Parameters
    ----------
    states
        Stationary states with ``entropy``.
    statuses
        Statuses of points to use.
    weighted
        Weigh the points by ``1 / entropy_se**2``; the papers do not.
    observable
        Which entropy: ``"entropy"``, or ``"entropy_chart"`` for the papers' reading of it.

    Raises
    ------
    InputError
        When the entropy was not measured, or the usable points do not determine the surface.

    References
    ----------
    IG section 4 and appendix F, eq. 82, 85, 108-110, table 4.

    Examples
    --------
    >>> from thermograd.protocol import FixedELR
    >>> from thermograd.states import new_states
    >>> grid = FixedELR.grid(elr=[1e-3, 2e-3, 4e-3], wd=[1e-3, 1e-2, 1e-1])
    >>> norm = np.sqrt(np.array([[1.0], [2.0], [4.0]]) / [1, 10, 100])
    >>> states = new_states(grid, {"norm": norm, "entropy_sphere": np.zeros((3, 3))}, dim=11)
    >>> [f"{number.name} = {number.value + 0:.3g}" for number in maxwell(states).numbers][0]
    'a2/R = -1'

    """
    points = select(states, [observable], statuses)
    relation = _RELATIONS[points.protocol]
    first, second = PROTOCOLS[points.protocol].axes
    x, y = np.log(points.axes[first]), np.log(points.axes[second])
    try:
        errors = points.errors[observable] if weighted else None
        fit = fit_quadratic(x, y, points.values[observable], errors, points.seeds)
    except InputError as error:
        raise InputError(f"Maxwell relation at {points.protocol}: {error}; {_why(points)}") from None
    unit = float(gas_constant(points.dim)) * relation.scale
    constant, of_x, of_y = (np.array(row) for row in (relation.constant, relation.of_x, relation.of_y))
    rows = [(constant, relation.ideal), (relation.y_sign * of_y, 0.0), (of_x, 0.0)]
    numbers = []
    for name, (row, ideal) in zip(relation.names, rows, strict=True):
        value, se = fit.linear(row / unit)
        numbers.append(MaxwellNumber(name, value, se, ideal))
    if points.protocol == "FixedLR":  # the paper's order
        numbers[1:] = numbers[:0:-1]
    per_point = (constant + np.outer(x, of_x) + np.outer(y, of_y)) / unit
    value, se = fit.linear(per_point.mean(axis=0))
    centre = MaxwellNumber(f"{relation.names[0]} at the centre", value, se, relation.ideal)
    errors = per_point @ fit.coefficients - relation.ideal
    worst = int(np.argmax(np.abs(errors)))
    mean_row = (np.sign(errors)[:, None] * per_point).mean(axis=0)
    return MaxwellCheck(
        protocol=points.protocol,
        variables=(f"log {first}", f"log {second}"),
        relation=relation.text,
        fit=fit,
        numbers=(numbers[0], numbers[1], numbers[2]),
        centre=centre,
        max_error=float(np.abs(errors[worst])),
        max_error_se=fit.linear(per_point[worst])[1],
        max_error_at={name: float(values[worst]) for name, values in points.axes.items()},
        mean_error=float(np.abs(errors).mean()),
        mean_error_se=fit.linear(mean_row)[1],
        left_out=points.left_out,
    )


def _why(points: Points) -> str:
    if not points.left_out:
        return "no point was left out"
    example = points.left_out[0]
    return f"{len(points.left_out)} points were left out, the first {example}"
