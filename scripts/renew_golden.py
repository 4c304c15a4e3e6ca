"""Write tests/golden_runs.json: the numbers of short training runs at the present numerics version.

    python scripts/renew_golden.py

Run it in the commit that raises `NUMERICS_VERSION`, and only there: the test that compares with this file is
what tells that a change alters numbers.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from thermograd.data import load
from thermograd.protocol import FixedELR, FixedLR, FixedSphere
from thermograd.training import Measurement, TrainSpec
from thermograd.training.group import train_group
from thermograd.training.spec import NUMERICS_VERSION

FILE = Path(__file__).parents[1] / "tests" / "golden_runs.json"
SHORT = {
    "steps": 40,
    "anneal": 10,
    "settle": 4,
    "measurement": Measurement(log_every=20, noise_draws=6, queue_size=10, queue_every=2),
}
GROUPS = {
    "ConvNet(1), three protocols": [
        TrainSpec(FixedSphere(elr=2e-3, radius=1.0), **SHORT),
        TrainSpec(FixedELR(elr=2e-3, wd=0.01), seed=1, **SHORT),
        TrainSpec(FixedLR(lr=0.03, wd=0.01), seed=2, **SHORT),
    ],
    "ConvNet(9), alone": [TrainSpec(FixedELR(elr=1e-3, wd=0.01), width=9, **SHORT)],
    "ResNet18(1), two": [
        TrainSpec(FixedELR(elr=1e-3, wd=0.01), architecture="ResNet18", seed=seed, **SHORT) for seed in (0, 1)
    ],
}


def numbers() -> dict[str, list[dict[str, list[float]]]]:
    """Every variable of every run of every group."""
    images = load("digits")
    return {
        name: [
            {
                str(variable): np.ravel(trace[variable]).tolist()
                for variable in trace.data_vars
                if trace[variable].dtype.kind == "f"
            }
            for trace in train_group(specs, images)
        ]
        for name, specs in GROUPS.items()
    }


def main() -> None:
    """Write the file."""
    content = {"numerics_version": NUMERICS_VERSION, "groups": numbers()}
    FILE.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
