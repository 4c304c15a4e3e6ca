"""The figures of a report, drawn once and used in the page and as files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import xarray as xr

from thermograd.figures import encode, panels, radius_errors, styled, training
from thermograd.figures.output import new_figure
from thermograd.report.content import Picture, Section
from thermograd.report.findings import Findings
from thermograd.report.wording import PROTOCOL_NAMES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["figure_sections", "make_figures"]


def make_figures(findings: Mapping[str, Findings], runs: Mapping[str, xr.Dataset]) -> dict[str, Figure]:
    """All figures by the stem of their files.

    Parameters
    ----------
    findings
        Results by protocol name.
    runs
        Traces of single runs by title.

    """
    figures = {}
    for protocol, found in findings.items():
        figures[f"panels-{protocol}"] = panels(found.states)
        if not isinstance(found.radius, str):
            with styled():
                figure = new_figure(7.2, 3.8)
                radius_errors(found.states, figure.subplots())
            figures[f"radius-{protocol}"] = figure
    for i, trace in enumerate(runs.values(), start=1):
        figures[f"run-{i}"] = training(trace)
    with styled():
        for figure in figures.values():
            # Each is written in three formats: laying it out once and not at every writing halves the time.
            figure.draw_without_rendering()
            figure.set_layout_engine(None)
    return figures


def figure_sections(
    findings: Mapping[str, Findings], runs: Mapping[str, xr.Dataset], figures: Mapping[str, Figure]
) -> list[Section]:
    """One section of pictures for each protocol and one for the single runs.

    Parameters
    ----------
    findings, runs
        As in `make_figures`.
    figures
        What it made.

    """
    sections = []
    for protocol in findings:
        name = PROTOCOL_NAMES[protocol]
        pictures = [_picture(figures[f"panels-{protocol}"], f"Six panels, {name}", _panels_caption(protocol))]
        if f"radius-{protocol}" in figures:
            alt = f"Errors of the three predictions over the effective learning rate, {name}"
            pictures.append(_picture(figures[f"radius-{protocol}"], alt, _ERRORS, narrow=True))
        title = f"Figures: {name}"
        sections.append(Section(f"figures-{protocol}", title, pictures=tuple(pictures)))
    drawn = [
        _picture(figures[f"run-{i}"], f"Loss and norm of one run: {title}", f"{title}. {_RUN}")
        for i, title in enumerate(runs, start=1)
    ]
    if drawn:
        sections.append(Section("runs", "Single runs", pictures=tuple(drawn)))
    return sections


def _picture(figure: Figure, alt: str, caption: str, *, narrow: bool = False) -> Picture:
    return Picture(encode(figure, "svg"), alt, caption, narrow)


def _panels_caption(protocol: str) -> str:
    variable = "the product of learning rate and decay" if protocol == "FixedLR" else "the ELR"
    third = "effective weight decay" if protocol == "FixedSphere" else "stationary radius"
    return (
        f"a: gradient noise per direction over {variable}. b: training loss. c: {third}, points measured, "
        "lines predicted from the gradients measured in the same runs. d: temperature, from the gradient "
        "noise. e, f: entropy over either hyperparameter, dashed lines the quadratic surface fitted to "
        "all runs in equilibrium. Bars are one standard error, often smaller than the markers; hollow "
        "markers are runs out of equilibrium, which no fit or prediction uses."
    )


_ERRORS = (
    "Measured over predicted, minus 1, of every run; bars are one standard error of both. The scale is "
    "linear within 1% and logarithmic beyond."
)
_RUN = (
    "Each point is the mean of a log interval. The prediction integrates the equation of the radius with "
    "the mean square of the minibatch gradient measured in the same intervals; on a sphere it is the "
    "finite-step law."
)
