"""Nearest neighbours of a queue of weights: scikit-learn's brute force in float64 against ours.

    python benchmarks/nearest.py [--seconds 20] [--dtype float32] [--large] [--scaling] [--output FILE]

Both are timed in turn in one process, so that whatever else the machine does strikes both; the minimum
counts. Before each call there is a pause of a tenth of a second: the other's BLAS goes on spinning for 30 ms
after it has returned, on the processors that the next one wants. ``cpu_s`` is the processors' time, which
other work on the machine changes less. Angles: for scikit-learn they are converted with numpy as one writes
it, and the conversion is timed on both sides. scikit-learn does not know that the last angle is periodic: its
search is timed without the period, and what is compared is scikit-learn's squares about the mean with the
last angle's wrapped, which are not timed. ``--dtype float32``: ours reads float32, and scikit-learn the same
numbers in float64, converted beforehand.
``log_difference`` is by how much the mean log distance differs: times d, the entropy. ``--large``: (4000,
97 200), ours alone. Peak memory is that of a fresh process, on top of the data.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from statistics import median

import numpy as np

from thermograd.entropy.neighbours.chart import chart_neighbours
from thermograd.entropy.neighbours.nearest import nearest_neighbours
from thermograd.entropy.neighbours.tiles import tiles_at_hand

_PAUSE = 0.1  # seconds
WALKS = {"slow walk": 1e-4, "fast walk": 0.5, "i.i.d.": np.inf}  # length of a step on the unit sphere


def walk(n: int, d: int, step: float, dtype: str = "float64") -> np.ndarray:
    rng = np.random.default_rng(0)
    points = np.empty((n, d), dtype)
    w = rng.standard_normal(d)
    for i in range(n):
        move = rng.standard_normal(d)
        w = move if np.isinf(step) else w / np.linalg.norm(w) + step * move / np.sqrt(d)
        points[i] = w / np.linalg.norm(w)
    return points


def angles_as_one_writes_them(u: np.ndarray) -> np.ndarray:
    tails = np.sqrt(np.cumsum(u[:, :0:-1] ** 2, axis=1)[:, ::-1])
    angles = np.empty((len(u), u.shape[1] - 1))
    angles[:, :-1] = np.arctan2(tails[:, :-1], u[:, :-2])
    angles[:, -1] = np.arctan2(u[:, -1], u[:, -2])
    return angles


def sklearn_brute(x: np.ndarray) -> np.ndarray:
    from sklearn.neighbors import NearestNeighbors

    return NearestNeighbors(n_neighbors=1, algorithm="brute").fit(x).kneighbors()[0][:, 0]


def sklearn_wrapped(angles: np.ndarray) -> np.ndarray:
    """Nearest distances by scikit-learn's squares of all pairs, the last angle's made periodic."""
    from sklearn.metrics.pairwise import euclidean_distances

    # About the mean a Gram matrix loses fewer digits: angles of a slow walk differ in the last of them.
    squares = euclidean_distances(angles[:, :-1] - angles[:, :-1].mean(axis=0), squared=True)
    gap = angles[:, None, -1] - angles[None, :, -1]
    squares += np.minimum(np.abs(gap), 2 * np.pi - np.abs(gap)) ** 2
    np.fill_diagonal(squares, np.inf)
    return np.sqrt(squares.min(axis=1))


def in_turn(calls: dict[str, Callable[[], np.ndarray]], seconds: float) -> tuple[dict, dict]:
    times: dict[str, list[float]] = {name: [] for name in calls}
    cpu: dict[str, list[float]] = {name: [] for name in calls}
    answers = {name: call() for name, call in calls.items()}  # compiles
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(next(iter(times.values()))) < 3:
        for name, call in calls.items():
            time.sleep(_PAUSE)
            start, busy = time.perf_counter(), time.process_time()
            call()
            times[name].append(time.perf_counter() - start)
            cpu[name].append(time.process_time() - busy)
    found = {
        name: {"min_s": min(t), "median_s": median(t), "cpu_s": min(cpu[name]), "repeats": len(t)}
        for name, t in times.items()
    }
    return found, answers


def contestants(x: np.ndarray) -> dict[str, tuple[Callable[[], np.ndarray], ...]]:
    """By the distance: scikit-learn's search, ours, and scikit-learn's distances for the same metric."""
    double = np.asarray(x, dtype=np.float64)
    return {
        "euclidean": (
            lambda: sklearn_brute(double),
            lambda: nearest_neighbours(x).distance[:, 0],
            lambda: sklearn_brute(double),
        ),
        "chart": (
            lambda: sklearn_brute(angles_as_one_writes_them(double)),
            lambda: chart_neighbours(x)[0].distance[:, 0],
            lambda: sklearn_wrapped(angles_as_one_writes_them(double)),
        ),
    }


def compare(n: int, d: int, seconds: float, dtype: str) -> list[dict]:
    results = []
    for name, step in WALKS.items():
        x = walk(n, d, step, dtype)
        for space, (theirs, ours, same) in contestants(x).items():
            times, answers = in_turn({"scikit-learn": theirs, "thermograd": ours}, seconds)
            ratio = times["scikit-learn"]["min_s"] / times["thermograd"]["min_s"]
            busy = times["scikit-learn"]["cpu_s"] / times["thermograd"]["cpu_s"]
            off = float(np.abs(np.mean(np.log(same() / answers["thermograd"]))))
            print(
                f"{name:10s} {space:10s} scikit-learn {times['scikit-learn']['min_s']:.3f} s, thermograd "
                f"{times['thermograd']['min_s']:.3f} s: {ratio:.1f}x (processors' time {busy:.1f}x); "
                f"mean log distance differs by {off:.1e}",
                flush=True,
            )
            results.append(
                {
                    "sample": name,
                    "space": space,
                    "dtype": dtype,
                    "n": n,
                    "d": d,
                    "speedup": ratio,
                    "log_difference": off,
                    **times,
                }
            )
    return results


def memory(what: str) -> float:
    """A line of /proc/self/status in bytes; NaN where there is none."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((1024.0 * int(line.split()[1]) for line in lines if line.startswith(what)), float("nan"))


def forget_peak() -> float:
    """Let the peak memory begin anew (a new process inherits its parent's), and what is held now."""
    if os.access("/proc/self/clear_refs", os.W_OK):
        Path("/proc/self/clear_refs").write_text("5")
    return memory("VmRSS")


def ours(n: int, d: int, name: str, space: str, dtype: str, repeats: int) -> dict:
    call = {"euclidean": nearest_neighbours, "chart": chart_neighbours}[space]
    x = walk(n, d, WALKS[name], dtype)
    call(x[:64])  # compiles
    before = forget_peak()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call(x)
        times.append(time.perf_counter() - start)
    after = memory("VmHWM")
    return {
        "sample": name,
        "space": space,
        "dtype": dtype,
        "n": n,
        "d": d,
        "min_s": min(times),
        "repeats": repeats,
        "data_bytes": x.nbytes,
        "peak_over_data": (after - before) / x.nbytes,
    }


def alone(*case: object) -> dict:
    """In a process of its own: the peak memory is then this case's."""
    run = subprocess.run(
        [sys.executable, __file__, "--case", json.dumps(case)], check=True, stdout=subprocess.PIPE, text=True
    )
    result = json.loads(run.stdout)
    print(
        f"{result['sample']:10s} {result['space']:10s} ({result['n']}, {result['d']}) {result['dtype']}: "
        f"{result['min_s']:.3f} s, {result['peak_over_data']:.2f} of the data on top of it",
        flush=True,
    )
    return result


def environment() -> dict[str, object]:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in ("numpy", "numba", "scikit-learn")},
        "cpu": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "matrix_unit": tiles_at_hand(),
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS"),
        "load_average": os.getloadavg() if hasattr(os, "getloadavg") else None,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=20.0, help="per comparison")
    parser.add_argument(
        "--dtype", default="float64", choices=("float64", "float32"), help="of the comparison"
    )
    parser.add_argument("--large", action="store_true", help="also (4000, 97200): needs 6 GB")
    parser.add_argument("--scaling", action="store_true", help="also the cost against n and d")
    parser.add_argument("--output", type=Path, help="write the results here as JSON")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        print(json.dumps(ours(*json.loads(options.case))))
        return
    results: dict[str, object] = {"environment": environment()}

    def save() -> None:
        if options.output:
            options.output.write_text(json.dumps(results, indent=2) + "\n")

    results["comparison"] = compare(1000, 43_692, options.seconds, options.dtype)
    save()
    if options.scaling:
        sizes = [(n, 24_408) for n in (250, 500, 1000, 2000)] + [(1000, d) for d in (6084, 43_692, 97_200)]
        results["scaling"] = [
            alone(n, d, name, "euclidean", "float64", 5) for name in ("slow walk", "i.i.d.") for n, d in sizes
        ]
        save()
    if options.large:
        results["large"] = [
            alone(4000, 97_200, name, space, "float32", 2)
            for name in ("slow walk", "i.i.d.")
            for space in ("euclidean", "chart")
        ]
        save()


if __name__ == "__main__":
    main()
