"""V1, the stationary radius (or effective weight decay) against its three predictions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thermograd.analysis.points import LeftOut, Points, select
from thermograd.errors import InputError
from thermograd.protocol import PROTOCOLS
from thermograd.theory.radius import (
    Versions,
    effective_wd_sphere,
    stationary_radius_elr,
    stationary_radius_lr,
)

__all__ = ["RadiusCheck", "RadiusSummary", "radius"]

Array = NDArray[np.float64]

_LAWS: dict[str, Callable[..., Versions]] = {
    "FixedSphere": effective_wd_sphere,
    "FixedELR": stationary_radius_elr,
    "FixedLR": stationary_radius_lr,
}


@dataclass(frozen=True)
class RadiusSummary:
    """How well one version of the law does over all points.

    Attributes
    ----------
    version
        ``sde``, ``discrete`` or ``finite_step``.
    n
        Number of points with a prediction; ``finite_step`` has none where no radius is stationary.
    median, worst
        Of ``|measured / predicted - 1|``.
    worst_se
        Standard error of the worst.
    worst_at
        Where it is.

    """

    version: str
    n: int
    median: float
    worst: float
    worst_se: float
    worst_at: dict[str, float]


@dataclass(frozen=True)
class RadiusCheck:
    """The outcome of V1.

    Attributes
    ----------
    observable
        ``norm``, or ``effective_wd`` on the fixed sphere.
    points
        Over the grid: ``measured``, ``measured_se``, and by ``version`` ``predicted``, ``predicted_se``,
        ``relative_error = measured / predicted - 1`` and ``relative_error_se``; NaN where left out.
    summary
        One line for each version.
    left_out
        Points not used.

    """

    observable: str
    points: xr.Dataset
    summary: tuple[RadiusSummary, ...]
    left_out: tuple[LeftOut, ...]


def radius(states: xr.Dataset, *, statuses: Sequence[str] = ("equilibrium",)) -> RadiusCheck:
    """Compare the measured radius with what the measured gradients predict (IG section 4, V1).

    The laws are those of :mod:`thermograd.theory.radius`; errors of prediction follow from the standard
    errors of ``tr_sigma`` (SDE) and of ``m = tr_sigma + grad_sq`` (discrete, finite step), which is taken
    from ``batch_grad_sq`` where it was measured directly. Errors of prediction and measurement are taken as
    independent.

    Parameters
    ----------
    states
        Stationary states with ``tr_sigma``, ``grad_sq`` and ``norm`` (fixed sphere: ``effective_wd``).
    statuses
        Statuses of points to use.

    Raises
    ------
    InputError
        When something was not measured, or no point can be used.

    References
    ----------
    IG eq. 63, 72, 84 and appendix G.

    Examples
    --------
    >>> from thermograd.protocol import FixedLR
    >>> from thermograd.states import new_states
    >>> measured = {"norm": 1.74007, "tr_sigma": 9.0, "grad_sq": 0.144}
    >>> check = radius(new_states(FixedLR(lr=0.1, wd=0.05), measured, dim=10))
    >>> [f"{line.version} {line.worst:.2%}" for line in check.summary]
    ['sde 0.46%', 'discrete 0.07%', 'finite_step 0.00%']

    """
    sphere = states.attrs.get("protocol") == "FixedSphere"
    observable = "effective_wd" if sphere else "norm"
    direct = "batch_grad_sq" in states
    needs = [observable, "tr_sigma", "grad_sq", *(["batch_grad_sq"] if direct else [])]
    points = select(states, needs, statuses)
    if len(points) == 0:
        raise InputError(f"radius: no point of status {list(statuses)} among {states['status'].size}")
    measured, measured_se = points.values[observable], points.errors[observable]
    arrays = {}
    for version in Versions._fields:
        predicted, predicted_se = _predict(points, version, direct)
        relative = measured / predicted - 1
        relative_se = np.hypot(measured_se / predicted, measured * predicted_se / predicted**2)
        arrays[version] = (predicted, predicted_se, relative, relative_se)
    names = ("predicted", "predicted_se", "relative_error", "relative_error_se")
    versions = xr.Variable("version", list(Versions._fields))
    data = {
        name: xr.concat([points.on_grid(arrays[version][i]) for version in Versions._fields], versions)
        for i, name in enumerate(names)
    }
    data |= {"measured": points.on_grid(measured), "measured_se": points.on_grid(measured_se)}
    attrs = {"protocol": points.protocol, "dim": points.dim, "observable": observable}
    summary = tuple(_summarise(version, points, *arrays[version][2:]) for version in Versions._fields)
    return RadiusCheck(observable, xr.Dataset(data, attrs=attrs), summary, points.left_out)


def _predict(points: Points, version: str, direct: bool) -> tuple[Array, Array]:
    law = _LAWS[points.protocol]
    axes = [points.axes[name] for name in PROTOCOLS[points.protocol].axes]
    tr_sigma, tr_sigma_se = points.values["tr_sigma"], points.errors["tr_sigma"]
    grad_sq, grad_sq_se = points.values["grad_sq"], points.errors["grad_sq"]
    m = points.values["batch_grad_sq"] if direct else tr_sigma + grad_sq
    m_se = points.errors["batch_grad_sq"] if direct else np.hypot(tr_sigma_se, grad_sq_se)
    noise, error = (tr_sigma, tr_sigma_se) if version == "sde" else (m, m_se)

    def at(value: Array) -> Array:
        with np.errstate(invalid="ignore", divide="ignore"):  # an estimate within its error of 0
            found: Array = np.asarray(getattr(law(*axes, value, 0.0), version))  # a function of one sum only
        return found

    return at(noise), np.abs(at(noise + error) - at(noise - error)) / 2


def _summarise(version: str, points: Points, relative: Array, relative_se: Array) -> RadiusSummary:
    known = np.isfinite(relative)
    if not known.any():
        return RadiusSummary(version, 0, np.nan, np.nan, np.nan, {})
    size = np.where(known, np.abs(relative), -1.0)
    worst = int(np.argmax(size))
    return RadiusSummary(
        version,
        int(known.sum()),
        float(np.median(size[known])),
        float(size[worst]),
        float(relative_se[worst]),
        {name: float(values[worst]) for name, values in points.axes.items()},
    )
