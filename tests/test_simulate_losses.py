"""Losses of one's own in the laboratory: the same physics, and everything that is not lawful named."""

import numpy as np
import pytest

from thermograd.errors import InputError
from thermograd.protocol import FixedELR, FixedSphere
from thermograd.simulate import IsotropicSpec, Laboratory, check_loss, from_torch, isotropic


def cosine_loss(mu):
    """``1 + mu.u``, as a user would write it."""

    def loss(w):
        norm = np.linalg.norm(w, axis=1, keepdims=True)
        u = w / norm
        cosine = u @ mu
        return 1 + cosine, (mu - cosine[:, None] * u) / norm

    return loss


def bingham_loss(eigenvalues):
    """``u^T A u`` with diagonal A: two opposite minima, each direction of its own curvature."""
    a = np.asarray(eigenvalues)

    def loss(w):
        square = (w * w).sum(axis=1)
        value = (a * w * w).sum(axis=1) / square
        return value, 2 * (a * w - value[:, None] * w) / square[:, None]

    return loss


@pytest.mark.parametrize("grid", [FixedSphere(elr=0.02, radius=2.0), FixedELR(elr=0.02, wd=0.1)])
def test_the_test_loss_written_by_the_user_gives_the_numbers_of_the_built_in_one(grid):
    options = {"dim": 4, "steps": 1000, "chains": 8, "record_every": 5, "queue_size": 20, "queue_every": 5}
    options |= {"dtype": "float64", "seed": 3}
    mu = IsotropicSpec(**options).mean_direction_of(3)
    built_in = Laboratory(grid, IsotropicSpec(**options))
    own = Laboratory(grid, IsotropicSpec(**options, loss=cosine_loss(mu)))
    built_in.advance()
    own.advance()
    # The same noise up to float32 rounding of a normal, 6e-8 of itself, in a dynamics that contracts; a
    # nearest distance, a tenth of the spread or less, magnifies it a few ten times.
    for name, series in built_in.trace().data_vars.items():
        if series.dtype.kind == "f":
            np.testing.assert_allclose(own.trace()[name], series, rtol=1e-5, atol=1e-7, err_msg=str(name))


def test_a_torch_loss_is_the_numpy_one():
    torch = pytest.importorskip("torch")
    mu = np.array([0.6, 0.0, 0.8])
    loss = from_torch(lambda w: 1 + (w @ torch.tensor(mu, dtype=w.dtype)) / w.norm(dim=1))
    w = np.random.default_rng(0).standard_normal((50, 3))
    for found, expected in zip(loss(w), cosine_loss(mu)(w), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)
    assert loss(w.astype(np.float32))[1].dtype == np.float32
    states = isotropic(FixedSphere(elr=0.02, radius=1.0), steps=500, chains=4, queue_size=0, loss=loss)
    assert np.isfinite(states.loss.item())
    with pytest.raises(InputError, match=r"values have shape \(\); expected \(50,\)"):
        from_torch(lambda w: w.sum())(w)


def test_bingham_equipartition():
    """Each direction of a quadratic minimum holds T/2, whatever its curvature."""
    elr, sigma, gaps = 0.01, 0.5, np.array([1.0, 1.5, 2.5])
    spec = IsotropicSpec(
        dim=4,
        steps=8000,
        chains=400,
        sigma=sigma,
        record_every=10,
        queue_size=0,
        dtype="float64",
        loss=bingham_loss([0.0, *gaps]),
    )
    laboratory = Laboratory(FixedSphere(elr=elr, radius=1.0), spec)
    laboratory.advance()
    states = laboratory.states()
    T = elr * sigma**2 / 2
    # A step of size h = elr * curvature, curvature 2 gap, leaves a variance 1/(1 - h/2) larger than the
    # continuous one: 1 to 2.6% here. Beyond the harmonic form the energy changes by the order of T/gap, 0.1%.
    expected = T / 2 * np.sum(1 / (1 - elr * gaps))
    # 4000 iterations are 80 relaxation times 1/h of the slowest direction, worth 40 independent samples of
    # each of 400 chains: relative error at most sqrt(2/3 / 16000) = 0.65%.
    assert states.loss.item() == pytest.approx(expected, rel=4 * 0.0065)
    assert states.loss_se.item() < 0.0065 * expected
    assert states.temperature.item() == pytest.approx(T, rel=0.01)
    # Both minima are visited from random starts, half of the chains each: sd 10 of 400.
    first = laboratory.directions()[0, 0, :, 0]
    assert abs((first > 0).sum() - 200) < 45


def _with_eps(w):
    """A norm with an eps inside, as a BatchNorm has: not scale-invariant by one part in 1e5."""
    square = (w * w).sum(axis=1) + 1e-5
    value = w[:, 0] ** 2 / square
    gradient = -2 * value[:, None] * w / square[:, None]
    gradient[:, 0] += 2 * w[:, 0] / square
    return value, gradient


def _wrong_gradient(w):
    value, gradient = bingham_loss([0.0, 1.0, 2.0])(w)
    return value, 0.9 * gradient


def _radial_gradient(w):
    value, gradient = bingham_loss([0.0, 1.0, 2.0])(w)
    return value, gradient + 0.1 * w / (w * w).sum(axis=1, keepdims=True)


def _unscaled_gradient(w):
    value, gradient = bingham_loss([0.0, 1.0, 2.0])(w)
    return value, gradient * (w * w).sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("loss", "parts"),
    [
        (lambda w: ((w**2).sum(1), 2 * w), ["is 9 at 3 w where it is 1 at w", "expected L(a w) = L(w)"]),
        (_with_eps, ["expected L(a w) = L(w)", "eps"]),
        (_radial_gradient, ["radial part w.grad = 0.1", "expected 0"]),
        (_unscaled_gradient, ["at 3 w differs from 1/3", "grad L(w) / a"]),
        (_wrong_gradient, ["gives a slope of", "expected the gradient of the values"]),
        (lambda w: (w[:, 0] * np.nan, w), ["not finite"]),
        (lambda w: (w.sum(), w), ["shapes () and (8, 3)", "expected (8,) and (8, 3)"]),
        (lambda w: w.sum(1), ["returned ndarray", "(values, gradients)"]),
    ],
)
def test_an_unlawful_loss_is_named_before_anything_runs(loss, parts):
    with pytest.raises(InputError) as raised:
        isotropic(FixedSphere(elr=0.01, radius=1.0), steps=100, queue_size=0, loss=loss)
    message = str(raised.value)
    assert message.startswith("loss: ")
    assert "\n" not in message
    for part in parts:
        assert part in message, message


@pytest.mark.parametrize("dim", [2, 3, 50, 1000])
def test_lawful_losses_pass_in_any_dimension(dim):
    check_loss(cosine_loss(np.eye(dim)[0]), dim)
    check_loss(bingham_loss(np.linspace(0, 5, dim)), dim)


@pytest.mark.parametrize("given", [{"spectrum": [1.0, 2.0]}, {"mean_direction": [1.0, 0.0, 0.0]}])
def test_what_belongs_to_the_test_loss_is_refused_beside_another(given):
    with pytest.raises(InputError, match="is given with a loss of your own"):
        IsotropicSpec(loss=bingham_loss([0.0, 1.0, 2.0]), **given)
