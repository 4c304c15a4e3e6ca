"""``thermograd entropy FILE``: right answers, and one clear line for each file that holds no sample."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from thermograd.cli.elapsed import elapsed
from thermograd.cli.entropy import entropy as command
from thermograd.cli.main import main, thermograd
from thermograd.entropy import gaussian, knn_graph, kozachenko_leonenko, von_mises_fisher

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    if command.name not in thermograd.commands:
        thermograd.add_command(command)

    def call(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main(["entropy", *map(str, arguments)])
        captured = capsys.readouterr()
        return int(stop.value.code or 0), captured.out, captured.err

    return call


@pytest.fixture
def directions(tmp_path: Path) -> tuple[Path, np.ndarray]:
    x = np.random.default_rng(0).standard_normal((300, 3))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    np.save(tmp_path / "x.npy", x)
    return tmp_path / "x.npy", x


@pytest.mark.parametrize(
    ("options", "call"),
    [
        ([], kozachenko_leonenko),
        (["--k", 3, "--theiler", 2], lambda x: kozachenko_leonenko(x, 3, theiler=2)),
        (["--manifold", "sphere"], lambda x: kozachenko_leonenko(x, manifold="sphere")),
        (["--manifold", "geodesic", "--no-diagnostics"], lambda x: kozachenko_leonenko(x, 1, "geodesic")),
        (["--estimator", "knn-graph"], knn_graph),
        (
            ["--estimator", "knn-graph", "--k", 7, "--dimension", 3],
            lambda x: knn_graph(x, 7, dimension=3),
        ),
        (["--estimator", "gaussian"], gaussian),
        (["--estimator", "von-mises-fisher"], von_mises_fisher),
    ],
)
def test_the_library_s_answer(
    run: Run, directions: tuple[Path, np.ndarray], options: list[Any], call: Callable[[Any], Any]
) -> None:
    path, x = directions
    truth = call(x)
    code, out, err = run(path, *options, "--json")
    answer = json.loads(out)
    assert (code, err) == (0, "")
    for name in ("entropy", "se", "n", "n_effective", "dim", "absolute", "estimator"):
        assert answer[name] == getattr(truth, name), name
    assert answer["settings"] == truth.settings
    assert set(truth.warnings) <= set(answer["warnings"])
    assert bool(answer["diagnostics"]) == ("--no-diagnostics" not in options)
    code, out, err = run(path, *options)
    assert (code, err) == (0, "")
    assert f"{truth.entropy:.6g} nats, {'absolute' if truth.absolute else 'up to a constant'}" in out


def test_diagnostics_in_words(run: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    walk = np.cumsum(1e-3 * rng.standard_normal((200, 400)), axis=0) + 1.0
    np.save(tmp_path / "w.npy", walk.astype(np.float32))
    code, out, err = run(tmp_path / "w.npy", "--normalise", "--manifold", "geodesic", "--json")
    told = json.loads(out)
    assert (code, err) == (0, "")
    # Neighbours in 400 dimensions of a walk are those in time, but for the ties of 1/sqrt(2 d) = 3%.
    assert told["diagnostics"]["adjacent_in_time"] > 0.9
    assert told["diagnostics"]["autocorrelation_time"] > 20
    assert told["diagnostics"]["uniform_entropy"] == pytest.approx(told["uniform_entropy"])
    assert any("length of a step" in text for text in told["warnings"])
    u = walk.astype(np.float32).astype(float)
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    assert told["entropy"] == pytest.approx(kozachenko_leonenko(u, manifold="geodesic").entropy, rel=1e-12)
    # As they are, they lie on no sphere: no uniform law, and the rest all the same.
    code, out, _ = run(tmp_path / "w.npy")
    assert code == 0
    assert "uniform law" not in out
    assert "% of the nearest" in out
    assert "\nwarning: " in out


def test_independent_points_are_told_from_a_walk(run: Run, directions: tuple[Path, np.ndarray]) -> None:
    told = json.loads(run(directions[0], "--manifold", "geodesic", "--json")[1])
    # 300 independent points: two in 299 neighbours are adjacent, 2 +- 1.4 of 300; times are 1 within noise.
    assert told["diagnostics"]["adjacent_in_time"] < 10 / 300
    assert told["diagnostics"]["autocorrelation_time"] < 1.5
    assert not any("diffusion" in text for text in told["warnings"])


def saved(array: Any) -> Callable[[Path], Path]:
    def save(folder: Path) -> Path:
        np.save(folder / "x.npy", array)
        return folder / "x.npy"

    return save


def written(content: bytes) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / "x.npy").write_bytes(content)
        return folder / "x.npy"

    return write


def archive(folder: Path) -> Path:
    np.savez(folder / "x.npz", x=np.ones((3, 3)))
    return folder / "x.npz"


def objects(folder: Path) -> Path:
    np.save(folder / "x.npy", np.array([{}, None]), allow_pickle=True)
    return folder / "x.npy"


def cut_short(folder: Path) -> Path:
    path = saved(np.ones((100, 3)))(folder)
    path.write_bytes(path.read_bytes()[:500])
    return path


def huge(folder: Path) -> Path:
    # A header and a file with a hole: 160 MB that take no space.
    with (folder / "x.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"shape": (10, 2_000_000), "fortran_order": False, "descr": "<f8"}
        )
        file.truncate(file.tell() + 160_000_000)
    return folder / "x.npy"


NORMAL = np.random.default_rng(0).standard_normal((50, 4))
HOLED = NORMAL.copy()
HOLED[[3, 7]] = np.nan
ZERO = NORMAL.copy()
ZERO[5] = 0


@pytest.mark.parametrize(
    ("make", "options", "parts"),
    [
        (lambda f: f / "none.npy", [], ["none.npy cannot be read: No such file", "numpy.save"]),
        (lambda f: f, [], ["cannot be read: Is a directory"]),
        (written(b""), [], ["is no array file"]),
        (written(b"1,2,3\n4,5,6\n"), [], ["is no array file (it begins with b'1,2,3"]),
        (written(pickle.dumps([1, 2])), [], ["is a pickle"]),
        (objects, [], ["cannot be read as an array", "Python objects in dtype"]),
        (archive, [], ["is an archive (.npz) of arrays"]),
        (cut_short, [], ["cannot be read as an array"]),
        (huge, ["--estimator", "gaussian"], ["10 points of 2000000 coordinates need 9.6e+04 GB of memory"]),
        (saved(np.ones(5)), [], ["shape (5,); expected (number of points, dimension)"]),
        (saved(np.ones((2, 3, 4))), [], ["shape (2, 3, 4); expected (number of points, dimension)"]),
        (saved(np.ones((0, 4))), [], ["shape (0, 4)"]),
        (saved(np.ones((5, 2), dtype=int)), [], ["type int64; expected float32 or float64"]),
        (saved(np.ones((5, 2), dtype=np.float16)), [], ["type float16", "half precision rounds"]),
        (saved(np.ones((5, 2), dtype=complex)), [], ["type complex128"]),
        (saved(HOLED), [], ["2 of 50 points hold nan or inf (rows 3, 7)"]),
        (saved(HOLED), ["--normalise"], ["row 3 holds nan or inf"]),
        (saved(ZERO), ["--normalise"], ["row 5 is zero; expected points that have a direction"]),
        (saved(np.ones((50, 4))), [], ["all 50 points are the same"]),
        (saved(NORMAL), ["--manifold", "geodesic"], ["norm", "expected unit vectors"]),
        (saved(NORMAL), ["--k", 49], ["50 points were given; expected at least 51"]),
        (saved(NORMAL), ["--theiler", 25], ["neighbours outside theiler = 25; expected at least k = 1"]),
        (saved(NORMAL), ["--dimension", 3], ["--dimension is 3; expected --k and --manifold and --theiler"]),
        (saved(NORMAL), ["--estimator", "gaussian", "--k", 3], ["--k is 3; expected no such option with"]),
        (
            saved(NORMAL),
            ["--estimator", "knn-graph", "--k", 3, "--dimension", 5],
            ["dimension", "5", "1 to 4"],
        ),
        (saved(NORMAL), ["--estimator", "best"], ["'best' is not one of"]),
        (saved(NORMAL), ["--k", 0], ["--k", "0"]),
    ],
)
def test_one_clear_line(
    run: Run, tmp_path: Path, make: Callable[[Path], Path], options: list[Any], parts: list[str]
) -> None:
    code, out, err = run(make(tmp_path), *options)
    assert code == 2, err
    assert out == ""
    assert err.startswith("thermograd: ")
    assert err.count("\n") == 1, err
    for part in parts:
        assert part in err


def test_an_interruption_is_one_line(
    run: Run, directions: tuple[Path, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("thermograd.entropy.kozachenko_leonenko", interrupted)
    code, out, err = run(directions[0])
    # click ends the line that the terminal's ^C has begun.
    assert (code, out, err.strip()) == (1, "", "thermograd: interrupted")


def test_help_does_not_load_what_computes() -> None:
    code = (
        "import sys; from thermograd.cli.entropy import entropy\n"
        "try: entropy(['--help'])\n"
        "except SystemExit: print([m for m in ('numba', 'numpy', 'scipy', 'torch') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--theiler" in result.stdout
    assert result.stdout.splitlines()[-1] == "[]"


def test_long_work_says_how_long_and_short_work_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with elapsed("short", every=60.0):
        pass
    assert capsys.readouterr().err == ""
    with elapsed("long", every=0.02):
        time.sleep(0.2)
    said = capsys.readouterr().err.splitlines()
    # After .02, .06, .14 s: at most three, and at least one however late the threads are.
    assert 1 <= len(said) <= 4
    assert set(said) == {"long: 0 s"}


def test_a_file_of_floats_in_columns(run: Run, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.asfortranarray(NORMAL))
    told = json.loads(run(tmp_path / "x.npy", "--json")[1])
    assert told["entropy"] == pytest.approx(kozachenko_leonenko(NORMAL).entropy, rel=1e-13)
