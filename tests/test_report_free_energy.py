"""From runs on the sphere to findings, claims and page: known gases are judged as they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from thermograd.analysis.parameterisation import Trend
from thermograd.analysis.step_reading import step_reading
from thermograd.entropy import kozachenko_leonenko
from thermograd.errors import InputError
from thermograd.protocol import FixedLR, FixedSphere
from thermograd.report.content import Claim, Verdict
from thermograd.report.free_energy import write_free_energy_report
from thermograd.report.free_energy_findings import analyse_free_energy
from thermograd.report.index_page import ClaimLine, IndexEntry, write_index
from thermograd.reproduce.free_energy_claims import free_energy_claims, published_law
from thermograd.states import new_states, new_trace, stationary
from thermograd.theory import vmf
from thermograd.theory.vmf_limits import entropy_uniform

DIM = 10
ELR = np.geomspace(1e-3, 3e-2, 11)
STEP = np.arange(100, 40_100, 100)
RANDOM = 2.0
HOSTILE = '<script>alert("x")</script>'


def gas(*, heat: float = 1.0, shuffled: bool = False, hot: bool = True) -> xr.Dataset:
    """The isotropic model's exact states at T = elr/2 with 2% of noise; gradient noise `heat` times as large.

    The two largest learning rates, where wanted, are at the loss of random directions.
    """
    rng = np.random.default_rng(3)
    elr = np.append(ELR, [0.5, 1.0]) if hot else ELR
    T = np.minimum(elr, ELR[-1]) / 2
    U, S = vmf.energy(T, DIM), vmf.entropy_sphere(T, DIM)
    if shuffled:
        S = S[np.random.default_rng(0).permutation(len(S))]
    U = np.where(elr > ELR[-1], RANDOM, U)
    S = np.where(elr > ELR[-1], entropy_uniform(DIM), S)
    shape = (len(elr), 1, len(STEP))

    def noisy(mean: np.ndarray, size: float) -> np.ndarray:
        return mean.reshape(-1, 1, 1) * np.exp(size * rng.standard_normal(shape))

    ones = np.ones(len(elr))
    series = {"loss": noisy(U, 0.02), "norm": np.ones(shape), "grad_sq": noisy(ones, 0.05)}
    series["point_grad_sq"] = noisy(9 * heat * ones + 1, 0.05)
    series["batch_grad_sq"] = noisy(9 * heat * ones + 1, 0.02)
    series["tr_sigma"] = series["point_grad_sq"] - series["grad_sq"]
    series["entropy_sphere"] = S.reshape(-1, 1, 1) + 0.02 * rng.standard_normal(shape)
    series["entropy_graph"] = series["entropy_sphere"] + 40.0  # up to a constant
    window = {"entropy_graph_estimator": "knn_graph(k=20)", "entropy_queue_size": 100}
    return new_trace(FixedSphere.grid(elr=elr, radius=[1.0]), STEP, series, dim=DIM, attrs=window)


def converging(a: float = 0.8) -> xr.Dataset:
    """Two runs that converge, U = t^-1, S = -1000 log t, E|g| = |E g|^a, one that settles, one at random."""
    rng = np.random.default_rng(1)
    step = np.unique(np.geomspace(10, 1e5, 150).astype(int))
    t = step / 10.0
    flat = np.ones(len(t))
    rows = {
        "loss": [RANDOM / t, RANDOM / t, 0.5 * flat, RANDOM * flat],
        "entropy_sphere": [-1e3 * np.log(t), -1e3 * np.log(t), 3e2 * flat, 5e2 * flat],
        "grad_sq": [t**-2.0, t**-2.0, flat, flat],
        "point_grad_sq": [9 * t ** (-2 * a), 9 * t ** (-2 * a), 9 * flat, 9 * flat],
    }
    series = {
        name: np.array(values)[:, None] * np.exp(0.02 * rng.standard_normal((4, 1, len(t))))
        if name != "entropy_sphere"
        else np.array(values)[:, None] + rng.standard_normal((4, 1, len(t)))
        for name, values in rows.items()
    }
    series["norm"] = np.ones((4, 1, len(t)))
    series["batch_grad_sq"] = series["point_grad_sq"]
    return new_trace(FixedSphere.grid(elr=[1e-4, 3e-4, 1e-2, 1.0], radius=[1.0]), step, series, dim=1000)


def found(trace: xr.Dataset, **options):
    return analyse_free_energy(stationary(trace), trace, random_losses={0: RANDOM}, **options)


def judged(findings, over: bool = False) -> dict[str, Claim]:
    law, same = published_law("ConvNet", 8, "cifar10", over)
    claims = free_energy_claims(
        findings, where="a gas", overparameterised=over, published=law, same_setup=same
    )
    return {claim.claim.removesuffix(": a gas"): claim for claim in claims}


@pytest.fixture(scope="module")
def settled():
    return found(gas())


def test_a_gas_with_temperature_half_the_elr_agrees_with_every_claim(settled):
    claims = judged(settled)
    assert {claim.verdict for claim in claims.values()} == {"agrees"}
    assert settled.within == (pytest.approx(1e-3), pytest.approx(3e-2))
    (line,) = settled.temperatures
    # The bands of eleven states over 1.5 decades are 40% wide: their means are off by a tenth at most.
    assert line.law.exponent == pytest.approx(1.0, abs=0.1)
    (joined,) = settled.bridge
    assert joined.slope.value == pytest.approx(1.0, abs=0.1)
    measured = claims["The temperature grows with the ELR as a power law"].measured
    assert f"elr^({line.law.exponent:.3g}" in measured
    assert "published one by" in claims["The temperature grows with the ELR as a power law"].reason


def test_the_temperature_of_another_estimator_is_compared_state_by_state(settled):
    assert settled.graph[0].points.attrs["observable"] == "entropy_graph"
    states = settled.states.copy(deep=True)
    states["entropy_graph"] = 3 * states.entropy_graph
    findings = analyse_free_energy(states, settled.trace, random_losses={0: RANDOM}, draws=20, shuffles=100)
    claim = judged(findings)["The temperature does not depend on the estimator of the entropy"]
    assert claim.verdict == "differs"
    assert findings.graph[0].law.coefficient / findings.temperatures[0].law.coefficient == pytest.approx(
        1 / 3, rel=0.05
    )


def test_an_entropy_that_is_the_volume_of_a_step_is_found_out(settled):
    name = "The measured entropy is that of the stationary law and not the volume of a step"
    assert settled.steps[0].slope == pytest.approx(0.5, abs=0.01)  # exact law, noise of 0.02 in S at 9 nats
    states = settled.states.copy(deep=True)
    length = np.log(states.elr * np.sqrt(states.batch_grad_sq))
    states["entropy"] = states.entropy.copy(data=((DIM - 1) * length + 7).values)
    findings = analyse_free_energy(states, settled.trace, random_losses={0: RANDOM}, draws=20, shuffles=20)
    assert findings.steps[0].slope == pytest.approx(1.0)
    assert judged(findings)[name].verdict == "differs"


def test_consecutive_points_of_a_random_walk_read_its_step():
    """In 60 dimensions, whatever the law that the walk would settle in."""
    rng = np.random.default_rng(0)
    elr = np.geomspace(1e-4, 1e-2, 6)
    entropies = []
    for step in elr:
        walk = np.cumsum(step / np.sqrt(60) * rng.standard_normal((100, 60)), axis=0)
        walk[:, 0] += 1
        points = walk / np.linalg.norm(walk, axis=1, keepdims=True)
        entropies.append(kozachenko_leonenko(points, manifold="geodesic").entropy)
    measured = {"loss": elr, "norm": 1 + 0 * elr, "batch_grad_sq": 1 + 0 * elr, "entropy_sphere": entropies}
    columns = {key: np.asarray(values)[:, None] for key, values in measured.items()}
    (reading,) = step_reading(new_states(FixedSphere.grid(elr=elr, radius=[1.0]), columns, dim=60))
    # A mean of 100 log distances in 59 dimensions scatters by 0.01, over a root of sum x^2 of 4.
    assert reading.slope == pytest.approx(1.0, abs=0.02)
    assert reading.word == "step"


def test_gradient_noise_of_another_temperature_is_found_out():
    findings = found(gas(heat=4.0))
    claim = judged(findings)[
        "The temperature of free-energy minimisation is that of the gradient noise, ELR sigma2/2"
    ]
    assert claim.verdict == "differs"
    assert findings.bridge[0].slope.value == pytest.approx(0.25, abs=0.025)


def test_a_mean_gradient_that_heats_is_told_from_noise(settled):
    """With E|g|^2 = 40 and noise 9 the temperature of the whole gradient is 40/9 of the noise's."""
    states = settled.states.copy(deep=True)
    states["batch_grad_sq"] = states.batch_grad_sq.copy(data=np.full(states.batch_grad_sq.shape, 40.0))
    findings = analyse_free_energy(states, settled.trace, random_losses={0: RANDOM}, draws=20)
    # T = 20 elr / 9 with d - 1 = 9 stands beside that of the free energy, elr / 2, in all states.
    np.testing.assert_allclose(findings.whole[0].temperature, 40 / 18 * findings.whole[0].elr)
    assert float(findings.whole[0].slope_ratio.mean()) == pytest.approx(9 / 40, rel=0.1)
    claims = judged(findings)
    whole = "The temperature of free-energy minimisation is that of the whole gradient, ELR E|g|^2 / 2(d - 1)"
    assert claims[whole].verdict == "differs"
    assert judged(settled)[whole].verdict == "agrees"


def test_shuffled_entropies_have_no_temperature():
    claims = judged(found(gas(shuffled=True, hot=False)))
    exists = claims["A temperature exists at which each stationary state has the least free energy"]
    assert exists.verdict != "agrees"
    assert claims["The temperature grows with the ELR as a power law"].verdict == "not testable"
    assert claims["Stationary loss and entropy rise with the ELR"].verdict == "differs"


RISE = "Stationary loss and entropy rise with the ELR"
EXISTS = "A temperature exists at which each stationary state has the least free energy"
GROWS = "The temperature grows with the ELR as a power law"
NOISE = "The temperature of free-energy minimisation is that of the gradient noise, ELR sigma2/2"
ESTIMATOR = "The temperature does not depend on the estimator of the entropy"
TOGETHER = "At small ELR full and stochastic gradients vanish together, the SNR far more slowly"
COLD = "At small ELR the temperature falls towards 0 along training"


def with_lines(settled, U, S, se: float):
    (line,) = settled.lines
    n = len(U)
    values = {"loss": np.array(U, dtype=float), "entropy": np.array(S, dtype=float)}
    line = replace(line, elr=line.elr[:n], values=values, errors={k: np.full(n, se) for k in values})
    return replace(settled, lines=(line,))


def test_states_that_stay_do_not_rise(settled):
    up = [1.0, 2, 3, 4]
    assert judged(with_lines(settled, up, up, 0.1))[RISE].verdict == "agrees"
    assert judged(with_lines(settled, [1.0] * 4, [1.0] * 4, 0.1))[RISE].verdict == "not testable"
    one = judged(with_lines(settled, up, [1.0] * 4, 0.1))[RISE]
    assert (one.verdict, "S: 0" in one.reason, "U: " in one.reason) == ("not testable", True, False)
    # Each step down is 1.8 errors, no alarm; all three together are 5.3.
    down = [4.0, 3, 2, 1]
    assert judged(with_lines(settled, down, down, 0.4))[RISE].verdict == "differs"
    assert judged(with_lines(settled, down, down, 1.5))[RISE].verdict == "not testable"


def with_points(line, **changes):
    points = line.points.copy(deep=True)
    for name, values in changes.items():
        points[name] = ("elr", np.asarray(values))
    return replace(line, points=points)


def test_a_temperature_for_less_than_two_thirds_of_the_states_is_not_one_for_each(settled):
    (line,) = settled.temperatures
    n = line.points.sizes["elr"]
    inside = np.arange(n) < n // 2
    part = with_points(line, inside=inside)
    exists = judged(replace(settled, temperatures=(part,)))[EXISTS]
    assert exists.verdict == "not testable"
    assert "expected two thirds" in exists.reason
    lacking = with_points(part, kind=np.where(inside, line.points["kind"].values, "none"))
    assert judged(replace(settled, temperatures=(lacking,)))[EXISTS].verdict == "differs"
    most = with_points(line, inside=np.arange(n) < n - 2)
    assert judged(replace(settled, temperatures=(most,)))[EXISTS].verdict == "agrees"


def test_three_estimates_are_no_power_law(settled):
    (line,) = settled.temperatures
    few = replace(line, law=replace(line.law, n=3))
    assert judged(replace(settled, temperatures=(few,)))[GROWS].verdict == "not testable"
    enough = replace(line, law=replace(line.law, n=4))
    assert judged(replace(settled, temperatures=(enough,)))[GROWS].verdict == "agrees"


def test_ratios_with_large_errors_tell_nothing(settled):
    (line,) = settled.bridge
    n = line.points.sizes["elr"]

    def of(ratio, se):
        values = {"minimum_ratio": ratio, "minimum_ratio_se": se}
        told = with_points(line, **{name: np.resize(value, n) for name, value in values.items()})
        return judged(replace(settled, bridge=(told,)))[NOISE]

    blind = of([3.0, 0.3, 2.5, 0.5], [3.0, 0.3, 2.0, 0.4])
    assert (blind.verdict, f"{n} of {n} states left out" in blind.reason) == ("not testable", True)
    # Two precise ones of eleven are too few; all of them, or those sure to be away, are enough.
    assert of(np.ones(n), np.where(np.arange(n) < 2, 0.01, 1.0)).verdict == "not testable"
    assert of(np.ones(n), 0.01).verdict == "agrees"
    assert of([25.0], [9.0]).verdict == "differs"


def test_a_seed_without_a_temperature_hides_no_other(settled):
    (line,), (other,) = settled.temperatures, settled.graph
    at = [line.at | {"seed": seed} for seed in (0.0, 1.0)]
    pair = replace(
        settled,
        temperatures=(replace(line, at=at[0]), replace(line, at=at[1], exists=False)),
        graph=tuple(replace(other, at=one) for one in at),
        bridge="not looked at",
        whole="not looked at",
    )
    claim = judged(pair)[ESTIMATOR]
    assert claim.verdict == "agrees"
    assert "not judged: no temperature is shown to exist by both (seed 1)" in claim.reason
    none = replace(pair, temperatures=tuple(replace(one, exists=False) for one in pair.temperatures))
    assert judged(none)[ESTIMATOR].verdict == "not testable"
    blind = with_points(line, temperature_se=line.points["temperature"].values)
    assert judged(replace(settled, temperatures=(blind,)))[ESTIMATOR].verdict == "not testable"


@pytest.fixture(scope="module")
def cooling():
    return found(converging())


def test_a_ratio_that_falls_nearly_as_fast_is_not_far_slower(cooling):
    def of(**trends):
        ends = tuple(replace(end, trends=end.trends | trends) for end in cooling.parameterisation.ends)
        parts = replace(cooling.parameterisation, ends=ends)
        return judged(replace(cooling, parameterisation=parts), over=True)[TOGETHER].verdict

    full, stochastic = Trend(-1.0, 0.02), Trend(-0.9, 0.02)
    assert of(full=full, stochastic=stochastic, snr=Trend(-0.1, 0.02)) == "agrees"
    assert of(full=full, stochastic=stochastic, snr=Trend(-0.8, 0.02)) == "differs"
    assert of(full=full, stochastic=stochastic, snr=Trend(-0.4, 0.1)) == "not testable"
    assert of(full=Trend(0.0, 0.02), stochastic=stochastic, snr=Trend(-0.1, 0.02)) == "differs"


def test_one_fitted_run_of_three_does_not_speak_for_all(cooling):
    first, second = cooling.decay
    lost = replace(second, law=None, late=None, vanishes=False)
    assert judged(replace(cooling, decay=(first, lost)), over=True)[COLD].verdict == "agrees"
    assert judged(replace(cooling, decay=(first, lost, lost)), over=True)[COLD].verdict == "not testable"


def test_runs_that_converge_are_over_parameterised(cooling):
    findings = cooling
    claims = judged(findings, over=True)
    assert claims["a gas is over-parameterised"].verdict == "agrees"
    decay = claims["At small ELR the temperature falls towards 0 along training"]
    assert decay.verdict == "agrees"
    # T = dU/dS = 2e-3/t; log points are 0.06 apart, and 2% of noise in U bends the slope by a few percent.
    assert [run.law.exponent for run in findings.decay] == pytest.approx([-1, -1], abs=0.1)
    exponents = [run.exponent for run in findings.phase]
    assert exponents == pytest.approx([0.8, 0.8], abs=0.03)
    slower = "Stochastic gradients vanish more slowly than the full one, E|g| ~ |E g|^a with a < 1"
    assert claims[slower].verdict == "agrees"
    assert (
        claims["With rising ELR training goes through convergence, equilibrium, divergence"].verdict
        == "agrees"
    )
    # Two states have no temperature, and it is said, not hidden.
    exists = claims["A temperature exists at which each stationary state has the least free energy"]
    assert exists.verdict == "not testable"
    assert "fewer than two ELRs" in exists.reason


def test_the_wrong_label_is_not_confirmed(settled):
    assert judged(settled, over=True)["a gas is over-parameterised"].verdict == "differs"
    assert judged(found(converging()))["a gas is under-parameterised"].verdict == "differs"
    one = "Stochastic gradients vanish more slowly than the full one, E|g| ~ |E g|^a with a < 1"
    assert judged(found(converging(a=1.0)), over=True)[one].verdict != "agrees"


def test_each_seed_has_its_own_random_loss():
    trace = gas()
    both = xr.concat([trace, trace.assign(loss=trace.loss * 1.5)], "seed").assign_coords(seed=[4, 7])
    both = both.transpose(*trace.outcome.dims, "seed", "step")
    for name in ("outcome", "outcome_reason"):
        both[name] = both[name].transpose(*trace.outcome.dims, "seed")
    states = stationary(both)
    findings = analyse_free_energy(states, both, random_losses={4: 2.0, 7: 3.0}, draws=20, shuffles=20)
    # With the mean, 2.5, the first seed's 2.0 would be above three quarters all the same, with 3.0 not.
    words = findings.regimes.points.regime.sel(elr=1.0).values.ravel().tolist()
    assert words == ["divergence", "divergence"]
    assert findings.random_loss({"seed": 7.0}) == 3.0
    assert len(findings.temperatures) == 2
    wrong = analyse_free_energy(states, both, random_losses={4: 3.0, 7: 3.0}, draws=20, shuffles=20)
    assert "divergence" not in wrong.regimes.points.regime.sel(elr=1.0, seed=4).values.ravel().tolist()


def test_other_protocols_are_refused():
    trace = new_trace(FixedLR(lr=0.1, wd=0.1), STEP[:50], {"loss": np.ones(50), "norm": np.ones(50)}, dim=DIM)
    with pytest.raises(InputError, match="FixedLR"):
        analyse_free_energy(stationary(trace), trace)


def test_the_page_needs_nothing_else_and_escapes_what_it_is_told(settled, tmp_path):
    law, _ = published_law("ConvNet", 8, "cifar10", False)
    claim = Claim(HOSTILE, "1 ± 2", Verdict("holds", "agrees", "so"))
    # A copy of the findings with fewer figures: each takes a quarter of a second.
    brief = replace(settled, bridge="not looked at", decay="none converges", phase="none converges")
    page = write_free_energy_report(
        brief,
        tmp_path,
        title=f"A gas {HOSTILE}",
        claims=[claim],
        published=[law],
        same_setup=law,
        command="x",
    )
    text = page.read_text()
    assert HOSTILE not in text
    assert "&lt;script&gt;" in text
    assert 'src="data:image/svg+xml' in text
    assert "http" not in text.replace("http://www.w3.org", "")
    assert "not looked at" in text
    names = {path.name for path in (tmp_path / "figures").iterdir()}
    assert {"over-time.png", "free-energy.pdf", "gradients.png", "regimes.png"} <= names
    tables = {path.name for path in (tmp_path / "tables").iterdir()}
    assert {"temperatures.csv", "temperature-laws.md", "regimes.md"} <= tables
    laws = (tmp_path / "tables" / "temperature-laws.md").read_text()
    assert "ConvNet(8), CIFAR-10" in laws
    assert "0.85" in laws


def test_the_first_page_links_and_counts(tmp_path):
    lines = (ClaimLine(HOSTILE, "FE 5", "1", "agrees", "so"), ClaimLine("b", "FE 6", "", "differs", "so"))
    entries = [
        IndexEntry("one", "one/report.html", "what", lines),
        IndexEntry("two", "", "not run: no images"),
    ]
    text = write_index(tmp_path / "index.html", entries, title="T", lead="L", command="c").read_text()
    assert '<a href="one/report.html">one</a>' in text
    assert "1 agrees, 1 differs, 0 not testable" in text
    assert "not run: no images" in text
    assert HOSTILE not in text
