"""Time the k-nearest-neighbour graph's entropy at the sizes of the free-energy paper, from a file on disk.

Usage: python scripts/knn_graph_large.py [--dims 24408,1550016] [--folder FOLDER] [--output FILE]

A thousand directions in 24 408 and 1 550 016 dimensions (ConvNet of widths 8 and 64), float32, once as steps
of a random walk on the sphere, once independent and uniform. The file, 6.2 GB at most, lies in FOLDER (by
default the system's temporary one) and is deleted. What the truth is: the walk's neighbours are known
beforehand, and the uniform law's distances are ``sqrt(2 (1 - c))`` with the cosines of the k nearest of n, of
variance ``1/d``. A line a case; results go to benchmarks/results/knn_graph.json, where cases that are not run
stay as they are.
"""

import argparse
import json
import math
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

from thermograd.entropy import knn_graph
from thermograd.files import atomic_write

DIMS = (24_408, 1_550_016)
POINTS, NEIGHBOURS, STEP = 1000, 50, 1e-3
RESULTS = Path(__file__).parents[1] / "benchmarks" / "results" / "knn_graph.json"


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


def case(d: int, walk: bool, folder: str | None) -> dict[str, object]:
    """Write the directions, read their entropy, compare."""
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
    truth = expected(d, walk)
    return {
        "d": d,
        "sample": "walk" if walk else "uniform",
        "points": POINTS,
        "neighbours": NEIGHBOURS,
        "seconds": took,
        "seconds_to_write": filled,
        "file_gb": 4 * POINTS * d / 1e9,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "entropy": estimate.entropy,
        "se": estimate.se,
        "expected": truth,
        "mean_distance_off": math.expm1((estimate.entropy - truth) / (d - 1)),
        "warnings": list(estimate.warnings),
    }


def environment() -> dict[str, object]:
    """What the times depend on."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in ("numpy", "numba")},
        "cpu": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS"),
        "load_average": os.getloadavg() if hasattr(os, "getloadavg") else None,
    }


def main() -> None:
    """Run the cases, each in a process of its own, whose peak memory is then its own."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dims", default=",".join(map(str, DIMS)), help="separated by commas")
    parser.add_argument("--folder", help="for the file of directions")
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        print(json.dumps(case(*json.loads(options.case))))
        return
    found = json.loads(options.output.read_text()) if options.output.exists() else {"cases": {}}
    found["environment"] = environment()
    for d in map(int, options.dims.split(",")):
        for walk in (True, False):
            told = json.dumps([d, walk, options.folder])
            run = subprocess.run(
                [sys.executable, __file__, "--case", told], check=True, stdout=subprocess.PIPE, text=True
            )
            result = json.loads(run.stdout)
            found["cases"][f"{result['sample']}-{d}"] = result
            atomic_write(options.output, json.dumps(found, indent=2) + "\n")
            print(
                f"d = {d:9}, {result['sample']:7}: {result['seconds']:6.1f} s (writing it "
                f"{result['seconds_to_write']:.1f} s), peak {result['peak_gb']:.1f} GB with the file, "
                f"S = {result['entropy']:.1f} +- {result['se']:.1f}, expected {result['expected']:.1f}, "
                f"mean distance off by {result['mean_distance_off']:.1e}",
                flush=True,
            )
            for line in result["warnings"]:
                print(f"    {line}")


if __name__ == "__main__":
    main()
