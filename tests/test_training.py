"""Training follows the protocol, measures without disturbing, and ends lawfully when the loss explodes."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from thermograd.errors import InputError  # noqa: E402
from thermograd.protocol import FixedELR, FixedLR, FixedSphere  # noqa: E402
from thermograd.theory.radius import stationary_radius_elr, stationary_radius_lr  # noqa: E402
from thermograd.training import Measurement, TrainSpec, train  # noqa: E402
from thermograd.training.schedule import log_steps  # noqa: E402

BRIEF = Measurement(log_every=20, noise_draws=6, queue_size=10, queue_every=2)


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def spec(protocol, **changes):
    return TrainSpec(protocol, **{"steps": 60, "anneal": 30, "settle": 8, "measurement": BRIEF} | changes)


PROTOCOLS = [FixedSphere(elr=5e-3, radius=2.0), FixedELR(elr=5e-3, wd=0.01), FixedLR(lr=0.1, wd=0.01)]


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda p: type(p).__name__)
def test_a_trace_has_every_measurement_and_is_the_same_twice(protocol):
    first, second = (train(spec(protocol)) for _ in range(2))
    assert first.drop_attrs().identical(second.drop_attrs())
    assert first.step.values.tolist() == [20, 40, 60]
    assert first.attrs["dim"] == 387
    assert json.loads(first.attrs["spec"])["protocol"] == {"name": type(protocol).__name__, **protocol.values}
    names = {"loss", "norm", "grad_sq", "batch_grad_sq", "tr_sigma", "test_loss", "train_accuracy"}
    assert names <= set(first.data_vars)
    for name in names:
        assert np.isfinite(first[name]).all(), name
    # One direction every second iteration: a window of ten is complete at iterations 20, 40 and 60.
    assert np.isfinite(first.entropy_sphere).all()
    assert ("effective_wd" in first) == isinstance(protocol, FixedSphere)


def test_measuring_more_does_not_change_the_path():
    sparse = train(spec(PROTOCOLS[1]))
    often = train(spec(PROTOCOLS[1], measurement=replace(BRIEF, noise_draws=9, queue_size=5, queue_every=1)))
    np.testing.assert_array_equal(sparse.loss, often.loss)
    np.testing.assert_array_equal(sparse.norm, often.norm)
    assert not np.array_equal(sparse.grad_sq, often.grad_sq)


def test_the_graph_of_neighbours_is_read_on_request_and_changes_nothing_else():
    plain = spec(PROTOCOLS[0])
    asked = replace(plain, measurement=replace(BRIEF, graph_neighbours=5))
    without, trace = train(plain), train(asked)
    assert set(trace.data_vars) - set(without.data_vars) == {"entropy_graph"}
    for name in without.data_vars:
        np.testing.assert_array_equal(trace[name], without[name])
    # Of ten directions half are neighbours: the graph is wider than nearest distances, by its constant.
    apart = (trace.entropy_graph - trace.entropy_sphere).values.ravel()
    assert np.isfinite(apart).all()
    assert apart.std() < 0.1 * apart.mean()
    assert trace.attrs["entropy_graph_estimator"] == "knn_graph(k=5)"
    # What is not asked for leaves the address as it was before one could ask.
    plain_dict = plain.to_dict()
    del plain_dict["measurement"]["graph_neighbours"]
    assert TrainSpec.from_dict(plain_dict).key("0") == plain.key("0") != asked.key("0")
    with pytest.raises(InputError, match="graph_neighbours is 9 in a queue of 10; expected at most 8"):
        replace(BRIEF, graph_neighbours=9)


def test_grid_points_share_the_start_and_not_the_noise():
    one, other = spec(FixedLR(lr=0.1, wd=0.01)), spec(FixedLR(lr=0.1, wd=0.02))
    assert one.stream("initial") == other.stream("initial")
    assert one.stream("batches") != other.stream("batches")
    assert one.stream("batches") != one.stream("noise")
    assert one.stream("initial") != replace(one, seed=9).stream("initial")


def test_the_sphere_holds_its_radius():
    trace = train(spec(FixedSphere(elr=5e-3, radius=2.0)))
    np.testing.assert_allclose(trace.norm, 2.0, rtol=1e-6)


def test_the_papers_start_is_kept():
    trace = train(spec(FixedELR(elr=1e-6, wd=1e-3), initial_radius=1.0, anneal=0, settle=0))
    np.testing.assert_allclose(trace.norm, 1.0, rtol=1e-4)


@pytest.mark.parametrize("protocol", [FixedELR(elr=2e-3, wd=0.01), FixedLR(lr=0.1, wd=0.01)])
def test_a_prepared_run_starts_near_its_stationary_radius(protocol):
    trace = train(spec(protocol, steps=40, anneal=300, settle=80))
    measured = trace.batch_grad_sq.values.ravel()[0]
    law = stationary_radius_elr if isinstance(protocol, FixedELR) else stationary_radius_lr
    expected = float(law(*protocol.values.values(), measured).finite_step)
    # The radius goes with the root or the fourth root of a mean of 20 gradient squares, 20% uncertain.
    assert trace.norm.values.ravel()[0] == pytest.approx(expected, rel=0.15)


@pytest.fixture
def watched(monkeypatch):
    """Every walk's rates, stretch by stretch; annealing walks have one replica, however large the group."""
    from thermograd.training import run, walk

    seen = []

    class Watched(walk.Walk):
        def steps(self, count):
            seen.append((self._optimizer._rates.tolist(), self._optimizer._radii.tolist()))
            super().steps(count)

    monkeypatch.setattr(run, "Walk", Watched)
    monkeypatch.setattr(run, "_annealed", {})
    return seen


def test_annealing_cools_once_for_a_grid_and_settling_ends_at_the_protocol_s_own_step(watched, monkeypatch):
    from thermograd.data import load
    from thermograd.training import run
    from thermograd.training.execution import Execution

    images, told = load("digits"), []
    cooling = {"anneal": 90, "anneal_from": 0.04, "anneal_to": 0.006, "settle": 8}
    both = [spec(FixedELR(elr=elr, wd=0.01), **cooling) for elr in (5e-3, 2e-3)]
    first = run.ReplicaRun(both, images, Execution())
    first.prepare(told.append)
    annealing = [rates[0] for rates, _ in watched if len(rates) == 1]
    assert annealing == sorted(annealing, reverse=True)
    assert len(annealing) == 50
    assert annealing[0] < 0.04
    assert annealing[-1] == pytest.approx(0.006)
    settling = [rates for rates, _ in watched if len(rates) == 2]
    np.testing.assert_allclose(settling, [[5e-3, 2e-3]] * 4)
    assert told == sorted(told)
    assert told[-1] == 98

    watched.clear()
    other = run.ReplicaRun([spec(FixedLR(lr=0.1, wd=0.01), **cooling)], images, Execution())
    other.prepare(told.append)
    assert len(watched) == 4  # it found the annealed weights of its grid
    alone = run.ReplicaRun([spec(FixedLR(lr=0.1, wd=0.01), **cooling)], images, Execution())
    monkeypatch.setattr(run, "_annealed", {})
    alone.prepare(told.append)
    assert torch.equal(other.network.flat(), alone.network.flat())  # found or made, the same to the bit

    watched.clear()
    cold = run.ReplicaRun([spec(FixedELR(elr=5e-3, wd=0.01), anneal=0, settle=0)], images, Execution())
    cold.prepare(told.append)
    assert watched == []


def test_a_run_that_explodes_in_annealing_is_a_result_too():
    trace = train(spec(PROTOCOLS[0], anneal_from=1e160))
    assert trace.outcome.item() == "diverged"
    assert "annealing" in trace.outcome_reason.item()
    assert np.isnan(trace.loss).all()


def test_the_gradient_noise_splits_the_mean_square_exactly():
    trace = train(spec(PROTOCOLS[0]))
    np.testing.assert_allclose(trace.tr_sigma + trace.grad_sq, trace.batch_grad_sq, rtol=1e-12)


def test_an_exploding_run_is_a_result(monkeypatch):
    from thermograd.training import run

    class Exploding(run.ReplicaRun):
        def advance(self, on_progress):
            if self.step >= 40:
                self.network.weights[0].data[0] = math.inf
            super().advance(on_progress)

    monkeypatch.setattr(run, "ReplicaRun", Exploding)
    trace = train(spec(PROTOCOLS[1]))
    assert trace.outcome.item() == "diverged"
    assert "between iterations 40 and 60" in trace.outcome_reason.item()
    assert np.isfinite(trace.loss.values.ravel()[:2]).all()
    assert np.isnan(trace.loss.values.ravel()[2])


def test_a_step_size_beyond_all_bounds_really_diverges():
    trace = train(spec(FixedLR(lr=1e20, wd=1.0), initial_radius=1e-18, anneal=0, settle=0))
    assert trace.outcome.item() == "diverged"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "steps is 0; expected a whole number of at least 1"),
        ({"architecture": "MLP"}, "architecture is 'MLP'; expected one of"),
        ({"initial_radius": -1.0}, "initial_radius is -1.0"),
        ({"width": 1.5}, "width is 1.5"),
    ],
)
def test_a_bad_spec_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        spec(PROTOCOLS[0], **changes)


def test_a_spec_survives_json_and_its_key_knows_what_matters():
    one = spec(PROTOCOLS[2])
    again = TrainSpec.from_dict(json.loads(json.dumps(one.to_dict())))
    assert again == one
    assert again.key("data") == one.key("data")
    assert one.key("data") != one.key("other data")
    assert one.key("data") == replace(one, data="/elsewhere/digits").key("data")
    assert one.key("data") != replace(one, steps=61).key("data")
    with pytest.raises(InputError, match="unknown key 'stepz'"):
        TrainSpec.from_dict({**one.to_dict(), "stepz": 1})


def test_the_schedule_of_the_paper():
    points = log_steps(2_000_000, Measurement(log_every=200, log_until=10_000, log_points=150))
    assert points[:2] == (200, 400)
    assert points[49] == 10_000
    assert len(points) == 200
    assert points[-1] == 2_000_000
    ratios = np.diff(np.log(points[49:]))
    np.testing.assert_allclose(ratios, np.log(200) / 150, rtol=0.01)
