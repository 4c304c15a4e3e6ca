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
