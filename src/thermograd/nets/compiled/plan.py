"""Where everything lies in memory while a network is computed, and the memory itself, kept for next time."""

from __future__ import annotations

import weakref
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["LAYERS", "Plan", "Sizes", "make_plan", "take_memory"]

LAYERS = 4
_LANES = 16
_CACHED = 2**20
"""Bytes that stay in a core's own cache while several blocks of examples are worked on at once."""

_KEPT_PLANS = 4
_KEPT_MEMORIES = 2


class Sizes(NamedTuple):
    """Of one network and one batch: what its memory looks like."""

    channels: tuple[int, ...]  # of the images and after each layer
    height: int
    width: int
    batch: int


class Plan(NamedTuple):
    """Where in memory everything of one replica lies, in float32 numbers.

    ``table`` has a row a layer: channels before and after, height, width, whether it is pooled; the places of
    its framed input, its convolution, mean and inverse standard deviation, in the replica's memory; the
    places of the gradients by its activations and by its convolution (framed), in the scratch memory; and how
    many blocks of examples the latter holds at once. A last row holds the place of the last activations.
    """

    sizes: Sizes
    table: NDArray[np.int64]
    mask: NDArray[np.float32]  # (blocks * 16): 1 where there is an example
    saved: int  # numbers that a replica needs from forward to backward
    scratch: int  # numbers that are needed within one call, whatever the number of replicas
    kernel: int  # room for one packed kernel, at the beginning of the scratch memory
    free: list[NDArray[np.float32]]  # memory that nobody uses


def _up(count: int) -> int:
    return -(-count // _LANES) * _LANES


@lru_cache(maxsize=_KEPT_PLANS)
def make_plan(sizes: Sizes) -> Plan:
    """Lay out the memory of a network: aligned to cache lines, no two things that live at once overlap."""
    blocks = -(-sizes.batch // _LANES)
    mask = np.zeros(blocks * _LANES, dtype=np.float32)
    mask[: sizes.batch] = 1.0
    kernel = max(_up(9 * before * after) for before, after in pairwise(sizes.channels))
    saved, scratch = 0, kernel + _LANES * kernel  # a packed kernel, and the lanes' sums of its gradient
    rows = []
    height, width = sizes.height, sizes.width
    for layer, (before, after) in enumerate(pairwise(sizes.channels)):
        pool = layer > 0
        framed = (height + 2) * (width + 2) * _LANES
        x_at, saved = saved, saved + blocks * before * framed
        y_at, saved = saved, saved + blocks * after * height * width * _LANES
        statistics_at, saved = saved, saved + _up(2 * after)
        positions = height * width // (4 if pool else 1) * _LANES
        g_at, scratch = scratch, scratch + blocks * after * positions
        together = min(blocks, max(1, _CACHED // (4 * framed * (before + after))))
        gy_at, scratch = scratch, scratch + together * after * framed
        rows.append([before, after, height, width, pool, x_at, y_at, statistics_at, g_at, gy_at, together])
        if pool:
            height, width = height // 2, width // 2
    x_at, saved = saved, saved + blocks * sizes.channels[-1] * (height + 2) * (width + 2) * _LANES
    rows.append([sizes.channels[-1], 0, height, width, 0, x_at, 0, 0, 0, 0, 0])
    return Plan(sizes, np.array(rows, dtype=np.int64), mask, saved, scratch, kernel, [])


def take_memory(plan: Plan, replicas: int) -> NDArray[np.float32]:
    """Memory for so many replicas, aligned; it is used again when the array that is returned is gone.

    Fresh pages cost as much as working on them does, hence the reuse; two networks that are alive at once
    have memories of their own. All frames are zero, and nothing ever writes to them.
    """
    size = plan.scratch + replicas * plan.saved
    try:
        whole = plan.free.pop()  # one operation: threads and finalizers may not come in between
    except IndexError:
        whole = None
    if whole is None or len(whole) < size:
        room = np.zeros(size + _LANES, dtype=np.float32)
        skip = (-room.ctypes.data % 64) // 4
        whole = room[skip : skip + size]
    lent = whole[:]
    weakref.finalize(lent, _give_back, plan.free, whole).atexit = False
    return lent


def _give_back(free: list[NDArray[np.float32]], memory: NDArray[np.float32]) -> None:
    if len(free) < _KEPT_MEMORIES:
        free.append(memory)
