"""Figures of free-energy minimisation: energy and entropy, temperature, and the free energy's minima."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from thermograd.analysis.free_energy_curves import free_energy_curves
from thermograd.analysis.published import PublishedTemperature
from thermograd.analysis.temperature_law import TemperatureLine
from thermograd.errors import InputError
from thermograd.figures.axes import logarithmic
from thermograd.figures.draw import Array, draw_line, over_seeds, style_entry
from thermograd.figures.output import new_figure
from thermograd.figures.style import GREY, colours, label, styled, thinned, value_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["free_energy", "free_energy_minima", "loss_and_entropy", "temperature_band"]

_LOSS, _ENTROPY, _BAND = "#0072B2", "#D55E00", "#009E73"
_CURVES = 8  # more cannot be told apart


def free_energy(
    states: xr.Dataset,
    line: TemperatureLine,
    *,
    uniform_loss: float | None = None,
    uniform_entropy: float | None = None,
    published: PublishedTemperature | None = None,
) -> Figure:
    """Compose one row of FE figure 2: U and S (left), temperature (centre), free energies (right).

    Parameters
    ----------
    states
        The states that were analysed.
    line
        From :func:`thermograd.analysis.temperature_law.temperature_law`.
    uniform_loss, uniform_entropy, published
        See `loss_and_entropy` and `temperature_band`.

    Returns
    -------
    Figure
        Known to nobody but the caller: no pyplot, nothing to close.

    """
    with styled():
        figure = new_figure(13.4, 4.7)
        left, centre, right = figure.subplots(1, 3, gridspec_kw={"wspace": 0.08})
        at = {name: value for name, value in line.at.items() if name in states.dims}
        loss_and_entropy(
            states.sel(at),
            left,
            uniform_loss=uniform_loss,
            uniform_entropy=uniform_entropy,
            observable=str(line.points.attrs["observable"]),
        )
        temperature_band(line, centre, published=published)
        free_energy_minima(line, right)
    return figure


def loss_and_entropy(
    states: xr.Dataset,
    ax: Axes,
    *,
    uniform_loss: float | None = None,
    uniform_entropy: float | None = None,
    observable: str = "entropy",
) -> Axes:
    """Draw U (left axis, logarithmic) and S (right axis) over the ELR, as FE figure 2 has them.

    Hollow points are out of equilibrium. Dashed lines are what the uniform law on the sphere would give.

    Parameters
    ----------
    states
        States of a fixed sphere, a single radius; seeds are averaged.
    ax
        matplotlib axes to draw into; a twin is added for the entropy.
    uniform_loss, uniform_entropy
        Mean loss at random directions, and the entropy that the same estimator gives for them.
    observable
        Which entropy.

    Returns
    -------
    Axes
        The axes that were passed in.

    Raises
    ------
    InputError
        A variable missing, or several radii.

    """
    chosen = states.squeeze("radius") if states.sizes.get("radius") == 1 else states
    if "elr" not in chosen.dims or "radius" in chosen.dims:
        raise InputError(
            f"figure: the states have dimensions {list(states.dims)}; expected elr, and a single radius"
        )
    x = chosen["elr"].values.astype(float)
    twin = ax.twinx()
    for name, axes, colour, uniform in (
        ("loss", ax, _LOSS, uniform_loss),
        (observable, twin, _ENTROPY, uniform_entropy),
    ):
        value, error, good = over_seeds(chosen, name)
        y, se, settled = value.values, np.nan_to_num(error.values), good.values & np.isfinite(value.values)
        axes.fill_between(x, y - se, y + se, color=colour, alpha=0.25, linewidth=0, zorder=2)
        (curve,) = axes.plot(x, y, "-", color=colour, linewidth=1.3, zorder=3)
        curve.set_gid(name)
        for which, face in ((settled, colour), (~settled, "white")):
            axes.plot(x[which], y[which], "o", color=colour, markerfacecolor=face, markersize=4, zorder=3.5)
        if uniform is not None:
            draw_line(axes, x, np.full_like(x, uniform), gid=f"{name}:uniform", style="--", colour=colour)
        axes.tick_params(axis="y", colors=colour)
    logarithmic(ax)
    twin.grid(visible=False)
    twin.ticklabel_format(axis="y", style="sci", scilimits=(-2, 4), useMathText=True)
    ax.set_xlabel(label("elr"))
    ax.set_ylabel(label("loss"), color=_LOSS)
    twin.set_ylabel(label("entropy"), color=_ENTROPY)
    ax.set_title("energy and entropy")
    if uniform_loss is not None or uniform_entropy is not None:
        ax.legend(handles=[style_entry("uniform law", "--")], loc="lower right")
    return ax


def temperature_band(
    line: TemperatureLine, ax: Axes, *, published: PublishedTemperature | None = None
) -> Axes:
    """Draw T over the ELR: the interval of each state, its geometric mean, and the power law.

    Parameters
    ----------
    line
        From :func:`thermograd.analysis.temperature_law.temperature_law`.
    ax
        matplotlib axes to draw into.
    published
        A law of the paper to draw beside it.

    Returns
    -------
    Axes
        The axes that were passed in. States with one bound show it as an arrow; states of which no
        temperature exists show nothing, and the title says how many.

    """
    points = line.points
    x, inside = points["elr"].values, points["inside"].values
    low, high, T = (points[name].values for name in ("lower", "upper", "temperature"))
    estimate = inside & (points["kind"].values == "estimate")
    ax.fill_between(x, low, high, where=estimate, color=_BAND, alpha=0.2, linewidth=0, zorder=2)
    ax.errorbar(
        x[estimate],
        T[estimate],
        yerr=np.nan_to_num(points["temperature_se"].values[estimate]),
        fmt="o-",
        color=_BAND,
        markersize=4,
        linewidth=1.4,
        zorder=3,
    ).lines[0].set_gid("temperature")
    for kind, values, marker in (("upper bound", high, "v"), ("lower bound", low, "^")):
        one = inside & (points["kind"].values == kind)
        if one.any():
            (mark,) = ax.plot(x[one], values[one], marker, color=GREY, markersize=6, zorder=3)
            mark.set_gid(kind)
    entries = [style_entry("free energy is least", "-", _BAND, marker="o", markersize=4)]
    if line.law is not None:
        draw_line(ax, x[estimate], line.law.at(x[estimate])[0], gid="law", style="--", colour="black")
        error = f" \\pm {line.law.exponent_se:.1g}" if np.isfinite(line.law.exponent_se) else ""
        text = f"${_power(line.law.coefficient)}\\,\\eta^{{{line.law.exponent:.2f}{error}}}$"
        entries.append(style_entry(text, "--", "black"))
    if published is not None:
        rates = np.geomspace(published.low, published.high, 2)
        values = np.array([published.at(float(rate)) for rate in rates])
        draw_line(ax, rates, values, gid="published", style=":", colour=GREY)
        entries.append(style_entry(f"{published.network}, {published.data} ({published.source})", ":"))
    if estimate.any():
        logarithmic(ax)
    without = int((~inside).sum())
    ax.set_title("temperature" if line.exists else "temperature (not shown to exist)")
    if without:
        words = f"{without} states without one"
        ax.text(0.98, 0.03, words, transform=ax.transAxes, ha="right", va="bottom", fontsize=9)
    ax.set_xlabel(label("elr"))
    ax.set_ylabel(label("temperature"))
    ax.legend(handles=entries, loc="upper center", bbox_to_anchor=(0.5, -0.2))
    return ax


def free_energy_minima(line: TemperatureLine, ax: Axes) -> Axes:
    """Draw ``F = U - T (S - S_0)`` over the ELR for up to 8 of the states' own temperatures.

    A star marks the state whose temperature it is: it must lie at the minimum. A circle marks the minimum
    where that is another state.

    Parameters
    ----------
    line
        From :func:`thermograd.analysis.temperature_law.temperature_law`.
    ax
        matplotlib axes to draw into.

    Returns
    -------
    Axes
        The axes that were passed in; empty but for a note where no state has a temperature.

    """
    ax.set_title("free energy")
    if not np.isfinite(line.points["temperature"].where(line.points["inside"])).any():
        ax.set_axis_off()
        ax.text(0.5, 0.5, "no state has a temperature", ha="center", transform=ax.transAxes)
        return ax
    curves = free_energy_curves(line)
    shown = curves.isel(temperature=thinned(range(curves.sizes["temperature"]), _CURVES))
    x, entries = shown["elr"].values, []
    for colour, T in zip(
        colours("elr", shown.sizes["temperature"]), shown["temperature"].values, strict=True
    ):
        one = shown.sel(temperature=T)
        F: Array = one["free_energy"].values
        (curve,) = ax.plot(x, F, "o-", color=colour, markersize=2.5, linewidth=1.2, zorder=3)
        curve.set_gid(f"F:T={value_text(T)}")
        own, least = (np.flatnonzero(x == one[name].item()) for name in ("own", "minimum"))
        ax.plot(x[own], F[own], "*", color="black", markersize=8, zorder=4)
        if least[0] != own[0]:
            ax.plot(x[least], F[least], "o", color="black", markerfacecolor="none", markersize=8, zorder=4)
        entries.append(style_entry(value_text(T), "-", colour))
    logarithmic(ax, y=False)
    ax.set_xlabel(label("elr"))
    ax.set_ylabel(r"$U - T\,(S - S_0)$")
    ax.legend(handles=entries, title=label("temperature"), loc="upper left", bbox_to_anchor=(1.01, 1.0))
    return ax


def _power(value: float) -> str:
    if 0.01 <= value < 100:
        return f"{value:.2g}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa} \\cdot 10^{{{int(exponent)}}}"
