"""Error bars do what they say: one standard error holds the mean in two thirds of samples, walks too."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import lfilter

from thermograd.entropy import EntropyEstimate, gaussian, knn_graph, kozachenko_leonenko, von_mises_fisher
from thermograd.entropy.shared_neighbours import far_in_time, graph_influence
from thermograd.entropy.von_mises_fisher import concentration, cut_off_scatter
from thermograd.errors import InputError
from thermograd.theory import vmf

Array = NDArray[np.float64]
REPEATS = 200
NOISE = math.sqrt(0.68 * 0.32 / REPEATS)  # of a share of 68%: 3.3%


def walk(n: int, m: int, independent: float, rng: np.random.Generator) -> Array:
    """An Ornstein-Uhlenbeck walk worth so many independent points: time (1 + rho) / (1 - rho)."""
    rho = (n / independent - 1) / (n / independent + 1)
    shocks = math.sqrt(1 - rho**2) * rng.standard_normal((n, m))
    shocks[0] /= math.sqrt(1 - rho**2)
    return np.asarray(lfilter([1.0], [1.0, -rho], shocks, axis=0))


def covered(estimates: list[EntropyEstimate]) -> tuple[float, float]:
    """The share of one-sigma intervals that hold the mean, and the scatter over the claimed error."""
    values, errors = np.array([e.entropy for e in estimates]), np.array([e.se for e in estimates])
    share = float(np.mean(np.abs(values - values.mean()) < errors))
    return share, float(values.std(ddof=1) / np.sqrt(np.mean(errors**2)))


READINGS: dict[str, Callable[[Array], EntropyEstimate]] = {
    "neighbour": lambda x: kozachenko_leonenko(x),
    "third": lambda x: kozachenko_leonenko(x, 3),
    "graph of 5": lambda x: knn_graph(x, 5, x.shape[1]),
    "graph of 20": lambda x: knn_graph(x, 20, x.shape[1]),
}


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize(
    ("n", "m", "independent"), [(100, 3, 100), (300, 2, 30), (300, 10, 30), (600, 3, 30)]
)
def test_one_standard_error_holds_two_thirds(reading: str, n: int, m: int, independent: float) -> None:
    # Wanted: 60 to 76%, which is a scatter of .85 to 1.19 times the claim. One standard error of 200 samples
    # (3%) is granted on either side.
    rng = np.random.default_rng([n, m])
    share, ratio = covered([READINGS[reading](walk(n, m, independent, rng)) for _ in range(REPEATS)])
    assert 0.60 - NOISE < share < 0.76 + NOISE
    assert 0.85 * 0.95 < ratio < 1.19 * 1.05  # 200 samples tell a scatter to 5%


def test_neighbours_in_time_are_why(monkeypatch: pytest.MonkeyPatch) -> None:
    # The control: points that name j from next to it counted like all others, a graph's error on a walk is
    # half of the scatter.
    monkeypatch.setattr("thermograd.entropy.shared_neighbours._window", lambda terms: 0)
    rng = np.random.default_rng(1)
    share, ratio = covered([READINGS["graph of 5"](walk(600, 3, 30, rng)) for _ in range(120)])
    assert share < 0.6 - 2 * math.sqrt(0.25 / 120)
    assert ratio > 1.4


def test_influences_without_those_named_from_nearby() -> None:
    distance, named = np.array([[1.0], [1.0], [2.0]]), np.array([[1], [0], [0]])
    np.testing.assert_array_equal(far_in_time(named, 1), [[False], [False], [True]])
    # Means of 4/3: 3/4 of own lengths 1, 1, 2, of which the first would spare the last one a distance of 2.
    np.testing.assert_allclose(graph_influence(distance, named, 1, 1), [0.75 * (1 - 2), 0.75, 1.5])
    np.testing.assert_allclose(graph_influence(distance, named, 1, 2), [0.75, 0.75, 1.5])


def test_a_queue_worth_few_points_is_said_to_be() -> None:
    rng = np.random.default_rng(2)
    short, long = walk(500, 2, 6, rng), walk(500, 2, 100, rng)
    for read in READINGS.values():
        assert any(
            "independent points: the standard error is known to a third" in w for w in read(short).warnings
        )
        assert not any("known to a third" in w for w in read(long).warnings)
        assert read(rng.standard_normal((25, 2))).warnings == ()  # few, but independent


@pytest.mark.parametrize("hot", [0.0, 2.0, 40.0])
@pytest.mark.parametrize(("d", "n"), [(3, 300), (50, 100)])
def test_von_mises_fisher_next_to_the_uniform_law(d: int, n: int, hot: float) -> None:
    # Squared mean length: 0, 2 and 40 times its noise there. At 0 half of the estimates are the uniform law's
    # own, and those above claim more than the scatter: 1.27 times on average; a delta method that knows
    # of no cut claims 1.7 times.
    rng, repeats = np.random.default_rng([d, int(hot)]), 300
    kappa = concentration(1.0 - hot * math.sqrt(2 / d) / n, d)

    def draw() -> Array:
        if kappa == 0:
            x = rng.standard_normal((n, d))
            return x / np.linalg.norm(x, axis=1, keepdims=True)
        return vmf.sample(1 / kappa, np.ones(d), n, rng)

    found = [von_mises_fisher(draw()) for _ in range(repeats)]
    share, ratio = covered(found)
    known = 4 / math.sqrt(2 * repeats)
    assert 0.79 - known < ratio < 1.05 + known
    # An interval that holds in 68% wherever the cut is cannot be had: that is said.
    told = sum("uniform within their noise" in w for f in found for w in f.warnings)
    if hot > 2:
        assert 0.60 - NOISE < share < 0.76 + NOISE
        assert told < 0.05 * repeats
    else:
        assert share > 0.5 - NOISE
        assert told > 0.6 * repeats


def test_scatter_of_a_cut_normal() -> None:
    z = np.random.default_rng(3).standard_normal(400_000)
    for mean in (0.0, 0.5, 2.0, 6.0):
        # A standard deviation of 400 000 is known to .1%.
        assert cut_off_scatter(mean, 1.0) == pytest.approx(np.maximum(z + mean, 0).std(), rel=0.005)
        assert cut_off_scatter(3 * mean, 3.0) == pytest.approx(3 * cut_off_scatter(mean, 1.0), rel=1e-12)


def test_a_covariance_of_too_few_is_refused_or_told_with_numbers() -> None:
    # AR(1) of rho = .8: time of products 4.56. 700 points in 100 dimensions are worth 154, of which a
    # correction to first order is off by 6 nats, ten standard errors.
    rng = np.random.default_rng(4)
    with pytest.raises(InputError, match=r"worth 1[45]\d independent ones; expected at least 200 for a cov"):
        gaussian(walk(700, 100, 700 / 9, rng))
    told = gaussian(walk(400, 30, 400 / 9, rng))
    assert "in 30 dimensions" in told.warnings[0]
    assert "the correction is off by about" in told.warnings[0]
    # Independent points need no such correction: 120 of them in 100 dimensions are read without bias.
    found = [gaussian(rng.standard_normal((120, 100))) for _ in range(30)]
    truth = 50 * math.log(2 * math.pi * math.e)
    mean, scatter = np.mean([f.entropy for f in found]), np.std([f.entropy for f in found])
    assert abs(mean - truth) < 4 * scatter / math.sqrt(30)
    assert "worth 120 independent ones in 100 dimensions" in found[0].warnings[0]
