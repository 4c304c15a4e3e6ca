"""Tables of the isotropic laboratory: the exact law, the potentials (V2), the slopes (V3)."""

from __future__ import annotations

from collections.abc import Mapping

from thermograd.report.content import Section, Table
from thermograd.report.isotropic_findings import IsotropicFindings
from thermograd.report.isotropic_laws import ideal_text, trusted
from thermograd.report.wording import PROTOCOL_NAMES, number, percent, percent_with_error, place, with_error

__all__ = ["law_section", "minimised_elsewhere", "potential_section", "slope_section"]

Found = Mapping[str, IsotropicFindings]
_WORDS = {"loss": "energy U", "entropy_sphere": "entropy on the sphere"}


def law_section(found: Found) -> Section:
    """Energy and entropy against the von Mises-Fisher law in its three versions.

    Parameters
    ----------
    found
        Results by protocol name.

    """
    rows, remarks = [], []
    for protocol, results in found.items():
        if isinstance(results.deviations, str):
            remarks.append(_untested(protocol, results.deviations))
            continue
        for off in results.deviations:
            cells = (
                str(off.n),
                percent(off.median),
                percent(off.se),
                number(off.pull, 2),
                percent_with_error(off.worst, off.worst_se),
                place(off.worst_at),
            )
            rows.append((f"{PROTOCOL_NAMES[protocol]}, {_WORDS[off.observable]}", off.law, *cells))
    columns = (
        "what",
        "law of",
        "states",
        "median error",
        "typical standard error",
        "median error / standard error",
        "worst error",
        "where",
    )
    note = (
        "Errors: of the energy |U / U_law − 1|, of the entropy |S − S_law| / R. The law is evaluated at the "
        "temperature that the hyperparameters give; that of finite steps is the law of the discrete chain, "
        "the others hold in the limit of small steps. 0.67 in the column before the last but one is what "
        "measurement errors alone give."
    )
    intro = (
        "For this loss and isotropic noise the stationary law of the direction is known exactly: the von "
        "Mises-Fisher law of concentration 1/T (IG section 5 and appendix E)."
    )
    table = Table("law", "Energy and entropy against the exact law", columns, tuple(rows), note)
    return Section("law", "The stationary law", (intro, *remarks), tables=(table,))


def potential_section(found: Found) -> Section:
    """V2: how many states minimise their potential, and all that do not.

    Parameters
    ----------
    found
        Results by protocol name.

    """
    rows, remarks = [], []
    for protocol, results in found.items():
        check, name = results.potentials, PROTOCOL_NAMES[protocol]
        if isinstance(check, str):
            remarks.append(_untested(protocol, check))
            continue
        clear = sum(not each.within_error for each in check.beyond)
        counts = (str(check.n), percent(check.within_one), percent(check.by_chance))
        rows.append(
            (name, check.potential, *counts, str(len(check.beyond)), str(clear), str(len(check.left_out)))
        )
    columns = (
        "protocol",
        "potential",
        "states",
        "within one step",
        "by chance",
        "further away",
        "of these by more than 3 standard errors",
        "left out",
    )
    title = "Where the potential of each state is least among all observed states (V2)"
    table = Table("potentials", title, columns, tuple(rows), _POTENTIALS)
    return Section("potentials", "Minimum of the potentials", tuple(remarks), tables=(table,))


def minimised_elsewhere(found: Found) -> Section:
    """Every state whose potential is least more than one grid step away, and every state left out of V2.

    Parameters
    ----------
    found
        Results by protocol name.

    """
    far, left = [], []
    for protocol, results in found.items():
        check, name = results.potentials, PROTOCOL_NAMES[protocol]
        if isinstance(check, str):
            continue
        for each in sorted(check.beyond, key=lambda b: -b.steps):
            gap = with_error(each.difference, each.difference_se)
            excused = "yes" if each.within_error else "no"
            far.append((name, place(each.point), place(each.minimiser), str(each.steps), gap, excused))
        left += [(place(each.point), name, each.reason) for each in check.left_out]
    columns = ("protocol", "state", "least at", "steps", "difference", "within 3 standard errors")
    title = "States whose potential is least more than one grid step away"
    note = "Steps on the axis where they are more; difference: potential of the state above the least one."
    tables = [Table("potentials-beyond", title, columns, tuple(far), note)]
    if left:
        title, heads = "States left out of the potentials, and why", ("state", "protocol", "reason")
        tables.append(Table("potentials-left-out", title, heads, tuple(left), prose=True))
    return Section("potentials-beyond", "Potentials, state by state", tables=tuple(tables))


_POTENTIALS = (
    "F = U − T S among the states of one radius, G = U − T S + p V among all states of the grid, each at the "
    "temperature and pressure of the state that is tested. “By chance”: the share if the minimum were drawn "
    "at random."
)


def slope_section(found: Found) -> Section:
    """V3: slopes of entropy and pressure with the logarithms of the hyperparameters.

    Parameters
    ----------
    found
        Results by protocol name.

    """
    rows, remarks = [], []
    for protocol, results in found.items():
        check = results.slopes
        if isinstance(check, str):
            remarks.append(_untested(protocol, check))
            continue
        for law in check.laws:
            ratios = [line.ratio for line in law.lines]
            pooled = law.pooled
            used, used_se = trusted(pooled)
            unit = pooled.value / pooled.ratio if pooled.ratio else 1.0
            rows.append(
                (
                    f"{PROTOCOL_NAMES[protocol]}: {ideal_text(law.relation, law.ideal)}",
                    "cold gas" if law.cold else "Maxwell",
                    with_error(pooled.value, pooled.se),
                    with_error(pooled.plain, pooled.plain_se),
                    with_error(used, used_se) if law.ideal else with_error(used * unit, used_se * abs(unit)),
                    f"{number(min(ratios))} to {number(max(ratios))}" if ratios else "–",
                    number(pooled.chi_squared / pooled.freedom) if pooled.freedom else "–",
                    str(pooled.n),
                )
            )
    columns = (
        "relation",
        "kind",
        "slope, weighted",
        "slope, unweighted",
        "over the ideal",
        "line by line, over the ideal",
        "chi² per degree",
        "states",
    )
    note = (
        "Least squares of the entropy, or of the logarithm of the measured pressure, on the logarithm of one "
        "hyperparameter, a slope common to all lines of the grid. “Over the ideal” is the weighted slope, or "
        "the unweighted one where chi² says that the errors of the points are too small for straight lines "
        "(then they have a bias of their own, see the section on the entropy); where the ideal is 0 it is "
        "the slope itself, and line by line it is over R. Relations of a cold gas hold where C_V = R."
    )
    table = Table("slopes", "Slopes over the grid (V3)", columns, tuple(rows), note)
    return Section("slopes", "Slopes of the entropy and the pressure", tuple(remarks), tables=(table,))


def _untested(protocol: str, reason: str) -> str:
    return f"{PROTOCOL_NAMES[protocol]}: not tested; {reason}"
