"""The isotropic noise model, many chains of it, and what is read off them: shared by both simulators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from thermograd.errors import InputError
from thermograd.protocol import PROTOCOLS, FixedSphere, Protocol
from thermograd.simulate.engine.generator import seed_streams

__all__ = ["Collection", "Ensemble", "Logs", "Model", "check_run"]

_OFF_SPHERE = 1e-4  # relative; float32 weights on a sphere are off it by 1e-7


@dataclass(frozen=True)
class Model:
    """SGD on a noisy gradient, one protocol for all chains and one pair of hyperparameters for each.

    The minibatch gradient at ``w = r u`` is ``g = P_u (mu + s * eps) / r``, ``P_u = I - u u^T`` and ``eps`` a
    standard normal vector: the gradient of ``L(w) = 1 + mu.u`` and noise of standard deviation ``s_j`` along
    axis ``j``. With every ``s_j = sigma`` the noise is isotropic and the stationary law of ``u`` is von
    Mises-Fisher.

    Parameters
    ----------
    protocol
        :class:`FixedSphere`, :class:`FixedELR` or :class:`FixedLR`.
    first, second
        The protocol's two hyperparameters (in the order of ``protocol.axes``), one value for each of the
        ``n`` chains, above 0.
    mean_direction
        ``mu``, shape ``(d,)``, of norm 1.
    noise_scale
        ``s``, shape ``(d,)``, at least 0.

    Raises
    ------
    InputError
        When an array has the wrong shape or a value out of range.

    References
    ----------
    IG section 5, eq. 24.

    Examples
    --------
    >>> from thermograd.protocol import FixedLR
    >>> Model(FixedLR, [0.1], [0.01], [1.0, 0.0, 0.0], [1.0, 1.0, -1.0])
    Traceback (most recent call last):
    thermograd.errors.InputError: Model: noise_scale[2] is -1.0; expected a finite number of at least 0

    """

    protocol: type[Protocol]
    first: NDArray[np.float64]
    second: NDArray[np.float64]
    mean_direction: NDArray[np.float64]
    noise_scale: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS.values():
            raise InputError(f"Model: protocol is {self.protocol!r}; expected one of {', '.join(PROTOCOLS)}")
        for name in ("first", "second", "mean_direction", "noise_scale"):
            object.__setattr__(self, name, _vector(name, getattr(self, name)))
        for name, like in (("second", "first"), ("noise_scale", "mean_direction")):
            shape, expected = getattr(self, name).shape, getattr(self, like).shape
            if shape != expected:
                raise InputError(f"Model: {name} has shape {shape}; expected {expected}, as {like}")
        if self.dim < 2:
            raise InputError(f"Model: mean_direction has length {self.dim}; expected at least 2")
        norm = float(np.linalg.norm(self.mean_direction))
        if abs(norm - 1.0) > 1e-6:
            raise InputError(f"Model: mean_direction has norm {norm}; expected 1")

    @property
    def dim(self) -> int:
        """Number of weights ``d`` of a chain."""
        return len(self.mean_direction)

    @property
    def chains(self) -> int:
        """Number of chains ``n``."""
        return len(self.first)


@dataclass
class Ensemble:
    """The weights of all chains and their random streams: the whole state of a simulation.

    Saving these arrays and restoring them continues a run bit for bit. Both are changed in place.

    Parameters
    ----------
    weights
        Shape ``(d, n)``, float32 or float64, chains innermost.
    streams
        Shape ``(4, n)``, uint32: the generator's state for each chain.
    step
        Iterations done.

    Raises
    ------
    InputError
        When an array has the wrong shape or type.

    Examples
    --------
    >>> import numpy as np
    >>> ensemble = Ensemble.start(np.ones((3, 5), dtype=np.float32), seed=7)
    >>> more = Ensemble.start(np.ones((3, 8), dtype=np.float32), seed=7)
    >>> bool((ensemble.streams == more.streams[:, :5]).all())
    True

    """

    weights: NDArray[np.floating[Any]]
    streams: NDArray[np.uint32]
    step: int = 0

    def __post_init__(self) -> None:
        for name in ("weights", "streams"):
            if not isinstance(getattr(self, name), np.ndarray):
                raise InputError(
                    f"Ensemble: {name} is a {type(getattr(self, name)).__name__}; expected an array"
                )
        if self.weights.ndim != 2 or self.weights.shape[0] < 2:
            raise InputError(f"Ensemble: weights have shape {self.weights.shape}; expected (d >= 2, n)")
        if self.weights.dtype not in (np.float32, np.float64):
            raise InputError(f"Ensemble: weights are {self.weights.dtype}; expected float32 or float64")
        expected = (4, self.weights.shape[1])
        if self.streams.shape != expected or self.streams.dtype != np.uint32:
            raise InputError(
                f"Ensemble: streams are {self.streams.dtype} of shape {self.streams.shape}; "
                f"expected uint32 of shape {expected}"
            )
        if self.step < 0:
            raise InputError(f"Ensemble: step is {self.step}; expected a count of iterations")

    @classmethod
    def start(cls, weights: NDArray[np.floating[Any]], seed: int) -> Ensemble:
        """Chains at these weights (copied), the stream of chain ``i`` made from ``(seed, i)`` alone.

        Parameters
        ----------
        weights
            Shape ``(d, n)``, float32 or float64.
        seed
            An integer of at least 0.

        """
        copied = np.array(weights, order="C")
        if copied.ndim != 2:
            raise InputError(f"Ensemble: weights have shape {copied.shape}; expected (d >= 2, n)")
        return cls(copied, seed_streams(seed, copied.shape[1]))


@dataclass
class Collection:
    """Directions kept for entropies: unit vectors of each chain, at a spacing of its own.

    Chain ``i`` gives a vector at every record whose number, ``step // stride`` counted from the ensemble's
    first iteration, is a multiple of ``spacing[i]``. It goes to slot ``count[i] % size``; who takes a window
    resets its ``count`` to 0.

    Parameters
    ----------
    buffer
        Shape ``(size, d, n)``, in the weights' dtype.
    spacing
        Shape ``(n,)``, in records; 0 collects nothing.
    count
        Shape ``(n,)``, how many vectors were collected.

    Raises
    ------
    InputError
        When an array has the wrong shape or type.

    """

    buffer: NDArray[np.floating[Any]]
    spacing: NDArray[np.int64]
    count: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.buffer.ndim != 3 or self.buffer.shape[0] < 1:
            raise InputError(f"Collection: buffer has shape {self.buffer.shape}; expected (size >= 1, d, n)")
        for name in ("spacing", "count"):
            value = getattr(self, name)
            if value.shape != self.buffer.shape[2:] or value.dtype != np.int64 or (value < 0).any():
                raise InputError(
                    f"Collection: {name} is {value.dtype} of shape {value.shape}; "
                    f"expected counts in int64 of shape {self.buffer.shape[2:]}"
                )

    @classmethod
    def empty(cls, ensemble: Ensemble, size: int, spacing: ArrayLike) -> Collection:
        """Room for ``size`` directions of every chain; ``spacing`` is one number or one for each chain."""
        d, n = ensemble.weights.shape
        return cls(
            np.zeros((size, d, n), dtype=ensemble.weights.dtype),
            np.broadcast_to(np.asarray(spacing, dtype=np.int64), n).copy(),
            np.zeros(n, dtype=np.int64),
        )


@dataclass(frozen=True)
class Logs:
    """Means over the logs of a run: float64, shape ``(logs, n)``.

    Attributes
    ----------
    loss, norm, grad_sq
        Means of ``L``, ``|w|`` and ``|grad L|^2`` on the unit sphere, over the log's records (one instant
        every ``stride`` iterations).
    batch_grad_sq
        Mean over *every* iteration of ``|g|^2`` on the unit sphere, ``g`` the minibatch gradient.
    effective_wd
        On a fixed sphere the mean over every iteration of ``(|w - eta g| - r) / (eta r)``, before projecting
        (IG eq. 83); None for the other protocols.

    """

    loss: NDArray[np.float64]
    norm: NDArray[np.float64]
    grad_sq: NDArray[np.float64]
    batch_grad_sq: NDArray[np.float64]
    effective_wd: NDArray[np.float64] | None


def check_run(
    model: Model, ensemble: Ensemble, collection: Collection | None, *, logs: int, records: int, stride: int
) -> None:
    """Refuse a model, an ensemble and a collection that do not fit each other.

    Raises
    ------
    InputError
        With the first thing that does not fit.

    """
    for name, value in (("logs", logs), ("records", records), ("stride", stride)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise InputError(f"advance: {name} is {value!r}; expected an integer of at least 1")
    shape = ensemble.weights.shape
    if shape != (model.dim, model.chains):
        raise InputError(f"advance: weights have shape {shape}; expected {(model.dim, model.chains)}")
    if collection is not None:
        buffer = collection.buffer
        if buffer.shape[1:] != shape or buffer.dtype != ensemble.weights.dtype:
            raise InputError(
                f"advance: the collection holds {buffer.dtype} of shape {buffer.shape}; "
                f"expected {ensemble.weights.dtype} of shape (size, {shape[0]}, {shape[1]})"
            )
    if model.protocol is FixedSphere:
        norm = np.sqrt((ensemble.weights.astype(np.float64) ** 2).sum(axis=0))
        off = np.flatnonzero(np.abs(norm / model.second - 1.0) > _OFF_SPHERE)  # nan: diverged, let it be
        if len(off):
            i = int(off[0])
            raise InputError(
                f"advance: chain {i} has weights of norm {norm[i]}; expected its radius, {model.second[i]}"
            )


def _vector(name: str, value: ArrayLike) -> NDArray[np.float64]:
    """A float64 copy; hyperparameters must be above 0, a noise scale at least 0, a direction anything."""
    vector = np.array(value, dtype=np.float64)
    if vector.ndim != 1 or not vector.size:
        raise InputError(f"Model: {name} has shape {vector.shape}; expected one dimension, not empty")
    if name == "mean_direction":
        good, expected = np.isfinite(vector), "a finite number"
    elif name != "noise_scale":
        good, expected = np.isfinite(vector) & (vector > 0), "a finite number above 0"
    else:
        good, expected = np.isfinite(vector) & (vector >= 0), "a finite number of at least 0"
    if not good.all():
        bad = int(np.argmin(good))
        raise InputError(f"Model: {name}[{bad}] is {vector[bad]}; expected {expected}")
    return vector
