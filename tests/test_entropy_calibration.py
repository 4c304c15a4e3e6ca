"""The calibration study and what is drawn from it: laws, tables, slopes across states, corrections."""

from __future__ import annotations

import csv
import json
import math
import os
import signal
import subprocess
import sys
import time
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.integrate import quad

from thermograd.cli.calibrate import calibrate
from thermograd.entropy import diagnose, gaussian_tangent, knn_graph, kozachenko_leonenko, von_mises_fisher
from thermograd.entropy.calibration import study
from thermograd.entropy.calibration.advice import corrected, recommend
from thermograd.entropy.calibration.laws import Gaussian, Law, UniformSphere, VonMisesFisher
from thermograd.entropy.calibration.run import run_study
from thermograd.entropy.calibration.study import Case, full_study, load_record, quick_study, run_case
from thermograd.entropy.calibration.table import bias_rows, reach_rows, slope_rows
from thermograd.entropy.calibration.walks import SphereWalk, Walk
from thermograd.entropy.correlation import correlation_time
from thermograd.errors import InputError
from thermograd.figures import calibration as figures
from thermograd.theory import vmf

Array = NDArray[np.float64]


def mean_and_error(values: list[float]) -> tuple[float, float]:
    return float(np.mean(values)), float(np.std(values, ddof=1) / math.sqrt(len(values)))


# --- laws


def test_entropy_of_a_wrapped_walk_by_quadrature() -> None:
    """Known truth: minus the integral of p log p over S^2, whose density is the Gaussian's times r/sin r."""
    T = 0.05

    def integrand(r: float) -> float:
        p = math.exp(-r * r / (2 * T)) / (2 * math.pi * T) * r / math.sin(r)
        return -p * math.log(p) * 2 * math.pi * math.sin(r)

    exact = quad(integrand, 0, 3.0, epsabs=1e-13)[0]  # 3 is 13 standard deviations
    assert SphereWalk(2, T, 0.1).entropy == pytest.approx(exact, abs=1e-10)


@pytest.mark.parametrize("m", [1, 9, 999, 99_999])
def test_cold_walks_on_the_sphere_are_von_mises_fisher(m: int) -> None:
    """Limit, with its rate: the entropies differ by m (m - 4) T/12.

    -m (m-2) T/4 from the asymptotic series of the Bessel function, against -m (m-1) T/6 from wrapping; the
    next order is m T times smaller.
    """
    for heat in (1e-2, 1e-3):
        T = heat / m
        difference = SphereWalk(m, T, 1.0).entropy - VonMisesFisher(m, T).entropy
        # round-off of numbers of size m log m; theory.vmf states 1e-13 m of its own
        assert difference == pytest.approx(m * (m - 4) * T / 12, rel=4 * heat, abs=1e-11 * m)


@pytest.mark.parametrize(
    "law", [UniformSphere(9), VonMisesFisher(9, 0.05), SphereWalk(9, 0.01, 2.0), Gaussian(5), Walk(5, 2.0)]
)
def test_laws_draw_what_they_say(law: Law) -> None:
    """The mean squared distance from the mean direction, or the variance, within 5 standard errors."""
    n = 20_000
    x = law.draw(n, np.random.default_rng(3))
    assert x.shape == (n, law.dim + law.on_sphere)
    if not law.on_sphere:
        # variance of x^2 is 2; a walk of spacing 2 has 1.04 times that noise
        assert abs(float(np.mean(x**2)) - 1.0) < 5 * math.sqrt(2 * 1.04 / (n * law.dim))
        return
    assert np.allclose(np.linalg.norm(x, axis=1), 1.0, atol=1e-14)
    length = np.linalg.norm(x.mean(axis=0))
    if law.name == "uniform":
        assert length < 5 / math.sqrt(n)
    elif law.name == "von Mises-Fisher":
        expected = 1.0 - float(vmf.energy(law.parameter, law.dim + 1))
        assert abs(length - expected) < 5 * math.sqrt(law.parameter / n)
    else:  # E cos r, r^2 = T chi^2_m: 1 - m T/2 + m (m+2) T^2/24, next term 1e-5
        T, m = law.parameter, law.dim
        assert abs(length - (1 - m * T / 2 + m * (m + 2) * T**2 / 24)) < 5 * math.sqrt(1.04 * T / n) + 1e-4


def test_walks_remember_as_they_should() -> None:
    law = SphereWalk(50, 1e-4, 0.2)
    u = law.draw(4000, np.random.default_rng(0))
    u = u - u.mean(axis=0)
    kept = np.sum(u[1:] * u[:-1]) / np.sum(u * u)
    # variance of a lag-1 autocorrelation is (1 - rho^2)/(n m); the mean over 4000 points takes 10/4000 off
    assert abs(kept - math.exp(-0.2)) < 5 * math.sqrt((1 - math.exp(-0.4)) / (4000 * 50)) + 0.004


# --- the study


def small_study() -> list[Case]:
    return [
        Case(UniformSphere(2), 60, 4),
        Case(Gaussian(3), 60, 4),
        *(Case(SphereWalk(9, 1e-3 * s, s), 60, 4) for s in (0.01, 0.1)),
        Case(Walk(2, 0.5), 60, 4),
    ]


def test_killed_and_resumed_is_the_same(tmp_path: Path) -> None:
    """A process killed without warning in the middle of the study, and two workers that go on."""
    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[2])\n"
        "from test_entropy_calibration import small_study\n"
        "from thermograd.entropy.calibration.run import run_study\n"
        "run_study(small_study(), Path(sys.argv[1]))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "killed"), str(Path(__file__).parent)]
    )
    files = tmp_path / "killed" / "cases"
    deadline = time.monotonic() + 60
    while not (files.exists() and any(files.glob("[a-z]*.json"))):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    done = sorted(files.glob("[a-z]*.json"))
    assert 1 <= len(done) < 5, "killed too late to test anything"
    stamp = done[0].stat().st_mtime_ns
    run_study(small_study(), tmp_path / "killed", workers=2)
    assert done[0].stat().st_mtime_ns == stamp  # what was done stands
    run_study(small_study(), tmp_path / "whole")
    for name in ("biases.csv", "slopes.csv", "reach.csv"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_files_that_answer_another_question_are_made_again(tmp_path: Path) -> None:
    case = Case(Gaussian(2), 60, 3)
    path = run_case(case, tmp_path, seed=1)
    whole = path.read_bytes()
    assert load_record(path, case, 1) is not None
    assert load_record(path, case, 2) is None  # another seed
    assert load_record(path, Case(Gaussian(2), 60, 4), 1) is None  # more repeats
    for damage in (
        lambda record: record.pop("readings"),
        lambda record: record.pop("entropy"),
        lambda record: record.update(readings=[]),
        lambda record: record["readings"].pop("kl k=3"),
        lambda record: record["readings"].update({"kl k=3": 5}),
        lambda record: record["readings"]["kl k=3"].pop("se"),
        lambda record: record["readings"]["kl k=3"].pop("refused"),
        lambda record: record["readings"]["kl k=3"]["entropy"].pop(),
        lambda record: record["readings"]["kl k=3"]["entropy"].__setitem__(0, "3"),
    ):
        record = json.loads(whole)
        damage(record)
        path.write_text(json.dumps(record))
        assert load_record(path, case, 1) is None
    path.write_bytes(whole[: len(whole) // 2])  # torn
    assert load_record(path, case, 1) is None
    assert run_case(case, tmp_path, seed=1).read_bytes() == whole


def test_studies_ask_what_they_should() -> None:
    full = full_study()
    assert len({case.key for case in full}) == len(full)
    assert {case.law.dim + 1 for case in full} == {3, 10, 30, 100, 1000, 10_000, 100_000}
    assert {100, 1000, 4000} <= {case.n for case in full}
    spans = {round(case.span, 6) for case in full if math.isfinite(case.span)}
    assert {1.0, 10.0, 100.0, 1000.0} <= spans
    assert min(case.repeats for case in full + quick_study()) >= 2
    # walks of different spacing share their random numbers, other laws do not
    walks = [case for case in full if case.law.name == "walk" and case.law.dim == 2 and case.n == 1000]
    first = {case.samples(0)[0].standard_normal() for case in walks}
    assert len(first) == 1
    assert Case(Gaussian(2), 1000, 1).samples(0)[0].standard_normal() not in first


def test_refusals_are_rows_and_no_numbers(tmp_path: Path) -> None:
    """Sixty points have no covariance in 99 dimensions: the row says so and claims nothing."""
    record = json.loads(run_case(Case(UniformSphere(99), 60, 3), tmp_path, 0).read_text())
    rows = {row["estimator"]: row for row in bias_rows([record])}
    assert "no covariance of full rank" in rows["gaussian"]["refused"]
    assert rows["gaussian"]["answers"] == 0
    assert math.isnan(rows["gaussian"]["bias"])
    assert rows["kl k=1"]["refused"] == ""
    assert rows["kl k=1"]["answers"] == 3


# --- what it finds


@cache
def records(tmp: str, cases: tuple[Case, ...]) -> list[dict]:
    return [json.loads(run_case(case, Path(tmp), 0).read_text()) for case in cases]


def test_uniform_directions_are_read_without_bias_and_the_chart_is_not(tmp_path: Path) -> None:
    """Known truth in any dimension: caps of a uniform law are uniform, arcs have no bias; the chart has.

    Variance of log(cap volume) is pi^2/6 and of shared neighbours at most half of that: one sample of 100
    points scatters by less than 0.16, twelve by 0.05. The printed constant is 1/(2n) too small.
    """
    for d in (10, 300):
        record = records(str(tmp_path), (Case(UniformSphere(d - 1), 100, 12),))[0]
        rows = {row["estimator"]: row for row in bias_rows([record])}
        for name in ("kl k=1", "kl k=3", "kl k=10"):
            assert abs(rows[name]["bias"]) < 4 * 0.05
            assert rows[name]["sd"] < 0.16 * 2
        assert rows["chart k=1"]["bias"] > 0.2 * (1 if d == 10 else 100)


@pytest.mark.parametrize("m", [299, 2999])
def test_queues_in_many_dimensions_read_twice_the_slope(m: int, tmp_path: Path) -> None:
    """Known rate: all neighbours are neighbours in time, S = (m/2) log(1 - exp(-x)) + const at spacing x.

    Twice the true slope for short spacings. The log of a squared step scatters by sqrt(2/m), m/2 times the
    mean of 80 of them, in neighbouring pairs alike, by 0.1 sqrt(m) nats; three repeats leave 0.06 sqrt(m).
    """
    spacings = (0.01, 0.03, 0.3)
    cases = tuple(Case(SphereWalk(m, 1e-3 * s / m, s), 80, 3) for s in spacings)
    rows = [row for row in slope_rows(records(str(tmp_path), cases)) if row["estimator"] == "kl k=1"]
    for (low, high), row in zip(pairwise(spacings), rows, strict=True):
        true = 0.5 * m * math.log(high / low)
        law = 0.5 * m * math.log(math.expm1(-high) / math.expm1(-low)) / true
        assert abs(row["slope"] - (1 + law)) < 4 * 0.1 * math.sqrt(m) / true
        assert row["slope"] > 1.5  # negative control: the same bias in both states


def test_spaced_queues_read_the_true_slope(tmp_path: Path) -> None:
    """Limit: independent points have the same bias at any temperature: the same numbers in other units."""
    cases = tuple(Case(Walk(20, spacing), 80, 3) for spacing in (40.0, 80.0))
    for row in slope_rows(records(str(tmp_path), cases)):
        if row["estimator"] in ("kl k=1", "kl k=10", "graph k=50"):
            assert row["slope"] == pytest.approx(1.0, abs=1e-9)


def test_reach_is_where_the_error_falls_below_what_is_tolerated() -> None:
    spans, slopes = (1.0, 3.0, 9.0, 27.0), (2.0, 1.5, 1.05, 1.0)
    base = {"law": "walk", "dim": 2, "n": 100, "estimator": "x", "slope_se": 0.01}
    rows = [
        base | {"span": span, "span_low": span / 1.7, "span_high": span * 1.7, "slope": slope}
        for span, slope in zip(spans, slopes, strict=True)
    ]
    found = reach_rows(rows)[0]
    # from an error of 0.5 to one of 0.05 over a factor of 3, 0.1 lies 8/9 of the way
    assert found["span"] == pytest.approx(3.0 ** (1 + 8 / 9))
    assert found["span_low"] < found["span"] < found["span_high"]
    never = reach_rows(rows[:2])[0]
    assert math.isnan(never["span"])
    assert reach_rows(rows[2:])[0]["span"] == 0.0
    # states too far apart tell nothing about where
    assert reach_rows([row | {"span_high": 10 * row["span_low"]} for row in rows]) == []


# --- corrections


# (m, n, spacing): none of these dimensions, sizes or spacings were looked at when the accuracy was stated
@pytest.mark.parametrize(
    ("m", "n", "spacing", "walks"),
    [
        (3, 350, 0.02, 40),
        (7, 650, 0.04, 16),
        (7, 350, 0.3, 40),
        (15, 650, 0.006, 12),
        (15, 350, 0.7, 20),
        (40, 350, 0.03, 12),
        (40, 350, 0.6, 12),
        (70, 350, 0.015, 12),
        (70, 650, 8.0, 6),
    ],
)
@pytest.mark.parametrize("on_sphere", [False, True])
def test_corrected_out_of_sample(m: int, n: int, spacing: float, walks: int, on_sphere: bool) -> None:
    """The mean of corrected estimates is right within 4 of its own errors and the stated accuracy."""
    law: Law = SphereWalk(m, 0.05 / m, spacing) if on_sphere else Walk(m, spacing)
    rng = np.random.default_rng([m, n, on_sphere])
    raw, found, wrong = [], [], []
    for _ in range(walks):
        x = law.draw(n, rng)
        estimate = kozachenko_leonenko(x, manifold="geodesic" if on_sphere else "euclidean")
        better = corrected(estimate, spacing)
        raw.append(estimate.entropy - law.entropy)
        found.append(better.entropy - law.entropy)
        if spacing <= 0.04:
            wrong.append(corrected(estimate, 2 * spacing).entropy - law.entropy)
    mean, error = mean_and_error(found)
    accuracy = math.sqrt(better.se**2 - estimate.se**2)
    assert abs(mean) < 4 * error + accuracy
    # negative control: without the correction, and with one for twice the spacing
    if spacing <= 0.04:
        assert abs(np.mean(raw)) > 3 * (4 * error + accuracy)
        assert abs(np.mean(wrong)) > 3 * (4 * error + accuracy)


def test_corrected_states_what_it_did() -> None:
    law = SphereWalk(5, 1e-4, 0.1)
    estimate = kozachenko_leonenko(law.draw(400, np.random.default_rng(0)), manifold="geodesic")
    found = corrected(estimate, 0.1)
    assert found.se > estimate.se
    assert "taken off" in found.warnings[-1]
    assert found.settings["corrected_spacing"] == 0.1
    # at any radius: the law is as cold as it was
    assert corrected(estimate.at_radius(1e3), 0.1).entropy == pytest.approx(found.at_radius(1e3).entropy)


@pytest.mark.parametrize(
    ("law", "call", "spacing", "message"),
    [
        (Walk(3, 0.1), lambda x: kozachenko_leonenko(x, k=3), 0.1, "the estimate has k = 3; expected 1"),
        (Walk(3, 0.1), lambda x: kozachenko_leonenko(x, theiler=2), 0.1, "has theiler = 2; expected 0"),
        (Walk(3, 0.1), lambda x: knn_graph(x, k=5), 0.1, "estimator is knn-graph"),
        (SphereWalk(3, 1e-3, 0.1), lambda x: kozachenko_leonenko(x, manifold="sphere"), 0.1, "on the axes"),
        (SphereWalk(3, 1e-3, 0.1), von_mises_fisher, 0.1, "estimator is von-mises-fisher"),
        (
            UniformSphere(3),
            lambda x: kozachenko_leonenko(x, manifold="geodesic"),
            9.0,
            "dim times temperature",
        ),
        (Walk(3, 0.1), kozachenko_leonenko, 1e-3, r"spans 0\.12 correlation times; expected at least 2"),
        (Walk(3, 0.1), kozachenko_leonenko, -1.0, "spacing"),
        (Walk(101, 0.1), kozachenko_leonenko, 0.1, "101 dimensions"),
        (Walk(3, 0.1), lambda x: kozachenko_leonenko(x[:50]), 0.1, "50 points"),
        (Walk(3, 0.1), lambda x: corrected(kozachenko_leonenko(x), 0.1), 0.1, "corrected before"),
    ],
)
def test_corrected_refuses_outside_its_range(law: Law, call, spacing: float, message: str) -> None:
    estimate = call(law.draw(120, np.random.default_rng(0)))
    with pytest.raises(InputError, match=message):
        corrected(estimate, spacing)


# --- recommendations


@pytest.mark.parametrize(
    ("law", "n", "n_effective", "estimator"),
    [
        (VonMisesFisher(2, 0.1), 500, 500.0, kozachenko_leonenko),
        (SphereWalk(2, 0.01, 0.2), 1500, 150.0, kozachenko_leonenko),
        (VonMisesFisher(40, 1e-3), 500, 500.0, gaussian_tangent),
        (VonMisesFisher(500, 1e-4), 200, 200.0, von_mises_fisher),
        (SphereWalk(500, 1e-5, 0.5), 400, 100.0, von_mises_fisher),
    ],
)
def test_recommended_estimators_read_the_law(law: Law, n: int, n_effective: float, estimator) -> None:
    """Absolute ones, by 5 standard errors of six samples and a tenth of a nat of bias from finite neighbours.

    A wrapped Gaussian's tangent mean is not exactly its fit's: m T/6 nats a dimension at most.
    """
    chosen = recommend(n, law.dim, n_effective)
    assert chosen.estimator is estimator
    assert chosen.absolute
    found = [chosen(law.draw(n, np.random.default_rng([n, i]))) for i in range(6)]
    mean = np.mean([estimate.entropy for estimate in found]) - law.entropy
    error = float(np.mean([estimate.se for estimate in found])) / math.sqrt(6)
    slack = 0.1 + (law.dim * law.parameter / 6 * law.dim if law.name == "sphere walk" else 0.0)
    assert abs(mean) < 5 * error + slack
    if law.dim > 10:  # negative control: neighbours, which the rule avoids here
        neighbours = kozachenko_leonenko(law.draw(n, np.random.default_rng(0)), manifold="geodesic").entropy
        assert abs(neighbours - law.entropy) > 5 * error + slack


def test_recommendations_know_their_limits() -> None:
    for n_effective in (2.0, 4.0, 5.99):  # what von_mises_fisher refuses is not recommended
        hopeless = recommend(1000, 50, n_effective)
        assert not hopeless.absolute
        assert "longer queue" in hopeless.reason
    assert recommend(1000, 50, 6.0).estimator is von_mises_fisher
    assert recommend(1000, 9, 700.0).settings == {"manifold": "geodesic"}
    # a Theiler window never leaves fewer than three quarters of the queue
    assert recommend(1000, 3, 15.0).estimator is gaussian_tangent
    for n_effective in (16.0, 50.0, 300.0):
        assert recommend(1000, 3, n_effective).settings["theiler"] <= 125
    for arguments, message in (
        ((3, 2, 3.0), "n .* is 3"),
        ((100, 0, 3.0), "dim .* is 0"),
        ((100, 2, 0.5), "n_effective is 0.5"),
        ((100, 2, 101.0), "n_effective is 101"),
        ((100, 2, math.nan), "n_effective is nan"),
        ((100.0, 2, 5.0), "n .* is 100.0"),
    ):
        with pytest.raises(InputError, match=message):
            recommend(*arguments)


# --- command and figures


def test_the_command_writes_tables_and_figures(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(study, "quick_study", small_study)
    result = CliRunner().invoke(
        calibrate, ["--quick", "--workers", "1", "--out", str(tmp_path), "--json"], catch_exceptions=False
    )
    assert result.exit_code == 0
    answer = json.loads(result.stdout)
    with (tmp_path / "biases.csv").open() as handle:
        table = list(csv.DictReader(handle))
    assert len(table) == len(answer["biases"])
    assert {"law", "dim", "n", "span", "estimator", "bias", "bias_se", "sd", "se"} <= set(table[0])
    for name in ("biases", "slopes", "walks"):
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000
    said = CliRunner().invoke(calibrate, ["--quick", "--workers", "1", "--out", str(tmp_path)])
    assert "slopes dS/dlog(elr) are right within 10%" in said.stdout


def test_figures_draw_the_rows() -> None:
    base = {"law": "sphere walk", "dim": 9, "n": 100, "estimator": "kl k=1", "slope_se": 0.1}
    rows = [base | {"spacing": s, "slope": y} for s, y in ((0.1, 1.9), (0.01, 2.0), (1.0, 1.1))]
    ax = figures.calibration_slopes(rows, Figure().subplots(), n=100, estimator="kl k=1")
    lines = {line.get_gid(): line for line in ax.lines}
    assert lines["kl k=1:9"].get_xdata().tolist() == [0.01, 0.1, 1.0]
    assert lines["kl k=1:9"].get_ydata().tolist() == [2.0, 1.9, 1.1]
    x, y = lines["in time"].get_data()
    assert np.allclose(y, 1 + x / (np.exp(x) - 1))
    row = {"law": "uniform", "dim": 9, "n": 100, "estimator": "kl k=1", "absolute": True, "bias_se": 0.9}
    biases = [
        row | {"bias": 18.0},
        row | {"n": 50, "bias": 99.0},
        row | {"estimator": "graph k=50", "bias": 1.0, "absolute": False},
    ]
    ax = figures.calibration_biases(biases, Figure().subplots(), law="uniform")
    assert [line.get_ydata().tolist() for line in ax.lines if line.get_gid() == "uniform:kl k=1"] == [[2.0]]
    assert not any("graph" in str(line.get_gid()) for line in ax.lines)
    with pytest.raises(InputError, match="no rows"):
        figures.calibration_figures([], [])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: UniformSphere(0), "dim .* is 0"),
        (lambda: Gaussian(2.5), "dim .* is 2.5"),
        (lambda: VonMisesFisher(2, 0.0), "T .* is 0.0"),
        (lambda: Walk(2, math.inf), "spacing .* is inf"),
        (lambda: SphereWalk(99, 0.1, 1.0), "reaches the far pole"),
        (lambda: run_study([], Path("x")), "no cases"),
        (lambda: run_study([Case(Gaussian(2), 60, 2)], Path("x"), workers=0), "workers is 0"),
    ],
)
def test_bad_input_is_named(call, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


@pytest.mark.parametrize("spacing", ["a", None, True, [0.1], 0.0, -1.0, math.nan, math.inf])
def test_a_spacing_that_is_none_is_refused_in_one_line(spacing: object) -> None:
    estimate = kozachenko_leonenko(np.random.default_rng(0).standard_normal((200, 2)))
    with pytest.raises(InputError, match=r"corrected: spacing is .*; expected a number of correlation times"):
        corrected(estimate, spacing)  # type: ignore[arg-type]


def test_no_estimate_and_no_count_are_refused_in_one_line() -> None:
    with pytest.raises(InputError, match=r"corrected: the estimate is 1\.5; expected an EntropyEstimate"):
        corrected(1.5, 0.1)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="recommend: n_effective is 'many'; expected a number from 1 to n"):
        recommend(100, 2, "many")  # type: ignore[arg-type]


@pytest.mark.parametrize("m", [1, 2, 30])
def test_what_is_recommended_answers_whatever_the_queue(m: int) -> None:
    # Spans from a free diffusion to independent points, through all thresholds: one clock tells them all.
    promised = []
    for i, spacing in enumerate(np.geomspace(1e-3, 3.0, 25)):
        x = SphereWalk(m, 1e-4, float(spacing)).draw(300, np.random.default_rng([m, i]))
        found = diagnose(x, rng=np.random.default_rng(0))
        memory = correlation_time(x)
        assert found.independent == (300 / memory.time if memory.surely_above_one else 300)
        first = recommend(found.n, found.dim, found.independent)
        taken, estimate = first.first_answer(x)
        assert math.isfinite(estimate.entropy)
        if first.estimator is von_mises_fisher:  # it is not refused for its span
            assert taken is first
        promised.append(first.estimator)
    assert kozachenko_leonenko in promised
    assert von_mises_fisher in promised or m < 30


def test_the_next_answer_where_the_sample_refuses() -> None:
    walk = SphereWalk(30, 1e-4, 1e-3).draw(300, np.random.default_rng(1))
    promised = recommend(300, 30, 200.0)  # of a walk worth five
    with pytest.raises(InputError):
        promised(walk)
    taken, estimate = promised.first_answer(walk)
    assert taken.estimator is kozachenko_leonenko
    assert not taken.absolute
    assert estimate.settings == {"k": 1, "manifold": "geodesic"}
    with pytest.raises(InputError, match="expected unit vectors"):  # what no estimator takes is refused
        promised.first_answer(2 * walk)
