from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from thermograd.entropy import kozachenko_leonenko, von_mises_fisher
from thermograd.entropy.von_mises_fisher import concentration
from thermograd.errors import InputError
from thermograd.theory import vmf

Array = NDArray[np.float64]


def unit(x: Array) -> Array:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@pytest.mark.parametrize("d", [2, 3, 10, 1000, 1_000_000])
@pytest.mark.parametrize("kappa", [1e-6, 0.3, 30.0, 1e5, 1e12])
def test_concentration_is_found_again(d: int, kappa: float) -> None:
    # 1 - A^2 = (1 - A)(1 + A), with 1 - A as the theory has it, free of cancellation
    complement = float(vmf.energy(1 / kappa, d))
    spread = complement * (2 - complement)
    # A spread next to 1 holds the resultant's square to 1e-16 only.
    lost = 1e-15 / float(vmf.mean_resultant(kappa, d)) ** 2
    if lost < 1:
        assert concentration(spread, d) == pytest.approx(kappa, rel=1e-11 + lost)
    assert concentration(1.0, d) == concentration(1.1, d) == 0.0


@pytest.mark.parametrize(
    ("d", "T", "n", "repeats"),
    [
        (2, 0.1, 100, 200),
        (3, 1e-4, 100, 200),
        (3, 0.3, 100, 200),
        (10, 0.05, 100, 200),
        (300, 1e-3, 50, 100),
        (300, 3e-2, 50, 100),
        (20_000, 1e-6, 30, 20),
    ],
)
def test_unbiased_with_the_error_it_says(d: int, T: float, n: int, repeats: int) -> None:
    rng = np.random.default_rng([d, n])
    mu = rng.standard_normal(d)
    found = [von_mises_fisher(vmf.sample(T, mu, n, rng)) for _ in range(repeats)]
    values, errors = np.array([f.entropy for f in found]), np.array([f.se for f in found])
    truth = float(vmf.entropy_sphere(T, d))
    # The bias of a function of a mean is of order (its variance) / (number of terms it averages): 1/(2 n).
    assert abs(values.mean() - truth) < 4 * values.std() / math.sqrt(repeats) + 1 / n
    # Cosines' autocorrelation time is never below 1 and above it by chance: up to 12% more at n = 50.
    ratio = math.sqrt(np.mean(errors**2)) / values.std()
    assert 1 - 4 / math.sqrt(2 * repeats) < ratio < 1.12 + 4 / math.sqrt(2 * repeats)
    # Five standard errors and two tests: no more than one in a hundred is rejected by mistake.
    assert sum(len(f.warnings) > 0 for f in found) <= 0.02 * repeats + 2
    assert found[0].dim == d - 1
    assert found[0].absolute
    # The control: the plain maximum-likelihood value, from the length of the mean as it is.
    if d == 20_000:
        x = vmf.sample(T, mu, n, rng)
        centred = x - x.mean(axis=0)
        kappa = concentration(float(np.mean(np.sum(centred**2, axis=1))), d)
        plain = float(vmf.entropy_sphere(1 / kappa, d))
        assert plain - truth == pytest.approx((d - 1) / 2 * math.log(1 - 1 / n), rel=0.2)
        assert plain - truth < -10 * errors.mean()


def test_uniform_directions_get_the_uniform_entropy() -> None:
    d, n = 50, 400
    rng = np.random.default_rng(1)
    found = [von_mises_fisher(unit(rng.standard_normal((n, d)))) for _ in range(50)]
    # |mean|^2 - 1/n has standard deviation sqrt(2/d)/n, and entropy falls by d/2 times it, or not at all.
    expected = math.sqrt(d / 2) / n
    assert all(f.entropy_above_uniform <= 0 for f in found)
    # Half of the estimates are cut off there: of their scatter .58 is left, of which they claim 1.27 times.
    assert np.mean([f.se for f in found]) == pytest.approx(0.58 * 1.27 * expected, rel=0.3)
    assert all(f.entropy_above_uniform > -5 * expected for f in found)
    assert sum(f.settings["kappa"] == 0 for f in found) > 10


def test_the_cold_limit_and_rotations() -> None:
    T, d, n = 1e-9, 40, 500
    rng = np.random.default_rng(2)
    x = vmf.sample(T, rng.standard_normal(d), n, rng)
    found = von_mises_fisher(x)
    assert abs(found.entropy - (d - 1) / 2 * math.log(2 * math.pi * math.e * T)) < 4 * found.se
    assert found.se == pytest.approx(math.sqrt((d - 1) / (2 * n)), rel=0.15)
    turn = np.linalg.qr(rng.standard_normal((d, d)))[0]
    assert von_mises_fisher(unit(x @ turn)).entropy == pytest.approx(found.entropy, abs=1e-5)


def test_agrees_with_nearest_neighbours_on_the_sphere() -> None:
    x = vmf.sample(0.2, [0.0, 0.0, 1.0], 4000, np.random.default_rng(3))
    one, other = von_mises_fisher(x), kozachenko_leonenko(x, 3, "geodesic")
    assert abs(one.entropy - other.entropy) < 4 * math.hypot(one.se, other.se)


@pytest.mark.parametrize("law", ["anisotropic", "two poles", "girdle", "a few directions"])
def test_another_law_is_rejected(law: str) -> None:
    n, rng = 1000, np.random.default_rng(4)
    z = rng.standard_normal((n, 12))
    x = {
        "anisotropic": lambda: 0.01 * z * np.geomspace(1, 3, 12) + np.eye(12)[0],
        "two poles": lambda: 0.1 * z + np.eye(12)[0] * np.where(np.arange(n) % 4, 1, -1)[:, None],
        "girdle": lambda: z * ([1.0] * 2 + [0.05] * 10) + 0.5 * np.eye(12)[0],
        "a few directions": lambda: z * ([0.0] * 6 + [1.0] * 6) * 0.01 + np.eye(12)[0],
    }[law]()
    assert any("von Mises-Fisher law" in line for line in von_mises_fisher(unit(x)).warnings)


def test_a_correlated_queue_is_worth_less_and_a_short_one_is_refused() -> None:
    rng = np.random.default_rng(5)

    def queue(memory: float, n: int) -> Array:
        x = rng.standard_normal((n, 10))
        for i in range(1, n):
            x[i] = memory * x[i - 1] + math.sqrt(1 - memory**2) * x[i]
        x *= 1e-3
        x[:, 0] = 1.0
        return unit(x)

    truth = float(vmf.entropy_sphere(1e-6, 10))
    found = [von_mises_fisher(queue(0.8, 800)) for _ in range(60)]
    values, errors = np.array([f.entropy for f in found]), np.array([f.se for f in found])
    # T/n = 9/800: without the correction 4.5 * .011 = .05 nats too low; what is left is of second order.
    assert abs(values.mean() - truth) < 4 * values.std() / math.sqrt(60) + 0.005
    assert math.sqrt(np.mean(errors**2)) == pytest.approx(values.std(), rel=4 / math.sqrt(120))
    assert any("the cloud is narrower" in line for line in von_mises_fisher(queue(0.98, 1000)).warnings)
    with pytest.raises(InputError, match="correlation times; expected at least 6"):
        von_mises_fisher(queue(0.99999, 300))


def test_float32_and_tensors() -> None:
    torch = pytest.importorskip("torch")
    x = vmf.sample(1e-4, np.ones(500), 60, np.random.default_rng(6))
    single = von_mises_fisher(x.astype(np.float32))
    assert single.entropy == pytest.approx(von_mises_fisher(x).entropy, abs=1e-3)
    assert von_mises_fisher(torch.from_numpy(x)) == von_mises_fisher(x)


GOOD = unit(np.random.default_rng(7).standard_normal((30, 3)))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: von_mises_fisher(GOOD[:3]), "3 points were given; expected at least 4"),
        (lambda: von_mises_fisher(2 * GOOD), "expected unit vectors"),
        (lambda: von_mises_fisher(np.where(np.arange(30)[:, None] == 4, np.nan, GOOD)), r"\(rows 4\)"),
        (lambda: von_mises_fisher(np.tile(GOOD[0], (9, 1))), "all 9 points are the same"),
        (lambda: von_mises_fisher(np.eye(5, dtype=int)), "type int64"),
        (lambda: von_mises_fisher(GOOD.astype(np.float16)), "half precision"),
        (lambda: von_mises_fisher(GOOD + 0j), "type complex128"),
        (lambda: von_mises_fisher(np.ones((9, 1))), "the same"),
    ],
)
def test_bad_input(call: Callable[[], object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        call()
