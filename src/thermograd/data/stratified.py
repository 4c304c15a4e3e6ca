"""A smaller training set with the class proportions of the whole, the same images for the same seed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from thermograd.data.images import ImageData
from thermograd.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["apportion", "subset"]


def apportion(counts: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Share ``n`` places among classes in proportion to their counts, by largest remainder.

    A class of ``c`` of the ``N`` images gets ``floor(n c / N)`` places; what is left goes, one each, to the
    classes with the largest remainder (of equal ones, to the first), so that every share is within one place
    of the exact ``n c / N``. Done in integers: no rounding.

    Parameters
    ----------
    counts
        The size of each class, shape (K,).
    n
        How many places there are, from 0 to the sum of the counts.

    Returns
    -------
    ndarray
        The places of each class, shape (K,), with sum ``n``.

    Examples
    --------
    >>> apportion(np.array([50, 30, 20]), 7)
    array([4, 2, 1])

    """
    counts = np.asarray(counts, dtype=np.int64)
    total = int(counts.sum())
    shares, remainders = np.divmod(n * counts, total)
    shares[np.argsort(-remainders, kind="stable")[: n - int(shares.sum())]] += 1
    return shares


def subset(data: ImageData, n: int, seed: int) -> ImageData:
    """Keep ``n`` training images drawn at random class by class; the test part stays whole.

    Each class keeps its share of the places (see `apportion`). Within a class every image gets a random
    64-bit key and the smallest keys win, so a larger subset of the same seed holds the smaller one, up to the
    rounding of the shares. The keys are raw output of PCG64, which NumPy does not change between versions.

    Parameters
    ----------
    data
        The set to take images from; the order of those kept does not change.
    n
        How many training images to keep, from ``data.num_classes`` to the number there are.
    seed
        Seed of the generator that draws the keys, 0 or above.

    Raises
    ------
    InputError
        If ``n`` or ``seed`` is out of range.

    Examples
    --------
    >>> from thermograd.data import load
    >>> small = subset(load("digits"), 100, seed=0)
    >>> small.name, np.bincount(small.train_labels)
    ('digits-n100-seed0', array([10, 10, 10, 10, 10, 10, 10, 10, 10, 10]))

    """
    available = len(data.train_labels)
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or not data.num_classes <= n <= available:
        raise InputError(
            f"subset of {data.name}: n is {n!r}; expected an integer from {data.num_classes} "
            f"(one image a class) to {available} (all)"
        )
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise InputError(f"subset of {data.name}: seed is {seed!r}; expected an integer of 0 or above")
    keys = np.random.PCG64(int(seed)).random_raw(available)
    counts = np.bincount(data.train_labels, minlength=data.num_classes)
    kept = []
    for label, places in enumerate(apportion(counts, int(n))):
        members = np.flatnonzero(data.train_labels == label)
        kept.append(members[np.argsort(keys[members], kind="stable")[:places]])
    index = np.sort(np.concatenate(kept))
    return replace(
        data,
        name=f"{data.name}-n{n}-seed{seed}",
        train_raw=data.train_raw[index],
        train_labels=data.train_labels[index],
    )
