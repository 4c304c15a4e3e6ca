from __future__ import annotations

import contextlib
import importlib.util
import math
import subprocess
import sys
import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from thermograd.entropy.neighbours import follow as following
from thermograd.entropy.neighbours import search as searching
from thermograd.entropy.neighbours.brute import brute_force_neighbours
from thermograd.entropy.neighbours.chart import chart_neighbours
from thermograd.entropy.neighbours.columns import StraightColumns
from thermograd.entropy.neighbours.follow import Growth
from thermograd.entropy.neighbours.gram import PartialGram
from thermograd.entropy.neighbours.nearest import Neighbours, nearest_neighbours
from thermograd.errors import InputError

Array = NDArray[np.float64]

# A float64 sum of m squares is off by at most m eps/2 of itself, in practice by sqrt(m) eps: 1e-13 leaves
# room for m = 25 000 in either order of summation.
ROUND_OFF = 1e-13


def pairwise(x: Array, k: int, period: float | None = None) -> Array:
    """All differences, one pair at a time, with nothing of the package: the twin's own test."""
    distance = np.full((len(x), len(x)), np.inf)
    for i in range(len(x)):
        for j in range(len(x)):
            if i != j:
                difference = x[i] - x[j]
                if period is not None:
                    last = abs(difference[-1])
                    difference[-1] = min(last, abs(last - period))
                distance[i, j] = math.sqrt(sum(difference**2))
    return np.sort(distance, axis=1)[:, :k]


def walk(n: int, d: int, step: float, seed: int) -> Array:
    """A random walk on the unit sphere; independent points for an infinite step."""
    rng = np.random.default_rng(seed)
    points = np.empty((n, d))
    w = rng.standard_normal(d)
    for i in range(n):
        move = rng.standard_normal(d)
        w = move if math.isinf(step) else w / np.linalg.norm(w) + step * move / math.sqrt(d)
        points[i] = w / np.linalg.norm(w)
    return points


def assert_same(found: Neighbours, truth: Neighbours, rtol: float = ROUND_OFF) -> None:
    np.testing.assert_allclose(found.distance, truth.distance, rtol=rtol)
    # Where neighbours are apart by more than round-off they are the same ones.
    with np.errstate(invalid="ignore"):
        gap = np.diff(truth.distance, axis=1) > 1e-9 * truth.distance[:, 1:]
    clear = np.ones(truth.distance.shape, dtype=bool)
    clear[:, :-1] &= gap
    clear[:, 1:] &= gap
    clear[:, -1] = False  # the next one is not in the list
    np.testing.assert_array_equal(found.index[clear], truth.index[clear])


@pytest.mark.parametrize("m", [1, 3, 8, 9, 40])  # up to 8 by a tree, above by columns
@pytest.mark.parametrize("period", [None, 2 * math.pi])
def test_the_twin_and_the_search_equal_all_differences(m: int, period: float | None) -> None:
    x = np.random.default_rng(m).uniform(-math.pi, math.pi, size=(40, m))
    truth = pairwise(x, 7, period)
    for method in (brute_force_neighbours, nearest_neighbours):
        found = method(x, 7, period=period)
        np.testing.assert_allclose(found.distance, truth, rtol=ROUND_OFF)
        assert (found.index != np.arange(40)[:, None]).all()


CLUSTERS = np.random.default_rng(2)
SAMPLES: dict[str, Callable[[], Array]] = {
    "slow walk": lambda: walk(120, 9000, 1e-6, 1),
    "walk": lambda: walk(120, 9000, 1e-2, 2),
    "fast walk": lambda: walk(120, 9000, 0.7, 3),
    "independent": lambda: walk(120, 9000, math.inf, 4),
    "clusters": lambda: walk(120, 3000, 1e-4, 5) + 3.0 * np.eye(120, 3000)[np.arange(120) % 5],
    "duplicates": lambda: walk(60, 3000, 1e-2, 6)[np.arange(120) // 2],
    "few columns": lambda: walk(120, 20, 0.1, 7),
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", SAMPLES)
def test_equals_the_twin(name: str, dtype: str) -> None:
    x = SAMPLES[name]().astype(dtype)
    for period in (None, 1.5):
        for theiler in (0, 5):
            truth = brute_force_neighbours(x, 50, period=period, theiler=theiler)
            for k in (1, 5, 50):
                found = nearest_neighbours(x, k, period=period, theiler=theiler)
                assert_same(found, Neighbours(truth.distance[:, :k], truth.index[:, :k]))


@pytest.mark.parametrize("theiler", [0, 3])
@pytest.mark.parametrize("m", [3, 30])
def test_as_few_points_as_there_can_be(m: int, theiler: int) -> None:
    for k in (1, 4):
        n = k + 1 + 2 * theiler
        x = np.random.default_rng(k).standard_normal((n, m))
        found = nearest_neighbours(x, k, theiler=theiler)
        assert_same(found, brute_force_neighbours(x, k, theiler=theiler))
        assert (np.abs(found.index - np.arange(n)[:, None]) > theiler).all()
        with pytest.raises(InputError, match=rf"{n - 1} points leave {k - 1} neighbours outside theiler"):
            nearest_neighbours(x[1:], k, theiler=theiler)


@pytest.mark.parametrize("step", [1.0, 1e-2, 1e-6])
def test_entropy_of_iterates_is_right_to_1e_9(step: float) -> None:
    # d of ConvNet(8). S is d times the mean log distance and a constant: 1e-9 of it.
    d = 24_408
    x = walk(60, d, step, 1)
    truth = d * np.log(brute_force_neighbours(x).distance).mean()
    found = d * np.log(nearest_neighbours(x).distance).mean()
    assert abs(found - truth) <= 1e-9 * abs(truth)
    if step < 1e-3:
        # The shortcut that this is to prevent: float32 squared distances from a Gram matrix.
        y = x.astype(np.float32)
        squares = np.sum(y * y, axis=1)
        gram = squares[:, None] + squares - 2 * y @ y.T
        np.fill_diagonal(gram, np.inf)
        wrong = d * np.log(np.sqrt(np.maximum(gram.min(axis=1).astype(float), 1e-30))).mean()
        assert abs(wrong - truth) > 1e-7 * abs(truth)


def adversary(name: str) -> Array:
    """Samples on which foreseeing a distance from its first columns goes wrong."""
    rng = np.random.default_rng(11)
    n, m = 90, 6000
    x = np.zeros((n, m)) + rng.standard_normal(m)
    if name == "all in one column that comes late":
        x[:, 5500] += rng.standard_normal(n)
    elif name == "first block tells the opposite":
        # Alike in the first 1024 columns where they are far apart in the others, and the reverse.
        order = rng.permutation(n)
        x[:, :1024] += 1e-3 * np.arange(n)[:, None] * rng.standard_normal(1024)
        x[:, 1024:] += 1.0 * order[:, None] * rng.standard_normal(m - 1024)
    elif name == "two scales":
        x += 1e-7 * np.cumsum(rng.standard_normal((n, m)), axis=0)
        x[:, ::997] += np.cumsum(rng.standard_normal((n, len(range(0, m, 997)))), axis=0)
    elif name == "equal distances":
        x = np.eye(n, m)
    elif name == "grid":
        x[:, 2] += np.arange(n) // 2
    elif name == "tiny":
        x = 1e-60 * np.cumsum(rng.standard_normal((n, m)), axis=0)
    elif name == "huge":
        x = 1e60 * np.cumsum(rng.standard_normal((n, m)), axis=0)
    elif name == "blocks of very different size":
        x = np.cumsum(rng.standard_normal((n, m)), axis=0) * np.repeat([1e-30, 1e25, 1.0, 1e-8, 0, 1e3], 1000)
    elif name == "far clusters":
        x = 1e-7 * rng.standard_normal((n, m))
        x[::2, 0] += 2.0
    else:
        raise KeyError(name)
    return x


ADVERSARIES = (
    "all in one column that comes late",
    "first block tells the opposite",
    "two scales",
    "equal distances",
    "grid",
    "tiny",
    "huge",
    "blocks of very different size",
    "far clusters",
)


@pytest.mark.parametrize("name", ADVERSARIES)
def test_adversaries_cost_time_and_nothing_else(name: str) -> None:
    x = adversary(name)
    for k in (1, 5):
        assert_same(nearest_neighbours(x, k), brute_force_neighbours(x, k))
    if name == "equal distances":  # of equals, those of lower index
        assert nearest_neighbours(x, 2).index[:4].tolist() == [[1, 2], [0, 2], [0, 1], [0, 1]]


def blind(monkeypatch: pytest.MonkeyPatch, part: float) -> None:
    """Let the search believe that the first block tells the ``part`` of a distance, surely."""

    def wrong(columns: StraightColumns, *_pairs: object) -> Growth:
        blocks = len(columns.widths)
        return Growth(np.append(np.linspace(0, part, blocks), 1.0), np.zeros(blocks + 1))

    monkeypatch.setattr(searching, "growth", wrong)


def test_foreseeing_wrongly_is_mended_and_would_be_wrong_without(monkeypatch: pytest.MonkeyPatch) -> None:
    # The negative control: told that the first columns are everything, the first round drops true neighbours.
    # Its own bounds say so, and the second round finds them; without it the answer is wrong.
    x = adversary("first block tells the opposite")
    truth = brute_force_neighbours(x, 3)
    blind(monkeypatch, 1.0)
    assert_same(nearest_neighbours(x, 3), truth)

    def nothing(*args: object) -> object:
        empty = np.empty(0, dtype=np.int32)
        return searching.Pairs(empty, empty, np.empty(0), np.empty(0))

    monkeypatch.setattr(searching, "_measure_again", nothing)
    wrong = nearest_neighbours(x, 3)
    assert (wrong.distance > truth.distance * (1 + 1e-6)).mean() > 0.1
    # All alike before, as iid points are after 1024 columns: a guess from few columns is often wrong.
    x = walk(200, 9000, math.inf, 8)
    truth = brute_force_neighbours(x)
    monkeypatch.setattr(searching, "_plan", lambda _columns, gram, _near, _known: gram.done)
    blind(monkeypatch, 1.0)
    monkeypatch.setattr(following, "_CHECKS", 1.0)  # after every block
    assert np.mean(nearest_neighbours(x).index != truth.index) > 0.2
    monkeypatch.undo()
    assert_same(nearest_neighbours(x), truth)


@pytest.mark.parametrize("step", [1e-4, math.inf])
def test_bounds_of_the_gram_matrix_hold(step: float) -> None:
    # Partial sums in float64 must lie within the bounds, and the bounds within 1e-3 of |x - c|^2.
    x = walk(50, 5000, step, 9)
    columns = StraightColumns(x, None)
    gram = PartialGram(columns, 0, 50, 0, None)
    gram.add(3)
    seen = np.concatenate([np.arange(a, b) for a, b in columns._bounds[:3]])
    squared = np.sum((x[:, None, seen] - x[None, :, seen]) ** 2, axis=2)
    np.fill_diagonal(squared, np.inf)
    upper, who = gram.nearest(49)
    assert (np.take_along_axis(squared, who, 1) <= upper).all()
    radius = np.sum((x[:, seen] - x[25, seen]) ** 2, axis=1).max()
    assert (upper - np.take_along_axis(squared, who, 1) < 1e-3 * radius).all()
    # Lower bounds: no pair is left out of `within` whose sum is within reach.
    for reach in np.quantile(squared[np.isfinite(squared)], [0.01, 0.3, 1.0]):
        i, j, bounds = gram.within(np.full(50, reach))
        assert (bounds <= squared[i, j]).all()
        assert (squared[i, j] - bounds < 1e-3 * radius).all()
        named = set(zip(i.tolist(), j.tolist(), strict=True))
        assert {(a, b) for a, b in zip(*np.nonzero(squared <= reach), strict=True) if a > b} <= named
    assert len(gram.within(np.full(50, 0.5 * squared.min() - 2e-3 * radius))[0]) == 0


def test_tiles_threads_and_layout_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x = walk(150, 3000, 0.3, 10)
    whole = nearest_neighbours(x, 5, period=2.0, theiler=2)
    assert_same(nearest_neighbours(np.asfortranarray(x), 5, period=2.0, theiler=2), whole)
    assert_same(nearest_neighbours(np.repeat(x, 2, axis=1)[:, ::2], 5, period=2.0, theiler=2), whole)
    assert_same(nearest_neighbours(x.astype(">f8"), 5, period=2.0, theiler=2), whole)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    alone = nearest_neighbours(x, 5, period=2.0, theiler=2)
    np.testing.assert_array_equal(alone.index, whole.index)
    monkeypatch.setattr(searching, "_LEAST_TILE", 1)
    monkeypatch.setattr(searching, "_SHARE", 10**9)  # 7 rows or so at a time
    assert_same(nearest_neighbours(x, 5, period=2.0, theiler=2), whole)


def test_points_in_a_file(tmp_path: Path) -> None:
    x = walk(80, 40_000, 1e-3, 12).astype(np.float32)
    file = np.memmap(tmp_path / "queue", np.float32, "w+", shape=x.shape)
    file[:] = x
    file.flush()
    read = np.memmap(tmp_path / "queue", np.float32, "r", shape=x.shape)
    assert_same(nearest_neighbours(read, 3), nearest_neighbours(x, 3))


@pytest.mark.parametrize("m", [2, 20])
def test_coinciding_points_are_at_distance_zero(m: int) -> None:
    x = np.random.default_rng(3).standard_normal((30, m))
    x[[4, 9, 17, 21]] = x[2]
    x[5] = x[6]
    found = nearest_neighbours(x, 2)
    twice = [2, 4, 9, 17, 21]
    assert (found.distance[twice] == 0).all()
    assert set(found.index[twice].ravel()) <= set(twice)
    assert (found.index != np.arange(30)[:, None]).all()
    assert found.distance[5, 0] == 0
    assert found.index[5, 0] == 6
    assert np.count_nonzero(found.distance[:, 0] == 0) == 7


def test_small_angles_across_the_seam_are_exact() -> None:
    # 2 pi - 1e-9 apart the long way: remainders into [0, 2 pi) would round 1e-9 by 4e-7 of itself.
    x = np.array([[0.1, 5e-10 - math.pi], [0.1, math.pi - 5e-10], [0.1, -1e-18], [0.1, 1e-9]])
    for points in (x, np.column_stack([np.full((4, 9), 0.1), x])):
        found = nearest_neighbours(points, period=2 * math.pi)
        assert found.distance[0, 0] == pytest.approx(1e-9, rel=1e-6)
        assert found.distance[2, 0] == pytest.approx(1e-9, rel=1e-8)
        assert found.index[:, 0].tolist() == [1, 0, 3, 2]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"k": 0}, "k .* is 0"),
        ({"k": 2.5}, "k .* is 2.5"),
        ({"theiler": -1}, "theiler .* is -1"),
        ({"period": 0.0}, "period is 0.0"),
        ({"period": "a"}, "period is 'a'; expected a positive number"),
        ({"period": [1.0]}, r"period is \[1.0\]"),
        ({"k": 30}, "30 points leave 29 neighbours outside theiler = 0; expected at least k = 30"),
    ],
)
def test_bad_settings(settings: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        nearest_neighbours(np.eye(30), **settings)  # type: ignore[arg-type]


def test_rows_of_different_lengths() -> None:
    with pytest.raises(InputError, match=r"points make no array .*; expected rows of equal length"):
        nearest_neighbours([[1.0, 2.0], [3.0]])


@pytest.mark.parametrize("m", [2, 20, 1100])
@pytest.mark.parametrize("power", [-1040, -700, -520, 520, 700, 1015])
def test_any_scale_of_two_is_carried_through(m: int, power: int) -> None:
    # Powers of 2 are exact: results may differ by round-off, and by the rounding of distances that are
    # subnormal themselves, 2^-1075.
    scaled = np.ldexp(walk(60, m, 0.3, 21), power)
    x = np.ldexp(scaled, -power)
    for settings in ({}, {"theiler": 2}, {"period": 1.5}):
        truth = brute_force_neighbours(x, 3, **settings)  # type: ignore[arg-type]
        if "period" in settings:
            settings = {"period": math.ldexp(1.5, power)}
        found = nearest_neighbours(scaled, 3, **settings)  # type: ignore[arg-type]
        np.testing.assert_allclose(
            np.ldexp(found.distance, -power), truth.distance, rtol=ROUND_OFF, atol=2.0 ** (-1074 - power)
        )
        np.testing.assert_array_equal(found.index, truth.index)


@pytest.mark.parametrize("size", [3e38, 1e-38, 1e-44])
def test_float32_at_the_ends_of_its_range(size: float) -> None:
    x = (size * walk(60, 50, 0.5, 22)).astype(np.float32)
    assert_same(nearest_neighbours(x, 3), brute_force_neighbours(x, 3))


@pytest.mark.parametrize("m", [3, 30])
def test_coincidence_is_never_an_underflow(m: int) -> None:
    x = np.zeros((6, m))
    x[:, 0] = [0.0, 1e-180, 5e-180, 5e-180, 3e-179, 1e-178]
    found = nearest_neighbours(x)
    np.testing.assert_allclose(found.distance[:, 0], [1e-180, 1e-180, 0, 0, 2.5e-179, 7e-179], rtol=1e-13)
    x[0, 1] = 1.0  # the negative control: beside it, 1e-180 has no square, and scaling can not help
    with pytest.raises(InputError, match="row 1 and its neighbour nearly coincide beside coordinates"):
        nearest_neighbours(x)
    x[0, 1] = math.nan
    with pytest.raises(InputError, match="row 0 holds nan or inf"):
        nearest_neighbours(x)


@pytest.mark.parametrize("m", [1, 2, 3, 8, 9, 30])
def test_of_equally_far_points_those_of_lower_index(m: int) -> None:
    # Small integers: all sums of squares are exact, so ties are ties in any order of summation.
    x = np.random.default_rng(m).integers(0, 3, size=(150, m)).astype(float)
    for settings in ({}, {"theiler": 4}, {"period": 3.0}):
        for k in (1, 2, 7):
            truth = brute_force_neighbours(x, k, **settings)  # type: ignore[arg-type]
            found = nearest_neighbours(x, k, **settings)  # type: ignore[arg-type]
            np.testing.assert_array_equal(found.distance, truth.distance)
            np.testing.assert_array_equal(found.index, truth.index)


@pytest.mark.parametrize("theiler", [0, 7, 60, 150, 220])
def test_a_wide_window_in_few_dimensions(theiler: int) -> None:
    # A slow walk, whose nearest points all lie within the window: up to a third of 660 points.
    rng = np.random.default_rng(23)
    x = np.cumsum(rng.standard_normal((660, 3)), axis=0)
    for k in (1, 4):
        assert_same(nearest_neighbours(x, k, theiler=theiler), brute_force_neighbours(x, k, theiler=theiler))


def test_a_wide_window_takes_no_memory() -> None:
    # All n (2 w + 1) names at once would be 20 000 * 6001 * 16 B = 1.9 GB; chunks of 4 MB and what is made of
    # them are granted 64 MB. Turns of 300 points: far in time, near in space.
    phase = 2 * math.pi * np.arange(20_000) / 300
    x = np.column_stack([np.cos(phase), np.sin(phase), 1e-6 * phase])
    tracemalloc.start()
    found = nearest_neighbours(x, theiler=3000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64e6
    assert (np.abs(found.index[:, 0] - np.arange(20_000)) == 3300).mean() > 0.9


def test_many_points_in_few_places() -> None:
    x = np.repeat(np.arange(5.0), 4000)[:, None] * np.ones(2)
    found = nearest_neighbours(x, 3)
    assert (found.distance == 0).all()
    assert found.index[[0, 1, 4000, 19_999]].tolist() == [
        [1, 2, 3],
        [0, 2, 3],
        [4001, 4002, 4003],
        [16_000, 16_001, 16_002],
    ]


def test_kinds_of_arrays() -> None:
    x = walk(40, 30, 0.3, 24)
    truth = nearest_neighbours(x, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        matrix = np.matrix(x)
    for same in (matrix, matrix[:, :5], x.tolist()):
        plain = np.asarray(same)
        np.testing.assert_array_equal(nearest_neighbours(same, 2).index, nearest_neighbours(plain, 2).index)
    np.testing.assert_array_equal(nearest_neighbours(matrix, 2).distance, truth.distance)
    with pytest.raises(InputError, match="type int64; expected float32 or float64"):
        nearest_neighbours(np.arange(40).reshape(20, 2))
    with pytest.raises(InputError, match=r"points have shape \(30,\)"):
        nearest_neighbours(x[0])


def test_a_file_larger_than_the_memory_granted(tmp_path: Path) -> None:
    # 46 MB of points; their Gram matrix is 0.2 MB, and a block of 1024 columns 0.8 MB at most.
    n, m = 96, 60_000
    file = np.memmap(tmp_path / "queue", np.float64, "w+", shape=(n, m))
    rng = np.random.default_rng(25)
    w = rng.standard_normal(m)
    for i in range(n):
        w = w / np.linalg.norm(w) + 1e-3 * rng.standard_normal(m) / math.sqrt(m)
        file[i] = w
    file.flush()
    read = np.memmap(tmp_path / "queue", np.float64, "r", shape=(n, m))
    nearest_neighbours(read[:80], 2)  # compiles
    tracemalloc.start()
    found = nearest_neighbours(read, 2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.5 * read.nbytes
    assert_same(found, brute_force_neighbours(np.asarray(read), 2))


@pytest.fixture
def one_torch_thread() -> Iterator[None]:
    """Two threads of torch's wait for one another fifteen times longer than they work, on a busy machine."""
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_torch_thread")
@pytest.mark.parametrize("name", ["slow walk", "fast walk", "independent", "clusters", "duplicates"])
def test_whole_gram_matrices_of_torch_give_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    from thermograd.entropy.neighbours import torch_gram

    monkeypatch.setattr(torch_gram, "_TILE", 120 * 50)  # three tiles
    x = SAMPLES[name]()[:, :3000]
    for dtype in (np.float64, np.float32):
        points = x.astype(dtype)
        for settings in ({"k": 1}, {"k": 5, "theiler": 5}, {"k": 3, "period": 1.5}):
            truth = brute_force_neighbours(points, **settings)  # type: ignore[arg-type]
            for given in (points, torch.from_numpy(points)):
                assert_same(nearest_neighbours(given, **settings, device="cpu"), truth)  # type: ignore[arg-type]


@pytest.mark.usefixtures("one_torch_thread")
def test_torch_bounds_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    # The control: a float32 Gram matrix taken at its word loses neighbours, wherever its errors exceed gaps.
    torch = pytest.importorskip("torch")
    from thermograd.entropy.neighbours import torch_gram

    x = walk(120, 3000, math.inf, 4) * 1e-4 + 1.0
    x[0] = -3.0  # far from the reference point all others are about equally near
    x[60] = 5.0  # the reference itself
    truth = brute_force_neighbours(x)
    assert_same(nearest_neighbours(x, device="cpu"), truth)
    monkeypatch.setattr(torch_gram, "_ERROR", 0.0)
    assert (nearest_neighbours(x, device="cpu").index != truth.index).any()
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")  # what a user allows is put aside, and restored
    monkeypatch.undo()
    assert_same(nearest_neighbours(x, device="cpu"), truth)
    assert torch.get_float32_matmul_precision() == "medium"
    torch.set_float32_matmul_precision(before)
    with pytest.raises(InputError, match="device is 'nowhere'"):
        nearest_neighbours(x, device="nowhere")


@pytest.mark.usefixtures("one_torch_thread")
@pytest.mark.parametrize(
    "allow",
    [
        [
            "torch.backends.cuda.matmul.fp32_precision = 'tf32'",
            "torch.backends.fp32_precision = 'tf32'",
            "torch.backends.cuda.matmul.fp32_precision = 'none'",
            "torch.backends.mkldnn.matmul.fp32_precision = 'bf16'",
        ],
        [
            "torch.backends.cuda.matmul.allow_tf32 = True",
            "torch.backends.cuda.matmul.allow_tf32 = False",
            "torch.set_float32_matmul_precision('medium')",
            "torch.backends.cuda.matmul.allow_tf32 = True",
            "torch.set_float32_matmul_precision('highest')",
        ],
    ],
)
def test_precision_that_users_allow_is_put_aside_and_restored(allow: list[str]) -> None:
    # In a process of its own: torch never forgets that its new settings were written.
    torch = pytest.importorskip("torch")
    if "fp32_precision" in allow[0] and not hasattr(torch.backends.cuda.matmul, "fp32_precision"):
        pytest.skip("this torch has only the old setting of precision")
    program = f"""
import numpy as np, torch
from thermograd.entropy.neighbours import torch_gram
from thermograd.entropy.neighbours.nearest import nearest_neighbours

def seen():
    old = []
    for read in (torch.get_float32_matmul_precision, lambda: torch.backends.cuda.matmul.allow_tf32):
        try:
            old.append(read())
        except RuntimeError:
            old.append(None)
    if not hasattr(torch.backends.cuda.matmul, "fp32_precision"):
        return old
    new = torch.backends
    return old, new.fp32_precision, new.cuda.matmul.fp32_precision, new.mkldnn.matmul.fp32_precision

x = np.random.default_rng(0).standard_normal((40, 20))
truth = nearest_neighbours(x).index
for line in {allow}:
    exec(line)
    before = seen()
    assert (nearest_neighbours(x, device="cpu").index == truth).all()
    assert seen() == before, (line, before, seen())
    with torch_gram._whole_float32():
        inside = seen()
        assert not any(word in str(inside) for word in ("bf16", "medium", "high'", "True")), inside
        assert None not in inside[0], inside  # old and new settings agree: torch refuses to go on otherwise
        assert "tf32" not in str(inside[2:]), inside
    assert seen() == before, (line, before, seen())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_benchmark_compares_the_same_metric() -> None:
    pytest.importorskip("sklearn")
    path = Path(__file__).parents[1] / "benchmarks" / "nearest.py"
    spec = importlib.util.spec_from_file_location("benchmark_of_nearest", path)
    assert spec is not None
    assert spec.loader is not None
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    for name, step in benchmark.WALKS.items():
        for space, (theirs, ours, same) in benchmark.contestants(benchmark.walk(200, 1000, step)).items():
            # A Gram matrix of 1000 columns about a mean some 10 steps away: 1e-13 (10 steps / step)^2 d.
            off = np.abs(np.log(same() / ours())).max()
            assert off < 1e-6, (name, space)
            if space == "chart" and step > 1e-3:  # the control: without the period other neighbours are found
                assert np.abs(np.log(theirs() / ours())).max() > 1e-3


def test_points_equally_far_apart_are_not_followed_by_the_thousand(monkeypatch):
    # In the chart the last columns tell most of a distance, and of equal distances nothing is foreseen: the
    # doubt about it must count when it is decided how much of the Gram matrix to make.
    followed, follow = [], searching.follow

    def counting(columns, i, *others, **options):
        followed.append(len(i))
        return follow(columns, i, *others, **options)

    monkeypatch.setattr(searching, "follow", counting)
    n = 1000
    chart_neighbours(np.random.default_rng(1).standard_normal((n, 20_000)))
    assert sum(followed) < 0.05 * n * (n - 1) / 2


@pytest.mark.parametrize(("factor", "one"), [(1e200, 1.0), (1.0, np.nan)])
def test_growth_is_not_asked_of_points_that_are_none(monkeypatch, factor, one):
    # Bounds that are no numbers have no nearest, index -1: one row before the array, if anybody read there.
    asked, growth = [], searching.growth

    def watching(columns, i, j, pool=None):
        asked.append(np.concatenate([i, j]))
        return growth(columns, i, j, pool)

    monkeypatch.setattr(searching, "growth", watching)
    x = factor * np.random.default_rng(0).standard_normal((100, 3000))
    x[7, 0] *= one
    for search_in in (nearest_neighbours, chart_neighbours):
        with np.errstate(all="ignore"), contextlib.suppress(InputError):
            search_in(x)
    assert asked
    assert all((some >= 0).all() for some in asked)
