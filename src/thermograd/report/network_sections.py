"""Sections on networks beyond the grid's laws: the real gas, maps of T, adiabats, convergence over time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from thermograd.analysis.adiabat_paths import AdiabatPaths, PathOutcome
from thermograd.analysis.compressibility import compressibility
from thermograd.analysis.regimes import Regimes
from thermograd.errors import InputError
from thermograd.figures.adiabat import adiabats
from thermograd.figures.compressibility import real_gas
from thermograd.figures.output import encode, new_figure
from thermograd.figures.overparameterised import gradients_and_norm_over_time
from thermograd.figures.regimes import regime_map
from thermograd.figures.style import styled
from thermograd.figures.temperature_map import temperature_map
from thermograd.report.content import Picture, Section, Table
from thermograd.report.wording import PROTOCOL_NAMES, VERSIONS, number, percent, place, with_error

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Drawn", "adiabat_section", "convergence_section", "gas_section", "temperature_section"]

States = Mapping[str, xr.Dataset]


@dataclass(frozen=True)
class Drawn:
    """A section, and its figures by the stem of their files."""

    section: Section
    figures: dict[str, Figure]


def gas_section(states: States) -> Drawn:
    """Z = p V / (R T), measured and predicted.

    Parameters
    ----------
    states
        Stationary states by protocol.

    """
    rows, remarks = [], []
    for protocol, dataset in states.items():
        name = PROTOCOL_NAMES[protocol]
        try:
            check = compressibility(dataset)
        except InputError as error:
            remarks.append(f"{name}: not tested; {error}")
            continue
        exponent = with_error(check.pressure_exponent, check.pressure_exponent_se)
        for line in check.lines:
            Z = f"{number(check.smallest)} to {number(check.largest)}"
            cells = (str(line.n), Z, percent(line.median), percent(line.worst), exponent)
            rows.append((name, VERSIONS[line.version], *cells))
    columns = (
        "protocol",
        "formula",
        "runs",
        "Z measured",
        "median error",
        "worst error",
        "(d log Z/d log p)_T",
    )
    note = (
        "SDE: Z = 1, the ideal gas. Discrete: Z = 1 + |E g|²/Tr Σ on the sphere and at fixed ELR, its square "
        "root at fixed LR. Error: |measured / predicted − 1|. The last column is 0 if Z depends on T alone."
    )
    table = Table("compressibility", "A real gas: V = Z R T / p", columns, tuple(rows), note)
    intro = (
        "IG section 7 proposes a real gas, V = Z(p, T) R T / p, as the next step. The gradients measured in "
        "a state say what its Z is: the mean gradient drives the norm apart just as the noise does, and is "
        "no part of T. By scale invariance Z can depend on T alone and not on the pressure."
    )
    figures: dict[str, Figure] = {}
    pictures: tuple[Picture, ...] = ()
    if rows:
        figures["compressibility"] = real_gas(states)
        caption = (
            "Points measured with one standard error, lines predicted from the gradients of the same runs."
        )
        pictures = (_picture(figures["compressibility"], "Compressibility over temperature", caption),)
    paragraphs = (intro, *remarks)
    return Drawn(Section("real-gas", "The real gas", paragraphs, tables=(table,), pictures=pictures), figures)


def temperature_section(states: States) -> Drawn:
    """T over the plane of both hyperparameters, protocol by protocol.

    Parameters
    ----------
    states
        Stationary states by protocol.

    """
    shown, remarks = [], []
    for protocol, dataset in states.items():
        good = (dataset["status"] == "equilibrium").values
        if "temperature" in dataset and good.any():
            shown.append(protocol)
        else:
            remarks.append(f"{PROTOCOL_NAMES[protocol]}: no run in equilibrium has a temperature")
    figures: dict[str, Figure] = {}
    pictures: tuple[Picture, ...] = ()
    if shown:
        with styled():
            figure = new_figure(4.6 * len(shown), 4.0)
            for protocol, ax in zip(shown, np.atleast_1d(figure.subplots(1, len(shown))), strict=True):
                temperature_map(states[protocol], ax)
                ax.set_title(PROTOCOL_NAMES[protocol])
        figures["temperature-map"] = figure
        caption = (
            "T from the gradient noise; dots are runs in equilibrium, crosses others, lines of constant T "
            "white. At fixed ELR and on spheres T depends on the ELR alone, at fixed LR on lr × wd."
        )
        pictures = (_picture(figure, "Maps of the temperature", caption),)
    section = Section("temperature-map", "Maps of the temperature", tuple(remarks), pictures=pictures)
    return Drawn(section, figures)


def adiabat_section(paths: Mapping[str, AdiabatPaths] | str) -> Drawn:
    """S along the adiabats that were planned from the grid's states, and along a path that is none.

    Parameters
    ----------
    paths
        By protocol, or why there are none.

    """
    if isinstance(paths, str):
        return Drawn(Section("adiabat", "Adiabats", (f"Not tested: {paths}",)), {})
    intro = (
        "From the middle of the grid three curves of hyperparameters are followed, along each of which the "
        "radius is to undo what the direction's entropy gains: by dU = T dS with the measured training loss "
        "as the energy and T from the gradient noise, or from the gas thermometer T = pV/R; and by the "
        "measured entropies themselves. Runs were made along the first two. The third has the second one's "
        "directions at other radii: by scale invariance its entropies follow, exactly. A path at constant "
        "weight decay is the control. The loss is not the energy that SGD minimises (IG section 6.1): how "
        "far S stays says how good a stand-in it is."
    )
    figures, tables, pictures = {}, [], []
    for protocol, found in paths.items():
        drawn = {path.words: path.states for path in found.paths.values() if path.states}
        figures[f"adiabat-{protocol}"] = adiabats(
            {
                words: [one for one in states if _usable(one)] or list(states)
                for words, states in drawn.items()
            }
        )
        rows = tuple(_row(path) for path in found.paths.values())
        columns = (
            "path",
            "states",
            "dS/dlog T / R",
            "S changes by [nats]",
            "direction's S changes by [nats]",
            "χ²",
        )
        tables.append(
            Table(f"adiabat-{protocol}", f"Along the paths, {PROTOCOL_NAMES[protocol]}", columns, rows)
        )
        tables.append(_points(protocol, found))
        caption = f"{PROTOCOL_NAMES[protocol]}. Left: S less its mean on the first path; right: the paths."
        pictures.append(_picture(figures[f"adiabat-{protocol}"], "Entropy along adiabats", caption))
    section = Section("adiabat", "Adiabats", (intro,), tables=tuple(tables), pictures=tuple(pictures))
    return Drawn(section, figures)


def _usable(state: xr.Dataset) -> bool:
    return bool((state["status"] == "equilibrium").all() and np.isfinite(state["entropy"].values).all())


def _row(path: PathOutcome) -> tuple[str, ...]:
    check = path.check
    if isinstance(check, str) or check.trend is None:
        reason = check if isinstance(check, str) else "T is the same all along"
        return (path.words, str(len(path.states)), reason, "–", "–", "–")
    R = (int(path.states[0].attrs["dim"]) - 1) / 2
    trend = with_error(check.trend.plain / R, check.trend.plain_se / R)
    chi = f"{number(check.chi_squared)} of {check.freedom}"
    left_out = f" ({len(check.left_out)})" if check.left_out else ""
    counted = f"{check.points.sizes['point']}{left_out}"
    return (path.words, counted, trend, number(check.span), number(check.sphere_span), chi)


def _points(protocol: str, found: AdiabatPaths) -> Table:
    rows = []
    for name in ("noise", "gas"):
        if name not in found.paths:
            continue
        path = found.paths[name]
        for one in path.states:
            where = place({str(d): float(one[d].item()) for d in one["status"].dims})
            S = with_error(float(one["entropy"].item()), float(one["entropy_se"].item()))
            T = with_error(float(one["temperature"].item()), float(one["temperature_se"].item()))
            rows.append((where, path.words, T, S, str(one["status"].item())))
    columns = ("run", "path", "T", "S [nats]", "status")
    title = f"The states along the paths, {PROTOCOL_NAMES[protocol]}"
    return Table(f"adiabat-states-{protocol}", title, columns, tuple(rows))


def convergence_section(trace: xr.Dataset, found: Regimes, states: xr.Dataset, start: float) -> Drawn:
    """Over-parameterised runs over time, and the regime of each as the package recognises it (IG figure 13).

    Parameters
    ----------
    trace, states
        Runs at fixed ELR, and what they settled to.
    found
        Their regimes.
    start
        Norm at the start.

    """
    figures = {"over-time": gradients_and_norm_over_time(trace, found, start=start)}
    with styled():
        figure = new_figure(5.6, 3.8)
        regime_map(found, states, figure.subplots())
    figures["regimes"] = figure
    words = found.points["regime"]
    rows = tuple(
        (
            place({str(d): float(words[d].values[i]) for d, i in zip(words.dims, at, strict=True)}),
            str(words.values[at]),
            str(found.points["reason"].values[at]),
        )
        for at in np.ndindex(words.shape)
    )
    table = Table("regimes", "The regime of each run", ("run", "regime", "why"), rows, prose=True)
    caption = (
        "The panels of IG figure 13: loss, norm less its start, trace of the noise, squared full gradient."
    )
    pictures = (
        _picture(figures["over-time"], "Over-parameterised runs over time", caption),
        _picture(figure, "Regimes over the learning rate", f"Recognised: {found.verdict}.", narrow=True),
    )
    section = Section("convergence", "Convergence and equilibrium", tables=(table,), pictures=pictures)
    return Drawn(section, figures)


def _picture(figure: Figure, alt: str, caption: str, *, narrow: bool = False) -> Picture:
    with styled():
        # Laid out once: the page and the files beside it show the same.
        figure.draw_without_rendering()
        figure.set_layout_engine(None)
    return Picture(encode(figure, "svg"), alt, caption, narrow)
