"""Narrow 3x3 networks as few large operations: the fast path of ``ConvNet`` on a CPU.

General convolution kernels are made for many channels: with one to four of them they spend most of their time
on layout. Here activations are stored ``(row, channel, column * example)``, the examples innermost, with a
row of zeros above and below. Then three neighbouring rows are one contiguous block, and a 3x3 convolution is
one batched matrix product with the banded (Toeplitz) matrix of the kernel along the columns. It multiplies
``image width / 3`` times more numbers than needed and is still several times faster for narrow networks on
small images. The function computed is the same as with the plain operations, up to round-off.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from thermograd.nets.normalise import inverse_std

__all__ = ["banded_features"]


class _Shape(NamedTuple):
    """Of a layer: its image, the channels before and after it, the batch, and whether it is pooled."""

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


def _windows(rows: Tensor, height: int, size: int, batch: int) -> Tensor:
    """Every three neighbouring rows of ``size * batch`` numbers as one matrix: a view, nothing is copied."""
    return rows.as_strided((height, 3 * size, batch), (size * batch, batch, 1))


def _volume(rows: Tensor, height: int, channels: int, width: int, batch: int) -> Tensor:
    """Rows as a channels-last volume ``(1, batch, height, channels, width)``, for the 3-d pooling kernel."""
    row = channels * width * batch
    return rows.as_strided((1, batch, height, channels, width), (row * height, 1, row, width * batch, batch))


_POOL = [2, 1, 2]  # over rows and columns; the channels between them are left alone


def _layer(x: Tensor, weight: Tensor, s: _Shape) -> tuple[Tensor, tuple[Tensor | None, ...]]:
    # band[(c, i), (dy, c', j)]: the weight between column i of the output and column j of the input
    band = torch.mm(weight.reshape(-1, 3), _taps(s.width, weight)).view(
        s.after, s.before, 3, s.width, s.width
    )
    band = band.permute(0, 3, 2, 1, 4).reshape(s.after * s.width, -1)
    windows = _windows(x, s.height, s.before * s.width, s.batch)
    y = torch.bmm(band.expand(s.height, -1, -1), windows).view(s.height, s.after, s.width * s.batch)

    mean = y.mean((0, 2), True)
    y.sub_(mean)
    scale = inverse_std(mean, (y * y).sum((0, 2), True).div_(s.positions).sqrt_())

    # Scaling by a positive number and ReLU keep the order, so pooling may come first, on the raw values.
    index = None
    if s.pool:
        volume = _volume(y, s.height, s.after, s.width, s.batch)
        peaks, index = torch.ops.aten.max_pool3d_with_indices(volume, _POOL)
        height, columns = s.height // 2, s.width // 2 * s.batch
        peaks = peaks.as_strided((height, s.after, columns), (s.after * columns, columns, 1))
    else:
        height, columns, peaks = s.height, s.width * s.batch, y
    z = y.new_zeros(height + 2, s.after, columns)
    inner = z.narrow(0, 1, height)
    torch.mul(peaks, scale, out=inner)
    inner.relu_()
    return z, (x, band, y, scale, z, index)


def _layer_backward(
    grad: Tensor, saved: tuple[Any, ...], s: _Shape, first: bool
) -> tuple[Tensor | None, Tensor]:
    x, band, y, scale, z, index = saved
    active = z.narrow(0, 1, z.shape[0] - 2)
    # dL/dy = scale * (g - mean(g) - normalised * mean(g * normalised)); g lives on the pooled positions
    g = torch.ops.aten.threshold_backward(grad, active, 0).mul_(scale)
    shift = g.sum((0, 2), True).div_(-s.positions)
    tilt = (g * active).sum((0, 2), True).mul_(scale).div_(-s.positions)
    if index is not None:
        g = torch.ops.aten.max_pool3d_with_indices_backward(
            _volume(g, s.height // 2, s.after, s.width // 2, s.batch),
            _volume(y, s.height, s.after, s.width, s.batch),
            _POOL,
            _POOL,
            [0, 0, 0],
            [1, 1, 1],
            False,
            index,
        ).as_strided(y.shape, y.stride())
    gy = y.new_zeros(s.height + 2, s.after, s.width * s.batch)
    inner = gy.narrow(0, 1, s.height)
    torch.addcmul(shift, y, tilt, out=inner)
    inner.add_(g)

    windows = _windows(x, s.height, s.before * s.width, s.batch)
    gband = torch.bmm(inner.view(s.height, -1, s.batch), windows.transpose(1, 2)).sum(0)
    gband = gband.view(s.after, s.width, 3, s.before, s.width).permute(0, 3, 2, 1, 4)
    gweight = torch.mm(gband.reshape(-1, s.width * s.width), _taps(s.width, y).t())
    gweight = gweight.view(s.after, s.before, 3, 3)
    if first:
        return None, gweight
    # The transposed convolution: the same product with the band flipped in rows and transposed.
    back = band.view(s.after, s.width, 3, -1).flip(2).permute(3, 2, 0, 1).reshape(s.before * s.width, -1)
    windows = _windows(gy, s.height, s.after * s.width, s.batch)
    gx = torch.bmm(back.expand(s.height, -1, -1), windows)
    return gx.view(s.height, s.before, -1), gweight


class _BandedFeatures(Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, *weights: Tensor) -> Tensor:
        batch, channels, height, width = images.shape
        rows = images.new_zeros(height + 2, channels, width, batch)
        rows.narrow(0, 1, height).copy_(images.permute(2, 1, 3, 0))
        shapes: list[_Shape] = []
        saved: list[Tensor | None] = []
        for layer, weight in enumerate(weights):
            shape = _Shape(height, width, channels, weight.shape[0], batch, layer > 0)
            rows, keep = _layer(rows, weight, shape)
            shapes.append(shape)
            saved += keep
            channels = shape.after
            if shape.pool:
                height, width = height // 2, width // 2
        ctx.shapes = shapes
        ctx.save_for_backward(*saved)
        return rows.narrow(0, 1, height).view(height, channels, width, batch)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        if ctx.needs_input_grad[0]:
            raise RuntimeError("the banded kernel has no gradient for the images: use kernel='plain'")
        saved = ctx.saved_tensors
        gradients: list[Tensor] = []
        g: Tensor | None = grad.reshape(grad.shape[0], grad.shape[1], -1)
        for layer in reversed(range(len(ctx.shapes))):
            assert g is not None
            g, gweight = _layer_backward(
                g, saved[6 * layer : 6 * layer + 6], ctx.shapes[layer], first=layer == 0
            )
            gradients.append(gweight)
        return None, *reversed(gradients)


def banded_features(images: Tensor, weights: list[Tensor]) -> Tensor:
    """The convolutional part of ``ConvNet``: features before the global maximum.

    Each layer is ``relu(batch_norm(conv2d(x, weight, padding=1)))``; all but the first are 2x2 max-pooled.
    Where several positions share the largest value, pooling passes the gradient to the first of them.

    Parameters
    ----------
    images
        ``(batch, channels, height, width)``; each halving must come out even.
    weights
        Kernels, ``(after, before, 3, 3)`` each.

    Returns
    -------
    Tensor
        Features ``(height, channels, width, batch)``. They can be differentiated once, by the weights only.

    Examples
    --------
    >>> x = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    >>> banded_features(x, [torch.ones(2, 1, 3, 3), torch.ones(1, 2, 3, 3)]).shape
    torch.Size([4, 1, 4, 4])

    """
    features: Tensor = _BandedFeatures.apply(images, *weights)  # type: ignore[no-untyped-call]
    return features
