"""Powers of the batch size: known ones are found with errors that are their scatter, others are not."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from thermograd.analysis.batch_size import batch_size_laws
from thermograd.errors import InputError
from thermograd.figures import batch_size as figures
from thermograd.figures.output import encode
from thermograd.protocol import FixedLR, FixedSphere
from thermograd.reproduce.batch_size import batch_size_claims
from thermograd.states import new_states

SIZES = (32, 64, 128, 256, 512)
RATE = 0.005


def sphere(
    power: float = -1.0, noise: float = 0.0, seed: int = 0, seeds: int = 1, spread: float = 0.0
) -> dict[int, xr.Dataset]:
    """States at one ELR and at one ELR per image: tr_sigma = 9 (B/128)^power, U = elr/B, errors of `noise`.

    Seeds differ by the factor exp(spread), on which their errors say nothing.
    """
    rng = np.random.default_rng(seed)
    states = {}
    for B in SIZES:
        rates = sorted({RATE, RATE * B / 128})
        shape = (len(rates), 1, seeds) if seeds > 1 else (len(rates), 1)
        factor = np.exp(noise * rng.standard_normal(shape) + spread * rng.standard_normal(shape))
        rate = np.array(rates).reshape(-1, *(1,) * (len(shape) - 1)) + np.zeros(shape)
        tr = 9 * (B / 128) ** power * factor
        measured = {"norm": np.ones(shape), "norm_se": np.zeros(shape), "loss": 100 * rate / B}
        measured |= {"loss_se": 1e-3 * rate / B, "tr_sigma": tr, "tr_sigma_se": noise * tr}
        grid = FixedSphere.grid(elr=rates, radius=[1.0])
        states[B] = new_states(grid, measured, dim=10, seeds=list(range(seeds)) if seeds > 1 else None)
    return states


def test_the_powers_of_independent_images_are_found():
    check = batch_size_laws(sphere())
    found = {(law.observable, law.held): law.law.exponent for law in check.laws}
    expected = {("sigma2", "rate"): -1, ("temperature", "rate"): -1, ("loss", "rate"): -1}
    expected |= {("sigma2", "rate / B"): -1, ("temperature", "rate / B"): 0, ("loss", "rate / B"): 0}
    # Only powers that something is expected of are kept.
    kept = {key: value for key, value in expected.items() if key in found}
    assert set(found) == {k for k in expected if k not in {("loss", "rate"), ("sigma2", "rate / B")}}
    for key, value in kept.items():
        assert found[key] == pytest.approx(value, abs=1e-9), key
    # T = elr sigma2 / 2 with sigma2 = tr_sigma / (d - 1) = 1 at B = 128.
    at_128 = check.points.isel(run=np.flatnonzero(check.points.batch_size.values == 128))
    assert at_128.temperature.item() == pytest.approx(RATE / 2)


def test_at_fixed_lr_the_temperature_goes_with_the_root_of_the_noise():
    states = {}
    for B in SIZES:
        lr = np.array(sorted({0.06, 0.06 * B / 128}))[:, None]
        tr = np.full_like(lr, 9 * 128 / B)
        grid = FixedLR.grid(lr=lr.ravel(), wd=[0.005])
        states[B] = new_states(grid, {"norm": 1 + 0 * lr, "loss": 1 + 0 * lr, "tr_sigma": tr}, dim=10)
    check = batch_size_laws(states)
    assert check.law("temperature", "rate").law.exponent == pytest.approx(-0.5)
    assert check.law("temperature", "rate / B").law.exponent == pytest.approx(0.0, abs=1e-9)
    assert all(abs(law.law.exponent - law.expected) < 1e-9 for law in check.laws)


def test_the_error_of_a_power_is_its_scatter():
    pulls = np.array(
        [batch_size_laws(sphere(noise=0.05, seed=k)).law("sigma2", "rate").pull for k in range(60)]
    )
    # 60 pulls tell their own standard deviation to 9% and their mean to 0.13; errors are enlarged where five
    # points scatter more, which makes pulls smaller, to 0.8 of 1 at the least.
    assert abs(pulls.mean()) < 3 * 0.13
    assert 0.6 < pulls.std() < 1.28


def test_seeds_that_disagree_make_the_error():
    check = batch_size_laws(sphere(noise=1e-3, seeds=4, spread=0.2))
    relative = (check.points.sigma2_se / check.points.sigma2).values
    # The scatter of 4 seeds over sqrt(4) is 0.1, known to 40%; their mean over 9 points to 14%.
    assert np.mean(relative) == pytest.approx(0.1, rel=3 * 0.14)
    assert (check.points.seeds == 4).all()


def test_noise_that_ignores_the_batch_size_is_no_power_of_minus_one():
    check = batch_size_laws(sphere(power=0.0, noise=0.02))
    assert abs(check.law("sigma2", "rate").pull) > 10
    verdicts = {c.claim.partition(":")[0]: c.verdict for c in batch_size_claims({"FixedSphere": check})}
    assert verdicts["The gradient noise falls as 1/B at a fixed rate"] == "differs"
    assert verdicts["The loss is a function of the rate per image"] == "agrees"


def test_claims_follow_the_errors():
    good = batch_size_claims({"FixedSphere": batch_size_laws(sphere(noise=0.02))})
    assert {claim.verdict for claim in good} == {"agrees"}
    # With 40% at each point the exponent is known to 0.2, more than the tolerance of 0.1.
    coarse = batch_size_claims({"FixedSphere": batch_size_laws(sphere(noise=0.4))})
    assert coarse[0].verdict == "not testable"
    assert "±" in coarse[0].measured
    none = batch_size_claims({"FixedSphere": "nothing there"})
    assert {(claim.verdict, claim.reason) for claim in none} == {("not testable", "nothing there")}


@pytest.mark.parametrize(
    ("states", "words"),
    [
        ({B: sphere()[B] for B in (32, 64)}, "2 batch sizes"),
        (
            {B: sphere()[32] for B in (1, 2, 3)} | {4: sphere()[32].assign_attrs(protocol="FixedLR")},
            "all under one",
        ),
        (
            {B: one.assign(status=xr.full_like(one.status, "converging")) for B, one in sphere().items()},
            "no run is in equilibrium",
        ),
    ],
)
def test_what_cannot_be_fitted_is_refused(states, words):
    with pytest.raises(InputError, match=words):
        batch_size_laws(states)


def test_the_figure_shows_points_and_powers():
    check = batch_size_laws(sphere(noise=0.02))
    ax = figures.over_batch_size(check, Figure().subplots(), "sigma2")
    lines = {line.get_gid(): line for line in ax.lines}
    np.testing.assert_array_equal(lines["sigma2:rate"].get_xdata(), SIZES)
    law = check.law("sigma2", "rate").law
    np.testing.assert_allclose(lines["sigma2:rate:law"].get_ydata(), law.at([32, 512])[0])
    expected = lines["sigma2:rate:expected"].get_ydata()
    assert expected[0] / expected[1] == pytest.approx(16)
    other = figures.over_rate_per_image(check, Figure().subplots(), "loss")
    shown = {line.get_gid() for line in other.lines}
    assert {f"loss:B={B}" for B in SIZES} <= shown
    assert encode(figures.batch_size({"fixed sphere": check}), "png")[:4] == b"\x89PNG"
    with pytest.raises(InputError, match="no batch sizes"):
        figures.batch_size({})
