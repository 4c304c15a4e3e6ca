"""The toy sphere's pictures: losses with paths on them, all metrics, where runs go, theorem 1's scheme."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from thermograd.errors import InputError
from thermograd.figures.output import new_figure
from thermograd.figures.sphere import (
    View,
    sphere_circles,
    sphere_graticule,
    sphere_marks,
    sphere_path,
    sphere_surface,
)
from thermograd.figures.style import styled, value_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["theorem_scheme", "toy_destinations", "toy_landscape", "toy_landscapes", "toy_metrics"]

OBLIQUE = View(48, 112)
"""From where both the start and the minimum of the paper's runs are seen."""

COLOURS = ("#D7261E", "#7B2FBE", "#E69F00", "#009E73")
"""Of paths, slowest first: the paper's red and purple, then two more."""

_METRICS: dict[str, tuple[str, float | None]] = {
    "loss": ("loss", None),
    "snr": ("SNR", 2.0),
    "full_grad_norm": ("full gradient", None),
    "mean_batch_grad_norm": ("stochastic gradients", None),
}


def toy_landscape(
    values: xr.Dataset, ax: Axes, *, paths: Sequence[xr.DataArray] = (), view: View = OBLIQUE
) -> Axes:
    """Draw the full loss over the sphere, its great circles in black, and the paths of runs (FE figure 4).

    Parameters
    ----------
    values
        What ``on_sphere(normals, globe())`` returned.
    ax
        matplotlib axes to draw into.
    paths
        What ``path`` returned, slowest first: red, then purple. At most 4.
    view
        From where to look.

    Returns
    -------
    Axes
        The axes that were passed in.

    Raises
    ------
    InputError
        Values over anything but latitude and longitude, without normals, or too many paths.

    """
    if len(paths) > len(COLOURS):
        raise InputError(f"figure: there are {len(paths)} paths; expected at most {len(COLOURS)}")
    _picture(values, "loss", ax, view)
    for walked, colour in reversed(list(zip(paths, COLOURS, strict=False))):
        sphere_path(walked.values, ax, view, color=colour, linewidth=1.2)
    if paths:
        # Start and minimum last, or the walks would cover them.
        sphere_marks(
            paths[0].values[:1], ax, view, color="white", markeredgecolor="black", markersize=6, zorder=5
        )
    return ax


def toy_landscapes(panels: Mapping[str, tuple[xr.Dataset, Sequence[xr.DataArray]]]) -> Figure:
    """Compose FE figure 4: the loss over the sphere for each set of circles, with the same learning rates.

    Parameters
    ----------
    panels
        By title: values over the sphere, and paths, slowest first.

    """
    from matplotlib.lines import Line2D

    with styled():
        figure = new_figure(4.2 * len(panels), 4.7)
        rates: list[float] = []
        for ax, (title, (values, paths)) in zip(_row(figure, len(panels)), panels.items(), strict=True):
            toy_landscape(values, ax, paths=paths)
            image = ax.images[0]
            figure.colorbar(
                image, ax=ax, orientation="horizontal", shrink=0.62, pad=0.02, label="full loss $L$"
            )
            ax.set_title(title)
            rates = [float(walked.attrs["elr"]) for walked in paths]
        entries: list[Any] = [
            Line2D([], [], color=colour, label=rf"$\eta$ = {value_text(rate)}")
            for rate, colour in zip(rates, COLOURS, strict=False)
        ]
        entries.append(Line2D([], [], color="black", label="great circles"))
        start = Line2D([], [], linestyle="none", marker="o", markerfacecolor="white", markeredgecolor="black")
        start.set_label("start")
        figure.legend(handles=[*entries, start], loc="outside lower center", ncols=len(entries) + 1)
    return figure


def toy_metrics(rows: Mapping[str, xr.Dataset], view: View = OBLIQUE) -> Figure:
    """Compose FE figure 13: loss, SNR and both gradient norms over the sphere, a row for each set of circles.

    Parameters
    ----------
    rows
        Values over the sphere by title.
    view
        From where to look.

    """
    with styled():
        figure = new_figure(10.4, 3.1 * len(rows))
        grid = figure.subplots(len(rows), len(_METRICS), squeeze=False)
        for axes, (title, values) in zip(grid, rows.items(), strict=True):
            for ax, (name, (text, top)) in zip(axes, _METRICS.items(), strict=True):
                # Beyond the top there is one place where two gradients agree: it would take all the colours.
                cut = top is not None and float(values[name].max()) > top
                image = _picture(values, name, ax, view, vmax=top if cut else None)
                over = "max" if cut else "neither"
                figure.colorbar(
                    image, ax=ax, orientation="horizontal", shrink=0.8, pad=0.02, extend=over
                ).ax.locator_params(nbins=4)
                ax.set_title(f"{title}: {text}")
    return figure


def toy_destinations(
    rows: Mapping[str, tuple[xr.Dataset, Sequence[xr.DataArray], float]], *, last: Sequence[str] = ()
) -> Figure:
    """Compose FE figure 14: seen from above the minimum, where runs of several learning rates go.

    Parameters
    ----------
    rows
        By title: values over the sphere, paths of equal learning rates in all rows, and half the width of
        what is shown, in radii.
    last
        Titles of the rows that show the second half of the iterations as points, the stationary
        distribution; the others show the paths, with a point at each step.

    """
    most = max(len(paths) for _, paths, _ in rows.values())
    with styled():
        figure = new_figure(2.6 * most, 2.85 * len(rows))
        grid = figure.subplots(len(rows), most, squeeze=False)
        for axes, (title, (values, paths, half_width)) in zip(grid, rows.items(), strict=True):
            view = View(90, -90, half_width)
            for ax, walked in zip(axes, paths, strict=False):
                # A grid of degrees is too coarse to colour what is much smaller.
                if half_width > 0.2:
                    _picture(values, "loss", ax, view, alpha=0.55)
                sphere_circles(np.reshape(values.attrs["normals"], (-1, 3)), ax, view, linewidth=0.9)
                if title in last:
                    settled = walked.isel(step=walked["step"] > 0.5 * float(walked["step"][-1]))
                    sphere_marks(settled.values, ax, view, color=COLOURS[1], markersize=0.8, alpha=0.35)
                else:
                    sphere_path(walked.values, ax, view, color=COLOURS[1], linewidth=0.7, alpha=0.8)
                    sphere_marks(walked.values, ax, view, color=COLOURS[1], markersize=1.6)
                ax.set_axis_on()
                ax.grid(visible=False)
                ax.set_title(rf"{title}, $\eta$ = {value_text(float(walked.attrs['elr']))}")
                _ticks(ax, half_width)
    return figure


def theorem_scheme(ax: Axes, *, angle: float = np.pi / 6, rho: float = 0.75, phi: float = np.pi / 12) -> Axes:
    """Draw the scheme of theorem 1, seen from above the optimum (FE figure 12).

    Parameters
    ----------
    ax
        matplotlib axes to draw into.
    angle
        ``a``: half the angle between the circles' normals, in radians.
    rho, phi
        The point to mark: its distance from the axis and the angle of its meridian.

    """
    from matplotlib.patches import Arc

    ax.set_axis_off()
    ax.set_aspect("equal")
    turn = np.linspace(0, 2 * np.pi, 361)
    ax.plot(np.cos(turn), np.sin(turn), color="#444444", linewidth=0.9)
    wedge = np.linspace(-angle, angle, 61)
    for sign in (1, -1):
        x = np.concatenate([[0], sign * np.sin(wedge)])
        y = np.concatenate([[0], sign * np.cos(wedge)])
        ax.fill(x, y, color="#0072B2", alpha=0.12, linewidth=0)
        ends = np.array([np.sin(sign * angle), np.cos(angle)])
        ax.plot([-ends[0], ends[0]], [-ends[1], ends[1]], color="black", linewidth=1.4)
        x_text, y_text = (1.08 * ends).tolist()
        ax.text(
            x_text, y_text, f"$f_{1 if sign < 0 else 2} = 0$", ha="left" if sign > 0 else "right", va="bottom"
        )
    ax.plot([0, 0], [-1, 1], color="#D55E00", linewidth=1.4, linestyle="--")
    ax.text(0.0, -1.06, r"central meridian $\varphi = 0$", color="#B34700", ha="center", va="top")
    point = rho * np.array([np.sin(phi), np.cos(phi)])
    ax.plot([0, point[0]], [0, point[1]], color="#0072B2", linewidth=1.4)
    ax.plot(*point, "o", color="#0072B2", markersize=6)
    ax.text(point[0], point[1] + 0.06, r"$(\rho, \varphi)$", color="#0072B2", va="bottom", ha="center")
    ax.plot(0, 0, "o", color="black", markersize=5)
    ax.text(-0.06, 0.0, "optimum", ha="right", va="center")
    up = 90.0
    ax.add_patch(Arc((0, 0), 0.76, 0.76, theta1=up - np.degrees(phi), theta2=up, color="#0072B2"))
    ax.text(0.42 * np.sin(phi / 2) - 0.02, 0.44, r"$\varphi$", ha="center", va="bottom", color="#0072B2")
    ax.add_patch(Arc((0, 0), 0.5, 0.5, theta1=up, theta2=up + np.degrees(angle), color="black"))
    ax.text(-0.3 * np.sin(angle / 2), 0.3, r"$\alpha$", ha="center", va="bottom")
    ax.annotate("$x$", (1.0, 0), (1.16, 0), va="center", arrowprops={"arrowstyle": "<-", "color": "#666666"})
    ax.set_xlim(-1.25, 1.3)
    ax.set_ylim(-1.25, 1.25)
    ax.set_title("two great circles, seen from above the optimum")
    return ax


def _picture(values: xr.Dataset, name: str, ax: Axes, view: View, **settings: Any) -> Any:
    if name not in values or "normals" not in values.attrs:
        raise InputError(f"figure: values lack {name} or the circles' normals; expected those of on_sphere")
    image = sphere_surface(values[name], ax, view, cmap="viridis", **settings)
    if view.half_width > 1:
        sphere_graticule(ax, view)
    sphere_circles(np.reshape(values.attrs["normals"], (-1, 3)), ax, view)
    return image


def _row(figure: Figure, count: int) -> list[Axes]:
    return list(figure.subplots(1, count, squeeze=False)[0])


def _ticks(ax: Axes, half_width: float) -> None:
    from matplotlib.ticker import MaxNLocator

    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(3))
        axis.set_tick_params(labelsize=9)
