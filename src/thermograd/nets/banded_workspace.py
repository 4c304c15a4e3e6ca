"""The memory of the banded kernel, laid out once for a shape, and the operations on it, layer by layer.

Activations are stored ``(replica, row, channel, column, example)``, the examples innermost, with a row of
zeros before the first replica and after each. Then three neighbouring rows are one contiguous block, which a
3x3 convolution takes as one matrix, without a copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from thermograd.nets.normalise import inverse_std

__all__ = ["Workspace"]

_COPIED_BAND = 2048
"""Up to this many numbers a band is copied for every row, and one product serves all replicas."""


class _Shape(NamedTuple):
    """Of a layer: its image, the channels before and after it, the batch, and whether it is pooled."""

    replicas: int
    height: int
    width: int
    before: int
    after: int
    batch: int
    pool: bool


class _Scratch:
    """Memory by name for what no layer keeps: as large as the largest that asks for it."""

    def __init__(self, like: Tensor) -> None:
        self._like = like
        self._arena: dict[str, Tensor] = {}

    def __call__(self, name: str, *shape: int) -> Tensor:
        size = torch.Size(shape).numel()
        if name not in self._arena or self._arena[name].numel() < size:
            self._arena[name] = self._like.new_empty(size)
        return self._arena[name][:size].view(shape)


def _taps(width: int, like: Tensor) -> Tensor:
    """Which column offset joins which columns: 1 where ``j - i = k - 1``, as ``(3, width * width)``."""
    column = torch.arange(width, device=like.device)
    offset = torch.arange(-1, 2, device=like.device)
    joined = (column - column[:, None])[None] == offset[:, None, None]
    return joined.to(like.dtype).view(3, width * width)


class _Convolution:
    """Products of every replica's band ``(out, 3 * in)`` with its windows, each of three neighbouring rows.

    ``source`` has ``in`` numbers an example and row, ``target`` ``out``; both are framed: one row, then
    ``height + 1`` rows a replica, the last of which lies between two replicas and means nothing.
    """

    def __init__(self, source: Tensor, target: Tensor, s: _Shape, scratch: _Scratch) -> None:
        inside, outside = source.shape[1], target.shape[1]
        rows, every = source.shape[0] - 2, s.height + 1
        self.windows = source.as_strided((rows, 3 * inside, s.batch), (inside * s.batch, s.batch, 1))
        self.band = scratch("band", s.replicas, outside, 3 * inside)
        self.copies: Tensor | None = None
        if s.replicas > 1 and self.band[0].numel() <= _COPIED_BAND:
            self.copies = scratch("copies", s.replicas, every, outside, 3 * inside)
            self.products = [(self.copies.flatten(0, 1)[:rows], self.windows, target[1:-1])]
            return
        self.products = []
        for r in range(s.replicas):
            own = slice(r * every, r * every + s.height)
            band = self.band[r].expand(s.height, -1, -1)
            self.products.append((band, self.windows[own], target[1:][own]))

    def __call__(self) -> None:
        if self.copies is not None:
            self.copies.copy_(self.band[:, None])
        for band, windows, target in self.products:
            torch.bmm(band, windows, out=target)


class _Layer:
    """``relu(batch_norm(conv2d(x, weight, padding=1)))``, pooled or not, forward and backward.

    Parameters
    ----------
    rows
        Where the layer's input stands, framed, ``(R * (height + 1) + 1, before * width, batch)``.

    """

    def __init__(self, rows: Tensor, s: _Shape, scratch: _Scratch) -> None:
        self.shape = s
        inside, outside = s.before * s.width, s.after * s.width
        self.framed = rows.new_zeros(rows.shape[0], outside, s.batch)
        self.between = self.framed[:: s.height + 1]
        self.y = self._enclosed(self.framed, s.after)
        self.forwards = _Convolution(rows, self.framed, s, scratch)
        self.gx_framed = scratch("gx", *rows.shape)
        self.gx = self._enclosed(self.gx_framed, s.before)
        self.backwards = _Convolution(self.framed, self.gx_framed, s, scratch)

        # band[(c, i), (dy, c', j)]: the weight between column i of the output and column j of the input
        self.taps = _taps(s.width, rows)
        self.untaps = self.taps.t().expand(s.replicas, -1, -1)
        six = (s.replicas, s.after, s.before, 3, s.width, s.width)
        self.spread = scratch("spread", s.replicas * s.after * s.before * 3, s.width * s.width)
        self.spread_out = self.spread.view(six).permute(0, 1, 4, 3, 2, 5)
        self.spread_back = self.spread.view(six).permute(0, 2, 5, 3, 1, 4)
        self.band_out = self.forwards.band.view(self.spread_out.shape)
        self.band_back = self.backwards.band.view(self.spread_back.shape)

        self.mean = rows.new_empty(s.replicas, 1, s.after, 1)
        self.std = torch.empty_like(self.mean)
        self.scale = torch.empty_like(self.mean)
        self.norms = rows.new_empty(s.replicas, s.height, s.after, 1)
        self.height, columns = (s.height // 2, s.width // 2) if s.pool else (s.height, s.width)
        pooled = (s.replicas, self.height, s.after, columns * s.batch)
        self.out = rows.new_zeros(s.replicas * (self.height + 1) + 1, s.after * columns, s.batch)
        self.active = self._enclosed(self.out, s.after, self.height)
        self.peaks = scratch("peaks", *pooled) if s.pool else self.y
        if s.pool:
            sides = self.y.view(*self.y.shape[:3], columns, 2, s.batch)
            self.left, self.right = sides[..., 0, :], sides[..., 1, :]
            self.across = rows.new_empty(self.left.shape)
            self.upper, self.lower = _halves(self.across)
            self.down, self.to_left = scratch("down", *self.across.shape), scratch("left", *self.across.shape)
            self.down_upper, self.down_lower = _halves(self.down)
            self.to_upper = scratch("upper", *pooled)

        self.g, self.g_active = scratch("g", *pooled), scratch("peaks", *pooled)
        self.moments = rows.new_empty(2, s.replicas, 1, s.after, 1)
        self.transposed = self.forwards.windows.transpose(1, 2)
        self.gbands = scratch("gbands", rows.shape[0] - 2, outside, 3 * inside)
        matrix = outside * 3 * inside
        strides = ((s.height + 1) * matrix, matrix, 1)
        self.gband_rows = self.gbands.as_strided((s.replicas, s.height, matrix), strides)
        self.gband = rows.new_empty(s.replicas, matrix)
        self.gband_six = self.gband.view(self.spread_out.shape).permute(0, 1, 4, 3, 2, 5)

    def _enclosed(self, framed: Tensor, channels: int, height: int | None = None) -> Tensor:
        """What the frame encloses, ``(R, height, channels, columns * batch)``."""
        height = height or self.shape.height
        return framed[1:].view(self.shape.replicas, height + 1, channels, -1)[:, :height]

    def forward(self, weight: Tensor) -> None:
        s = self.shape
        torch.mm(weight.reshape(-1, 3), self.taps, out=self.spread)
        self.band_out.copy_(self.spread_out)
        self.forwards()

        torch.mean(self.y, (1, 3), True, out=self.mean)
        self.y.sub_(self.mean)
        torch.linalg.vector_norm(self.y, dim=3, keepdim=True, out=self.norms)
        torch.linalg.vector_norm(self.norms, dim=1, keepdim=True, out=self.std)
        self.scale = inverse_std(self.mean, self.std.mul_((s.height * s.width * s.batch) ** -0.5))

        # Scaling by a positive number and ReLU keep the order, so pooling may come first, on the raw values.
        if s.pool:
            torch.maximum(self.left, self.right, out=self.across)
            torch.maximum(self.upper, self.lower, out=self.peaks)
        torch.mul(self.peaks, self.scale, out=self.active).relu_()

    def backward(self, grad: Tensor, weight: Tensor, first: bool) -> tuple[Tensor | None, Tensor]:
        s, g = self.shape, self.g
        # dL/dy = scale * (g - mean(g) - normalised * mean(g * normalised)); g lives on the pooled positions
        torch.ops.aten.threshold_backward.grad_input(grad, self.active, 0, grad_input=g)
        g.mul_(self.scale)
        torch.mul(g, self.active, out=self.g_active)
        shift, tilt = self.moments
        torch.sum(g, (1, 3), True, out=shift)
        torch.sum(self.g_active, (1, 3), True, out=tilt)
        self.moments.mul_(-1 / (s.height * s.width * s.batch))
        tilt.mul_(self.scale)

        # The gradient takes the place of what was normalised: one buffer less to fetch.
        if s.pool:
            # To the first of the largest, row by row: the left of equal columns, the upper of equal rows.
            torch.ge(self.upper, self.lower, out=self.to_upper)
            torch.mul(self.to_upper, g, out=self.down_upper)
            torch.sub(g, self.down_upper, out=self.down_lower)
            torch.ge(self.left, self.right, out=self.to_left).mul_(self.down)
            self.y.mul_(tilt).add_(shift)
            self.left.add_(self.to_left)
            self.right.add_(self.down.sub_(self.to_left))
        else:
            self.y.mul_(tilt).add_(shift).add_(g)
        self.between.zero_()

        torch.bmm(self.framed[1:-1], self.transposed, out=self.gbands)
        torch.sum(self.gband_rows, 1, out=self.gband)
        # One product a replica: its bits must not depend on how many others there are.
        bands = self.gband_six.reshape(s.replicas, -1, s.width * s.width)
        gweight = torch.bmm(bands, self.untaps).view(weight.shape)
        if first:
            return None, gweight
        # The transposed convolution: the same product with the kernel flipped in rows and transposed.
        torch.mm(weight.flip(3).view(-1, 3), self.taps, out=self.spread)
        self.band_back.copy_(self.spread_back)
        self.backwards()
        return self.gx, gweight


def _halves(t: Tensor) -> tuple[Tensor, Tensor]:
    """Even and odd rows of ``(R, rows, channels, columns, batch)``, columns and batch as one."""
    return t.flatten(3)[:, 0::2], t.flatten(3)[:, 1::2]


class Workspace:
    """The memory of one forward and backward, and every view of it.

    Parameters
    ----------
    images
        ``(R, batch, channels, height, width)``: their shape, type and device count.
    channels
        Channels after each layer.

    """

    def __init__(self, images: Tensor, channels: Sequence[int]) -> None:
        replicas, batch, before, height, width = images.shape
        rows = images.new_zeros(replicas * (height + 1) + 1, before * width, batch)
        self.images = rows[1:].view(replicas, height + 1, before, width, batch)[:, :height]
        scratch = _Scratch(images)
        self.layers: list[_Layer] = []
        for layer, after in enumerate(channels):
            shape = _Shape(replicas, height, width, before, after, batch, pool=layer > 0)
            self.layers.append(_Layer(rows, shape, scratch))
            rows, before = self.layers[-1].out, after
            if shape.pool:
                height, width = height // 2, width // 2
        active = self.layers[-1].active
        self.features = active.view(*active.shape[:3], width, batch)
