"""The simulator in plain NumPy: any scale-invariant loss, and the twin that the compiled one is tested by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermograd.errors import InputError
from thermograd.protocol import FixedELR, FixedSphere
from thermograd.simulate.engine.ensemble import Collection, Ensemble, Logs, Model, check_run
from thermograd.simulate.engine.generator import normals

__all__ = ["Loss", "advance"]

Array = NDArray[np.floating[Any]]
Loss = Callable[[Array], tuple[Array, Array]]
"""``loss(w)`` of weights of shape ``(n, d)`` gives the values, ``(n,)``, and the gradients, ``(n, d)``."""


def advance(
    model: Model,
    ensemble: Ensemble,
    *,
    logs: int,
    records: int,
    stride: int,
    collection: Collection | None = None,
    threads: int | None = None,
    loss: Loss | None = None,
) -> Logs:
    """Advance every chain by ``logs * records * stride`` iterations, in place.

    The arithmetic is done in the weights' dtype, the noise is drawn as in the compiled simulator, and the
    update is written as a change, ``w += ...``: a factor ``1 - lr * wd`` rounded to float32 biases the norm
    by up to 1%.

    Parameters
    ----------
    model
        Protocol, hyperparameters and noise.
    ensemble
        Weights and random streams; changed in place.
    logs, records, stride
        A record is read after every ``stride`` iterations, a log is the mean over ``records`` records.
    collection
        Where to keep directions; changed in place.
    threads
        Taken so that this function can stand in for the compiled one; it runs on one thread.
    loss
        A scale-invariant loss and its full gradient in place of ``1 + mu.u``; the noise stays the model's.

    Returns
    -------
    Logs
        Means over every log.

    Raises
    ------
    InputError
        When the arguments do not fit each other, or ``loss`` returns other shapes than promised.

    References
    ----------
    IG sections 3.2 and 5 (the protocols; eq. 24), eq. 83 (effective weight decay).

    Examples
    --------
    Two chains without noise flow to the minimum of the loss, opposite to ``mu``:

    >>> from thermograd.protocol import FixedSphere
    >>> model = Model(FixedSphere, [0.1, 0.2], [1.0, 1.0], [1.0, 0.0], [0.0, 0.0])
    >>> ensemble = Ensemble.start(np.array([[0.6, 0.8], [0.8, 0.6]]), seed=0)
    >>> logs = advance(model, ensemble, logs=2, records=1, stride=100)
    >>> bool((logs.loss[-1] < 1e-9).all()), ensemble.step
    (True, 200)

    """
    check_run(model, ensemble, collection, logs=logs, records=records, stride=stride)
    w = ensemble.weights
    n = w.shape[1]
    gradient = loss or _test_loss(model)
    _check_loss(gradient, w)
    step = _Step(model, w.dtype, gradient)
    means = np.zeros((5, logs, n))
    with np.errstate(all="ignore"):  # a chain that diverges becomes nan, as in the compiled simulator
        for log in range(logs):
            for _ in range(records):
                for iteration in range(stride):
                    batch_grad_sq, effective_wd = step(w, ensemble.streams, iteration)
                    means[3, log] += batch_grad_sq
                    means[4, log] += effective_wd
                ensemble.step += stride
                values, gradients = gradient(w.T.astype(np.float64))
                square = (w.astype(np.float64) ** 2).sum(axis=0)
                means[0, log] += values
                means[1, log] += np.sqrt(square)
                means[2, log] += square * (gradients**2).sum(axis=1)
                if collection is not None:
                    _collect(collection, w, ensemble.step // stride)
    means[:3] /= records
    means[3:] /= records * stride
    on_sphere = model.protocol is FixedSphere
    return Logs(means[0], means[1], means[2], means[3], means[4] if on_sphere else None)


class _Step:
    """One iteration of every chain; what it returns is ``|g|^2`` on the unit sphere and the growth by it."""

    def __init__(self, model: Model, dtype: np.dtype[Any], gradient: Loss) -> None:
        self.protocol, self.gradient = model.protocol, gradient
        self.first, self.second = model.first.astype(dtype), model.second.astype(dtype)
        self.decay = (model.first * model.second).astype(dtype)
        self.scale = model.noise_scale.astype(dtype)[:, None]
        self.spare = np.empty((0, model.chains), dtype=np.float32)

    def _normals(self, count: int, streams: NDArray[np.uint32], iteration: int) -> Array:
        """Fresh normals; the one that an odd count leaves over serves the record's next iteration."""
        if count % 2 and iteration % 2:
            return np.concatenate([normals(streams, count - 1), self.spare])
        drawn = normals(streams, count + count % 2)
        self.spare = drawn[count:]
        return drawn[:count]

    def __call__(self, w: Array, streams: NDArray[np.uint32], iteration: int) -> tuple[Array, Array]:
        square = (w * w).sum(axis=0)
        norm = np.sqrt(square)
        noise = self.scale * self._normals(len(w), streams, iteration)
        noise -= w * ((noise * w).sum(axis=0) / square)
        # The gradient on the unit sphere: |w| times the one at w.
        g = norm * self.gradient(w.T)[1].T + noise
        grad_sq = (g * g).sum(axis=0)
        if self.protocol is FixedSphere:
            step = self.first * self.second
            # |v| - |w| without cancellation, v = w - step g.
            grown_by = step * (step * grad_sq - 2 * (w * g).sum(axis=0))
            w -= step * g
            after = np.sqrt((w * w).sum(axis=0))
            w *= self.second / after
            return grad_sq, grown_by / ((after + norm) * step * self.second**2)
        if self.protocol is FixedELR:
            w -= self.first * norm * g + (self.decay * square) * w
        else:
            w -= (self.first / norm) * g + self.decay * w
        return grad_sq, np.zeros_like(grad_sq)


def _test_loss(model: Model) -> Loss:
    """``L(w) = 1 + mu.u`` and its gradient ``P_u mu / |w|``, in the dtype of the weights."""

    def loss(w: Array) -> tuple[Array, Array]:
        mu = model.mean_direction.astype(w.dtype)
        norm = np.sqrt((w * w).sum(axis=1, keepdims=True))
        u = w / norm
        cosine = u @ mu
        return 1 + cosine, (mu - cosine[:, None] * u) / norm

    return loss


def _check_loss(loss: Loss, w: Array) -> None:
    with np.errstate(all="ignore"):
        values, gradients = loss(w.T)
    found, expected = (np.shape(values), np.shape(gradients)), ((w.shape[1],), w.T.shape)
    if found != expected:
        raise InputError(f"advance: loss returns shapes {found[0]} and {found[1]}; expected {expected}")


def _collect(collection: Collection, w: Array, record: int) -> None:
    """Keep the directions of those chains whose turn it is."""
    due = np.flatnonzero(
        (collection.spacing > 0) & (record % np.where(collection.spacing, collection.spacing, 1) == 0)
    )
    vectors = w[:, due].astype(np.float64)
    vectors /= np.sqrt((vectors**2).sum(axis=0))
    slots = collection.count[due] % len(collection.buffer)
    collection.buffer[slots, :, due] = vectors.T
    collection.count[due] += 1
