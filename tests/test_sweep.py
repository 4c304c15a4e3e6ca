"""A sweep loses nothing: interrupted, broken or full, it ends with the same dataset."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import broken_workers
from sweep_plans import BRIEF, brief_plan, results, states
from thermograd.data import load as load_images
from thermograd.errors import FailedWorkError, InputError
from thermograd.protocol import FixedELR
from thermograd.sweep import Plan, Processes, RunStore, Serial, collect, finish, run_plan
from thermograd.sweep.checkpoints import Checkpoints
from thermograd.sweep.task import form_tasks
from thermograd.training import TrainSpec
from thermograd.training.execution import Execution

TOY = Serial(broken_workers.toy_train)


def pool(workers, work=broken_workers.toy):
    return Processes(workers, work)


def test_a_sweep_does_every_run_once_and_reuses_them(tmp_path):
    pytest.importorskip("torch")
    plan, calls = replace(brief_plan(), execution=None, picked=""), []
    first = run_plan(plan, tmp_path, workers=2, on_progress=lambda done, total: calls.append((done, total)))
    assert (first.done, first.reused, first.failed, first.exit_code) == (4, 0, 0, 0)
    assert calls[-1] == (120, 120)
    assert all(0 <= done <= total for done, total in calls)
    # What was picked is kept with the plan, its kernel by name.
    assert Plan.load(tmp_path).execution.replicas == 1
    assert Plan.load(tmp_path).execution.kernel != "auto"
    second = run_plan(plan, tmp_path, workers=2)
    assert (second.done, second.reused) == (0, 4)
    trace = collect(plan, tmp_path)["FixedLR"]
    assert trace.sizes == {"lr": 2, "wd": 2, "step": 3}
    assert (trace.outcome == "done").all()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "plan.json", "runs"]
    # Another engine gives the same bits.
    run_plan(Plan.load(tmp_path), tmp_path / "serial", engine=Serial())
    assert collect(plan, tmp_path / "serial")["FixedLR"].identical(trace)


def test_workers_and_companions_change_no_bit(tmp_path):
    pytest.importorskip("torch")
    plan = brief_plan(steps=20, lrs=(0.1,), wds=(0.01, 0.02, 0.03), replicas=4)
    engines = {"serial": Serial(), "shared": _Shared(2), "alone": _Shared(3)}
    for name, engine in engines.items():  # groups of 3, of 2 and 1, and of 1
        run_plan(plan, tmp_path / name, engine=engine)
        finish(plan, tmp_path / name)
    calm = results(tmp_path / "serial")
    assert sorted(calm) == ["states-FixedLR.nc", "trace-FixedLR.nc"]
    assert all(results(tmp_path / name) == calm for name in engines)
    # The control: another seed gives other bits.
    other = brief_plan(steps=20, lrs=(0.1,), wds=(0.01, 0.02, 0.03), replicas=4, seeds=(1,))
    run_plan(other, tmp_path / "other", engine=Serial())
    finish(other, tmp_path / "other")
    assert results(tmp_path / "other")["trace-FixedLR.nc"] != calm["trace-FixedLR.nc"]


class _Shared(Serial):
    """Shares the runs out as for so many workers."""

    def __init__(self, count):
        super().__init__()
        object.__setattr__(self, "_count", count)

    workers = property(lambda self: self._count)


def test_killed_in_the_middle_and_run_again_gives_the_same_bits(tmp_path):
    pytest.importorskip("torch")
    plan = brief_plan(steps=150)
    run_plan(plan, tmp_path / "calm", engine=Serial())
    finish(plan, tmp_path / "calm")
    killed = tmp_path / "killed"
    plan.save(killed)
    command = [sys.executable, "-m", "thermograd", "sweep", "resume", str(killed), "--workers", "2"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list(killed.glob("runs/*.nc")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 1 <= len(list(killed.glob("runs/*.nc"))) < 4
    _wait_until_unlocked(killed)
    subprocess.run(command, check=True, capture_output=True)
    assert results(killed) == results(tmp_path / "calm")


def _wait_until_unlocked(folder):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            with RunStore(folder).locked():
                return
        except InputError:
            time.sleep(0.1)


def test_stopped_at_every_stage_it_goes_on_from_its_checkpoints_to_the_same_bits(tmp_path):
    pytest.importorskip("torch")
    plan = brief_plan(steps=60, replicas=4, anneal=20, settle=8)
    run_plan(plan, tmp_path / "calm", engine=Serial())
    finish(plan, tmp_path / "calm")
    folder, kept = tmp_path / "stopped", set()
    for stop_at in (10, 31, 44, 60, 79, 1000):
        summary = run_plan(plan, folder, engine=_StopsAt(stop_at))
        kept |= {group.done for group in Checkpoints(folder).found()}
        assert summary.interrupted == (stop_at < 1000)
    assert summary.done == 4
    assert len(kept) >= 3, kept  # it did go on from states on the way
    finish(plan, folder)
    assert results(folder) == results(tmp_path / "calm")
    assert not (folder / "checkpoints").exists()


class _StopsAt(Serial):
    """Presses Ctrl-C at the first report of this many iterations."""

    def __init__(self, done):
        super().__init__(self._train)
        object.__setattr__(self, "_done", done)

    def _train(self, specs, images, *, on_progress, **how):
        from thermograd.training.group import train_group

        def progress(done):
            if done >= self._done:
                signal.raise_signal(signal.SIGINT)
            on_progress(done)

        return train_group(specs, images, on_progress=progress, **how)


def test_groups_with_a_checkpoint_are_formed_again_and_useless_ones_deleted(tmp_path):
    plan = brief_plan(steps=50, replicas=3, lrs=(0.1, 0.2, 0.3))
    keys = [plan.key(spec) for spec in plan.specs()]
    tasks = form_tasks(plan, tmp_path, set(keys), 1)
    assert [len(task.keys) for task in tasks] == [3, 3]
    # With more workers than groups, groups get smaller: nobody is idle.
    assert [len(task.keys) for task in form_tasks(plan, tmp_path, set(keys), 6)] == [1] * 6
    run_plan(plan, tmp_path, engine=_toy_stopping_at(20))
    (kept,) = Checkpoints(tmp_path).found()
    assert (kept.keys, kept.done, kept.total) == (tasks[0].keys, 20, 50)
    # A run of that group gets its result otherwise: its companions still go on from their common state.
    alone = brief_plan(steps=50, lrs=(0.1,), wds=(0.01,))
    run_plan(alone, tmp_path / "alone", engine=TOY)
    RunStore(tmp_path).save(keys[0], RunStore(tmp_path / "alone").load(keys[0]))
    again = form_tasks(plan, tmp_path, set(keys[1:]), 1)
    assert [task.keys for task in again] == [kept.keys, tuple(keys[3:])]
    useless = replace(kept, key="0" * 20, keys=("of no plan",))
    Checkpoints(tmp_path).describe(useless)
    Checkpoints(tmp_path).path(useless.key).write_text("x")
    seen = []
    run_plan(plan, tmp_path, engine=Serial(lambda *a, **how: _noting(seen, *a, **how)))
    assert seen[0] == 21  # not from the start
    assert states(plan, tmp_path) == ["finished"] * 6
    assert not (tmp_path / "checkpoints").exists()


def _toy_stopping_at(stop):
    def train(specs, images, *, on_progress, **how):
        def progress(done):
            if done == stop:
                signal.raise_signal(signal.SIGINT)
            on_progress(done)

        return broken_workers.toy_train(specs, images, on_progress=progress, **how)

    return Serial(train)


def _noting(seen, specs, images, *, on_progress, **how):
    def progress(done):
        seen.append(done)
        on_progress(done)

    return broken_workers.toy_train(specs, images, on_progress=progress, **how)


def test_a_damaged_checkpoint_is_told_and_costs_no_bit(tmp_path):
    plan = brief_plan(steps=50, replicas=4)
    run_plan(plan, tmp_path / "calm", engine=TOY)
    finish(plan, tmp_path / "calm")
    folder = tmp_path / "damaged"
    run_plan(plan, folder, engine=_toy_stopping_at(20))
    run_plan(plan, folder, engine=_toy_stopping_at(30))
    (kept,) = Checkpoints(folder).found()
    path = Checkpoints(folder).path(kept.key)
    path.write_bytes(path.read_bytes()[:-30])
    said = []
    run_plan(plan, folder, engine=TOY, on_message=said.append)
    assert any("the state before it is tried" in message for message in said), said
    assert all("the state before it is tried" in p.warnings[0] for p in RunStore(folder).states(plan))
    finish(plan, folder)
    assert results(folder) == results(tmp_path / "calm")


def test_a_failed_point_is_recorded_and_the_sweep_goes_on(tmp_path):
    plan = brief_plan()
    run_plan(plan, tmp_path, engine=TOY)
    store = RunStore(tmp_path)
    broken = plan.specs()[1]
    store.path(plan.key(broken)).unlink()
    store.note_failure(plan.key(broken), broken, "MemoryError: none left")
    state = store.states(plan)[1]
    assert (state.state, state.reason) == ("failed", "MemoryError: none left")
    trace = collect(plan, tmp_path)["FixedLR"]
    assert trace.outcome.values.tolist() == [["done", "failed"], ["done", "done"]]
    assert np.isnan(trace.loss.values[0, 1]).all()
    assert "none left" in trace.outcome_reason.values[0, 1]
    # A failure is never a result: it is tried again, and its note goes when it succeeds.
    assert run_plan(plan, tmp_path, engine=TOY).done == 1
    assert states(plan, tmp_path) == ["finished"] * 4
    assert not list(tmp_path.glob("runs/*.failed.json"))


def test_an_exception_in_a_run_becomes_a_note(tmp_path):
    # A subset larger than the data passes the spec's checks and fails in the worker, for its reason.
    grid = FixedELR.grid(elr=[1e-3], wd=[0.01])
    template = TrainSpec(next(iter(grid)), steps=10, subset=10**6, measurement=BRIEF)
    plan = Plan(((grid, template),), load_images("digits").sha256, execution=Execution(kernel="each"))
    summary = run_plan(plan, tmp_path, workers=1)
    assert (summary.done, summary.failed, summary.exit_code) == (0, 1, 1)
    assert "1000000" in RunStore(tmp_path).states(plan)[0].reason
    with pytest.raises(FailedWorkError, match="no finished run"):
        collect(plan, tmp_path)


def test_one_bad_run_takes_no_companion_with_it(tmp_path):
    plan = brief_plan(lrs=(0.1, 0.2, 0.3, 0.4), wds=(0.01,), replicas=4)
    summary = run_plan(plan, tmp_path, engine=pool(1, broken_workers.raise_on_the_lowest_lr))
    assert (summary.done, summary.failed) == (3, 1)
    points = RunStore(tmp_path).states(plan)
    assert [point.state for point in points] == ["failed"] + ["finished"] * 3
    assert points[0].reason == "ArithmeticError: this learning rate is bad"
    # Their numbers are those that they have in each other's company.
    assert run_plan(plan, tmp_path, engine=TOY).done == 1
    run_plan(plan, tmp_path / "calm", engine=TOY)
    calm, other = collect(plan, tmp_path / "calm"), collect(plan, tmp_path)
    assert calm["FixedLR"].identical(other["FixedLR"])


@pytest.mark.parametrize(("workers", "replicas"), [(1, 1), (2, 1), (1, 4)])
def test_a_run_that_kills_its_workers_is_given_up_and_takes_no_other_with_it(tmp_path, workers, replicas):
    plan = brief_plan(lrs=(0.1, 0.2, 0.3, 0.4), wds=(0.01,), replicas=replicas)
    summary = run_plan(plan, tmp_path, engine=pool(workers, broken_workers.killed_on_the_lowest_lr))
    assert (summary.done, summary.failed) == (3, 1)
    reasons = [point.reason for point in RunStore(tmp_path).states(plan)]
    assert "died 2 times (signal 9" in reasons[0]
    assert reasons[1:] == ["", "", ""]


def test_workers_that_cannot_even_start_end_the_sweep(tmp_path):
    plan = brief_plan(wds=(0.01,))
    assert run_plan(plan, tmp_path, engine=pool(2, broken_workers.die_at_once)).failed == 2
    assert all("died 2 times" in point.reason for point in RunStore(tmp_path).states(plan))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_the_end_of_a_batch_job_keep_what_is_done(tmp_path, number):
    pytest.importorskip("torch")
    plan = brief_plan(steps=100_000)
    plan.save(tmp_path)
    command = [sys.executable, "-u", "-m", "thermograd", "sweep", "resume", str(tmp_path), "--workers", "1"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    seen = ""
    while "0.00/" not in seen and process.poll() is None:  # the progress bar: workers are on their way
        seen += process.stderr.read(1)
    os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1, err
    assert "interrupted" in out
    assert "go on with: thermograd sweep resume" in err
    assert "Traceback" not in err


def test_two_sweeps_in_one_folder_are_refused(tmp_path):
    with RunStore(tmp_path).locked(), pytest.raises(InputError, match="in use by another running sweep"):
        run_plan(brief_plan(), tmp_path, workers=1)


def test_changed_data_are_refused(tmp_path):
    plan = Plan(brief_plan().grids, "0" * 64, execution=Execution(kernel="each"), picked="x")
    with pytest.raises(InputError, match="have changed since the sweep was planned"):
        run_plan(plan, tmp_path, engine=TOY)


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot write .*expected a writable folder"):
        run_plan(brief_plan(), tmp_path / "file" / "sub", workers=1)


def test_a_full_disk_stops_the_sweep_with_one_line_and_keeps_what_is_done(tmp_path):
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    plan = brief_plan()
    with pytest.raises(FailedWorkError) as full:
        run_plan(plan, tmp_path, engine=pool(1, broken_workers.full_disk_from_the_third_on))
    assert "No space left on device" in str(full.value)
    assert "2 finished runs are kept" in str(full.value)
    assert states(plan, tmp_path) == ["finished"] * 2 + ["pending"] * 2
    assert run_plan(plan, tmp_path, engine=TOY).done == 2


@pytest.mark.parametrize(
    ("work", "words"),
    [
        (broken_workers.full_disk_at_a_checkpoint, "No space left on device"),
        (broken_workers.small_files_only, "File too large"),
    ],
)
def test_no_space_is_nobodys_failure(tmp_path, work, words):
    plan = brief_plan(replicas=2)
    with pytest.raises(FailedWorkError, match=words):
        run_plan(plan, tmp_path, engine=pool(1, work))
    assert not list(tmp_path.glob("runs/*.failed.json"))
    assert run_plan(plan, tmp_path, engine=TOY).done == 4


def test_a_worker_that_does_not_see_the_folder_says_so(tmp_path):
    plan = brief_plan()
    (task, *_) = form_tasks(plan, tmp_path, {plan.key(spec) for spec in plan.specs()}, 1)
    outcome = broken_workers.toy(replace(task, folder=tmp_path / "elsewhere"), lambda: False)
    assert outcome.end.name == "REFUSED"
    assert "expected a shared folder" in outcome.reason


def test_a_plan_from_other_numerics_or_nonsense_is_refused(tmp_path):
    brief_plan().save(tmp_path)
    path = tmp_path / "plan.json"
    plain = json.loads(path.read_text())
    path.write_text(json.dumps({**plain, "numerics_version": 0}))
    with pytest.raises(InputError, match="numerics version 0"):
        Plan.load(tmp_path)
    path.write_text("{")
    with pytest.raises(InputError, match="is not a sweep's plan"):
        Plan.load(tmp_path)
    path.unlink()
    with pytest.raises(InputError, match="does not exist"):
        Plan.load(tmp_path)
