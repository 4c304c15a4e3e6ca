"""Training runs: what one is (`TrainSpec`), and doing it (`train`); torch is imported when one is done."""

from thermograd.training.loop import train
from thermograd.training.spec import Measurement, TrainSpec, grid_specs

__all__ = ["Measurement", "TrainSpec", "grid_specs", "train"]
