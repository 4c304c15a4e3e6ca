"""Is the simulator's noise normal and independent? Moments, tails, distribution and correlations as z-scores.

    python scripts/check_generator.py [--normals 4e8] [--seed 0]

Every row is a statistic whose sampling error is known for independent standard normals, in units of that
error; one beyond 5 fails (of 21 rows one does so by chance for one seed in 80 000). Exit code 1
when one does.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import special

LIMIT = 5.0
BINS, EDGE = 1024, 3.0  # equal bins between -EDGE and EDGE; the outermost two are open
TAILS = (3.0, 4.0, 5.0)
LAGS = (1, 2, 3, 8)

Draw = Callable[[], NDArray[np.float32]]
"""A block of new draws, shape (rows, streams): down a column one stream, in the order of its draws."""


def z_scores(draw: Draw, blocks: int) -> dict[str, float]:
    """The statistics of so many blocks, each in units of its sampling error."""
    first = draw()
    rows, streams = first.shape
    total = dict.fromkeys(("x", "x^2", "x^3", "x^4"), 0.0)
    beyond = dict.fromkeys(TAILS, 0)
    histogram = np.zeros(BINS)
    serial = {(lag, power): 0.0 for lag in LAGS for power in (1, 2)}
    cross, cross_squares = np.zeros((2, streams, streams))
    n = blocks * rows * streams
    for x in _blocks(first, draw, blocks):
        square = x * x
        total["x"] += x.sum()
        total["x^2"] += square.sum()
        total["x^3"] += np.vdot(square, x)
        total["x^4"] += np.vdot(square, square)
        for tail in TAILS:
            beyond[tail] += int(np.count_nonzero(square > tail**2))
        bins = np.clip((x.ravel() + EDGE) * (BINS / (2 * EDGE)), 0, BINS - 1).astype(np.int64)
        histogram += np.bincount(bins, minlength=BINS)
        excess = square - 1.0
        for lag in LAGS:
            serial[lag, 1] += np.vdot(x[:-lag], x[lag:])
            serial[lag, 2] += np.vdot(excess[:-lag], excess[lag:]) / 2
        cross += x.T @ x
        cross_squares += excess.T @ excess / 2
    # E x^2, x^4, x^6, x^8 = 1, 3, 15, 105
    z = {
        "mean": total["x"] / np.sqrt(n),
        "variance": (total["x^2"] - n) / np.sqrt(2 * n),
        "skewness": total["x^3"] / np.sqrt(15 * n),
        "kurtosis": (total["x^4"] - 3 * n) / np.sqrt(96 * n),
    }
    for tail, count in beyond.items():
        z[f"count beyond {tail:g} sigma"] = _poisson_z(count, n * 2 * float(special.ndtr(-tail)))
    below = special.ndtr(np.linspace(-EDGE, EDGE, BINS + 1)[1:])
    below[-1] = 1.0
    expected = n * np.diff(below, prepend=0.0)
    chi_square = ((histogram - expected) ** 2 / expected).sum()
    z[f"chi^2 of {BINS} bins"] = (chi_square - (BINS - 1)) / np.sqrt(2 * (BINS - 1))
    distance = np.abs(np.cumsum(histogram) / n - below).max()
    z["Kolmogorov-Smirnov"] = -float(special.ndtri(special.kolmogorov(np.sqrt(n) * distance) / 2))
    for (lag, power), value in serial.items():
        name = f"serial correlation{' of squares' if power == 2 else ''}, lag {lag}"
        z[name] = value / np.sqrt(blocks * (rows - lag) * streams)
    above = np.triu_indices(streams, 1)
    for name, matrix in (("", cross), (" of squares", cross_squares)):
        pairs = matrix[above] ** 2 / (blocks * rows)
        z[f"correlations{name} between streams"] = (pairs.sum() - len(pairs)) / np.sqrt(2 * len(pairs))
        # the largest of so many z-scores, as the z-score of one
        least = min(1.0, len(pairs) * 2 * float(special.ndtr(-np.sqrt(pairs.max()))))
        z[f"largest correlation{name}"] = -float(special.ndtri(max(least, 1e-300) / 2))
    return {name: float(value) for name, value in z.items()}


def _blocks(first: NDArray[np.float32], draw: Draw, blocks: int) -> Iterator[NDArray[np.float64]]:
    yield first.astype(np.float64)
    for _ in range(blocks - 1):
        yield draw().astype(np.float64)


def _poisson_z(count: int, mean: float) -> float:
    """The z-score of a count, exact for small means, where a tail's count is anything but normal."""
    low, high = float(special.pdtr(count, mean)), float(special.pdtrc(count - 1, mean)) if count else 1.0
    if min(low, high) < 1e-300:
        return float(np.copysign(38.0, count - mean))
    return float(special.ndtri(low) if low < high else -special.ndtri(high)) if min(low, high) < 0.5 else 0.0


def compiled(seed: int, streams: int, rows: int) -> Draw:
    """Draws of the compiled generator; ``streams`` a multiple of 16, ``rows`` even."""
    from thermograd.simulate.engine.generator import seed_streams
    from thermograd.simulate.engine.lane_normals import fill
    from thermograd.simulate.engine.lanes import LANES

    states = seed_streams(seed, streams).view(np.int32)
    groups = [np.ascontiguousarray(states[:, i : i + LANES]) for i in range(0, streams, LANES)]

    def draw() -> NDArray[np.float32]:
        out = np.empty((len(groups), rows, LANES), dtype=np.float32)
        for group, part in zip(groups, out, strict=True):
            fill(group, part)
        return np.concatenate(list(out), axis=1)

    return draw


def failures(z: dict[str, float]) -> list[str]:
    """The statistics that independent standard normals would not show."""
    return [name for name, value in z.items() if not abs(value) < LIMIT]


def main() -> None:
    """Draw, print the table, and exit with 1 when a row fails."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--normals", type=float, default=4e8)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    streams, rows = 64, 2**13
    blocks = max(1, round(options.normals / (streams * rows)))
    start = time.perf_counter()
    z = z_scores(compiled(options.seed, streams, rows), blocks)
    print(f"{blocks * streams * rows:.3g} normals of {streams} streams, seed {options.seed}", end="")
    print(f" ({time.perf_counter() - start:.0f} s)")
    for name, value in z.items():
        print(f"{name:46s} {value:+8.2f}{'' if abs(value) < LIMIT else '   FAILED'}")
    sys.exit(1 if failures(z) else 0)


if __name__ == "__main__":
    main()
