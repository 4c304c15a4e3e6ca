from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from thermograd.entropy import (
    diagnose,
    displacement,
    knn_graph,
    kozachenko_leonenko,
    spread_over_windows,
)
from thermograd.errors import InputError

Array = NDArray[np.float64]


def unit(x: Array) -> Array:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def cloud(n: int, d: int, width: float, memory: float, rng: np.random.Generator) -> Array:
    """Directions about a fixed one: each coordinate an AR(1) series, of standard deviation width."""
    middle = rng.standard_normal(d)
    middle /= np.linalg.norm(middle)
    x, state = np.empty((n, d)), rng.standard_normal(d)
    for i in range(n):
        x[i] = middle + width * state
        state = memory * state + math.sqrt(1 - memory**2) * rng.standard_normal(d)
    return unit(x)


def cloud_entropy(d: int, width: float) -> float:
    """Its law is Gaussian in the d - 1 tangent directions when width sqrt(d) is small."""
    return (d - 1) / 2 * math.log(2 * math.pi * math.e * width**2)


def test_autocorrelation_time_of_the_directions() -> None:
    # AR(1), time (1 + a)/(1 - a) = 9; 8000 samples, window 5 times: 10% for one projection.
    found = diagnose(cloud(8000, 6, 1e-3, 0.8, np.random.default_rng(0)), rng=np.random.default_rng(1))
    assert found.time_directions == pytest.approx(9, rel=0.2)
    assert found.time_slowest >= found.time_directions
    assert found.n_effective == pytest.approx(8000 / found.time_directions)
    assert found.warnings == ()


def test_independent_uniform_directions_raise_no_objection() -> None:
    n = 2000
    found = diagnose(unit(np.random.default_rng(2).standard_normal((n, 4))), rng=np.random.default_rng(3))
    assert found.uniform_entropy == pytest.approx(math.log(2 * math.pi**2))  # area of S^3
    assert abs(found.entropy_above_uniform) < 4 * 1.2 * math.sqrt(math.pi**2 / 6 / n) + 0.02
    assert found.time_directions < 1.3
    # Expected 2/n and 4/n of the neighbours; Poisson counts of 2 and 4.
    assert found.adjacent_1 * n < 2 + 4 * math.sqrt(2)
    assert found.adjacent_2 * n < 4 + 4 * 2
    assert found.warnings == ()


def test_a_queue_of_a_network_is_not_its_law_and_that_is_said() -> None:
    # d = 387 of ConvNet(1), 300 points over 1.5 correlation times: the estimate is hundreds of standard
    # errors from the truth, which is known here.
    d, width = 387, 1e-3
    x = cloud(300, d, width, 0.99, np.random.default_rng(4))
    found = diagnose(x, rng=np.random.default_rng(5))
    estimate = kozachenko_leonenko(x, manifold="sphere")
    assert abs(found.entropy - cloud_entropy(d, width)) > 200
    assert abs(estimate.entropy - cloud_entropy(d, width)) > 50 * estimate.se
    told = "\n".join(found.warnings)
    assert "correlation times of the directions: what is measured is a diffusion length" in told
    assert "is the one just before or after in time" in told
    assert "too few to fill it" in told
    assert found.adjacent_1 > 0.99
    assert found.n_effective < 30
    # The log distances alone look independent: an error bar built on them is no sign of health.
    assert found.n_effective_distances > 5 * found.n_effective
    assert found.median_distance == pytest.approx(width * math.sqrt(2 * 0.01 * d), rel=0.1)


def test_independent_points_of_that_law_are_only_too_few() -> None:
    x = cloud(300, 387, 1e-3, 0.0, np.random.default_rng(6))
    found = diagnose(x, rng=np.random.default_rng(7))
    assert len(found.warnings) == 1
    assert "too few to fill it" in found.warnings[0]
    assert found.adjacent_1 < 0.05
    # Uniform directions in that dimension: no law has more entropy, so what is above it is bias.
    everywhere = diagnose(cloud(300, 387, 1e3, 0.0, np.random.default_rng(6)), rng=np.random.default_rng(7))
    assert "above the uniform law's entropy" in everywhere.warnings[-1]
    assert everywhere.entropy_above_uniform > 10


def test_diagnosis_does_not_depend_on_the_axes_and_repeats_from_its_generator() -> None:
    x = cloud(200, 12, 1e-2, 0.9, np.random.default_rng(8))
    rotation = np.linalg.qr(np.random.default_rng(9).standard_normal((12, 12)))[0]
    here, there = (diagnose(y, rng=np.random.default_rng(10)) for y in (x, unit(x @ rotation)))
    assert there.entropy == pytest.approx(here.entropy, rel=1e-10)
    assert there.adjacent_2 == here.adjacent_2
    assert diagnose(x, rng=np.random.default_rng(10)) == here


def test_neighbours_in_time_are_told_from_those_two_steps_away() -> None:
    # Two slow arcs visited in turn: every nearest neighbour is two samples away.
    phi = 0.01 * np.arange(40) + np.where(np.arange(40) % 2, math.pi, 0.0)
    found = diagnose(np.column_stack([np.cos(phi), np.sin(phi)]), rng=np.random.default_rng(17))
    assert (found.adjacent_1, found.adjacent_2) == (0.0, 1.0)


@pytest.mark.parametrize("span", [0.5, 4.0, 40.0])
def test_displacements_of_an_ornstein_uhlenbeck_walk(span: float) -> None:
    # D^2(t) = 2 m (1 - exp(-t/tau)); 2000 coordinates tell it to a few percent even where the walk is short.
    n, m = 400, 2000
    memory = math.exp(-span / n)
    x = cloud(n, m, 1e-4, memory, np.random.default_rng(20))
    found = displacement(x)

    def rms(lag: float) -> float:
        return 1e-4 * math.sqrt(2 * m * (1 - memory**lag))

    assert found.step == pytest.approx(rms(1), rel=0.03)
    assert found.whole == pytest.approx(rms(0.9 * n), rel=0.05)
    assert found.ratio == pytest.approx((rms(n / 2) / rms(n / 4)) ** 2, rel=0.06)
    expected = {0.5: "diffusion", 4.0: "nearly saturated", 40.0: "have saturated"}[span]
    assert expected in found.words


def test_displacements_of_a_drift_and_of_a_diffusion() -> None:
    rng = np.random.default_rng(21)
    steps = rng.standard_normal((400, 300))
    assert displacement(np.cumsum(steps, axis=0)).ratio == pytest.approx(2, rel=0.15)
    drift = displacement(np.cumsum(0.1 * steps + 1, axis=0))
    assert drift.ratio == pytest.approx(4, rel=0.02)
    assert "straight drift" in drift.words
    with pytest.raises(InputError, match="3 points were given; expected at least 4"):
        displacement(steps[:3])


def test_what_a_short_queue_measures_is_said_in_lengths() -> None:
    x = cloud(300, 387, 1e-3, 0.999, np.random.default_rng(22))
    found = diagnose(x, rng=np.random.default_rng(23))
    assert found.displacement == displacement(x)
    assert f"a step is {found.displacement.step:.3g} long" in found.warnings[0]
    assert "still grow as in free diffusion" in found.warnings[0]
    # The neighbour is one step away: that is all that the entropy knows.
    assert found.median_distance == pytest.approx(found.displacement.step, rel=0.05)


def test_coinciding_directions() -> None:
    x = unit(np.random.default_rng(11).standard_normal((50, 5)))
    x[20:23] = x[10]
    found = diagnose(x, rng=np.random.default_rng(12))
    assert found.entropy == -math.inf
    assert "4 of 50 directions coincide" in found.warnings[0]
    twins = unit(np.repeat(x[:5], 10, axis=0))  # every point has a copy: no distance is left
    assert diagnose(twins, rng=np.random.default_rng(13)).time_distances == 1.0


def test_bad_input() -> None:
    rng = np.random.default_rng(14)
    with pytest.raises(InputError, match="3 points were given; expected at least 4"):
        diagnose(unit(rng.standard_normal((3, 3))), rng=rng)
    with pytest.raises(InputError, match="expected unit vectors"):
        diagnose(rng.standard_normal((10, 3)), rng=rng)
    with pytest.raises(InputError, match="projections is 0"):
        diagnose(unit(rng.standard_normal((10, 3))), rng=rng, projections=0)


def test_spread_over_windows_is_the_scatter_of_the_estimator() -> None:
    rng = np.random.default_rng(15)
    estimates = [kozachenko_leonenko(rng.uniform(size=(300, 1))) for _ in range(200)]
    spread = spread_over_windows(estimates)
    assert spread.mean == pytest.approx(np.mean([e.entropy for e in estimates]))
    # In one dimension the error bar is right to 5%, and 200 windows tell the spread to 5%.
    assert spread.sd == pytest.approx(spread.expected_sd, rel=0.25)
    # Uniform on [0, 1]: 0, but for the two ends.
    assert abs(spread.mean) < 4 * spread.sd / math.sqrt(200) + 2 / 300
    # A drifting state: the spread is above what each window promises.
    drifting = [kozachenko_leonenko(rng.uniform(0, 1 + t, size=(300, 1))) for t in range(10)]
    assert spread_over_windows(drifting).sd > 3 * spread_over_windows(drifting).expected_sd


def test_windows_that_cannot_be_compared() -> None:
    x = np.random.default_rng(16).uniform(size=(100, 2))
    one = kozachenko_leonenko(x)
    for other in (kozachenko_leonenko(x, k=2), kozachenko_leonenko(x[:50]), knn_graph(x, 3, dimension=2)):
        with pytest.raises(InputError, match="of 2 kinds"):
            spread_over_windows([one, other])
    with pytest.raises(InputError, match="1 estimates were given"):
        spread_over_windows([one])
    x[3] = x[4]
    with pytest.raises(InputError, match="window 1 is -inf"):
        spread_over_windows([one, kozachenko_leonenko(x)])
