"""Narrow 3x3 networks as few large operations, R of them at once: the fast path of ``ConvNet`` on a CPU.

General convolution kernels are made for many channels: with one to four of them they spend most of their time
on layout. Here activations are stored ``(replica, row, channel, column, example)``, the examples innermost,
with a row of zeros before the first replica and after each. Then three neighbouring rows are one contiguous
block, and a 3x3 convolution is one batched matrix product with the banded (Toeplitz) matrix of the kernel
along the columns. It multiplies ``image width / 3`` times more numbers than needed and is still several times
faster for narrow networks on small images, the more so as every operation serves all replicas at once. The
function computed is the same as with the plain operations, up to round-off.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from thermograd.nets.normalise import inverse_std

__all__ = ["banded_features"]


class _Shape(NamedTuple):
    """Of a layer: its image, the channels before and after it, the batch, and whether it is pooled."""

    replicas: int
    height: int
    width: int
    before: int
    after: int
    batch: int
    pool: bool

    @property
    def positions(self) -> int:
        return self.height * self.width * self.batch


_TAPS: dict[tuple[int, torch.dtype, torch.device], Tensor] = {}

_COPIED_BAND = 2048
"""Up to this many numbers a band is copied for every row, and one product serves all replicas."""


def _taps(width: int, like: Tensor) -> Tensor:
    """Which column offset joins which columns: 1 where ``j - i = k - 1``, as ``(3, width * width)``, kept."""
    key = (width, like.dtype, like.device)
    taps = _TAPS.get(key)
    if taps is None:
        column = torch.arange(width, device=like.device)
        offset = torch.arange(-1, 2, device=like.device)
        joined = (column - column[:, None])[None] == offset[:, None, None]
        taps = _TAPS[key] = joined.to(like.dtype).view(3, width * width)
    return taps


def _framed(like: Tensor, replicas: int, height: int, size: int) -> tuple[Tensor, Tensor]:
    """Rows of ``size`` numbers with their frame of zeros, and the view ``(R, height, size)`` to fill."""
    rows = like.new_empty(replicas * (height + 1) + 1, size)
    rows[:: height + 1].zero_()
    return rows, rows[1:].view(replicas, height + 1, size)[:, :height]


def _windows(rows: Tensor, size: int, batch: int) -> Tensor:
    """Every three neighbouring rows of ``size`` numbers as one matrix: a view, nothing is copied."""
    return rows.as_strided((rows.shape[0] - 2, 3 * size // batch, batch), (size, batch, 1))


def _convolve(band: Tensor, rows: Tensor, size: int, s: _Shape) -> Tensor:
    """The product of each replica's band with all of its windows: ``(R * (height + 1), out, batch)``.

    The last row of each replica lies between two replicas and means nothing.
    """
    out = rows.new_empty(s.replicas * (s.height + 1), band.shape[1], s.batch)
    windows = _windows(rows, size, s.batch)
    if s.replicas > 1 and band[0].numel() <= _COPIED_BAND:
        copies = band[:, None].expand(-1, s.height + 1, -1, -1).reshape(-1, *band.shape[1:])
        torch.bmm(copies[:-1], windows, out=out[:-1])
    else:
        for r in range(s.replicas):
            own = slice(r * (s.height + 1), r * (s.height + 1) + s.height)
            torch.bmm(band[r].expand(s.height, -1, -1), windows[own], out=out[own])
    return out


def _layer(rows: Tensor, weight: Tensor, s: _Shape) -> tuple[Tensor, tuple[Tensor | None, ...]]:
    # band[(c, i), (dy, c', j)]: the weight between column i of the output and column j of the input
    band = torch.mm(weight.reshape(-1, 3), _taps(s.width, weight))
    band = band.view(s.replicas, s.after, s.before, 3, s.width, s.width).permute(0, 1, 4, 3, 2, 5)
    band = band.reshape(s.replicas, s.after * s.width, -1)
    raw = _convolve(band, rows, s.before * s.width * s.batch, s)
    y = raw.view(s.replicas, s.height + 1, s.after, s.width * s.batch)[:, : s.height]

    mean = y.sum((1, 3), True).div_(s.positions)
    y.sub_(mean)
    square = torch.linalg.vector_norm(y, dim=3, keepdim=True).square_().sum(1, True)
    scale = inverse_std(mean, square.div_(s.positions).sqrt_())

    # Scaling by a positive number and ReLU keep the order, so pooling may come first, on the raw values.
    peaks, across = y, None
    if s.pool:
        columns = y.unflatten(3, (s.width // 2, 2, s.batch))
        across = torch.maximum(columns[..., 0, :], columns[..., 1, :]).flatten(3)
        peaks = torch.maximum(across[:, 0::2], across[:, 1::2])
    height = peaks.shape[1]
    z, inner = _framed(y, s.replicas, height, s.after * peaks.shape[3])
    inner = inner.view(s.replicas, height, s.after, -1)
    torch.mul(peaks, scale, out=inner)
    inner.relu_()
    return z, (rows, band, y, across, scale, inner)


def _layer_backward(
    grad: Tensor, saved: tuple[Any, ...], s: _Shape, first: bool
) -> tuple[Tensor | None, Tensor]:
    rows, band, y, across, scale, active = saved
    # dL/dy = scale * (g - mean(g) - normalised * mean(g * normalised)); g lives on the pooled positions
    g = torch.ops.aten.threshold_backward(grad, active, 0).mul_(scale)
    shift = g.sum((1, 3), True).div_(-s.positions)
    tilt = (g * active).sum((1, 3), True).mul_(scale).div_(-s.positions)

    size = s.after * s.width * s.batch
    gy, inner = _framed(y, s.replicas, s.height, size)
    inner = inner.view(y.shape)
    torch.mul(y, tilt, out=inner)
    inner.add_(shift)
    if s.pool:
        # To the first of the largest, row by row: the left of equal columns, the upper of equal rows.
        upper = torch.ge(across[:, 0::2], across[:, 1::2], out=torch.empty_like(g)).mul_(g)
        rows_g = torch.stack((upper, g - upper), 2).flatten(1, 2).unflatten(3, (s.width // 2, s.batch))
        columns, out = (t.unflatten(3, (s.width // 2, 2, s.batch)) for t in (y, inner))
        left = torch.ge(columns[..., 0, :], columns[..., 1, :], out=torch.empty_like(rows_g)).mul_(rows_g)
        out[..., 0, :].add_(left)
        out[..., 1, :].add_(rows_g.sub_(left))
    else:
        inner.add_(g)

    before = s.before * s.width * s.batch
    windows = _windows(rows, before, s.batch)
    gband = torch.bmm(gy[1:-1].view(-1, s.after * s.width, s.batch), windows.transpose(1, 2))
    gband = _per_replica(gband, s).view(s.replicas, s.after, s.width, 3, s.before, s.width)
    gweight = torch.mm(gband.permute(0, 1, 4, 3, 2, 5).reshape(-1, s.width * s.width), _taps(s.width, y).t())
    gweight = gweight.view(s.replicas, s.after, s.before, 3, 3)
    if first:
        return None, gweight
    # The transposed convolution: the same product with the band flipped in rows and transposed.
    back = band.view(s.replicas, s.after * s.width, 3, -1).flip(2).permute(0, 3, 2, 1)
    gx = _convolve(back.reshape(s.replicas, s.before * s.width, -1), gy, size, s)
    return gx.view(s.replicas, s.height + 1, s.before, -1)[:, : s.height], gweight


def _per_replica(gband: Tensor, s: _Shape) -> Tensor:
    """The sum over each replica's rows; those between replicas (none after the last one) are left out."""
    matrix = gband.shape[1] * gband.shape[2]
    every = (s.height + 1) * matrix
    return gband.as_strided((s.replicas, s.height, matrix), (every, matrix, 1)).sum(1)


class _BandedFeatures(Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, *weights: Tensor) -> Tensor:
        replicas, batch, channels, height, width = images.shape
        rows, inner = _framed(images, replicas, height, channels * width * batch)
        inner.view(replicas, height, channels, width, batch).copy_(images.permute(0, 3, 2, 4, 1))
        shapes: list[_Shape] = []
        saved: list[Tensor | None] = []
        for layer, weight in enumerate(weights):
            shape = _Shape(replicas, height, width, channels, weight.shape[1], batch, layer > 0)
            rows, keep = _layer(rows, weight, shape)
            shapes.append(shape)
            saved += keep
            channels = shape.after
            if shape.pool:
                height, width = height // 2, width // 2
        ctx.shapes = shapes
        ctx.save_for_backward(*saved)
        out = rows[1:].view(replicas, height + 1, channels, width, batch)[:, :height]
        return out if height > 1 else out.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        if ctx.needs_input_grad[0]:
            raise RuntimeError("the banded kernel has no gradient for the images: use kernel='plain'")
        saved = ctx.saved_tensors
        gradients: list[Tensor] = []
        g: Tensor | None = grad.flatten(3)
        for layer in reversed(range(len(ctx.shapes))):
            assert g is not None
            g, gweight = _layer_backward(
                g, saved[6 * layer : 6 * layer + 6], ctx.shapes[layer], first=layer == 0
            )
            gradients.append(gweight)
        return None, *reversed(gradients)


def banded_features(images: Tensor, weights: Sequence[Tensor]) -> Tensor:
    """The convolutional part of R ``ConvNet``: features before the global maximum.

    Each layer is ``relu(batch_norm(conv2d(x, weight, padding=1)))``; all but the first are 2x2 max-pooled.
    Where several positions share the largest value, pooling passes the gradient to the first of them.

    Parameters
    ----------
    images
        ``(R, batch, channels, height, width)``; each halving must come out even. Examples innermost in memory
        are read fastest.
    weights
        Kernels, ``(R, after, before, 3, 3)`` each.

    Returns
    -------
    Tensor
        Features ``(R, height, channels, width, batch)``. They can be differentiated once, by the weights only.

    Examples
    --------
    >>> x = torch.randn(1, 4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    >>> banded_features(x, [torch.ones(1, 2, 1, 3, 3), torch.ones(1, 1, 2, 3, 3)]).shape
    torch.Size([1, 4, 1, 4, 4])

    """
    features: Tensor = _BandedFeatures.apply(images, *weights)  # type: ignore[no-untyped-call]
    return features
