"""A sweep loses nothing: killed, interrupted, broken or full, it ends with the same dataset."""

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

pytest.importorskip("torch")

import broken_workers
from thermograd.data import load as load_images
from thermograd.errors import FailedWorkError, InputError
from thermograd.protocol import FixedELR, FixedLR
from thermograd.sweep import Plan, RunStore, collect, engine, finish, run_plan
from thermograd.training import Measurement, TrainSpec

BRIEF = Measurement(log_every=10, noise_draws=6, queue_size=5, queue_every=2)


def brief_plan(steps=30, lrs=(0.1, 0.2), **changes):
    grid = FixedLR.grid(lr=list(lrs), wd=[0.01, 0.02])
    template = TrainSpec(next(iter(grid)), steps=steps, anneal=0, settle=0, measurement=BRIEF, **changes)
    return Plan(((grid, template),), load_images("digits").sha256)


def test_a_sweep_does_every_run_once_and_reuses_them(tmp_path):
    plan, calls = brief_plan(), []
    first = run_plan(plan, tmp_path, workers=2, on_progress=lambda done, total: calls.append((done, total)))
    assert (first.done, first.reused, first.failed, first.exit_code) == (4, 0, 0, 0)
    assert calls[-1] == (120, 120)
    assert all(0 <= done <= total for done, total in calls)
    second = run_plan(plan, tmp_path, workers=2)
    assert (second.done, second.reused) == (0, 4)
    trace = collect(plan, tmp_path)["FixedLR"]
    assert trace.sizes == {"lr": 2, "wd": 2, "step": 3}
    assert (trace.outcome == "done").all()


def test_the_number_of_workers_changes_no_bit(tmp_path):
    plan = brief_plan()
    for workers in (1, 2):
        run_plan(plan, tmp_path / str(workers), workers=workers)
        finish(plan, tmp_path / str(workers))
    one, two = ((tmp_path / str(n) / "states-FixedLR.nc").read_bytes() for n in (1, 2))
    assert one == two


def test_killed_in_the_middle_and_run_again_gives_the_same_bits(tmp_path):
    plan = brief_plan(steps=150)
    run_plan(plan, tmp_path / "calm", workers=2)
    finish(plan, tmp_path / "calm")
    killed = tmp_path / "killed"
    plan.save(killed)
    command = [sys.executable, "-m", "thermograd", "sweep", "resume", str(killed), "--workers", "2"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list(killed.glob("runs/*.nc")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = len(list(killed.glob("runs/*.nc")))
    assert 1 <= done < 4
    _wait_until_unlocked(killed)
    subprocess.run(command, check=True, capture_output=True)
    for name in ("trace-FixedLR.nc", "states-FixedLR.nc"):
        assert (killed / name).read_bytes() == (tmp_path / "calm" / name).read_bytes()


def _wait_until_unlocked(folder):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            with RunStore(folder).locked():
                return
        except InputError:
            time.sleep(0.1)


def test_a_failed_point_is_recorded_and_the_sweep_goes_on(tmp_path, monkeypatch):
    plan = brief_plan()
    run_plan(plan, tmp_path, workers=2)
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
    assert run_plan(plan, tmp_path, workers=1).done == 1
    assert all(point.state == "finished" for point in store.states(plan))
    assert not list(tmp_path.glob("runs/*.failed.json"))


def test_an_exception_in_a_run_becomes_a_note(tmp_path):
    # A subset larger than the data passes the spec's checks and fails in the worker, for its reason.
    grid = FixedELR.grid(elr=[1e-3], wd=[0.01])
    template = TrainSpec(next(iter(grid)), steps=10, subset=10**6, measurement=BRIEF)
    plan = Plan(((grid, template),), load_images("digits").sha256)
    summary = run_plan(plan, tmp_path, workers=1)
    assert (summary.done, summary.failed, summary.exit_code) == (0, 1, 1)
    assert "1000000" in RunStore(tmp_path).states(plan)[0].reason
    with pytest.raises(FailedWorkError, match="no finished run"):
        collect(plan, tmp_path)


def test_a_worker_that_dies_is_replaced_and_its_run_given_up_in_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "work", broken_workers.die_on_the_first)
    plan = brief_plan()
    summary = run_plan(plan, tmp_path, workers=1)
    assert (summary.done, summary.failed) == (3, 1)
    reasons = [point.reason for point in RunStore(tmp_path).states(plan)]
    assert "died 2 times" in reasons[0]
    assert reasons[1:] == ["", "", ""]


def test_workers_that_cannot_even_start_end_the_sweep(tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "work", broken_workers.die_at_once)
    plan = brief_plan()
    assert run_plan(plan, tmp_path, workers=2).failed == 4
    assert all("died 2 times" in point.reason for point in RunStore(tmp_path).states(plan))


def test_ctrl_c_keeps_what_is_done_and_says_how_to_go_on(tmp_path):
    plan = brief_plan(steps=100_000)
    plan.save(tmp_path)
    command = [sys.executable, "-u", "-m", "thermograd", "sweep", "resume", str(tmp_path), "--workers", "2"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    seen = ""
    while "0.00/" not in seen and process.poll() is None:  # the progress bar: workers are on their way
        seen += process.stderr.read(1)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1, err
    assert "interrupted" in out
    assert "go on with: thermograd sweep resume" in err
    assert "Traceback" not in err


def test_one_run_that_kills_its_workers_takes_no_other_with_it(tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "work", broken_workers.die_on_the_first)
    plan = brief_plan()
    summary = run_plan(plan, tmp_path, workers=2)
    assert (summary.done, summary.failed) == (3, 1)


def test_moved_data_are_the_same_plan(tmp_path):
    plan = brief_plan()
    plan.save(tmp_path)
    grid, template = plan.grids[0]
    Plan(((grid, replace(template, data="/elsewhere")),), plan.data_sha256).save(tmp_path)


def test_two_sweeps_in_one_folder_are_refused(tmp_path):
    with RunStore(tmp_path).locked(), pytest.raises(InputError, match="in use by another running sweep"):
        run_plan(brief_plan(), tmp_path, workers=1)


def test_another_plan_in_the_folder_is_refused(tmp_path):
    brief_plan().save(tmp_path)
    with pytest.raises(InputError, match="holds another plan"):
        run_plan(brief_plan(steps=31), tmp_path, workers=1)


def test_changed_data_are_refused(tmp_path):
    plan = Plan(brief_plan().grids, "0" * 64)
    with pytest.raises(InputError, match="have changed since the sweep was planned"):
        run_plan(plan, tmp_path, workers=1)


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot write .*expected a writable folder"):
        run_plan(brief_plan(), tmp_path / "file" / "sub", workers=1)


def test_a_full_disk_stops_the_sweep_with_one_line_and_keeps_what_is_done(tmp_path, monkeypatch):
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    plan = brief_plan()
    monkeypatch.setattr(engine, "work", broken_workers.full_disk_from_the_third_on)
    with pytest.raises(InputError) as full:
        run_plan(plan, tmp_path, workers=1)
    monkeypatch.undo()
    assert "No space left on device" in str(full.value)
    assert "2 finished runs are kept" in str(full.value)
    assert [point.state for point in RunStore(tmp_path).states(plan)] == ["finished"] * 2 + ["pending"] * 2
    assert run_plan(plan, tmp_path, workers=1).done == 2


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
