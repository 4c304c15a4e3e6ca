"""What a sweep would take, and how its runs are shared out: by time, within memory, and said in words."""

import json
import math
import time
from dataclasses import replace

import numpy as np
import pytest

import broken_workers
from sweep_plans import brief_plan
from thermograd.errors import FailedWorkError, InputError
from thermograd.protocol import FixedLR
from thermograd.sweep import Plan, Serial, calibration, estimate, footprint, run_plan
from thermograd.sweep.calibration import choose, iterations, sweep_seconds
from thermograd.sweep.images import clear_images, sweep_images
from thermograd.sweep.timing import Timing, timings
from thermograd.training import TrainSpec
from thermograd.training.execution import Execution

LONG = brief_plan(steps=20_000, lrs=np.linspace(0.1, 0.4, 16), wds=(0.01, 0.02)).specs()


def measured(monkeypatch, law, pause=0.0):
    """Let an iteration of n replicas take law(n) seconds; returns what is measured."""
    asked = []

    def fake(spec, executions, seconds):
        for execution in executions:
            asked.append(execution.replicas)
            time.sleep(pause)
            yield Timing(replace(execution, kernel="each"), law(execution.replicas))

    monkeypatch.setattr(calibration, "timings", fake)
    return asked


@pytest.mark.parametrize("workers", [1, 2, 7])
@pytest.mark.parametrize("fixed", [0.0, 1e-3, 8e-3])
def test_the_pick_is_the_shortest_sweep(monkeypatch, workers, fixed):
    def law(n):
        return fixed + 1e-3 * n

    asked = measured(monkeypatch, law)
    choice = choose(None, LONG, workers, "cpu")
    allowed = [n for n in (1, 2, 4, 8, 16) if n <= math.ceil(32 / workers)]
    assert asked == allowed
    # By hand: as many rounds as there are groups for each worker.
    length = iterations(LONG[0])
    by_hand = {n: math.ceil(math.ceil(32 / n) / workers) * length * law(n) for n in allowed}
    picked = choice.execution.replicas
    assert by_hand[picked] <= min(by_hand.values()) / 0.97
    if fixed == 0:  # sharing gains nothing
        assert picked == 1
    if (fixed, workers) == (8e-3, 1):
        assert picked == 16
    assert choice.execution.kernel == "each"
    assert f"{picked}: " in choice.words
    assert "measured here" in choice.words


def test_a_short_sweep_and_one_with_nothing_to_share_are_not_measured(monkeypatch):
    asked = measured(monkeypatch, lambda n: 1e-3)
    assert "not worth measuring" in choose(None, brief_plan().specs(), 2, "cpu").words
    assert "leave none to share" in choose(None, LONG[:6], 6, "cpu").words
    assert "as asked for" in choose(Execution(8, kernel="each"), LONG, 2, "cpu").words
    assert choose(Execution(8, kernel="each"), LONG, 2, "cpu").execution.replicas == 8
    assert not asked


def test_measuring_ends_with_its_budget(monkeypatch):
    # 32 runs of 21 200 iterations at 1e-6 s: 0.7 s in all, of which one part in twenty is over at once.
    asked = measured(monkeypatch, lambda n: 1e-6)
    assert choose(None, LONG, 1, "cpu").execution.replicas == 1
    assert asked == [1]


def test_what_cannot_be_measured_is_run_alone(monkeypatch):
    def broken(spec, executions, seconds):
        raise FailedWorkError("this run cannot be")
        yield

    monkeypatch.setattr(calibration, "timings", broken)
    assert choose(None, LONG, 1, "cpu").execution.replicas == 1


def test_a_sweep_lasts_as_long_as_its_busiest_worker():
    one = Timing(Execution(1), 1.0)
    work = iterations(LONG[0])
    assert sweep_seconds(LONG, 2, one) == pytest.approx(16 * work)
    assert sweep_seconds(LONG[:3], 2, one) == pytest.approx(2 * work)
    # Groups of 8 on 8 workers would leave half of them idle: they are shared out as groups of 4.
    assert sweep_seconds(LONG, 8, Timing(Execution(8), 1.0)) == pytest.approx(work)


def test_real_measurements_tell_a_kernel_and_a_time():
    pytest.importorskip("torch")
    spec = brief_plan().specs()[0]
    one, many = timings(spec, [Execution(1), Execution(32)], 0.2)
    assert (one.execution.replicas, many.execution.replicas) == (1, 32)
    assert one.execution.kernel != "auto"
    # Much more work than one network, and not much more than 32 of them, on however busy a machine.
    assert 1e-5 < one.seconds < many.seconds < 10 * 32 * one.seconds
    bad = replace(spec, subset=10**6)
    with pytest.raises(FailedWorkError, match="1000000"):
        list(timings(bad, [Execution(1)], 0.2))


def test_a_dry_run_says_what_is_left_and_writes_nothing(tmp_path):
    pytest.importorskip("torch")
    plan = brief_plan(replicas=2)
    folder = tmp_path / "not there" / "yet"
    found = estimate(plan, folder, 2)
    assert not folder.parent.exists()
    assert (found.runs, found.reused, found.groups, found.workers) == (4, 0, 2, 2)
    assert found.seconds == pytest.approx(found.step_seconds * (30 + 3 * 6))
    assert found.all_bytes == 2 * found.worker_bytes
    json.dumps(found.to_dict())
    assert "measured on this machine" in str(found)
    run_plan(brief_plan(lrs=(0.1,), replicas=2), tmp_path, engine=Serial(broken_workers.toy_train))
    names = sorted(tmp_path.rglob("*"))
    found = estimate(plan, tmp_path, 2)
    assert (found.runs, found.reused, found.groups) == (4, 2, 2)
    assert sorted(tmp_path.rglob("*")) == names
    run_plan(plan, tmp_path, engine=Serial(broken_workers.toy_train))
    found = estimate(plan, tmp_path, 2)
    assert (found.reused, found.groups, found.seconds) == (4, 0, 0.0)


@pytest.mark.parametrize("width", [1, 2, 8])
@pytest.mark.parametrize("architecture", ["ConvNet", "ResNet18"])
@pytest.mark.parametrize("data", ["digits", "cifar10"])
def test_dimensions_are_those_of_the_networks(architecture, width, data):
    pytest.importorskip("torch")
    from thermograd.nets import dimension
    from thermograd.nets.registry import build

    spec = TrainSpec(FixedLR(lr=0.1, wd=0.1), architecture=architecture, width=width, data=data)
    channels = 1 if data == "digits" else 3
    network = build(architecture, width=width, in_channels=channels, num_classes=10)
    assert footprint.dimension(spec) == dimension(network)


def test_checkpoints_are_no_larger_than_foretold(tmp_path):
    pytest.importorskip("torch")
    from thermograd.sweep.checkpoints import Checkpoints

    plan = brief_plan(replicas=4)

    def stopping(specs, images, *, on_progress, **how):
        from thermograd.training.group import train_group

        def progress(done):
            on_progress(done)
            if done >= 28:
                raise ArithmeticError("enough")

        try:
            return train_group(specs, images, on_progress=progress, **how)
        finally:
            sizes.append(Checkpoints(tmp_path).bytes())

    sizes = []
    run_plan(plan, tmp_path, engine=Serial(stopping))
    # One state of four runs, and what does not depend on the network: indices, rows, generators.
    foretold = footprint.checkpoint_bytes(plan.specs()[0], 4)
    assert foretold / 4 < sizes[0] < foretold + 100_000 * 4


def test_what_does_not_fit_into_memory_is_refused_or_made_to_fit(monkeypatch):
    plan = brief_plan(replicas=4)
    need = footprint.group_bytes(plan.specs()[0], 4)
    monkeypatch.setattr(footprint, "available_bytes", lambda: 2.6 * need)
    monkeypatch.setattr("thermograd.memory.available_bytes", lambda: 2.6 * need)
    monkeypatch.setattr(footprint, "cores", lambda: 6)
    said = []
    assert footprint.fitting_workers(plan, None, said.append) == 2
    assert "2 workers, not 6" in said[0]
    assert footprint.fitting_workers(plan, 2, said.append) == 2
    with pytest.raises(InputError, match="lower workers, replicas or queue_size"):
        footprint.fitting_workers(plan, 3, said.append)
    monkeypatch.setattr("thermograd.memory.available_bytes", lambda: need)
    with pytest.raises(InputError, match="GB of memory"):
        footprint.fitting_workers(plan, None, said.append)


def test_big_images_are_mapped_once_and_are_the_same_to_the_bit(tmp_path, monkeypatch):
    from thermograd.data import load
    from thermograd.sweep import images as module

    digits = load("digits")
    small = sweep_images("digits", None, 0, digits.sha256, tmp_path)
    assert not isinstance(small.train_images.base, np.memmap)
    assert not (tmp_path / "images").exists()
    monkeypatch.setattr(module, "_SHARED_FROM", 0)
    monkeypatch.setattr(module, "_CHUNK", 100)
    sweep_images.cache_clear()
    mapped = sweep_images("digits", None, 0, digits.sha256, tmp_path)
    assert isinstance(mapped.train_images.base, np.memmap)
    assert (mapped.sha256, mapped.num_classes, mapped.name) == (digits.sha256, 10, "digits")
    for name in ("train_images", "test_images", "train_labels", "test_labels"):
        assert np.array_equal(getattr(mapped, name), getattr(digits, name))
    # Damaged arrays are not believed.
    (file,) = tmp_path.rglob("train_raw.npy")
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    sweep_images.cache_clear()
    again = sweep_images("digits", None, 0, digits.sha256, tmp_path)
    assert np.array_equal(again.train_images, digits.train_images)
    file.write_bytes(content[:200])
    sweep_images.cache_clear()
    assert sweep_images("digits", None, 0, digits.sha256, tmp_path).sha256 == digits.sha256
    clear_images(tmp_path)
    assert not (tmp_path / "images").exists()
    sweep_images.cache_clear()
    with pytest.raises(InputError, match="have changed since"):
        sweep_images("digits", None, 0, "0" * 64, tmp_path)


def test_a_plan_keeps_what_was_picked(tmp_path, monkeypatch):
    plan = replace(brief_plan(), execution=None, picked="")
    said = []
    run_plan(plan, tmp_path, engine=Serial(broken_workers.toy_train), on_message=said.append)
    assert len(said) == 1
    assert Plan.load(tmp_path).picked == said[0]
    more = replace(brief_plan(lrs=(0.1, 0.2, 0.3)), execution=None, picked="")
    run_plan(more, tmp_path, engine=Serial(broken_workers.toy_train), on_message=said.append)
    assert len(said) == 1
