"""Time of a replica's forward and backward, by kernel and number of replicas, beside the plain network.

    python benchmarks/replicas.py [--seconds 3] [--cases 8] [--output replicas.json]

R networks of one architecture are computed as one (`thermograd.nets.Replicas`), the images gathered from the
data included; the time is that of the whole divided by R. Beside them, in turn in one process, stand the
network as one writes it with torch's modules ("eager") and this package's module alone ("module"). One
thread, and the memory settings of a sweep's worker. The minimum is what the code can do. Multiplications and
additions are counted as written (a convolution forward, and backward by weights and by inputs), whatever a
kernel does instead, and divided by the rate of a matrix product measured beside them.
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
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from thermograd.nets import ConvNet, Replicas, build, losses
from thermograd.nets.stacked import KERNELS, Shape
from thermograd.nets.weights import trainable
from thermograd.sweep.worker import WORKER_ENVIRONMENT
from train_step import eager, environment

BATCH = 128
IMAGES = 1000
GEMM = 1024
COUNTS = (1, 2, 4, 8, 16)
CASES = [
    # architecture, width, channels, side
    ("ConvNet", 1, 1, 8),
    ("ConvNet", 2, 1, 8),
    ("ConvNet", 4, 1, 8),
    ("ResNet18", 1, 1, 8),
    ("ResNet18", 4, 1, 8),
    ("ConvNet", 2, 3, 32),
    ("ConvNet", 4, 3, 32),
    ("ConvNet", 8, 3, 32),
    ("ResNet18", 4, 3, 32),
]


def flops(net: nn.Module, channels: int, side: int) -> float:
    """Of one replica's convolutions, forward and backward."""
    total = 0.0
    if isinstance(net, ConvNet):
        widths = [conv.in_channels for conv in net.convs] + [net.convs[-1].out_channels]
        for layer, (before, after) in enumerate(pairwise(widths)):
            once = 2 * 9 * before * after * side * side * BATCH
            total += once * (2 if layer == 0 else 3)  # nobody asks for the gradient by the images
            side //= 2 if layer > 0 else 1
        return total
    sizes: list[tuple[nn.Conv2d, int]] = []
    hooks = [
        module.register_forward_hook(lambda m, _, out: sizes.append((m, out.shape[2] * out.shape[3])))
        for module in net.modules()
        if isinstance(module, nn.Conv2d)
    ]
    net(torch.randn(2, channels, side, side))
    for hook in hooks:
        hook.remove()
    return sum(
        2 * conv.weight.numel() * positions * BATCH * (2 if conv is net.stem else 3)
        for conv, positions in sizes
    )


def replicas_step(
    nets: list[nn.Module], kernel: str, data: Tensor, index: Tensor, y: Tensor
) -> Callable[[], None]:
    replicas = Replicas(nets, kernel=kernel)
    prepared = replicas.prepare(data)

    def step() -> None:
        for weight in replicas.weights:
            weight.grad = None
        losses(replicas(replicas.gather(prepared, index)), y).sum().backward()

    return step


def single_step(net: nn.Module, data: Tensor, index: Tensor, y: Tensor) -> Callable[[], None]:
    weights = trainable(net)

    def step() -> None:
        for weight in weights:
            weight.grad = None
        cross_entropy(net(data[index]), y).backward()

    return step


def gemm() -> Callable[[], None]:
    a, b, out = (torch.randn(GEMM, GEMM) for _ in range(3))
    return lambda: torch.mm(a, b, out=out)


def time_in_turn(steps: dict[str, Callable[[], None]], seconds: float) -> dict[str, dict[str, float]]:
    times: dict[str, list[float]] = {name: [] for name in steps}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(next(iter(times.values()))) < 3:
        for name, step in steps.items():
            step()  # as in training, a step follows one of its own kind: caches hold its data and code
            start = time.perf_counter()
            step()
            times[name].append(time.perf_counter() - start)
    return {
        name: {"min_ms": 1e3 * min(values), "median_ms": 1e3 * median(values), "repeats": len(values)}
        for name, values in times.items()
    }


def measure(case: tuple[str, int, int, int], count: int, seconds: float) -> dict[str, object]:
    architecture, width, channels, side = case
    g = torch.Generator().manual_seed(0)
    data = torch.randn(IMAGES, channels, side, side, generator=g)
    index = torch.randint(IMAGES, (count, BATCH), generator=g)
    labels = torch.randint(10, (count, BATCH), generator=g)
    nets = [
        build(architecture, width, channels, generator=torch.Generator().manual_seed(r)) for r in range(count)
    ]
    steps = {
        "eager": single_step(eager(nets[0]), data, index[0], labels[0]),
        "module": single_step(nets[0], data, index[0], labels[0]),
    }
    shape = Shape(architecture, width, count, channels, side, side, "cpu")
    for name, kernel in KERNELS.items():
        if kernel.applies(shape):
            steps[name] = replicas_step(nets, name, data, index, labels)
    times = time_in_turn(steps | {"gemm": gemm()}, seconds)
    peak = 2 * GEMM**3 / times.pop("gemm")["min_ms"] / 1e6
    work = flops(nets[0], channels, side)
    chosen = Replicas(nets)
    chosen.prepare(data)
    for name, measured in times.items():
        share = 1 if name in ("eager", "module") else count
        measured["min_ms"] /= share
        measured["median_ms"] /= share
        measured["gflops"] = work / measured["min_ms"] / 1e6
        measured["share_of_peak"] = measured["gflops"] / peak
    name = f"{architecture}({width}) {channels}x{side}x{side}"
    shown = ", ".join(
        f"{who} {t['min_ms']:.3f} ms ({100 * t['share_of_peak']:.0f}%)" for who, t in times.items()
    )
    print(f"{name:20s} R={count:2d} {shown}; auto: {chosen.kernel}", flush=True)
    return {
        "case": name,
        "replicas": count,
        "batch": BATCH,
        "flops": work,
        "gemm_peak_gflops": peak,
        "auto": chosen.kernel,
        "times_a_replica_step": times,
    }


def main() -> None:
    if any(os.environ.get(key) != value for key, value in WORKER_ENVIRONMENT.items()):
        # Read once, when the process starts: start again with them.
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | WORKER_ENVIRONMENT)
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=3.0, help="for each network and number of replicas")
    parser.add_argument("--cases", type=int, default=len(CASES), help="only so many of the networks")
    parser.add_argument("--counts", type=int, nargs="+", default=COUNTS, help="numbers of replicas")
    parser.add_argument("--output", type=Path, help="write the results here as JSON")
    options = parser.parse_args()
    torch.set_num_threads(1)
    start, began = environment(), time.time()
    results = []
    for case in CASES[: options.cases]:
        for count in options.counts:
            # Many wide networks need more memory than a comparison is worth.
            if count == 1 or count * case[1] * case[3] ** 2 <= 2**15:
                results.append(measure(case, count, options.seconds))
    report = {"environment": start, "seconds": time.time() - began, "results": results}
    if options.output:
        options.output.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
