"""The loss of a network whose weights are a random direction: what training at the largest rates ends in."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from thermograd.entropy import knn_graph
from thermograd.errors import InputError
from thermograd.nets import build, set_norm
from thermograd.nets.weights import trainable
from thermograd.training.loop import load_images
from thermograd.training.spec import TrainSpec

__all__ = ["RandomLoss", "random_graph_entropy", "random_loss"]

_LEAST = 4  # of fewer directions the error is not known


@dataclass(frozen=True)
class RandomLoss:
    """The mean training loss over the uniform law on the sphere.

    Attributes
    ----------
    value, se
        Mean over directions and its standard error, in units of the loss.
    draws
        Number of directions.

    """

    value: float
    se: float
    draws: int


def random_loss(spec: TrainSpec, *, draws: int = 96) -> RandomLoss:
    """Average the loss over directions drawn uniformly, each with a minibatch of its own.

    The head is that of the run, and decides much: with heads of norm 10 the mean over directions differs by
    half between seeds. The weights are Gaussian, so that their direction is uniform on the whole sphere,
    which the network's own initialisation is not.

    Parameters
    ----------
    spec
        A run of the setup: its network, seed, images and minibatch.
    draws
        Number of directions.

    Raises
    ------
    InputError
        If there are fewer than 4 directions, or the images cannot be read.

    References
    ----------
    FE figure 2, dashed lines.

    Examples
    --------
    >>> from thermograd.protocol import FixedSphere
    >>> found = random_loss(TrainSpec(FixedSphere(elr=0.1, radius=1.0)), draws=8)
    >>> 2.0 < found.value < 10.0, found.draws  # log 10 = 2.3 is that of equal chances
    (True, 8)

    """
    if draws < _LEAST:
        raise InputError(f"random loss: draws is {draws!r}; expected at least {_LEAST}")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        values = np.array(_losses(spec, draws))
    finally:
        torch.set_num_threads(threads)
    return RandomLoss(float(values.mean()), float(values.std(ddof=1) / math.sqrt(draws)), draws)


def random_graph_entropy(spec: TrainSpec, dim: int) -> float | None:
    """Entropy of the graph of neighbours of as many random directions as a run's window holds, nats.

    Its constant is not known: the uniform law's entropy in this reading is what this estimator gives.

    Parameters
    ----------
    spec
        A run of the setup; ``None`` is returned where it does not read the graph.
    dim
        Number of scale-invariant weights.

    References
    ----------
    FE figure 2, dashed lines.

    Examples
    --------
    >>> from thermograd.protocol import FixedSphere
    >>> from thermograd.training.spec import Measurement
    >>> spec = TrainSpec(FixedSphere(elr=0.1, radius=1.0), measurement=Measurement(graph_neighbours=50))
    >>> round(random_graph_entropy(spec, 387))
    1636

    """
    neighbours = spec.measurement.graph_neighbours
    if neighbours is None:
        return None
    rng = np.random.default_rng(spec.stream("random directions"))
    points = rng.standard_normal((spec.measurement.queue_size, dim))
    return knn_graph(points / np.linalg.norm(points, axis=1, keepdims=True), k=neighbours).entropy


@torch.no_grad()
def _losses(spec: TrainSpec, draws: int) -> list[float]:
    images = load_images(spec.data, spec.subset, spec.seed)
    network = build(
        spec.architecture,
        width=spec.width,
        in_channels=images.train_images.shape[1],
        num_classes=images.num_classes,
        generator=torch.Generator().manual_seed(spec.stream("initial")),
    )
    network.train()
    rng = np.random.default_rng(spec.stream("random directions"))
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    found = []
    for _ in range(draws):
        for weight in trainable(network):
            weight.normal_(generator=generator)
        set_norm(network, 1.0)
        chosen = rng.integers(len(images.train_labels), size=spec.batch_size)
        batch = torch.from_numpy(images.train_images[chosen])
        found.append(float(cross_entropy(network(batch), torch.from_numpy(images.train_labels[chosen]))))
    return found
