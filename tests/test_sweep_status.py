"""How far a sweep is, as seen from outside: signs of life, those of the dead, checkpoints, notes."""

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace

import pytest

import broken_workers
from sweep_plans import brief_plan
from thermograd.sweep import Processes, RunStore, Serial, run_plan, sweep_status
from thermograd.sweep.checkpoints import Checkpoints, KeptGroup
from thermograd.sweep.heartbeat import Beat, Heartbeat, beats
from thermograd.sweep.status import PointState, SweepStatus

TOY = Serial(broken_workers.toy_train)


def write(folder, beat):
    (folder / "progress").mkdir(exist_ok=True)
    (folder / "progress" / f"{beat.key}.json").write_text(json.dumps(asdict(beat)))


def test_a_sweep_under_way_is_seen_by_others(tmp_path):
    plan = brief_plan(steps=400, replicas=2)
    seen, over = [], threading.Event()

    def look():
        while not over.wait(0.2):
            seen.append(sweep_status(plan, tmp_path))

    watcher = threading.Thread(target=look)
    plan.save(tmp_path)
    watcher.start()
    run_plan(plan, tmp_path, engine=Processes(2, broken_workers.slow_toy))
    over.set()
    watcher.join()
    running = [status for status in seen if status.counts.get("running") == 4]
    assert running
    last = running[-1]
    assert {point.worker.rpartition(":")[0] for point in last.points} == {os.uname().nodename}
    assert len({point.worker for point in last.points}) == 2
    # 10 ms of sleep and a little work an iteration: below 100 a second for each run, and 4 runs.
    fast = [status for status in running if status.per_second > 0]
    assert fast
    assert all(20 < status.per_second < 400 for status in fast)
    assert 0 < fast[0].seconds_left < 4 * 400 / 20
    assert "iterations/s" in fast[-1].points[0].reason
    assert "left" in str(fast[0])
    fractions = [status.points[0].fraction for status in running]
    assert fractions == sorted(fractions)
    done = sweep_status(plan, tmp_path)
    assert (done.counts, done.seconds_left, str(done)) == ({"finished": 4}, None, "4 of 4 finished")
    assert not beats(tmp_path)


def test_the_dead_and_the_silent_do_not_run(tmp_path):
    plan = brief_plan()
    plan.save(tmp_path)
    keys = tuple(plan.key(spec) for spec in plan.specs())
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()  # its number is nobody's now
    now = time.time()
    here = Beat("a", keys[:1], 3, 30, 1.5, os.uname().nodename, os.getpid(), now)
    write(tmp_path, here)
    write(tmp_path, replace(here, key="b", runs=keys[1:2], pid=child.pid))
    write(tmp_path, replace(here, key="c", runs=keys[2:3], host="elsewhere", pid=child.pid))
    write(tmp_path, replace(here, key="d", runs=keys[3:], host="elsewhere", written=now - 60))
    (tmp_path / "progress" / "e.json").write_text("{")  # half written, by another file system
    states = sweep_status(plan, tmp_path)
    assert [point.state for point in states.points] == ["running", "pending", "running", "pending"]
    assert states.points[0].reason == f"10%, 1.5 iterations/s, 18 s left, on {here.worker}"
    # 27 + 27 iterations of the two that run and 60 of the others, 3 a second.
    assert states.seconds_left == pytest.approx((27 + 27 + 30 + 30) / 3)


def test_an_interrupted_group_says_where_its_checkpoint_is(tmp_path):
    plan = brief_plan()
    keys = tuple(plan.key(spec) for spec in plan.specs())
    kept = Checkpoints(tmp_path)
    kept.describe(KeptGroup("k", keys[:2], 12, 30))
    assert sweep_status(plan, tmp_path).counts == {"pending": 4}  # a list without a state is nothing
    kept.path("k").write_text("state")
    first, *_, last = sweep_status(plan, tmp_path).points
    assert (first.state, first.reason, first.fraction) == ("interrupted", "a checkpoint at 40%", 0.4)
    assert last.state == "pending"
    RunStore(tmp_path).note_failure(keys[0], plan.specs()[0], "bad")
    assert sweep_status(plan, tmp_path).points[0].reason == "bad; a checkpoint at 40% is kept"


def test_a_diverged_run_is_a_result_and_says_why(tmp_path):
    plan = brief_plan(lrs=(0.1,), wds=(0.01,))

    def diverging(specs, *args, **how):
        (trace,) = broken_workers.toy_train(specs, *args, **how)
        words = {"outcome": "diverged", "outcome_reason": "the loss is not finite"}
        return [trace.assign({name: (trace[name].dims, [[w]]) for name, w in words.items()})]

    run_plan(plan, tmp_path, engine=Serial(diverging))
    (point,) = sweep_status(plan, tmp_path).points
    assert (point.state, point.reason, point.has_result) == ("diverged", "the loss is not finite", True)


def test_rows_and_totals_are_plain():
    spec = brief_plan().specs()[0]
    status = SweepStatus((PointState(spec, "running", "x", 0.5, 10.0, 1.5, "here:1"),))
    plain = json.loads(json.dumps(status.to_dict()))
    assert plain["counts"] == {"running": 1}
    assert plain["points"][0]["lr"] == 0.1
    assert plain["points"][0]["iterations_per_second"] == 10.0
    assert plain["seconds_left"] == 1.5


def test_a_heartbeat_on_a_full_or_missing_disk_harms_nobody(tmp_path):
    (tmp_path / "progress").write_text("a file where the folder should be")
    with Heartbeat(tmp_path, "k", ("a",), 10) as heartbeat:
        heartbeat.reached(3)
    assert not beats(tmp_path)
