"""R independent networks of one architecture, computed as one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from thermograd.errors import InputError
from thermograd.nets.convnet import ConvNet
from thermograd.nets.resnet import ResNet18
from thermograd.nets.stacked import CONVOLUTIONS, KERNELS, Shape, choose
from thermograd.nets.weights import trainable

__all__ = ["Replicas", "losses"]


class Replicas(nn.Module):
    """R networks of one architecture, with weights, heads and minibatches of their own, computed as one.

    Replica r is the r-th network to round-off: no number of one replica enters another, and what one of them
    computes does not depend, to the bit, on what the others hold, infinities and NaN included.

    Parameters
    ----------
    networks
        ``ConvNet`` or ``ResNet18``, all of one class, width, channels and classes. Weights are copied.
    kernel
        How they are computed, a key of :data:`thermograd.nets.stacked.KERNELS`. "auto" takes the fastest for
        the first images seen, and stays with it. The results differ by round-off only.

    precision
        ``"float32"``, or ``"bfloat16"``: what enters and leaves a convolution, in both directions, is rounded
        to it; weights, normalisation and heads stay as they are.

    Attributes
    ----------
    count
        Number of replicas, R.
    dim
        Trainable weights of one replica, d.
    kernel
        Name of the kernel; "auto" until images have been seen.
    weights
        One parameter a layer, shape ``(R, out, in, k, k)``, in the networks' own order.

    Raises
    ------
    InputError
        If there is no network, the networks are not alike, or ``kernel`` is unknown.

    Examples
    --------
    >>> networks = [ConvNet(2, 1, generator=torch.Generator().manual_seed(s)) for s in range(3)]
    >>> replicas = Replicas(networks)
    >>> replicas.count, replicas.dim, tuple(replicas.flat().shape)
    (3, 1530, (3, 1530))
    >>> replicas(torch.zeros(3, 32, 1, 8, 8)).shape
    torch.Size([3, 32, 10])

    """

    head_weight: Tensor
    head_bias: Tensor | None

    def __init__(
        self, networks: Sequence[nn.Module], *, kernel: str = "auto", precision: str = "float32"
    ) -> None:
        super().__init__()
        if precision not in CONVOLUTIONS:
            raise InputError(
                f"Replicas: precision is {precision!r}; expected one of {', '.join(CONVOLUTIONS)}"
            )
        self.precision = precision
        if kernel != "auto" and kernel not in KERNELS:
            raise InputError(f"Replicas: kernel is {kernel!r}; expected one of auto, {', '.join(KERNELS)}")
        first = _alike(networks)
        self.kernel = kernel
        self.architecture = type(first).__name__
        self.width = first.width
        self.in_channels = first.in_channels
        self.count = len(networks)
        layers = zip(*(trainable(network) for network in networks), strict=True)
        self._weights = nn.ParameterList([torch.stack([w.detach() for w in layer]) for layer in layers])
        heads = [network.head for network in networks]
        self.register_buffer("head_weight", torch.stack([head.weight.detach() for head in heads]))  # type: ignore[union-attr, operator]
        bias = None if first.head.bias is None else torch.stack([head.bias.detach() for head in heads])  # type: ignore[union-attr, operator]
        self.register_buffer("head_bias", bias)
        self.dim = sum(w[0].numel() for w in self._weights)

    @property
    def weights(self) -> list[nn.Parameter]:
        """One parameter a layer, ``(R, out, in, k, k)``."""
        return list(self._weights)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(R, B, classes)`` of images ``(R, B, channels, height, width)``, best from `gather`."""
        if images.dim() != 5 or images.shape[0] != self.count:
            raise InputError(
                f"Replicas: images have shape {tuple(images.shape)};"
                f" expected ({self.count}, batch, {self.in_channels}, height, width)"
            )
        self._resolve(images)
        features = KERNELS[self.kernel].features(
            self.architecture, images, list(self._weights), CONVOLUTIONS[self.precision]
        )
        # Examples innermost: `losses` reads them so, several at once.
        if self.head_bias is None:
            return torch.bmm(self.head_weight, features).transpose(1, 2)
        return torch.baddbmm(self.head_bias[:, :, None], self.head_weight, features).transpose(1, 2)

    @torch.no_grad()
    def flat(self) -> Tensor:
        """A copy of the weight vectors, ``(R, d)``: row r as replica r's own module orders them."""
        return torch.cat([w.detach().flatten(1) for w in self._weights], 1)

    @torch.no_grad()
    def load_flat(self, weights: Tensor) -> None:
        """Set the weight vectors, ``(R, d)``.

        Raises
        ------
        InputError
            If the shape is another one.

        """
        if tuple(weights.shape) != (self.count, self.dim):
            raise InputError(
                f"Replicas: weights have shape {tuple(weights.shape)}; expected ({self.count}, {self.dim})"
            )
        parts = torch.split(weights, [w[0].numel() for w in self._weights], 1)
        for w, part in zip(self._weights, parts, strict=True):
            w.copy_(part.reshape(w.shape))

    def prepare(self, images: Tensor) -> Tensor:
        """A data set ``(N, channels, height, width)`` in the layout that `gather` draws from."""
        self._resolve(images)
        return KERNELS[self.kernel].prepare(images)

    def gather(self, images: Tensor, index: Tensor) -> Tensor:
        """Minibatches of a `prepare`-d data set as `forward` takes them.

        Parameters
        ----------
        images
            What `prepare` returned.
        index
            Which images each replica sees, ``(R, B)``.

        Returns
        -------
        Tensor
            Images ``(R, B, channels, height, width)``, laid out in memory as the kernel computes them.

        """
        return KERNELS[self.kernel].gather(images, index)

    def _resolve(self, images: Tensor) -> None:
        channels, height, columns = images.shape[-3:]
        if channels != self.in_channels or height % 8 or columns % 8:
            raise InputError(
                f"Replicas: images have shape {tuple(images.shape)}; expected {self.in_channels} channels,"
                " height and width multiples of 8"
            )
        shape = Shape(
            self.architecture,
            self.width,
            self.count,
            channels,
            height,
            columns,
            images.device.type,
            images.dtype,
            self.precision,
        )
        if self.kernel == "auto":
            self.kernel = choose(shape)
        elif not KERNELS[self.kernel].applies(shape):
            raise InputError(
                f"Replicas: kernel {self.kernel!r} cannot compute {self.architecture}({self.width})"
                f" on images {tuple(images.shape[-3:])} on {shape.device}; expected 'auto' or another kernel"
            )


def _alike(networks: Sequence[nn.Module]) -> ConvNet | ResNet18:
    if not networks:
        raise InputError("Replicas: networks is empty; expected one network or more")
    first = networks[0]
    if not isinstance(first, (ConvNet, ResNet18)):
        raise InputError(f"Replicas: networks hold a {type(first).__name__}; expected ConvNet or ResNet18")
    for position, network in enumerate(networks):
        if type(network) is not type(first) or _description(network) != _description(first):
            raise InputError(
                f"Replicas: network {position} is {_words(network)}; expected {_words(first)} like the first"
            )
    return first


def _description(network: nn.Module) -> tuple[object, ...]:
    return type(network).__name__, [(tuple(p.shape), p.dtype, p.device) for p in network.parameters()]


def _words(network: nn.Module) -> str:
    if not isinstance(network, (ConvNet, ResNet18)):
        return f"a {type(network).__name__}"
    weight = network.head.weight
    return (
        f"{type(network).__name__}({network.width}, {network.in_channels}, {network.head.out_features})"
        f" of {weight.dtype} on {weight.device}"
    )


def losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy of each replica.

    The gradient of their sum by replica r's weights is the gradient of its own loss.

    Parameters
    ----------
    logits
        ``(R, B, classes)``.
    labels
        Class numbers, ``(R, B)``.

    Returns
    -------
    Tensor
        Losses, ``(R,)``.

    Examples
    --------
    >>> losses(torch.zeros(2, 4, 10), torch.zeros(2, 4, dtype=torch.long))
    tensor([2.3026, 2.3026])

    """
    return cross_entropy(logits.transpose(1, 2), labels, reduction="none").mean(1)
