"""The split of the gradient into mean and noise is right, and quieter than a difference under bursts."""

import numpy as np
import pytest

from thermograd.autocorrelation import mean_with_error
from thermograd.states.gradient import split_gradient

NOISE, MEAN = 3.0, 2.0


def bursting_window(rng, n=60):
    """Intervals of many steps, points of few draws; everything is scaled by heavy-tailed bursts."""
    bursts, at_point = (np.exp(rng.normal(-0.5, 1.0, size)) for size in ((n, 100), n))
    draws = 1 + 0.05 * rng.standard_normal((2, n))
    return {
        "batch_grad_sq": (NOISE + MEAN) * bursts.mean(axis=1),
        "grad_sq": MEAN * at_point * draws[0],
        "point_grad_sq": (NOISE + MEAN) * at_point * draws[1],
    }


def test_the_ratio_is_right_and_its_error_bar_too():
    ratio, ratio_se, difference = [], [], []
    for seed in range(200):
        window = bursting_window(np.random.default_rng(seed))
        difference.append(window["batch_grad_sq"].mean() - window["grad_sq"].mean())
        split_gradient(window)
        found = mean_with_error(window["tr_sigma"])
        ratio.append(found.mean)
        ratio_se.append(found.se)
        np.testing.assert_allclose(
            window["tr_sigma"] + window["grad_sq"], window["batch_grad_sq"], rtol=1e-12
        )
    spread = np.std(ratio)
    # 200 repeats tell the mean to spread / 14 and the spread itself to 5%.
    assert abs(np.mean(ratio) - NOISE) < 4 * spread / np.sqrt(200)
    assert np.sqrt(np.mean(np.square(ratio_se))) == pytest.approx(spread, rel=0.25)
    # The negative control: the plain difference carries the points' bursts in full.
    assert np.std(difference) > 3 * spread


def test_nothing_is_done_without_the_points_own_squares():
    window = {"batch_grad_sq": np.ones(3), "grad_sq": np.ones(3), "tr_sigma": np.zeros(3)}
    split_gradient(window)
    assert window["tr_sigma"].tolist() == [0, 0, 0]
