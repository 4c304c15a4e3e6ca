"""Runs that share a network are what they are alone, resume to the same bits, and fail alone."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from thermograd.data import load  # noqa: E402
from thermograd.errors import InputError  # noqa: E402
from thermograd.optim import for_protocol  # noqa: E402
from thermograd.optim.replicas import ReplicaSGD  # noqa: E402
from thermograd.protocol import FixedELR, FixedLR, FixedSphere  # noqa: E402
from thermograd.state_file import previous_state  # noqa: E402
from thermograd.training import Measurement, TrainSpec  # noqa: E402
from thermograd.training.batches import ReplicaBatches  # noqa: E402
from thermograd.training.execution import Execution, groups  # noqa: E402
from thermograd.training.group import clear_checkpoint, resolve, step_seconds, train_group  # noqa: E402

BRIEF = Measurement(log_every=20, noise_draws=6, queue_size=10, queue_every=2)
PROTOCOLS = [FixedSphere(elr=5e-3, radius=2.0), FixedELR(elr=5e-3, wd=0.01), FixedLR(lr=0.1, wd=0.01)]
KERNELS = ["compiled", "banded", "grouped", "each"]


@pytest.fixture(scope="module")
def images():
    return load("digits")


def spec(protocol, **changes):
    return TrainSpec(protocol, **{"steps": 60, "anneal": 20, "settle": 8, "measurement": BRIEF} | changes)


def same(first, second):
    return all(
        one.drop_attrs().identical(other.drop_attrs()) for one, other in zip(first, second, strict=True)
    )


# -- the optimizer: its twins are the three ordinary ones ------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_row_takes_the_step_of_its_own_optimizer(dtype):
    generator = torch.Generator().manual_seed(0)
    start = [
        torch.randn(3, 4, 5, generator=generator, dtype=dtype),
        torch.randn(3, 7, generator=generator).to(dtype),
    ]
    target = [torch.randn(p.shape, generator=generator, dtype=dtype) for p in start]
    stacked = [torch.nn.Parameter(p.clone()) for p in start]
    together = ReplicaSGD(PROTOCOLS, stacked)
    alone = [[torch.nn.Parameter(p[r].clone()) for p in start] for r in range(3)]
    optimizers = [for_protocol(protocol, ps) for protocol, ps in zip(PROTOCOLS, alone, strict=True)]
    for step in range(20):
        for p, t in zip(stacked, target, strict=True):
            p.grad = torch.cos(t * (step + 1))
        for r, optimizer in enumerate(optimizers):
            for p, t in zip(alone[r], target, strict=True):
                p.grad = torch.cos(t[r] * (step + 1))
            optimizer.step()
        together.step(torch.full((3,), 2.0))
    # Twenty steps, each rounded once to the weights' own precision.
    tolerance = 20 * torch.finfo(dtype).eps
    means = together.take_means()
    assert means["loss"] == [2.0] * 3
    for r, optimizer in enumerate(optimizers):
        for p, q in zip(stacked, alone[r], strict=True):
            torch.testing.assert_close(p[r], q, rtol=tolerance, atol=tolerance)
        for name, value in optimizer.take_means().items():
            assert means[name][r] == pytest.approx(value, rel=tolerance), name
    assert np.isnan(means["effective_wd"][1:]).all()


def test_a_held_replica_does_not_move_and_the_others_do():
    weights = torch.nn.Parameter(torch.ones(3, 4))
    weights.grad = torch.ones(3, 4)
    optimizer = ReplicaSGD([FixedLR(lr=0.1, wd=0.5)] * 3, [weights])
    optimizer.hold(1)
    optimizer.step(torch.zeros(3))
    assert torch.equal(weights[1], torch.ones(4))
    assert torch.equal(weights[0], weights[2])
    assert not torch.equal(weights[0], torch.ones(4))


def test_weights_of_another_count_are_refused():
    with pytest.raises(InputError, match="expected a first dimension of 2"):
        ReplicaSGD([PROTOCOLS[0]] * 2, [torch.nn.Parameter(torch.ones(3, 4))])


# -- batches ---------------------------------------------------------------------------------------------


def test_replicas_draw_what_each_would_draw_alone_and_go_on_where_they_stood():
    from thermograd.data.sampling import BatchSampler

    together = ReplicaBatches(50, 8, [1, 2])
    alone = [BatchSampler(50, 8, torch.Generator().manual_seed(seed)) for seed in (1, 2)]
    for step in range(300):  # past a block of 256
        expected = torch.stack([next(sampler) for sampler in alone])
        if step == 270:
            state = together.state()
        assert torch.equal(together.draw(), expected)
    again = ReplicaBatches(50, 8, [3, 4])
    again.restore(state)
    last = [again.draw() for _ in range(30)][-1]
    assert torch.equal(last, expected)


@pytest.mark.parametrize("kernel", KERNELS)
def test_every_image_is_drawn_and_seen_as_it_is_whatever_the_layout(images, kernel):
    from thermograd.training.run import ReplicaRun

    run = ReplicaRun([spec(PROTOCOLS[0])], images, Execution(1, kernel))
    index = torch.stack([run._batches.draw()[0] for _ in range(100)])
    # 12 800 draws among N = 1437: an image is missed with probability exp(-8.9), all of them together 0.2.
    assert len(index.unique()) > len(images.train_labels) - 6
    seen = run.network.gather(run._images, index[:1])
    assert torch.equal(seen[0], torch.from_numpy(images.train_images)[index[0]])


# -- groups ----------------------------------------------------------------------------------------------


def test_runs_of_all_protocols_share_a_network_and_are_what_they_are_alone(images):
    specs = [spec(protocol, seed=seed) for seed, protocol in enumerate(PROTOCOLS)]
    for kernel in KERNELS:
        together = train_group(specs, images, execution=Execution(3, kernel))
        for one, trace in zip(specs, together, strict=True):
            alone = train_group([one], images, execution=Execution(1, kernel))[0]
            # Float32 round-off of a step, 1e-7, grows with the chaos of the path: 60 steps at small ELR keep
            # it far below this, and another batch or head would differ by tens of percent.
            for name in ("loss", "norm", "grad_sq", "batch_grad_sq", "entropy_sphere"):
                np.testing.assert_allclose(trace[name], alone[name], rtol=1e-3, err_msg=f"{kernel} {name}")
            assert trace.attrs["run_id"] == alone.attrs["run_id"]


@pytest.mark.parametrize("kernel", KERNELS)
def test_companions_and_places_do_not_change_a_bit(images, kernel):
    specs = [spec(FixedELR(elr=elr, wd=0.01), seed=seed) for elr in (2e-3, 5e-3) for seed in (0, 1)]
    execution = Execution(4, kernel)
    first = train_group(specs, images, execution=execution)
    others = [*specs[2:0:-1], replace(specs[0], protocol=FixedLR(lr=0.3, wd=0.1)), specs[0]]
    second = train_group(others, images, execution=execution)
    assert same([first[2], first[1], first[0]], [second[0], second[1], second[3]])


def test_a_run_has_the_same_variables_whatever_the_protocols_of_its_companions(images):
    specs = [spec(protocol) for protocol in PROTOCOLS]
    together = train_group(specs, images, execution=Execution(3))
    for one, trace in zip(specs, together, strict=True):
        assert same([trace], train_group([one], images, execution=Execution(3)))
    assert ["effective_wd" in trace for trace in together] == [True, False, False]


def test_the_bits_of_a_run_do_not_depend_on_how_full_its_group_is(images):
    some = {"steps": 20, "anneal": 0, "settle": 0}
    cases = {"ConvNet": ("auto", {}), "ResNet18": ("grouped", {"architecture": "ResNet18"})}
    for kernel, changes in cases.values():
        specs = [spec(FixedELR(elr=5e-3, wd=0.01), seed=i, **some, **changes) for i in range(3)]
        full = train_group(specs, images, execution=Execution(3, kernel))
        assert same(full[1:2], train_group(specs[1:2], images, execution=Execution(3, kernel)))


def test_rounding_to_bfloat16_is_seen_and_small(images):
    still = spec(FixedELR(elr=1e-6, wd=0.01), anneal=0, settle=0, initial_radius=1.0)
    exact = train_group([still], images, execution=Execution(1, "each"))[0]
    rounded = train_group([replace(still, precision="bfloat16")], images)[0]
    assert rounded.attrs["kernel"] == "each"
    assert rounded.attrs["precision"] == "bfloat16"
    # Weights that hardly move: 0.2% a factor, through four layers one after the other.
    difference = abs(rounded.loss / exact.loss - 1).max().item()
    assert 1e-6 < difference < 0.02
    with pytest.raises(InputError, match="precision is 'float16'"):
        spec(PROTOCOLS[1], precision="float16")


def test_a_run_that_diverges_leaves_the_others_alone(images):
    good = spec(FixedELR(elr=5e-3, wd=0.01))
    cold = {"initial_radius": 1e-18, "anneal": 0, "settle": 0}
    bad = spec(FixedLR(lr=1e20, wd=1.0), **cold)
    good = replace(good, anneal=0, settle=0)
    fine = train_group([good, replace(good, seed=5), good], images, execution=Execution(3))
    mixed = train_group([good, bad, good], images, execution=Execution(3))
    assert mixed[1].outcome.item() == "diverged"
    assert "between iterations 0 and 20" in mixed[1].outcome_reason.item()
    assert np.isnan(mixed[1].loss).all()
    assert same([fine[0], fine[2]], [mixed[0], mixed[2]])


def test_only_like_runs_share_a_network(images):
    one = spec(PROTOCOLS[1])
    assert len(groups([one, replace(one, seed=3), replace(one, initial_radius=1.0)], 8)) == 1
    assert len(groups([one, replace(one, steps=61)], 8)) == 2
    # A subset is drawn with the run's seed: other seeds have other images.
    assert len(groups([replace(one, subset=500), replace(one, subset=500, seed=1)], 8)) == 2
    assert [len(group) for group in groups([one] * 5, 2)] == [2, 2, 1]
    with pytest.raises(InputError, match="cannot share a network"):
        train_group([one, replace(one, width=2)], images)
    with pytest.raises(InputError, match="cannot share a network"):
        train_group([], images)


def test_a_device_that_is_not_there_is_refused(images):
    with pytest.raises(InputError, match="device is 'abacus'"):
        train_group([spec(PROTOCOLS[0])], images, execution=Execution(device="abacus"))
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="no CUDA devices"):
            train_group([spec(PROTOCOLS[0])], images, execution=Execution(device="cuda"))


# -- checkpoints -----------------------------------------------------------------------------------------


class Stop(Exception):  # noqa: N818
    pass


def stopping_at(limit):
    def on_progress(done):
        if done >= limit:
            raise Stop

    return on_progress


@pytest.mark.parametrize("limit", [28 + 2, 28 + 20, 28 + 33, 28 + 60])
def test_a_run_goes_on_to_the_same_bits_wherever_it_was_stopped(images, tmp_path, limit):
    specs = [spec(protocol, seed=i) for i, protocol in enumerate(PROTOCOLS)]
    straight = train_group(specs, images)
    path = tmp_path / "group.npz"
    with pytest.raises(Stop):
        train_group(specs, images, on_progress=stopping_at(limit), checkpoint=path)
    assert path.exists()
    told = []
    resumed = train_group(specs, images, on_progress=told.append, checkpoint=path)
    assert told == [] or told[0] > limit  # it did not begin anew
    assert same(straight, resumed)
    clear_checkpoint(path)
    assert list(tmp_path.iterdir()) == []


def test_checkpoints_on_the_way_change_nothing_and_the_adaptive_noise_goes_on_too(images, tmp_path):
    adaptive = replace(BRIEF, noise_rtol=0.05, noise_max_draws=40)
    specs = [spec(PROTOCOLS[1], seed=seed, measurement=adaptive) for seed in (0, 1)]
    straight = train_group(specs, images)
    path = tmp_path / "group.npz"
    with pytest.raises(Stop):
        train_group(specs, images, on_progress=stopping_at(28 + 41), checkpoint=path, checkpoint_seconds=0.0)
    assert same(straight, train_group(specs, images, checkpoint=path))
    assert (straight[0].noise_draws >= 6).all()
    assert (straight[0].noise_draws <= 40).all()
    assert (straight[0].noise_draws > 6).any()
    # Each replica stops drawing by its own error: alone it draws the same numbers.
    alone = train_group(specs[:1], images, execution=Execution(1))[0]
    np.testing.assert_allclose(alone.grad_sq, straight[0].grad_sq, rtol=1e-3)


def test_a_damaged_checkpoint_falls_back_to_the_one_before_and_says_so(images, tmp_path):
    one, path = [spec(PROTOCOLS[1])], tmp_path / "group.npz"
    straight = train_group(one, images)
    with pytest.raises(Stop):
        train_group(one, images, on_progress=stopping_at(28 + 40), checkpoint=path, checkpoint_seconds=0.0)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle] ^= 1  # one bit
    path.write_bytes(content)
    told = []
    with pytest.warns(RuntimeWarning, match="the state before it is tried"):
        resumed = train_group(one, images, on_progress=told.append, checkpoint=path)
    assert told[0] > 28 + 30
    assert same(straight, resumed)

    path.write_bytes(content[:middle])
    previous_state(path).write_bytes(b"")
    with pytest.warns(RuntimeWarning) as warned:
        assert same(straight, train_group(one, images, checkpoint=path))
    assert [str(w.message).rpartition("; ")[2] for w in warned] == [
        "the state before it is tried",
        "the work begins anew",
    ]


def test_a_checkpoint_of_other_runs_is_not_taken_up(images, tmp_path):
    path = tmp_path / "group.npz"
    with pytest.raises(Stop):
        train_group([spec(PROTOCOLS[1])], images, on_progress=stopping_at(28 + 40), checkpoint=path)
    other = [spec(PROTOCOLS[2])]
    with pytest.warns(RuntimeWarning, match="the state was made with runs"):
        resumed = train_group(other, images, checkpoint=path)
    assert same(train_group(other, images), resumed)


def test_a_checkpoint_that_cannot_be_written_is_said_in_one_line(images, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        train_group(
            [spec(PROTOCOLS[1])], images, checkpoint=tmp_path / "file" / "group.npz", checkpoint_seconds=0.0
        )


# -- cost ------------------------------------------------------------------------------------------------


def test_the_time_of_a_step_is_measured_and_auto_is_resolved(images):
    one = spec(PROTOCOLS[1], width=2)
    execution = resolve(Execution(4), one, images)
    assert execution.kernel != "auto"
    assert resolve(execution, one, images) == execution
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert 1e-4 < step_seconds(one, images, execution, 0.1) < 10
