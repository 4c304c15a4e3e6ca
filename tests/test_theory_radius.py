"""The stationary radius against its own balance, against simulation, and on its way there."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from thermograd.protocol import FixedELR, FixedLR, FixedSphere, Protocol
from thermograd.theory import vmf
from thermograd.theory.fluctuations import mean_effective_wd, radius_law_elr, radius_law_lr
from thermograd.theory.radius import (
    Versions,
    compressibility_elr,
    compressibility_lr,
    effective_wd_sphere,
    largest_start_elr,
    stationary_radius_elr,
    stationary_radius_lr,
    why_no_radius,
)
from thermograd.theory.relaxation import (
    radius_at_elr,
    radius_at_lr,
    relaxation_steps_elr,
    relaxation_steps_lr,
)

D, CHAINS, STEPS, BURN = 10, 400, 4000, 1000


@cache
def simulate(protocol: Protocol) -> dict[str, float]:
    """The isotropic model step by step in float64: the slow and obviously right twin."""
    rng = np.random.default_rng(20)
    mu = np.eye(D)[0]
    a, b = protocol.values.values()
    w = rng.standard_normal((CHAINS, D))
    w /= np.linalg.norm(w, axis=1, keepdims=True)
    if isinstance(protocol, FixedSphere):
        w *= protocol.radius
    elif isinstance(protocol, FixedELR):
        w *= stationary_radius_elr(a, b, D - 1.0).sde
    else:
        w *= stationary_radius_lr(a, b, D - 1.0).sde
    total = {"radius": 0.0, "grad_sq": 0.0, "effective_wd": 0.0, "loss": 0.0}
    for step in range(STEPS):
        r = np.linalg.norm(w, axis=1, keepdims=True)
        u = w / r
        cosine = (u @ mu)[:, None]
        noise = rng.standard_normal((CHAINS, D))
        noise -= np.sum(noise * u, axis=1, keepdims=True) * u
        g = (mu - cosine * u + noise) / r
        lr = a if isinstance(protocol, FixedLR) else a * r**2
        moved = w - lr * (g if isinstance(protocol, FixedSphere) else g + b * w)
        length = np.linalg.norm(moved, axis=1, keepdims=True)
        if step >= BURN:
            total["radius"] += float(r.mean())
            total["grad_sq"] += float((1 - cosine**2).mean())
            total["loss"] += float(1 + cosine.mean())
            total["effective_wd"] += float(((length - r) / (lr * r)).mean())
        w = moved * (r / length) if isinstance(protocol, FixedSphere) else moved
    return {name: value / (STEPS - BURN) for name, value in total.items()}


def theory(protocol: Protocol, grad_sq: float) -> Versions:
    a, b = protocol.values.values()
    law = {FixedLR: stationary_radius_lr, FixedELR: stationary_radius_elr, FixedSphere: effective_wd_sphere}
    return law[type(protocol)](a, b, D - 1.0, grad_sq)


def with_fluctuations(protocol: Protocol, grad_sq: float) -> float:
    """The finite-step formula corrected for the fluctuations of |g|^2, noncentral chi square, and of r."""
    a, b = protocol.values.values()
    moments = D - 1 + grad_sq, 2 * (D - 1) + 4 * grad_sq
    if isinstance(protocol, FixedSphere):
        return float(mean_effective_wd(a, b, *moments))
    law = radius_law_lr if isinstance(protocol, FixedLR) else radius_law_elr
    return float(law(a, b, *moments).mean)


def standard_error(protocol: Protocol) -> float:
    """Relative, of the simulated mean, from the sample budget alone.

    The mean of |g|^2 over all steps and chains has relative error sqrt(2/(d-1)/(chains steps)); the
    effective weight decay goes with its first power, the ELR radius with its square root and the LR radius
    with its fourth root, and the relaxation of the radius does not change the error of a long mean.
    """
    power = {FixedLR: 0.25, FixedELR: 0.5, FixedSphere: 1.0}[type(protocol)]
    return power * math.sqrt(2 / (D - 1) / (CHAINS * (STEPS - BURN)))


# protocol; its radius (effective weight decay) from an independent simulation of the same size as this one,
# with the SDE, discrete and finite-step values that belong to it, to the digits to which they are known
TABLE = [
    (FixedLR(lr=0.1, wd=0.05), "1.74007", ("1.7321", "1.7389", "1.7400")),
    (FixedLR(lr=0.5, wd=0.2), "1.8831", ("1.831", "1.856", "1.880")),
    (FixedELR(elr=0.02, wd=0.05), "1.3483", ("1.3416", "1.3480", "1.3486")),
    (FixedELR(elr=0.1, wd=0.05), "3.078", ("3.000", "3.061", "3.099")),
    (FixedSphere(elr=0.05, radius=2.0), "0.05714", ("0.05625", "0.05754", "0.05721")),
    (FixedSphere(elr=0.2, radius=0.5), "3.467", ("3.600", "3.823", "3.515")),
]


def rounding(printed: str) -> float:
    """Half a unit of the last digit."""
    return 0.5 * 10.0 ** -len(printed.split(".")[1])


@pytest.mark.parametrize(("protocol", "measured", "formulas"), TABLE, ids=[repr(row[0]) for row in TABLE])
def test_simulation(protocol: Protocol, measured: str, formulas: tuple[str, str, str]) -> None:
    """Finite-step theory with its fluctuation term meets the simulation within 4 errors; the SDE does not."""
    run = simulate(protocol)
    versions = theory(protocol, run["grad_sq"])
    simulated = run["effective_wd" if isinstance(protocol, FixedSphere) else "radius"]
    error = standard_error(protocol) * simulated
    corrected = with_fluctuations(protocol, run["grad_sq"])
    assert abs(simulated - corrected) < 4 * error
    assert abs(simulated - versions.sde) > 8 * error
    # two independent runs of the same budget
    assert abs(simulated - float(measured)) < 4 * math.sqrt(2) * error + rounding(measured)
    for version, printed in zip(versions, formulas, strict=True):
        # theirs has the measured mean of |g|^2 in it, with the error of one run; the SDE has nothing measured
        spread = 0.0 if version is versions.sde else 4 * math.sqrt(2) * error
        assert abs(version - float(printed)) <= spread + rounding(printed) * (1 + 1e-9)


@pytest.mark.parametrize("protocol", [TABLE[1][0], TABLE[3][0], TABLE[5][0]], ids=repr)
def test_long_steps_reject_the_discrete_version(protocol: Protocol) -> None:
    """Negative control: at long steps only the finite-step formula (with its correction) survives."""
    run = simulate(protocol)
    versions = theory(protocol, run["grad_sq"])
    simulated = run["effective_wd" if isinstance(protocol, FixedSphere) else "radius"]
    assert abs(simulated - versions.discrete) > 15 * standard_error(protocol) * simulated


@pytest.mark.parametrize("protocol", [TABLE[0][0], TABLE[2][0]], ids=repr)
def test_exact_grad_sq_of_the_model(protocol: Protocol) -> None:
    """Short steps: the simulated |grad L|^2 and loss are those of the vMF law at the protocol's temperature.

    Finite steps raise both by up to the order of the ELR. The error of a mean over N correlated values:
    relative spread sqrt(2/(d-1)), 1/elr steps of memory (harmonic near the minimum).
    """
    a, b = protocol.values.values()
    elr = a if isinstance(protocol, FixedELR) else a / float(stationary_radius_lr(a, b, D - 1.0).sde) ** 2
    run = simulate(protocol)
    allowed = elr + 4 * math.sqrt(2 / (D - 1) / (CHAINS * (STEPS - BURN) * elr))
    assert run["grad_sq"] == pytest.approx(float(vmf.grad_sq(elr / 2, D)), rel=allowed)
    assert run["loss"] == pytest.approx(float(vmf.energy(elr / 2, D)), rel=allowed)


def test_finite_step_is_the_fixed_point_of_pythagoras() -> None:
    """|w'|^2 with a gradient of constant length: iterating it ends at the finite-step radius, exactly."""
    m = 9.5
    elr, wd = np.array([0.02, 0.1, 0.3]), 0.05
    v = np.ones(3)
    for _ in range(8000):
        v = v * ((1 - elr * wd * v) ** 2 + elr**2 * m)
    np.testing.assert_allclose(np.sqrt(v), stationary_radius_elr(elr, wd, 9.0, 0.5).finite_step, rtol=1e-12)
    lr, wd = np.array([0.1, 1.0, 7.0]), 0.2
    v = np.ones(3)
    for _ in range(4000):
        v = v * (1 - lr * wd) ** 2 + lr**2 * m / v
    np.testing.assert_allclose(np.sqrt(v), stationary_radius_lr(lr, wd, 9.0, 0.5).finite_step, rtol=1e-12)
    # the sphere: the decay that undoes the lengthening of one step, r sqrt(1 + elr^2 m) = r + elr r^3 wd
    r = 0.7
    wd = effective_wd_sphere(elr, r, 9.0, 0.5).finite_step
    np.testing.assert_allclose(r * np.sqrt(1 + elr**2 * m), r + elr * r**3 * wd, rtol=1e-14)


@pytest.mark.parametrize("law", [stationary_radius_elr, stationary_radius_lr, effective_wd_sphere])
def test_versions_meet_at_short_steps(law) -> None:
    """The finite-step correction is of first order in elr^2 m (in lr wd at fixed LR): ten times, not less."""
    power = 0.5 if law is not stationary_radius_lr else 1.0
    gaps = []
    for size in (1e-4, 1e-5):
        _, discrete, finite = law(size**power, 0.5, 9.0, 0.5)
        gaps.append(abs(finite / discrete - 1))
    assert gaps[0] / gaps[1] == pytest.approx(10, rel=0.01)
    sde, discrete, _ = law(1e-9, 0.5, 9.0, 0.0)
    assert sde == discrete
    # cancellation-free down to the smallest steps
    sde, _, finite = law(1e-12, 0.5, 9.0, 0.0)
    assert finite == pytest.approx(float(sde), rel=1e-11)


def test_compressibility_is_what_the_discrete_radius_makes_of_it() -> None:
    tr_sigma, grad_sq = 9.0, 4.0
    sde, discrete, _ = stationary_radius_elr(0.01, 0.02, tr_sigma, grad_sq)
    assert compressibility_elr(tr_sigma, grad_sq) == pytest.approx(float((discrete / sde) ** 2), rel=1e-14)
    sde, discrete, _ = stationary_radius_lr(0.01, 0.02, tr_sigma, grad_sq)
    assert compressibility_lr(tr_sigma, grad_sq) == pytest.approx(float((discrete / sde) ** 2), rel=1e-14)
    sde, discrete, _ = effective_wd_sphere(0.01, 0.02, tr_sigma, grad_sq)
    assert compressibility_elr(tr_sigma, grad_sq) == pytest.approx(float(discrete / sde), rel=1e-14)


def test_no_stationary_radius() -> None:
    """NaN and a reason exactly where the iteration does lengthen the weights for ever."""
    m = 9.0
    for elr, exists in ((0.33, True), (0.34, False)):
        assert np.isfinite(stationary_radius_elr(elr, 0.05, m).finite_step) == exists
        assert np.isfinite(largest_start_elr(elr, 0.05, m)) == exists
        reason = why_no_radius(FixedELR(elr=elr, wd=0.05), m)
        assert (reason == "") == exists
        v = 1.0
        for _ in range(400):
            v = min(v * ((1 - elr * 0.05 * v) ** 2 + elr**2 * m), 1e100)
        assert (v < 1e99) == exists
    assert "lower elr (now 0.34) to 0.3333 or less" in reason
    for lr, exists in ((1.9, True), (2.1, False)):
        assert np.isfinite(stationary_radius_lr(lr, 1.0, m).finite_step) == exists
        assert (why_no_radius(FixedLR(lr=lr, wd=1.0), m) == "") == exists
    assert why_no_radius(FixedSphere(elr=100.0, radius=1.0), m) == ""
    # the other two versions do not see it, and the neighbours of a bad point are unharmed
    sde, discrete, finite = stationary_radius_elr([0.1, 0.5], 0.05, m)
    assert np.isfinite(sde).all()
    assert np.isfinite(discrete).all()
    np.testing.assert_array_equal(np.isnan(finite), [False, True])


@pytest.mark.parametrize("elr", [0.05, 0.25])
def test_largest_start(elr: float) -> None:
    m, wd = 9.0, 0.05
    edge = float(largest_start_elr(elr, wd, m)) ** 2
    for factor, settles in ((0.999, True), (1.001, False)):
        v = factor * edge
        for _ in range(3000):
            v = min(v * ((1 - elr * wd * v) ** 2 + elr**2 * m), 1e100)
        assert (v < 1e99) == settles
        if settles:
            assert math.sqrt(v) == pytest.approx(
                float(stationary_radius_elr(elr, wd, m).finite_step), rel=1e-6
            )


@pytest.mark.parametrize("radius0", [0.1, 1.0, 30.0])
@pytest.mark.parametrize(("wd", "tr_sigma"), [(0.05, 9.0), (1e-4, 50.0), (0.0, 9.0), (0.05, 0.0)])
def test_radius_in_time_solves_the_equation(radius0: float, wd: float, tr_sigma: float) -> None:
    """Against numerical integration to 1e-10, from below and above, also without decay and without noise."""
    rate = 0.02
    times = np.array([0.0, 3.0, 50.0, 400.0, 2000.0])

    def elr(_t: float, r: np.ndarray) -> np.ndarray:
        return -rate * wd * r**3 + rate**2 / 2 * r * tr_sigma

    def lr(_t: float, r: np.ndarray) -> np.ndarray:
        return -rate * wd * r + rate**2 * tr_sigma / (2 * r**3)

    for equation, law in ((elr, radius_at_elr), (lr, radius_at_lr)):
        solved = solve_ivp(
            equation, (0, times[-1]), [radius0], t_eval=times, rtol=1e-10, atol=1e-13, method="DOP853"
        ).y[0]
        np.testing.assert_allclose(law(times, rate, wd, tr_sigma, radius0), solved, rtol=1e-7)


def test_relaxation_times_are_those_of_the_solutions() -> None:
    elr, lr, wd, tr_sigma = 0.02, 0.1, 0.05, 9.0
    tau = float(relaxation_steps_elr(elr, tr_sigma))
    end = float(stationary_radius_elr(elr, wd, tr_sigma).sde)
    r = radius_at_elr([0.0, tau], elr, wd, tr_sigma, 0.4)
    excess = r**-2.0 - end**-2
    assert excess[1] / excess[0] == pytest.approx(math.exp(-1), rel=1e-12)
    assert radius_at_elr(50 * tau, elr, wd, tr_sigma, 0.4) == pytest.approx(end, rel=1e-12)
    tau = float(relaxation_steps_lr(lr, wd))
    end = float(stationary_radius_lr(lr, wd, tr_sigma).sde)
    r = radius_at_lr([0.0, tau], lr, wd, tr_sigma, 0.4)
    excess = r**4 - end**4
    assert excess[1] / excess[0] == pytest.approx(math.exp(-1), rel=1e-12)
    assert radius_at_lr(50 * tau, lr, wd, tr_sigma, 0.4) == pytest.approx(end, rel=1e-12)


def test_noise_alone_turns_the_direction_in_twice_that_time() -> None:
    """Without a loss the mean cosine to the start decays as exp(-t / (2 tau)); exp(-t/tau) is rejected.

    Brownian motion on the sphere has ``E cos^2 = 1/d + (1 - 1/d) exp(-d/(d-1) t/tau)``, hence the error; what
    the SDE leaves out is of the relative size of a squared step, elr^2 (d-1).
    """
    rng = np.random.default_rng(5)
    d, elr, chains = 6, 0.02, 4000
    tau = float(relaxation_steps_elr(elr, d - 1.0))
    start = np.eye(d)[0]
    u = np.tile(start, (chains, 1))
    for _ in range(round(tau)):
        noise = rng.standard_normal((chains, d))
        noise -= np.sum(noise * u, axis=1, keepdims=True) * u
        u = u - elr * noise
        u /= np.linalg.norm(u, axis=1, keepdims=True)
    cosine = float((u @ start).mean())
    expected = math.exp(-0.5)
    error = math.sqrt((1 / d + (1 - 1 / d) * math.exp(-d / (d - 1)) - expected**2) / chains)
    assert abs(cosine - expected) < 4 * error + elr**2 * (d - 1)
    assert abs(cosine - math.exp(-1)) > 20 * error
