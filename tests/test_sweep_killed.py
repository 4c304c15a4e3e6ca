"""Killed at any moment - a worker, the parent, amid a checkpoint - a sweep ends with the same bits."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import broken_workers
from sweep_plans import brief_plan, results, states
from thermograd.errors import InputError
from thermograd.sweep import RunStore, Serial, finish, run_plan
from thermograd.sweep.checkpoints import Checkpoints

KILLS = ("worker", "checkpoint") * 7 + ("parent",) * 6
PLAN = brief_plan(steps=120, lrs=(0.1, 0.2, 0.3), replicas=2)
SWEEP = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import broken_workers, test_sweep_killed
from thermograd.sweep import Processes, run_plan
if __name__ == "__main__":
    engine = Processes(2, broken_workers.slow_toy)
    run_plan(test_sweep_killed.PLAN, Path(sys.argv[2]), engine=engine, checkpoint_seconds=0.1)
"""


class Sweep:
    """A sweep in a process of its own, started again whenever it is over."""

    def __init__(self, folder):
        script = folder.parent / "sweep.py"
        script.write_text(SWEEP)
        self.folder = folder
        self.command = [sys.executable, str(script), str(Path(__file__).parent), str(folder)]
        self.process = None

    def ensure(self):
        if self.process is not None and self.process.poll() is None:
            return
        deadline = time.monotonic() + 20
        while self.process is not None and time.monotonic() < deadline:  # its workers find it gone and end
            try:
                with RunStore(self.folder).locked():
                    break
            except InputError:
                time.sleep(0.02)
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def victim(self, kind):
        """The process to kill, or None while there is none of this kind."""
        if kind == "parent":
            return self.process.pid
        if kind == "worker":
            workers = broken_workers.where(self.folder)
            return workers[0] if workers else None
        halves = list(self.folder.glob("checkpoints/.*.ckpt.*.part"))  # named after the process that writes
        return int(halves[0].name.split(".")[-2]) if halves else None


def test_killed_at_twenty_random_moments_the_dataset_is_the_same_to_the_bit(tmp_path):
    run_plan(PLAN, tmp_path / "calm", engine=Serial(broken_workers.toy_train))
    finish(PLAN, tmp_path / "calm")
    rng = np.random.default_rng(20)
    folder = tmp_path / "killed"
    sweep, kills = Sweep(folder), {"worker": 0, "parent": 0, "checkpoint": 0}
    kinds = rng.permutation(KILLS).tolist()
    while kinds:
        kind = kinds[-1]
        moment = time.monotonic() + rng.uniform(0, 0.5)
        patience = time.monotonic() + 10
        while True:
            sweep.ensure()
            if len(RunStore(folder).finished()) == 6:  # too fast for us: one run is to be done again
                RunStore(folder).path(PLAN.key(PLAN.specs()[int(rng.integers(6))])).unlink()
            pid = sweep.victim(kind) if time.monotonic() > moment else None
            if pid is not None or time.monotonic() > patience:
                break
            time.sleep(0.0005)
        if pid is not None:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            kills[kinds.pop()] += 1
    sweep.ensure()
    sweep.process.kill()
    sweep.process.wait()
    sweep.ensure()
    sweep.process.wait()
    run_plan(PLAN, folder, engine=Serial(broken_workers.toy_train))  # those given up after their second death
    assert states(PLAN, folder) == ["finished"] * 6
    finish(PLAN, folder)
    assert results(folder) == results(tmp_path / "calm")
    assert kills == {"worker": 7, "parent": 6, "checkpoint": 7}
    assert not Checkpoints(folder).found()
    assert not list(folder.rglob("*.part"))


def test_the_control_a_lost_checkpoint_field_is_seen(tmp_path):
    """If a state came back wrong, the bytes would tell: what the test above rests on."""
    run_plan(PLAN, tmp_path / "calm", engine=Serial(broken_workers.toy_train))

    def forgetful(specs, *args, **how):
        traces = broken_workers.toy_train(specs, *args, **how)
        traces[0]["loss"] = traces[0]["loss"] * (1 + 2e-16)
        return traces

    run_plan(PLAN, tmp_path / "other", engine=Serial(forgetful))
    finish(PLAN, tmp_path / "calm")
    finish(PLAN, tmp_path / "other")
    assert results(tmp_path / "calm") != results(tmp_path / "other")
