"""Temperature, gradient noise and loss over the batch size, and over the learning rate per image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from thermograd.analysis.batch_size import BatchSizeCheck
from thermograd.errors import InputError
from thermograd.figures.axes import logarithmic
from thermograd.figures.draw import draw_line, style_entry
from thermograd.figures.output import new_figure
from thermograd.figures.style import GREY, label, styled, value_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["batch_size", "over_batch_size", "over_rate_per_image"]

_LOOKS = (("rate", "#0072B2", "o"), ("rate / B", "#D55E00", "s"))
_WORDS = {"rate": "fixed {}", "rate / B": "fixed {} / B"}
_NAMES = {"FixedSphere": "ELR", "FixedELR": "ELR", "FixedLR": "LR"}


def batch_size(checks: Mapping[str, BatchSizeCheck]) -> Figure:
    """Compose four panels a protocol: sigma2 and T over the batch size, T and loss over the rate per image.

    Parameters
    ----------
    checks
        From :func:`thermograd.analysis.batch_size.batch_size_laws`, by the protocol's name in words.

    Raises
    ------
    InputError
        No checks.

    """
    if not checks:
        raise InputError("figure: there are no batch sizes; expected the results of one protocol at least")
    with styled():
        figure = new_figure(9.6, 7.6 * len(checks))
        panels = figure.subplots(2 * len(checks), 2)
        for i, (name, check) in enumerate(checks.items()):
            upper, lower = panels[2 * i], panels[2 * i + 1]
            over_batch_size(check, upper[0], "sigma2")
            over_batch_size(check, upper[1], "temperature")
            over_rate_per_image(check, lower[0], "temperature")
            over_rate_per_image(check, lower[1], "loss")
            for ax in (*upper, *lower):
                ax.set_title(f"{name}: {ax.get_title()}")
    return figure


def over_batch_size(check: BatchSizeCheck, ax: Axes, observable: str) -> Axes:
    """Draw an observable over the batch size, a family of runs at fixed rate and one at fixed rate per image.

    Solid lines are the fitted powers, dotted ones the expected power through the middle of the points.

    Parameters
    ----------
    check
        From :func:`thermograd.analysis.batch_size.batch_size_laws`.
    ax
        matplotlib axes to draw into.
    observable
        ``"sigma2"``, ``"temperature"`` or ``"loss"``.

    Returns
    -------
    Axes
        The axes that were passed in.

    """
    points = check.points
    entries = []
    for held, colour, marker in _LOOKS:
        for law in (one for one in check.laws if (one.observable, one.held) == (observable, held)):
            share = points["rate"] / points["batch_size"] if held == "rate / B" else points["rate"]
            mine = np.isclose(share.values, law.value, rtol=1e-5)
            x, y = points["batch_size"].values[mine], points[observable].values[mine]
            drawn = ax.errorbar(
                x, y, yerr=points[f"{observable}_se"].values[mine], fmt=marker, color=colour, zorder=3
            )
            drawn.lines[0].set_gid(f"{observable}:{held}")
            span = np.array([law.law.low, law.law.high])
            draw_line(ax, span, law.law.at(span)[0], gid=f"{observable}:{held}:law", style="-", colour=colour)
            middle = float(np.exp(np.mean(np.log(y)))), float(np.exp(np.mean(np.log(x))))
            ideal = middle[0] * (span / middle[1]) ** law.expected
            draw_line(ax, span, ideal, gid=f"{observable}:{held}:expected", style=":", colour=colour)
            name = _WORDS[held].format(_NAMES[check.protocol])
            text = f"{name}: $B^{{{law.law.exponent:.2f} \\pm {law.law.exponent_se:.1g}}}$"
            entries.append(style_entry(text, "-", colour, marker=marker, markersize=5))
    entries.append(style_entry("independent images", ":"))
    logarithmic(ax)
    _sizes(ax, points["batch_size"].values)
    ax.set_title("temperature" if observable == "temperature" else label(observable).partition(" [")[0])
    ax.set_xlabel("batch size $B$")
    ax.set_ylabel(label(observable))
    ax.legend(handles=entries, loc="best", fontsize=8)
    return ax


def over_rate_per_image(check: BatchSizeCheck, ax: Axes, observable: str) -> Axes:
    """Draw an observable of all runs over rate / B, each batch size a colour: one curve if that decides.

    Parameters
    ----------
    check, ax, observable
        As for `over_batch_size`.

    """
    from thermograd.figures.style import colours

    points = check.points
    sizes = np.unique(points["batch_size"].values)
    entries = []
    for size, colour in zip(sizes, colours("wd", len(sizes)), strict=True):
        mine = points["batch_size"].values == size
        x = points["rate"].values[mine] / size
        order = np.argsort(x)
        y, se = points[observable].values[mine][order], points[f"{observable}_se"].values[mine][order]
        drawn = ax.errorbar(x[order], y, yerr=se, fmt="o", color=colour, markersize=5, zorder=3)
        drawn.lines[0].set_gid(f"{observable}:B={value_text(size)}")
        entries.append(style_entry(f"B = {value_text(size)}", "none", colour, marker="o", markersize=5))
    logarithmic(ax)
    ax.set_title("temperature" if observable == "temperature" else "loss")
    ax.set_xlabel(f"{_NAMES[check.protocol]} / B")
    ax.set_ylabel(label(observable))
    ax.legend(handles=entries, loc="best", fontsize=8)
    return ax


def _sizes(ax: Axes, sizes: np.ndarray) -> None:
    """Ticks at the batch sizes themselves."""
    values = np.unique(sizes)
    ax.set_xticks(values, [value_text(float(value)) for value in values])
    ax.tick_params(axis="x", which="minor", length=0)
    ax.spines["bottom"].set_color(GREY)
