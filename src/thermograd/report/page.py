"""Writing the report: one HTML page that needs nothing else, its figures and tables as files beside it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

import xarray as xr

from thermograd.analysis import csv_text, markdown, table4
from thermograd.errors import InputError
from thermograd.figures import save
from thermograd.files import atomic_write
from thermograd.protocol import PROTOCOLS
from thermograd.report.content import Section
from thermograd.report.findings import analyse
from thermograd.report.laws import summary
from thermograd.report.measured import entropy_quality, provenance, stationarity
from thermograd.report.pictures import figure_sections, make_figures
from thermograd.report.tables import collapse_section, maxwell_section, radius_section
from thermograd.states import validate

__all__ = ["render", "write_report"]


def write_report(
    states_by_protocol: Mapping[str, xr.Dataset],
    path: str | os.PathLike[str],
    *,
    title: str,
    command: str = "",
    label: str = "measured here",
    runs: Mapping[str, xr.Dataset] | None = None,
) -> Path:
    """Test all laws on the states and write the report.

    The page holds its figures and style in itself and asks for nothing over a network; it can be read without
    scripts, in light and dark, and on paper. Beside it, ``figures/`` gets every figure as PNG and PDF and
    ``tables/`` every table as CSV and Markdown. The same states give the same bytes.

    Parameters
    ----------
    states_by_protocol
        Stationary states by protocol name: one, two or all three.
    path
        The page, ending in ``.html``.
    title
        Heading of the page.
    command
        Command line that makes the report again, quoted in it.
    label
        What to call these measurements in table 4, beside the published networks.
    runs
        Traces of single runs to draw, by title.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    InputError
        No states, states that break the schema or stand under another protocol's name, or a bad path.

    """
    target = Path(path)
    if target.suffix != ".html":
        raise InputError(f"report: path is {str(path)!r}; expected a file name ending in .html")
    states = _checked(states_by_protocol)
    runs = dict(runs or {})
    findings = {protocol: analyse(dataset) for protocol, dataset in states.items()}
    rows = [row for dataset in states.values() for row in table4({label: dataset})]
    figures = make_figures(findings, runs)
    sections = [
        summary(findings),
        radius_section(findings),
        maxwell_section(findings, rows),
        collapse_section(findings),
        stationarity(states),
        entropy_quality(states),
        *figure_sections(findings, runs, figures),
        provenance(states, command),
    ]
    for name, figure in figures.items():
        save(figure, target.parent / "figures" / name)
    folder = target.parent / "tables"
    for section in sections:
        for table in section.tables:
            atomic_write(folder / f"{table.name}.csv", table.csv())
            atomic_write(folder / f"{table.name}.md", table.markdown())
    atomic_write(folder / "table-4.csv", csv_text(rows))
    atomic_write(folder / "table-4.md", markdown(rows))
    # Last: who finds the page finds all that it speaks of.
    atomic_write(target, render(title, sections))
    return target


_LEAD = (
    "SGD on scale-invariant weights compared with an ideal gas: weight decay as pressure, half the "
    "squared norm as volume, gradient noise as temperature."
)


def render(title: str, sections: list[Section], *, lead: str = _LEAD) -> str:
    """The page as text; everything in it is escaped except the package's own style sheet and scripts.

    Parameters
    ----------
    title
        Heading of the page.
    sections
        Its parts in order. The first of them with interactive figures brings plotly.js, once for the page.
    lead
        What the page is about, in a sentence.

    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    own = files("thermograd.report")
    environment = Environment(autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True)
    template = environment.from_string(own.joinpath("template.html").read_text("utf-8"))
    css = Markup(own.joinpath("style.css").read_text("utf-8"))
    script = Markup(_plotly_script()) if any(section.fragments for section in sections) else ""
    return template.render(title=title, lead=lead, css=css, script=script, sections=sections)


def _plotly_script() -> str:
    from thermograd.figures.interactive import plotly_script

    return plotly_script()


def _checked(states_by_protocol: Mapping[str, xr.Dataset]) -> dict[str, xr.Dataset]:
    if not states_by_protocol:
        raise InputError("report: there are no states; expected those of one protocol at least")
    for name, dataset in states_by_protocol.items():
        validate(dataset, "states")
        if dataset.attrs["protocol"] != name:
            of = dataset.attrs["protocol"]
            raise InputError(f"report: states under the name {name!r} are of {of}; expected the same name")
    return {name: states_by_protocol[name] for name in PROTOCOLS if name in states_by_protocol}
