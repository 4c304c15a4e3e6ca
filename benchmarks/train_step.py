"""Time of one training step: the network as one writes it with torch's modules, against ours, side by side.

    python benchmarks/train_step.py [--threads 1] [--seconds 3] [--output train_step.json]

Both are timed in turn in one process, so that whatever else the machine does strikes both. The minimum is
what the code can do, the median what it did. Both share their weights; the relative difference of their
gradients is reported with the times.
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

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from thermograd.nets import ConvNet, ResNet18, set_norm
from thermograd.nets.weights import trainable
from thermograd.optim import FixedLRSGD

BATCH = 128
CASES = [
    # architecture, width, channels, side
    ("ConvNet", 1, 1, 8),
    ("ConvNet", 2, 1, 8),
    ("ConvNet", 4, 1, 8),
    ("ConvNet", 2, 3, 32),
    ("ConvNet", 8, 3, 32),
    ("ResNet18", 1, 3, 8),
    ("ResNet18", 4, 3, 32),
]


class EagerBlock(nn.Module):
    """Pre-activation block with the ready-made modules."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.conv1, self.conv2, self.shortcut = block.conv1, block.conv2, block.shortcut
        self.bn1 = nn.BatchNorm2d(self.conv1.in_channels, affine=False)
        self.bn2 = nn.BatchNorm2d(self.conv2.in_channels, affine=False)
        self.bn3 = nn.BatchNorm2d(self.conv1.in_channels, affine=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(torch.relu(self.bn2(self.conv1(torch.relu(self.bn1(x))))))
        return y + (x if self.shortcut is None else self.shortcut(self.bn3(x)))


def eager(net: ConvNet | ResNet18) -> nn.Module:
    """The same network, sharing its weights, as one writes it."""
    if isinstance(net, ConvNet):
        layers: list[nn.Module] = []
        for i, conv in enumerate(net.convs):
            layers += [conv, nn.BatchNorm2d(conv.out_channels, affine=False), nn.ReLU()]
            layers += [nn.MaxPool2d(2)] if i > 0 else []
        return nn.Sequential(*layers, nn.AdaptiveMaxPool2d(1), nn.Flatten(), net.head)
    last = nn.BatchNorm2d(net.head.in_features, affine=False)
    blocks = [EagerBlock(block) for block in net.blocks]
    return nn.Sequential(net.stem, *blocks, last, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), net.head)


def stepper(net: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor) -> Callable[[], None]:
    def step() -> None:
        optimizer.zero_grad()
        cross_entropy(net(x), y).backward()
        optimizer.step()

    return step


def gradients(net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    grads = torch.autograd.grad(cross_entropy(net(x), y), trainable(net))
    return torch.cat([g.reshape(-1) for g in grads]).double()


def time_in_turn(steps: dict[str, Callable[[], None]], seconds: float) -> dict[str, dict[str, float]]:
    times: dict[str, list[float]] = {name: [] for name in steps}
    end = time.perf_counter() + seconds
    for step in steps.values():
        step()
    while time.perf_counter() < end or len(next(iter(times.values()))) < 5:
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            times[name].append(time.perf_counter() - start)
    return {
        name: {"min_ms": 1e3 * min(values), "median_ms": 1e3 * median(values), "repeats": len(values)}
        for name, values in times.items()
    }


def measure(architecture: str, width: int, channels: int, side: int, seconds: float) -> dict[str, object]:
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(BATCH, channels, side, side, generator=g), torch.randint(10, (BATCH,), generator=g)
    net = {"ConvNet": ConvNet, "ResNet18": ResNet18}[architecture](width, channels)
    set_norm(net, 1e3)  # where torch's epsilon hardly matters, so that both compute the same
    plain = eager(net)
    theirs, ours = gradients(plain, x, y), gradients(net, x, y)
    difference = float(torch.linalg.vector_norm(ours - theirs) / torch.linalg.vector_norm(theirs))
    weights = trainable(net)
    times = time_in_turn(
        {
            "eager": stepper(plain, torch.optim.SGD(weights, lr=1e-9, weight_decay=1e-3), x, y),
            "thermograd": stepper(net, FixedLRSGD(weights, lr=1e-9, wd=1e-3), x, y),
        },
        seconds,
    )
    ratio = times["eager"]["min_ms"] / times["thermograd"]["min_ms"]
    name = f"{architecture}({width}) {channels}x{side}x{side}"
    shown = ", ".join(f"{who} {t['min_ms']:.2f} ms (median {t['median_ms']:.2f})" for who, t in times.items())
    print(f"{name:22s} {shown}: {ratio:.2f}x")
    return {"case": name, "batch": BATCH, "speedup": ratio, "gradient_difference": difference, **times}


def environment() -> dict[str, object]:
    cpu = next(
        (line.split(":", 1)[1].strip() for line in _cpu_lines() if line.startswith("model name")),
        platform.processor(),
    )
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "cpu": cpu,
        "cores": os.cpu_count(),
        "load_average": os.getloadavg() if hasattr(os, "getloadavg") else None,
        "malloc": {key: value for key, value in os.environ.items() if key.startswith("MALLOC_")},
    }


def _cpu_lines() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3.0, help="per network")
    parser.add_argument("--output", type=Path, help="write the results here as JSON")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    start = environment()
    results = [measure(*case, seconds=options.seconds) for case in CASES]
    if options.output:
        options.output.write_text(json.dumps({"environment": start, "results": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
