"""Steps of SGD of all replicas at once; on a GPU the step is captured once and replayed."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from thermograd.nets.replicas import Replicas, losses
from thermograd.optim.replicas import ReplicaSGD
from thermograd.training.batches import ReplicaBatches

__all__ = ["Walk"]

_WARM_UP = 3


class Walk:
    """One optimizer walking one batched network over minibatches.

    Parameters
    ----------
    network, optimizer, batches
        Of the same replicas.
    images, labels
        The data on the network's device, images as `Replicas.prepare` lays them out.

    Notes
    -----
    On a CUDA device a step is hundreds of kernels of a few microseconds: launched one by one the host is
    the bottleneck. It is captured as a graph at its first use, with the indices of the minibatch in a fixed
    place, and replayed. Nothing in a step waits for the device.

    """

    def __init__(
        self,
        network: Replicas,
        optimizer: ReplicaSGD,
        batches: ReplicaBatches,
        images: Tensor,
        labels: Tensor,
    ) -> None:
        self._network, self._optimizer, self._batches = network, optimizer, batches
        self._images, self._labels = images, labels
        self._graph: torch.cuda.CUDAGraph | None = None
        self._index = torch.empty(0)
        self._capture = images.device.type == "cuda"

    def steps(self, count: int) -> None:
        """So many steps."""
        if self._capture and self._graph is None and count > 0:
            self._graph = self._captured()
            self._capture = self._graph is not None
        for _ in range(count):
            index = self._batches.draw()
            if self._graph is None:
                self._step(index)
            else:
                self._index.copy_(index)
                self._graph.replay()

    def _step(self, index: Tensor) -> None:
        for p in self._network.weights:
            p.grad = None
        network = self._network
        each = losses(network(network.gather(self._images, index)), self._labels[index])
        each.sum().backward()  # type: ignore[no-untyped-call]
        self._optimizer.step(each.detach())

    def _captured(self) -> torch.cuda.CUDAGraph | None:
        """The step as a graph; None, with a warning, where something in it cannot be captured."""
        weights, sums = self._network.flat(), self._optimizer.sums.clone()
        self._index = torch.zeros_like(self._batches.draw_nothing())
        graph = torch.cuda.CUDAGraph()
        device = self._images.device
        try:
            # Streams and graphs belong to the current device, which need not be the one that holds the data.
            with torch.cuda.device(device):
                stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
                stream.wait_stream(torch.cuda.current_stream())
                with torch.cuda.stream(stream):
                    for _ in range(_WARM_UP):
                        self._step(self._index)
                torch.cuda.current_stream().wait_stream(stream)
                with torch.cuda.graph(graph):
                    self._step(self._index)
                before = float(self._optimizer.sums[0, 0])
                graph.replay()
                if float(self._optimizer.sums[0, 0]) != before + 1:
                    raise RuntimeError("a replayed graph took no step")
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            warnings.warn(
                f"the training step cannot be captured as a CUDA graph ({reason}); it is launched kernel by "
                "kernel, which is slower",
                RuntimeWarning,
                stacklevel=2,
            )
            return None
        finally:
            # Warming up moved the weights.
            self._network.load_flat(weights)
            self._optimizer.sums.copy_(sums)
        return graph
