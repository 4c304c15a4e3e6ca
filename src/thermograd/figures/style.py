"""How every figure looks: one dictionary of settings, one colour rule, one label for each quantity."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

__all__ = [
    "FORMULAS",
    "GREY",
    "LABELS",
    "STYLE",
    "TITLES",
    "Formula",
    "colours",
    "label",
    "styled",
    "thinned",
    "value_text",
]

STYLE: dict[str, Any] = {
    "figure.dpi": 100,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "savefig.dpi": 200,
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "mathtext.fontset": "dejavusans",
    "axes.titlesize": 12,
    "axes.labelsize": 12,
    "axes.facecolor": "white",
    "axes.edgecolor": "#666666",
    "axes.linewidth": 0.8,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "legend.fontsize": 10,
    "legend.title_fontsize": 10,
    "legend.frameon": True,
    "legend.framealpha": 0.85,
    "legend.edgecolor": "#cccccc",
    "lines.linewidth": 1.4,
    "lines.markersize": 5,
    "xtick.labelsize": 11,
    "ytick.labelsize": 11,
    "svg.hashsalt": "thermograd",
    "svg.fonttype": "path",
}
"""matplotlib settings of every figure; the hash salt keeps the SVG of one dataset the same at every run."""

GREY = "#444444"
"""The colour of what belongs to no single curve: legend proxies, reference lines."""


class Formula(NamedTuple):
    """How one prediction of the stationary radius is drawn."""

    text: str
    line: str
    colour: str
    marker: str


FORMULAS: dict[str, Formula] = {
    "sde": Formula("SDE", "-", "#0072B2", "o"),
    "discrete": Formula("discrete", "--", "#D55E00", "s"),
    "finite_step": Formula("finite-step", ":", "#009E73", "^"),
}
"""The three predictions of the stationary radius; the colours are Okabe and Ito's, for every eye."""

LABELS: dict[str, str] = {
    "elr": r"ELR $\eta_{\mathrm{eff}}$",
    "lr": r"LR $\eta$",
    "wd": r"WD $\lambda$",
    "radius": r"radius $r$ [weights]",
    "lr_wd": r"LR $\times$ WD, $\eta\lambda$",
    "effective_lr": r"ELR $\eta_{\mathrm{eff}}$",
    "sigma2": r"$\sigma^2$ [loss$^2$]",
    "loss": r"loss $U$",
    "norm": r"$r^*$ [weights]",
    "effective_wd": r"$\lambda_{\mathrm{eff}}$",
    "temperature": r"$T$ [loss / nat]",
    "entropy": r"$S$ [nats]",
    "step": "step [iterations]",
}
"""Axis labels: the symbol, and the unit where there is one (learning rates and decays have none)."""

TITLES: dict[str, str] = {
    "sigma2": "gradient noise",
    "loss": "training loss",
    "norm": "stationary radius",
    "effective_wd": "effective weight decay",
    "temperature": "temperature",
    "entropy": "entropy",
}

_MAPS = {"wd": "viridis", "radius": "viridis", "lr": "plasma", "elr": "plasma"}
_LIGHTEST = 0.86  # the yellow end of either map cannot be seen on white


def styled() -> AbstractContextManager[None]:
    """The settings of `STYLE` on top of matplotlib's own defaults, for as long as the context lasts.

    The user's ``matplotlibrc`` is left out on purpose: the same dataset gives the same file everywhere.
    """
    import matplotlib as mpl

    # The backend stays as it is: entering or leaving must not switch a notebook's.
    defaults: dict[Any, Any] = {
        key: value for key, value in mpl.rcParamsDefault.items() if "backend" not in key
    }
    return mpl.rc_context(defaults | STYLE)


def colours(axis: str, count: int) -> list[str]:
    """One colour for each value of a grid axis: viridis for ``wd`` and ``radius``, plasma for rates.

    Parameters
    ----------
    axis
        Name of the grid axis.
    count
        Number of its values, in ascending order.

    Examples
    --------
    >>> colours("wd", 2)
    ['#440154', '#a2da37']

    """
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    chosen = colormaps[_MAPS.get(axis, "viridis")]
    return [to_hex(chosen(_LIGHTEST * i / max(count - 1, 1))) for i in range(count)]


def label(name: str) -> str:
    """The axis label of a grid axis or variable, or its name where none is on record."""
    return LABELS.get(name, name.replace("_", " "))


def value_text(value: float) -> str:
    """A hyperparameter's value as legends and tables write it: three digits, powers of ten when far from 1.

    Examples
    --------
    >>> [value_text(value) for value in (0.0, 0.25, 1.0, 0.00031622, 1e-4, 999.9)]
    ['0', '0.25', '1', '3.16e-4', '1e-4', '1e3']

    """
    # Zero has no power of ten; what is not finite has none either.
    if value == 0 or not math.isfinite(value):
        return f"{value + 0.0:g}"  # and no minus before a zero
    if 0.01 <= abs(value) < 999.5:
        return f"{value:.3g}"
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"


def thinned(values: Sequence[float], most: int = 7) -> list[int]:
    """Positions of at most so many values, evenly spread, first and last among them: legends stay short.

    Examples
    --------
    >>> thinned(range(13), most=5)
    [0, 3, 6, 9, 12]

    """
    count = len(values)
    if count <= most:
        return list(range(count))
    return sorted({round(i * (count - 1) / (most - 1)) for i in range(most)})
