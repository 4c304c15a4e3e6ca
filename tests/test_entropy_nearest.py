from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from thermograd.entropy import nearest
from thermograd.entropy.nearest import nearest_neighbours

Array = NDArray[np.float64]


def brute(x: Array, k: int, period: float | None = None) -> Array:
    """All differences, one pair at a time: slow and obviously right."""
    n = len(x)
    distance = np.full((n, n), np.inf)
    for i in range(n):
        difference = x - x[i]
        if period is not None:
            last = np.abs(difference[:, -1])
            difference[:, -1] = np.minimum(last, np.abs(last - period))
        distance[i] = np.sqrt(np.sum(difference**2, axis=1))
        distance[i, i] = np.inf
    return np.sort(distance, axis=1)[:, :k]


def walk(n: int, d: int, step: float, rng: np.random.Generator) -> Array:
    """A random walk on the unit sphere."""
    points = np.empty((n, d))
    w = rng.standard_normal(d)
    for i in range(n):
        w += step * rng.standard_normal(d) / math.sqrt(d)
        w /= np.linalg.norm(w)
        points[i] = w
    return points


@pytest.mark.parametrize("m", [1, 3, 8, 9, 40])  # up to 8 by a tree, above by a Gram matrix
@pytest.mark.parametrize("period", [None, 2 * math.pi])
def test_equals_all_differences(m: int, period: float | None) -> None:
    x = np.random.default_rng(m).uniform(-math.pi, math.pi, size=(60, m))
    found = nearest_neighbours(x, 7, period=period)
    np.testing.assert_allclose(found.distance, brute(x, 7, period), rtol=1e-13)
    assert (found.index != np.arange(60)[:, None]).all()


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).uniform(-3, 3, size=(50, 23))
    whole = nearest_neighbours(x, 5, period=6.5)
    for name, size in (("_ROWS", 7), ("_COLUMNS", 4), ("_PAIRS", 3)):
        monkeypatch.setattr(nearest, name, size)
    parts = nearest_neighbours(x, 5, period=6.5)
    np.testing.assert_allclose(parts.distance, whole.distance, rtol=1e-14)
    np.testing.assert_array_equal(parts.index, whole.index)


@pytest.mark.parametrize("step", [1e-2, 1e-7])
def test_exact_for_iterates_of_a_network(step: float) -> None:
    # d of ConvNet(8). The entropy is d times the mean log distance: its error must stay below 1e-9 of itself.
    d = 24_408
    x = walk(60, d, step, np.random.default_rng(1))
    truth = d * np.log(brute(x, 1)).mean()
    found = d * np.log(nearest_neighbours(x).distance).mean()
    assert abs(found - truth) <= 1e-9 * abs(truth)
    assert np.median(nearest_neighbours(x).distance) == pytest.approx(step, rel=0.1)
    # The shortcut that this is to prevent: float32 squared distances from a Gram matrix.
    y = x.astype(np.float32)
    squares = np.sum(y * y, axis=1)
    gram = squares[:, None] + squares - 2 * y @ y.T
    np.fill_diagonal(gram, np.inf)
    wrong = d * np.log(np.sqrt(np.maximum(gram.min(axis=1).astype(float), 1e-30))).mean()
    assert abs(wrong - truth) > 1e-7 * abs(truth)


def test_exact_when_clusters_lie_far_apart() -> None:
    # Two clouds of width 1e-7 a distance 2 apart: centring cannot help, the candidates must all be measured.
    rng = np.random.default_rng(2)
    x = 1e-7 * rng.standard_normal((40, 300))
    x[::2, 0] += 2.0
    np.testing.assert_allclose(nearest_neighbours(x, 3).distance, brute(x, 3), rtol=1e-12)


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
    found = nearest_neighbours(x, period=2 * math.pi)
    assert found.distance[0, 0] == pytest.approx(1e-9, rel=1e-6)
    assert found.distance[2, 0] == pytest.approx(1e-9, rel=1e-8)
    assert found.index[:, 0].tolist() == [1, 0, 3, 2]


def test_float32_points_are_measured_in_float64() -> None:
    x = (1 + 1e-6 * np.random.default_rng(4).standard_normal((50, 200))).astype(np.float32)
    np.testing.assert_allclose(nearest_neighbours(x, 3).distance, brute(x.astype(np.float64), 3), rtol=1e-13)
