"""Time of forward and backward of ConvNet: torch's modules, the plain and banded paths, the compiled one.

    python benchmarks/compiled_step.py [--seconds 3] [--output results/compiled_step.json]

All are timed in turn in one process on one thread, with the memory settings of a sweep's workers, so that
whatever else the machine does strikes all. Times are per replica: R networks one after the other for the
modules, one call for the compiled path. Peak is a float32 matrix product's, measured in the same turns;
multiplications with the frame of zeros count as work, as is usual, though some are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from statistics import median

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from thermograd.nets import ConvNet
from thermograd.nets.compiled import compiled_features
from thermograd.nets.weights import trainable
from thermograd.sweep.worker import WORKER_ENVIRONMENT
from train_step import eager, environment

BATCH = 128
CASES = [
    # width, channels, side, replicas
    (1, 1, 8, 1),
    (1, 1, 8, 8),
    (2, 1, 8, 1),
    (2, 1, 8, 8),
    (4, 1, 8, 1),
    (4, 1, 8, 8),
    (2, 3, 32, 1),
    (2, 3, 32, 8),
    (4, 3, 32, 1),
    (4, 3, 32, 8),
    (8, 3, 32, 1),
    (8, 3, 32, 8),
]
GEMM = 1024


def gigaflops(width: int, channels: int, side: int) -> float:
    """Of the convolutions, forward and backward by weights and inputs, but not by the images."""
    counts = [channels, width, 2 * width, 4 * width, 8 * width]
    sides = [side, side, side // 2, side // 4]
    layers = [2e-9 * BATCH * 9 * a * b * s * s for (a, b), s in zip(pairwise(counts), sides, strict=True)]
    return 3 * sum(layers) - layers[0]


def one_by_one(networks: list[torch.nn.Module], x: Tensor, y: Tensor) -> Callable[[], list[Tensor]]:
    weights = [[p for p in net.parameters() if p.requires_grad] for net in networks]

    def step() -> list[Tensor]:
        gradients = [
            torch.autograd.grad(cross_entropy(net(image), label), own)
            for net, image, label, own in zip(networks, x, y, weights, strict=True)
        ]
        return [torch.stack(layer) for layer in zip(*gradients, strict=True)]

    return step


def at_once(networks: list[ConvNet], x: Tensor, y: Tensor) -> Callable[[], list[Tensor]]:
    layers = zip(*(trainable(net) for net in networks), strict=True)
    weights = [torch.stack([p.detach() for p in layer]).requires_grad_() for layer in layers]
    heads = torch.stack([net.head.weight.detach() for net in networks])
    biases = torch.stack([net.head.bias.detach() for net in networks])[..., None]
    images = x.permute(0, 2, 3, 4, 1).contiguous()

    def step() -> list[Tensor]:
        # (replica, class, example): torch's softmax over a short innermost dimension is 20 times slower.
        logits = torch.baddbmm(biases, heads, compiled_features(images, weights).mT)
        loss = cross_entropy(logits, y, reduction="sum") / BATCH
        return list(torch.autograd.grad(loss, weights))

    return step


def measure(width: int, channels: int, side: int, replicas: int, seconds: float) -> dict[str, object]:
    g = torch.Generator().manual_seed(0)
    x = torch.randn(replicas, BATCH, channels, side, side, generator=g)
    y = torch.randint(10, (replicas, BATCH), generator=g)
    networks = [ConvNet(width, channels, generator=g, kernel="plain") for _ in range(replicas)]
    automatic = [ConvNet(width, channels) for _ in range(replicas)]
    last = [ConvNet(width, channels) for _ in range(replicas)]
    for net, *copies in zip(networks, automatic, last, strict=True):
        for copy in copies:
            copy.load_state_dict(net.state_dict())
    nhwc = [eager(net).to(memory_format=torch.channels_last) for net in last]
    x_nhwc = [image.to(memory_format=torch.channels_last) for image in x]
    a = torch.randn(GEMM, GEMM, generator=g)
    steps: dict[str, Callable[[], object]] = {
        "eager": one_by_one([eager(net) for net in networks], x, y),
        "eager, channels last": one_by_one(nhwc, x_nhwc, y),
        "plain": one_by_one(networks, x, y),
        "auto": one_by_one(automatic, x, y),
        "compiled": at_once(networks, x, y),
        "gemm": lambda: a @ a,
    }
    times: dict[str, list[float]] = {name: [] for name in steps}
    results = {name: step() for name, step in steps.items()}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times["gemm"]) < 5:
        for name, step in steps.items():
            step()  # as in training, a step follows one of its own kind: caches hold its data and code
            start = time.perf_counter()
            step()
            times[name].append(time.perf_counter() - start)
    peak = 2e-9 * GEMM**3 / min(times.pop("gemm"))
    work = gigaflops(width, channels, side)
    record: dict[str, dict[str, float]] = {}
    for name, values in times.items():
        rate = work * replicas / min(values)
        record[name] = {
            "min_ms": 1e3 * min(values) / replicas,
            "median_ms": 1e3 * median(values) / replicas,
            "gflops": rate,
            "share_of_peak": rate / peak,
            "gradient_difference": _difference(results[name], results["plain"]),
        }
    ratios = {name: r["min_ms"] / record["compiled"]["min_ms"] for name, r in record.items()}
    case = f"ConvNet({width}) {channels}x{side}x{side}, R = {replicas}"
    shown = ", ".join(f"{name} {r['min_ms']:.3f} ms" for name, r in record.items())
    best = min(ratio for name, ratio in ratios.items() if name != "compiled")
    print(f"{case}: {shown}; {best:.1f}x, {record['compiled']['share_of_peak']:.2f} of {peak:.0f} GFLOP/s")
    return {
        "case": case,
        "batch": BATCH,
        "repeats": len(times["compiled"]),
        "gemm_gflops": peak,
        "speedup": ratios,
        **record,
    }


def _difference(one: object, other: object) -> float:
    assert isinstance(one, list)
    assert isinstance(other, list)
    a, b = (torch.cat([t.double().flatten() for t in tensors]) for tensors in (one, other))
    return float(torch.linalg.vector_norm(a - b) / torch.linalg.vector_norm(b))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=3.0, help="per network")
    parser.add_argument("--output", type=Path, help="write the results here as JSON")
    options = parser.parse_args()
    if any(os.environ.get(name) != value for name, value in WORKER_ENVIRONMENT.items()):
        # The allocator reads its settings when a process starts.
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | WORKER_ENVIRONMENT)
    torch.set_num_threads(1)
    start = environment()
    results = [measure(*case, seconds=options.seconds) for case in CASES]
    if options.output:
        options.output.write_text(json.dumps({"environment": start, "results": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
