"""Replicas of a ConvNet, one after the other, through all layers, forward and backward.

One replica is computed from beginning to end by the same instructions whatever the others are: its result
depends on them in no bit.

This module imports numba: import it inside functions. numba's cache on disk notices changes of this file
only: after a change of another file of this folder, touch it.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from thermograd.nets.compiled.convolve import collect, convolve, kernel_gradient, pack
from thermograd.nets.compiled.lanes import LANES, filled, load, store
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


@njit(nogil=True, cache=True, error_model="numpy")
def forward(images, kernels, memory, start, saved, table, mask, batch, replicas, features):  # type: ignore[no-untyped-def]
    """Features ``(replica, channel, example)`` of images ``(replica, channel, row, column, example)``.

    ``memory`` holds what :class:`Plan` says, each replica's part from ``start + replica * saved`` on; with
    ``saved = 0`` they share one, and nothing remains for a backward pass.
    """
    blocks, layers = len(mask) // LANES, len(kernels)
    for replica in range(replicas):
        base = start + replica * saved
        for layer in range(layers):
            before, after, height, width, _, x_at, y_at, s_at = table[layer, :8]
            x_block = before * (height + 2) * (width + 2) * LANES
            y_channel = height * width * LANES
            pack(kernels[layer], replica * after * before * 9, after, before, width, False, memory, 0)
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
                best = largest(memory, base + x_at + (block * count + c) * x_channel, height, width)
                place = (replica * count + c) * batch + block * LANES
                if own == LANES:
                    store(features, place, best)
                else:
                    store(memory, 0, best)  # the packed kernel is not needed any more
                    for lane in range(own):
                        features[place + lane] = memory[lane]


@njit(error_model="numpy")
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


@njit(nogil=True, cache=True, error_model="numpy")
def backward(gradient, kernels, memory, start, saved, table, mask, room, batch, replicas, results):  # type: ignore[no-untyped-def]
    """Gradients by the kernels, of what :func:`forward` computed with the same memory.

    ``gradient`` (replica, channel, block and lane) by the features, zero in lanes without an example;
    ``room``: where the scratch memory's sums begin; ``results`` like ``kernels``, written.
    """
    blocks, layers = len(mask) // LANES, len(kernels)
    for replica in range(replicas):
        base = start + replica * saved
        count, _, height, width, _, x_at = table[layers, :6]
        g_at = table[layers - 1, 8]
        x_channel, g_channel = (height + 2) * (width + 2) * LANES, height * width * LANES
        plain, tilted = np.zeros(count), np.zeros(count)
        for block in range(blocks):
            for c in range(count):
                x, g = base + x_at + (block * count + c) * x_channel, g_at + (block * count + c) * g_channel
                by_feature = load(gradient, ((replica * count + c) * blocks + block) * LANES)
                share_among_largest(memory, x, height, width, by_feature, memory, g)
                p, t = gradient_sums(memory, g, memory, x, height, width)
                plain[c] += p
                tilted[c] += t
        for layer in range(layers - 1, -1, -1):
            plain, tilted = _layer_backward(
                kernels[layer], replica, memory, base, table, layer, mask, room, batch, plain, tilted,
                results[layer],
            )  # fmt: skip


@njit(error_model="numpy")
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
        kernel_gradient(
            memory, gy_at, after, memory, x, before, end - first, height, width, memory, room
        )
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
