"""Anisotropic noise: energy and entropy beside the Gibbs law's, and a cloud of directions that is no ball."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from thermograd.errors import InputError
from thermograd.figures.draw import draw_line, style_entry
from thermograd.figures.output import new_figure
from thermograd.figures.style import GREY, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["anisotropy", "anisotropy_energy", "anisotropy_entropy", "tangent_cloud"]

Array = NDArray[np.float64]
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#7A5195")
_GIBBS, _LAW = "#CC3377", "#222222"
_SHOWN = 800  # points of a cloud: more hide the ellipses


def anisotropy(
    points: Sequence[xr.Dataset],
    cloud: ArrayLike | None = None,
    variances: Sequence[float] | None = None,
) -> Figure:
    """Compose energy (left), entropy (middle) and, if there is one, the cloud (right) of anisotropic noise.

    Parameters
    ----------
    points
        Over ``anisotropy``, one dataset for each dimension: ``energy`` and ``entropy`` with ``_se`` and
        ``_law``, and ``deficit`` with the same; attribute ``dim``.
    cloud, variances
        As for `tangent_cloud`.

    Returns
    -------
    Figure
        Known to nobody but the caller: no pyplot, nothing to close.

    Raises
    ------
    InputError
        No points, or a cloud without variances.

    """
    if not points:
        raise InputError("figure: there are no anisotropic states; expected those of one dimension at least")
    with styled():
        figure = new_figure(11.4 if cloud is not None else 7.6, 3.9)
        axes = figure.subplots(1, 3 if cloud is not None else 2, squeeze=False).flat
        anisotropy_energy(points, axes[0])
        anisotropy_entropy(points, axes[1])
        entries = [
            style_entry(f"$d$ = {each.attrs['dim']}", "none", colour, marker="o", markersize=4.5)
            for each, colour in zip(points, _COLOURS, strict=False)
        ]
        entries += [
            style_entry("oscillators' law", "-", _LAW),
            style_entry("Gibbs law of the same energy", "--", _GIBBS),
        ]
        if cloud is not None:
            if variances is None:
                raise InputError("figure: variances are None; expected two with a cloud")
            tangent_cloud(cloud, variances, axes[2])
        figure.legend(handles=entries, loc="outside lower center", ncols=len(entries), columnspacing=1.2)
    return figure


def anisotropy_energy(points: Sequence[xr.Dataset], ax: Axes) -> Axes:
    """Draw the energy over that of the oscillators' law, less 1: noise of one sum gives one energy.

    Parameters
    ----------
    points
        As for `anisotropy`.
    ax
        matplotlib axes to draw into.

    Returns
    -------
    Axes
        The axes that were passed in.

    """
    from matplotlib.ticker import FuncFormatter

    ax.axhline(0.0, color=_LAW, linewidth=1.4, zorder=2)
    for each, colour in zip(points, _COLOURS, strict=False):
        law = each["energy_law"]
        _bars(ax, each, each["energy"] / law - 1, each["energy_se"] / law, colour, "energy")
    reach = max(abs(limit) for limit in ax.get_ylim())
    ax.set_ylim(-max(reach, 0.01), max(reach, 0.01))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{100 * v:.3g}%".replace("-", "−")))
    ax.set_title("energy")
    ax.set_xlabel("anisotropy $a$: noise $1 \\pm a$")
    ax.set_ylabel(r"$U / U_\mathrm{law} - 1$")
    return ax


def anisotropy_entropy(points: Sequence[xr.Dataset], ax: Axes) -> Axes:
    """Draw the entropy less that of isotropic noise, beside the oscillators' law and the Gibbs law's line.

    Parameters
    ----------
    points
        As for `anisotropy`.
    ax
        matplotlib axes to draw into.

    Returns
    -------
    Axes
        The axes that were passed in.

    """
    ax.axhline(0.0, color=_GIBBS, linestyle="--", linewidth=1.4, zorder=2)
    for each, colour in zip(points, _COLOURS, strict=False):
        d, last = int(each.attrs["dim"]), float(each["anisotropy"][-1])
        a = np.linspace(0.0, last, 80)
        # Half of the d - 1 directions have 1 + a, half 1 - a: log AM/GM = -log(1 - a^2)/2.
        draw_line(ax, a, (d - 1) / 4 * np.log1p(-(a**2)), gid=f"d={d}:law", style="-", colour=_LAW)
        _bars(ax, each, -each["deficit"], each["deficit_se"], colour, "entropy")
    ax.set_title("entropy")
    ax.set_xlabel("anisotropy $a$: noise $1 \\pm a$")
    ax.set_ylabel("$S - S(a = 0)$ [nats]")
    return ax


def tangent_cloud(cloud: ArrayLike, variances: Sequence[float], ax: Axes) -> Axes:
    """Draw directions in the tangent plane of the minimum, with one and two sigma of both laws.

    Parameters
    ----------
    cloud
        Unit vectors, shape ``(n, 3)``; the minimum lies on the first axis.
    variances
        Of the two tangent coordinates by the oscillators' law; the Gibbs law of that energy has their mean.
    ax
        matplotlib axes to draw into; made square.

    Returns
    -------
    Axes
        The axes that were passed in.

    Raises
    ------
    InputError
        A cloud of another shape, or not two variances.

    """
    x = np.asarray(cloud, dtype=np.float64)
    v = np.asarray(variances, dtype=np.float64)
    if x.ndim != 2 or x.shape[1] != 3 or v.shape != (2,):
        raise InputError(
            f"figure: cloud has shape {x.shape} and {v.size} variances; expected (n, 3) and 2 variances"
        )
    (drawn,) = ax.plot(x[:_SHOWN, 1], x[:_SHOWN, 2], "o", color="#9aa5b1", markersize=1.8, zorder=2)
    drawn.set_gid("cloud")
    turn = np.linspace(0.0, 2.0 * np.pi, 181)
    laws: tuple[tuple[str, Array, str, str], ...] = (
        ("law", v, "-", _LAW),
        ("gibbs", np.full(2, v.mean()), "--", _GIBBS),
    )
    for words, each, style, colour in laws:
        for sigmas in (1, 2):
            across, up = sigmas * np.sqrt(each[:, None]) * np.array([np.cos(turn), np.sin(turn)])
            draw_line(ax, across, up, gid=f"{words}:{sigmas}", style=style, colour=colour)
    ax.axhline(0.0, color=GREY, linewidth=0.5, zorder=1)
    ax.axvline(0.0, color=GREY, linewidth=0.5, zorder=1)
    reach = 3.2 * float(np.sqrt(v.max()))
    settings: dict[str, Any] = {"xlim": (-reach, reach), "ylim": (-reach, reach), "aspect": "equal"}
    ax.set(**settings)
    ax.set_title("directions, 1 and 2 σ")
    ax.set_xlabel("along the strong noise")
    ax.set_ylabel("along the weak noise")
    return ax


def _bars(ax: Axes, points: xr.Dataset, y: xr.DataArray, error: xr.DataArray, colour: str, name: str) -> None:
    container = ax.errorbar(
        points["anisotropy"].values,
        y.values,
        yerr=np.nan_to_num(error.values),
        fmt="o",
        color=colour,
        markersize=4.5,
        elinewidth=1.2,
        zorder=3,
    )
    container.lines[0].set_gid(f"d={points.attrs['dim']}:{name}")
