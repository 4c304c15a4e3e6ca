"""Time of one iteration of the isotropic laboratory: a loop as one writes it in torch, against the kernel.

    python benchmarks/isotropic.py [--seconds 1] [--output benchmarks/results/isotropic.json]

Everything is timed in turn in one process, so that whatever else the machine does strikes all. The minimum
is what the code can do, the median what it did. Three tables: the published grid (289 chains of 3 weights)
against torch, on one thread and two; weights per chain; number of chains.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import llvmlite.binding
import numba
import numpy as np
import torch

from thermograd.protocol import FixedELR, FixedLR, FixedSphere, Protocol
from thermograd.simulate.engine.ensemble import Collection, Ensemble, Model
from thermograd.simulate.engine.kernel import advance

CHAINS, DIM = 289, 3  # the published grid: 17 x 17 hyperparameters, d = 3
TORCH_ITERATIONS = 20
PROTOCOLS: tuple[type[Protocol], ...] = (FixedSphere, FixedELR, FixedLR)
DIMENSIONS = (2, 3, 10, 100, 1000)
NUMBERS = (16, 64, 289, 1024, 10_000, 100_000)


def torch_loop(iterations: int) -> Callable[[], None]:
    """All chains at fixed LR, vectorised, the gradient by autograd (IG eq. 24)."""
    g = torch.Generator().manual_seed(0)
    lr, wd = (torch.logspace(-3, -1, 17).repeat(17)[:, None] for _ in range(2))
    mu = torch.eye(DIM)[0]
    w = torch.nn.functional.normalize(torch.randn(CHAINS, DIM, generator=g)).requires_grad_()

    def run() -> None:
        for _ in range(iterations):
            norm = w.norm(dim=1, keepdim=True)
            (gradient,) = torch.autograd.grad((1 + (w / norm) @ mu).sum(), w)
            with torch.no_grad():
                u = w / norm
                noise = torch.randn(CHAINS, DIM, generator=g)
                noise = (noise - u * (u * noise).sum(dim=1, keepdim=True)) / norm
                w.sub_(lr * (gradient + noise + wd * w))

    return run


def kernel_loop(
    protocol: type[Protocol], dim: int, chains: int, iterations: int, threads: int, *, dtype: str = "float32",
    isotropic: bool = True, collect: bool = False,
) -> Callable[[], None]:  # fmt: skip
    """The kernel with a record every 50 iterations, as published."""
    rng = np.random.default_rng(0)
    start = rng.standard_normal((dim, chains))
    start /= np.linalg.norm(start, axis=0)
    first = rng.permutation(np.geomspace(1e-3, 1e-1, chains))
    second = np.ones(chains) if protocol is FixedSphere else rng.permutation(first)
    noise = np.ones(dim) if isotropic else rng.uniform(0.5, 2.0, dim)
    model = Model(protocol, first, second, np.eye(dim)[0], noise)
    ensemble = Ensemble.start(start.astype(dtype), seed=0)
    collection = Collection.empty(ensemble, 1000, 1) if collect else None
    records = iterations // 50

    def run() -> None:
        advance(model, ensemble, logs=1, records=records, stride=50, collection=collection, threads=threads)

    return run


def time_in_turn(
    runs: dict[str, tuple[Callable[[], None], int]], seconds: float
) -> dict[str, dict[str, float]]:
    """Microseconds an iteration of each run, each run repeated in turn until the time is over."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for run, _ in runs.values():
        run()
    end = time.perf_counter() + seconds * len(runs)
    while time.perf_counter() < end or len(next(iter(times.values()))) < 5:
        for name, (run, iterations) in runs.items():
            start = time.perf_counter()
            run()
            times[name].append((time.perf_counter() - start) / iterations)
    return {
        name: {"min_us": 1e6 * min(values), "median_us": 1e6 * median(values), "repeats": len(values)}
        for name, values in times.items()
    }


def published_grid(seconds: float) -> list[dict[str, object]]:
    runs = {"torch FixedLR, 1 thread": (torch_loop(TORCH_ITERATIONS), TORCH_ITERATIONS)}
    for threads in (1, 2):
        for protocol in PROTOCOLS:
            name = f"kernel {protocol.__name__}, {threads} thread{'s' if threads > 1 else ''}"
            runs[name] = (kernel_loop(protocol, DIM, CHAINS, 10_000, threads), 10_000)
    options: dict[str, dict[str, object]] = {
        "anisotropic noise": {"isotropic": False},
        "collecting directions": {"collect": True},
        "float64": {"dtype": "float64"},
    }
    for what, changed in options.items():
        name = f"kernel FixedLR, 2 threads, {what}"
        runs[name] = (kernel_loop(FixedLR, DIM, CHAINS, 10_000, 2, **changed), 10_000)
    times = time_in_turn(runs, seconds)
    reference = times["torch FixedLR, 1 thread"]["min_us"]
    print(f"{CHAINS} chains, d = {DIM}: microseconds an iteration")
    results: list[dict[str, object]] = []
    for name, found in times.items():
        factor = reference / found["min_us"]
        shown = f"{found['min_us']:9.3f} (median {found['median_us']:.3f}, {found['repeats']} repeats)"
        print(f"  {name:48s} {shown}: {factor:.0f}x")
        results.append({"case": name, "chains": CHAINS, "dim": DIM, "faster_than_torch": factor, **found})
    return results


def scaling(cases: list[tuple[int, int]], seconds: float) -> list[dict[str, object]]:
    """One thread, fixed LR: nanoseconds for one weight of one chain and one iteration."""
    results: list[dict[str, object]] = []
    for dim, chains in cases:
        # about 5 ms a call
        iterations = 50 * max(1, round(2e6 / (50 * dim * -(-chains // 16) * 16)))
        name = f"d = {dim}, {chains} chains"
        found = time_in_turn({name: (kernel_loop(FixedLR, dim, chains, iterations, 1), iterations)}, seconds)[
            name
        ]
        each = 1e3 * found["min_us"] / (dim * chains)
        print(f"  {name:24s} {found['min_us']:12.3f} us an iteration, {each:.3f} ns a weight")
        results.append({"case": name, "chains": chains, "dim": dim, "ns_per_weight": each, **found})
    return results


def environment() -> dict[str, object]:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numba": numba.__version__,
        "llvm": ".".join(map(str, llvmlite.binding.llvm_version_info)),
        "llvm_cpu": llvmlite.binding.get_host_cpu_name(),
        "torch": torch.__version__,
        "torch_threads": torch.get_num_threads(),
        "cpu": next(names, platform.processor()),
        "cores": os.cpu_count(),
        "load_average": os.getloadavg() if hasattr(os, "getloadavg") else None,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=1.0, help="for each line of the tables")
    parser.add_argument("--output", type=Path, help="write the results here as JSON")
    options = parser.parse_args()
    torch.set_num_threads(1)  # faster than two for tensors this small
    start = environment()
    results = {"published_grid": published_grid(options.seconds)}
    print("cost against the number of weights, one thread, fixed LR")
    results["dimensions"] = scaling([(dim, CHAINS) for dim in DIMENSIONS], options.seconds)
    print("cost against the number of chains, one thread, fixed LR")
    results["chains"] = scaling([(DIM, chains) for chains in NUMBERS], options.seconds)
    if options.output:
        options.output.write_text(json.dumps({"environment": start, **results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
