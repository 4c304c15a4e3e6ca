"""Every analysis of the isotropic model's states, or the reason in words why it could not be made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thermograd.analysis.adiabat import AdiabatCheck, entropy_along
from thermograd.analysis.heat import HeatCheck, heat_capacities
from thermograd.analysis.isotropic import LawComparison, compare_laws
from thermograd.analysis.isotropic_law import finite_step_on_grid, law_on_grid, started_on_grid
from thermograd.analysis.points import Points, select
from thermograd.analysis.potentials import PotentialCheck, potentials
from thermograd.analysis.slopes import SlopeCheck, log_log_slopes
from thermograd.errors import InputError
from thermograd.report.findings import Findings, analyse
from thermograd.report.isotropic_extras import AdiabatRun

__all__ = [
    "SMALL_T",
    "STARTED",
    "AdiabatFindings",
    "Deviation",
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

STARTED = "finite steps, from the start"
"""The law of the radius for a run that has not forgotten where it began."""

_UNSETTLED = ("equilibrium", "converging", "not-stationary")
_LAWS = {"small_t": SMALL_T, "exact": "small steps", "finite_step": "finite steps"}


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
        From the von Mises-Fisher law, state by state.
    pooled
        The same and the radius for all states of one temperature, against predictions passed in too.
    started
        The radius of all states, settled or not, beside the one expected of runs that remember their start;
        None where nothing is left of it to expect.
    potentials, slopes, heat
        Results of :mod:`thermograd.analysis`.
    predictions
        To draw: the finite-step law where it is known, and what was passed in.

    """

    findings: Findings
    deviations: tuple[Deviation, ...] | str
    pooled: LawComparison | str
    started: LawComparison | str | None
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
    own = {} if isinstance(finite, str) else {"finite steps": finite}
    return IsotropicFindings(
        analyse(states),
        attempt(_deviations, states),
        attempt(lambda given: compare_laws(given, laws=predictions), states),
        attempt(_from_the_start, states),
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


def _from_the_start(states: xr.Dataset) -> LawComparison | None:
    """Of every status: those that have not settled are the point."""
    started = started_on_grid(states)
    return None if started is None else compare_laws(states, laws={STARTED: started}, statuses=_UNSETTLED)


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
            value = _at(points, expected)
            unit = value if name == "loss" else np.full_like(value, R)
            off, se = (points.values[name] - value) / unit, np.abs(points.errors[name] / unit)
            if key == "small_t" and not _differs(value, _at(points, law[name]), unit, se):
                continue  # the same numbers once more
            found.append(_deviation(name, words, off, se, points.axes))
    return tuple(found)


def _at(points: Points, values: xr.DataArray) -> Array:
    grid = values.broadcast_like(points.used).transpose(*points.used.dims)
    return np.asarray(grid.values[points.used.values], dtype=np.float64)


def _differs(cold: Array, exact: Array, unit: Array, se: Array) -> bool:
    """Whether two laws differ anywhere by more than what is measured is uncertain."""
    known = se[np.isfinite(se)]
    typical = float(np.median(known)) if known.size else 0.0
    return bool(np.any(np.abs((cold - exact) / unit) > np.where(np.isfinite(se), se, typical)))


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
