"""Where networks are computed: asked about first, kept with the plan, and shared out by GPUs."""

import json
from dataclasses import replace
from importlib.util import find_spec
from types import SimpleNamespace

import pytest

import broken_workers
from sweep_plans import brief_plan
from test_sweep_estimate import LONG, measured
from thermograd.cli import main
from thermograd.errors import InputError
from thermograd.sweep import Plan, Serial, estimate, footprint, gpus, run_plan
from thermograd.sweep.calibration import UNMEASURED_ON_GPU, choose
from thermograd.training.execution import Execution

torch = pytest.importorskip("torch")
TOY = Serial(broken_workers.toy_train)
OPEN = replace(brief_plan(), execution=None, picked="", device="")
SHORT = ["--lr", "0.1,0.2", "--wd", "0.01", "--anneal", "0", "--settle", "0", "--steps", "20"]
SHORT += ["--log-every", "10", "--noise-draws", "6", "--queue-size", "5", "--queue-every", "2"]
needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="needs thermograd[ray]")


@pytest.fixture
def two_gpus(monkeypatch):
    """A machine with two GPUs, of 80 and 40 GB free, that nothing computes on."""
    free = {0: 80e9, 1: 40e9}
    cuda = torch.cuda
    monkeypatch.setattr(cuda, "is_available", lambda: True)
    monkeypatch.setattr(cuda, "device_count", lambda: len(free))
    monkeypatch.setattr(cuda, "mem_get_info", lambda place: (free[place], 80e9))
    return free


def called(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return stop.value.code, captured.out, captured.err


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x", "cpu:0", "cuda", "cuda:7", "mps"])
def test_a_device_that_is_not_there_is_refused_before_anything_is_written(tmp_path, monkeypatch, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(InputError, match=f"device is '{device}'"):
        run_plan(OPEN, tmp_path / "new", engine=TOY, device=device)
    with pytest.raises(InputError, match=f"device is '{device}'"):
        estimate(OPEN, tmp_path / "new", 1, device=device)
    assert not (tmp_path / "new").exists()


def test_a_folder_keeps_to_its_device(tmp_path, two_gpus, capsys):
    run_plan(OPEN, tmp_path, engine=TOY)
    assert Plan.load(tmp_path).device == "cpu"
    before = (tmp_path / "plan.json").read_text()
    # Even if all runs are done already, and with replicas left open.
    for changed in (OPEN.on("cuda"), brief_plan()):
        with pytest.raises(InputError, match="device is 'cuda', and"):
            run_plan(changed, tmp_path, engine=TOY, device="cuda")
    assert (tmp_path / "plan.json").read_text() == before
    assert run_plan(OPEN, tmp_path, engine=TOY, device="cpu").reused == 4
    place = ["--out", tmp_path / "cli", "--engine", "serial"]
    assert called(capsys, "sweep", "run", *SHORT, *place)[0] == 0
    code, _, err = called(capsys, "sweep", "run", *SHORT, *place, "--device", "cuda")
    assert code == 2
    assert "device is 'cuda', and it holds 'cpu'" in err
    assert called(capsys, "sweep", "run", *SHORT, *place)[0] == 0


def test_going_on_takes_the_recorded_device(tmp_path, two_gpus):
    plan = replace(brief_plan(), execution=Execution(1, kernel="each", device="cuda"), picked="as tested")
    used = []

    def train(specs, images, *, execution, **how):
        used.append(execution.device)
        return broken_workers.toy_train(specs, images, execution=execution, **how)

    plan.save(tmp_path)
    run_plan(OPEN, tmp_path, engine=Serial(train))
    assert used == ["cuda"] * 4
    # A device that nothing was done on yet may still be another.
    OPEN.on("cuda").save(tmp_path / "open")
    assert Plan.load(tmp_path / "open").device == "cuda"
    assert OPEN.on("cpu").save(tmp_path / "open").device == "cpu"
    # Plans from before there was a record.
    path = tmp_path / "open" / "plan.json"
    plain = json.loads(path.read_text())
    del plain["device"]
    path.write_text(json.dumps(plain))
    assert Plan.load(tmp_path / "open").device == ""


def test_on_gpus_there_is_a_worker_for_each(two_gpus):
    count = footprint.fitting_workers
    assert count(OPEN.on("cuda"), None, print) == 2
    assert count(OPEN.on("cuda:1"), None, print) == 1
    assert count(OPEN.on("cuda"), 3, print) == 3
    assert gpus.free_gpu_bytes("cuda") == 40e9
    assert gpus.free_gpu_bytes("cuda:0") == 80e9


def test_workers_take_turns_with_the_gpus(two_gpus, monkeypatch):
    taken = []
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    for place in range(4):
        gpus.take_gpu("cuda", place)
    gpus.take_gpu("cuda:1", 0)  # says itself which one
    gpus.take_gpu("cpu", 1)
    assert taken == [0, 1, 0, 1]


def test_groups_on_a_gpu_are_large_and_fit_into_it(two_gpus, monkeypatch):
    asked = measured(monkeypatch, lambda n: 1.5e-3 + 1e-5 * n)
    specs = [replace(spec, seed=seed) for seed in range(16) for spec in LONG]  # 512 runs
    choice = choose(None, specs, 1, "cuda")
    assert asked == [1, 8, 32, 64, 128, 256]
    # Rounds times the time of one: 512 x 1.51, 64 x 1.58, 16 x 1.82, 8 x 2.14, 4 x 2.78, 2 x 4.06.
    assert choice.execution.replicas == 256
    # With less room, none larger than fits beside the other workers of the GPU.
    asked.clear()
    two_gpus[0] = footprint.gpu_bytes(LONG[0], 64) / 0.799
    choose(None, specs, 1, "cuda:0")
    assert asked == [1, 8, 32, 64]
    asked.clear()
    two_gpus[0] = two_gpus[1] = 2 * footprint.gpu_bytes(LONG[0], 32) / 0.799
    choose(None, specs, 4, "cuda")  # two to a GPU
    assert asked == [1, 8, 32]
    # The control: on a CPU those sizes are not asked for.
    asked.clear()
    choose(None, specs, 1, "cpu")
    assert asked == [1, 2, 4, 8, 16]


@needs_ray
def test_a_dry_run_for_a_cluster_asks_it_for_its_size_and_measures_no_foreign_device(tmp_path, monkeypatch):
    from thermograd.sweep import RayCluster

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    many = replace(OPEN, seeds=tuple(range(100)))  # 400 runs
    cluster = SimpleNamespace(cluster_resources=lambda: {"CPU": 32, "GPU": 1})
    monkeypatch.setattr(RayCluster, "_connected", lambda self: cluster)
    engine = RayCluster("auto", gpus_per_run=0.25)
    found = estimate(many, tmp_path, engine=engine, device="cuda")
    assert found.workers == 4
    assert found.execution.replicas == UNMEASURED_ON_GPU
    assert found.seconds != found.seconds  # not measured
    assert "time      not measured: this machine has no cuda" in str(found)
    assert found.groups == 8  # 7 would do, in two rounds of 4 workers
    # Without an address nothing is started, and no GPU here is no error.
    monkeypatch.setattr(RayCluster, "_connected", lambda self: pytest.fail("no cluster is to be started"))
    assert estimate(many, tmp_path, engine=RayCluster(gpus_per_run=1), device="cuda").workers == 1
    local = estimate(OPEN, tmp_path, engine=RayCluster(workers=3))
    assert local.workers == 3
    assert "measured on this machine just now, not on the cluster" in str(local)
    assert local.seconds > 0


@needs_ray
def test_a_gpu_on_ray_needs_a_share_of_one(tmp_path, capsys):
    options = ["--out", tmp_path / "out", "--engine", "ray", "--device", "cuda"]
    for more in (["--gpus-per-run", "0"], [], ["--dry-run"]):
        code, out, err = called(capsys, "sweep", "run", *SHORT, *options, *more)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert "gpus_per_run is 0; expected a share of a GPU above 0" in err
    code, _, err = called(capsys, "sweep", "run", *SHORT, *options[:-1], "cuda:1", "--gpus-per-run", 1)
    assert code == 2
    assert "expected cuda" in err
    assert not (tmp_path / "out").exists()


def test_the_private_copy_of_images_is_counted():
    spec = brief_plan(lrs=(0.1,)).specs()[0]
    wide = replace(spec, data="cifar10", architecture="ResNet18", width=8)
    copy = 4 * 3 * 1024 * 60_000
    assert footprint.image_bytes(wide) == copy
    without = footprint.group_bytes(wide, 1, "grouped")
    assert footprint.group_bytes(wide, 1, "each") - without == copy
    assert footprint.group_bytes(wide, 1) - without == copy
    # The usual network maps the images of all workers, and small digits lie as they lie.
    usual = replace(wide, architecture="ConvNet")
    assert footprint.group_bytes(usual, 1) == footprint.group_bytes(usual, 1, "compiled")
    assert footprint.group_bytes(spec, 1, "each") == footprint.group_bytes(spec, 1, "compiled")
