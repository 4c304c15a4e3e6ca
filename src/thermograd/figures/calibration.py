"""Figures of the calibration study: how far each entropy estimator can be trusted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from thermograd.errors import InputError
from thermograd.figures.axes import logarithmic
from thermograd.figures.draw import style_entry
from thermograd.figures.output import new_figure
from thermograd.figures.style import GREY, colours, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["calibration_biases", "calibration_figures", "calibration_slopes", "calibration_walks"]

Array = NDArray[np.float64]
Row = Mapping[str, Any]

_LOOKS = {
    "kl k=1": ("#0072B2", "o", "nearest neighbour, k = 1"),
    "kl k=10": ("#56B4E9", "s", "nearest neighbour, k = 10"),
    "kl k=1 theiler": ("#009E73", "^", "k = 1 outside a Theiler window"),
    "chart k=1": ("#CC79A7", "v", "papers' chart, k = 1"),
    "graph k=50": ("#D55E00", "D", "k-NN graph, k = 50"),
    "graph k=50 theiler": ("#8C564B", "<", "the graph outside a Theiler window"),
    "gaussian": ("#E69F00", "P", "Gaussian"),
    "von Mises-Fisher": ("#444444", "X", "von Mises-Fisher"),
}


def calibration_figures(biases: Sequence[Row], slopes: Sequence[Row]) -> dict[str, Figure]:
    """Every figure of a study, by name.

    Parameters
    ----------
    biases, slopes
        Rows of ``biases.csv`` and ``slopes.csv``, as ``thermograd calibrate`` makes them.

    Raises
    ------
    InputError
        If there is nothing to draw.

    """
    if not biases or not slopes:
        raise InputError("figure: the calibration study has no rows; expected biases and slopes")
    size = _commonest(slopes, "n")
    found = {}
    with styled():
        figure = new_figure(12.0, 4.2)
        axes = figure.subplots(1, 3, sharey=True)
        for ax, (law, heat, title) in zip(
            axes,
            (
                ("uniform", None, "uniform on the sphere"),
                ("von Mises-Fisher", 1.0, "von Mises-Fisher, (d - 1) T = 1"),
                ("Gaussian", None, "Gaussian"),
            ),
            strict=True,
        ):
            calibration_biases(biases, ax, law=law, heat=heat, title=title)
        axes[0].set_ylabel("bias [nats per dimension]")
        figure.legend(handles=_entries(axes), loc="outside lower center", ncols=5)
        found["biases"] = figure

        figure = new_figure(12.0, 4.6)
        axes = figure.subplots(1, 3, sharey=True)
        calibration_slopes(slopes, axes[0], n=size, estimator="kl k=1")
        dims = sorted({int(row["dim"]) for row in slopes if row["n"] == size and row["law"] == "sphere walk"})
        for ax, dim in zip(axes[1:], (dims[min(1, len(dims) - 1)], dims[-1]), strict=True):
            calibration_slopes(slopes, ax, n=size, dim=dim)
        axes[0].set_ylabel(r"slope read / true $dS\,/\,d\log\,\mathrm{elr}$")
        figure.legend(handles=_entries(axes), loc="outside lower center", ncols=4)
        found["slopes"] = figure

        figure = new_figure(8.8, 4.2)
        left, right = figure.subplots(1, 2)
        calibration_walks(biases, left, right, n=size)
        found["walks"] = figure
    return found


def calibration_biases(
    rows: Sequence[Row], ax: Axes, *, law: str, heat: float | None = None, title: str = ""
) -> Axes:
    """Draw the bias per dimension of absolute estimators against the dimension, for independent points.

    Parameters
    ----------
    rows
        Rows of ``biases.csv``.
    ax
        matplotlib axes to draw into.
    law
        Which family; its largest sample at each dimension is drawn.
    heat
        Dimension times temperature, where the family has one.
    title
        Heading.

    """
    for name, (colour, marker, _) in _LOOKS.items():
        best: dict[int, Row] = {}
        for row in rows:
            if row["law"] != law or row["estimator"] != name or not row["absolute"]:
                continue
            if heat is not None and not np.isclose(row["dim"] * row["parameter"], heat):
                continue
            if np.isfinite(row["bias"]) and row["n"] >= best.get(row["dim"], {"n": 0})["n"]:
                best[row["dim"]] = row
        if best:
            dim = np.array(sorted(best), dtype=float)
            chosen = [best[int(m)] for m in dim]
            bias, error = (_column(chosen, key) / dim for key in ("bias", "bias_se"))
            _bars(ax, dim, bias, error, colour, marker, f"{law}:{name}", line=True)
    ax.axhline(0.0, color=GREY, linewidth=0.8)
    if law == "Gaussian":
        ax.axhline(0.5 * np.log(2.0), color=GREY, linewidth=1.0, linestyle="--").set_gid("far apart")
        ax.annotate(
            r"$\log(2)\,/\,2$",
            (0.03, 0.5 * np.log(2.0)),
            (0, 4),
            ("axes fraction", "data"),
            "offset points",
        )
    logarithmic(ax, y=False)
    ax.set_yscale("symlog", linthresh=0.01)
    ax.yaxis.set_major_formatter("{x:g}")
    ax.set_title(title or law)
    ax.set_xlabel("dimension of the sphere $d - 1$")
    return ax


def calibration_slopes(
    rows: Sequence[Row], ax: Axes, *, n: int, estimator: str | None = None, dim: int | None = None
) -> Axes:
    """Draw the slope that is read, over the true one, against the spacing of the queue.

    Parameters
    ----------
    rows
        Rows of ``slopes.csv``; walks on the sphere are drawn.
    ax
        matplotlib axes to draw into.
    n
        Points in the queue.
    estimator
        Draw this one in all dimensions, with what is read when all neighbours are neighbours in time,
        ``1 + x/(exp(x) - 1)`` at spacing x; or
    dim
        draw all estimators in this dimension.

    """
    chosen = [row for row in rows if row["law"] == "sphere walk" and row["n"] == n]
    if estimator is not None:
        dims = sorted({int(row["dim"]) for row in chosen})
        for m, colour in zip(dims, colours("elr", len(dims)), strict=True):
            picked = [row for row in chosen if row["dim"] == m and row["estimator"] == estimator]
            _slope_line(ax, picked, colour, "o", f"{estimator}:{m}", label=f"{m}")
        x = np.geomspace(*_limits(chosen), 200)
        (line,) = ax.plot(x, 1.0 + x / np.expm1(x), "--", color=GREY, linewidth=1.2, zorder=4)
        line.set(gid="in time", label="lag 1 only")
        ax.legend(loc="lower left", fontsize=8, handlelength=1.4, title="$d - 1$")
        ax.set_title(f"{_LOOKS[estimator][2]}, {n} points", fontsize=11)
    else:
        for name, (colour, marker, _) in _LOOKS.items():
            picked = [row for row in chosen if row["dim"] == dim and row["estimator"] == name]
            if picked:
                _slope_line(ax, picked, colour, marker, f"{name}:{dim}")
        ax.set_title(f"$d - 1$ = {dim}, {n} points", fontsize=11)
    ax.axhspan(0.9, 1.1, color="#000000", alpha=0.08, linewidth=0)
    logarithmic(ax, y=False)
    ax.set_ylim(0.84, 2.06)
    ax.set_xlabel("spacing of the queue [correlation times]", fontsize=11)
    return ax


def calibration_walks(rows: Sequence[Row], left: Axes, right: Axes, *, n: int) -> None:
    """Draw the bias on walks against the span with what theory predicts, and what is left of it.

    Parameters
    ----------
    rows
        Rows of ``biases.csv``; walks in flat space read by ``kl k=1`` are drawn.
    left, right
        matplotlib axes: bias per dimension, and the rest after the prediction is subtracted.
    n
        Points in the queue.

    """
    chosen = [row for row in rows if row["law"] == "walk" and row["estimator"] == "kl k=1" and row["n"] == n]
    chosen = [row for row in chosen if np.isfinite(row["predicted"]) and np.isfinite(row["bias"])]
    dims = sorted({int(row["dim"]) for row in chosen})
    for m, colour in zip(dims, colours("elr", len(dims)), strict=True):
        picked = sorted((row for row in chosen if row["dim"] == m), key=lambda row: float(row["span"]))
        span, bias, error, law = (
            _column(picked, key) / (1.0 if key == "span" else m)
            for key in ("span", "bias", "bias_se", "predicted")
        )
        _bars(left, span, bias, error, colour, "o", f"bias:{m}", label=f"$d - 1$ = {m}")
        left.plot(span, law, color=colour, linewidth=1.2)[0].set_gid(f"law:{m}")
        _bars(right, span, bias - law, error, colour, "o", f"left:{m}", line=True)
    for ax, title in ((left, "bias, and predicted (lines)"), (right, "bias - predicted")):
        ax.axhline(0.0, color=GREY, linewidth=0.8)
        logarithmic(ax, y=False)
        ax.set_title(title)
        ax.set_xlabel("span of the queue [correlation times]")
        ax.set_ylabel("nats per dimension")
    if dims:
        left.legend(loc="lower right")


def _slope_line(
    ax: Axes, rows: Sequence[Row], colour: str, marker: str, gid: str, label: str | None = None
) -> None:
    rows = sorted(rows, key=lambda row: float(row["spacing"]))
    x, y, error = (_column(rows, key) for key in ("spacing", "slope", "slope_se"))
    _bars(ax, x, y, error, colour, marker, gid, label=label, line=True)


def _bars(
    ax: Axes,
    x: Array,
    y: Array,
    error: Array,
    colour: str,
    marker: str,
    gid: str,
    label: str | None = None,
    line: bool = False,
) -> None:
    drawn = ax.errorbar(
        x,
        y,
        yerr=error,
        fmt=marker + ("-" if line else ""),
        color=colour,
        markersize=4,
        linewidth=1.0,
        elinewidth=0.9,
        label=label,
        zorder=3,
    )
    drawn.lines[0].set_gid(gid)


def _entries(axes: Iterable[Axes]) -> list[Any]:
    """Legend entries for the estimators that were drawn: lines are marked ``family:estimator`` or so."""
    drawn = {part for ax in axes for line in ax.lines for part in str(line.get_gid()).split(":")}
    return [
        style_entry(text, "-", colour, marker=marker, markersize=4, linewidth=1.0)
        for name, (colour, marker, text) in _LOOKS.items()
        if name in drawn
    ]


def _limits(rows: Sequence[Row]) -> tuple[float, float]:
    x = _column(rows, "spacing")
    return float(x.min()), float(x.max())


def _commonest(rows: Sequence[Row], key: str) -> int:
    values, counts = np.unique([row[key] for row in rows], return_counts=True)
    return int(values[np.argmax(counts)])


def _column(rows: Sequence[Row], key: str) -> Array:
    return np.array([row[key] for row in rows], dtype=float)
