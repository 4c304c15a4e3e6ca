"""States of the isotropic model against its laws, pooled over the states that have one temperature."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import stdtr

from thermograd.analysis.isotropic_law import finite_step_on_grid, law_on_grid, noise_scale
from thermograd.analysis.points import LeftOut, Points, select
from thermograd.errors import InputError

__all__ = ["LawComparison", "LawRow", "compare_laws", "family_chance"]

Array = NDArray[np.float64]
_PER_DECADE = 8  # levels of the ELR that are pooled: those of the published grids


@dataclass(frozen=True)
class LawRow:
    """One observable against one law, pooled over states of one temperature.

    Attributes
    ----------
    observable
        ``loss``, ``entropy_sphere``, and ``norm`` or ``effective_wd``.
    law
        ``small steps`` (the von Mises-Fisher law, the radius of the SDE), ``finite steps``
        (`thermograd.theory.isotropic`; for the radius fluctuations of ``|g|^2`` too), ``Pythagoras`` (the
        finite-step radius without fluctuations), or the name of a law passed in.
    elr
        Effective learning rate, geometric mean over the states.
    n
        Number of states.
    deviation, se
        Mean of ``measured / law - 1``, of ``measured - law`` in nats for entropies, and its standard error
        from the scatter between the states, which are independent.
    span
        Correlation times in a queue, the fewest among the states; NaN but for a law that says it
        (`thermograd.analysis.isotropic_law.queue_on_grid`).

    """

    observable: str
    law: str
    elr: float
    n: int
    deviation: float
    se: float
    span: float = math.nan

    @property
    def pull(self) -> float:
        """The deviation in standard errors."""
        return self.deviation / self.se

    @property
    def chance(self) -> float:
        """Of a pull this large or larger where the law is right: Student's law, for so few states.

        Examples
        --------
        Three standard errors of four states are no rare event:

        >>> print(round(LawRow("loss", "small steps", 0.01, 4, 0.003, 0.001).chance, 3))
        0.058

        """
        return float(2.0 * stdtr(self.n - 1, -abs(self.pull)))


@dataclass(frozen=True)
class LawComparison:
    """Every observable against every law, a row for each level of the effective learning rate.

    Attributes
    ----------
    protocol
        Its name.
    rows
        By observable, law and ELR, in this order.
    left_out
        States not used.

    """

    protocol: str
    rows: tuple[LawRow, ...]
    left_out: tuple[LeftOut, ...]

    def of(self, observable: str, law: str) -> tuple[LawRow, ...]:
        """The rows of one observable and law, the smallest ELR first."""
        return tuple(row for row in self.rows if (row.observable, row.law) == (observable, law))


def compare_laws(
    states: xr.Dataset,
    *,
    laws: Mapping[str, xr.Dataset] | None = None,
    fewest: int = 4,
    statuses: tuple[str, ...] = ("equilibrium",),
) -> LawComparison:
    """Pool the states of the isotropic model by temperature and compare them with theory.

    States of one effective learning rate have one law of the direction, whatever radius or decay; their means
    scatter by chance alone, so the error of the pooled mean needs no model.

    Parameters
    ----------
    states
        Stationary states of the isotropic model; attributes ``dim`` and ``sigma``.
    laws
        Further laws by name: datasets over the grid that hold some of the observables.
    fewest
        States that a level needs, at least 3.
    statuses
        Statuses of states to use.

    Returns
    -------
    LawComparison
        Rows with error bars.

    Raises
    ------
    InputError
        When the dataset breaks the schema or is not of the isotropic model, or no level has enough states.

    References
    ----------
    IG section 5 and appendix D; `thermograd.theory.isotropic` for finite steps.

    Examples
    --------
    >>> from thermograd.protocol import FixedSphere
    >>> from thermograd.states import new_states
    >>> grid = FixedSphere.grid(elr=[0.01], radius=[0.5, 1.0, 2.0, 4.0])
    >>> measured = {"loss": [[0.00505, 0.00495, 0.0052, 0.0050]]}
    >>> found = compare_laws(new_states(grid, measured, dim=3, attrs={"sigma": 1.0}))
    >>> row = found.of("loss", "small steps")[0]
    >>> f"{row.deviation:.3f} +- {row.se:.3f}"
    '0.010 +- 0.011'

    """
    if fewest < 3:
        raise InputError(f"isotropic laws: fewest is {fewest}; expected at least 3")
    exact, finite = law_on_grid(states), finite_step_on_grid(states)
    radius = "effective_wd" if states.attrs["protocol"] == "FixedSphere" else "norm"
    pythagoras = xr.Dataset({radius: exact[f"{radius}_finite_step"]})
    compared = {"small steps": exact, "finite steps": finite, "Pythagoras": pythagoras, **(laws or {})}
    rows: list[LawRow] = []
    left_out: tuple[LeftOut, ...] = ()
    for observable in ("loss", "entropy_sphere", radius):
        if observable not in states:
            continue
        points = select(states, [observable], statuses)
        left_out = max(left_out, points.left_out, key=len)
        rate = _at(points, 2.0 * exact["temperature"] / noise_scale(states) ** 2)
        level = np.round(_PER_DECADE * np.log10(rate)).astype(int)
        for law, values in compared.items():
            if observable in values:
                expected = _at(points, values[observable])
                difference = points.values[observable] - expected
                off = difference if observable == "entropy_sphere" else difference / expected
                span = np.full(len(points), np.nan)
                if observable == "entropy_sphere" and "queue_span" in values:
                    span = _at(points, values["queue_span"])
                rows += _pooled(observable, law, level, rate, off, span, fewest)
    if not rows:
        raise InputError(
            f"isotropic laws: no level of the effective learning rate has {fewest} states of status "
            f"{list(statuses)} among {states['status'].size}"
        )
    return LawComparison(str(states.attrs["protocol"]), tuple(rows), left_out)


def family_chance(rows: Sequence[LawRow]) -> float:
    """Chance of the largest pull among these rows where the law is right in all of them.

    The more levels are looked at, the larger is the largest pull by chance alone: ``1 - (1 - p)^n`` of the
    smallest chance ``p`` of a single one.

    Parameters
    ----------
    rows
        Levels of one observable against one law, which are independent.

    Returns
    -------
    float
        1 where there are no rows.

    Examples
    --------
    >>> rows = [LawRow("loss", "small steps", elr, 17, pull, 1.0) for elr, pull in ((0.01, 3.0), (0.1, 0.5))]
    >>> print(round(rows[0].chance, 4), round(family_chance(rows), 4))
    0.0085 0.0169

    """
    least = min((row.chance for row in rows), default=1.0)
    return float(-np.expm1(len(rows) * np.log1p(-least))) if least < 1 else 1.0


def _at(points: Points, values: xr.DataArray) -> Array:
    grid = values.broadcast_like(points.used).transpose(*points.used.dims)
    return np.asarray(grid.values[points.used.values], dtype=np.float64)


def _pooled(
    observable: str,
    law: str,
    level: NDArray[np.int_],
    rate: Array,
    off: Array,
    span: Array,
    fewest: int,
) -> list[LawRow]:
    rows = []
    for each in np.unique(level):
        here = (level == each) & np.isfinite(off)
        n = int(here.sum())
        if n >= fewest:
            se = float(off[here].std(ddof=1) / np.sqrt(n))
            mean_rate = float(np.exp(np.log(rate[here]).mean()))
            least = float(span[here].min())
            rows.append(LawRow(observable, law, mean_rate, n, float(off[here].mean()), se, least))
    return rows
