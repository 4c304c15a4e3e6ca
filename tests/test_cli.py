"""The command line: right answers, one clear line for each mistake, exit codes 0, 1 and 2."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from thermograd.cli import main

SUBSET = Path(__file__).resolve().parents[2] / "shared" / "data" / "cifar-10-subset"
BRIEF = [
    "--anneal",
    "0",
    "--settle",
    "0",
    "--log-every",
    "10",
    "--noise-draws",
    "6",
    "--queue-size",
    "5",
    "--queue-every",
    "2",
]


@pytest.fixture
def run(capsys):
    def call(*arguments):
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return stop.value.code, captured.out, captured.err

    return call


def assert_one_line(result, *parts):
    code, out, err = result
    assert code == 2
    assert out == ""
    assert err.startswith("thermograd: ")
    assert err.count("\n") == 1, err
    for part in parts:
        assert part in err


def test_help_is_quick_and_module_is_the_command():
    # What makes it quick is what it does not import (see also test_architecture).
    code = "import runpy, sys; sys.argv = ['thermograd', '--help']\n"
    code += "try: runpy.run_module('thermograd', run_name='__main__')\n"
    code += "except SystemExit: print([m for m in ('numpy', 'scipy', 'xarray', 'torch') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.startswith("Usage: thermograd")
    assert result.stdout.splitlines()[-1] == "[]"


def test_predict(run):
    code, out, _ = run("predict", "--elr", 0.01, "--wd", 0.1, "--tr-sigma", 60, "--dim", 387, "--json")
    answer = json.loads(out)
    assert code == 0
    assert answer["radius"] == pytest.approx((0.01 * 60 / 0.2) ** 0.5)
    assert answer["temperature"] == pytest.approx(0.01 * 60 / 386 / 2)
    code, out, _ = run("predict", "--elr", 0.01, "--wd", 0.1, "--tr-sigma", 60, "--dim", 387)
    assert code == 0
    assert "relaxation_steps" in out


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--lr", "-0.1", "--wd", "0.01"], ["lr (learning rate) is -0.1", "above 0"]),
        (["--lr", "0.1", "--wd", "0"], ["wd (weight decay) is 0", "above 0"]),
        (["--lr", "0.1", "--elr", "0.1"], ["--elr and --lr given", "--lr and --wd (FixedLR)"]),
        ([], ["no hyperparameter given"]),
        (["--lr", "x", "--wd", "1"], ["'--lr'", "'x'"]),
        (["--elr", "0.5", "--wd", "0.1"], ["radius"]),
    ],
)
def test_predict_refuses(run, arguments, parts):
    assert_one_line(run("predict", "--tr-sigma", 60, "--dim", 387, *arguments), *parts)


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--lr", "", "--wd", "0.1"], ["FixedLR grid: lr has no values"]),
        (["--lr", "0.1,0.1", "--wd", "0.1"], ["value twice"]),
        (["--lr", "0.1:0.01:3", "--wd", "0.1"], ["0.1:0.01:3", "first < last"]),
        (["--lr", "0.1", "--wd", "0.1", "--steps", "0"], ["--steps", "0"]),
        (["--lr", "0.1", "--wd", "0.1", "--architecture", "MLP"], ["'MLP'", "ConvNet"]),
        (["--lr", "0.1", "--wd", "0.1", "--data", "/no/such/place"], ["/no/such/place"]),
    ],
)
def test_sweep_run_refuses(run, tmp_path, arguments, parts):
    assert_one_line(run("sweep", "run", "--out", tmp_path / "out", *arguments), *parts)
    assert not list(tmp_path.rglob("*.nc"))


def test_configuration_gives_defaults_and_options_win(run, tmp_path):
    config = tmp_path / "predict.toml"
    config.write_text('elr = 0.01\nwd = 0.1\n"tr-sigma" = 60\ndim = 387\n')
    answer = json.loads(run("predict", "--config", config, "--json")[1])
    assert answer["radius"] == pytest.approx(3**0.5)
    answer = json.loads(run("predict", "--config", config, "--json", "--wd", 0.4)[1])
    assert answer["radius"] == pytest.approx(0.75**0.5)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("lrr = 1", ["unknown key 'lrr' (value 1)", "expected one of", "tr-sigma"]),
        ("elr = -1\nwd = 1\ntr-sigma = 1\ndim = 3", ["elr (effective learning rate) is -1"]),
        ('dim = "many"\ntr-sigma = 1', ["'dim' is 'many'", "a whole number"]),
        ("dim = 387.9", ["'dim' is 387.9", "a whole number"]),
        ("elr = true", ["'elr' is True"]),
        ("json = 1", ["'json' is 1", "true or false"]),
        ("elr = ", ["cannot be read as TOML"]),
    ],
)
def test_bad_configuration_is_one_line(run, tmp_path, text, parts):
    config = tmp_path / "bad.toml"
    config.write_text(text)
    assert_one_line(run("predict", "--config", config), *parts)
    assert_one_line(run("predict", "--config", tmp_path / "missing.toml"), "missing.toml")


def test_json_is_a_key_like_any_other(run, tmp_path):
    config = tmp_path / "json.toml"
    config.write_text("elr = 0.01\nwd = 0.1\ntr_sigma = 60\ndim = 387\njson = true\n")
    assert json.loads(run("predict", "--config", config)[1])["pressure"] == 0.1


def test_a_missing_extra_is_one_line(run, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    result = run("train", "--lr", 0.1, "--wd", 0.1, "--out", tmp_path / "trace.nc")
    assert_one_line(result, "tqdm is not installed", "pip install 'thermograd[train]'")


def test_no_command_shows_the_help(run):
    code, _, err = run()
    assert code == 2
    assert "Commands:" in err


def test_train_finds_out_before_the_work_that_it_cannot_write(run, tmp_path):
    (tmp_path / "file").write_text("")
    result = run("train", "--lr", 0.1, "--wd", 0.1, "--out", tmp_path / "file" / "trace.nc")
    assert_one_line(result, "cannot write", "expected a writable folder")


def test_data(run, tmp_path):
    code, out, _ = run("data", "info", "digits", "--json")
    assert code == 0
    assert json.loads(out)["name"] == "digits"
    assert_one_line(run("data", "info", tmp_path), str(tmp_path))


def test_real_cifar_by_path(run):
    if not SUBSET.exists():
        pytest.skip("the CIFAR-10 subset is not here")
    code, out, _ = run("data", "info", SUBSET, "--json")
    assert code == 0
    assert json.loads(out)["name"] == "cifar10"


def test_a_truncated_cifar_file_is_one_line(run, tmp_path):
    for name in (*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"):
        (tmp_path / name).write_bytes(bytes(3073 * 2))
    (tmp_path / "data_batch_3.bin").write_bytes(bytes(3073 * 2 - 1))
    result = run("reproduce", "ideal-gas", "--data", tmp_path, "--out", tmp_path / "out")
    assert_one_line(result, "data_batch_3.bin", "6145", "3073")
    (tmp_path / "data_batch_3.bin").write_bytes(bytes([10]) + bytes(3072))
    result = run("sweep", "run", "--lr", 1, "--wd", 1, "--data", tmp_path, "--out", tmp_path / "out")
    assert_one_line(result, "data_batch_3.bin", "label", "10")


def test_train_then_analyse_and_report(run, tmp_path):
    pytest.importorskip("torch")
    trace = tmp_path / "trace.nc"
    code, out, _ = run(
        "train", "--elr", 0.005, "--wd", 0.01, "--steps", 200, *BRIEF, "--out", trace, "--json"
    )
    assert code == 0
    summary = json.loads(out)
    assert summary["norm"] > 0
    assert summary["status"] in ("equilibrium", "converging", "not-stationary")
    code, out, _ = run("analyse", trace)
    assert code == 0
    assert "FixedELR" in out
    code, out, _ = run("report", trace, "--out", tmp_path / "report")
    assert code == 0
    assert (tmp_path / "report" / "report.html").exists()


def test_a_sweep_from_start_to_status(run, tmp_path):
    pytest.importorskip("torch")
    out_folder = tmp_path / "out"
    code, out, _ = run(
        "sweep", "run", "--elr", "0.004,0.01", "--radius", 1, "--steps", 30, *BRIEF, "--out", out_folder
    )
    assert code == 0
    assert "2 runs done" in out
    code, out, _ = run("sweep", "status", out_folder)
    assert code == 0
    assert "2 of 2 finished" in out
    status = json.loads(run("sweep", "status", out_folder, "--json")[1])
    assert [row["state"] for row in status["points"]] == ["finished"] * 2
    code, out, _ = run("sweep", "resume", out_folder)
    assert "0 runs done, 2 reused" in out
    assert_one_line(run("sweep", "status", tmp_path / "nowhere"), "nowhere", "expected the folder of a sweep")


def test_results_that_are_no_results(run, tmp_path):
    (tmp_path / "x.nc").write_text("not NetCDF")
    assert_one_line(run("analyse", tmp_path / "x.nc"), "x.nc")
    assert_one_line(run("analyse", tmp_path / "missing.nc"), "missing.nc")
    (tmp_path / "empty").mkdir()
    assert_one_line(run("report", tmp_path / "empty"), "empty")


def test_an_unwritable_place_is_one_line(run, tmp_path):
    (tmp_path / "file").write_text("")
    result = run("sweep", "run", "--lr", 0.1, "--wd", 0.1, "--steps", 10, "--out", tmp_path / "file" / "sub")
    assert_one_line(result, "file", "expected a writable folder")


@pytest.mark.parametrize("data", ["digits", SUBSET], ids=["digits", "cifar10"])
def test_the_presets_are_whole_grids(data):
    from thermograd.reproduce import preset_plan

    if data is SUBSET and not SUBSET.exists():
        pytest.skip("the CIFAR-10 subset is not here")
    plan = preset_plan("ideal-gas", "quick", str(data))
    assert plan.protocols == ("FixedSphere", "FixedELR", "FixedLR")
    least = (5, 3) if data == "digits" else (3, 3)
    for grid, template in plan.grids:
        assert grid.shape >= least
        assert template.width == (1 if data == "digits" else 2)
        # A window of the entropy queue is filled several times in the half of a run that counts.
        window = template.measurement.queue_size * template.measurement.queue_every
        assert template.steps / 2 >= 4 * window


def test_simulate_isotropic_from_start_to_states(run, tmp_path):
    options = ("--elr", "0.02,0.05", "--wd", 0.05, "--steps", 20_000, "--queue-size", 50, "--chains", 4)
    code, out, _ = run("simulate", "isotropic", *options, "--out", tmp_path, "--json")
    assert code == 0
    (row,) = json.loads(out)
    assert row["points"] == 2
    assert (tmp_path / "states-FixedELR.nc").exists()
    code, out, _ = run("analyse", tmp_path)
    assert code == 0
    assert "FixedELR: " in out


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (("--elr", 0.1, "--wd", 0.1, "--dim", 1), ("dim is 1", "at least 2")),
        (("--elr", 0.1, "--wd", 0.1, "--sigma", 0), ("sigma is 0", "above 0")),
        (("--elr", 0.9, "--wd", 0.1, "--dim", 10), ("no stationary radius", "lower elr (now 0.9)")),
        (("--elr", 0.1, "--published"), ("--elr", "one or the other")),
        (("--elr", 0.1, "--wd", 0.1, "--spectrum", "1,2,3"), ("3 variances", "dim - 1 = 2")),
        (("--elr", 1e-6, "--wd", 0.1, "--dim", 10_000_000), ("GB",)),
    ],
)
def test_a_simulation_that_cannot_be_is_one_line(run, tmp_path, options, parts):
    assert_one_line(run("simulate", "isotropic", *options, "--out", tmp_path), *parts)


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (("--part", "isotropic", "--workers", 2), ("--workers is 2", "--part isotropic")),
        (("--seed", 3), ("--seed is 3", "--part networks")),
    ],
)
def test_an_option_of_the_other_part_is_one_line(run, tmp_path, options, parts):
    assert_one_line(run("reproduce", "ideal-gas", *options, "--out", tmp_path), *parts)
