"""Failures that are no run's fault cost nothing: a file server, a killer of processes, a damaged file."""

import errno
import os
import signal

import pytest

import broken_workers
from sweep_plans import brief_plan, results, states
from thermograd.cli import main
from thermograd.errors import FailedWorkError, InputError
from thermograd.sweep import Processes, RunStore, Serial, collect, finish, run_plan
from thermograd.sweep.checkpoints import Checkpoints
from thermograd.sweep.failures import system_error

TOY = Serial(broken_workers.toy_train)
BLIPS = ("ESTALE", "EACCES", "EPERM", "ENOENT", "ETIMEDOUT", "ENOTCONN", "ENOSPC", "EIO")


def refused(name):
    """Training whose checkpoint at 45 of 50 the file server refuses."""

    def train(specs, images, *, on_progress, **how):
        def progress(done):
            on_progress(done)
            if done == 45:
                number = getattr(errno, name)
                error = OSError(number, os.strerror(number))
                raise InputError(f"cannot write a checkpoint: {error.strerror}") from error

        return broken_workers.toy_train(specs, images, on_progress=progress, **how)

    return Serial(train)


@pytest.mark.parametrize("name", BLIPS)
def test_a_refused_checkpoint_stops_the_sweep_and_blames_no_run(tmp_path, name):
    plan = brief_plan(steps=50, lrs=(0.1,), wds=(0.01,))
    with pytest.raises(FailedWorkError, match=r"cannot write a checkpoint.*run again to go on"):
        run_plan(plan, tmp_path, engine=refused(name), checkpoint_seconds=0.0)
    assert states(plan, tmp_path) == ["interrupted"]
    (kept,) = Checkpoints(tmp_path).found()
    assert kept.done >= 40
    assert run_plan(plan, tmp_path, engine=TOY).done == 1


def test_whose_fault_an_exception_is():
    stale = OSError(errno.ESTALE, "stale")
    with pytest.raises(ArithmeticError) as raised:
        raise ArithmeticError("while the state was saved") from stale
    assert system_error(raised.value) is stale
    # The controls: no memory is the group's own affair, and what was suppressed has nothing to do with it.
    assert system_error(OSError(errno.ENOMEM, "none left")) is None
    suppressed = ArithmeticError("bad")
    suppressed.__context__ = stale
    assert system_error(suppressed) is stale
    suppressed.__suppress_context__ = True
    assert system_error(suppressed) is None


def test_deaths_with_progress_in_between_are_not_added_up(tmp_path):
    plan = brief_plan(steps=100, lrs=(0.1,), wds=(0.01,))
    summary = run_plan(plan, tmp_path, engine=Processes(1, broken_workers.killed_on_the_way))
    assert len(list(tmp_path.glob("killed-at-*"))) == 4  # it died four times, twice what is allowed at once
    assert (summary.done, summary.failed) == (1, 0)
    run_plan(plan, tmp_path / "calm", engine=TOY)
    for folder in (tmp_path, tmp_path / "calm"):
        finish(plan, folder)
    assert results(tmp_path) == results(tmp_path / "calm")


def test_a_run_that_is_given_up_keeps_its_checkpoint(tmp_path):
    plan = brief_plan(steps=100, lrs=(0.1,), wds=(0.01,))
    summary = run_plan(plan, tmp_path, engine=Processes(1, broken_workers.killed_at_the_same_place))
    assert (summary.done, summary.failed) == (0, 1)
    (kept,) = Checkpoints(tmp_path).found()
    assert 50 <= kept.done <= 60
    (point,) = RunStore(tmp_path).states(plan)
    assert point.state == "failed"
    assert "died 2 times" in point.reason
    assert "a checkpoint at 5" in point.reason or "a checkpoint at 60%" in point.reason
    seen = []

    def noting(specs, images, *, on_progress, **how):
        def progress(done):
            seen.append(done)
            on_progress(done)

        return broken_workers.toy_train(specs, images, on_progress=progress, **how)

    assert run_plan(plan, tmp_path, engine=Serial(noting)).done == 1
    assert seen[0] > 50  # not from the start


def test_a_group_that_is_given_up_keeps_its_checkpoint_until_its_runs_are_done(tmp_path):
    plan = brief_plan(steps=50, replicas=4)

    def bad_together(specs, images, *, on_progress, **how):
        def progress(done):
            on_progress(done)
            if done == 30 and len(specs) > 1:
                raise ArithmeticError("not together")
            if len(specs) == 1:
                alone.append([group.done for group in Checkpoints(tmp_path).found() if len(group.keys) == 4])

        return broken_workers.toy_train(specs, images, on_progress=progress, **how)

    alone = []
    assert run_plan(plan, tmp_path, engine=Serial(bad_together), checkpoint_seconds=0.0).done == 4
    assert alone[0]
    assert alone[0][0] >= 28
    assert not Checkpoints(tmp_path).found()


@pytest.mark.parametrize("cut", [0, 100, -200, "flipped"])
def test_a_damaged_result_is_set_aside_and_its_run_done_again(tmp_path, cut, capsys):
    plan, folder = brief_plan(), tmp_path / "swept"
    run_plan(plan, tmp_path / "calm", engine=TOY)
    run_plan(plan, folder, engine=TOY)
    for place in (folder, tmp_path / "calm"):
        finish(plan, place)
    path = RunStore(folder).path(plan.key(plan.specs()[1]))
    content = path.read_bytes()
    path.write_bytes(b"\0" * len(content) if cut == "flipped" else content[:cut])
    # A status only looks, and the other runs' results stay to be had.
    with pytest.raises(SystemExit) as stop:
        main(["sweep", "status", str(folder)])
    assert stop.value.code == 0
    out = capsys.readouterr().out
    assert "is damaged" in out
    assert "3 of 4 finished" in out
    assert "damaged" in collect(plan, folder)["FixedLR"].outcome_reason.values[0, 1]
    said = []
    summary = run_plan(plan, folder, engine=TOY, on_message=said.append)
    assert (summary.reused, summary.done, summary.failed) == (3, 1, 0)
    assert path.with_suffix(".nc.damaged").exists()
    assert any("set aside" in message for message in said)
    finish(plan, folder)
    assert results(folder) == results(tmp_path / "calm")


def test_a_result_that_the_file_server_withholds_is_not_damaged(tmp_path, monkeypatch):
    plan = brief_plan()
    run_plan(plan, tmp_path, engine=TOY)

    def stale(path):
        raise OSError(errno.ESTALE, "Stale file handle")

    monkeypatch.setattr("pathlib.Path.read_bytes", stale)
    with pytest.raises(InputError, match="Stale file handle"):
        run_plan(plan, tmp_path, engine=TOY)
    monkeypatch.undo()
    assert not list(tmp_path.rglob("*.damaged"))
    assert states(plan, tmp_path) == ["finished"] * 4


def test_a_full_disk_is_work_that_failed(tmp_path, monkeypatch, capsys):
    def full(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    plan = brief_plan()
    plan.save(tmp_path)
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(SystemExit) as stop:
        main(["sweep", "resume", str(tmp_path), "--engine", "serial"])
    assert stop.value.code == 1
    assert "No space left" in capsys.readouterr().err
    with pytest.raises(FailedWorkError, match="No space left"):
        run_plan(plan, tmp_path / "new", engine=TOY)


def test_progress_does_not_fall_back_when_interrupted(tmp_path):
    plan, shown = brief_plan(steps=50, replicas=4), []

    def stopping(specs, images, *, on_progress, **how):
        def progress(done):
            if done == 40:
                signal.raise_signal(signal.SIGINT)
            on_progress(done)

        return broken_workers.toy_train(specs, images, on_progress=progress, **how)

    def show(done, total):
        shown.append((done, total))

    assert run_plan(plan, tmp_path, engine=Serial(stopping), on_progress=show).interrupted
    assert shown[-1] == (160, 200)
    shown.clear()
    run_plan(plan, tmp_path, engine=TOY, on_progress=show)
    assert shown[0] == (160, 200)  # gone on with from there
    assert shown[-1] == (200, 200)
