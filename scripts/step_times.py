"""The time of a training step by network, read from the benchmarks' result files.

Every record counts that names a network, as ``"case": "ConvNet(8) 3x32x32"`` or by ``architecture``,
``width``, ``channels`` and ``side``, and holds either ``engine_ms_per_replica_step`` with ``workers`` (the
time between two steps of any run on the whole machine) or measurements with ``min_ms``, of which the fastest
counts, the baseline ``eager`` left out.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thermograd.reproduce.costs import step_flops
from thermograd.training.spec import TrainSpec

Network = tuple[str, int, int, int]
"""Architecture, width, channels and side of the images."""
Case = tuple[Network, int]
"""A network, and the size of its minibatches."""
_BATCH = 128  # of records that do not say


@dataclass(frozen=True)
class Step:
    """Seconds of one iteration of one run on one core, the file that says so, and whether it was measured."""

    seconds: float
    source: str
    measured: bool


def records(node: Any) -> Iterator[dict[str, Any]]:
    """Every dictionary in a JSON document that names a network."""
    if isinstance(node, dict):
        if "case" in node or {"architecture", "width", "side"} <= set(node):
            yield node
        else:
            for value in node.values():
                yield from records(value)
    elif isinstance(node, list):
        for value in node:
            yield from records(value)


def network_of(record: dict[str, Any]) -> Network | None:
    """What a record was measured on; None if it is not the time of a network's step."""
    if {"architecture", "width", "side"} <= set(record):
        side = int(record["side"])
        channels = int(record.get("channels", 1 if side == 8 else 3))
        return str(record["architecture"]), int(record["width"]), channels, side
    match = re.match(r"(\w+)\((\d+)\) (\d+)x(\d+)x\4\b", str(record["case"]))
    if match is None:
        return None
    return match[1], int(match[2]), int(match[3]), int(match[4])


def seconds_of(record: dict[str, Any]) -> float | None:
    """One iteration of one run on one core."""
    if "cuda" in str(record.get("device", "cpu")):
        return None
    whole = record.get("engine_ms_per_replica_step")
    if isinstance(whole, int | float):
        return 1e-3 * float(whole) * int(record.get("workers", 1))
    found = [
        float(value["min_ms"])
        for name, value in record.items()
        if isinstance(value, dict) and "min_ms" in value and not name.startswith("eager")
    ]
    return 1e-3 * min(found) if found else None


def measured_steps(folder: Path) -> tuple[dict[Case, Step], list[str]]:
    """The fastest step of each network and batch size in the result files, and the processors they ran on."""
    steps: dict[Case, Step] = {}
    cpus = []
    for path in sorted(folder.glob("*.json")):
        content = json.loads(path.read_text())
        used = False
        for record in records(content):
            network, seconds = network_of(record), seconds_of(record)
            if network is None or seconds is None:
                continue
            used = True
            case = network, int(record.get("batch", _BATCH))
            if case not in steps or seconds < steps[case].seconds:
                steps[case] = Step(seconds, path.name, True)
        if used and isinstance(content, dict):
            environment = content.get("environment", {})
            cpus.append(f"{path.name}: {environment.get('cpu', '?')}, {environment.get('cores', '?')} cores")
    return steps, cpus


def network(spec: TrainSpec) -> Network:
    """What a run trains."""
    return spec.architecture, spec.width, *((1, 8) if spec.data == "digits" else (3, 32))


def step_of(spec: TrainSpec, steps: dict[Case, Step]) -> Step:
    """The measured time, or that of the next width, and batch size, of an architecture by its operations."""
    wanted = network(spec)
    known = [key for key in steps if key[0][0] == wanted[0] and key[0][2:] == wanted[2:]]
    if not known:
        raise SystemExit(f"no step of {wanted[0]} on {wanted[3]}x{wanted[3]} images in the result files")

    def distance(key: Case) -> tuple[float, float]:
        return abs(math.log(key[0][1] / wanted[1])), abs(math.log(key[1] / spec.batch_size))

    nearest = min(known, key=distance)
    step, (like, batch_size) = steps[nearest], nearest
    ratio = step_flops(*wanted, batch_size=spec.batch_size) / step_flops(*like, batch_size=batch_size)
    return Step(step.seconds * ratio, step.source, nearest == (wanted, spec.batch_size))
