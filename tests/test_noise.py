from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from thermograd.errors import InputError
from thermograd.noise import gradient_noise

DIM = 110  # the rank at which Gaussian noise gives the scatter seen on networks: 4.5% for 50 draws at SNR 0.6


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def one_by_one(draws: Tensor) -> Callable[[], Tensor]:
    rows = iter(draws)
    return lambda: next(rows)


def gaussian(snr: float, count: int, generator: torch.Generator) -> Tensor:
    """Draws with isotropic unit noise in DIM dimensions: tr_sigma = DIM, |E g|^2 = DIM snr^2."""
    mean = torch.zeros(DIM, dtype=torch.float64)
    mean[0] = snr * math.sqrt(DIM)
    return mean + torch.randn(count, DIM, generator=generator, dtype=torch.float64)


def variance_of_grad_sq(snr: float, draws: int) -> float:
    """4 zeta/k + 2 tau/(k(k-1)) of the law above."""
    return 4 * DIM * snr**2 / draws + 2 * DIM / (draws * (draws - 1))


@pytest.mark.parametrize("draws", [6, 7, 31])
def test_equals_the_mean_over_all_pairs(draws: int) -> None:
    g = torch.randn(draws, 13, generator=torch.Generator().manual_seed(draws), dtype=torch.float64)
    found = gradient_noise(one_by_one(g), rtol=None, max_draws=draws, norm=3.0)
    gram = (g @ g.T).numpy()
    pairs = gram[~np.eye(draws, dtype=bool)]
    assert found.grad_sq == pytest.approx(9 * pairs.mean(), rel=1e-12)
    assert found.batch_grad_sq == pytest.approx(9 * np.trace(gram) / draws, rel=1e-12)
    covariance = np.cov(g.numpy().T)
    assert found.tr_sigma == pytest.approx(9 * np.trace(covariance), rel=1e-12)
    assert found.draws == draws
    assert found.converged


def test_reused_buffers_and_lists_give_what_flat_draws_give() -> None:
    g = torch.randn(20, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    buffers = [torch.empty(2, 3, dtype=torch.float64), torch.empty(6, dtype=torch.float64)]
    rows = iter(g)

    def into_buffers() -> list[Tensor]:
        row = next(rows)
        buffers[0].copy_(row[:6].reshape(2, 3))
        buffers[1].copy_(row[6:])
        return buffers

    flat = gradient_noise(one_by_one(g), rtol=None, max_draws=20)
    assert gradient_noise(into_buffers, rtol=None, max_draws=20) == flat


def test_unbiased_and_the_plug_in_is_rejected() -> None:
    # Anisotropic noise, correlated with nothing; 3000 repeats of 8 draws. The standard error of the mean over
    # the repeats is known, so |z| < 4 fails by chance once in 16 000.
    generator = torch.Generator().manual_seed(1)
    sd = torch.linspace(0.2, 2.0, 10, dtype=torch.float64)
    mean = torch.full((10,), 0.3, dtype=torch.float64)
    repeats, draws = 3000, 8
    zeta = float((mean**2 * sd**2).sum())
    tau = float((sd**4).sum())
    se = math.sqrt((4 * zeta / draws + 2 * tau / (draws * (draws - 1))) / repeats)
    unbiased, traces, plugged = [], [], []
    for _ in range(repeats):
        g = mean + sd * torch.randn(draws, 10, generator=generator, dtype=torch.float64)
        found = gradient_noise(one_by_one(g), rtol=None, max_draws=draws)
        unbiased.append(found.grad_sq)
        traces.append(found.tr_sigma)
        plugged.append(float((g.mean(0) ** 2).sum()))
    truth = float((mean**2).sum())
    assert abs(np.mean(unbiased) - truth) < 4 * se
    assert abs(np.mean(plugged) - truth) > 20 * se  # its bias, tr_sigma/k, is 36 standard errors here
    se_trace = math.sqrt((2 * tau / draws + 2 * tau / (draws * (draws - 1))) / repeats)
    assert abs(np.mean(traces) - float((sd**2).sum())) < 4 * se_trace
    # Negative values are kept: clipping them would be a bias too.
    assert min(unbiased) < 0
    assert np.mean(np.maximum(unbiased, 0)) - truth > 4 * se


@pytest.mark.parametrize(("snr", "draws"), [(0.6, 50), (0.6, 200), (0.1, 200)])
def test_scatter_is_the_theory_s_and_the_standard_error_covers(snr: float, draws: int) -> None:
    generator = torch.Generator().manual_seed(2)
    repeats, truth = 200, DIM * snr**2
    found = [
        gradient_noise(one_by_one(gaussian(snr, draws, generator)), rtol=None, max_draws=draws)
        for _ in range(repeats)
    ]
    values = np.array([f.grad_sq for f in found])
    errors = np.array([f.grad_sq_se for f in found])
    sd = math.sqrt(variance_of_grad_sq(snr, draws))
    if snr == 0.6:  # 4.5% at 50 draws, 2.2% at 200, measured on a network
        assert sd / truth == pytest.approx({50: 0.045, 200: 0.022}[draws], rel=0.15)
    assert np.std(values) == pytest.approx(sd, rel=4 / math.sqrt(2 * repeats))
    # The reported variance is right on average: one is uncertain by 2/sqrt(draws), relatively.
    assert np.mean(errors**2) == pytest.approx(sd**2, rel=8 / math.sqrt(draws * repeats) + 0.1)
    # Two standard errors hold the truth 93% of the time here; 200 repeats tell that to 1.8%.
    covered = np.abs(values - truth) < 2 * errors
    assert covered.mean() > 0.87
    assert (np.abs(values - truth) < errors).mean() < 0.80  # half the error bar would be caught
    traces = np.array([f.tr_sigma for f in found])
    trace_errors = np.array([f.tr_sigma_se for f in found])
    assert (np.abs(traces - DIM) < 2 * trace_errors).mean() > 0.87
    assert (np.abs(traces - DIM) < trace_errors).mean() < 0.80


def test_error_without_signal_is_at_most_a_third_too_large() -> None:
    generator = torch.Generator().manual_seed(3)
    found = [
        gradient_noise(one_by_one(gaussian(0.0, 20, generator)), rtol=None, max_draws=20) for _ in range(400)
    ]
    ratio = np.mean([f.grad_sq_se for f in found]) / math.sqrt(variance_of_grad_sq(0.0, 20))
    assert 1.0 < ratio < 1.41  # a jackknife's ratio
    assert np.mean([f.grad_sq < 0 for f in found]) == pytest.approx(0.5, abs=0.1)
    assert all(f.snr == 0 for f in found if f.grad_sq < 0)


@pytest.mark.parametrize(("snr", "rtol"), [(0.1, 0.1), (1.0, 0.015)])
def test_adaptive_stopping_takes_the_draws_that_the_law_says(snr: float, rtol: float) -> None:
    truth = DIM * snr**2
    expected = next(k for k in range(2, 2000) if variance_of_grad_sq(snr, k) < (rtol * truth) ** 2)
    generator = torch.Generator().manual_seed(4)
    found = [
        gradient_noise(lambda: gaussian(snr, 1, generator)[0], rtol=rtol, atol=0.0, max_draws=4000)
        for _ in range(15)
    ]
    assert all(f.converged and f.grad_sq_se <= rtol * f.grad_sq for f in found)
    # The error is uncertain by sqrt(2/k), and looked at again and again: the first low value ends it.
    assert 0.6 * expected < np.median([f.draws for f in found]) < 1.4 * expected
    assert {0.1: 400, 1.0: 160}[snr] == pytest.approx(expected, rel=0.1)


def test_a_lost_signal_ends_by_atol_or_says_what_is_missing() -> None:
    generator = torch.Generator().manual_seed(5)

    def noise() -> Tensor:
        return gaussian(0.0, 1, generator)[0]

    found = gradient_noise(noise, rtol=0.01, atol=5e-3)
    assert found.converged
    assert found.grad_sq_se <= 5e-3 * found.batch_grad_sq
    assert "within 0.005 of batch_grad_sq" in found.reason
    found = gradient_noise(noise, rtol=0.01, atol=0.0, max_draws=40)
    assert not found.converged
    assert found.draws == 40
    assert "max_draws = 40 ended it" in found.reason
    assert "wanted 0.01" in found.reason


def test_without_noise_the_gradient_itself() -> None:
    g = torch.tensor([3.0, 4.0])
    found = gradient_noise(lambda: g, norm=2.0)
    assert (found.grad_sq, found.tr_sigma, found.grad_sq_se, found.tr_sigma_se) == (100.0, 0.0, 0.0, 0.0)
    assert found.snr == math.inf
    assert found.draws == 20


def test_small_float32_gradients_do_not_underflow() -> None:
    g = gaussian(1.0, 40, torch.Generator().manual_seed(6)).float()
    plain = gradient_noise(one_by_one(g), rtol=None, max_draws=40)
    tiny = gradient_noise(one_by_one(g * 2.0**-80), rtol=None, max_draws=40)  # squares below float32's range
    assert tiny.grad_sq == plain.grad_sq * 2.0**-160
    assert tiny.snr == plain.snr


def test_minibatches_of_a_model_find_the_full_gradient() -> None:
    # Least squares: batches drawn with replacement, so that E g is the full gradient exactly.
    rng = torch.Generator().manual_seed(7)
    inputs = torch.randn(64, 5, generator=rng, dtype=torch.float64)
    targets = torch.randn(64, generator=rng, dtype=torch.float64)
    w = torch.full((5,), 0.4, dtype=torch.float64, requires_grad=True)

    def gradient(batch: Tensor) -> list[Tensor]:
        loss = ((inputs[batch] @ w - targets[batch]) ** 2).mean()
        return list(torch.autograd.grad(loss, [w]))

    before = w.detach().clone()
    found = gradient_noise(
        lambda: gradient(torch.randint(64, (8,), generator=rng)), rtol=0.05, atol=0.0, max_draws=5000
    )
    full = float((gradient(torch.arange(64))[0] ** 2).sum())
    each = torch.stack([gradient(torch.tensor([i]))[0] for i in range(64)])
    trace = float(each.var(0, correction=0).sum()) / 8
    assert found.converged
    assert abs(found.grad_sq - full) < 4 * found.grad_sq_se
    assert abs(found.tr_sigma - trace) < 4 * found.tr_sigma_se
    assert torch.equal(w, before)
    assert w.grad is None


def test_a_gradient_that_is_not_finite_is_said_and_not_averaged() -> None:
    g = gaussian(1.0, 100, torch.Generator().manual_seed(8))
    g[23, 5] = math.inf
    found = gradient_noise(one_by_one(g), rtol=1e-6, atol=0.0)
    assert math.isnan(found.grad_sq)
    assert math.isnan(found.tr_sigma_se)
    assert not found.converged
    assert "draw 23 is not finite" in found.reason
    assert found.draws < 30  # it does not go on


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rtol": 0.0}, "rtol is 0.0"),
        ({"rtol": math.nan}, "rtol is nan"),
        ({"atol": -1.0}, "atol is -1.0"),
        ({"norm": 0.0}, "norm is 0.0"),
        ({"min_draws": 5}, "min_draws is 5; expected at least 6"),
        ({"rtol": None, "max_draws": 4}, "max_draws is 4; expected at least 6"),
        ({"min_draws": 50, "max_draws": 40}, "max_draws is 40; expected at least min_draws = 50"),
    ],
)
def test_options_out_of_range(options: dict[str, float | None], said: str) -> None:
    with pytest.raises(InputError, match=said):
        gradient_noise(lambda: torch.ones(3), **options)  # type: ignore[arg-type]


def test_draws_that_are_no_gradients() -> None:
    with pytest.raises(InputError, match="piece 1 of draw 0 is NoneType"):
        gradient_noise(lambda: [torch.ones(2), None])  # type: ignore[list-item]
    with pytest.raises(InputError, match=r"piece 0 of draw 0 is torch\.int64"):
        gradient_noise(lambda: torch.ones(2, dtype=torch.int64))
    with pytest.raises(InputError, match="the gradient is empty"):
        gradient_noise(list)
    sizes = iter([2, 2, 3])
    with pytest.raises(InputError, match=r"draw 2 has shapes \[\(3,\)\]"):
        gradient_noise(lambda: torch.ones(next(sizes)))
