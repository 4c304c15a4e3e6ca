"""V2 judged on states whose truth is known: an exact gas, one of another temperature, one without order."""

from __future__ import annotations

import numpy as np
import pytest

from thermograd.protocol import FixedELR, FixedLR, FixedSphere
from thermograd.reproduce.potential_claims import potential_claim
from thermograd.states import new_states
from thermograd.theory import gas, vmf
from thermograd.theory.radius import stationary_radius_elr, stationary_radius_lr

DIM, SIGMA2 = 51, 0.4
SECOND = {
    FixedSphere: [1.0, 2.0],
    FixedELR: np.geomspace(1e-3, 1e-1, 5),
    FixedLR: np.geomspace(1e-3, 1e-1, 5),
}


def exact(protocol, *, heat: float = 1.0, rng: np.random.Generator | None = None):
    """The isotropic model's law; noise said to be `heat` times as large; entropies shuffled by `rng`."""
    axes = dict(zip(protocol.axes, (np.geomspace(1e-3, 1e-1, 8), SECOND[protocol]), strict=True))
    grid = protocol.grid(**axes)
    first, second = np.meshgrid(*grid.axes.values(), indexing="ij")
    tr_sigma = np.full(grid.shape, SIGMA2 * (DIM - 1))
    if protocol is FixedLR:
        T, norm = (
            gas.temperature_lr(first, second, SIGMA2, DIM),
            stationary_radius_lr(first, second, tr_sigma).sde,
        )
    else:
        T = gas.temperature_elr(first, SIGMA2)
        norm = second if protocol is FixedSphere else stationary_radius_elr(first, second, tr_sigma).sde
    S = vmf.entropy_sphere(T, DIM)
    if rng is not None:
        S = rng.permutation(S)
    measured = {"loss": vmf.energy(T, DIM), "entropy_sphere": S, "norm": norm, "tr_sigma": heat * tr_sigma}
    return new_states(grid, measured, dim=DIM)


@pytest.mark.parametrize("protocol", SECOND)
def test_an_exact_gas_has_its_least_potential_where_it_is(protocol):
    claim = potential_claim("a gas", exact(protocol))
    assert (claim.verdict, claim.measured[:6]) == ("agrees", "100.0%")


@pytest.mark.parametrize("protocol", SECOND)
def test_another_temperature_or_no_order_is_told(protocol):
    # Ten times the noise is 1.75 grid steps of ELR in T, or more: minimisers lie beyond the neighbours.
    assert potential_claim("hot", exact(protocol, heat=10.0)).verdict == "differs"
    shuffled = potential_claim("shuffled", exact(protocol, rng=np.random.default_rng(0)))
    assert shuffled.verdict == "differs"
    assert "farthest: the state at" in shuffled.reason


def test_a_grid_on_which_chance_does_as_well_proves_nothing():
    states = exact(FixedSphere).isel(elr=[0, 1, 2])
    assert potential_claim("a gas", states).verdict == "not testable"
    two = exact(FixedSphere).isel(elr=[0, 1])
    assert "expected at least 3 values" in potential_claim("a gas", two).reason


@pytest.mark.parametrize(("se", "word"), [(0.0, "differs"), (1e-3, "differs"), (1.0, "not testable")])
def test_errors_as_large_as_every_difference_prove_nothing(se, word):
    """U and S fall with T, where each state is the worst at its own: differences of F are below 1 here."""
    T = np.geomspace(1e-3, 1e-1, 10)[:, None]
    measured = {
        "tr_sigma": 20 + 0 * T,
        "norm": 1 + 0 * T,
        "loss": 1 - 5 * T,
        "entropy_sphere": -5 * np.log(T),
    }
    measured |= {"loss_se": se + 0 * T, "entropy_sphere_se": 10 * se + 0 * T, "norm_se": 0 * T}
    states = new_states(FixedSphere.grid(elr=T.ravel(), radius=[1.0]), measured, dim=11)
    claim = potential_claim("upside down", states)
    assert claim.verdict == word
    # With errors of 1 every state is within three of them of the least, whatever its place.
    assert ("100.0% with those" in claim.measured) == (word == "not testable")


def test_an_exact_gas_with_small_errors_is_still_told_from_chance():
    states = exact(FixedELR)
    for name in ("loss", "entropy_sphere", "norm"):
        states[f"{name}_se"] = 1e-4 * abs(states[name])
    assert potential_claim("a gas", states).verdict == "agrees"
