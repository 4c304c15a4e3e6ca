"""Kill a real sweep at twenty random moments and compare what comes out with an undisturbed one, bit for bit.

    python scripts/kill_sweep.py [--kills 20] [--seed 0] [--steps 6000]

Half of the kills strike the sweep's parent process, half one of its workers, all with SIGKILL; checkpoints
are written as often as possible, so that many strike in the middle of one. The sweep is resumed after each.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from thermograd.data import load
from thermograd.protocol import FixedELR, FixedSphere, Grid
from thermograd.sweep import RunStore, make_plan, run_plan
from thermograd.sweep.plan import Plan
from thermograd.training import Measurement, TrainSpec
from thermograd.training.execution import Execution


def plan(steps: int) -> Plan:
    """Twelve runs of two protocols, in groups of two."""
    brief = Measurement(log_every=500, noise_draws=8, queue_size=50)
    template = TrainSpec(FixedELR(elr=1e-3, wd=0.01), steps=steps, anneal=200, settle=40, measurement=brief)
    grids = (
        (Grid(FixedELR, {"elr": [1e-3, 3e-3, 1e-2], "wd": [1e-3, 1e-2]}), template),
        (Grid(FixedSphere, {"elr": [1e-3, 3e-3, 1e-2], "radius": [0.5, 1.0]}), template),
    )
    return make_plan(grids, execution=Execution(2))


def children(pid: int) -> list[int]:
    """Its worker processes."""
    found = subprocess.run(
        ["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False
    ).stdout.split()
    return [int(child) for child in found]


def same(first: Path, second: Path, steps: int) -> int:
    """How many runs are equal to the bit, all variables."""
    planned = plan(steps)
    stores = RunStore(first), RunStore(second)
    keys = [planned.key(spec) for spec in planned.specs()]
    pairs = [[store.load(key).drop_attrs() for store in stores] for key in keys]
    return sum(one.identical(other) for one, other in pairs)


def main() -> None:
    """Run both sweeps and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--sweep", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.sweep is not None:
        run_plan(plan(options.steps), options.sweep, workers=2, checkpoint_seconds=0.05)
        return
    load("digits")
    with tempfile.TemporaryDirectory() as scratch:
        straight, killed = Path(scratch, "straight"), Path(scratch, "killed")
        command = [sys.executable, __file__, "--steps", str(options.steps), "--sweep"]
        began = time.perf_counter()
        subprocess.run([*command, str(straight)], check=True)
        whole = time.perf_counter() - began
        chance = random.Random(options.seed)
        struck: list[str] = []
        half = 0
        while len(struck) < options.kills:
            process = subprocess.Popen([*command, str(killed)])
            time.sleep(3 + chance.random() * max(1.0, whole / options.kills))
            if process.poll() is not None:
                print(f"the sweep was over after {len(struck)} kills: ask for more --steps")
                break
            writing = len(list(killed.glob("checkpoints/.*part")))
            half += writing > 0
            workers = children(process.pid)
            if len(struck) % 2 and workers:
                os.kill(chance.choice(workers), signal.SIGKILL)
                struck.append("worker")
                time.sleep(1)  # the parent sees it, and starts another
            else:
                struck.append("parent")
            process.kill()
            process.wait()
            time.sleep(0.2)
        subprocess.run([*command, str(killed)], check=True)
        runs = len(plan(options.steps).specs())
        print(
            f"{len(struck)} kills ({struck.count('worker')} of workers, {half} while a checkpoint was being "
            f"written): {same(straight, killed, options.steps)} of {runs} runs are the same to the bit"
        )


if __name__ == "__main__":
    main()
