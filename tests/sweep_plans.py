"""Plans that tests of sweeps share."""

from thermograd.data import load as load_images
from thermograd.protocol import FixedLR
from thermograd.sweep import Plan, RunStore
from thermograd.training import Measurement, TrainSpec
from thermograd.training.execution import Execution

BRIEF = Measurement(log_every=10, noise_draws=6, queue_size=5, queue_every=2)


def brief_plan(steps=30, lrs=(0.1, 0.2), wds=(0.01, 0.02), seeds=(), replicas=1, **changes):
    """Four short runs, which share a network if they are asked to."""
    grid = FixedLR.grid(lr=list(lrs), wd=list(wds))
    how = {"anneal": 0, "settle": 0, "measurement": BRIEF} | changes
    template = TrainSpec(next(iter(grid)), steps=steps, **how)
    execution = Execution(replicas, kernel="each")
    return Plan(((grid, template),), load_images("digits").sha256, tuple(seeds), (), execution, "as tested")


def results(folder):
    """The bytes of every dataset that a finished sweep wrote for its grid."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*-Fixed*.nc"))}


def states(plan, folder):
    """The state of every run, in order."""
    return [point.state for point in RunStore(folder).states(plan)]
