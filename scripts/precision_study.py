"""What rounding the convolutions to bfloat16 does to temperature and entropy, on the digits.

    python scripts/precision_study.py [--steps 12000] [--seeds 4] [--output benchmarks/results/precision.json]

First the noise of the gradient at stationary weights, measured in both precisions on the same minibatches.
Then the same runs on the unit sphere with float32 and with bfloat16 convolutions, ConvNet(1) on 8x8 digits,
several seeds at each effective learning rate. The spread over seeds tells what is a difference. At small ELR
weights move less than the rounding resolves: there it should show.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from thermograd.data import ImageData, load
from thermograd.data.sampling import BatchSampler
from thermograd.nets import Replicas, build, set_norm
from thermograd.noise import gradient_noise_each
from thermograd.optim.replicas import ReplicaSGD
from thermograd.protocol import FixedSphere
from thermograd.training import Measurement, TrainSpec
from thermograd.training.batches import ReplicaBatches
from thermograd.training.execution import Execution
from thermograd.training.group import train_group
from thermograd.training.measure import FrozenPoint
from thermograd.training.walk import Walk

ELRS = (1e-4, 1e-3, 1e-2)
QUANTITIES = ("loss", "temperature", "entropy_sphere")
FROZEN = "tr_sigma at the same weights and minibatches"


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


def frozen_change(elr: float, seeds: int, steps: int, data: ImageData) -> list[float]:
    """By what part rounding changes tr_sigma at the same stationary weights, for the same minibatches."""
    torch.set_num_threads(1)
    networks = [build("ConvNet", 1, 1, 10, torch.Generator().manual_seed(seed)) for seed in range(seeds)]
    for network in networks:
        set_norm(network, 1.0)
    exact = Replicas(networks, kernel="each")
    images, labels = torch.from_numpy(data.train_images), torch.from_numpy(data.train_labels)
    prepared = exact.prepare(images)
    optimizer = ReplicaSGD([FixedSphere(elr=elr, radius=1.0)] * seeds, exact.weights)
    batches = ReplicaBatches(len(labels), 128, list(range(seeds)))
    for rate, count in ((0.02, steps // 2), (elr, steps // 2)):
        optimizer.set_rates([rate] * seeds)
        Walk(exact, optimizer, batches, prepared, labels).steps(count)
    rounded = Replicas(networks, kernel="each", precision="bfloat16")
    rounded.load_flat(exact.flat())
    noise = []
    for network in (exact, rounded):
        train = (network.prepare(images), labels)
        frozen = FrozenPoint(network, train, train, 128)
        samplers = [BatchSampler(len(labels), 128, torch.Generator().manual_seed(s)) for s in range(seeds)]
        draws = gradient_noise_each(
            lambda active, f=frozen, s=samplers: f.gradients(s, active),  # type: ignore[misc]
            [1.0] * seeds,
            rtol=None,
            max_draws=300,
        )
        noise.append([estimate.tr_sigma for estimate in draws])
    return [after / before - 1 for before, after in zip(*noise, strict=True)]


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
        change = np.array(frozen_change(elr, options.seeds, options.steps, load("digits")))
        error = change.std(ddof=1) / np.sqrt(len(change))
        rows.append({"elr": elr, "quantity": FROZEN, "difference": change.mean(), "se": error})
        print(f"| {elr:g} | {FROZEN} | – | – | {change.mean():+.2%} ± {error:.1%} |", flush=True)
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
