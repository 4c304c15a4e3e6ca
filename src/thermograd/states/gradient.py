"""Splitting the mean square of the gradient into mean and noise, from many steps and few points."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["split_gradient"]

Array = NDArray[np.float64]


def split_gradient(window: dict[str, Array]) -> None:
    """Replace `grad_sq` and `tr_sigma` of a window, in place, by series with less noise and the right means.

    A stationary network bursts: at some steps every gradient is large. The mean square over all steps, B, has
    seen the bursts in their share; the few frozen points at which |E g|^2 is measured have not. Their ratio
    to the mean square P of the minibatch gradients at the *same* points cancels the bursts, hence

        grad_sq = B G / P,    tr_sigma = B (1 - G / P),

    with G the mean of the U-statistic: a ratio estimator, its bias of the order of its squared error. The
    series returned are linearised about these means, so that their errors are those of the ratio; they still
    add up to `batch_grad_sq` point by point.

    Parameters
    ----------
    window
        Series by name, each of shape ``(n,)``. Nothing is done unless ``batch_grad_sq``, ``grad_sq`` and
        ``point_grad_sq`` are all there and finite.

    References
    ----------
    Cochran, Sampling Techniques (3rd ed.), chapter 6, for ratio estimators.

    Examples
    --------
    Half of what the gradients hold at the points is mean; the points saw a burst, the steps did not:

    >>> window = {"batch_grad_sq": np.full(4, 2.0)}
    >>> window |= {"grad_sq": np.array([1.0, 1, 1, 9]), "point_grad_sq": np.array([2.0, 2, 2, 18])}
    >>> split_gradient(window)
    >>> window["grad_sq"].mean().item(), window["tr_sigma"].std().item()
    (1.0, 0.0)

    """
    names = ("batch_grad_sq", "grad_sq", "point_grad_sq")
    if not all(name in window and len(window[name]) and np.isfinite(window[name]).all() for name in names):
        return
    steps, mean, point = (window[name] for name in names)
    B, G, P = (float(series.mean()) for series in (steps, mean, point))
    if P <= 0:
        return
    ratio = G / P
    window["grad_sq"] = ratio * steps + B / P * (mean - ratio * point)
    window["tr_sigma"] = steps - window["grad_sq"]
