"""The norms of the full and of the stochastic gradient along a run, from whatever the run has measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thermograd.analysis.runs import Run
from thermograd.errors import InputError

__all__ = ["GRADIENT_VARIABLES", "GradientNorms", "gradient_norms"]

Array = NDArray[np.float64]
_FULL = ("full_grad_norm", "grad_sq")
_STOCHASTIC = ("mean_batch_grad_norm", "point_grad_sq", "batch_grad_sq")

GRADIENT_VARIABLES = (*_FULL, *_STOCHASTIC)
"""What the norms can be had from, in the order of preference."""


@dataclass(frozen=True)
class GradientNorms:
    """The three curves of FE figure 6, on the unit sphere.

    Attributes
    ----------
    full
        ``|E g|``, shape ``(n,)``; NaN where its unbiased square came out negative.
    stochastic
        ``E|g|``, or ``sqrt(E|g|^2)`` where only that was measured: they differ by a factor that hardly
        changes along a run.
    snr
        ``|E g| / sqrt(E|g|^2 - |E g|^2)``, with the square of `stochastic` where E|g|^2 was not measured.
    names
        The variables used.

    """

    full: Array
    stochastic: Array
    snr: Array
    names: tuple[str, str]


def gradient_norms(run: Run, *, owner: str) -> GradientNorms:
    """The norms of the gradient at the log points of a run.

    Parameters
    ----------
    run
        With any of :data:`GRADIENT_VARIABLES`; ``point_grad_sq``, at the same frozen weights as ``grad_sq``,
        is preferred to ``batch_grad_sq``, the mean over the steps between two log points.
    owner
        Who asks, for error messages.

    Raises
    ------
    InputError
        When one of the two norms was not measured.

    Examples
    --------
    >>> run = Run({}, np.array([1.0]), {"grad_sq": np.array([9.0]), "batch_grad_sq": np.array([25.0])})
    >>> norms = gradient_norms(run, owner="example")
    >>> norms.full, norms.stochastic, norms.snr
    (array([3.]), array([5.]), array([0.75]))

    """
    names = []
    for wanted in (_FULL, _STOCHASTIC):
        # A variable may be there and empty, as in the trace of runs that did not measure it.
        have = [name for name in wanted if name in run.series and np.isfinite(run.series[name]).any()]
        if not have:
            raise InputError(f"{owner}: the trace holds none of {list(wanted)}; expected one of them")
        names.append(have[0])
    full, stochastic = (_norm(run, name) for name in names)
    squares = [n for n in ("point_grad_sq", "batch_grad_sq") if n in run.series and "mean" in names[1]]
    total = run.series[squares[-1]] if squares else stochastic**2
    with np.errstate(invalid="ignore", divide="ignore"):
        noise = total - full**2
        snr = np.where(noise > 0, full / np.sqrt(noise), np.nan)
    return GradientNorms(full, stochastic, np.asarray(snr), (names[0], names[1]))


def _norm(run: Run, name: str) -> Array:
    values = run.series[name]
    if name.endswith("_norm"):
        return values
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(values > 0, np.sqrt(values), np.nan))
