"""Work on ranges, shared out among threads: for compiled loops that let go of the interpreter's lock."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise

__all__ = ["blas_in_one_thread", "in_ranges", "thread_count"]


def thread_count() -> int:
    """How many threads to use: the processors this process may run on, or fewer if OMP_NUM_THREADS says so.

    Examples
    --------
    >>> thread_count() >= 1
    True

    """
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    wish = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return min(cores, int(wish)) if wish.isdigit() and int(wish) > 0 else cores


def in_ranges(pool: ThreadPoolExecutor | None, work: Callable[[int, int], object], total: int) -> None:
    """Call ``work(start, stop)`` on ranges that together cover ``0 .. total``, one per thread.

    Parameters
    ----------
    pool
        The threads; ``None`` does everything in the caller's.
    work
        Must write nothing that two ranges share.
    total
        Length of the whole.

    Examples
    --------
    >>> seen = []
    >>> in_ranges(None, lambda start, stop: seen.append((start, stop)), 5)
    >>> seen
    [(0, 5)]

    """
    parts = 1 if pool is None else min(thread_count(), total)
    if parts <= 1 or pool is None:
        work(0, total)
        return
    cuts = [total * part // parts for part in range(parts + 1)]
    # The caller's thread takes the first range: one less to wake, and what it left in its cache is there.
    waiting = [pool.submit(work, start, stop) for start, stop in pairwise(cuts[1:])]
    work(cuts[0], cuts[1])
    for future in waiting:
        future.result()


@contextmanager
def blas_in_one_thread() -> Iterator[None]:
    """Keep numpy's and scipy's BLAS from starting threads of its own.

    OpenBLAS's threads spin for 30 ms after every product, on the processors that ours want, and with another
    process busy they wait for one another far longer than they work.

    Examples
    --------
    >>> import numpy as np
    >>> with blas_in_one_thread():
    ...     product = np.ones((2, 2)) @ np.ones((2, 2))

    """
    from threadpoolctl import ThreadpoolController

    with ThreadpoolController().limit(limits=1, user_api="blas"):
        yield
