"""Pooled states of the isotropic model: what deviates is found, what does not is not."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from thermograd.analysis.isotropic import LawRow, compare_laws, family_chance
from thermograd.analysis.isotropic_law import finite_step_on_grid, law_on_grid, queue_on_grid, started_on_grid
from thermograd.errors import InputError
from thermograd.protocol import PROTOCOLS, FixedELR, FixedLR, FixedSphere, Grid
from thermograd.simulate import isotropic
from thermograd.states import new_states
from thermograd.theory.relaxation import radius_at_elr

RELATIVE, NATS = 5e-4, 2e-3  # scatter of the states made up here


def states(protocol: type, *, energy: float = 1.0, seed: int = 3) -> xr.Dataset:
    """A 9 x 9 grid at the law of finite steps, `energy` times its energy."""
    rng = np.random.default_rng(seed)
    rates = np.geomspace(1e-3, 1e-1, 9)
    others = np.geomspace(0.1, 10.0, 9) if protocol is FixedSphere else rates
    grid = Grid(protocol, dict(zip(protocol.axes, (rates, others), strict=True)))
    law = finite_step_on_grid(new_states(grid, {}, dim=3, attrs={"sigma": 1.0}))
    radius = "effective_wd" if protocol is FixedSphere else "norm"
    values = {name: law[name].values for name in ("loss", radius)}
    values = {name: v * (1 + RELATIVE * rng.standard_normal(v.shape)) for name, v in values.items()}
    values["loss"] = values["loss"] * energy
    noise = NATS * rng.standard_normal(grid.shape)
    values["entropy_sphere"] = law["entropy_sphere"].values + noise
    return new_states(grid, values, dim=3, attrs={"sigma": 1.0})


@pytest.mark.parametrize("protocol", list(PROTOCOLS.values()))
def test_states_of_the_law_agree_with_it_and_with_no_other(protocol):
    found = compare_laws(states(protocol))
    radius = "effective_wd" if protocol is FixedSphere else "norm"
    for observable in ("loss", "entropy_sphere", radius):
        rows = found.of(observable, "finite steps")
        # The chance is uniform where the law is right: below 1e-3 once in a thousand seeds.
        assert family_chance(rows) > 1e-3, observable
        size = NATS if observable == "entropy_sphere" else RELATIVE
        # A scatter of n states is known to 1/sqrt(2 (n-1)), 0.4 at the fewest, four: within four of these.
        for row in rows:
            assert row.se * np.sqrt(row.n) == pytest.approx(size, rel=4 / np.sqrt(2 * (row.n - 1)))
        # Negative control: hot, the law of small steps is off by 0.25% and more (the radius), which is ten
        # standard errors of four states, or more.
        assert family_chance(found.of(observable, "small steps")) < 1e-3, observable
    high = compare_laws(states(protocol, energy=1.01)).of("loss", "finite steps")
    assert family_chance(high) < 1e-3
    mean = np.average([row.deviation for row in high], weights=[row.n for row in high])
    # 60 states or more of 0.05% each: 0.0065%.
    assert mean == pytest.approx(0.01, abs=4 * RELATIVE / np.sqrt(60))


def test_rows_are_levels_of_the_elr():
    found = compare_laws(states(FixedELR)).of("loss", "small steps")
    np.testing.assert_allclose([row.elr for row in found], np.geomspace(1e-3, 1e-1, 9), rtol=1e-9)
    assert {row.n for row in found} == {9}
    assert all(np.isnan(row.span) for row in found)


def test_a_queue_says_what_it_spans_and_reads():
    given = states(FixedELR)
    read = queue_on_grid(given, 100, 50.0)
    rows = compare_laws(given, laws={"queue": read}).of("entropy_sphere", "queue")
    # 99 gaps of 50 iterations, in correlation times of 1/elr iterations for small steps
    assert rows[0].span == pytest.approx(99 * 50 * 1e-3, rel=1e-3)
    own = compare_laws(given).of("entropy_sphere", "finite steps")
    # Short queues read less; far apart, only what so few points miss is left.
    assert all(a.deviation > b.deviation for a, b in zip(rows, own, strict=True))
    assert rows[0].deviation - own[0].deviation > 10 * (rows[-1].deviation - own[-1].deviation)


def test_a_level_of_two_sure_states_is_no_discovery():
    # Student with one degree of freedom at 3: 2 (1/2 - atan(3)/pi).
    assert LawRow("", "", 0.1, 2, 3.0, 1.0).chance == pytest.approx(1 - 2 * np.arctan(3.0) / np.pi)
    # Normal in the limit: 0.0027.
    assert LawRow("", "", 0.1, 10**6, -3.0, 1.0).chance == pytest.approx(0.0026998, rel=1e-3)
    rows = [LawRow("", "", 0.1, 17, pull, 1.0) for pull in (0.1, 2.0, -2.5)]
    least = rows[2].chance
    assert family_chance(rows) == pytest.approx(1 - (1 - least) ** 3)
    assert family_chance([]) == 1.0


def test_the_rest_of_the_start_is_the_mean_of_the_relaxation():
    grid = FixedELR.grid(elr=[2e-3, 1e-1], wd=[0.05, 0.2])
    given = new_states(grid, {}, dim=3, attrs={"sigma": 1.0, "steps": 400_000, "initial_radius": 0.5})
    found = started_on_grid(given)["norm"] / finite_step_on_grid(given)["norm"]
    # By quadrature at the first point: m = 2 + E s^2 with E s^2 = 2 T (T = 1e-3) to order T^2.
    t = np.linspace(200_000, 400_000, 20_001)
    r = radius_at_elr(t, 2e-3, 0.05, 2.002, 0.5)
    end = (2e-3 * 2.002 / (2 * 0.05)) ** 0.5
    assert float(found[0, 0]) == pytest.approx(np.trapezoid(r, t) / 200_000 / end, rel=1e-5)
    assert abs(float(found[0, 0]) - 1) > 0.01
    # Physical limit: hot, nothing is left.
    np.testing.assert_allclose(found[1], 1.0, atol=1e-12)
    assert started_on_grid(given.assign_attrs(initial_radius="a rule")) is None
    assert started_on_grid(states(FixedSphere)) is None


@pytest.mark.parametrize("protocol", [FixedELR, FixedLR])
def test_simulated_chains_remember_their_start_as_predicted(protocol):
    # 64 chains from radius 1 for about two relaxation times. The radius of one fluctuates by about
    # sqrt(elr/4) = 3% (fixed ELR), so that the mean of 64 over half of the run is known to 0.4% at most.
    point = FixedELR(elr=4e-3, wd=0.05) if protocol is FixedELR else FixedLR(lr=4e-3, wd=1e-3)
    steps = 60_000 if protocol is FixedELR else 100_000
    found = isotropic(point, 3, steps=steps, chains=64, queue_size=0, seed=2)
    expected = started_on_grid(found)["norm"].item()
    settled = finite_step_on_grid(found)["norm"].item()
    assert found["norm"].item() == pytest.approx(expected, rel=0.016)
    assert abs(expected / settled - 1) > 0.05  # what is tested is not the end


def test_input_that_cannot_be_pooled_is_refused():
    with pytest.raises(InputError, match=r"fewest is 2; expected at least 3"):
        compare_laws(states(FixedELR), fewest=2)
    with pytest.raises(InputError, match=r"no level of the effective learning rate has 10 states"):
        compare_laws(states(FixedELR), fewest=10)
    bare = states(FixedELR)
    bare.attrs.pop("sigma")
    with pytest.raises(InputError, match=r"attribute sigma is None"):
        law_on_grid(bare)
