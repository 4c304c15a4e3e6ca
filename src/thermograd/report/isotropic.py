"""The isotropic laboratory as one page: V1 to V4 on simulated states whose exact law is known."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import xarray as xr

from thermograd.analysis import table4
from thermograd.errors import InputError
from thermograd.figures import save
from thermograd.files import atomic_write
from thermograd.protocol import PROTOCOLS
from thermograd.report.content import Claim, Section
from thermograd.report.isotropic_anisotropy import AnisotropyFindings, analyse_anisotropy, anisotropy_section
from thermograd.report.isotropic_extras import AdiabatRun, AnisotropyRun, IsotropicExtras
from thermograd.report.isotropic_findings import (
    AdiabatFindings,
    IsotropicFindings,
    analyse_adiabat,
    analyse_isotropic,
)
from thermograd.report.isotropic_heat import adiabat_section, heat_section
from thermograd.report.isotropic_hot import HotFindings, analyse_hot, hot_section
from thermograd.report.isotropic_laws import isotropic_summary
from thermograd.report.isotropic_pictures import (
    cloud_section,
    isotropic_figure_sections,
    make_isotropic_figures,
)
from thermograd.report.isotropic_pooled import pooled_section
from thermograd.report.isotropic_tables import (
    law_section,
    minimised_elsewhere,
    potential_section,
    slope_section,
)
from thermograd.report.measured import entropy_quality, provenance, stationarity
from thermograd.report.page import render
from thermograd.report.tables import maxwell_section, radius_section
from thermograd.states import validate

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "AdiabatRun",
    "AnisotropyRun",
    "IsotropicExtras",
    "IsotropicPage",
    "isotropic_page",
    "write_isotropic_report",
]

_MAXWELL = (
    "As in table 4 of the ideal-gas paper, there made for networks: the entropy is fitted by a quadratic "
    "surface in the logarithms of both hyperparameters, and the relation between its derivatives is read "
    "from the coefficients. ± is one standard error from the scatter about the surface. The first number is "
    "the relation at hyperparameters of 1, outside the grid; “at the centre” is the same amid the states."
)

_ENTROPY = (
    "Entropy is estimated from nearest-neighbour distances between directions saved along one run. Where the "
    "steps are small a window of them spans few correlation times: then the cloud is narrower than the law "
    "and neighbours in time lie closer than neighbours in space, and the estimate comes out too low. The "
    "effective samples below say where; the residuals in the figures show by how much."
)


def write_isotropic_report(
    states_by_protocol: Mapping[str, xr.Dataset],
    extras: IsotropicExtras | None,
    path: str | os.PathLike[str],
    command: str = "",
    *,
    title: str = "The isotropic laboratory",
    label: str = "simulated here",
) -> Path:
    """Test all laws on states of the isotropic model and write the report.

    The page holds its figures and style in itself and asks for nothing over a network. Beside it,
    ``figures/`` gets every figure as PNG and PDF and ``tables/`` every table as CSV and Markdown. The same
    states give the same bytes.

    Parameters
    ----------
    states_by_protocol
        Stationary states of the isotropic model by protocol name; attributes ``dim`` and ``sigma``.
    extras
        Runs along adiabats, states of other dimensions and predictions to show; None for none.
    path
        The page, ending in ``.html``.
    command
        Command line that makes the report again, quoted in it.
    title
        Heading of the page.
    label
        What to call these states in the table of Maxwell relations.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    InputError
        No states, states that break the schema or stand under another protocol's name, predictions for a
        protocol without states, or a bad path.

    """
    target = _page_path(path)
    return isotropic_page(states_by_protocol, extras, command, label=label).write(target, title)


@dataclass(frozen=True)
class IsotropicPage:
    """A report before it is written.

    Attributes
    ----------
    sections
        Its parts in order; the first is the summary.
    figures
        By the stem of their files.

    """

    sections: tuple[Section, ...]
    figures: Mapping[str, Figure]

    @property
    def claims(self) -> tuple[Claim, ...]:
        """What the summary says of every law."""
        return tuple(claim for section in self.sections for claim in section.claims)

    def write(self, path: str | os.PathLike[str], title: str) -> Path:
        """Write the page, and its figures and tables beside it.

        Parameters
        ----------
        path
            The page, ending in ``.html``.
        title
            Its heading.

        Raises
        ------
        InputError
            A bad path.

        """
        target = _page_path(path)
        for name, figure in self.figures.items():
            save(figure, target.parent / "figures" / name)
        for section in self.sections:
            for table in section.tables:
                atomic_write(target.parent / "tables" / f"{table.name}.csv", table.csv())
                atomic_write(target.parent / "tables" / f"{table.name}.md", table.markdown())
        # Last: who finds the page finds all that it speaks of.
        atomic_write(target, render(title, list(self.sections)))
        return target


def isotropic_page(
    states_by_protocol: Mapping[str, xr.Dataset],
    extras: IsotropicExtras | None = None,
    command: str = "",
    *,
    label: str = "simulated here",
) -> IsotropicPage:
    """Test all laws on states of the isotropic model, and compose the report without writing it.

    Parameters
    ----------
    states_by_protocol, extras, command, label
        As for `write_isotropic_report`.

    Raises
    ------
    InputError
        As `write_isotropic_report`, but for the path.

    """
    extras = extras or IsotropicExtras()
    states = _checked(states_by_protocol, extras)
    found = {name: analyse_isotropic(each, extras.predictions.get(name)) for name, each in states.items()}
    adiabats = {name: analyse_adiabat(run) for name, run in extras.adiabats.items()}
    hot = {name: analyse_hot(each) for name, each in extras.hot.items()}
    anisotropic = [analyse_anisotropy(run) for run in extras.anisotropic]
    figures, missing = make_isotropic_figures(found, adiabats, hot, anisotropic)
    sections = [
        *_tested(found, adiabats, hot, anisotropic, states, label),
        stationarity(states),
        replace(entropy_quality(states), paragraphs=(_ENTROPY,)),
        *([cloud_section(extras.clouds)] if extras.clouds else []),
        *isotropic_figure_sections(found, adiabats, figures, missing, anisotropic),
        minimised_elsewhere(found),
        provenance(states, command),
    ]
    return IsotropicPage(tuple(sections), figures)


def _page_path(path: str | os.PathLike[str]) -> Path:
    target = Path(path)
    if target.suffix != ".html":
        raise InputError(f"report: path is {str(path)!r}; expected a file name ending in .html")
    return target


def _tested(
    found: Mapping[str, IsotropicFindings],
    adiabats: Mapping[str, AdiabatFindings],
    hot: Mapping[str, HotFindings],
    anisotropic: Sequence[AnisotropyFindings],
    states: Mapping[str, xr.Dataset],
    label: str,
) -> list[Section]:
    """The summary and one section of tables for each law."""
    findings = {name: each.findings for name, each in found.items()}
    rows = [row for each in states.values() for row in table4({label: each}, published=False)]
    surface = maxwell_section(findings, rows)
    # The slopes of the pressure are in the section on slopes, radius by radius and pooled.
    surface = replace(
        surface,
        title="Maxwell relations from a surface",
        paragraphs=(_MAXWELL,),
        tables=tuple(table for table in surface.tables if table.name != "pressure"),
    )
    return [
        isotropic_summary(found, adiabats, hot, anisotropic),
        pooled_section(found),
        law_section(found),
        radius_section(findings),
        potential_section(found),
        slope_section(found),
        surface,
        heat_section(found),
        *([hot_section(hot)] if hot else []),
        *([adiabat_section(adiabats)] if adiabats else []),
        *([anisotropy_section(anisotropic)] if anisotropic else []),
    ]


def _checked(states_by_protocol: Mapping[str, xr.Dataset], extras: IsotropicExtras) -> dict[str, xr.Dataset]:
    if not states_by_protocol:
        raise InputError("report: there are no states; expected those of one protocol at least")
    for name, dataset in states_by_protocol.items():
        validate(dataset, "states")
        if dataset.attrs["protocol"] != name:
            of = dataset.attrs["protocol"]
            raise InputError(f"report: states under the name {name!r} are of {of}; expected the same name")
    for name in extras.predictions:
        if name not in states_by_protocol:
            known = ", ".join(states_by_protocol)
            raise InputError(f"report: there are predictions for {name!r}; expected only those for {known}")
    return {name: states_by_protocol[name] for name in PROTOCOLS if name in states_by_protocol}
