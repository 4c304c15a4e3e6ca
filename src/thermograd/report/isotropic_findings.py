"""Every analysis of the isotropic model's states, or the reason in words why it could not be made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thermograd.analysis.adiabat import AdiabatCheck, entropy_along
from thermograd.analysis.heat import HeatCheck, heat_capacities
from thermograd.analysis.points import select
from thermograd.analysis.potentials import PotentialCheck, potentials
from thermograd.analysis.slopes import SlopeCheck, log_log_slopes
from thermograd.errors import InputError
from thermograd.analysis.isotropic_law import finite_step_on_grid, law_on_grid
from thermograd.protocol import Protocol
from thermograd.report.findings import Findings, analyse

__all__ = [
    "SMALL_T",
    "AdiabatFindings",
    "AdiabatRun",
    "Deviation",
    "IsotropicExtras",
    "IsotropicFindings",
    "analyse_adiabat",
    "analyse_isotropic",
    "attempt",
]

Array = NDArray[np.float64]
Given = TypeVar("Given")
Result = TypeVar("Result")

SMALL_T = "small T"
"""The published form of the law, for small steps and low temperatures."""

_LAWS = {"small_t": SMALL_T, "exact": "small steps", "finite_step": "finite steps"}


@dataclass(frozen=True)
class AdiabatRun:
    """States measured along an adiabat, and along a path that is none.

    Attributes
    ----------
    along
        States of a single grid point each, in order along the adiabat.
    contrast
        The same along other paths, by their words.
    curves
        Predicted curves to draw beside the path, by their words.

    """

    along: Sequence[xr.Dataset]
    contrast: Mapping[str, Sequence[xr.Dataset]] = field(default_factory=dict)
    curves: Mapping[str, Sequence[Protocol]] = field(default_factory=dict)


@dataclass(frozen=True)
class IsotropicExtras:
    """What a report of the isotropic model can show beside the three grids.

    Attributes
    ----------
    predictions
        By protocol name, then by words: datasets over the grid that hold ``loss``, ``entropy_sphere``,
        ``norm`` or ``effective_wd``. The finite-step law is there already.
    adiabats
        Runs along adiabats, by title.
    hot
        States of other dimensions or temperatures, for the heat capacities only, by title.

    """

    predictions: Mapping[str, Mapping[str, xr.Dataset]] = field(default_factory=dict)
    adiabats: Mapping[str, AdiabatRun] = field(default_factory=dict)
    hot: Mapping[str, xr.Dataset] = field(default_factory=dict)


@dataclass(frozen=True)
class Deviation:
    """How far measured states lie from a law of the stationary distribution.

    Attributes
    ----------
    observable
        ``loss``, off by ``measured / law - 1``; or ``entropy_sphere``, off by ``(measured - law) / R``.
    law
        Which version of the law, in words.
    n
        Number of states.
    median, worst
        Of the absolute deviations.
    se
        Median standard error of a deviation; NaN where errors are not known.
    worst_se, worst_at
        Standard error of the worst, and where it is.
    pull
        Median of the absolute deviations over their standard errors; 0.67 if there is nothing but these.

    """

    observable: str
    law: str
    n: int
    median: float
    se: float
    worst: float
    worst_se: float
    worst_at: dict[str, float]
    pull: float


@dataclass(frozen=True)
class IsotropicFindings:
    """What the states of one protocol say; a text in place of a result says why there is none.

    Attributes
    ----------
    findings
        The analyses that need no model.
    deviations
        From the von Mises-Fisher law.
    potentials, slopes, heat
        Results of :mod:`thermograd.analysis`.
    predictions
        To draw: the finite-step law where it is known, and what was passed in.

    """

    findings: Findings
    deviations: tuple[Deviation, ...] | str
    potentials: PotentialCheck | str
    slopes: SlopeCheck | str
    heat: HeatCheck | str
    predictions: dict[str, xr.Dataset]

    @property
    def states(self) -> xr.Dataset:
        """The states themselves."""
        return self.findings.states


@dataclass(frozen=True)
class AdiabatFindings:
    """What an adiabat's run says, and each path beside it."""

    run: AdiabatRun
    along: AdiabatCheck | str
    contrast: dict[str, AdiabatCheck | str]


def analyse_isotropic(
    states: xr.Dataset, predictions: Mapping[str, xr.Dataset] | None = None
) -> IsotropicFindings:
    """Make every analysis that these states allow.

    Parameters
    ----------
    states
        Stationary states of one protocol of the isotropic model.
    predictions
        More predictions over the same grid, by their words.

    """
    finite = attempt(finite_step_on_grid, states)
    own = {} if isinstance(finite, str) else {"finite-step law": finite}
    return IsotropicFindings(
        analyse(states),
        attempt(_deviations, states),
        attempt(potentials, states),
        attempt(log_log_slopes, states),
        attempt(heat_capacities, states),
        {**own, **(predictions or {})},
    )


def analyse_adiabat(run: AdiabatRun) -> AdiabatFindings:
    """Test the entropies along an adiabat and the paths beside it.

    Parameters
    ----------
    run
        The states measured along them.

    """
    contrast = {words: attempt(entropy_along, list(states)) for words, states in run.contrast.items()}
    return AdiabatFindings(run, attempt(entropy_along, list(run.along)), contrast)


def attempt(analysis: Callable[[Given], Result], given: Given) -> Result | str:
    """The result of an analysis, or in its place the reason why it refuses."""
    try:
        return analysis(given)
    except InputError as error:
        return str(error)


def _deviations(states: xr.Dataset) -> tuple[Deviation, ...]:
    law, finite = law_on_grid(states), attempt(finite_step_on_grid, states)
    R = (int(states.attrs["dim"]) - 1) / 2
    found = []
    for name in ("loss", "entropy_sphere"):
        points = select(states, [name])
        if len(points) == 0:
            raise InputError(f"exact law: none of the {states['status'].size} runs can be used")
        for key, words in _LAWS.items():
            if key == "finite_step":
                if isinstance(finite, str):
                    continue
                expected = finite[name]
            else:
                expected = law[name if key == "exact" else f"{name}_small_t"]
            grid = expected.broadcast_like(points.used).transpose(*points.used.dims)
            value = grid.values[points.used.values]
            unit = value if name == "loss" else np.full_like(value, R)
            off, se = (points.values[name] - value) / unit, np.abs(points.errors[name] / unit)
            found.append(_deviation(name, words, off, se, points.axes))
    return tuple(found)


def _deviation(name: str, words: str, off: Array, se: Array, axes: Mapping[str, Array]) -> Deviation:
    known = np.isfinite(off)
    off, se = off[known], se[known]
    worst = int(np.argmax(np.abs(off)))
    certain = np.isfinite(se) & (se > 0)
    return Deviation(
        name,
        words,
        len(off),
        float(np.median(np.abs(off))),
        float(np.median(se[certain])) if certain.any() else np.nan,
        float(off[worst]),
        float(se[worst]),
        {axis: float(values[known][worst]) for axis, values in axes.items()},
        float(np.median(np.abs(off[certain]) / se[certain])) if certain.any() else np.nan,
    )
