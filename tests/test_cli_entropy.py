"""``thermograd entropy FILE``: right answers, and one clear line for each file that holds no sample."""

from __future__ import annotations

import json
import math
import pickle
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from thermograd.cli.elapsed import elapsed
from thermograd.cli.entropy import entropy as command
from thermograd.cli.main import main, thermograd
from thermograd.cli.spoken import spoken
from thermograd.entropy import (
    diagnose,
    gaussian,
    gaussian_tangent,
    knn_graph,
    kozachenko_leonenko,
    recommend,
    suggest_theiler,
    von_mises_fisher,
)
from thermograd.entropy.progress import tell
from thermograd.theory import vmf

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    # What is said of long work is tested by itself: compiling on a busy machine may take long, too.
    monkeypatch.setattr("thermograd.cli.spoken._PATIENCE", 1e6)
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
        (["--theiler", "auto", "--manifold", "geodesic"], lambda x: kozachenko_leonenko(x, 1, "geodesic")),
        (["--k", "recommended", "--manifold", "geodesic"], lambda x: kozachenko_leonenko(x, 3, "geodesic")),
        (["--estimator", "knn-graph", "--k", "recommended"], knn_graph),
        (["--estimator", "recommended"], lambda x: kozachenko_leonenko(x, 3, "geodesic")),
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
    kind = "absolute" if truth.absolute else "up to a constant"
    if truth.settings.get("manifold") == "euclidean":  # these directions are no points of a law in space
        kind = "of no law: see the first warning"
        assert "\nwarning: the points lie on a sphere" in out
    assert f"{truth.entropy:.6g} nats, {kind}" in out


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


def test_directions_that_gather_and_words_for_settings(run: Run, tmp_path: Path) -> None:
    x = vmf.sample(1e-3, np.ones(6), 200, np.random.default_rng(2))
    np.save(tmp_path / "x.npy", x)
    told = json.loads(run(tmp_path / "x.npy", "--estimator", "gaussian-tangent", "--json")[1])
    assert told["entropy"] == gaussian_tangent(x).entropy
    # A walk with a memory of 9 samples: the window is twice that, and the estimator chosen accordingly.
    rng = np.random.default_rng(3)
    y = rng.standard_normal((2000, 3))
    for i in range(1, 2000):
        y[i] = 0.8 * y[i - 1] + 0.6 * y[i]
    y = np.column_stack([1e-2 * y, np.ones(2000)])
    y /= np.linalg.norm(y, axis=1, keepdims=True)
    np.save(tmp_path / "y.npy", y)
    told = json.loads(
        run(tmp_path / "y.npy", "--theiler", "auto", "--manifold", "geodesic", "--no-diagnostics", "--json")[
            1
        ]
    )
    window = suggest_theiler(y)
    assert 14 <= window <= 22
    assert told["settings"]["theiler"] == window
    assert told["entropy"] == kozachenko_leonenko(y, manifold="geodesic", theiler=window).entropy
    code, out, err = run(tmp_path / "y.npy", "--estimator", "recommended")
    found = diagnose(y, rng=np.random.default_rng(0))
    chosen = recommend(found.n, found.dim, found.independent)
    assert (code, err) == (0, "")
    assert "\nrecommended           the queue is worth" in out
    assert f"{chosen(y).entropy:.6g} nats, absolute" in out
    told = json.loads(run(tmp_path / "y.npy", "--estimator", "recommended", "--json")[1])
    assert told["reason"] == chosen.reason
    assert told["read_as_entropy"] is True


def test_what_json_cannot_hold_is_null_with_a_warning_in_words(run: Run, tmp_path: Path) -> None:
    def never(text: str) -> None:
        raise AssertionError(text)

    x = np.random.default_rng(4).standard_normal((40, 3))
    x[7] = x[3]
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    np.save(tmp_path / "x.npy", x)
    code, out, err = run(tmp_path / "x.npy", "--manifold", "geodesic", "--json")
    told = json.loads(out, parse_constant=never)  # Infinity and NaN are no JSON
    assert (code, err) == (0, "")
    assert told["entropy"] is None
    assert told["se"] is None
    assert told["diagnostics"]["chord_entropy"] is None
    assert sum("coincide" in text and "minus infinity" in text for text in told["warnings"]) == 1
    assert sum("coincide" in text for text in told["warnings"]) == 1
    assert "-inf nats, absolute" in run(tmp_path / "x.npy", "--manifold", "geodesic")[1]


def test_every_warning_is_given_once(run: Run, tmp_path: Path) -> None:
    x = np.random.default_rng(5).standard_normal((100, 40))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    np.save(tmp_path / "x.npy", x)
    out = run(tmp_path / "x.npy", "--manifold", "sphere")[1]
    warnings = [line for line in out.splitlines() if line.startswith("warning: ")]
    assert len(warnings) == len(set(warnings))
    assert sum("uniform law's entropy" in line for line in warnings) == 1
    assert sum("too few to fill" in line for line in warnings) == 1


def test_a_file_larger_than_the_memory_granted(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 48 MB of float32 weights and 96 MB of their directions, with a machine's memory of 80 MB: the directions
    # go to a file, and a search may take 64 MB of blocks.
    rng = np.random.default_rng(6)
    weights = np.cumsum(1e-2 * rng.standard_normal((200, 60_000), dtype=np.float32), axis=0) + np.float32(1)
    np.save(tmp_path / "w.npy", weights)
    u = weights.astype(np.float64)
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    truth = kozachenko_leonenko(u, manifold="geodesic").entropy
    del weights, u
    made: list[Path] = []
    load = np.lib.format.open_memmap

    def watched(path: Path, *arguments: Any, **options: Any) -> Any:
        made.append(Path(path))
        return load(path, *arguments, **options)

    monkeypatch.setattr("thermograd.entropy.normalised.physical_bytes", lambda: 80_000_000)
    monkeypatch.setattr("numpy.lib.format.open_memmap", watched)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    tracemalloc.start()
    code, out, _ = run(tmp_path / "w.npy", "--normalise", "--manifold", "geodesic", "--json")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert code == 0
    assert json.loads(out)["entropy"] == pytest.approx(truth, rel=1e-12)
    assert any(path.name == "directions.npy" for path in made)
    assert peak < 80e6, peak
    assert [path.name for path in tmp_path.iterdir()] == ["w.npy"]


def test_a_file_that_may_not_be_read(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # By the call, not by chmod: an administrator may read everything.
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refuse)
    code, out, err = run(tmp_path / "x.npy")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "x.npy cannot be read: Permission denied; expected one array" in err


def test_long_passes_have_a_bar_with_a_total(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tqdm")
    with spoken("short"):
        tell("norms", 1, 2)
        tell("norms", 2, 2)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("thermograd.cli.spoken._PATIENCE", 0.0)
    with spoken("long"):
        for done in range(1, 5):
            tell("norms", 25 * done, 100)
        tell("displacements", 3, 3)
    said = capsys.readouterr().err
    assert "norms: 100%" in said
    assert "100/100" in said
    assert "displacements: 100%" in said


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


def header(text: str) -> Callable[[Path], Path]:
    line = text.encode() + b"\n"
    return written(b"\x93NUMPY\x01\x00" + len(line).to_bytes(2, "little") + line + bytes(96))


def of_shape(shape: str) -> Callable[[Path], Path]:
    return header("{'descr': '<f8', 'fortran_order': False, 'shape': " + shape + ", }")


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
        (header("{'descr': '<f8', 'fortran_order': False, 'shape': (3, "), [], ["its header is damaged"]),
        (header("(" * 3000), [], ["its header is damaged"]),
        (header("{[]: 1}"), [], ["cannot be read as an array"]),
        (of_shape(f"({10**21}, 3)"), [], ["cannot be read as an array"]),
        (of_shape("(True, 3)"), [], ["cannot be read as an array"]),
        (of_shape(f"({2**62}, 4)"), [], ["cannot be read as an array"]),
        (of_shape("(-3, -4)"), [], ["cannot be read as an array"]),
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
        (saved(NORMAL), ["--k", 0], ["--k", "'0' is no integer of at least 1, nor 'recommended'"]),
        (saved(NORMAL), ["--k", "many"], ["'many' is no integer of at least 1"]),
        (saved(NORMAL), ["--theiler", "1.5"], ["'1.5' is no integer of at least 0, nor 'auto'"]),
        (saved(NORMAL), ["--estimator", "recommended"], ["expected unit vectors"]),
        (saved(NORMAL), ["--estimator", "recommended", "--k", 3], ["--k is 3; expected no such option with"]),
        (saved(NORMAL), ["--estimator", "gaussian-tangent"], ["expected unit vectors"]),
        (
            saved(np.cumsum(NORMAL, axis=0)),
            ["--theiler", "auto"],
            ["correlation times; expected at least 16"],
        ),
        (huge, ["--estimator", "gaussian-tangent"], ["need 9.6e+04 GB of memory"]),
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


@pytest.mark.parametrize("spacing", [1e-3, 0.01, 0.016, 0.02, 0.025, 0.03, 0.05, 0.3])
def test_recommended_never_ends_in_a_refusal(run: Run, tmp_path: Path, spacing: float) -> None:
    rng = np.random.default_rng(4)
    y = np.zeros((300, 30))
    for i in range(1, 300):
        y[i] = math.exp(-spacing) * y[i - 1] + rng.standard_normal(30) * math.sqrt(-math.expm1(-2 * spacing))
    y = np.column_stack([1e-2 * y, np.ones(300)])
    np.save(tmp_path / "y.npy", y)
    code, out, err = run(tmp_path / "y.npy", "--normalise", "--estimator", "recommended")
    assert (code, err) == (0, "")
    assert "\nrecommended " in out
