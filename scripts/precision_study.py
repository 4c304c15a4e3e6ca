"""What rounding the convolutions to bfloat16 does to temperature and entropy, on the digits.

    python scripts/precision_study.py [--steps 12000] [--seeds 4] [--output benchmarks/results/precision.json]

The same runs on the unit sphere with float32 and with bfloat16 convolutions, ConvNet(1) on 8x8 digits,
several seeds at each effective learning rate. The spread over seeds tells what is a difference. At small ELR
weights move less than the rounding resolves: there it should show.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from thermograd.data import load
from thermograd.protocol import FixedSphere
from thermograd.training import Measurement, TrainSpec
from thermograd.training.execution import Execution
from thermograd.training.group import train_group

ELRS = (1e-4, 1e-3, 1e-2)
QUANTITIES = ("loss", "temperature", "entropy_sphere")


def stationary_values(precision: str, elr: float, seeds: int, steps: int) -> dict[str, list[float]]:
    """Means over the second half of each seed's run."""
    measurement = Measurement(log_every=max(1, steps // 40))
    base = {"width": 1, "steps": steps, "anneal": 4000, "precision": precision, "measurement": measurement}
    specs = [TrainSpec(FixedSphere(elr=elr, radius=1.0), seed=seed, **base) for seed in range(seeds)]
    values: dict[str, list[float]] = {name: [] for name in QUANTITIES}
    for trace in train_group(specs, load("digits"), execution=Execution(seeds)):
        late = trace.isel(step=slice(trace.sizes["step"] // 2, None)).mean("step")
        values["loss"].append(late.loss.item())
        values["temperature"].append(elr * late.tr_sigma.item() / (trace.attrs["dim"] - 1) / 2)
        values["entropy_sphere"].append(late.entropy_sphere.item())
    return values


def main() -> None:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--steps", type=int, default=12_000)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    rows = []
    print("| ELR | quantity | float32 | bfloat16 | difference |\n|---|---|---|---|---|")
    for elr in ELRS:
        both = {p: stationary_values(p, elr, options.seeds, options.steps) for p in ("float32", "bfloat16")}
        for name in QUANTITIES:
            full, rounded = (np.array(both[p][name]) for p in ("float32", "bfloat16"))
            # The same seeds have the same head and start: their difference is the effect.
            change = rounded - full
            error = change.std(ddof=1) / np.sqrt(len(change))
            rows.append(
                {
                    "elr": elr,
                    "quantity": name,
                    "float32": full.tolist(),
                    "bfloat16": rounded.tolist(),
                    "difference": change.mean(),
                    "se": error,
                }
            )
            shown = f"{full.mean():.4g} | {rounded.mean():.4g} | {change.mean():+.2g} ± {error:.1g}"
            print(f"| {elr:g} | {name} | {shown} |", flush=True)
    if options.output:
        options.output.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
