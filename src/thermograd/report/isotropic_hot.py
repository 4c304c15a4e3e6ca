"""Hot states of the isotropic model: not a cold gas, but the von Mises-Fisher law all the same."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thermograd.analysis.heat import HeatCheck, heat_capacities
from thermograd.analysis.isotropic import LawComparison, LawRow, compare_laws
from thermograd.analysis.isotropic_law import finite_step_on_grid, noise_scale
from thermograd.report.content import Claim, Section, Table, Verdict
from thermograd.report.isotropic_findings import attempt
from thermograd.report.isotropic_verdict import UNLIKELY, impossible, judge, judge_pulls, largest
from thermograd.report.wording import number, percent, percent_with_error, with_error
from thermograd.theory import vmf

__all__ = ["HotFindings", "analyse_hot", "hot_claims", "hot_section"]

Array = NDArray[np.float64]
_ENERGY, _HEAT, _ENTROPY = 0.02, 0.1, 0.02  # relative errors; nats, of R
_FAR = (0.3, 1.0)  # temperatures at which the small-T form is quoted


@dataclass(frozen=True)
class HotFindings:
    """What hot states say.

    Attributes
    ----------
    states
        The states themselves.
    pooled
        Energy and entropy against the exact law, pooled over the radii.
    heat
        Energies and local slopes by temperature.
    heat_law
        The same of the law's energies at the same temperatures and with the same errors: what a slope through
        five points misses of the derivative, it misses in both.

    """

    states: xr.Dataset
    pooled: LawComparison | str
    heat: HeatCheck | str
    heat_law: HeatCheck | str

    @property
    def dim(self) -> int:
        """Number of weights."""
        return int(self.states.attrs["dim"])

    def temperature(self, row: LawRow) -> float:
        """Temperature of a level, by its hyperparameters."""
        return row.elr * noise_scale(self.states) ** 2 / 2


def analyse_hot(states: xr.Dataset) -> HotFindings:
    """Energy, heat capacity and entropy of hot states.

    Parameters
    ----------
    states
        Stationary states of the isotropic model, several at each temperature.

    """
    heat_law = attempt(lambda given: heat_capacities(given.assign(loss=_law(given))), states)
    return HotFindings(states, attempt(compare_laws, states), attempt(heat_capacities, states), heat_law)


def _law(states: xr.Dataset) -> xr.DataArray:
    loss = states["loss"]
    law = finite_step_on_grid(states)["loss"].broadcast_like(loss).transpose(*loss.dims)
    return loss.copy(data=law.values)


def hot_section(hot: Mapping[str, HotFindings]) -> Section:
    """A table for each set of hot states, a row for each temperature.

    Parameters
    ----------
    hot
        Results by title.

    """
    tables, remarks = [], []
    for i, (title, found) in enumerate(hot.items(), start=1):
        for each in (found.pooled, found.heat):
            if isinstance(each, str):
                remarks.append(f"{title}: not tested; {each}")
        if isinstance(found.pooled, LawComparison):
            tables.append(_table(f"hot-{i}", title, found, found.pooled))
    intro = (
        "Where T is not small the cloud of directions covers the sphere. The energy then rises less than "
        "(d−1)T/2, the heat capacity falls, and the exact law has to be used. A fit of the cold limit would "
        "be an extrapolation from nowhere: these states are tested temperature by temperature."
    )
    return Section("hot", "Hot states", (intro, *remarks), tables=tuple(tables))


def hot_claims(title: str, found: HotFindings) -> list[Claim]:
    """Energy, heat capacity and entropy of one set of hot states against the exact law.

    Parameters
    ----------
    title
        What to call the states.
    found
        Results of `analyse_hot`.

    """
    claims = []
    if isinstance(found.pooled, str):
        claims.append(impossible(f"{title}: energy U of the exact law", found.pooled))
    else:
        claims.append(_energy(title, found, found.pooled))
    claims.append(_heat(title, found))
    if isinstance(found.pooled, LawComparison):
        claims += _entropy(title, found, found.pooled)
    return claims


def _energy(title: str, found: HotFindings, pooled: LawComparison) -> Claim:
    rows, small = pooled.of("loss", "finite steps"), pooled.of("loss", "small steps")
    pull, off = largest(rows)
    far = ", ".join(f"{percent(_small_t(T, found.dim))} at T = {number(T)}" for T in _FAR)
    errors = [row.se for row in rows]
    measured = (
        f"{len(rows)} temperatures from {number(found.temperature(rows[0]))} to "
        f"{number(found.temperature(rows[-1]))}, pooled to {percent(min(errors))} to {percent(max(errors))}: "
        f"largest pull {number(pull.pull, 2)}, {percent_with_error(pull.deviation, pull.se)} at "
        f"T = {number(found.temperature(pull))}; largest deviation "
        f"{percent_with_error(off.deviation, off.se)} at T = {number(found.temperature(off))}. Largest pull "
        f"from the law of small steps {number(largest(small)[0].pull, 2)}. The small-T form is off by {far}"
    )
    reason = f"law of finite steps; required: 3 standard errors, and these below {percent(_ENERGY)}"
    return Claim(f"{title}: energy U of the exact law", measured, judge_pulls(rows, _ENERGY, reason))


@dataclass(frozen=True)
class _Slopes:
    """``C_V / R`` over temperature: measured, in the same way from the law's energies, and exact."""

    T: Array
    measured: Array
    se: Array
    law: Array
    exact: Array

    @property
    def inner(self) -> slice:
        """Temperatures with two neighbours on both sides: slopes at the ends are extrapolations."""
        return slice(2, len(self.T) - 2)


def _slopes(found: HotFindings) -> _Slopes | str:
    heat, heat_law = found.heat, found.heat_law
    if isinstance(heat, str):
        return heat
    if isinstance(heat_law, str):
        return heat_law
    R, points = heat.gas_constant, heat.points
    T, law = points["temperature"].values, heat_law.points["c_v"].values / R
    exact = np.asarray(vmf.heat_capacity(T, found.dim)) / R
    return _Slopes(T, points["c_v"].values / R, points["c_v_se"].values / R, law, exact)


def _heat(title: str, found: HotFindings) -> Claim:
    claim = f"V4, {title}: heat capacity C_V of the exact law at each temperature"
    slopes = _slopes(found)
    if isinstance(slopes, str):
        return impossible(claim, slopes)
    T, c_v, se, law = (each[slopes.inner] for each in (slopes.T, slopes.measured, slopes.se, slopes.law))
    exact = slopes.exact[slopes.inner]
    if not len(T):
        return impossible(claim, f"{len(slopes.T)} temperatures; a slope needs two neighbours on both sides")
    relative, error, pull = c_v / law - 1.0, se / law, (c_v - law) / se
    at, by = (int(np.argmax(np.abs(each))) for each in (relative, pull))
    measured = (
        f"{len(T)} temperatures from {number(T[0])} to {number(T[-1])}, C_V / R from "
        f"{with_error(c_v[0], se[0])} (exact {number(exact[0])}) to {with_error(c_v[-1], se[-1])} (exact "
        f"{number(exact[-1])}). From the same slopes of the law's energies: largest deviation "
        f"{percent_with_error(relative[at], error[at])}, at T = {number(T[at])}, largest pull "
        f"{number(pull[by], 2)}, at T = {number(T[by])}. Equipartition says 1"
    )
    n, coarsest = len(T), float(error.max())
    # By a normal law: errors of slopes are of many states. 1 - (1 - p)^n for the largest of n pulls.
    chance = -math.expm1(n * math.log1p(-math.erfc(abs(float(pull[by])) / math.sqrt(2.0))))
    if chance < UNLIKELY:
        reason = f"a pull of {number(pull[by], 2)} has a chance of {number(chance, 2)} among {n} temperatures"
        return Claim(claim, measured, Verdict("fails", "fails", reason))
    if not coarsest <= _HEAT:
        reason = f"the largest standard error, {percent(coarsest)} of the law, is too large"
        return Claim(claim, measured, Verdict("open", "undecided", reason))
    reason = (
        f"the largest pull has a chance of {number(chance, 2)}; required: 3 standard errors, and these below "
        f"{percent(_HEAT)} of the law"
    )
    return Claim(claim, measured, Verdict("holds", "holds", reason))


def _entropy(title: str, found: HotFindings, pooled: LawComparison) -> list[Claim]:
    """Where T (d-1) > 1: colder, a queue of affordable length is too short for the walk."""
    R = (found.dim - 1) / 2
    every: Sequence[LawRow] = pooled.of("entropy_sphere", "finite steps")
    rows = [row for row in every if found.temperature(row) * (found.dim - 1) > 1.0]
    if not rows:
        return []
    _, off = largest(rows)
    ends = [found.temperature(row) for row in (rows[-1], rows[0])]
    weights = np.array([1.0 / row.se**2 for row in rows])
    mean = float(np.average([row.deviation for row in rows], weights=weights))
    se = float(weights.sum() ** -0.5)
    bias = f": the estimate's bias in {found.dim - 1} dimensions" if abs(mean) > 3 * se else ""
    colder = [row for row in every if row not in rows]
    lost = (
        ". Colder, where the queue is too short for the walk, "
        f"{with_error(colder[0].deviation, colder[0].se)} at T = {number(found.temperature(colder[0]))}"
        if colder
        else ""
    )
    measured = (
        f"{len(rows)} temperatures from {number(ends[1])} to {number(ends[0])}, over which S changes by "
        f"{number(float(np.subtract(*vmf.entropy_sphere(ends, found.dim))))} nats: off by "
        f"{with_error(mean, se)} nats on average{bias}; at most {with_error(off.deviation, off.se)} at "
        f"T = {number(found.temperature(off))}{lost}"
    )
    reason = f"required: {percent(_ENTROPY)} of R, {number(_ENTROPY * R)} nats, at every temperature"
    verdict = judge(abs(off.deviation) / R, off.se / R, _ENTROPY, reason)
    return [Claim(f"{title}: entropy on the sphere of the exact law", measured, verdict)]


def _table(name: str, title: str, found: HotFindings, pooled: LawComparison) -> Table:
    d = found.dim
    slopes: dict[int, tuple[str, str, str]] = {}
    energies: dict[int, str] = {}
    given = _slopes(found)
    if isinstance(found.heat, HeatCheck) and not isinstance(given, str):
        points = found.heat.points
        for i, t in enumerate(given.T):
            measured = with_error(given.measured[i], given.se[i])
            slopes[_key(t)] = (measured, number(given.law[i]), number(given.exact[i]))
            energies[_key(t)] = with_error(float(points["energy"][i]), float(points["energy_se"][i]))
    entropies = {row.elr: row for row in pooled.of("entropy_sphere", "finite steps")}
    rows = []
    for row in pooled.of("loss", "finite steps"):
        t = found.temperature(row)
        entropy = entropies.get(row.elr)
        rows.append(
            (
                number(t),
                energies.get(_key(t), "–"),
                percent_with_error(row.deviation, row.se),
                number(row.pull, 2),
                percent(_small_t(t, d)),
                *slopes.get(_key(t), ("–", "–", "–")),
                with_error(entropy.deviation, entropy.se) if entropy else "–",
            )
        )
    columns = (
        "T",
        "U",
        "U / U_law − 1",
        "pull",
        "small-T form / exact − 1",
        "C_V / R",
        "same slope of the law",
        "exact",
        "S_sphere − S_law [nats]",
    )
    note = (
        "T by the hyperparameters. U and S against the exact law at finite steps, the mean over the radii "
        "with the standard error of their scatter; C_V the slope of a cubic through the five nearest "
        "energies, beside the same slope of the law's energies and the exact derivative. The two first and "
        "last slopes lie at the end of the temperatures and are not tested. S is read from queues, whose "
        "bias grows where the directions move slowly."
    )
    return Table(name, title, columns, tuple(rows), note)


def _small_t(T: float, d: int) -> float:
    """How far the small-T form of the energy is off."""
    return float(vmf.energy_small_t(T, d) / vmf.energy(T, d)) - 1.0


def _key(T: float) -> int:
    """One number for temperatures that are one level: measured ones differ by their errors alone."""
    return round(10 * math.log(T))
