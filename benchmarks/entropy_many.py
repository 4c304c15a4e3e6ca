"""Time of entropies of many samples: one call a sample against all in one call, side by side.

    python benchmarks/entropy_many.py [--threads 1] [--repeats 5] [--output entropy_many.json]

Uniform clouds, clouds of a low temperature, and slow random walks, 1000 directions each: both readings of the
entropy on the sphere. Times are minima over repeats taken in turn, so that whatever else the machine does
strikes both; the largest difference of the entropies is reported with them. Also the mean and error of
many series, row by row against all at once.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from thermograd.autocorrelation import mean_with_error, means_with_errors
from thermograd.entropy import kozachenko_leonenko
from thermograd.entropy.many import kozachenko_leonenko_many

POINTS = 1000
DIMENSIONS = (2, 3, 4, 10, 30, 100)
SINGLES = 4  # samples that the single version is timed on
BATCH = 42  # samples that the batch is timed on; 8 from ten dimensions on


def unit(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def clouds(d: int, batch: int, rng: np.random.Generator) -> dict[str, NDArray[np.float64]]:
    centre = unit(rng.standard_normal(d))
    noise = rng.standard_normal((batch, POINTS, d))
    return {
        "uniform": unit(noise),
        "concentrated": unit(centre + 1e-2 * noise),
        "walk": unit(centre + np.cumsum(1e-3 * noise, axis=1)),
    }


def minima(calls: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    best = dict.fromkeys(calls, float("inf"))
    for call in calls.values():
        call()
    for _ in range(repeats):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            best[name] = min(best[name], time.perf_counter() - start)
    return best


def entropies(d: int, threads: int, repeats: int) -> list[dict[str, object]]:
    rng = np.random.default_rng(d)
    results: list[dict[str, object]] = []
    for kind, x in clouds(d, BATCH if d < 10 else 8, rng).items():
        for manifold in ("geodesic", "sphere"):
            best = minima(
                {
                    "single": lambda x=x, m=manifold: [
                        kozachenko_leonenko(s, manifold=m) for s in x[:SINGLES]
                    ],
                    "many": lambda x=x, m=manifold: kozachenko_leonenko_many(x, manifold=m, threads=threads),
                },
                repeats,
            )
            single, many = 1e3 * best["single"] / SINGLES, 1e3 * best["many"] / len(x)
            alone = [kozachenko_leonenko(s, manifold=manifold).entropy for s in x[:SINGLES]]
            together = kozachenko_leonenko_many(x, manifold=manifold, threads=threads).entropy[:SINGLES]
            difference = float(np.abs(together - alone).max())
            print(
                f"d = {d:3d}, {kind:12s} {manifold:8s}: {single:7.3f} ms a sample, batched {many:6.3f} ms: "
                f"{single / many:5.1f}x, difference {difference:.0e}"
            )
            results.append(
                {
                    "dim": d,
                    "cloud": kind,
                    "manifold": manifold,
                    "points": POINTS,
                    "single_ms": single,
                    "many_ms": many,
                    "difference": difference,
                }
            )
    return results


def series(repeats: int) -> list[dict[str, object]]:
    results: list[dict[str, object]] = []
    rng = np.random.default_rng(0)
    for n in (30, 200, 1000):
        x = rng.standard_normal((1000, n))
        best = minima(
            {
                "single": lambda x=x: [mean_with_error(row) for row in x[:50]],
                "many": lambda x=x: means_with_errors(x),
            },
            repeats,
        )
        single, many = 1e6 * best["single"] / 50, 1e6 * best["many"] / len(x)
        print(
            f"mean with error of {n:4d} values: {single:6.1f} us, of 1000 series at once {many:5.1f} us each"
        )
        results.append({"values": n, "single_us": single, "many_us": many})
    return results


def environment(threads: int) -> dict[str, object]:
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "threads": threads,
        "load_average": os.getloadavg() if hasattr(os, "getloadavg") else None,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output", type=Path, help="write the results here as JSON")
    options = parser.parse_args()
    report = {
        "environment": environment(options.threads),
        "entropies": [r for d in DIMENSIONS for r in entropies(d, options.threads, options.repeats)],
        "series": series(options.repeats),
    }
    if options.output:
        options.output.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
