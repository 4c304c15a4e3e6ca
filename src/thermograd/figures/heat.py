"""Energy and heat capacity over temperature: where equipartition holds, and where the sphere's size shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from thermograd.analysis.heat import HeatCheck
from thermograd.errors import InputError
from thermograd.figures.axes import logarithmic
from thermograd.figures.draw import Array, draw_line, style_entry
from thermograd.figures.output import new_figure
from thermograd.figures.style import GREY, label, styled
from thermograd.theory import gas, vmf

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

__all__ = ["heat", "heat_capacity_curve", "heat_energy"]

_DIMS = (3, 10, 100)
_LINE = 160  # points of a line
_COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#7A5195",
    "#8C6D00",
)  # for every eye, and dark enough


def heat(
    checks: Sequence[HeatCheck], *, hot: Sequence[HeatCheck] = (), dims: Sequence[int] = _DIMS
) -> Figure:
    """Compose the energy (left) and the heat capacity (right) over temperature.

    Parameters
    ----------
    checks
        From :func:`thermograd.analysis.heat_capacities`, each of states of the isotropic model.
    hot
        The same of states that are not cold: their fits of the cold limit mean nothing and are not drawn.
    dims
        Dimensions whose exact curves are drawn, beside those of the checks.

    Returns
    -------
    Figure
        Known to nobody but the caller: no pyplot, nothing to close.

    Raises
    ------
    InputError
        No checks.

    """
    with styled():
        figure = new_figure(9.2, 3.9)
        left, right = figure.subplots(1, 2)
        every = [*checks, *hot]
        heat_energy(checks, left, hot=hot, dims=dims, key=False)
        heat_capacity_curve(every, right, dims=dims, key=False)
        entries = _key(every, dims, fit=bool(checks))
        figure.legend(
            handles=entries,
            loc="outside lower center",
            ncols=len(entries),
            columnspacing=1.2,
            handlelength=1.6,
        )
    return figure


def heat_energy(
    checks: Sequence[HeatCheck],
    ax: Axes,
    *,
    hot: Sequence[HeatCheck] = (),
    dims: Sequence[int] = _DIMS,
    key: bool = True,
) -> Axes:
    """Draw U over T: measured, fitted, exact and in the small-T form.

    Points are the means of all states of one temperature; thick pale lines the fits whose slope at T = 0 is
    the heat capacity, as far as they reach; thin lines the exact von Mises-Fisher law of each dimension;
    dashed lines ``(d-1) T / 2``.

    Parameters
    ----------
    checks
        From :func:`thermograd.analysis.heat_capacities`.
    ax
        matplotlib axes to draw into.
    hot
        More of them, drawn without their fits.
    dims
        Dimensions whose exact curves are drawn, beside those of the checks.
    key
        Whether to put a key beside the axes.

    Returns
    -------
    Axes
        The axes that were passed in.

    Raises
    ------
    InputError
        No checks.

    References
    ----------
    IG eq. 103, 106.

    """
    every = [*checks, *hot]
    shades, T = _shades(every, dims), _temperatures(every)
    for d, colour in shades.items():
        draw_line(ax, T, vmf.energy(T, d), gid=f"d={d}:exact", style="-", colour=colour)
        draw_line(ax, T, vmf.energy_small_t(T, d), gid=f"d={d}:small-t", style="--", colour=colour)
    for check in checks:
        d = _dim(check)
        reach = np.geomspace(float(check.points["temperature"].min()), check.fit.hottest, _LINE)
        fitted = np.polynomial.polynomial.polyval(reach, check.fit.coefficients)
        (line,) = ax.plot(reach, fitted, color=shades[d], linewidth=5, alpha=0.25, solid_capstyle="butt")
        line.set_gid(f"d={d}:fit")
    for check in every:
        _points(ax, check, "energy", 1.0, shades[_dim(check)])
    logarithmic(ax)
    ax.set_ylim(top=2.0)  # the uniform law has U = 1: what lies above is the small-T form alone
    ax.set_title("energy")
    ax.set_xlabel(label("temperature"))
    ax.set_ylabel(label("loss"))
    if key:
        _beside(ax, every, dims, fit=bool(checks))
    return ax


def heat_capacity_curve(
    checks: Sequence[HeatCheck], ax: Axes, *, dims: Sequence[int] = _DIMS, key: bool = True
) -> Axes:
    """Draw ``C_V / R`` over T: 1 when cold, where gamma is 2, and less where the sphere's size shows.

    Points are slopes of U over neighbouring temperatures, lines the exact law of each dimension, the dashed
    line equipartition.

    Parameters
    ----------
    checks
        From :func:`thermograd.analysis.heat_capacities`.
    ax
        matplotlib axes to draw into.
    dims
        Dimensions whose exact curves are drawn, beside those of the checks.
    key
        Whether to put a key beside the axes.

    Returns
    -------
    Axes
        The axes that were passed in.

    Raises
    ------
    InputError
        No checks.

    References
    ----------
    IG section 4 (V4), eq. 30, 97.

    """
    shades, T = _shades(checks, dims), _temperatures(checks)
    for d, colour in shades.items():
        exact = vmf.heat_capacity(T, d) / gas.gas_constant(d)
        draw_line(ax, T, exact, gid=f"d={d}:exact", style="-", colour=colour)
    ax.axhline(1.0, color=GREY, linestyle="--", linewidth=1.4, zorder=2)
    for check in checks:
        _points(ax, check, "c_v", check.gas_constant, shades[_dim(check)])
    logarithmic(ax, y=False)
    # Slopes between close temperatures can be far off with errors to match: they may leave the frame.
    ax.set_ylim(-0.1, 1.6)
    ax.set_title("heat capacity")
    ax.set_xlabel(label("temperature"))
    ax.set_ylabel("$C_V / R$")
    if key:
        _beside(ax, checks, dims, fit=False)
    return ax


def _points(ax: Axes, check: HeatCheck, name: str, unit: float, colour: str) -> None:
    x = check.points["temperature"].values
    y, error = check.points[name].values / unit, check.points[f"{name}_se"].values / unit
    error = np.where(np.isfinite(error), error, 0.0)
    container = ax.errorbar(x, y, yerr=error, fmt="o", color=colour, markersize=4, elinewidth=1.0, zorder=3)
    container.lines[0].set_gid(f"d={_dim(check)}:{name}")


def _dim(check: HeatCheck) -> int:
    return round(2 * check.gas_constant) + 1


def _shades(checks: Sequence[HeatCheck], dims: Sequence[int]) -> dict[int, str]:
    if not checks:
        raise InputError("figure: there are no heat capacities; expected those of one set of states at least")
    known = sorted({*dims, *(_dim(check) for check in checks)})
    return {d: _COLOURS[i % len(_COLOURS)] for i, d in enumerate(known)}


def _temperatures(checks: Sequence[HeatCheck]) -> Array:
    """From the coldest state to well beyond the hottest, so that the end of the small-T form is seen."""
    every = np.concatenate([check.points["temperature"].values for check in checks])
    return np.geomspace(float(every.min()), max(float(every.max()), 1.0), _LINE)


def _key(checks: Sequence[HeatCheck], dims: Sequence[int], *, fit: bool) -> list[Line2D]:
    shades = _shades(checks, dims)
    entries = [style_entry(f"$d$ = {d}", "-", colour, linewidth=3) for d, colour in shades.items()]
    return [
        *entries,
        style_entry("measured", "none", marker="o", markersize=4),
        style_entry("exact", "-"),
        style_entry("small-T form", "--"),
        *([style_entry("fit when cold", "-", linewidth=5, alpha=0.25)] if fit else []),
    ]


def _beside(ax: Axes, checks: Sequence[HeatCheck], dims: Sequence[int], *, fit: bool) -> None:
    ax.legend(
        handles=_key(checks, dims, fit=fit), loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0
    )
