"""The figures of the isotropic laboratory, drawn once and used in the page and as files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from thermograd.errors import InputError
from thermograd.figures.adiabat import adiabats as draw_adiabats
from thermograd.figures.heat import heat as draw_heat
from thermograd.figures.isotropic_anisotropy import anisotropy as draw_anisotropy
from thermograd.figures.isotropic_cloud import cloud_sphere
from thermograd.figures.isotropic_panels import isotropic_panels
from thermograd.figures.isotropic_residuals import isotropic_residuals
from thermograd.figures.output import encode
from thermograd.figures.style import styled
from thermograd.report.content import Picture, Section
from thermograd.report.isotropic_anisotropy import AnisotropyFindings, cloud_variances
from thermograd.report.isotropic_findings import AdiabatFindings, IsotropicFindings
from thermograd.report.isotropic_hot import HotFindings
from thermograd.report.wording import PROTOCOL_NAMES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["cloud_section", "isotropic_figure_sections", "make_isotropic_figures"]

Found = Mapping[str, IsotropicFindings]


def make_isotropic_figures(
    found: Found,
    adiabats: Mapping[str, AdiabatFindings],
    hot: Mapping[str, HotFindings],
    anisotropic: Sequence[AnisotropyFindings] = (),
) -> tuple[dict[str, Figure], dict[str, str]]:
    """All figures by the stem of their files, and for those that cannot be drawn the reason.

    Parameters
    ----------
    found
        Results by protocol name.
    adiabats
        Results along adiabats, by title.
    hot
        Results at other dimensions and temperatures, by title.
    anisotropic
        Results under anisotropic noise.

    """
    figures: dict[str, Figure] = {}
    missing: dict[str, str] = {}

    def keep(stem: str, draw: Callable[..., Figure], *given: Any, **options: Any) -> None:
        try:
            figures[stem] = draw(*given, **options)
        except InputError as error:
            missing[stem] = str(error)

    for protocol, results in found.items():
        check = None if isinstance(results.potentials, str) else results.potentials
        states, lines = results.states, results.predictions
        keep(f"isotropic-{protocol}", isotropic_panels, states, check=check, predictions=lines)
        keep(f"residuals-{protocol}", isotropic_residuals, states, predictions=lines)
    cold, others = (
        # States of one dimension lie on one curve: the first set of each shows it.
        list({each.gas_constant: each for each in reversed(heats) if not isinstance(each, str)}.values())
        for heats in ([r.heat for r in found.values()], [r.heat for r in hot.values()])
    )
    keep("heat", draw_heat, cold, hot=others)
    for i, measured in enumerate(adiabats.values(), start=1):
        paths = {"adiabat": measured.run.along, **measured.run.contrast}
        keep(f"adiabat-{i}", draw_adiabats, paths, curves=measured.run.curves)
    if anisotropic:
        keep("anisotropy", _anisotropy, anisotropic)
    with styled():
        for figure in figures.values():
            # Each is written in three formats: laying it out once and not at every writing halves the time.
            figure.draw_without_rendering()
            figure.set_layout_engine(None)
    return figures, missing


def _anisotropy(anisotropic: Sequence[AnisotropyFindings]) -> Figure:
    known = [each for each in anisotropic if not isinstance(each.points, str)]
    clouded = next((each for each in known if each.run.cloud is not None), None)
    tables = [each.points for each in known if not isinstance(each.points, str)]
    return draw_anisotropy(
        tables,
        None if clouded is None else clouded.run.cloud,
        None if clouded is None else cloud_variances(clouded.run),
    )


def cloud_section(clouds: Mapping[str, NDArray[np.float64]]) -> Section:
    """The stationary clouds on their sphere, to be turned.

    Parameters
    ----------
    clouds
        Directions by words; ``mu`` is the first axis.

    """
    fragment = cloud_sphere(clouds, mu=[1.0, 0.0, 0.0], name="isotropic-cloud", caption=_CLOUD)
    return Section("cloud", "The stationary cloud, to be turned", fragments=(fragment,))


def isotropic_figure_sections(
    found: Found,
    adiabats: Mapping[str, AdiabatFindings],
    figures: Mapping[str, Figure],
    missing: Mapping[str, str],
    anisotropic: Sequence[AnisotropyFindings] = (),
) -> list[Section]:
    """One section of pictures for each protocol, for heat capacities, adiabats and anisotropic noise.

    Parameters
    ----------
    found, adiabats, anisotropic
        As in `make_isotropic_figures`.
    figures, missing
        What it made, and what it could not make.

    """

    def section(anchor: str, title: str, stems: Mapping[str, tuple[str, str]]) -> Section:
        pictures = [
            Picture(encode(figures[stem], "svg"), alt, caption)
            for stem, (alt, caption) in stems.items()
            if stem in figures
        ]
        remarks = tuple(f"Not drawn: {missing[stem]}" for stem in stems if stem in missing)
        return Section(anchor, title, remarks, pictures=tuple(pictures))

    sections = []
    for protocol in found:
        name = PROTOCOL_NAMES[protocol]
        stems = {
            f"isotropic-{protocol}": (f"Five panels of the isotropic model, {name}", _panels(protocol)),
            f"residuals-{protocol}": (
                f"Energy, radius and entropy less their exact laws, {name}",
                _RESIDUALS,
            ),
        }
        sections.append(section(f"figures-{protocol}", f"Figures: {name}", stems))
    sections.append(section("figures-heat", "Figure: heat capacities", {"heat": _HEAT}))
    stems = {
        f"adiabat-{i}": (f"Entropy along an adiabat: {title}", f"{title}. {_ADIABAT}")
        for i, title in enumerate(adiabats, start=1)
    }
    if stems:
        sections.append(section("figures-adiabats", "Figures: adiabats", stems))
    if anisotropic:
        stems = {"anisotropy": _ANISOTROPY}
        sections.append(section("figures-anisotropy", "Figure: anisotropic noise", stems))
    return sections


def _panels(protocol: str) -> str:
    sphere = protocol == "FixedSphere"
    second = "effective weight decay over the radius" if sphere else "radius over the weight decay"
    least = _HELMHOLTZ if sphere else _GIBBS
    return (
        "a: energy and entropy on the sphere, points measured with one standard error, solid lines the exact "
        "von Mises-Fisher law, dashed its small-T form where it differs, further lines as the key says. "
        f"b: {second}, lines the SDE's law. c, d: entropy over either hyperparameter, lines the exact law. "
        f"{least} Grey: states left out. IG figures 1, 3 and 4."
    )


_HELMHOLTZ = (
    "e: F of every state (rows) at the temperature of every other (columns), less the least of its column, "
    "on four spheres. White squares: the least; red circles: the state at its own temperature."
)
_GIBBS = (
    "e: G of all states at the temperature and pressure of one of them, less its minimum; nine states, "
    "placed as in the grid. White square: the minimum; red circle: the state itself."
)
_RESIDUALS = (
    "What is left when theory is taken off. Grey points are states, full ones the mean of all states of one "
    "effective learning rate with its standard error; the frame is set by the means. Energy: over the exact "
    "law for small steps, minus 1. Radius (on a sphere the effective decay): over the finite-step formula, "
    "minus 1. Entropy: less that of the exact law, in nats."
)
_HEAT = (
    "Energy and heat capacity over temperature, measured and exact",
    "Left: energy over temperature, the mean of all states of one temperature; pale bands are fits of cold "
    "states, whose slope at T = 0 is the heat capacity. Right: heat capacity over R, slopes between "
    "neighbouring temperatures. Lines are the exact law in each dimension; dashed the small-T form, where "
    "gamma = 2. T is that of the hyperparameters: the hottest points of d = 3 lie above the line by their "
    "finite steps.",
)
_ANISOTROPY = (
    "Energy, entropy and cloud of directions under anisotropic noise",
    "Left: the energy over the law of the oscillators, which is that of isotropic noise of the same sum. "
    "Middle: the entropy less that of isotropic noise measured in the same way; the Gibbs law of the same "
    "energy would stay at 0. Right: directions of independent chains in the tangent plane of the minimum, "
    "d = 3, at the largest anisotropy, with one and two standard deviations of the oscillators' law (an "
    "ellipse) and of the Gibbs law of the same energy (a circle).",
)
_CLOUD = (
    "Where 1500 independent chains point after they have settled, d = 3, one temperature at a time; drag to "
    "turn. The loss is largest at μ and smallest opposite. Cold, the cloud is a spot about the minimum; hot, "
    "it covers the sphere. Under noise that is stronger in one direction than in another it is no ball."
)
_ADIABAT = (
    "Left: entropy along the adiabat, which should stay, along paths that are none, and the part of it on "
    "the sphere, which changes; bars are one standard error. Right: the paths in the plane of the "
    "hyperparameters."
)
