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
from thermograd.analysis.isotropic_law import noise_scale
from thermograd.report.content import Claim, Section, Table, Verdict
from thermograd.report.isotropic_findings import attempt
from thermograd.report.isotropic_verdict import UNLIKELY, impossible, judge, judge_pulls, largest
from thermograd.report.wording import number, percent, percent_with_error, with_error
from thermograd.theory import vmf

__all__ = ["HotFindings", "analyse_hot", "hot_claims", "hot_section"]

Array = NDArray[np.float64]
_ENERGY, _HEAT, _ENTROPY = 0.02, 0.05, 0.02  # relative, of R, of R in nats
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

    """

    states: xr.Dataset
    pooled: LawComparison | str
    heat: HeatCheck | str

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
    return HotFindings(states, attempt(compare_laws, states), attempt(heat_capacities, states))


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


def _slopes(found: HotFindings, heat: HeatCheck) -> tuple[Array, Array, Array, Array, Array]:
    """T, C_V / R measured, its error and exact, and which have two neighbours on both sides."""
    R, T = heat.gas_constant, heat.points["temperature"].values
    inner = np.zeros(len(T), dtype=bool)
    inner[2:-2] = True  # a slope at the end of the temperatures is an extrapolation
    exact = np.asarray(vmf.heat_capacity(T, found.dim)) / R
    return T, heat.points["c_v"].values / R, heat.points["c_v_se"].values / R, exact, inner


def _heat(title: str, found: HotFindings) -> Claim:
    claim = f"V4, {title}: heat capacity C_V of the exact law at each temperature"
    if isinstance(found.heat, str):
        return impossible(claim, found.heat)
    T, c_v, se, exact, inner = _slopes(found, found.heat)
    if not inner.any():
        return impossible(claim, f"{len(T)} temperatures; a slope needs two neighbours on both sides")
    off, pull = np.abs(c_v - exact), np.abs(c_v - exact) / se
    at, by = (int(np.flatnonzero(inner)[np.argmax(each[inner])]) for each in (off, pull))
    measured = (
        f"{int(inner.sum())} temperatures from {number(T[inner][0])} to {number(T[inner][-1])}, C_V / R from "
        f"{with_error(c_v[inner][0], se[inner][0])} (exact {number(exact[inner][0])}) to "
        f"{with_error(c_v[inner][-1], se[inner][-1])} (exact {number(exact[inner][-1])}); largest deviation "
        f"{with_error((c_v - exact)[at], se[at])} at T = {number(T[at])}, largest pull "
        f"{number(pull[by], 2)}. Equipartition says 1"
    )
    n = int(inner.sum())
    chance = 1.0 - math.erf(float(pull[by]) / math.sqrt(2.0)) if np.isfinite(pull[by]) else 1.0
    if 1.0 - (1.0 - chance) ** n < UNLIKELY:
        reason = f"a pull of {number(pull[by], 2)} is no chance among {n} temperatures"
        return Claim(claim, measured, Verdict("fails", "fails", reason))
    reason = f"required: {number(_HEAT)} of R at every temperature, slopes of cubics through five energies"
    return Claim(claim, measured, judge(float(off[at]), float(se[at]), _HEAT, reason))


def _entropy(title: str, found: HotFindings, pooled: LawComparison) -> list[Claim]:
    """Of the temperatures above the coldest four: below them the walk is too slow for its queue."""
    rows: Sequence[LawRow] = pooled.of("entropy_sphere", "finite steps")
    R = (found.dim - 1) / 2
    rows = [row for row in rows if found.temperature(row) * (found.dim - 1) > 1.0]
    if not rows:
        return []
    cold, hot = rows[0], rows[-1]
    _, off = largest(rows)
    change = float(
        np.subtract(*vmf.entropy_sphere([found.temperature(hot), found.temperature(cold)], found.dim))
    )
    measured = (
        f"{len(rows)} temperatures with T (d−1) > 1, over which S changes by {number(change)} nats: off by "
        f"{with_error(cold.deviation, cold.se)} at T = {number(found.temperature(cold))} and "
        f"{with_error(hot.deviation, hot.se)} at T = {number(found.temperature(hot))}, at most "
        f"{with_error(off.deviation, off.se)} nats. What is too low at the cold end is the bias of the "
        f"estimate in {found.dim - 1} dimensions, where the law is a bell; it fades as the law becomes "
        "uniform"
    )
    reason = f"required: {percent(_ENTROPY)} of R, {number(_ENTROPY * R)} nats, at every temperature"
    verdict = judge(abs(off.deviation) / R, off.se / R, _ENTROPY, reason)
    return [Claim(f"{title}: entropy on the sphere of the exact law", measured, verdict)]


def _table(name: str, title: str, found: HotFindings, pooled: LawComparison) -> Table:
    d = found.dim
    slopes: dict[int, tuple[str, str]] = {}
    energies: dict[int, str] = {}
    if isinstance(found.heat, HeatCheck):
        T, c_v, se, exact, _ = _slopes(found, found.heat)
        points = found.heat.points
        for i, t in enumerate(T):
            slopes[_key(t)] = (with_error(c_v[i], se[i]), number(exact[i]))
            energies[_key(t)] = with_error(float(points["energy"][i]), float(points["energy_se"][i]))
    entropies = {row.elr: row for row in pooled.of("entropy_sphere", "finite steps")}
    rows = []
    for row in pooled.of("loss", "finite steps"):
        t = found.temperature(row)
        measured, exact_slope = slopes.get(_key(t), ("–", "–"))
        entropy = entropies.get(row.elr)
        rows.append(
            (
                number(t),
                energies.get(_key(t), "–"),
                percent_with_error(row.deviation, row.se),
                number(row.pull, 2),
                percent(_small_t(t, d)),
                measured,
                exact_slope,
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
        "exact",
        "S_sphere − S_law [nats]",
    )
    note = (
        "T by the hyperparameters. U and S against the exact law at finite steps, the mean over the radii "
        "with the standard error of their scatter; C_V the slope of a cubic through the five nearest "
        "energies, beside that of the exact law. The two first and last slopes lie at the end of the "
        "temperatures and are not tested. S is read from queues, whose bias grows where the directions move "
        "slowly."
    )
    return Table(name, title, columns, tuple(rows), note)


def _small_t(T: float, d: int) -> float:
    """How far the small-T form of the energy is off."""
    return float(vmf.energy_small_t(T, d) / vmf.energy(T, d)) - 1.0


def _key(T: float) -> int:
    """One number for temperatures that are one level: measured ones differ by their errors alone."""
    return round(10 * math.log(T))
