"""The figures of one setup of the free-energy paper, drawn once and used in the page and as files."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from thermograd.analysis.published import PublishedTemperature
from thermograd.analysis.temperature_law import TemperatureLine
from thermograd.errors import InputError
from thermograd.figures.bridge import bridge
from thermograd.figures.free_energy import free_energy
from thermograd.figures.free_energy_overview import energy_and_entropy_over_time
from thermograd.figures.free_energy_time import gradients_over_time, temperature_over_time
from thermograd.figures.output import encode, new_figure
from thermograd.figures.phase import phase_diagram
from thermograd.figures.regimes import regime_map
from thermograd.figures.style import styled, thinned, value_text
from thermograd.report.content import Picture
from thermograd.report.free_energy_findings import FreeEnergyFindings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["CAPTIONS", "laid_out", "make_free_energy_figures", "picture"]

_RATES = 6  # curves of gradients over time that can be told apart


def make_free_energy_figures(
    findings: FreeEnergyFindings, published: PublishedTemperature | None = None
) -> dict[str, Figure]:
    """All figures that the findings allow, by the stem of their files.

    Parameters
    ----------
    findings
        What was found.
    published
        The paper's law for this network and data, drawn beside ours.

    """
    f = findings
    makers: dict[str, Callable[[], Figure]] = {
        "over-time": lambda: energy_and_entropy_over_time(
            _one_seed(f.trace), uniform_loss=f.random_loss(), uniform_entropy=f.uniform_entropy
        ),
        "regimes": lambda: _regimes(f),
        "gradients": lambda: gradients_over_time(_few_rates(f)),
    }
    if not isinstance(f.temperatures, str):
        for line in f.temperatures:
            makers[f"free-energy{_suffix(line)}"] = _free_energy(f, line, f.uniform_entropy, published)
    if not isinstance(f.graph, str):
        for line in f.graph:
            makers[f"free-energy-graph{_suffix(line)}"] = _free_energy(f, line, f.uniform_graph, published)
    if not isinstance(f.bridge, str):
        for joined in f.bridge:
            makers[f"bridge{_suffix(joined.temperatures)}"] = _bridge(joined)
    if not isinstance(f.decay, str):
        makers["decay"] = lambda: _decay(f)
    if not isinstance(f.phase, str):
        makers["phase"] = lambda: _phase(f)
    figures = {}
    for name, make in makers.items():
        try:
            figures[name] = make()
        except InputError:
            # What cannot be drawn (nothing measured, too few log points) is said by the analysis.
            continue
    return laid_out(figures)


def laid_out(figures: dict[str, Figure]) -> dict[str, Figure]:
    """The figures with their layout fixed: each is written in three formats, one layout for all of them."""
    with styled():
        for figure in figures.values():
            figure.draw_without_rendering()
            figure.set_layout_engine(None)
    return figures


def picture(figure: Figure, stem: str) -> Picture:
    """A figure as it stands in the page, its caption by the stem of its file."""
    alt, caption = CAPTIONS[next(name for name in CAPTIONS if stem.startswith(name))]
    return Picture(encode(figure, "svg"), f"{alt} ({stem})", caption, narrow=stem in _NARROW)


def _suffix(line: TemperatureLine) -> str:
    return f"-seed-{line.at['seed']:g}" if "seed" in line.at else ""


def _one_seed(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.isel(seed=[0]) if "seed" in dataset.dims else dataset


def _few_rates(f: FreeEnergyFindings) -> xr.Dataset:
    """Runs that converge or are in equilibrium, of one seed, a few rates: those that have a phase diagram."""
    trace = _one_seed(f.trace)
    if isinstance(f.regimes, str):
        return trace
    words = f.regimes.points["regime"].transpose("elr", ...)
    rows = words.values.reshape(words.sizes["elr"], -1)
    good = np.flatnonzero(np.isin(rows, ["convergence", "equilibrium"]).any(axis=1))
    if len(good) == 0:
        return trace
    return trace.isel(elr=good[thinned(range(len(good)), _RATES)])


def _regimes(f: FreeEnergyFindings) -> Figure:
    if isinstance(f.regimes, str):
        raise InputError(f.regimes)
    with styled():
        figure = new_figure(6.4, 4.2)
        regime_map(f.regimes, f.states, figure.subplots(), random_loss=f.random_loss())
    return figure


def _free_energy(
    f: FreeEnergyFindings,
    line: TemperatureLine,
    uniform_entropy: float | None,
    published: PublishedTemperature | None,
) -> Callable[[], Figure]:
    return lambda: free_energy(
        f.states,
        line,
        uniform_loss=f.random_loss(line.at),
        uniform_entropy=uniform_entropy,
        published=published,
    )


def _bridge(joined: object) -> Callable[[], Figure]:
    from thermograd.analysis.bridge import BridgeLine

    assert isinstance(joined, BridgeLine)
    return lambda: bridge(joined)


def _decay(f: FreeEnergyFindings) -> Figure:
    if isinstance(f.decay, str):
        raise InputError(f.decay)
    seeds = {run.at.get("seed", 0.0) for run in f.decay}
    runs = [run for run in f.decay if run.at.get("seed", 0.0) == min(seeds)]
    with styled():
        figure = new_figure(6.4, 4.4)
        shown = [runs[i] for i in thinned(range(len(runs)), _RATES)]
        temperature_over_time(shown, figure.subplots())
    return figure


def _phase(f: FreeEnergyFindings) -> Figure:
    if isinstance(f.phase, str):
        raise InputError(f.phase)
    seeds = {run.at.get("seed", 0.0) for run in f.phase}
    runs = [run for run in f.phase if run.at.get("seed", 0.0) == min(seeds)]
    with styled():
        figure = new_figure(6.4, 4.6)
        shown = {f"ELR {value_text(runs[i].at['elr'])}": runs[i] for i in thinned(range(len(runs)), 4)}
        phase_diagram(shown, figure.subplots())
    return figure


_NARROW = ("regimes", "decay", "phase")

CAPTIONS = {
    "over-time": (
        "Loss and entropy over the iterations",
        "Training loss U and entropy S of the direction over the iterations, a colour for each ELR (FE "
        "figures 1 and 8). Dashed: the uniform law on the sphere. Entropies begin with the first window.",
    ),
    "free-energy-graph": (
        "The same from the entropy of the graph of nearest neighbours",
        "The same with the free-energy paper's own estimator: the length of the graph of nearest neighbours "
        "of consecutive iterates, an entropy up to a constant. Dashed: the same number of uniform points.",
    ),
    "free-energy": (
        "Loss and entropy, temperature, and free energy over the learning rate",
        "Left: stationary U and S over the ELR, hollow where a run is not stationary, dashed for the uniform "
        "law. Middle: the temperatures at which a state has the least free energy among its competitors; the "
        "shade is the interval, triangles are states with one bound, dashes the fitted power law. Right: F = "
        "U − T S at the states' own temperatures; a star is the state whose temperature it is, and lies at "
        "the minimum (FE figures 2, 9 and 10).",
    ),
    "gradients": (
        "Gradient norms and signal-to-noise ratio over the iterations",
        "Norm of the mean gradient, root mean square norm of minibatch gradients, and their signal-to-noise "
        "ratio. Pale: log points; full: Gaussian average of width 0.2 in ln t; dashed: level of runs whose "
        "gradients have settled (FE figures 6, 16 and 17).",
    ),
    "regimes": (
        "Regimes over the learning rate",
        "Stationary loss over the ELR with the regime that each run was recognised as.",
    ),
    "decay": (
        "Temperature along converging runs",
        "T = dU/dS between log points of runs that keep converging, with one standard error and the fitted "
        "power of time (FE figures 3 and 11).",
    ),
    "phase-sizes": (
        "Phase diagram of the gradients by size of the data set",
        "Minibatch gradients over the full gradient while both fall, for each size of the data set, with the "
        "fitted powers (FE figures 7 and 15).",
    ),
    "phase-exponents": (
        "Exponents of the gradients over the size of the data set",
        "Exponents a of E|g| ~ |E g|^a with one standard error, the published ones beside them. At 1 all "
        "gradients vanish at one rate, as where an optimum is shared by all examples (FE lemma 1).",
    ),
    "phase": (
        "Phase diagram of the gradients",
        "Minibatch gradients over the full gradient; pale points are not part of the fit (FE figure 7).",
    ),
    "bridge": (
        "Temperature from free energy and from gradient noise",
        "The temperature of free-energy minimisation, the local slope dU/dS, and that of the gradient noise, "
        "ELR σ²/2, of the same runs. Neither paper compares them.",
    ),
    "batch-size": (
        "Noise and temperature over the batch size",
        "σ² and T over the batch size at fixed rate and at fixed rate per image, with fitted powers and, "
        "dotted, those of independent images; T and U of all runs over the rate per image.",
    ),
}
"""Alternative text and caption by the stem of a figure's file."""
