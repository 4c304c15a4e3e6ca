"""The command line of sweeps: dry runs, growing, engines, and one clear line for each mistake."""

import json

import pytest

from thermograd.cli import main

SHORT = ["--anneal", 0, "--settle", 0, "--steps", 20, "--log-every", 10, "--noise-draws", 6]
SHORT += ["--queue-size", 5, "--queue-every", 2]
GRID = ["--lr", "0.1,0.2", "--wd", 0.01]


@pytest.fixture
def run(capsys):
    def call(*arguments):
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return stop.value.code, captured.out, captured.err

    return call


def test_dry_run_then_run_then_grow_then_status(run, tmp_path):
    pytest.importorskip("torch")
    place = ["--out", tmp_path / "out", "--engine", "serial"]
    code, out, _ = run("sweep", "run", *GRID, *SHORT, *place, "--dry-run", "--json")
    plain = json.loads(out)
    assert (code, plain["runs"], plain["reused"], plain["execution"]["replicas"]) == (0, 2, 0, 1)
    assert plain["seconds"] > 0
    assert not (tmp_path / "out").exists()
    code, out, err = run("sweep", "run", *GRID, *SHORT, *place, "--replicas", 4)
    assert code == 0
    assert "2 runs done" in out
    assert err.count("up to 4 runs share a network") == 1
    code, out, err = run("sweep", "run", *GRID, *SHORT, *place, "--seeds", "0,1")
    assert code == 0
    assert "2 runs done, 2 reused" in out
    assert "share a network" not in err  # said once, and kept
    code, out, _ = run("sweep", "run", *GRID, *SHORT, *place, "--seeds", "0,1", "--dry-run")
    assert code == 0
    assert "4, 4 of them done already; 0 groups to do" in out
    code, out, _ = run("sweep", "status", tmp_path / "out")
    assert code == 0
    assert out.count("seed 1") == 2
    assert out.endswith("4 of 4 finished\n")
    plain = json.loads(run("sweep", "status", tmp_path / "out", "--json")[1])
    assert plain["counts"] == {"finished": 4}
    assert [row["seed"] for row in plain["points"]] == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (["--engine", "serial", "--workers", 2], ["--workers is 2 with --engine serial"]),
        (["--address", "auto"], ["--address auto", "--engine ray"]),
        (["--gpus-per-run", 0.5], ["--gpus-per-run 0.5", "--engine ray"]),
        (["--replicas", "many"], ["'many'", "auto or a whole number"]),
        (["--replicas", "-1"], ["'-1'", "auto or a whole number"]),
        (["--seeds", "0,0"], ["'0,0'", "distinct whole numbers"]),
        (["--seeds", "a"], ["'a'", "distinct whole numbers"]),
        (["--seeds", "1,2", "--seed", 1], ["--seed 1 and --seeds [1, 2]", "one of the two"]),
        (["--engine", "dask"], ["dask", "processes"]),
    ],
)
def test_mistakes_are_one_line(run, tmp_path, options, parts):
    code, out, err = run("sweep", "run", *GRID, *SHORT, "--out", tmp_path / "out", *options)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1, err
    for part in parts:
        assert part in err
    assert not (tmp_path / "out").exists()


def test_another_sweep_in_the_folder_is_one_line(run, tmp_path):
    pytest.importorskip("torch")
    place = ["--out", tmp_path, "--engine", "serial"]
    assert run("sweep", "run", *GRID, *SHORT, *place)[0] == 0
    for changed, words in (
        (["--batch-size", 64], "batch_size is 64, and it holds 128"),
        (["--replicas", 8], "replicas is 8, and it holds 1"),
    ):
        for dry in ([], ["--dry-run"]):
            code, out, err = run("sweep", "run", *GRID, *SHORT, *place, *changed, *dry)
            assert (code, out) == (2, "")
            assert words in err
            assert err.count("\n") == 1


def test_a_configuration_file_knows_the_options(run, tmp_path):
    file = tmp_path / "sweep.toml"
    file.write_text('lr = [0.1]\nwd = 0.1\nseeds = [0, 2]\nreplicas = "many"\n')
    code, _, err = run("sweep", "run", "--config", file, "--out", tmp_path / "out")
    assert code == 2
    assert "'many'" in err


def test_seed_and_seeds_are_one_of_the_two_in_a_file_as_well(run, tmp_path):
    file = tmp_path / "sweep.toml"
    file.write_text("lr = [0.1]\nwd = 0.1\nseed = 1\nseeds = [0, 2]\n")
    code, out, err = run("sweep", "run", "--config", file, "--out", tmp_path / "out")
    assert (code, out) == (2, "")
    assert "seed 1 and seeds [0, 2]; expected one of the two" in err
    assert not (tmp_path / "out").exists()
    # Given here, a list wins over the seed in the file, as every option does.
    file.write_text("lr = [0.1]\nwd = 0.1\nseed = 1\nreplicas = 2\n")
    place = ["--out", tmp_path / "out", "--engine", "serial", "--seeds", "0,2", "--dry-run", "--json"]
    code, out, err = run("sweep", "run", "--config", file, *SHORT, *place)
    assert code == 0, err
    assert json.loads(out)["runs"] == 2
