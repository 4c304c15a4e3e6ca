"""Tables of the isotropic laboratory: heat capacities and adiabats (V4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from thermograd.analysis.adiabat import AdiabatCheck
from thermograd.report.content import Section, Table
from thermograd.report.isotropic_findings import AdiabatFindings, IsotropicFindings
from thermograd.report.wording import PROTOCOL_NAMES, number, place, with_error

__all__ = ["adiabat_section", "heat_section"]


def heat_section(found: Mapping[str, IsotropicFindings]) -> Section:
    """Heat capacities, the adiabatic exponent and Mayer's relation.

    Parameters
    ----------
    found
        Results by protocol name.

    """
    rows, remarks = [], []
    for protocol, results in found.items():
        name, check = PROTOCOL_NAMES[protocol], results.heat
        if isinstance(check, str):
            remarks.append(f"{name}: not tested; {check}")
            continue
        R = check.gas_constant
        joule = number(check.joule_chi_squared / check.joule_freedom) if check.joule_freedom else "–"
        rows.append(
            (
                name,
                number(R),
                with_error(check.c_v / R, check.c_v_se / R),
                with_error(check.gamma, check.gamma_se),
                with_error(check.mayer, check.mayer_se) if check.lines else "–",
                f"{check.fit.n} of {check.points.sizes['level']}",
                number(check.fit.hottest),
                number(check.fit.chi_squared / check.fit.freedom) if check.fit.freedom else "–",
                joule,
            )
        )
    columns = (
        "states",
        "R",
        "C_V / R at T = 0",
        "gamma at T = 0",
        "(C_p − C_V) / R",
        "temperatures in the fit",
        "fit up to T",
        "chi² per degree of the fit",
        "chi² per degree of U at one T",
    )
    note = (
        "C_V is the slope at T = 0 of a quadratic through the energies of as many of the coldest "
        "temperatures as it describes; gamma = 1 + R / C_V. C_p is the slope of the enthalpy U + pV at fixed "
        "weight decay. The last column is about 1 if the energy depends on the temperature alone, as that of "
        "an ideal gas."
    )
    table = Table("heat", "Heat capacities and the adiabatic exponent (V4)", columns, tuple(rows), note)
    return Section("heat", "Heat capacities", tuple(remarks), tables=(table,))


def adiabat_section(adiabats: Mapping[str, AdiabatFindings]) -> Section:
    """V4: the entropy along adiabats, beside paths that are none, and each state on them.

    Parameters
    ----------
    adiabats
        Results by title.

    """
    rows, states, remarks = [], [], []
    for title, found in adiabats.items():
        for words, check in {"the adiabat": found.along, **found.contrast}.items():
            if isinstance(check, str):
                remarks.append(f"{title}, {words}: not tested; {check}")
                continue
            rows.append((title, words, *_adiabat_cells(check)))
            states += [(title, words, *cells) for cells in _state_cells(check)]
            remarks += [f"{title}, {words}: left out {each}." for each in check.left_out]
    columns = (
        "path",
        "along",
        "states",
        "mean S [nats]",
        "spread",
        "largest − smallest",
        "change of S_sphere",
        "chi² / degrees",
        "p",
        "dS/dlog T / R",
    )
    tables = [
        Table("adiabats", "The entropy along adiabats, and along other paths (V4)", columns, tuple(rows))
    ]
    if states:
        heads = ("path", "along", "state", "T", "S [nats]", "S_sphere [nats]")
        tables.append(Table("adiabat-states", "The states on these paths", heads, tuple(states)))
    return Section("adiabats", "Adiabats", tuple(remarks), tables=tuple(tables))


def _adiabat_cells(check: AdiabatCheck) -> tuple[str, ...]:
    trend = check.trend
    return (
        str(check.points.sizes["point"]),
        with_error(check.mean, check.mean_se),
        number(check.spread),
        number(check.span),
        number(check.sphere_span),
        f"{number(check.chi_squared)} / {check.freedom}",
        number(check.p_value, 2),
        with_error(trend.ratio, trend.ratio_se) if trend is not None else "–",
    )


def _state_cells(check: AdiabatCheck) -> Sequence[tuple[str, ...]]:
    axes = [str(name) for name in check.points if name in ("lr", "elr", "wd", "radius")]
    axes += [str(name) for name in check.points.coords if name in ("lr", "elr", "wd", "radius")]
    lines = []
    for i in range(check.points.sizes["point"]):
        point = check.points.isel(point=i)
        # Points of a curve are computed: 0.01 may come with a rounding error, which would show as 1e-2.
        at = place({name: float(f"{float(point[name]):.6g}") for name in axes})
        numbers = (
            with_error(float(point[name]), float(point[f"{name}_se"]))
            for name in ("temperature", "entropy", "entropy_sphere")
        )
        lines.append((at, *numbers))
    return lines
