"""Rows whose norm is not quite 1: radial noise is no distance, and no more than a block is copied."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pytest
from numpy.typing import NDArray

from thermograd.entropy import (
    diagnose,
    gaussian_tangent,
    knn_graph,
    kozachenko_leonenko,
    kozachenko_leonenko_many,
    nearest_neighbours,
    von_mises_fisher,
)
from thermograd.entropy.direction_neighbours import direction_neighbours
from thermograd.entropy.directions import Directions, row_norms
from thermograd.entropy.points import as_directions
from thermograd.errors import InputError
from thermograd.theory import vmf

Array = NDArray[np.float64]
D = 24_408


@lru_cache(maxsize=4)
def walk(n: int, d: int, step: float) -> Array:
    rng = np.random.default_rng([n, d])
    x = rng.standard_normal(d)
    x = x / np.linalg.norm(x) + np.cumsum(step / math.sqrt(d) * rng.standard_normal((n, d)), axis=0)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    x.flags.writeable = False  # cached
    return x


def off(x: Array, noise: float) -> Array:
    """The same directions, of norms that are 1 give or take so much."""
    return x * (1.0 + noise * np.random.default_rng(7).uniform(-1, 1, (len(x), 1)))


@pytest.mark.parametrize("noise", [1e-7, 1e-6, 9e-6])
@pytest.mark.parametrize(
    "read",
    [
        lambda x: kozachenko_leonenko(x, 2, "geodesic").entropy,
        lambda x: kozachenko_leonenko(x, manifold="geodesic", theiler=3).entropy,
        lambda x: knn_graph(x, 10).entropy,
        lambda x: diagnose(x, rng=np.random.default_rng(0)).entropy,
    ],
)
def test_radial_noise_of_a_walk_of_a_millionth_is_no_distance(
    read: Callable[[Array], float], noise: float
) -> None:
    # Correcting costs 1e-15 |r_i - r_j| / rho^2 of a distance: 2e-8 at 9e-6, d times over and a root of n
    # less: 5e-5 nats.
    x = walk(100, D, 1e-6)
    assert read(off(x, noise)) == pytest.approx(read(x), abs=3e-4)


def test_without_it_it_would_be() -> None:
    # The control: as points of R^d they are farther from each other, by (1 + (1e-6)^2 * 2/3 / (1e-6)^2)^(1/2)
    # and less for the nearest.
    x = walk(100, D, 1e-6)
    assert kozachenko_leonenko(off(x, 1e-6)).entropy - kozachenko_leonenko(x).entropy > 0.1 * D
    assert knn_graph(off(x, 1e-6), 10, D).entropy - knn_graph(x, 10, D).entropy > 0.1 * D


def test_every_other_reading_of_directions() -> None:
    rng = np.random.default_rng(1)
    x = vmf.sample(1e-9, np.ones(6), 300, rng)
    y = off(x, 1e-6)  # spread 3e-5 in each of five directions
    for read in (von_mises_fisher, gaussian_tangent):
        assert read(y).entropy == pytest.approx(read(x).entropy, abs=1e-7)
    many = [
        kozachenko_leonenko_many(z[None], manifold=manifold).entropy[0]
        for manifold in ("geodesic", "sphere")
        for z in (x, y)
    ]
    assert many[1] == pytest.approx(many[0], abs=1e-7)
    assert many[3] == pytest.approx(many[2], abs=1e-7)
    one, other = (diagnose(z, rng=np.random.default_rng(0)) for z in (x, y))
    assert other.displacement.step == pytest.approx(one.displacement.step, rel=1e-9)
    assert other.time_directions == pytest.approx(one.time_directions, rel=1e-6)
    # The control: a millionth of radial noise beside a spread of 3e-5 is seen by who does not divide.
    plain = np.sqrt(np.mean(np.sum(np.diff(y, axis=0) ** 2, axis=1)))
    assert abs(plain / one.displacement.step - 1) > 1e-6


@pytest.mark.parametrize("way", ["a copy", "corrected", "given up"])
@pytest.mark.parametrize("theiler", [0, 4])
def test_all_ways_find_the_same_neighbours(monkeypatch: pytest.MonkeyPatch, way: str, theiler: int) -> None:
    small, most = {"a copy": (2**30, 256), "corrected": (0, 256), "given up": (0, 0)}[way]
    monkeypatch.setattr("thermograd.entropy.direction_neighbours._SMALL", small)
    monkeypatch.setattr("thermograd.entropy.direction_neighbours._MOST", most)
    x = walk(150, 400, 1e-3)
    for noise in (1e-8, 1e-6, 9e-6):
        y = off(x, noise)
        found = direction_neighbours(Directions(y, row_norms(y)), 3, theiler=theiler)
        exact = nearest_neighbours(x, 3, theiler=theiler)
        np.testing.assert_array_equal(found.index, exact.index)
        np.testing.assert_allclose(found.distance, exact.distance, rtol=1e-9)


def test_points_that_are_one_in_float64_are_taken_as_they_are() -> None:
    x = walk(100, D, 1e-6)
    u = as_directions(x, "test", at_least=3)
    assert u.exact
    assert u[3:5].base is not None  # a view
    single = x.astype(np.float32)
    rough = as_directions(single, "test", at_least=3)
    assert not rough.exact
    np.testing.assert_allclose(row_norms(rough[:]), 1.0, atol=1e-15)
    np.testing.assert_allclose(rough.mean(), rough[:].mean(axis=0), rtol=0, atol=1e-16)
    np.testing.assert_array_equal(rough[np.array([5, 2])], rough[:][[5, 2]])


def test_rows_farther_off_are_refused() -> None:
    x = walk(100, 50, 1e-2).copy()
    x[7] *= 1 + 2e-5
    for call in (
        lambda: kozachenko_leonenko(x, manifold="geodesic"),
        lambda: diagnose(x, rng=np.random.default_rng(0)),
        lambda: von_mises_fisher(x),
        lambda: kozachenko_leonenko_many(x[None], manifold="geodesic"),
    ):
        with pytest.raises(InputError, match=r"row 7 .*has norm 1\.00002; expected unit vectors"):
            call()
    # Points of any norm are the graph's business: they lie on another surface.
    assert knn_graph(2 * x, 5).entropy == pytest.approx(knn_graph(x, 5).entropy + 49 * math.log(2), abs=1e-9)


def test_memory_stays_far_below_a_copy() -> None:
    # 300 directions of 60 000 numbers in float32, 72 MB; a copy in float64 would take 144 MB more. A search
    # may take 64 MB, and the passes a few blocks of 64 rows, 31 MB each, at a time.
    x = walk(300, 60_000, 1e-3).astype(np.float32)
    kozachenko_leonenko(x[:80], manifold="geodesic")  # compiles
    tracemalloc.start()
    kozachenko_leonenko(x, manifold="geodesic")
    searched = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    diagnose(x, rng=np.random.default_rng(0))
    diagnosed = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert searched < 90e6, searched
    assert diagnosed < 130e6, diagnosed
