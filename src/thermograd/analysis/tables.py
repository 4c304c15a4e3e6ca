"""Tables as text: IG table 4, ours beside the published, in Markdown and CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from thermograd.analysis.maxwell import maxwell
from thermograd.analysis.published import TABLE_4, PublishedMaxwell
from thermograd.errors import InputError

__all__ = ["Table4Row", "csv_text", "markdown", "table4"]

_COLUMNS = {
    "FixedELR": ("a2/R", "2 a4/R", "a5/R"),
    "FixedLR": ("(a1-a2)/R", "(2 a3-a5)/R", "(2 a4-a5)/R"),
    "FixedSphere": ("a2/2R", "2 a4/2R", "a5/2R"),
}


@dataclass(frozen=True)
class Table4Row:
    """One test of a Maxwell relation; NaN where there is no number.

    Attributes
    ----------
    label
        What was measured.
    protocol
        Which relation: its three numbers are ``a2/R, 2 a4/R, a5/R`` (FixedELR, ideally -1, 0, 0),
        ``(a1-a2)/R, (2 a3-a5)/R, (2 a4-a5)/R`` (FixedLR, 1, 0, 0), ``a2/2R, 2 a4/2R, a5/2R`` (FixedSphere,
        1, 0, 0).
    source
        ``measured here`` or the paper's table.
    r_squared, numbers, errors, centre, centre_se, max_error, max_error_se, mean_error, mean_error_se
        As in :class:`thermograd.analysis.MaxwellCheck`; ``errors`` are the standard errors of ``numbers``.
    n, left_out
        Points used and not used; None for published rows.
    note
        Why there is no fit, if there is none.

    """

    label: str
    protocol: str
    source: str
    r_squared: float
    numbers: tuple[float, float, float]
    errors: tuple[float, float, float]
    centre: float
    centre_se: float
    max_error: float
    max_error_se: float
    mean_error: float
    mean_error_se: float
    n: int | None = None
    left_out: int | None = None
    note: str = ""


def table4(
    measured: Mapping[str, xr.Dataset],
    *,
    published: bool = True,
    statuses: Sequence[str] = ("equilibrium",),
) -> list[Table4Row]:
    """IG table 4 of these states, followed by the published rows of the same protocols.

    States that hold the entropy as the papers read it, in a chart of the sphere, get a row for that as well.

    Parameters
    ----------
    measured
        Stationary states by label, each of one protocol.
    published
        Whether to put the paper's numbers beside them.
    statuses
        Statuses of points to use.

    Returns
    -------
    list of Table4Row
        Ordered by protocol. Where too few points can be used there is a row without numbers that says so.

    Examples
    --------
    >>> [row.label for row in table4({})]
    []

    """
    rows = []
    for label, states in measured.items():
        rows.append(_measured_row(label, states, "entropy", statuses))
        if "entropy_chart" in states:
            rows.append(_measured_row(f"{label}, papers' chart", states, "entropy_chart", statuses))
    if published:
        present = {row.protocol for row in rows}
        rows += [_published_row(p) for p in TABLE_4 if p.protocol in present]
    return sorted(rows, key=lambda row: row.protocol)


def _measured_row(label: str, states: xr.Dataset, observable: str, statuses: Sequence[str]) -> Table4Row:
    nan = math.nan
    protocol, source = str(states.attrs.get("protocol")), "measured here"
    try:
        check = maxwell(states, statuses=statuses, observable=observable)
    except InputError as error:
        none = (nan, nan, nan)
        return Table4Row(
            label, protocol, source, nan, none, none, nan, nan, nan, nan, nan, nan, note=f"no fit: {error}"
        )
    a, b, c = check.numbers
    return Table4Row(
        label,
        protocol,
        source,
        check.fit.r_squared,
        (a.value, b.value, c.value),
        (a.se, b.se, c.se),
        check.centre.value,
        check.centre.se,
        check.max_error,
        check.max_error_se,
        check.mean_error,
        check.mean_error_se,
        check.fit.n,
        len(check.left_out),
    )


def _published_row(p: PublishedMaxwell) -> Table4Row:
    nan = math.nan
    return Table4Row(
        f"{p.network}, {p.data}",
        p.protocol,
        p.source,
        p.r_squared,
        p.numbers,
        (nan, nan, nan),
        nan,
        nan,
        p.max_error,
        nan,
        p.mean_error,
        nan,
    )


def markdown(rows: Sequence[Table4Row]) -> str:
    """The rows as Markdown, one table for each protocol; measured numbers as ``value ± standard error``.

    Examples
    --------
    >>> print(markdown([]))
    <BLANKLINE>

    """
    blocks = []
    for protocol, columns in _COLUMNS.items():
        chosen = [row for row in rows if row.protocol == protocol]
        if not chosen:
            continue
        header = [
            protocol,
            "source",
            "R²",
            *columns,
            f"{columns[0]} at the centre",
            "max error",
            "mean error",
        ]
        header.append("points (left out)")
        lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
        for row in chosen:
            cells = [row.label, row.source, _blank(f"{row.r_squared:.4f}")]
            cells += [_number(v, se, 4) for v, se in zip(row.numbers, row.errors, strict=True)]
            cells.append(_number(row.centre, row.centre_se, 4))
            cells += [_percent(row.max_error, row.max_error_se), _percent(row.mean_error, row.mean_error_se)]
            cells.append(f"{row.n} ({row.left_out})" if row.n is not None else row.note or "–")
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + ("\n" if blocks else "")


def csv_text(rows: Sequence[Table4Row]) -> str:
    """The rows as CSV with full precision; empty cells where there is no number.

    Examples
    --------
    >>> csv_text([]).splitlines()[0][:34]
    'label,protocol,source,r_squared,nu'

    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [f"number_{i}{end}" for i in (1, 2, 3) for end in ("", "_se")]
    ends = [
        "centre",
        "centre_se",
        "max_error",
        "max_error_se",
        "mean_error",
        "mean_error_se",
        "n",
        "left_out",
        "note",
    ]
    writer.writerow(["label", "protocol", "source", "r_squared", *names, *ends])
    for row in rows:
        pairs = [v for pair in zip(row.numbers, row.errors, strict=True) for v in pair]
        errors = [
            row.centre,
            row.centre_se,
            row.max_error,
            row.max_error_se,
            row.mean_error,
            row.mean_error_se,
        ]
        cells = [
            row.label,
            row.protocol,
            row.source,
            row.r_squared,
            *pairs,
            *errors,
            row.n,
            row.left_out,
            row.note,
        ]
        writer.writerow(["" if c is None or (isinstance(c, float) and math.isnan(c)) else c for c in cells])
    return text.getvalue()


def _number(value: float, error: float, digits: int) -> str:
    if math.isnan(value):
        return "–"
    if math.isfinite(error):
        return f"{value:.{digits}f} ± {error:.1g}"
    return np.format_float_positional(round(value, 7), trim="-")  # published: its own digits


def _blank(text: str) -> str:
    return "–" if text == "nan" else text


def _percent(value: float, error: float) -> str:
    if math.isnan(value):
        return "–"
    return f"{100 * value:.1f}%" + (f" ± {100 * error:.1g}%" if math.isfinite(error) else "")
