"""Replicas of a ConvNet, one after the other, through all layers, forward and backward.

One replica is computed from beginning to end by the same instructions whatever the others are: its result
depends on them in no bit.

This module imports numba: import it inside functions. numba's cache on disk notices changes of this file
only: after a change of another file of this folder, touch it.
"""

from __future__ import annotations

import numpy as np

from thermograd.nets.compiled.convolve import collect, convolve, kernel_gradient, pack
from thermograd.nets.compiled.lanes import LANES, inner, load, numbers, outer, store
from thermograd.nets.compiled.passes import (
    activate,
    copy_images,
    gradient_before,
    gradient_sums,
    largest,
    moments,
    share_among_largest,
)

__all__ = ["backward", "forward"]

_ROUND_OFF = 16.0 * float(np.finfo(np.float32).eps)  # the rule of normalise.inverse_std


@outer
def forward(image_address, kernels, memory, start, saved, table, mask, batch, replicas, feature_address):  # type: ignore[no-untyped-def]
    """Features ``(replica, example, channel)`` of images ``(replica, channel, row, column, example)``.

    ``memory`` holds what :class:`Plan` says, each replica's part from ``start + replica * saved`` on; with
    ``saved = 0`` they share one, and nothing remains for a backward pass. Images, kernels and features are
    addresses: for the smallest networks, making arrays of tensors took longer than computing with them.
    """
    blocks, layers = len(mask) // LANES, len(kernels)
    images = numbers(image_address, replicas * table[0, 0] * table[0, 2] * table[0, 3] * batch)
    features = numbers(feature_address, replicas * table[layers, 0] * batch)
    for replica in range(replicas):
        base = start + replica * saved
        for layer in range(layers):
            before, after, height, width, _, x_at, y_at, s_at = table[layer, :8]
            x_block = before * (height + 2) * (width + 2) * LANES
            y_channel = height * width * LANES
            weights = after * before * 9
            kernel = numbers(kernels[layer], replicas * weights)
            pack(kernel, replica * weights, after, before, width, False, memory, 0)
            mean, square = np.zeros(after), np.zeros(after)
            for block in range(blocks):
                x = base + x_at + block * x_block
                y = base + y_at + block * after * y_channel
                own = min(LANES, batch - block * LANES)
                keep = load(mask, block * LANES)
                if layer == 0:
                    for c in range(before):
                        source = (replica * before + c) * height * width * batch
                        place = x + c * (x_block // before)
                        copy_images(images, source, height, width, batch, block * LANES, memory, place)
                else:
                    _activate(memory, base, table, layer - 1, block, keep)
                convolve(memory, x, before, memory, 0, memory, y, after, height, width)
                old = float(block * LANES)
                share = own / (old + own)
                for c in range(after):
                    m, s = moments(memory, y + c * y_channel, height * width, own, keep)
                    apart = m - mean[c]
                    mean[c] += apart * share
                    square[c] += s + apart * apart * (old * share * (height * width))
            for c in range(after):
                std = np.sqrt(square[c] / (float(batch) * height * width))
                # nan stays nan: it is not below anything
                constant = std <= _ROUND_OFF * abs(mean[c])
                memory[base + s_at + c] = mean[c]
                memory[base + s_at + after + c] = 0.0 if constant else 1.0 / std
        count, _, height, width, _, x_at = table[layers, :6]
        x_channel = (height + 2) * (width + 2) * LANES
        for block in range(blocks):
            _activate(memory, base, table, layers - 1, block, load(mask, block * LANES))
            own = min(LANES, batch - block * LANES)
            for c in range(count):
                x = base + x_at + (block * count + c) * x_channel
                store(memory, 0, largest(memory, x, height, width))  # no kernel is needed any more
                place = (replica * batch + block * LANES) * count + c
                for lane in range(own):
                    features[place + lane * count] = memory[lane]


@inner
def _activate(memory, base, table, layer, block, keep):  # type: ignore[no-untyped-def]
    """One block's activations of a layer: the input of the next."""
    _, after, height, width, pool, _, y_at, s_at = table[layer, :8]
    _, _, next_height, next_width, _, x_at = table[layer + 1, :6]
    x_channel = (next_height + 2) * (next_width + 2) * LANES
    for c in range(after):
        activate(
            memory, base + y_at + (block * after + c) * height * width * LANES, height, width, pool,
            memory[base + s_at + c], memory[base + s_at + after + c], keep,
            memory, base + x_at + (block * after + c) * x_channel,
        )  # fmt: skip


@outer
def backward(  # type: ignore[no-untyped-def]
    gradient_address, kernels, memory, start, saved, table, mask, room, batch, replicas, results
):
    """Gradients by the kernels, of what :func:`forward` computed with the same memory.

    ``gradient_address`` is that of the gradient by the features, ``room`` is where the scratch memory's sums
    begin; ``results`` are addresses like ``kernels``, written.
    """
    blocks, layers = len(mask) // LANES, len(kernels)
    gradient = numbers(gradient_address, replicas * batch * table[layers, 0])
    for replica in range(replicas):
        base = start + replica * saved
        count, _, height, width, _, x_at = table[layers, :6]
        g_at = table[layers - 1, 8]
        x_channel, g_channel = (height + 2) * (width + 2) * LANES, height * width * LANES
        plain, tilted = np.zeros(count), np.zeros(count)
        for block in range(blocks):
            for c in range(count):
                x, g = base + x_at + (block * count + c) * x_channel, g_at + (block * count + c) * g_channel
                place = (replica * batch + block * LANES) * count + c
                for lane in range(LANES):
                    inside = block * LANES + lane < batch
                    memory[lane] = gradient[place + lane * count] if inside else 0.0
                by_feature = load(memory, 0)
                share_among_largest(memory, x, height, width, by_feature, memory, g)
                p, t = gradient_sums(memory, g, memory, x, height, width)
                plain[c] += p
                tilted[c] += t
        for layer in range(layers - 1, -1, -1):
            weights = replicas * table[layer, 0] * table[layer, 1] * 9
            kernel, result = numbers(kernels[layer], weights), numbers(results[layer], weights)
            plain, tilted = _layer_backward(
                kernel, replica, memory, base, table, layer, mask, room, batch, plain, tilted,
                result,
            )  # fmt: skip


@inner
def _layer_backward(  # type: ignore[no-untyped-def]
    kernel, replica, memory, base, table, layer, mask, room, batch, plain, tilted, result
):
    before, after, height, width, pool, x_at, y_at, s_at, g_at, gy_at, together = table[layer]
    _, _, z_height, z_width, _, z_at = table[layer + 1, :6]
    blocks = len(mask) // LANES
    x_channel, y_channel = (height + 2) * (width + 2) * LANES, height * width * LANES
    z_channel, g_channel = (z_height + 2) * (z_width + 2) * LANES, z_height * z_width * LANES
    weights = after * before * 9
    memory[room : room + weights * LANES] = 0.0
    if layer > 0:
        pack(kernel, replica * weights, before, after, width, True, memory, 0)
    next_plain, next_tilted = np.zeros(before), np.zeros(before)
    positions = float(batch) * height * width
    for first in range(0, blocks, together):
        end = min(blocks, first + together)
        for block in range(first, end):
            keep = load(mask, block * LANES)
            for c in range(after):
                mean, inverse = memory[base + s_at + c], memory[base + s_at + after + c]
                i = block * after + c
                # inverse * (g - mean(g) - normalised * mean(g * normalised))
                gradient_before(
                    memory, g_at + i * g_channel, memory, base + z_at + i * z_channel,
                    memory, base + y_at + i * y_channel, height, width, pool, mean, inverse,
                    -inverse * plain[c] / positions, -inverse * inverse * tilted[c] / positions, keep,
                    memory, gy_at + ((block - first) * after + c) * x_channel,
                )  # fmt: skip
        x = base + x_at + first * before * x_channel
        kernel_gradient(memory, gy_at, after, memory, x, before, end - first, height, width, memory, room)
        if layer > 0:
            out = table[layer - 1, 8]
            for block in range(first, end):
                gy = gy_at + (block - first) * after * x_channel
                g = out + block * before * y_channel
                convolve(memory, gy, after, memory, 0, memory, g, before, height, width)
                for c in range(before):
                    x = base + x_at + (block * before + c) * x_channel
                    p, t = gradient_sums(memory, g + c * y_channel, memory, x, height, width)
                    next_plain[c] += p
                    next_tilted[c] += t
    collect(memory, room, weights, result, replica * weights)
    return next_plain, next_tilted
