"""Do the two temperatures meet: that of free-energy minimisation, and that of the gradient noise?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import chdtrc

from thermograd.analysis.energy_fit import known, local_slope
from thermograd.analysis.lines import SphereLine, sphere_lines
from thermograd.analysis.points import LeftOut
from thermograd.analysis.temperature_law import TemperatureLine, temperature_law

__all__ = ["BridgeLine", "MeanRatio", "bridge"]

Array = NDArray[np.float64]
_NEAR = 5  # states of a local slope
_APART = 3.0  # standard errors from 1 at which two temperatures part


@dataclass(frozen=True)
class MeanRatio:
    """Two temperatures compared over all states of a line.

    Attributes
    ----------
    value, se
        Geometric mean of the ratio, weighted by the errors where they are known, and its standard error,
        enlarged where the ratios scatter more than their errors.
    chi_squared, freedom
        Of the log ratios about their mean; NaN where errors are not known.
    n
        Number of ratios.

    """

    value: float
    se: float
    chi_squared: float
    freedom: int
    n: int

    @property
    def chance(self) -> float:
        """Of a larger `chi_squared` where the ratio is the same for all states."""
        return float(chdtrc(self.freedom, self.chi_squared)) if self.freedom > 0 else math.nan

    def __str__(self) -> str:
        differ = ", not the same for all" if self.chance < 0.01 else ""
        return f"{self.value:.3g} ± {self.se:.1g} ({self.n} states{differ})"


@dataclass(frozen=True)
class BridgeLine:
    """The temperatures of one radius (and seed) side by side.

    Attributes
    ----------
    at
        Which line.
    points
        Over ``elr``: ``noise``, the temperature of the gradient noise; ``minimum``, that of free-energy
        minimisation, with ``lower`` and ``upper``; ``slope``, the local dU/dS; ``minimum_ratio`` and
        ``slope_ratio``, both over ``noise``; each with ``_se``. ``overlaps``: whether `noise` lies in the
        band, within two standard errors.
    minimum, slope
        Mean ratios; None where there is none.
    temperatures
        The free-energy analysis itself.
    parts
        ELRs at which a ratio is away from 1 by 3 standard errors.
    verdict
        In words.
    left_out
        States not used.

    """

    at: dict[str, float]
    points: xr.Dataset
    minimum: MeanRatio | None
    slope: MeanRatio | None
    temperatures: TemperatureLine
    parts: tuple[float, ...]
    verdict: str
    left_out: tuple[LeftOut, ...]


def bridge(
    states: xr.Dataset,
    *,
    eps: float | None = None,
    sigmas: float = 2.0,
    within: tuple[float, float] | None = None,
    width: float = 0.3,
    observable: str = "entropy",
    statuses: Sequence[str] = ("equilibrium",),
    draws: int = 200,
    seed: int = 0,
) -> tuple[BridgeLine, ...]:
    """Compare ``T = elr sigma2 / 2`` with the T of free-energy minimisation and with ``dU/dS``.

    The local slope is ``(dU/dlog elr) / (dS/dlog elr)``, each from a cubic through the 5 nearest states of
    the stretch; it needs no smoothing and no slack. All three agree where the noise is isotropic and steps
    are small.

    Parameters
    ----------
    states
        Stationary states on a fixed sphere with ``loss``, ``temperature`` and the entropy.
    eps, sigmas, within, width, observable, statuses, draws, seed
        As for :func:`thermograd.analysis.temperature_law.temperature_law`.

    Returns
    -------
    tuple of BridgeLine
        One for each radius (and seed) with at least 4 usable states.

    Raises
    ------
    InputError
        As there, or when the noise temperature was not measured.

    References
    ----------
    IG section 3.2 for the one, FE section 4 for the other temperature.

    Examples
    --------
    >>> from thermograd.protocol import FixedSphere
    >>> from thermograd.states import new_states
    >>> from thermograd.theory import vmf
    >>> elr = np.geomspace(1e-3, 1e-1, 12)[:, None]
    >>> measured = {"norm": 1 + 0 * elr, "tr_sigma": 9 + 0 * elr, "loss": vmf.energy(elr / 2, 10)}
    >>> measured["entropy_sphere"] = vmf.entropy_sphere(elr / 2, 10)
    >>> grid = FixedSphere.grid(elr=elr.ravel(), radius=[1.0])
    >>> (line,) = bridge(new_states(grid, measured, dim=10))
    >>> round(line.minimum.value, 2), round(line.slope.value, 2)
    (1.01, 1.0)

    """
    lines = sphere_lines(states, ["loss", observable, "temperature"], statuses, within, owner="bridge")
    found = temperature_law(
        states,
        eps=eps,
        sigmas=sigmas,
        within=within,
        width=width,
        observable=observable,
        statuses=statuses,
        draws=draws,
        seed=seed,
    )
    made = []
    for temperatures in found:
        (line,) = (one for one in lines if one.at == temperatures.at)
        made.append(_bridge(line, temperatures, observable))
    return tuple(made)


def _bridge(line: SphereLine, temperatures: TemperatureLine, observable: str) -> BridgeLine:
    free = temperatures.points.reindex(elr=line.elr)
    noise, noise_se = line.values["temperature"], line.errors["temperature"]
    inside = free["inside"].fillna(False).values.astype(bool)
    slope, slope_se = _slopes(line, observable, inside)
    minimum = np.where(inside, free["temperature"].values, np.nan)
    minimum_se = free["temperature_se"].values
    data = {
        "noise": (noise, noise_se),
        "minimum": (minimum, minimum_se),
        "slope": (slope, slope_se),
        "minimum_ratio": _ratio(minimum, minimum_se, noise, noise_se),
        "slope_ratio": _ratio(slope, slope_se, noise, noise_se),
    }
    variables = {name: ("elr", pair[0]) for name, pair in data.items()}
    variables |= {f"{name}_se": ("elr", pair[1]) for name, pair in data.items()}
    variables |= {name: ("elr", free[name].values) for name in ("lower", "upper")}
    points = xr.Dataset(variables, {"elr": line.elr}, line.at)
    slack = 2 * np.nan_to_num(noise_se)
    within = (free["lower"].values <= noise + slack) & (noise - slack <= free["upper"].values)
    points["overlaps"] = ("elr", within & inside)
    away = []
    for name in ("minimum_ratio", "slope_ratio"):
        pull = np.abs(np.log(points[name].values)) * points[name].values / points[f"{name}_se"].values
        away += [float(rate) for rate in line.elr[pull > _APART]]
    parts = tuple(sorted(set(away)))
    means = [
        _mean(points[f"{name}_ratio"].values, points[f"{name}_ratio_se"].values)
        for name in ("minimum", "slope")
    ]
    return BridgeLine(
        line.at,
        points,
        means[0],
        means[1],
        temperatures,
        parts,
        _verdict(points, means, parts, inside),
        line.left_out,
    )


def _slopes(line: SphereLine, observable: str, inside: NDArray[np.bool_]) -> tuple[Array, Array]:
    """dU/dS at each state of the stretch, by the chain rule over the ELR."""
    slope, se = np.full(len(line.elr), np.nan), np.full(len(line.elr), np.nan)
    places = np.flatnonzero(inside)
    if len(places) < _NEAR:
        return slope, se
    zero = np.zeros(_NEAR)
    for i in places:
        near = places[np.argsort(np.abs(np.log(line.elr[places] / line.elr[i])), kind="stable")[:_NEAR]]
        x, at = line.elr[near], float(line.elr[i])
        (u, u_se), (s, s_se) = (
            local_slope(x, zero, line.values[n][near] - shift, line.errors[n][near], at)
            # An entropy is known up to a constant: no power law of it means anything.
            for n, shift in (("loss", 0.0), (observable, float(line.values[observable][near].max())))
        )
        if u > 0 and s > 0:
            slope[i] = u / s
            se[i] = slope[i] * math.hypot(u_se / u, s_se / s)
    return slope, se


def _ratio(a: Array, a_se: Array, b: Array, b_se: Array) -> tuple[Array, Array]:
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = a / b
        return ratio, ratio * np.hypot(a_se / a, np.nan_to_num(b_se) / b)


def _mean(ratio: Array, se: Array) -> MeanRatio | None:
    good = np.isfinite(ratio) & (ratio > 0)
    n = int(good.sum())
    if n < 2:
        return None
    y, errors = np.log(ratio[good]), se[good] / ratio[good]
    if not known(errors):
        return MeanRatio(
            math.exp(y.mean()), math.exp(y.mean()) * y.std(ddof=1) / math.sqrt(n), math.nan, n - 1, n
        )
    weight = 1 / errors**2
    mean = float(np.average(y, weights=weight))
    chi_squared = float(weight @ (y - mean) ** 2)
    spread = math.sqrt(max(chi_squared / (n - 1), 1.0) / float(weight.sum()))
    return MeanRatio(math.exp(mean), math.exp(mean) * spread, chi_squared, n - 1, n)


def _verdict(
    points: xr.Dataset, means: Sequence[MeanRatio | None], parts: Sequence[float], inside: NDArray[np.bool_]
) -> str:
    told = [
        f"{word} over noise temperature {mean}"
        for word, mean in zip(("free-energy", "dU/dS"), means, strict=True)
        if mean is not None
    ]
    if not told:
        return "nothing to compare: no state has a temperature from free-energy minimisation"
    told.append(
        f"the noise temperature lies in the band at {int(points['overlaps'].sum())} of {int(inside.sum())}"
    )
    if parts:
        told.append(f"they part at elr {', '.join(f'{rate:.3g}' for rate in parts)}")
    return "; ".join(told)
