"""Anisotropic noise: the energy knows its sum alone, the entropy its shape, and F is not minimal any more."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from thermograd.analysis.isotropic_law import noise_scale
from thermograd.analysis.points import select
from thermograd.errors import InputError
from thermograd.report.content import Claim, Section, Table
from thermograd.report.isotropic_extras import AnisotropyRun
from thermograd.report.isotropic_findings import attempt
from thermograd.report.isotropic_verdict import impossible, judge
from thermograd.report.wording import number, percent, percent_with_error, with_error
from thermograd.theory.harmonic import energy_correction, harmonic_law

__all__ = [
    "AnisotropyFindings",
    "analyse_anisotropy",
    "anisotropy_claims",
    "anisotropy_section",
    "cloud_variances",
]

_ENERGY, _ENTROPY = 0.01, 0.03  # relative; nats
_INTRO = (
    "With noise of another strength in every direction the stationary law is an ellipsoid and no Gibbs law. "
    "Near the minimum it is known: every direction is an oscillator of its own. The sum of the noise sets "
    "the energy; the entropy is that of the ellipsoid, less than the ball's of the same energy by (d−1)/2 "
    "times the logarithm of the arithmetic over the geometric mean of the variances. U − T S then lies above "
    "its minimum by T times that: SGD does not minimise it."
)
_NOTE = (
    "Means over the radii with the standard error of their scatter. U: over the oscillators' law with the "
    "first correction for the sphere's curvature. Deficit: the entropy of isotropic noise, measured in the "
    "same way, less this one; what the law says is beside it. Excess: of U − T S over that of isotropic "
    "noise, in units of T."
)


@dataclass(frozen=True)
class AnisotropyFindings:
    """What anisotropic states say: a table over the anisotropy, or why there is none.

    Attributes
    ----------
    run
        The states.
    points
        Over ``anisotropy``: ``energy``, ``entropy``, ``deficit`` (of the entropy, against isotropic noise)
        and ``excess`` (of ``(U - T S) / T``), each with ``_se`` and ``_law``; attributes ``dim``, ``elr`` and
        ``temperature``.

    """

    run: AnisotropyRun
    points: xr.Dataset | str


def analyse_anisotropy(run: AnisotropyRun) -> AnisotropyFindings:
    """Pool the states of each anisotropy and set them beside the oscillators' law.

    Parameters
    ----------
    run
        States by anisotropy.

    """
    return AnisotropyFindings(run, attempt(_points, run))


def anisotropy_section(found: Sequence[AnisotropyFindings]) -> Section:
    """A table over the anisotropy for each dimension.

    Parameters
    ----------
    found
        Results.

    """
    tables, remarks = [], []
    for each in found:
        if isinstance(each.points, str):
            remarks.append(f"Not tested; {each.points}")
            continue
        tables.append(_table(each.points))
    return Section("anisotropy", "Anisotropic noise", (_INTRO, *remarks), tables=tuple(tables))


def anisotropy_claims(found: AnisotropyFindings) -> list[Claim]:
    """Energy unchanged, entropy short of the Gibbs law's, free energy not minimal.

    Parameters
    ----------
    found
        Results of one dimension.

    """
    if isinstance(found.points, str):
        return [impossible("Anisotropic noise: the energy stays, the entropy falls", found.points)]
    points, name = found.points, f"Anisotropic noise, d = {found.points.attrs['dim']}"
    uneven = points.isel(anisotropy=slice(1, None))
    ratio, ratio_se = uneven["energy"] / uneven["energy_law"] - 1, uneven["energy_se"] / uneven["energy_law"]
    at = int(np.argmax(np.abs(ratio.values)))
    off, off_se = float(ratio[at]), float(ratio_se[at])
    even = points.isel(anisotropy=0)
    change = float((uneven["energy"] / even["energy"] - 1)[-1])
    change_se = math.hypot(
        float((uneven["energy_se"] / even["energy"])[-1]), float(even["energy_se"] / even["energy"])
    )
    last = uneven.isel(anisotropy=-1)
    a = number(float(last["anisotropy"]))
    energy = Claim(
        f"{name}: the energy is unchanged",
        f"U at a = {a} over that of isotropic noise, less 1: {percent_with_error(change, change_se)}; at "
        f"most {percent_with_error(off, off_se)} from the oscillators' law",
        judge(abs(off), off_se, _ENERGY, f"required: {percent(_ENERGY)} of the law at every anisotropy"),
    )
    gap = (uneven["deficit"] - uneven["deficit_law"]).values
    worst = int(np.argmax(np.abs(gap)))
    entropy = Claim(
        f"{name}: the entropy falls short of the Gibbs law's by (d−1)/2 log(AM/GM)",
        f"at a = {a} by {_value(last, 'deficit')} nats, predicted {number(float(last['deficit_law']))}; at "
        f"most {with_error(float(gap[worst]), float(uneven['deficit_se'][worst]))} from the prediction",
        judge(
            float(abs(gap[worst])),
            float(uneven["deficit_se"][worst]),
            _ENTROPY,
            f"required: {number(_ENTROPY)} nats at every anisotropy",
        ),
    )
    excess, excess_se = float(last["excess"]), float(last["excess_se"])
    free = Claim(
        f"{name}: so U − T S is not minimal",
        f"at a = {a} it lies {with_error(excess, excess_se)} T above that of isotropic noise, predicted "
        f"{number(float(last['excess_law']))} T: {number(excess / excess_se, 2)} standard errors above the "
        "minimum",
        judge(
            abs(excess - float(last["excess_law"])),
            excess_se,
            _ENTROPY,
            f"required: the prediction to {number(_ENTROPY)} T",
        ),
    )
    return [energy, entropy, free]


def cloud_variances(run: AnisotropyRun) -> list[float]:
    """Variances of the tangent coordinates of a run's cloud by the oscillators' law, largest anisotropy.

    Parameters
    ----------
    run
        States at ``d = 3`` with a cloud.

    """
    states = run.states[max(run.states)]
    noise = noise_scale(states) ** 2 * np.atleast_1d(np.asarray(states.attrs["spectrum"], dtype=np.float64))
    return [float(v) for v in harmonic_law(float(states["elr"].values[0]), noise).variance]


def _points(run: AnisotropyRun) -> xr.Dataset:
    if 0.0 not in run.states or len(run.states) < 2:
        given = ", ".join(number(a) for a in run.states)
        raise InputError(f"anisotropy: states are of {given or 'none'}; expected 0 and another one at least")
    rows = []
    order = sorted(run.states)
    for a in order:
        states = run.states[a]
        elr = float(states["elr"].values[0])
        noise = noise_scale(states) ** 2 * np.atleast_1d(
            np.asarray(states.attrs["spectrum"], dtype=np.float64)
        )
        law = harmonic_law(elr, noise)
        values = select(states, ["loss", "entropy_sphere"]).values
        U, S = values["loss"], values["entropy_sphere"]
        if len(U) < 2:
            raise InputError(
                f"anisotropy: {len(U)} states at a = {number(a)} can be used; expected at least 2"
            )
        free = U / law.temperature - S
        n = math.sqrt(len(U))
        row = {"energy_law": law.energy * (1.0 + energy_correction(elr, noise)), "entropy_law": law.entropy}
        row |= {"free_law": law.free_energy / law.temperature, "temperature": law.temperature}
        for key, each in (("energy", U), ("entropy", S), ("free", free)):
            row |= {key: float(each.mean()), f"{key}_se": float(each.std(ddof=1)) / n}
        rows.append(row)
    table = xr.Dataset(
        {key: ("anisotropy", [row[key] for row in rows]) for key in rows[0]}, {"anisotropy": order}
    )
    even = table.isel(anisotropy=0)
    # Against isotropic noise measured in the same way: what the estimator misses, it misses in both.
    for key, of, sign in (("deficit", "entropy", -1.0), ("excess", "free", 1.0)):
        table[key] = sign * (table[of] - even[of])
        table[f"{key}_law"] = sign * (table[f"{of}_law"] - even[f"{of}_law"])
        table[f"{key}_se"] = np.hypot(table[f"{of}_se"], even[f"{of}_se"])
    attrs = {"dim": int(run.states[0.0].attrs["dim"]), "elr": elr, "temperature": rows[0]["temperature"]}
    return table.assign_attrs(attrs)


def _value(point: xr.Dataset, name: str) -> str:
    return with_error(float(point[name]), float(point[f"{name}_se"]))


def _table(points: xr.Dataset) -> Table:
    d = int(points.attrs["dim"])
    rows = []
    for i in range(points.sizes["anisotropy"]):
        point = points.isel(anisotropy=i)
        first = i == 0  # compared with itself
        law = float(point["energy_law"])
        rows.append(
            (
                number(float(point["anisotropy"])),
                _value(point, "energy"),
                percent_with_error(float(point["energy"]) / law - 1, float(point["energy_se"]) / law),
                _value(point, "entropy"),
                number(float(point["entropy_law"]), 4),
                "–" if first else _value(point, "deficit"),
                "–" if first else number(float(point["deficit_law"])),
                "–" if first else _value(point, "excess"),
                "–" if first else number(float(point["excess_law"])),
            )
        )
    columns = ("a", "U", "U / U_law − 1", "S_sphere", "law", "deficit", "law of it", "excess", "law of that")
    title = (
        f"Noise of variances 1 ± a in d = {d}, ELR {number(float(points.attrs['elr']))}, "
        f"T = {number(float(points.attrs['temperature']))}"
    )
    return Table(f"anisotropy-{d}", title, columns, tuple(rows), _NOTE)
