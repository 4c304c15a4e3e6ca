"""The uniform law on the sphere, the one whose entropy everybody knows: what each reading must say of it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import digamma, gammaln

from thermograd.entropy import knn_graph, kozachenko_leonenko, kozachenko_leonenko_many

Array = NDArray[np.float64]


def exact(d: int) -> float:
    """Log area of the unit sphere in R^d."""
    return math.log(2) + d / 2 * math.log(math.pi) - float(gammaln(d / 2))


def uniform(n: int, d: int, rng: np.random.Generator) -> Array:
    x = rng.standard_normal((n, d))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def printed(n: int, k: int) -> float:
    """By how much the paper's constant, for k = 1, exceeds the one that is exact for a constant density."""
    return math.log(n - 1) - float(digamma(n)) if k == 1 else 0.0


@pytest.mark.parametrize("d", [2, 3, 4, 5, 7, 10])
def test_arcs_are_within_their_error_of_it(d: int) -> None:
    # Thirty samples, each within four of its own standard errors; their mean within four of the mean's.
    n, rng = 500, np.random.default_rng(d)
    found = [kozachenko_leonenko(uniform(n, d, rng), manifold="geodesic") for _ in range(30)]
    off = np.array([f.entropy for f in found]) - exact(d) - printed(n, 1)
    errors = np.array([f.se for f in found])
    assert (np.abs(off) < 4 * errors).all()
    assert abs(off.mean()) < 4 * off.std() / math.sqrt(30)
    # The control: another law of the same sphere, a cap of half of it, has log 2 less.
    half = uniform(n, d, rng)
    half[:, 0] = np.abs(half[:, 0])
    assert exact(d) - kozachenko_leonenko(half, manifold="geodesic").entropy > 0.3


@pytest.mark.parametrize("k", [1, 2, 3, 4, 7, 15, 40])
@pytest.mark.parametrize("d", [2, 3, 6])
def test_every_k_against_the_closed_form(d: int, k: int) -> None:
    # Caps of a uniform law are uniform: E log(share of the sphere) = digamma(k) - digamma(n), exactly. A
    # wrong constant would be off by 1/k at least: 40 samples of 200 points tell it to a quarter of that.
    n, repeats, rng = 200, 40, np.random.default_rng([d, k])
    many = kozachenko_leonenko_many(
        np.array([uniform(n, d, rng) for _ in range(repeats)]), manifold="geodesic", k=k
    ).entropy
    noise = many.std() / math.sqrt(repeats)
    assert abs(many.mean() - exact(d) - printed(n, k)) < 4 * noise
    if k < 40:
        assert noise < 1 / k / 4


@pytest.mark.parametrize(("d", "bias", "known"), [(10, 0.18, 0.01), (30, 4.06, 0.02), (100, 31.8, 0.1)])
def test_above_ten_dimensions_arcs_stay_right_and_the_chart_has_its_known_bias(
    d: int, bias: float, known: float
) -> None:
    # 1000 points, as in the calibration study, which knows the chart's bias to what is given here.
    rng, repeats = np.random.default_rng([d, 1]), 6
    samples = [uniform(1000, d, rng) for _ in range(repeats)]
    arcs, chart = (
        np.array([kozachenko_leonenko(x, manifold=m).entropy for x in samples]) - exact(d)  # type: ignore[arg-type]
        for m in ("geodesic", "sphere")
    )
    # Of six, the scatter is known to 30%; n Var of arcs is 3 at most at k = 1, so .055 of one sample.
    assert abs(arcs.mean()) < 4 * 0.06 / math.sqrt(repeats)
    assert abs(chart.mean() - bias) < 4 * math.hypot(known, 1.5 * chart.std(ddof=1) / math.sqrt(repeats))
    assert chart.mean() > 0.1


@pytest.mark.parametrize("d", [2, 10, 24_408])
@pytest.mark.parametrize("r", [1e-3, 0.7, 1e4])
def test_weights_at_a_radius_have_more_entropy_by_its_log(d: int, r: float) -> None:
    u = uniform(60, d, np.random.default_rng(d))
    found = kozachenko_leonenko(u, manifold="geodesic")
    more = found.at_radius(r).entropy - found.entropy
    assert more == pytest.approx((d - 1) * math.log(r), rel=1e-12, abs=1e-12)
    # And distances say so themselves, in the dimension that is meant.
    graph = knn_graph(r * u, 5, d - 1).entropy - knn_graph(u, 5, d - 1).entropy
    assert graph == pytest.approx((d - 1) * math.log(r), rel=1e-10, abs=1e-10)
