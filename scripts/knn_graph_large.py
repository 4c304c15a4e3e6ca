"""Time the k-nearest-neighbour graph's entropy at the sizes of the free-energy paper, from a file on disk.

Usage: python scripts/knn_graph_large.py [FOLDER]

A thousand directions in 24 408 and 1 550 016 dimensions (ConvNet of widths 8 and 64), float32, once as steps
of a random walk on the sphere, once independent and uniform. The file, 6.2 GB at most, lies in FOLDER (by
default the system's temporary one) and is deleted. What the truth is: the walk's neighbours are known
beforehand, and the uniform law's distances are ``sqrt(2 (1 - c))`` with the cosines of the k nearest of n, of
variance ``1/d``.
"""

import math
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from thermograd.entropy import knn_graph

DIMS = (24_408, 1_550_016)
POINTS, NEIGHBOURS, STEP = 1000, 50, 1e-3


def fill(points: np.memmap, walk: bool) -> None:
    """Write directions row by row."""
    rng = np.random.default_rng(0)
    d = points.shape[1]
    w = np.zeros(d)
    for row in points:
        noise = rng.standard_normal(d, dtype=np.float32)
        w = w + (STEP / math.sqrt(d)) * noise if walk and w.any() else noise.astype(np.float64)
        w /= np.linalg.norm(w)
        row[:] = w


def expected(d: int, walk: bool) -> float:
    """The entropy that the mean distance to the neighbours gives, to the first order."""
    if walk:
        # Lags 1, 1, 2, 2, ..., 25, 25 inside; towards the ends the lags of the missing side are replaced.
        lag = np.abs(np.subtract.outer(np.arange(POINTS), np.arange(POINTS)))
        nearest = np.sort(lag, axis=1)[:, 1 : NEIGHBOURS + 1]
        mean = (STEP * np.sqrt(nearest)).sum(axis=1).mean()
    else:
        # The cosines of n - 1 others are Gaussian quantiles, to O(1/n) of their spread.
        from scipy.stats import norm

        quantile = norm.isf((np.arange(NEIGHBOURS) + 0.5) / (POINTS - 1)) / math.sqrt(d)
        mean = np.sqrt(2.0 * (1.0 - quantile)).sum()
    return (d - 1) * math.log(mean) + math.log(POINTS)


def main(folder: str | None) -> None:
    """Run all four cases and print a line each."""
    for d in DIMS:
        for walk in (True, False):
            with tempfile.TemporaryDirectory(dir=folder) as place:
                path = Path(place) / "directions.npy"
                points = np.lib.format.open_memmap(path, "w+", dtype=np.float32, shape=(POINTS, d))
                start = time.perf_counter()
                fill(points, walk)
                filled = time.perf_counter() - start
                points.flush()
                points = np.load(path, mmap_mode="r")
                start = time.perf_counter()
                estimate = knn_graph(points, NEIGHBOURS)
                took = time.perf_counter() - start
                del points
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
            truth = expected(d, walk)
            print(
                f"d = {d:9}, {'walk' if walk else 'uniform':7}: {took:6.1f} s (writing it {filled:.1f} s), "
                f"peak {peak:.1f} GB with the file's pages, S = {estimate.entropy:.1f} +- {estimate.se:.1f}, "
                f"expected {truth:.1f}, mean distance off by "
                f"{math.expm1((estimate.entropy - truth) / (d - 1)):.1e}",
                flush=True,
            )
            for line in estimate.warnings:
                print(f"    {line}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
