from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter

from thermograd.autocorrelation import integrated_time, mean_with_error, means_with_errors
from thermograd.errors import InputError


def ar1(rng, rho, size):
    """Stationary from the first value on; integrated time (1 + rho) / (1 - rho)."""
    shocks = np.sqrt(1 - rho**2) * rng.standard_normal(size)
    shocks[..., 0] /= np.sqrt(1 - rho**2)
    return lfilter([1.0], [1.0, -rho], shocks, axis=-1)


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9, 0.97])
def test_the_time_of_an_ar1_series_is_known(rng, rho):
    n, truth = 200_000, (1 + rho) / (1 - rho)
    found = integrated_time(ar1(rng, rho, n))
    # The window ends near 5 times: relative error sqrt(2 (2 * 5 time + 1) / n) (Madras and Sokal); what lies
    # beyond it is exp(-5 time (1 - rho)), below 1% for AR(1).
    assert abs(found / truth - 1) < 4 * np.sqrt(2 * (10 * truth + 1) / n) + 0.01


def test_an_anticorrelated_series_is_not_made_better_than_independent(rng):
    series = ar1(rng, -0.5, 50_000)
    assert integrated_time(series) == 1.0


def test_error_bars_cover_and_naive_ones_do_not(rng):
    """Of 4000 intervals mean +- se 68.3% hold the truth; those that forget the correlation far fewer."""
    runs, n, rho = 4000, 1000, 0.8
    series = ar1(rng, rho, (runs, n))
    results = [mean_with_error(row) for row in series]
    inside = np.mean([abs(r.mean) < r.se for r in results])
    naive = np.mean(np.abs(series.mean(axis=1)) < series.std(axis=1, ddof=1) / np.sqrt(n))
    # Binomial error 0.7%. The estimated time gives se^2 a relative variance of 2 (2 * 45 + 1)/n = 18%;
    # averaging erf(se / sqrt 2) over it takes about 2% off the coverage.
    assert 0.65 < inside < 0.70
    # The truth for the naive interval: it is sqrt(9) = 3 times too short, erf(1 / (3 sqrt 2)) = 26%.
    assert naive == pytest.approx(0.261, abs=0.03)


def test_the_error_of_short_independent_series_is_unbiased(rng):
    """E se^2 = variance / n also at n = 20, but for the floor, which can only lengthen the error bar."""
    squares = [mean_with_error(row).se ** 2 for row in rng.standard_normal((4000, 20))]
    # Relative error of a mean of 4000 chi^2 with 19 degrees: 0.5%. The time has sd sqrt(2 * 11/20) = 1.05, so
    # that the floor raises its mean to at most 1 + 1.05 / sqrt(2 pi) = 1.42.
    assert 0.98 < np.mean(squares) * 20 < 1.42


def test_the_result_is_consistent_and_scales(rng):
    series = ar1(rng, 0.7, 3000)
    one, big = mean_with_error(series), mean_with_error(1e200 * series)
    assert one.n_effective * one.time == pytest.approx(3000)
    assert integrated_time(series) == one.time
    assert big.se == pytest.approx(1e200 * one.se)
    assert big.time == pytest.approx(one.time)


def test_nan_entries_are_left_out(rng):
    series = rng.standard_normal(50)
    holes = np.insert(series, [3, 20, 50], np.nan)
    assert mean_with_error(holes) == mean_with_error(series)


@pytest.mark.parametrize(
    ("series", "mean", "se"),
    [
        ([], np.nan, np.nan),
        ([np.nan], np.nan, np.nan),
        ([2.0], 2.0, np.nan),
        ([0.1] * 7, 0.1, 0.0),
        ([1, 3], 2, 1),
    ],
)
def test_short_and_constant_series(series, mean, se):
    found = mean_with_error(series)
    assert found.time == 1.0
    np.testing.assert_allclose([found.mean, found.se], [mean, se], rtol=1e-15)


def test_a_trend_uses_up_the_samples(rng):
    """A drift is no set of independent values: hundreds of points are worth a handful."""
    found = mean_with_error(np.linspace(0, 1, 500) + 1e-3 * rng.standard_normal(500))
    assert found.n_effective < 10


@pytest.mark.parametrize("bad", [[1.0, np.inf], [[1.0, 2.0]], 3.0])
def test_what_is_no_series_is_refused(bad):
    with pytest.raises(InputError, match="series"):
        mean_with_error(bad)


def test_nan_is_refused_where_it_has_no_meaning():
    with pytest.raises(InputError, match=r"series\[1\] is nan; expected finite"):
        integrated_time([1.0, np.nan])


@pytest.mark.parametrize("n", [1, 2, 3, 5, 50, 301, 3000])
@pytest.mark.parametrize("rho", [-0.5, 0.0, 0.9])
def test_many_series_at_once_are_the_single_ones_bit_for_bit(rng, n, rho):
    rows = ar1(rng, rho, (60, n)) * 10.0 ** rng.integers(-150, 150, (60, 1)) + rng.integers(0, 2, (60, 1))
    rows[rng.random(rows.shape) < 0.02] = np.nan  # rows of different lengths
    rows[3], rows[4], rows[5], rows[6] = 0.1, np.nan, np.arange(n) % 2, np.linspace(0, 1, n)
    found = means_with_errors(rows)
    for name in ("mean", "se", "time", "n_effective"):
        single = [getattr(mean_with_error(row), name) for row in rows]
        np.testing.assert_array_equal(getattr(found, name), single)


def test_a_series_does_not_depend_on_its_company(rng):
    rows = ar1(rng, 0.8, (400, 700))
    whole, part = means_with_errors(rows), means_with_errors(rows[100:107])
    np.testing.assert_array_equal(whole.se[100:107], part.se)
    # The negative control: another order of the values has another error.
    assert (means_with_errors(rng.permuted(rows, axis=1)).se < whole.se / 1.5).all()


def test_no_series_and_empty_ones():
    assert means_with_errors(np.empty((0, 5))).mean.shape == (0,)
    found = means_with_errors(np.empty((2, 0)))
    np.testing.assert_array_equal([found.mean, found.se], np.nan)
    np.testing.assert_array_equal([found.time, found.n_effective], [[1, 1], [0, 0]])


@pytest.mark.parametrize("bad", [[1.0, 2.0], 3.0, [[[1.0]]]])
def test_what_is_no_table_of_series_is_refused(bad):
    with pytest.raises(InputError, match="means_with_errors: series have shape"):
        means_with_errors(bad)


def test_an_infinite_value_is_named():
    with pytest.raises(InputError, match=r"series\[1, 0\] is -inf; expected finite"):
        means_with_errors([[1.0, np.nan], [-np.inf, 2.0]])


@pytest.fixture
def rng():
    return np.random.default_rng(20)
