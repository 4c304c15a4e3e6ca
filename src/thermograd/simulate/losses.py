"""Losses of one's own in the laboratory: what they must be, and the check that they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermograd.errors import InputError
from thermograd.simulate.engine.plain import Loss

__all__ = ["Loss", "check_loss", "from_torch"]

Array = NDArray[np.float64]
_POINTS = 8
_SCALE = 3.0  # not a power of two, which floating point would carry through exactly
_EXACT = 1e-8  # round-off of a float64 loss; a BatchNorm's eps of 1e-5 stands far above it
_STEP = 1e-5  # of the central differences: their error is of the order of its square, 1e-10
_DIFFERENCE = 1e-5


def from_torch(function: Callable[[Any], Any]) -> Loss:
    """A loss whose gradient torch's autograd finds.

    Parameters
    ----------
    function
        Takes a tensor of weights of shape ``(n, d)`` and returns the ``n`` losses, each of its own row alone.

    Returns
    -------
    Loss
        For the `loss` of :func:`thermograd.simulate.isotropic`.

    Raises
    ------
    InputError
        When torch is not installed; when called, if the function does not return one number a row.

    Examples
    --------
    >>> loss = from_torch(lambda w: w[:, 0] ** 2 / (w * w).sum(1))
    >>> value, gradient = loss(np.array([[1.0, 1.0]]))
    >>> value, gradient
    (array([0.5]), array([[ 0.5, -0.5]]))

    """
    from thermograd.extras import require

    require("train")

    def loss(w: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        import torch

        weights = torch.tensor(w, requires_grad=True)
        values = function(weights)
        shape = tuple(getattr(values, "shape", ()))
        if shape != (len(w),):
            raise InputError(f"loss: values have shape {shape}; expected ({len(w)},), one a row of weights")
        # Each value depends on its own row alone, so the sum's gradient holds every row's own.
        (gradient,) = torch.autograd.grad(values.sum(), weights)
        return values.detach().numpy(), gradient.numpy()

    return loss


def check_loss(loss: Loss, dim: int) -> None:
    """Refuse a loss that is not scale-invariant or whose gradient is not its own, saying by how much.

    At eight random points: ``L(3 w) = L(w)``, ``w . grad L(w) = 0``, ``grad L(3 w) = grad L(w) / 3``, and the
    slope along a random direction equals the central difference of the values.

    Parameters
    ----------
    loss
        The function.
    dim
        Dimension ``d`` of the weights.

    Raises
    ------
    InputError
        Naming the first property that fails, with the numbers.

    References
    ----------
    IG section 2 for the properties of scale-invariant functions.

    Examples
    --------
    >>> check_loss(lambda w: ((w**2).sum(1), 2 * w), dim=3)
    Traceback (most recent call last):
    thermograd.errors.InputError: loss: it is 9 at 3 w where it is 1 at w; expected L(a w) = L(w): ...

    """
    rng = np.random.default_rng(20)
    w = rng.standard_normal((_POINTS, dim))
    w /= np.linalg.norm(w, axis=1, keepdims=True)
    values, gradients = _evaluate(loss, w)
    far_values, far_gradients = _evaluate(loss, _SCALE * w)
    steepness = np.linalg.norm(gradients, axis=1)
    scale = np.abs(values) + steepness + np.finfo(float).tiny
    worst = int(np.argmax(np.abs(far_values - values) / scale))
    if abs(far_values[worst] - values[worst]) > _EXACT * scale[worst]:
        raise InputError(
            f"loss: it is {far_values[worst]:.10g} at {_SCALE:g} w where it is {values[worst]:.10g} at w; "
            "expected L(a w) = L(w): make it a function of w / |w| (an eps beside |w| breaks it too)"
        )
    radial = np.einsum("ij,ij->i", w, gradients)
    worst = int(np.argmax(np.abs(radial) / scale))
    if abs(radial[worst]) > _EXACT * scale[worst]:
        raise InputError(
            f"loss: its gradient has the radial part w.grad = {radial[worst]:.4g} at |w| = 1; expected 0, "
            "since a scale-invariant loss does not change along w"
        )
    shrunk = np.abs(_SCALE * far_gradients - gradients).max(axis=1)
    worst = int(np.argmax(shrunk / scale))
    if shrunk[worst] > _EXACT * scale[worst]:
        raise InputError(
            f"loss: its gradient at {_SCALE:g} w differs from 1/{_SCALE:g} of that at w by "
            f"{shrunk[worst] / _SCALE:.4g}; expected grad L(a w) = grad L(w) / a"
        )
    along = rng.standard_normal(w.shape)
    above, below = _evaluate(loss, w + _STEP * along)[0], _evaluate(loss, w - _STEP * along)[0]
    difference, slope = (above - below) / (2 * _STEP), np.einsum("ij,ij->i", along, gradients)
    worst = int(np.argmax(np.abs(difference - slope) / scale))
    if abs(difference[worst] - slope[worst]) > _DIFFERENCE * dim**0.5 * scale[worst]:
        raise InputError(
            f"loss: its gradient gives a slope of {slope[worst]:.6g} where its values rise by "
            f"{difference[worst]:.6g}; expected the gradient of the values"
        )


def _evaluate(loss: Loss, w: Array) -> tuple[Array, Array]:
    answer = loss(w.copy())
    if not (isinstance(answer, tuple) and len(answer) == 2):
        raise InputError(f"loss: it returned {type(answer).__name__}; expected (values, gradients)")
    values, gradients = (np.asarray(part, dtype=np.float64) for part in answer)
    if values.shape != w.shape[:1] or gradients.shape != w.shape:
        raise InputError(
            f"loss: values and gradients have shapes {values.shape} and {gradients.shape}; "
            f"expected {w.shape[:1]} and {w.shape}"
        )
    if not (np.isfinite(values).all() and np.isfinite(gradients).all()):
        raise InputError("loss: it is not finite at random weights of norm about 1; expected finite numbers")
    return values, gradients
