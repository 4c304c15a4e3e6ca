"""What a sweep will do: plans with seeds, plans that grow, and everything else refused by name."""

from dataclasses import replace

import numpy as np
import pytest

import broken_workers
from sweep_plans import BRIEF, brief_plan, results, states
from thermograd.errors import InputError
from thermograd.protocol import FixedELR, FixedLR, FixedSphere, Grid
from thermograd.states import merge, new_trace
from thermograd.states.merge import with_seed
from thermograd.sweep import Plan, Processes, RunStore, Serial, collect, finish, make_plan, run_plan
from thermograd.training import TrainSpec
from thermograd.training.execution import Execution

TOY = Serial(broken_workers.toy_train)


def test_a_plan_comes_back_from_its_file(tmp_path):
    plan = brief_plan(seeds=(2, 0), replicas=4)
    plan.save(tmp_path)
    assert Plan.load(tmp_path) == plan
    assert plan.seeds == (0, 2)
    assert [spec.seed for spec in plan.specs()] == [0] * 4 + [2] * 4
    assert len({plan.key(spec) for spec in plan.specs()}) == 8


def test_every_seed_gives_a_dimension_of_the_dataset(tmp_path):
    plan = brief_plan(seeds=(0, 1, 5), replicas=8)
    assert run_plan(plan, tmp_path, engine=TOY).done == 12
    trace = collect(plan, tmp_path)["FixedLR"]
    assert trace.loss.dims == ("lr", "wd", "seed", "step")
    assert trace.seed.values.tolist() == [0, 1, 5]
    # Each number is that of its own run.
    single = brief_plan(seeds=(5,))
    run_plan(single, tmp_path / "single", engine=TOY)
    alone = collect(single, tmp_path / "single")["FixedLR"]
    assert alone.loss.dims == ("lr", "wd", "step")
    assert np.array_equal(trace.loss.sel(seed=5).values, alone.loss.values)
    assert not np.array_equal(trace.loss.sel(seed=5).values, trace.loss.sel(seed=0).values)
    finish(plan, tmp_path)
    assert sorted(results(tmp_path)) == ["states-FixedLR.nc", "trace-FixedLR.nc"]


def test_a_missing_run_has_its_place_among_the_seeds(tmp_path):
    plan = brief_plan(seeds=(0, 1))
    run_plan(plan, tmp_path, engine=TOY)
    lost = plan.specs()[-1]
    RunStore(tmp_path).path(plan.key(lost)).unlink()
    trace = collect(plan, tmp_path)["FixedLR"]
    assert (trace.outcome == "done").sum() == 7
    assert trace.outcome.sel(lr=0.2, wd=0.02, seed=1).item() == "failed"


def test_each_seed_draws_its_own_subset():
    grid = FixedLR.grid(lr=[0.1], wd=[0.01])
    plan = make_plan([(grid, TrainSpec(next(iter(grid)), subset=100))], seeds=[0, 1])
    first, second = plan.specs()
    assert plan.images_sha256(0) != plan.images_sha256(1)
    assert plan.key(first) == first.key(plan.images_sha256(0))
    assert plan.key(second) == second.key(plan.images_sha256(1))
    assert make_plan([(grid, TrainSpec(next(iter(grid))))], seeds=[0, 1]).subset_sha256 == ()


def test_what_the_seed_decides_may_differ_between_seeds_and_nowhere_else():
    runs = [
        new_trace(
            FixedLR(lr=0.1, wd=0.01), [1], {"loss": [1.0], "norm": [1.0]}, dim=8, attrs={"data_sha256": sha}
        )
        for sha in "ab"
    ]
    whole = merge(with_seed(run, seed) for seed, run in enumerate(runs))
    assert (whole.sizes["seed"], whole.attrs["data_sha256"]) == (2, "a, b")
    other = runs[1].assign_coords(lr=[0.2])
    with pytest.raises(InputError, match="attribute data_sha256"):
        merge([runs[0], other])
    with pytest.raises(InputError, match="the trace has seeds"):
        with_seed(with_seed(runs[0], 1), 2)


def test_a_sweep_grows_by_values_and_seeds_and_reuses_all_that_is_done(tmp_path):
    small = brief_plan(replicas=4)
    assert run_plan(small, tmp_path, engine=TOY).done == 4
    larger = replace(brief_plan(lrs=(0.1, 0.15, 0.2)), execution=None, picked="")
    summary = run_plan(larger, tmp_path, engine=TOY)
    assert (summary.reused, summary.done) == (4, 2)
    # The execution stays what it was.
    assert Plan.load(tmp_path).execution == small.execution
    more = brief_plan(lrs=(0.1, 0.15, 0.2), seeds=(0, 7), replicas=4)
    summary = run_plan(more, tmp_path, engine=TOY)
    assert (summary.reused, summary.done) == (6, 6)
    finish(more, tmp_path)
    # At once gives the same bits.
    run_plan(more, tmp_path / "at once", engine=TOY)
    finish(more, tmp_path / "at once")
    assert results(tmp_path) == results(tmp_path / "at once")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (brief_plan(steps=31), "steps is 31, and it holds 30"),
        (brief_plan(batch_size=64), "batch_size is 64, and it holds 128"),
        (brief_plan(lrs=(0.2, 0.3)), r"lr is \[0.2, 0.3\], and it also holds 0.1"),
        (brief_plan(seeds=(1, 2)), r"seeds are \[1, 2\], and it also holds 0"),
        (brief_plan(replicas=2), "replicas is 2, and it holds 1"),
        (replace(brief_plan(), data_sha256="0" * 64), "the images have another content"),
        (
            Plan(((FixedELR.grid(elr=[0.1], wd=[0.1]), brief_plan().grids[0][1]),), brief_plan().data_sha256),
            "protocols are FixedELR, and it holds FixedLR",
        ),
    ],
)
def test_any_other_change_is_refused_by_name(tmp_path, changed, words):
    brief_plan().save(tmp_path)
    before = (tmp_path / "plan.json").read_text()
    with pytest.raises(InputError, match=f"holds another plan than the one asked for: {words}"):
        run_plan(changed, tmp_path, engine=TOY)
    assert (tmp_path / "plan.json").read_text() == before


def test_a_path_of_points_runs_these_alone_and_may_only_grow(tmp_path):
    grid, template = brief_plan().grids[0]
    points = list(grid)
    path = replace(brief_plan(), grids=((Grid.of([points[0], points[-1]]), template),))
    path.save(tmp_path)
    assert Plan.load(tmp_path) == path
    run_plan(path, tmp_path, engine=TOY)
    trace = collect(path, tmp_path)["FixedLR"]
    assert (trace.outcome == "done").sum() == 2
    assert (trace.outcome == "missing").sum() == 2
    other = replace(path, grids=((Grid.of(points[1:]), template),))
    with pytest.raises(
        InputError, match=r"3 points of FixedLR are asked for, and it also holds FixedLR\(lr=0.1"
    ):
        run_plan(other, tmp_path, engine=TOY)
    # The rectangle holds the path: its two runs are kept.
    assert run_plan(brief_plan(), tmp_path, engine=TOY).reused == 2


def test_moved_data_and_an_unsaid_execution_are_the_same_plan(tmp_path):
    plan = brief_plan()
    plan.save(tmp_path)
    grid, template = plan.grids[0]
    moved = Plan(((grid, replace(template, data="/elsewhere")),), plan.data_sha256)
    assert moved.save(tmp_path).execution == plan.execution
    auto = replace(plan, execution=Execution(1, kernel="auto"))
    assert auto.save(tmp_path).execution == plan.execution


def test_subsets_of_seeds_that_are_added_keep_their_hashes(tmp_path):
    grid = FixedLR.grid(lr=[0.1], wd=[0.01])
    template = TrainSpec(next(iter(grid)), subset=100)
    one, two = (make_plan([(grid, template)], seeds=seeds) for seeds in ([0], [0, 3]))
    one.save(tmp_path)
    grown = two.save(tmp_path)
    assert [grown.images_sha256(seed) for seed in (0, 3)] == [two.images_sha256(seed) for seed in (0, 3)]
    assert Plan.load(tmp_path) == grown
    # The seed that came later may be the smaller one.
    three = make_plan([(grid, replace(template, seed=3))])
    three.save(tmp_path / "other")
    grown = two.save(tmp_path / "other")
    assert [grown.images_sha256(seed) for seed in (0, 3)] == [two.images_sha256(seed) for seed in (0, 3)]


def test_impossible_plans_are_refused():
    plan = brief_plan()
    with pytest.raises(InputError, match="no grids"):
        Plan((), "0")
    with pytest.raises(InputError, match="at most one grid per protocol"):
        Plan(plan.grids * 2, "0")
    with pytest.raises(InputError, match=r"seeds are \[1, 1\]"):
        replace(plan, seeds=(1, 1))
    ((grid, template),) = plan.grids
    other = FixedELR.grid(elr=[0.1], wd=[0.1])
    with pytest.raises(InputError, match=r"templates have seeds \[0, 1\]"):
        Plan(((grid, template), (other, replace(template, seed=1))), "0")


def test_a_folder_that_is_not_there_holds_nothing(tmp_path):
    assert states(brief_plan(), tmp_path / "nowhere") == ["pending"] * 4


def test_runs_of_several_protocols_share_a_network_and_give_the_files_that_they_give_apart(tmp_path):
    pytest.importorskip("torch")
    elr, sphere = FixedELR.grid(elr=[5e-3, 6e-3], wd=[0.01]), FixedSphere.grid(elr=[5e-3], radius=[1.0])
    how = {"steps": 40, "anneal": 0, "settle": 0, "measurement": BRIEF}
    grids = [(grid, TrainSpec(next(iter(grid)), **how)) for grid in (elr, sphere)]
    plan = make_plan(grids, execution=Execution(4))
    for workers in (1, 3):  # one group of three, and three of one
        folder = tmp_path / str(workers)
        assert run_plan(plan, folder, engine=Processes(workers)).done == 3
        finish(plan, folder)
    apart, together = results(tmp_path / "3"), results(tmp_path / "1")
    assert sorted(together) == [
        f"{kind}-{name}.nc" for kind in ("states", "trace") for name in ("FixedELR", "FixedSphere")
    ]
    assert [name for name in apart if apart[name] != together[name]] == []
