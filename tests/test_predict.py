"""`predict`: its fields agree with each other, with the laws they come from, and bad input is refused."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError, astuple

import numpy as np
import pytest

from thermograd.errors import InputError
from thermograd.protocol import FixedELR, FixedLR, FixedSphere, Protocol
from thermograd.theory.predict import Prediction, predict
from thermograd.theory.relaxation import radius_at_elr, radius_at_lr

PROTOCOLS = [FixedSphere(elr=0.03, radius=1.7), FixedELR(elr=0.03, wd=0.01), FixedLR(lr=0.2, wd=0.01)]
NOISE = {"tr_sigma": 12.0, "dim": 31, "grad_sq": 3.0}


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=repr)
def test_fields_obey_the_gas_laws(protocol: Protocol) -> None:
    state = predict(protocol, **NOISE)
    R, sigma2 = 15.0, 12.0 / 30.0
    assert all(type(value) is float for value in astuple(state))
    assert state.volume == pytest.approx(state.radius**2 / 2, rel=1e-14)
    assert state.pressure * state.volume == pytest.approx(R * state.temperature, rel=1e-14)
    assert state.temperature == pytest.approx(state.effective_lr * sigma2 / 2, rel=1e-14)
    assert state.pressure == state.effective_wd
    # Z from the discrete state
    z = state.effective_wd_discrete * state.radius_discrete**2 / 2 / (R * state.temperature)
    assert state.compressibility == pytest.approx(z, rel=1e-14)
    with pytest.raises(FrozenInstanceError):
        state.radius = 1.0  # type: ignore[misc]


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=repr)
def test_pythagoras_balances_at_the_finite_step_state(protocol: Protocol) -> None:
    """One step with a gradient of length sqrt(m)/r leaves the finite-step radius where it is."""
    state = predict(protocol, **NOISE)
    r, m = state.radius_finite_step, 15.0
    lr = protocol.values.get("lr", protocol.values.get("elr", 0.0) * r**2)
    noise = lr * math.sqrt(m) / r
    if isinstance(protocol, FixedSphere):
        # the projection takes back sqrt(r^2 + step^2) - r, as decay lr * wd * r would
        assert math.hypot(r, noise) - r == pytest.approx(lr * state.effective_wd_finite_step * r, rel=1e-12)
        assert state.radius == state.radius_discrete == r == protocol.radius
    else:
        assert math.hypot(r * (1 - lr * state.effective_wd), noise) == pytest.approx(r, rel=1e-12)
        assert state.effective_wd == state.effective_wd_discrete == state.effective_wd_finite_step == 0.01
        assert state.radius < state.radius_discrete < r


def test_three_protocols_reach_the_same_state() -> None:
    """The same effective rate and pressure, whichever two of the quantities are held."""
    elr = predict(FixedELR(elr=0.03, wd=0.01), tr_sigma=12.0, dim=31)
    sphere = predict(FixedSphere(elr=0.03, radius=elr.radius), tr_sigma=12.0, dim=31)
    lr = predict(FixedLR(lr=0.03 * elr.radius**2, wd=0.01), tr_sigma=12.0, dim=31)
    for other in (sphere, lr):
        for name in (
            "temperature",
            "pressure",
            "volume",
            "radius",
            "effective_lr",
            "effective_wd",
            "compressibility",
        ):
            assert getattr(other, name) == pytest.approx(getattr(elr, name), rel=1e-13), name


def test_relaxation_steps_are_the_time_constants() -> None:
    elr = predict(FixedELR(elr=0.03, wd=0.01), tr_sigma=12.0, dim=31)
    near = radius_at_elr([0.0, elr.relaxation_steps], 0.03, 0.01, 12.0, elr.radius * (1 + 1e-6))
    assert (near[1] - elr.radius) / (near[0] - elr.radius) == pytest.approx(math.exp(-1), rel=1e-5)
    lr = predict(FixedLR(lr=0.2, wd=0.01), tr_sigma=12.0, dim=31)
    q = radius_at_lr([0.0, lr.relaxation_steps], 0.2, 0.01, 12.0, 3 * lr.radius) ** 4 - lr.radius**4
    assert q[1] / q[0] == pytest.approx(math.exp(-1), rel=1e-12)
    sphere = predict(FixedSphere(elr=0.03, radius=9.0), tr_sigma=12.0, dim=31)
    assert sphere.relaxation_steps == elr.relaxation_steps


def test_limits() -> None:
    """No full gradient: an ideal gas. Short steps: all three versions agree."""
    for protocol in (
        FixedSphere(elr=1e-9, radius=2.0),
        FixedELR(elr=1e-9, wd=1e-3),
        FixedLR(lr=1e-9, wd=1e-3),
    ):
        state = predict(protocol, tr_sigma=1.0, dim=2)
        assert state.compressibility == 1.0
        assert state.radius_finite_step == pytest.approx(state.radius, rel=1e-11)
        assert state.effective_wd_finite_step == pytest.approx(state.effective_wd, rel=1e-11)
        assert state.temperature > 0


def test_hand_computed_case() -> None:
    """d = 3, tr_sigma = 2 (sigma2 = 1), elr = wd = 0.01: T = 0.005, r = 1, V = 0.5, tau = 5000."""
    state = predict(FixedELR(elr=0.01, wd=0.01), tr_sigma=2.0, dim=3, grad_sq=0.02)
    expected = Prediction(
        temperature=0.005,
        pressure=0.01,
        volume=0.5,
        radius=1.0,
        radius_discrete=math.sqrt(1.01),
        radius_finite_step=math.sqrt((1 - math.sqrt(1 - 2.02e-4)) / 1e-4),
        effective_lr=0.01,
        effective_wd=0.01,
        effective_wd_discrete=0.01,
        effective_wd_finite_step=0.01,
        relaxation_steps=5000.0,
        compressibility=1.01,
    )
    assert astuple(state) == pytest.approx(astuple(expected), rel=1e-11)
    # fixed LR with lr = 0.01: r^4 = lr tr_sigma / (2 wd) = 1, T = sqrt(lr wd sigma2/4) = 0.005, tau = 2500
    state = predict(FixedLR(lr=0.01, wd=0.01), tr_sigma=2.0, dim=3, grad_sq=0.42)
    assert (state.temperature, state.radius, state.relaxation_steps) == pytest.approx((0.005, 1.0, 2500.0))
    assert state.compressibility == pytest.approx(1.1)


@pytest.mark.parametrize("dim", [3, np.int64(3)])
@pytest.mark.parametrize("tr_sigma", [2, 2.0, np.float64(2.0), np.float32(2.0)])
def test_numpy_numbers_are_welcome(dim: int, tr_sigma: float) -> None:
    assert predict(FixedELR(elr=0.01, wd=0.01), tr_sigma=tr_sigma, dim=dim).temperature == 0.005


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tr_sigma": 0.0}, "tr_sigma .* is 0.0; expected a number above 0"),
        ({"tr_sigma": -1.0}, "tr_sigma .* is -1.0"),
        ({"tr_sigma": math.nan}, "tr_sigma .* is nan"),
        ({"tr_sigma": math.inf}, "tr_sigma .* is inf"),
        ({"tr_sigma": "much"}, "tr_sigma .* is 'much'"),
        ({"grad_sq": -0.1}, "grad_sq .* is -0.1; expected at least 0"),
        ({"grad_sq": math.nan}, "grad_sq .* is nan"),
        ({"dim": 1}, "dim .* is 1; expected an integer of at least 2"),
        ({"dim": 3.0}, "dim .* is 3.0; expected an integer"),
        ({"dim": None}, "dim .* is None; expected an integer"),
        (
            {"tr_sigma": 900.0, "grad_sq": 400.0},
            r"FixedELR\(elr=0.03, wd=0.01\): no stationary radius: elr\*\*2",
        ),
    ],
)
def test_bad_input_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        predict(PROTOCOLS[1], **(NOISE | changes))  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_no_radius_at_fixed_lr_and_always_one_on_a_sphere() -> None:
    with pytest.raises(InputError, match=r"lr \* wd is 2, not below 2"):
        predict(FixedLR(lr=4.0, wd=0.5), **NOISE)
    assert predict(FixedSphere(elr=50.0, radius=1.0), **NOISE).radius == 1.0
    with pytest.raises(InputError, match="expected a FixedSphere, FixedELR or FixedLR"):
        predict("FixedLR", **NOISE)  # type: ignore[arg-type]
