"""The tables of results: V1, table 4 beside the published one, pressure slopes, collapse of the noise."""

from __future__ import annotations

from collections.abc import Mapping

from thermograd.analysis import Table4Row
from thermograd.report.content import Section, Table
from thermograd.report.findings import Findings
from thermograd.report.wording import (
    PROTOCOL_NAMES,
    VERSIONS,
    exact,
    formula,
    number,
    percent,
    percent_with_error,
    place,
    with_error,
)

__all__ = ["MAXWELL", "collapse_section", "maxwell_section", "radius_section"]

MAXWELL: dict[str, tuple[tuple[str, str, str], tuple[str, str, str]]] = {
    "FixedSphere": (("a2/2R", "2 a4/2R", "a5/2R"), ("1", "0", "0")),
    "FixedELR": (("a2/R", "2 a4/R", "a5/R"), ("−1", "0", "0")),
    "FixedLR": (("(a1-a2)/R", "(2 a3-a5)/R", "(2 a4-a5)/R"), ("1", "0", "0")),
}
"""The three numbers of table 4 by protocol, and their values for an ideal gas."""


def radius_section(findings: Mapping[str, Findings]) -> Section:
    """V1: median and worst error of the three formulas for the radius.

    Parameters
    ----------
    findings
        Results by protocol name.

    """
    rows, remarks = [], []
    for protocol, found in findings.items():
        if isinstance(found.radius, str):
            remarks.append(f"{PROTOCOL_NAMES[protocol]}: not tested; {found.radius}")
            continue
        for line in found.radius.summary:
            worst = percent_with_error(line.worst, line.worst_se)
            cells = (str(line.n), percent(line.median), worst, place(line.worst_at))
            rows.append((PROTOCOL_NAMES[protocol], VERSIONS[line.version], *cells))
    columns = ("protocol", "formula", "runs", "median error", "worst error", "where")
    note = (
        "Error: |measured / predicted − 1| of the norm, on a fixed sphere of the effective weight decay, the "
        "prediction made from the gradients measured in the same run. ± is one standard error."
    )
    table = Table("radius", "Stationary radius against the three formulas (V1)", columns, tuple(rows), note)
    return Section("radius", "Stationary radius", tuple(remarks), tables=(table,))


def maxwell_section(findings: Mapping[str, Findings], rows: list[Table4Row]) -> Section:
    """V3: table 4 of the ideal-gas paper, measured here and published, and the pressure slopes of the sphere.

    Parameters
    ----------
    findings
        Results by protocol name.
    rows
        From :func:`thermograd.analysis.table4`.

    """
    tables = []
    for protocol in findings:
        chosen = [row for row in rows if row.protocol == protocol]
        names, ideal = MAXWELL[protocol]
        lines = [_table4_line(row) for row in chosen]
        lines.append(("ideal gas", "", *ideal, ideal[0], "0", "0", ""))
        centre = f"{formula(names[0])} at the centre"
        columns = ("what", "R²", *map(formula, names), centre, "max error", "mean error", "runs (left out)")
        title = f"Maxwell relation, {PROTOCOL_NAMES[protocol]}"
        tables.append(Table(f"maxwell-{protocol}", title, columns, tuple(lines)))
    tables += [_pressure(found) for found in findings.values() if found.pressure is not None]
    intro = (
        "The entropy is fitted by a quadratic surface in the logarithms of the two hyperparameters, and "
        "the relation between its derivatives is read from the coefficients a1 to a5 (IG section 4 and "
        "table 4, V3). Errors are |left − right| / R over the runs. ± is one standard error from the "
        "scatter about the surface, as if runs scattered independently. The first number is the relation at "
        "hyperparameters of 1, far outside the grid; “at the centre” is the same amid the runs. [IG]: as "
        "published, without errors."
    )
    return Section("maxwell", "Maxwell relations", (intro,), tables=tuple(tables))


def _table4_line(row: Table4Row) -> tuple[str, ...]:
    if row.n is None and not row.note:
        numbers = [exact(value) for value in row.numbers]
        errors = [exact_percent(row.max_error), exact_percent(row.mean_error)]
        return (f"{row.label} [IG]", exact(row.r_squared), *numbers, "–", *errors, "–")
    numbers = [with_error(value, error) for value, error in zip(row.numbers, row.errors, strict=True)]
    pairs = ((row.max_error, row.max_error_se), (row.mean_error, row.mean_error_se))
    errors = [percent_with_error(value, error) for value, error in pairs]
    runs = f"{row.n} ({row.left_out})" if row.n is not None else row.note
    centre = with_error(row.centre, row.centre_se)
    return (row.label, number(row.r_squared, 4), *numbers, centre, *errors, runs)


def exact_percent(value: float) -> str:
    """A published fraction as a percentage, as printed."""
    return "–" if value != value else f"{100 * value:.1f}%"


def _pressure(found: Findings) -> Table:
    columns = ("radius", "runs", "slope", "ideal slope", "ratio")
    title = "Pressure against temperature on the fixed sphere: (dp/dT)_V against (d−1)/(2V)"
    slopes = found.pressure
    if slopes is None or isinstance(slopes, str):
        return Table("pressure", title, columns, (), f"Not tested: {slopes}")
    rows = tuple(
        (
            number(s.radius),
            str(s.n),
            with_error(s.slope, s.slope_se),
            number(s.expected, 4),
            with_error(s.ratio, s.ratio_se),
        )
        for s in slopes.slopes
    )
    return Table("pressure", title, columns, rows)


def collapse_section(findings: Mapping[str, Findings]) -> Section:
    """On what the gradient noise depends: spread about a curve in the right variable and in a wrong one.

    Parameters
    ----------
    findings
        Results by protocol name.

    """
    rows, remarks = [], []
    for protocol, found in findings.items():
        if isinstance(found.collapse, str):
            remarks.append(f"{PROTOCOL_NAMES[protocol]}: not tested; {found.collapse}")
            continue
        c = found.collapse
        for spread, role in ((c.right, "the theory's"), (c.wrong, "a wrong one, as a contrast")):
            residual = percent_with_error(spread.residual, spread.residual_se)
            cells = (str(c.n), residual, percent(spread.ratio), percent(c.noise), percent(c.total))
            rows.append((PROTOCOL_NAMES[protocol], formula(spread.variable), role, *cells))
    columns = ("protocol", "variable", "which", "runs", "left over", "of the total", "errors alone", "total")
    note = "Standard deviations of log σ² about a quadratic curve in the logarithm of the variable."
    table = Table("collapse", "Does one variable determine the gradient noise?", columns, tuple(rows), note)
    return Section("collapse", "Collapse of the gradient noise", tuple(remarks), tables=(table,))
