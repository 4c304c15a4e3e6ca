"""Read the entropy of one run's directions in the papers' chart and along the sphere, as they are and turned.

Usage: python scripts/entropy_readings.py

A rotation of all points together changes no distance on the sphere and no entropy. One line a window.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from thermograd.data import load
from thermograd.entropy import kozachenko_leonenko
from thermograd.protocol import FixedSphere
from thermograd.training import Measurement, TrainSpec
from thermograd.training.execution import Execution
from thermograd.training.run import ReplicaRun

ROTATIONS = 4


def main() -> None:
    """Train on a sphere at ELR 0.007 and print the readings of three windows."""
    torch.set_num_threads(1)  # two threads wait for each other on networks this small
    measurement = Measurement(log_every=1000, noise_draws=6, queue_size=100, queue_every=10)
    spec = TrainSpec(FixedSphere(elr=0.007, radius=1.0), measurement=measurement)
    run = ReplicaRun([spec], load("digits"), Execution())
    windows: list[NDArray[np.float64]] = []

    def collect(done: int) -> None:
        if run.windows.full:
            windows.append(run.windows.directions(0))

    run.prepare(lambda done: None)
    for _ in range(3):
        run.advance(collect)
    rng = np.random.default_rng(0)
    rotations = [np.linalg.qr(rng.standard_normal((run.dim, run.dim)))[0] for _ in range(ROTATIONS)]
    for window, points in enumerate(windows):
        for manifold in ("geodesic", "sphere"):
            turned = [points, *(points @ rotation for rotation in rotations)]
            turned = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in turned]
            read = [kozachenko_leonenko(x, manifold=manifold).entropy for x in turned]
            print(f"window {window}, {manifold:8}:", ", ".join(f"{value:.0f}" for value in read))


if __name__ == "__main__":
    main()
