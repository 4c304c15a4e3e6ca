"""Pages of setups that belong together: data sets of several sizes, and several batch sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from thermograd.analysis.batch_size import BatchSizeCheck
from thermograd.analysis.phase import PhaseBySize, PhaseRun
from thermograd.analysis.published import PublishedExponent
from thermograd.figures.batch_size import batch_size
from thermograd.figures.output import new_figure
from thermograd.figures.phase import phase_diagram, phase_exponent_by_size
from thermograd.figures.style import styled, value_text
from thermograd.report.content import Claim, Section, Table
from thermograd.report.free_energy import write_page
from thermograd.report.free_energy_pictures import laid_out, picture
from thermograd.report.measured import stationarity
from thermograd.report.wording import PROTOCOL_NAMES, number, with_error

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["write_batch_size_report", "write_size_report"]


def write_size_report(
    runs: Mapping[float, Mapping[int, PhaseRun]],
    found: Mapping[float, PhaseBySize | str],
    folder: Path,
    *,
    title: str,
    claims: Sequence[Claim] = (),
    published: Sequence[PublishedExponent] = (),
    command: str = "",
) -> Path:
    """Write the page of the phase exponents against the size of the data set.

    Parameters
    ----------
    runs
        By ELR and number of training examples.
    found
        By ELR the exponents over the size, or why there are none.
    folder, title, claims, command
        As for :func:`thermograd.report.free_energy.write_free_energy_report`.
    published
        Exponents of the paper.

    """
    figures: dict[str, Figure] = {}
    rows = []
    for rate, by_size in runs.items():
        with styled():
            figure = new_figure(6.4, 4.6)
            shown = {f"{size} examples": run for size, run in by_size.items()}
            phase_diagram(shown, figure.subplots(), whole=False)
            figures[f"phase-sizes-elr-{value_text(rate)}"] = figure
        for size, run in by_size.items():
            known = np.isfinite(run.exponent)
            cells = [with_error(run.exponent, run.exponent_se) if known else "–"]
            cells.append(with_error(run.plain, run.plain_se) if known else "–")
            rows.append((str(size), number(rate), *cells, run.verdict))
    for rate, exponents in found.items():
        if isinstance(exponents, str):
            continue
        with styled():
            figure = new_figure(6.4, 4.6)
            phase_exponent_by_size(exponents, figure.subplots(), published=published)
        figures[f"phase-exponents-elr-{value_text(rate)}"] = figure
    told = tuple(
        f"ELR {number(rate)}: {one if isinstance(one, str) else one.verdict}." for rate, one in found.items()
    )
    columns = ("examples", "ELR", "exponent", "by plain regression", "in words")
    tables = [Table("sizes", "Exponents of E|g| ~ |E g|^a by data set", columns, tuple(rows), prose=True)]
    if published:
        beside = tuple(
            (p.network, str(p.size), number(p.elr), number(p.coefficient), number(p.exponent), p.source)
            for p in published
        )
        head = ("network", "examples", "ELR", "c", "a of E|g| = c |E g|^a", "source")
        tables.append(Table("published-exponents", "Published, on CIFAR-10", head, beside))
    laid_out(figures)
    sections = [
        Section("claims", "What the paper claims, and what was measured", told, claims=tuple(claims)),
        Section(
            "sizes",
            "Over the size of the data set",
            tables=tuple(tables),
            pictures=tuple(picture(figure, stem) for stem, figure in figures.items()),
        ),
        *_made(command),
    ]
    return write_page(folder / "report.html", title, sections, figures)


def write_batch_size_report(
    checks: Mapping[str, BatchSizeCheck | str],
    states: Mapping[str, Mapping[int, xr.Dataset]],
    folder: Path,
    *,
    title: str,
    claims: Sequence[Claim] = (),
    left_out: Sequence[str] = (),
    command: str = "",
) -> Path:
    """Write the page of temperature and noise against the batch size.

    Parameters
    ----------
    checks
        By protocol, or why there is none.
    states
        By protocol and batch size.
    left_out
        Setups that are not among the states, and why.
    folder, title, claims, command
        As for :func:`thermograd.report.free_energy.write_free_energy_report`.

    """
    good = {name: check for name, check in checks.items() if not isinstance(check, str)}
    figures: dict[str, Figure] = {}
    if good:
        figures["batch-size"] = batch_size({PROTOCOL_NAMES[name]: check for name, check in good.items()})
    laid_out(figures)
    told = tuple(
        f"{PROTOCOL_NAMES[name]}: not to be had from these runs: {check}."
        for name, check in checks.items()
        if isinstance(check, str)
    )
    told += tuple(f"Left out: {one}." for one in left_out)
    sections = [
        Section("claims", "What is expected, and what was measured", told, claims=tuple(claims)),
        Section(
            "batch-size",
            "Over the batch size",
            tables=tuple(table for name, check in good.items() for table in _tables(name, check)),
            pictures=tuple(picture(figure, stem) for stem, figure in figures.items()),
        ),
    ]
    sections.append(_counted(states))
    return write_page(folder / "report.html", title, [*sections, *_made(command)], figures)


def _counted(states: Mapping[str, Mapping[int, xr.Dataset]]) -> Section:
    """How many runs of each batch size are in equilibrium, and why each of the others is not used."""
    counts: list[tuple[str, ...]] = []
    left_out: list[tuple[str, ...]] = []
    columns: tuple[str, ...] = ()
    for name, by_size in states.items():
        for size in sorted(by_size):
            tally, *others = stationarity({name: by_size[size]}).tables
            columns = ("B", *tally.columns)
            counts += [(str(size), *row) for row in tally.rows]
            left_out += [(str(size), *row) for table in others for row in table.rows]
    tables = [Table("stationarity", "Runs by status", columns, tuple(counts))]
    if left_out:
        head = ("B", "run", "protocol", "status", "reason")
        tables.append(Table("left-out", "Runs not used, and why", head, tuple(left_out), prose=True))
    return Section("stationarity", "Which runs count", tables=tuple(tables))


def _tables(name: str, check: BatchSizeCheck) -> list[Table]:
    laws = tuple(
        (
            law.observable,
            law.held,
            number(law.value),
            with_error(law.law.exponent, law.law.exponent_se),
            number(law.expected),
            number(law.pull, 2),
            str(law.law.n),
        )
        for law in check.laws
    )
    columns = ("what", "held fixed", "at", "power of B", "independent images", "deviation [se]", "sizes")
    title = f"Powers of the batch size, {PROTOCOL_NAMES[name]}"
    rows = []
    p = check.points
    for i in range(p.sizes["run"]):
        one = {str(key): float(p[key][i]) for key in p.data_vars}
        pairs = ("sigma2", "temperature", "loss")
        cells = (with_error(one[key], one[f"{key}_se"]) for key in pairs)
        share = number(one["rate"] / one["batch_size"])
        rows.append((number(one["batch_size"]), number(one["rate"]), share, *cells, number(one["seeds"])))
    head = ("B", "rate", "rate / B", "sigma2", "T", "U", "seeds")
    return [
        Table(f"batch-size-laws-{name}", title, columns, laws),
        Table(f"batch-size-{name}", f"Every batch size, {PROTOCOL_NAMES[name]}", head, tuple(rows)),
    ]


def _made(command: str) -> list[Section]:
    return [Section("provenance", "How this was made", blocks=(command,))] if command else []
