"""Time of a step of the presets that run on a processor: their networks and batch sizes, all cores at work.

    python benchmarks/preset_steps.py [--seconds 3] [--rounds 3] [--output FILE]

In as many processes as there are cores, in the environment of a sweep's workers, each with so many runs that
share a network; the number that is fastest counts. ``engine_ms_per_replica_step``: of one run, by the whole
machine.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from engine import network_of, throughput
from thermograd.sweep.worker import WORKER_ENVIRONMENT
from train_step import environment

DIGITS = [("ConvNet", width, "digits") for width in (1, 2, 4)]
CASES = [
    *((DIGITS[0], batch) for batch in (32, 64, 128, 256, 512)),
    (DIGITS[1], 128),
    (DIGITS[2], 128),
    (("ConvNet", 2, "images"), 128),
]
"""Architecture, width and images of a network, and the size of its minibatches."""
REPLICAS = (1, 2, 4, 8)


def measured(
    case: tuple[str, int, str], batch: int, seconds: float, rounds: int, workers: int
) -> dict[str, object]:
    rates = {
        replicas: max(throughput(case, replicas, workers, seconds, batch) for _ in range(rounds))
        for replicas in REPLICAS
    }
    best = max(rates, key=lambda replicas: rates[replicas])
    record = network_of(case)
    print(f"{record['case']}, B = {batch}: {1e3 / rates[best]:.3f} ms", flush=True)
    return {
        **record,
        "batch": batch,
        "workers": workers,
        "replicas": best,
        "engine_ms_per_replica_step": 1e3 / rates[best],
        "replica_steps_per_second": rates,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=3.0, help="per measurement")
    parser.add_argument("--rounds", type=int, default=3, help="of which the fastest counts")
    parser.add_argument("--output", type=Path, help="write the results here as JSON")
    options = parser.parse_args()
    workers = os.cpu_count() or 1
    results = [measured(*case, options.seconds, options.rounds, workers) for case in CASES]
    if options.output:
        report = {
            "environment": environment() | {"worker_environment": WORKER_ENVIRONMENT},
            "results": results,
        }
        options.output.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
