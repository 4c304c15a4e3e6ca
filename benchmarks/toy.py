"""Time of the toy sphere's runs: the compiled walk and its NumPy twin on the same draws.

    python benchmarks/toy.py [--rates 80] [--steps 50000] [--repeats 5] [--output toy.json]

Minimum of several repeats, compiled beforehand. The twin is timed on fewer steps and reported by the step;
the largest difference of the positions is reported with the times.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from pathlib import Path

import numpy as np

from thermograd.simulate import toy
from thermograd.simulate.toy import draws
from thermograd.simulate.toy.reference import walk

PRESETS = {"op": toy.overparameterized(), "up": toy.underparameterized()}


def measure(name: str, rates: int, steps: int, repeats: int) -> dict[str, object]:
    normals, elr = PRESETS[name], np.geomspace(1e-4, 10, rates).tolist()
    toy.simulate(normals, 0.1, steps=10)
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        done = toy.limits(toy.simulate(normals, elr, steps=steps))["steps"].sum().item()
        times.append(time.perf_counter() - begin)
    short = min(steps, 5000)
    start = np.array(toy.START) / np.linalg.norm(toy.START)
    at = np.arange(1, short + 1, dtype=np.int32)
    plain = np.empty((short, 3))
    begin = time.perf_counter()
    walk(normals, start, 0.03, draws(len(normals), 0.03, short, 0), 0.0, at, plain)
    twin = (time.perf_counter() - begin) / short
    compiled = toy.path(normals, 0.03, steps=short, stop_below=0.0).values[1:]
    step_ns = 1e9 * min(times) / done
    print(
        f"{name}: {rates} rates x {steps} steps in {min(times):.3f} s ({step_ns:.1f} ns a step, draws and "
        f"measurements included); NumPy {1e9 * twin:.0f} ns a step: {1e9 * twin / step_ns:.0f}x"
    )
    return {
        "preset": name,
        "rates": rates,
        "steps": steps,
        "min_s": min(times),
        "step_ns": step_ns,
        "numpy_step_ns": 1e9 * twin,
        "largest_difference": float(np.abs(plain - compiled).max()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rates", type=int, default=80)
    parser.add_argument("--steps", type=int, default=50_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output", type=Path, help="write the results here as JSON")
    options = parser.parse_args()
    results = [measure(name, options.rates, options.steps, options.repeats) for name in PRESETS]
    if options.output:
        environment = {"python": platform.python_version(), "numpy": np.__version__, "cores": os.cpu_count()}
        options.output.write_text(
            json.dumps({"environment": environment, "results": results}, indent=2) + "\n"
        )


if __name__ == "__main__":
    main()
