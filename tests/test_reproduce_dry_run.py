"""What reproducing would take: every setup of the papers, by any engine, with no images, nothing started."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from types import SimpleNamespace

import pytest

from thermograd.cli import main
from thermograd.errors import FailedWorkError
from thermograd.protocol import FixedLR, Grid
from thermograd.reproduce import dry_run as module
from thermograd.reproduce.choice import Choice, NotRun
from thermograd.reproduce.costs import step_flops
from thermograd.reproduce.dry_run import dry_run, dry_runs
from thermograd.reproduce.in_turn import How
from thermograd.reproduce.presets import load_preset, preset_text, setups
from thermograd.reproduce.reproduced import Reproduced
from thermograd.sweep import RayCluster, Serial
from thermograd.sweep.footprint import checkpoint_bytes, group_bytes
from thermograd.sweep.timing import Timing

STEP = 0.01


@pytest.fixture
def timed(monkeypatch, tmp_path):
    """Networks whose iteration takes `STEP`, and no images; returns what was measured."""
    monkeypatch.setenv("THERMOGRAD_CACHE", str(tmp_path / "cache"))
    seen = []

    def timings(spec, executions, seconds):
        seen.append(spec)
        yield Timing(replace(executions[0], kernel="plain"), STEP)

    monkeypatch.setattr(module, "timings", timings)
    monkeypatch.setattr(module, "_HEAVY", 0.0)
    return seen


# -- known truth ---------------------------------------------------------------------------------------------


def test_a_wide_network_is_estimated_by_its_operations(timed, tmp_path):
    setup = load_preset("free-energy-convnet-cifar10-op", "paper")
    found = dry_run(setup, "cifar10", tmp_path / "none", How(workers=1)).estimate
    (narrow,) = timed
    assert narrow.width < 64
    ratio = step_flops("ConvNet", 64, 3, 32) / step_flops("ConvNet", narrow.width, 3, 32)
    assert found.step_seconds == pytest.approx(STEP * ratio)
    # The iterations of all runs, and at each log point the gradients that the noise is measured with.
    spec = setup.grids[0][1]
    least = 28 * spec.steps * found.step_seconds
    assert least < found.seconds < 1.1 * least
    assert (found.runs, found.reused, found.groups) == (28, 0, 28)
    assert found.worker_bytes == pytest.approx(group_bytes(spec, 1))
    assert found.checkpoint_bytes == pytest.approx(checkpoint_bytes(spec, 1))
    assert "by their operations" in str(found)


def test_results_that_are_there_count_as_done(timed, tmp_path):
    setup = load_preset("ideal-gas-convnet-digits")
    plan = setup.plan("digits")
    (tmp_path / "runs").mkdir()
    for spec in plan.specs()[:9]:
        (tmp_path / "runs" / f"{plan.key(spec)}.nc").touch()
    none = dry_run(setup, "digits", tmp_path / "none", How(workers=1)).estimate
    some = dry_run(setup, "digits", tmp_path, How(workers=1)).estimate
    assert (none.reused, some.reused, some.groups) == (0, 9, 36)
    # An iteration for each step, and one for each gradient that is drawn at a log point.
    cost = [
        one.total_steps + one.steps // one.measurement.log_every * one.measurement.noise_draws
        for one in plan.specs()
    ]
    assert none.seconds == pytest.approx(STEP * sum(cost), rel=1e-6)
    assert some.seconds == pytest.approx(STEP * sum(cost[9:]), rel=1e-6)
    assert some.trace_bytes < none.trace_bytes


def test_the_same_network_is_measured_once(timed, tmp_path):
    names = [f"free-energy-subset-{size}" for size in ("5k", "12.5k", "25k", "50k")]
    choice = Choice((), tuple(NotRun(name, "no images") for name in names))
    found = dry_runs(choice, "paper", tmp_path, How())
    assert {one.setup.name for one in found} == set(names)
    assert len(timed) == 1
    assert len({one.estimate.step_seconds for one in found}) == 1


def test_a_part_of_a_rectangle_is_told_point_by_point(timed, tmp_path):
    setup = load_preset("ideal-gas-convnet-digits")
    whole = dry_run(setup, "digits", tmp_path, How(workers=1)).to_dict()["grids"]["FixedLR"]
    assert "points" not in whole
    points = [FixedLR(lr=0.1, wd=0.2), FixedLR(lr=0.3, wd=0.1)]
    template = {grid.protocol: spec for grid, spec in setup.grids}[FixedLR]
    part = replace(setup, grids=((Grid.of(points), replace(template, protocol=points[0])),))
    found = dry_run(part, "digits", tmp_path, How(workers=1))
    assert found.to_dict()["grids"] == {
        "FixedLR": {
            "lr": [0.1, 0.3],
            "wd": [0.1, 0.2],
            "points": [{"lr": 0.1, "wd": 0.2}, {"lr": 0.3, "wd": 0.1}],
        }
    }
    assert found.estimate.runs == 2
    assert "FixedLR: (lr, wd) = (0.1, 0.2), (0.3, 0.1): 2 points" in str(found)


def test_a_preset_of_ones_own_needs_no_images(timed, tmp_path, capsys):
    own = tmp_path / "mine.toml"
    own.write_text(preset_text("free-energy-convnet-cifar10-up", "small"))
    arguments = ["reproduce", "free-energy", "--preset", str(own), "--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit) as stop:
        main([*arguments, "--dry-run", "--json"])
    plain = json.loads(capsys.readouterr().out)
    assert stop.value.code == 0
    (one,) = plain["estimates"]
    assert one["setup"] == "mine"
    assert "measured on random ones" in one["note"]
    assert plain["left_out"][0]["command"] == "thermograd data fetch cifar10"
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert "mine: the images cifar10 are not on this machine" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


# -- engines -------------------------------------------------------------------------------------------------


def test_the_engine_says_how_many_work_at_once(timed, tmp_path):
    setup = load_preset("ideal-gas-convnet-digits")
    one, many = (
        dry_run(setup, "digits", tmp_path, How(engine=engine)).estimate
        for engine in (Serial(), RayCluster(workers=5))
    )
    assert (one.workers, many.workers) == (1, 5)
    assert many.seconds == pytest.approx(one.seconds / 5, rel=0.01)
    assert "not on the cluster" in many.measured
    assert "not on the cluster" not in one.measured


def test_gpus_of_another_machine_are_not_measured(tmp_path, monkeypatch, capsys):
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU, which is measured")
    options = ["--engine", "ray", "--workers", "4", "--gpus-per-run", "0.25", "--device", "cuda"]
    arguments = ["reproduce", "ideal-gas", "--part", "ideal-gas-convnet-digits", "--dry-run"]
    arguments += ["--out", str(tmp_path / "x")]
    with pytest.raises(SystemExit) as stop:
        main([*arguments, *options, "--json"])
    (one,) = json.loads(capsys.readouterr().out)["estimates"]
    assert stop.value.code == 0
    assert one["estimate"]["seconds"] is None
    assert one["estimate"]["workers"] == 4
    assert one["estimate"]["execution"]["device"] == "cuda"
    assert "not measured: this machine has no cuda" in one["estimate"]["measured"]
    assert not (tmp_path / "x").exists()
    # Without the cluster the device is missed here, in one line.
    with pytest.raises(SystemExit) as stop:
        main([*arguments, "--device", "cuda"])
    assert stop.value.code == 2
    assert "torch sees no CUDA device" in capsys.readouterr().err


# -- limits --------------------------------------------------------------------------------------------------


def test_memory_that_is_short_is_said_and_stops_no_other(timed, tmp_path, monkeypatch):
    setup = load_preset("free-energy-convnet-cifar100-op", "paper")
    needed = group_bytes(setup.grids[0][1], 1)
    for name in ("thermograd.sweep.footprint", "thermograd.memory"):
        monkeypatch.setattr(f"{name}.available_bytes", lambda: int(1.2 * needed))
    short = dry_run(setup, "cifar100", tmp_path, How())
    assert "it does not fit into this machine" in short.note
    for name in ("thermograd.sweep.footprint", "thermograd.memory"):
        monkeypatch.setattr(f"{name}.available_bytes", lambda: int(1.3 * needed))
    enough = dry_run(setup, "cifar100", tmp_path, How())
    assert "fit" not in enough.note
    assert (short.estimate.workers, enough.estimate.workers) == (1, 1)


@pytest.mark.parametrize("light", [True, False])
def test_an_iteration_that_cannot_be_measured_stops_no_other(timed, tmp_path, monkeypatch, light):
    def fails(*args, **options):
        raise FailedWorkError("no room")

    def dies(*args):
        yield from ()

    monkeypatch.setattr(module, "timings", dies)
    monkeypatch.setattr(module, "estimate", fails)
    if light:
        monkeypatch.setattr(module, "_HEAVY", math.inf)
    found = dry_run(load_preset("ideal-gas-convnet-digits"), "digits", tmp_path, How(workers=1)).estimate
    assert math.isnan(found.seconds)
    assert ("not measured: no room" if light else "not measured: the process") in str(found)
    assert found.trace_bytes > 0


def test_the_disk_is_that_of_the_results(timed, tmp_path, monkeypatch):
    asked = []

    def usage(path):
        asked.append(path)
        return SimpleNamespace(free=1e9 * len(asked))

    monkeypatch.setattr(shutil, "disk_usage", usage)
    found = dry_run(
        load_preset("ideal-gas-convnet-cifar10"), "cifar10", tmp_path / "new" / "out", How(workers=1)
    )
    assert asked[-1] == tmp_path.resolve()
    assert found.estimate.free_disk_bytes == 1e9 * len(asked)
    assert not (tmp_path / "new").exists()


# -- every setup of the papers -------------------------------------------------------------------------------


def test_every_paper_setup_says_what_it_takes(timed, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["reproduce", "all", "--scale", "paper", "--dry-run", "--json", "--out", str(tmp_path / "x")])
    captured = capsys.readouterr()
    plain = json.loads(captured.out, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert stop.value.code == 0
    names = {setup.name for setup in setups(scale="paper")}
    assert {one["setup"] for one in plain["estimates"]} == names
    assert {one["setup"] for one in plain["left_out"]} == names
    for one in plain["estimates"]:
        points = 0
        for axes in one["grids"].values():
            first, second = axes.values()
            points += len(first) * len(second)
        found = one["estimate"]
        assert found["runs"] == points * len(one["seeds"])
        assert min(found[name] for name in ("seconds", "all_bytes", "trace_bytes", "checkpoint_bytes")) > 0
        assert "measured on random ones" in one["note"]
        adiabats = one["setup"].startswith("ideal-gas") and "overparameterised" not in one["setup"]
        assert ("adiabats" in one["note"]) == adiabats
        assert captured.err.count(f"{one['setup']}: measuring") == 1
    assert not (tmp_path / "x").exists()


def test_what_is_not_run_for_one_reason_is_said_once():
    missing = [NotRun(f"setup-{k}", "no images", "fetch them") for k in range(3)]
    text = Reproduced(left_out=tuple(missing), refused=(NotRun("setup-3", "another plan"),)).to_text()
    assert text.count("no images") == text.count("fetch them") == 1
    for k in range(4):
        assert f"setup-{k}" in text
