"""Queues under a memory budget: what each kind keeps, what it loses, and that it says so."""

from __future__ import annotations

import errno
import io
import math
import os
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from thermograd.entropy import DirectionQueue, EntropyEstimate, knn_graph, kozachenko_leonenko
from thermograd.entropy.neighbours.nearest import nearest_neighbours
from thermograd.entropy.normalised import normalised
from thermograd.entropy.points_file import open_points
from thermograd.entropy.queues.budget import check_fits, entropy_queue
from thermograd.entropy.queues.difference_queue import DifferenceQueue
from thermograd.entropy.queues.disk_queue import DiskQueue
from thermograd.entropy.queues.sketch_queue import SketchQueue
from thermograd.entropy.queues.sketched_neighbours import sketched_neighbours
from thermograd.entropy.queues.stream import EntropyQueue
from thermograd.errors import InputError

Array = NDArray[np.float64]
Make = Callable[[Path], EntropyQueue]

KINDS: dict[str, Callable[[int, int, Path], EntropyQueue]] = {
    "memory": lambda n, d, folder: DirectionQueue(n, d),
    "disk": lambda n, d, folder: DiskQueue(n, d, folder),
    "differences": lambda n, d, folder: DifferenceQueue(n, d),
    "sketch": lambda n, d, folder: SketchQueue(n, d, width=512),
}


@lru_cache(maxsize=8)
def walk(n: int, d: int, step: float, seed: int = 0, spread: float = 0.0) -> Array:
    """Directions of a random walk with steps of this length, and of lengths that differ if asked to."""
    rng = np.random.default_rng(seed)
    if step == math.inf:  # nothing left of where it was
        x = rng.standard_normal((n, d))
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        x.flags.writeable = False
        return x
    steps = step / math.sqrt(d) * rng.standard_normal((n, d)) * np.exp(spread * rng.standard_normal((n, 1)))
    start = rng.standard_normal(d)
    x = start / np.linalg.norm(start) + np.cumsum(steps, axis=0)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    x.flags.writeable = False  # cached
    return x


def filled(queue: EntropyQueue, x: Array) -> EntropyQueue:
    for vector in x:
        queue.update(vector)
    return queue


# -- kinds that keep vectors
# ----------------------------------------------------------------------------------

ESTIMATES: list[tuple[Callable[..., EntropyEstimate], dict[str, Any]]] = [
    (kozachenko_leonenko, {"k": 2}),
    (kozachenko_leonenko, {"manifold": "geodesic", "theiler": 3}),
    (kozachenko_leonenko, {"manifold": "sphere"}),
    (knn_graph, {"k": 5}),
]


@pytest.mark.parametrize(("estimator", "settings"), ESTIMATES)
def test_float32_differences_keep_neighbours_of_a_millionth(
    estimator: Callable[..., EntropyEstimate], settings: dict[str, Any]
) -> None:
    # Random error 2e-8 sqrt(d/n) R/rho = 3e-6 nats at R/rho = 8; the chart magnifies its last columns only.
    # Rounded directions: sqrt(d/n) * 6e-8/sqrt(12) / 1e-6 relative to a coordinate: several nats.
    n, d = 60, 24_408
    x = walk(n, d, 1e-6)
    truth = estimator(x, **settings)
    told = filled(DifferenceQueue(n, d), x).compute(estimator, **settings)
    assert told.entropy == pytest.approx(truth.entropy, abs=1e-4)
    assert told.se == pytest.approx(truth.se, rel=1e-4)
    assert (told.n, told.dim, told.absolute) == (truth.n, truth.dim, truth.absolute)
    assert {**told.settings} == {**truth.settings}
    if settings != {"manifold": "sphere"}:  # the control: directions rounded themselves
        assert abs(estimator(x.astype(np.float32), **settings).entropy - truth.entropy) > 1.0


@pytest.mark.parametrize(("estimator", "settings"), ESTIMATES)
def test_the_disk_loses_nothing(
    tmp_path: Path, estimator: Callable[..., EntropyEstimate], settings: dict[str, Any]
) -> None:
    x = 3.0 * walk(25, 700, 1e-3)
    truth = filled(DirectionQueue(20, 700), x).compute(estimator, **settings)
    with DiskQueue(20, 700, tmp_path / "queue") as queue:
        assert filled(queue, x).compute(estimator, **settings) == truth
        assert len(queue) == 20  # an entropy takes nothing away
    assert not (tmp_path / "queue").exists()


def test_differences_follow_a_walk_that_goes_far() -> None:
    # The reference moves once a queue length and each vector with it once: R/rho stays below 2 * 40, where a
    # fixed reference would be 1000 steps away. Asking in between must not move it.
    n, d = 40, 1000
    x = walk(1000, d, 1e-5)
    queue, asked = DifferenceQueue(n, d), DifferenceQueue(n, d)
    for i, vector in enumerate(x):
        queue.update(vector)
        asked.update(vector)
        if i > n and i % 7 == 0:
            asked.compute(knn_graph, k=2)
    truth = kozachenko_leonenko(x[-n:], manifold="geodesic").entropy
    # 2e-8 sqrt(1000/40) 80 = 8e-6 nats
    for each in (queue, asked):
        assert each.compute(kozachenko_leonenko, manifold="geodesic").entropy == pytest.approx(
            truth, abs=1e-4
        )


def test_rounding_that_matters_is_told() -> None:
    # A step of 1e-9 beside a jump of 1: the reference is 1e9 steps away.
    x = walk(30, 2000, 1e-9)
    jump = np.roll(x[0], 1)
    said = filled(DifferenceQueue(31, 2000), np.vstack([jump[None], x])).compute(kozachenko_leonenko, k=1)
    assert any("reference that is far away" in text for text in said.warnings)
    quiet = filled(DifferenceQueue(30, 2000), x).compute(kozachenko_leonenko, k=1)
    assert not any("reference" in text for text in quiet.warnings)


def test_estimates_from_disk_take_little_memory(tmp_path: Path) -> None:
    n, d = 200, 40_000
    with DiskQueue(n, d, tmp_path / "queue", "float32") as queue:
        rng = np.random.default_rng(0)
        w = rng.standard_normal(d, dtype=np.float32)
        for _ in range(n):
            w += 1e-3 * rng.standard_normal(d, dtype=np.float32)
            queue.update(w)
        queue.compute(kozachenko_leonenko, manifold="geodesic")  # compiles
        tracemalloc.start()
        queue.compute(kozachenko_leonenko, manifold="geodesic")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    # The directions are 64 MB, of which a search may take a quarter.
    assert peak < 16e6, peak


# -- kept through restarts
# ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("at", [3, 11, 25])
def test_restored_is_undisturbed_bit_for_bit(tmp_path: Path, kind: str, at: int) -> None:
    x = walk(40, 600, 1e-3)
    make = KINDS[kind]
    whole = filled(make(10, 600, tmp_path / "a"), x)
    first = filled(make(10, 600, tmp_path / "b"), x[:at])
    file = io.BytesIO()
    np.savez(file, **first.state_dict())
    first.update(x[0])  # what is saved does not follow
    file.seek(0)
    second = make(10, 600, tmp_path / "c")
    with np.load(file, allow_pickle=False) as state:
        second.load_state_dict(dict(state))
    assert second.updates == at
    filled(second, x[at:])
    assert second.compute(kozachenko_leonenko, k=2) == whole.compute(kozachenko_leonenko, k=2)
    second.reset()
    assert len(second) == 0
    assert not second.full
    with pytest.raises(InputError, match="0 vectors are in the queue; expected 10"):
        second.compute(kozachenko_leonenko)


WORKER = """
import sys, numpy as np
from thermograd.entropy.queues.disk_queue import DiskQueue
queue = DiskQueue(50, 20_000, sys.argv[1])
for i in range(10**9):
    queue.update(np.full(20_000, float(i + 1)) * np.r_[1.0, np.full(19_999, i + 1.0)])
    print(i, flush=True)
"""


def test_a_killed_process_leaves_a_whole_queue(tmp_path: Path) -> None:
    worker = subprocess.Popen([sys.executable, "-c", WORKER, str(tmp_path / "q")], stdout=subprocess.PIPE)
    assert worker.stdout is not None
    said = -1
    while said < 120:
        said = int(worker.stdout.readline())
    os.kill(worker.pid, signal.SIGKILL)
    rest = worker.stdout.read().split()
    worker.stdout.close()
    worker.wait()
    said = int(rest[-1]) if rest else said
    with DiskQueue(50, 20_000, tmp_path / "q") as queue:
        # The vector under way may count or not; all others are there.
        assert queue.updates - 1 in (said, said + 1)
        seen: list[Array] = []

        def look(u: Array) -> EntropyEstimate:
            seen.append(np.array(u))
            return kozachenko_leonenko(u)

        queue.compute(look)
        i = queue.updates - 50 + np.arange(50) + 1.0
        expected = np.column_stack([1 / i, np.ones((50, 3))])
        np.testing.assert_allclose(seen[0][:, :4] / seen[0][:, 1:2], expected, rtol=1e-12)


def test_a_vector_half_written_does_not_count(tmp_path: Path) -> None:
    x = walk(9, 30, 1e-2)
    queue = filled(DiskQueue(4, 30, tmp_path), x)
    before = queue.compute(kozachenko_leonenko)
    queue._store(np.full(30, 7.0))  # and killed before it was counted
    assert queue.compute(kozachenko_leonenko) == before


def test_files_stay_when_work_fails(tmp_path: Path) -> None:
    def fail() -> None:
        with DiskQueue(4, 30, tmp_path / "q") as queue:
            queue.update(np.ones(30))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with DiskQueue(4, 30, tmp_path / "q") as queue:
        assert len(queue) == 1
    assert list(tmp_path.iterdir()) == []


# -- sketches
# -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [512, 2048])
def test_a_sketched_square_is_unbiased_with_variance_two_over_width(width: int) -> None:
    # 150 seeds: the mean within 4 standard errors, the variance known to sqrt(2/150) = 12% each, within 4 of
    # them.
    d = 20_000
    x = np.random.default_rng(0).standard_normal((2, d))
    x[1] = x[0] + 1e-3 * x[1]
    u = x / np.linalg.norm(x, axis=1, keepdims=True)
    exact = float(np.sum((u[0] - u[1]) ** 2))
    ratios = []
    for seed in range(150):
        s = filled(SketchQueue(2, d, width=width, seed=seed), x).state_dict()["sketches"]
        ratios.append(np.sum((s[:, 0] - s[:, 1]) ** 2) / len(s) / exact)
    assert np.mean(ratios) == pytest.approx(1.0, abs=4 * math.sqrt(2 / width / 150))
    assert np.var(ratios) == pytest.approx(2 / width, rel=0.48)


def test_differences_in_few_coordinates_lose_nothing() -> None:
    # A single coordinate that moves cannot collide with itself: the sketch is exact, and its noise measured
    # as 0.
    n, d = 60, 5000
    w = np.ones((n, d))
    w[:, 17] += 1e-3 * np.cumsum(np.random.default_rng(0).exponential(size=n))
    u = w / np.linalg.norm(w, axis=1, keepdims=True)
    truth = kozachenko_leonenko(u, manifold="geodesic")
    told = filled(SketchQueue(n, d, width=512), w).compute(kozachenko_leonenko, manifold="geodesic")
    # Normalising moves each of the others by 1/d as much, and d/64 of them share a sum with the one: 2
    # sqrt(d/64)/d of the square in a part, 8 of which are averaged: half of it, d times, is 3.1 nats, and 4
    # of these. A sketch of spread differences, all in one direction, would be off by d / sqrt(2 K) = 156.
    assert told.entropy == pytest.approx(truth.entropy, abs=12.5)


REGIMES = {
    "isotropic walk": {"step": 1e-6},
    "steps of 5%": {"step": 1e-3, "spread": 0.05},
    "steps of 30%": {"step": 1e-3, "spread": 0.3},
    "steps of all lengths": {"step": 1e-3, "spread": 1.0},
    "independent": {"step": math.inf},
}


@pytest.mark.parametrize("regime", REGIMES)
def test_sketched_entropies_within_their_error(regime: str) -> None:
    n, d, width = 300, 8_000, 1024
    x = walk(n, d, **REGIMES[regime])
    queue = filled(SketchQueue(n, d, width=width), x)
    for settings in ({"manifold": "geodesic"}, {"k": 3}):
        truth = kozachenko_leonenko(x, **settings)
        told = queue.compute(kozachenko_leonenko, **settings)
        # Truth and sketch see one sample: only what the sketch adds is between them. Three se, and the
        # doubt about a minimum of two; of 300, it is 2.85/0.564 times as large.
        ties = 5.1 if regime == "independent" else 1.0
        added = d * (3 / math.sqrt(2 * width * n) + ties / (4 * math.sqrt(2 * math.pi * width)))
        assert abs(told.entropy - truth.entropy) < added
        assert abs(told.entropy - truth.entropy) < 3 * told.se
        assert told.settings["sketch"] == width
        assert any("sketches of 1024 numbers" in text for text in told.warnings)
    truth, told = knn_graph(x, k=10), queue.compute(knn_graph, k=10)
    assert abs(told.entropy - truth.entropy) < 3 * told.se
    assert (told.absolute, told.dim) == (False, d - 1)


def test_the_bias_of_the_minimum_and_its_bounds() -> None:
    # Two neighbours at equal distances, of a walk: the plain minimum reads 1/sqrt(2 pi K) too low. One
    # sketch's mean over n points is known to 1/sqrt(2 K n); three walks, so sqrt(3) better; 4 of these.
    n, d, width = 300, 8_000, 1024
    low, high = [], []
    for seed in range(3):
        x = walk(n, d, 1e-3, seed)
        truth = np.log(nearest_neighbours(x).distance).mean()
        s = filled(SketchQueue(n, d, width=width, seed=seed), x).state_dict()["sketches"]
        found = sketched_neighbours(s)
        assert found.noise == pytest.approx(1 / (2 * width / 8), rel=0.15)
        low.append(np.log(found.plain).mean() + found.noise / 8 - truth)
        high.append(np.log(found.crossed).mean() + found.noise - truth)
    tolerance = 4 / math.sqrt(2 * width * n * 3)
    # True distances vary too, by 1/sqrt(2 d): of two, the smaller is 1/sqrt(2 pi d) below the mean.
    bias = math.sqrt(1 / (2 * math.pi * d)) - math.sqrt(1 / (2 * math.pi * d) + 1 / (2 * math.pi * width))
    assert np.mean(low) == pytest.approx(bias, abs=tolerance)
    assert np.mean(low) < -tolerance  # the control: uncorrected, it is seen to be wrong
    assert -tolerance < np.mean(high) < math.sqrt(1 / (2 * math.pi * d)) + tolerance


def test_coinciding_vectors_are_minus_infinity() -> None:
    x = walk(20, 2000, 1e-3)
    x = x[[*range(7), 6, *range(8, 20)]]
    queue = filled(SketchQueue(20, 2000, width=512), x)
    told = queue.compute(kozachenko_leonenko)
    assert told.entropy == -math.inf
    assert any("coincide" in text for text in told.warnings)
    assert math.isfinite(queue.compute(kozachenko_leonenko, k=2).entropy)
    graph = filled(SketchQueue(20, 2000, width=512), np.repeat(x[:2], 10, axis=0)).compute(knn_graph, k=3)
    assert graph.entropy == -math.inf


def test_sketches_take_no_memory_of_the_vector() -> None:
    d = 3_000_000
    queue = SketchQueue(2, d)
    w = np.random.default_rng(0).standard_normal(d, dtype=np.float32)
    queue.update(w)
    tracemalloc.start()
    queue.update(w)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert queue.bytes == 16384
    assert peak < 2 * w.nbytes  # 12 MB: blocks of a million coordinates, and the check for nan


# -- the choice
# -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("budget", "dtype", "on_disk", "kind", "loses"),
    [
        (1e9, "float64", False, DirectionQueue, "in memory: nothing"),
        (7e8, "float32", False, DirectionQueue, "in memory: nothing"),
        (7e8, "float64", False, DifferenceQueue, "differences in float32"),
        (2e8, "float64", True, DiskQueue, "on disk: nothing"),
        (2e8, "float64", False, SketchQueue, "sketches of 2048 numbers: about 22 nats"),
        (1.25e8, "float64", False, SketchQueue, "sketches of 512 numbers: about 43 nats"),
    ],
)
def test_the_most_faithful_that_fits(
    tmp_path: Path, budget: float, dtype: str, on_disk: bool, kind: type, loses: str
) -> None:
    folder = tmp_path / "q" if on_disk else None
    d = 43_692 if kind is not DiskQueue else 3_000
    budget = budget if kind is not DiskQueue else 1.2e8
    queue = entropy_queue(1000, d, int(budget), dtype=dtype, folder=folder)
    assert type(queue) is kind
    assert queue.loses.startswith(loses)
    assert queue.bytes <= budget
    if isinstance(queue, DiskQueue):
        queue.close()


def test_a_budget_too_small_is_refused_with_the_number() -> None:
    with pytest.raises(
        InputError, match=r"1000 vectors of length 43692 need \d+ MB at least; expected at most"
    ):
        entropy_queue(1000, 43_692, 10**7)
    with pytest.raises(InputError, match=r"10 vectors of length 100 need 67.\d MB at least"):
        entropy_queue(10, 100, 10**6)
    with pytest.raises(
        InputError, match=r"directions in float64 need .* GB in all; expected at most the budget"
    ):
        filled(DifferenceQueue(10, 100, budget=10_000), walk(10, 100, 1e-2)).compute(
            kozachenko_leonenko, manifold="sphere"
        )
    with pytest.raises(InputError, match=r"x: 10 points of 1000000 coordinates need [0-9e.+]+ GB of memory"):
        check_fits("x", 10, 10**6, 10**15, covariance=True)


def test_a_file_larger_than_memory_is_not_refused_for_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    # What is made of it at a time is bounded by the memory, as the search bounds it.
    from thermograd.entropy.neighbours import search
    from thermograd.entropy.queues import budget

    for module in (search, budget):
        monkeypatch.setattr(module, "physical_bytes", lambda: 8 * 10**9)
    check_fits("x.npy", 60_000, 150_000, 72 * 10**9)
    assert search.tile_bytes(72 * 10**9) == 10**9
    assert search.tile_bytes(10**9) == 250_000_000
    assert search.tile_bytes(1) == 2**26
    for module in (search, budget):
        monkeypatch.setattr(module, "physical_bytes", lambda: 10**8)
    with pytest.raises(InputError, match=r"need .* GB of memory"):  # the control
        check_fits("x.npy", 60_000, 150_000, 72 * 10**9)


def test_types_of_torch_s_are_taken_by_name() -> None:
    torch = pytest.importorskip("torch")
    for kind, name in ((torch.float32, "float32"), (torch.float64, "float64")):
        queue = entropy_queue(3, 4, 10**9, dtype=kind)
        assert isinstance(queue, DirectionQueue)
        assert queue.bytes == entropy_queue(3, 4, 10**9, dtype=name).bytes
        queue.update(torch.ones(4, dtype=kind))
    with pytest.raises(InputError, match="dtype is float16; expected float32 or float64, because"):
        entropy_queue(3, 4, 10**9, dtype=torch.float16)
    for kind, name in ((torch.int64, "int64"), ("float31", "float31")):
        with pytest.raises(InputError, match=f"dtype is {name}; expected float32 or float64$"):
            entropy_queue(3, 4, 10**9, dtype=kind)


@pytest.mark.parametrize("kind", ["memory", "differences"])
@pytest.mark.parametrize("manifold", ["euclidean", "geodesic"])
def test_weights_that_never_moved_are_refused_alike(tmp_path: Path, kind: str, manifold: str) -> None:
    queue = filled(KINDS[kind](5, 600, tmp_path / "q"), np.tile(walk(1, 600, 1.0), (7, 1)))
    with pytest.raises(InputError, match="kozachenko_leonenko: all 5 points are the same"):
        queue.compute(kozachenko_leonenko, manifold=manifold)


@pytest.mark.parametrize("kind", KINDS)
def test_directions_read_as_points_of_space_are_warned_of(tmp_path: Path, kind: str) -> None:
    queue = filled(KINDS[kind](20, 600, tmp_path / "q"), walk(20, 600, 1e-2))
    flat, arcs = (queue.compute(kozachenko_leonenko, manifold=m) for m in ("euclidean", "geodesic"))
    assert not flat.absolute
    assert sum("the points lie on a sphere" in text for text in flat.warnings) == 1
    assert arcs.absolute
    assert not any("lie on a sphere" in text for text in arcs.warnings)


def test_a_graph_of_sketches_with_copies_is_finite_and_called_so() -> None:
    x = walk(20, 600, 1e-2)[[*range(7), 6, *range(8, 20)]]
    queue = filled(SketchQueue(20, 600, width=512), x)
    graph = queue.compute(knn_graph, k=3)
    assert math.isfinite(graph.entropy)
    assert "2 of 20 points coincide" in graph.warnings[0]
    assert "infinity" not in " ".join(graph.warnings)
    for dimension in (2.5, "a", True, 0, 601):
        with pytest.raises(
            InputError, match=r"dimension of the surface is .*; expected an integer from 1 to 600"
        ):
            queue.compute(knn_graph, k=3, dimension=dimension)


HALF = np.ones(600, dtype=np.float16)


@pytest.mark.parametrize("kind", KINDS)
def test_halves_and_what_is_no_vector(tmp_path: Path, kind: str) -> None:
    queue = KINDS[kind](3, 600, tmp_path / "q")
    with pytest.raises(
        InputError, match="float16; expected float32 or float64, because half precision rounds"
    ):
        queue.update(HALF)
    for bad, said in (
        (np.ones(5), r"shape \(5,\); expected \(600,\)"),
        (np.full(600, np.nan), "entry 0 of the vector is nan"),
        (np.zeros(600), "the vector is zero"),
        (np.ones(600, dtype=int), "type int64"),
    ):
        with pytest.raises(InputError, match=said):
            queue.update(bad)
    assert len(queue) == 0
    with pytest.raises(InputError, match=r"the state has \['updates'\]"):
        queue.load_state_dict({"updates": 1})


def test_bfloat16_is_refused() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(InputError, match="bfloat16; expected float32 or float64, because half"):
        DifferenceQueue(3, 4).update(torch.ones(4, dtype=torch.bfloat16))
    with pytest.raises(InputError, match="dtype is bfloat16; expected float32 or float64"):
        entropy_queue(3, 4, 10**9, dtype=torch.bfloat16)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda f: SketchQueue(4, 5000, width=1000), "width is 1000; expected a power of two"),
        (lambda f: SketchQueue(4, 5000, width=256), "width is 256; expected an integer of at least 512"),
        (lambda f: SketchQueue(4, 500, width=512), "width is 512; expected at most dim = 500"),
        (lambda f: SketchQueue(4, 5000, seed=-1), "seed is -1"),
        (lambda f: DifferenceQueue(4, 5000, budget=100), "expected at most the budget of 100"),
        (lambda f: DiskQueue(2, 3, f, "float16"), "dtype is float16; expected float32 or float64, because"),
        (lambda f: DiskQueue(10**6, 10**9, f), r"1.6e\+07 GB are needed in .*; expected at most the .* GB"),
        (lambda f: DiskQueue(2, 3, "/proc/none"), "/proc/none cannot be used"),
        (lambda f: entropy_queue(2, 3, 0), "budget is 0"),
        (
            lambda f: filled(SketchQueue(9, 600, width=512), walk(9, 600, 1.0)).compute(
                kozachenko_leonenko, manifold="sphere"
            ),
            "can not serve kozachenko_leonenko with manifold='sphere'",
        ),
        (
            lambda f: filled(SketchQueue(9, 600, width=512), walk(9, 600, 1.0)).compute(len),
            "can not serve len; expected kozachenko_leonenko",
        ),
        (
            lambda f: SketchQueue(4, 600, width=512, seed=1).load_state_dict(
                SketchQueue(4, 600, width=512).state_dict()
            ),
            "saved sketches have seed 0; expected 1",
        ),
    ],
)
def test_bad_input(tmp_path: Path, call: Callable[[Path], object], said: str) -> None:
    with pytest.raises(InputError, match=said) as error:
        call(tmp_path)
    assert "\n" not in str(error.value)


def test_a_folder_of_another_queue(tmp_path: Path) -> None:
    first = DiskQueue(3, 4, tmp_path)
    with pytest.raises(InputError, match="is in use; expected a folder that no other queue has open"):
        DiskQueue(3, 4, tmp_path)
    del first
    with pytest.raises(InputError, match=r"holds \(4, 4\) float64; expected \(5, 4\) float64"):
        DiskQueue(4, 4, tmp_path)


# -- files
# ----------------------------------------------------------------------------------------------------


def test_directions_too_many_for_memory_go_to_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    x = 2.0 * walk(30, 50, 1e-2)
    monkeypatch.setattr("thermograd.entropy.normalised.physical_bytes", lambda: 1000)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with normalised(x) as u:
        assert isinstance(u, np.memmap)
        np.testing.assert_allclose(u, x / 2.0, rtol=1e-15)
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_not_read_before_it_is_needed(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", walk(30, 50, 1e-2))
    points = open_points(tmp_path / "x.npy")
    assert isinstance(points, np.memmap)
    assert not points.flags.writeable


# -- disks that are full, and folders that cannot be written
# ------------------------------------------------------------------------------------


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_is_one_line_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.posix_fallocate", full, raising=False)
    with pytest.raises(
        InputError, match=r"q cannot be used \(No space left on device\); expected a folder that can be"
    ) as error:
        DiskQueue(30, 40, tmp_path / "q")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "q").exists()
    # Where the system cannot reserve, zeros are written: the same end.
    monkeypatch.delattr("os.posix_fallocate", raising=False)
    monkeypatch.setattr("os.write", full)
    with pytest.raises(InputError, match="No space left on device"):
        DiskQueue(30, 40, tmp_path / "q")
    assert not (tmp_path / "q").exists()
    monkeypatch.undo()
    monkeypatch.delattr("os.posix_fallocate", raising=False)
    x = walk(35, 40, 1e-2)
    with DiskQueue(30, 40, tmp_path / "q") as queue:
        same = filled(DirectionQueue(30, 40), x).compute(knn_graph, k=3)
        assert filled(queue, x).compute(knn_graph, k=3) == same


def test_a_disk_that_fills_up_later_costs_nothing_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # All space was taken in the beginning: going on, and reading, ask for none.
    x = walk(40, 50, 1e-2)
    filled(DiskQueue(20, 50, tmp_path / "q"), x[:25])
    monkeypatch.setattr("os.posix_fallocate", full, raising=False)
    monkeypatch.setattr("os.write", full)
    with DiskQueue(20, 50, tmp_path / "q") as queue:
        assert queue.updates == 25
        same = filled(DirectionQueue(20, 50), x).compute(kozachenko_leonenko)
        assert filled(queue, x[25:]).compute(kozachenko_leonenko) == same


LIMITED = """
import resource, sys, numpy as np
from thermograd.entropy import DiskQueue, kozachenko_leonenko
from thermograd.errors import InputError
with DiskQueue(20, 500, sys.argv[1]) as queue:
    for row in np.random.default_rng(0).standard_normal((20, 500)):
        queue.update(row)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
    try:
        DiskQueue(200, 500, sys.argv[2])
    except InputError as error:
        print(error)
    print(queue.compute(kozachenko_leonenko).n)
"""


def test_a_limit_on_files_is_one_line_and_no_death(tmp_path: Path) -> None:
    pytest.importorskip("resource")
    result = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path / "a"), str(tmp_path / "b")],
        capture_output=True,
        text=True,
        check=True,
    )
    said, n = result.stdout.splitlines()
    assert "b cannot be used (File too large); expected a folder that can be written and 0.0016 GB" in said
    assert n == "20"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS])
def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    # By the call, not by chmod: an administrator may write everywhere.
    def refuse(*_: object, **__: object) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("os.open", refuse)
    with pytest.raises(InputError, match=r"cannot be used \((Permission denied|Read-only file system)\)"):
        DiskQueue(3, 4, tmp_path)


def test_directions_that_do_not_fit_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thermograd.entropy.normalised.physical_bytes", lambda: 1000)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("os.posix_fallocate", full, raising=False)
    with (
        pytest.raises(InputError, match=r"x: directions of .* GB cannot be written to .* \(No space left"),
        normalised(walk(30, 50, 1e-2), True, "x"),
    ):
        pass
    assert list(tmp_path.iterdir()) == []
