"""The optimizers on isotropic noise: stationary norms to all orders in the step, and no drift by rounding."""

import math

import pytest
import torch

from thermograd.optim import FixedELRSGD, FixedLRSGD, SphereSGD

torch.set_num_threads(1)

DIM = 100


def noise_gradient(w, sigma, generator):
    """``P_w eps sigma / |w|``: isotropic noise; on the unit sphere E |g|**2 = sigma**2 (d - 1)."""
    v = w.detach().double()
    eps = torch.randn(v.shape, generator=generator, dtype=torch.float64)
    v = v / torch.linalg.vector_norm(v)
    return sigma * (eps - v * torch.dot(v, eps)) / torch.linalg.vector_norm(w.detach().double())


def run(make, start, steps, burn_in, unit_grad_sq, seed=0):
    """Mean of what the optimizer measures after ``burn_in`` steps of pure noise."""
    g = torch.Generator().manual_seed(seed)
    w = torch.nn.Parameter(torch.randn(DIM, generator=g, dtype=torch.float64))
    with torch.no_grad():
        w.mul_(start / torch.linalg.vector_norm(w))
    optimizer = make([w])
    sigma = math.sqrt(unit_grad_sq / (DIM - 1))
    for step in range(steps + burn_in):
        if step == burn_in:
            optimizer.take_means()
        w.grad = noise_gradient(w, sigma, g)
        optimizer.step()
    return optimizer.take_means()


def test_stationary_norm_at_fixed_lr():
    lr, wd, m = 0.5, 0.2, 9.0
    exact = (lr * m / (2 * wd - lr * wd**2)) ** 0.25
    means = run(lambda p: FixedLRSGD(p, lr=lr, wd=wd), exact, 4000, 50, m)
    # |g|**2 has relative sd sqrt(2 / 99) = 0.14; a step adds 4 lr wd = 0.4 of it to r**4, so r has sd
    # 1.6% and a memory of 2.5 steps: standard error 1.6% / sqrt(4000 / 5) = 0.06%. The SDE's formula is 1.3%
    # below.
    assert means["norm"] == pytest.approx(exact, rel=0.003)
    assert means["norm"] != pytest.approx((lr * m / (2 * wd)) ** 0.25, rel=0.006)
    # sd 0.14 over 4000 independent draws
    assert means["batch_grad_sq"] == pytest.approx(m, rel=5 * math.sqrt(2 / 99 / 4000))


def test_stationary_norm_at_fixed_elr():
    elr, wd, m = 0.1, 0.05, 9.0
    exact = math.sqrt((1 - math.sqrt(1 - elr**2 * m)) / (elr * wd))
    means = run(lambda p: FixedELRSGD(p, elr=elr, wd=wd), exact, 6000, 100, m)
    # r**2 relaxes at elr**2 m = 0.09 a step: sd of r 1.5%, standard error 1.5% / sqrt(6000 * 0.09 / 2) =
    # 0.09%; the SDE's formula is 1.2% below.
    assert means["norm"] == pytest.approx(exact, rel=0.004)
    assert means["norm"] != pytest.approx(math.sqrt(elr * m / (2 * wd)), rel=0.006)


@pytest.mark.parametrize("radius", [0.5, 2.0])
def test_effective_weight_decay_on_the_sphere(radius):
    elr, m = 0.2, 9.0
    exact = (math.sqrt(1 + elr**2 * m) - 1) / (elr * radius**2)
    means = run(lambda p: SphereSGD(p, elr=elr, radius=radius), radius, 2000, 0, m)
    # sd 0.14 / sqrt(2000) = 0.32%, and the mean of the square root is 0.1% below the square root of the mean;
    # the SDE's formula is 8% above.
    assert means["effective_wd"] == pytest.approx(exact, rel=0.015)
    assert means["effective_wd"] != pytest.approx(elr * m / (2 * radius**2), rel=0.04)
    assert means["norm"] == pytest.approx(radius, rel=1e-12)


def test_growth_without_weight_decay_is_the_known_rate():
    # Pythagoras: |w|**2 grows by the factor 1 + elr**2 |g|**2 a step, exactly
    elr, m, steps = 0.01, 9.0, 500
    g = torch.Generator().manual_seed(2)
    w = torch.nn.Parameter(torch.ones(DIM, dtype=torch.float64))
    optimizer = FixedELRSGD([w], elr=elr, wd=0.0)
    growth = 0.0
    for _ in range(steps):
        w.grad = noise_gradient(w, math.sqrt(m / (DIM - 1)), g)
        growth += math.log1p(elr**2 * float(w.detach().square().sum() * w.grad.square().sum()))
        optimizer.step()
    assert math.log(float(w.detach().square().sum()) / DIM) == pytest.approx(growth, rel=1e-10)


def decay(make, dtype, steps, seed=3):
    """Norm after many small steps, from the same start with the same noise."""
    g = torch.Generator().manual_seed(seed)
    w = torch.nn.Parameter(torch.randn(DIM, generator=g, dtype=torch.float64).to(dtype))
    step = make(w)
    for _ in range(steps):
        # noise of 1e-4 a step in each weight, far above round-off, so that float32 can average it
        w.grad = (1e-4 * torch.randn(DIM, generator=g, dtype=torch.float64)).to(dtype)
        step()
    return float(torch.linalg.vector_norm(w.detach().double()))


# weight decay of 4.5 units of round-off a step: 1 - lr wd rounds to 1 - 4 units, an error of 11%
SHRINK = 4.5 * 2.0**-24


def naive(w):
    @torch.no_grad()
    def step():
        w.mul_(1 - torch.tensor(SHRINK, dtype=w.dtype)).sub_(w.grad)

    return step


@pytest.mark.parametrize(
    "make",
    [
        lambda w: FixedLRSGD([w], lr=1.0, wd=SHRINK).step,
        lambda w: FixedELRSGD([w], elr=0.01, wd=SHRINK).step,  # |w|**2 is about 100
    ],
)
def test_small_steps_do_not_drift_in_float32(make):
    steps = 10_000
    exact = decay(make, torch.float64, steps)
    drift = abs(decay(make, torch.float32, steps) / exact - 1)
    # each weight is rounded once a step, at random: 3e-8 sqrt(10000) = 3e-6 for one weight, less for the norm
    assert drift < 1e-5


def test_a_rounded_shrink_factor_drifts():
    # negative control: half a unit of 6e-8 a step from the factor, and more from the product
    control = decay(naive, torch.float32, 10_000) / decay(naive, torch.float64, 10_000) - 1
    assert control > 0.5 * 2.0**-24 * 10_000 * 0.9
