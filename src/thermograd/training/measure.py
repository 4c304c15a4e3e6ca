"""What is measured at frozen weights, on every replica at once, and what a window of directions tells."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from thermograd.data.sampling import BatchSampler
from thermograd.entropy import diagnose, knn_graph, kozachenko_leonenko
from thermograd.errors import InputError
from thermograd.nets.replicas import Replicas, losses

__all__ = ["FrozenPoint", "window_entropy"]


class FrozenPoint:
    """Gradients and accuracies of all replicas at their present weights.

    Parameters
    ----------
    network
        The replicas.
    train, test
        Images, as `Replicas.prepare` lays them out, and labels.
    batch_size
        The training batch size. BatchNorm makes losses and gradients depend on it, so that everything here
        is measured on batches of that size, or near it for the test set.

    """

    def __init__(
        self, network: Replicas, train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor], batch_size: int
    ) -> None:
        self._network, self._train, self._test, self._batch_size = network, train, test, batch_size
        self._last: Tensor | None = None
        self.reset()

    def reset(self) -> None:
        """Begin to count correct answers anew."""
        self._correct = torch.zeros(self._network.count, dtype=torch.int64, device=self._train[1].device)
        self._seen = 0

    def gradients(self, batches: Sequence[BatchSampler], active: Sequence[bool]) -> tuple[Tensor, ...]:
        """One minibatch gradient of each replica, ``(R, ...)`` a layer; only active ones draw a new batch."""
        drawn = [
            next(sampler) if goes_on or self._last is None else self._last[replica]
            for replica, (sampler, goes_on) in enumerate(zip(batches, active, strict=True))
        ]
        self._last = torch.stack(drawn)
        index = self._last.to(self._train[1].device)
        images, labels = self._train
        logits = self._network(self._network.gather(images, index))
        # A replica that no longer draws would be counted on one batch again and again: accuracies come from
        # the draws that all of them make.
        if all(active):
            self._correct += logits.detach().argmax(2).eq(labels[index]).sum(1)
            self._seen += index.shape[1]
        return torch.autograd.grad(losses(logits, labels[index]).sum(), self._network.weights)

    def accuracies(self) -> dict[str, list[float]]:
        """Accuracy on the training minibatches seen since `reset`; loss and accuracy on the test set."""
        test_loss, test_accuracy = self._tested()
        return {
            "train_accuracy": (self._correct.double() / self._seen).tolist(),
            "test_loss": test_loss,
            "test_accuracy": test_accuracy,
        }

    @torch.no_grad()
    def _tested(self) -> tuple[list[float], list[float]]:
        images, labels = self._test
        replicas, total = self._network.count, len(labels)
        loss = torch.zeros(replicas, dtype=torch.float64, device=labels.device)
        correct = torch.zeros_like(loss)
        # Chunks near the training batch size keep the network the same one.
        chunks = max(1, round(total / self._batch_size))
        for chunk in torch.arange(total, device=labels.device).chunk(chunks):
            index = chunk.expand(replicas, -1)
            logits, truth = self._network(self._network.gather(images, index)), labels[index]
            each = cross_entropy(logits.flatten(0, 1), truth.flatten(), reduction="none")
            loss += each.double().view(replicas, -1).sum(1)
            correct += logits.argmax(2).eq(truth).sum(1)
        return (loss / total).tolist(), (correct / total).tolist()


_ENTROPY = (
    "entropy_sphere",
    "entropy_sphere_chart",
    "entropy_autocorrelation_time",
    "entropy_effective_samples",
)


def window_entropy(
    window: NDArray[np.float64] | None, rng: np.random.Generator | None, graph_neighbours: int | None = None
) -> dict[str, float]:
    """Entropy of one window of directions, ``(N, d)``, in every reading, with what its sample is worth.

    NaN without a window, and for weights that no longer move: they have no entropy, which is no reason to
    lose the run.
    """
    names = _ENTROPY if graph_neighbours is None else (*_ENTROPY, "entropy_graph")
    nothing = dict.fromkeys(names, math.nan)
    if window is None or rng is None:
        return nothing
    try:
        geodesic = kozachenko_leonenko(window, manifold="geodesic").entropy
        chart = kozachenko_leonenko(window, manifold="sphere").entropy
        honesty = diagnose(window, rng=rng)
        values = [geodesic, chart, honesty.time_directions, honesty.n_effective]
        if graph_neighbours is not None:
            values.append(knn_graph(window, k=graph_neighbours).entropy)
    except InputError:
        return nothing
    # Coinciding points make it minus infinity, which would make every mean so.
    return {n: v if math.isfinite(v) else math.nan for n, v in zip(names, values, strict=True)}
