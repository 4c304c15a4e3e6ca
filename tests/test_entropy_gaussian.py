from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from thermograd.entropy import gaussian, gaussian_tangent, kozachenko_leonenko
from thermograd.entropy.correlation import correlation_time, pooled_time
from thermograd.errors import InputError
from thermograd.theory import vmf

Array = NDArray[np.float64]
HALF_LOG = 0.5 * math.log(2 * math.pi * math.e)


def unit(x: Array) -> Array:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def walk(n: int, m: int, memory: float, rng: np.random.Generator) -> Array:
    """A stationary Gaussian process of variance 1 and autocorrelation memory^t in every coordinate."""
    x = rng.standard_normal((n, m))
    for i in range(1, n):
        x[i] = memory * x[i - 1] + math.sqrt(1 - memory**2) * x[i]
    return x


@pytest.mark.parametrize(("n", "m", "repeats"), [(10, 2, 400), (60, 20, 200), (100, 60, 60)])
def test_unbiased_with_the_error_it_says(n: int, m: int, repeats: int) -> None:
    # Independent points, any scales, turned: the law of log|C| is exact. With n = 60 and m = 20 the plain log
    # determinant is 2 nats too low, 6 standard errors of one sample.
    rng = np.random.default_rng([n, m])
    scales = np.geomspace(1e-3, 1e3, m)
    turn = np.linalg.qr(rng.standard_normal((m, m)))[0]
    found = [gaussian(rng.standard_normal((n, m)) * scales @ turn) for _ in range(repeats)]
    values, errors = np.array([f.entropy for f in found]), np.array([f.se for f in found])
    truth = m * HALF_LOG + float(np.log(scales).sum())
    assert abs(values.mean() - truth) < 4 * values.std() / math.sqrt(repeats)
    # 60 repeats tell a standard deviation to 9%, 400 to 3.5%; one sample in 200 takes its noise for memory.
    assert np.sqrt(np.mean(errors**2)) == pytest.approx(values.std(), rel=4 / math.sqrt(2 * repeats) + 0.05)
    plain = np.mean([m * HALF_LOG + 0.5 * np.linalg.slogdet(np.cov(x.T))[1] for x in _samples(n, m, 30)])
    assert plain - m * HALF_LOG < -0.9 * m * (m + 1) / (4 * n)  # the control: the bias is there to be removed


def _samples(n: int, m: int, repeats: int) -> list[Array]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal((n, m)) for _ in range(repeats)]


def test_a_correlated_sample_is_worth_less() -> None:
    # AR(1), .8: T = 9, T' = (1 + .64)/(1 - .64) = 4.6; 1500 points in 6 dimensions.
    repeats, m, rng = 60, 6, np.random.default_rng(1)
    found = [gaussian(walk(1500, m, 0.8, rng)) for _ in range(repeats)]
    values = np.array([f.entropy for f in found])
    # T/n = .006, so the cloud is narrower by 3 * .006 = .018 nats, and m (m + 1)/4 T'/n = .032: both removed.
    assert abs(values.mean() - m * HALF_LOG) < 4 * values.std() / math.sqrt(repeats)
    assert np.mean([f.n_effective for f in found]) == pytest.approx(1500 / 4.56, rel=0.05)
    assert np.mean([f.se for f in found]) == pytest.approx(values.std(), rel=4 / math.sqrt(2 * repeats))
    # The same points without their order hide it: an error bar half of what it has to be.
    hidden = gaussian(rng.permutation(walk(1500, m, 0.8, rng)))
    assert hidden.se < 0.6 * float(np.mean([f.se for f in found]))


def test_error_falls_as_one_over_root_n() -> None:
    rng = np.random.default_rng(2)
    errors = {n: gaussian(rng.standard_normal((n, 5))).se for n in (500, 8000)}
    # sqrt(m/(2n)) up to m/n, and with T' in 1.00 .. 1.02: a factor of 4 to 2%
    assert errors[500] / errors[8000] == pytest.approx(4, rel=0.03)


def test_agrees_with_nearest_neighbours_where_both_hold() -> None:
    x = np.random.default_rng(3).standard_normal((4000, 2)) * [1.0, 3.0]
    one, other = gaussian(x), kozachenko_leonenko(x, k=3)
    assert abs(one.entropy - other.entropy) < 4 * math.hypot(one.se, other.se) + 0.01
    assert one.warnings == ()
    assert one.dim == 2
    assert one.absolute
    assert one.at_radius(10).entropy == pytest.approx(gaussian(10 * x).entropy, abs=1e-12)


@pytest.mark.parametrize("law", ["uniform", "student", "mixture"])
def test_another_law_is_told_and_lies_below(law: str) -> None:
    n, rng = 2000, np.random.default_rng(4)
    x = {
        "uniform": lambda: rng.uniform(size=(n, 3)),
        "student": lambda: rng.standard_normal((n, 3)) / np.sqrt(rng.chisquare(5, (n, 1)) / 5),
        "mixture": lambda: rng.standard_normal((n, 3)) + 4 * np.sign(rng.standard_normal((n, 1))),
    }[law]()
    found = gaussian(x)
    assert "the law is not Gaussian" in found.warnings[0]
    assert found.entropy > kozachenko_leonenko(x).entropy  # a Gaussian has the most entropy of one covariance


def test_cold_directions_are_gaussian_in_the_tangent_space() -> None:
    d, T, repeats = 6, 0.01, 60
    rng = np.random.default_rng(5)
    found = [gaussian_tangent(vmf.sample(T, rng.standard_normal(d), 400, rng)) for _ in range(repeats)]
    values = np.array([f.entropy for f in found])
    # The law is a little less than Gaussian in arc lengths: entropy below the fit's by O((d T)^2) = .004.
    assert abs(values.mean() - vmf.entropy_sphere(T, d)) < 4 * values.std() / math.sqrt(repeats) + 0.004
    assert np.mean([f.se for f in found]) == pytest.approx(values.std(), rel=4 / math.sqrt(2 * repeats))
    assert found[0].dim == d - 1
    assert found[0].entropy_above_uniform < 0


def test_tangent_at_different_spreads_and_rotated() -> None:
    # Which von Mises-Fisher is not: ten directions of widths from 1e-4 to 1e-2.
    widths, rng = np.geomspace(1e-4, 1e-2, 10), np.random.default_rng(6)
    x = np.column_stack([np.ones(2000), rng.standard_normal((2000, 10)) * widths])
    found = gaussian_tangent(unit(x))
    truth = 10 * HALF_LOG + float(np.log(widths).sum())
    assert abs(found.entropy - truth) < 4 * found.se  # the projection changes widths by 1e-4 of themselves
    turn = np.linalg.qr(rng.standard_normal((11, 11)))[0]
    assert gaussian_tangent(unit(x) @ turn).entropy == pytest.approx(found.entropy, abs=1e-9)


def test_flat_and_short_samples() -> None:
    rng = np.random.default_rng(7)
    x = rng.standard_normal((100, 3))
    for flat in (np.column_stack([x, x.sum(axis=1)]), np.column_stack([x, np.ones(100)])):
        found = gaussian(flat)
        assert found.entropy == -math.inf
        assert "flat subspace" in found.warnings[0]
    for unit_of_length in (1e-200, 1e-30, 1e200):  # which is no flatness
        tiny = gaussian(x * [1.0, unit_of_length, 1.0])
        assert tiny.entropy == pytest.approx(gaussian(x).entropy + math.log(unit_of_length), abs=1e-9)
    assert "the points are worth" in gaussian(rng.standard_normal((40, 10))).warnings[0]
    single = (1 + 1e-3 * x).astype(np.float32)
    assert gaussian(single).entropy == pytest.approx(gaussian(single.astype(np.float64)).entropy, abs=1e-12)


GOOD = np.random.default_rng(8).standard_normal((30, 3))
HOLE = GOOD.copy()
HOLE[4, 1] = np.nan


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: gaussian(GOOD[:4]), "4 points in 3 dimensions have no covariance of full rank; expected at"),
        (lambda: gaussian_tangent(unit(GOOD)[:3]), "3 points in 2 dimensions have no covariance"),
        (lambda: gaussian(HOLE), r"hold nan or inf \(rows 4\)"),
        (lambda: gaussian(np.ones((9, 2))), "all 9 points are the same"),
        (lambda: gaussian(np.arange(20).reshape(10, 2)), "type int64"),
        (lambda: gaussian(GOOD.astype(np.float16)), "half precision"),
        (lambda: gaussian(GOOD + 0j), "type complex128"),
        (lambda: gaussian_tangent(GOOD), "expected unit vectors"),
        (lambda: gaussian_tangent(unit(np.random.default_rng(0).standard_normal((5000, 3)))), "no more than"),
        (
            lambda: gaussian(walk(300, 20, 0.99, np.random.default_rng(9))),
            "the 300 points are worth .* independent ones; expected at least 40 for a covariance in 20 dim",
        ),
    ],
)
def test_bad_input(call: Callable[[], object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        call()


def test_correlation_time_of_many_coordinates() -> None:
    # (1 + .8)/(1 - .8) = 9 and (1 + .64)/(1 - .64) = 4.56: 32 series of 5000 tell it to 4%.
    x = walk(5000, 100, 0.8, np.random.default_rng(10))
    found = correlation_time(x)
    assert found.time == pytest.approx(9, rel=0.15)
    assert found.time_products == pytest.approx(4.56, rel=0.15)
    assert found.surely_above_one
    # The control: independent points, of which one in two hundred is above three standard deviations.
    rng = np.random.default_rng(11)
    above = [pooled_time(rng.standard_normal((200, 20))).surely_above_one for _ in range(100)]
    assert sum(above) <= 4
