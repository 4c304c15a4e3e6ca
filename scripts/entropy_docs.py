"""Fill in what docs/entropy.md shows of programs and measurements.

Usage: python scripts/entropy_docs.py

Everything between ``<!-- begin NAME -->`` and ``<!-- end NAME -->`` is written anew: ``queues`` and
``command`` by running the package; ``nearest``, ``knn-graph`` and ``coverage`` from ``benchmarks/results/``,
as ``benchmarks/nearest.py``, ``scripts/knn_graph_large.py`` and ``scripts/entropy_coverage.py`` left them;
the tables of the study from ``docs/results/calibration``, where the tables and pictures lie that
``thermograd calibrate`` wrote.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import calibration_tables
import numpy as np
from calibration_tables import table
from markers import fill

from thermograd.entropy import DifferenceQueue, DirectionQueue, DiskQueue, SketchQueue
from thermograd.files import atomic_write

ROOT = Path(__file__).parents[1]
PAGE, RESULTS = ROOT / "docs" / "entropy.md", ROOT / "benchmarks" / "results"
DIMS = (10_000, 1_000_000, 100_000_000, 1_000_000_000)
SIZE = 1000


def amount(number: float) -> str:
    """Bytes in words."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number / 1e3:.3g} kB"


def queues() -> str:
    """What each queue of a thousand vectors takes."""
    kinds = {
        "`DirectionQueue`, float64": lambda d: DirectionQueue.bytes_needed(SIZE, d),
        "`DirectionQueue`, float32": lambda d: DirectionQueue.bytes_needed(SIZE, d, "float32"),
        "`DifferenceQueue`": lambda d: DifferenceQueue.bytes_needed(SIZE, d),
        "`SketchQueue`, 16 384 numbers": lambda d: SketchQueue.bytes_needed(SIZE, d, 16_384),
        "`SketchQueue`, 1024 numbers": lambda d: SketchQueue.bytes_needed(SIZE, d, 1024),
        "`DiskQueue`, memory": lambda d: 3 * 8 * d,
        "`DiskQueue`, float32, disk": lambda d: DiskQueue.disk_bytes_needed(SIZE, d, "float32"),
    }
    rows = []
    for name, bytes_needed in kinds.items():
        wide = [d < 16_384 if "16 384" in name else False for d in DIMS]
        rows.append([name, *("–" if w else amount(bytes_needed(d)) for w, d in zip(wide, DIMS, strict=True))])
    return table([f"{SIZE} vectors of", *(f"{d:.0e}".replace("e+0", "e") for d in DIMS)], rows)


def command() -> str:
    """A real output."""
    rng = np.random.default_rng(0)
    walk = 1.0 + np.cumsum(3e-3 * rng.standard_normal((1000, 387)), axis=0)
    options = ["--normalise", "--manifold", "geodesic"]
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/weights.npy", walk.astype(np.float32))
        run = subprocess.run(
            [sys.executable, "-m", "thermograd", "entropy", "weights.npy", *options],
            check=True,
            capture_output=True,
            text=True,
            cwd=folder,
        )
    return "```text\n$ thermograd entropy weights.npy " + " ".join(options) + "\n" + run.stdout + "```"


def nearest() -> str:
    """The search against scikit-learn's."""
    found = json.loads((RESULTS / "nearest.json").read_text())
    rows = []
    for case in found["comparison"]:
        theirs, ours = case["scikit-learn"]["min_s"], case["thermograd"]["min_s"]
        others = [case["scikit-learn"][one] / case["thermograd"][one] for one in ("median_s", "cpu_s")]
        ratios = (f"{ratio:.1f}" for ratio in (case["speedup"], *others))
        rows.append([case["sample"], case["space"], f"{theirs:.3f} s", f"{ours:.3f} s", *ratios])
    first, around = found["comparison"][0], found["environment"]
    head = ["sample", "distance", "scikit-learn", "here", "times faster", "by medians", "by processors' time"]
    repeats = min(case["thermograd"]["repeats"] for case in found["comparison"])
    machine = f"{around['cores']} cores, {around['cpu']}, numpy {around['numpy']}"
    told = f"({first['n']}, {first['d']}), {machine}; the fastest of {repeats} or more:"
    alone = [
        [
            case["sample"],
            case["space"],
            f"({case['n']}, {case['d']})",
            case["dtype"],
            f"{case['min_s']:.3f} s",
            amount(case["data_bytes"]),
            f"{case['peak_over_data']:.2f}",
        ]
        for case in (*found["scaling"], *found["large"])
    ]
    columns = ["sample", "distance", "points", "numbers", "here", "data", "memory on top, of the data"]
    grows = "How that grows with points and dimensions, and the memory of a fresh process:"
    return f"{told}\n\n{table(head, rows)}\n\n{grows}\n\n{table(columns, alone)}"


def knn_graph() -> str:
    """The graph at the sizes of the free-energy paper."""
    found = json.loads((RESULTS / "knn_graph.json").read_text())
    rows = [
        [
            f"{case['d']}",
            case["sample"],
            f"{case['seconds']:.3g} s",
            f"{case['file_gb']:.2g} GB",
            f"{case['peak_gb']:.2g} GB",
            f"{case['mean_distance_off']:.1e}",
        ]
        for case in found["cases"].values()
    ]
    head = ["d", "sample", "time", "file", "peak memory with its pages", "mean distance off by"]
    return table(head, rows)


def coverage() -> str:
    """How often one standard error holds."""
    found = json.loads((RESULTS / "entropy_coverage.json").read_text())
    names = [name for name in found[0] if name.startswith(("k =", "graph"))]
    rows = []
    for case in found:
        independent = case["n"] == case["independent"]
        sample = f"walk of {case['n']}, worth {case['independent']}"
        shares = [f"{case[name]['covered']:.0%}" for name in names]
        rows.append([f"{case['n']} independent points" if independent else sample, str(case["d"]), *shares])
    noise = f"{(0.68 * 0.32 / found[0]['repeats']) ** 0.5:.1%}"
    told = f"({found[0]['repeats']} samples, ± {noise}; `python scripts/entropy_coverage.py`)"
    return f"{told}\n\n{table(['queue', 'd', *names], rows)}"


RUN = {"queues": queues, "command": command}
"""Parts of the page that are made by running the package."""

READ = {
    "nearest": nearest,
    "knn-graph": knn_graph,
    "coverage": coverage,
    "independent": calibration_tables.independent,
    "walks": calibration_tables.walks,
    "reach": calibration_tables.reach,
    "theiler": calibration_tables.theiler,
    "scatter": calibration_tables.scatter,
}
"""And those that are read from files in the repository."""


def filled(page: str, parts: dict[str, Callable[[], str]]) -> str:
    """The page with these parts as they are now."""
    for name, make in parts.items():
        page = fill(page, name, make(), PAGE)
    return page


def main() -> None:
    """Write the page anew."""
    atomic_write(PAGE, filled(PAGE.read_text(), RUN | READ))


if __name__ == "__main__":
    main()
