"""Training runs: what one is (`TrainSpec`), and doing it (`train`). Importing this room does not import torch."""

from thermograd.training.loop import train
from thermograd.training.spec import Measurement, TrainSpec, grid_specs

__all__ = ["Measurement", "TrainSpec", "grid_specs", "train"]
