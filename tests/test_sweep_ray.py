"""A sweep on a Ray cluster: the same bits, whatever becomes of the nodes."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import broken_workers
from sweep_plans import brief_plan, results, states
from thermograd.errors import InputError
from thermograd.sweep import RunStore, Serial, finish, run_plan
from thermograd.sweep.checkpoints import Checkpoints

ray = pytest.importorskip("ray", reason="needs thermograd[ray]")
pytestmark = [
    pytest.mark.slow,
    # Ray leaves sockets and processes to the collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
TESTS = str(Path(__file__).parent)


@pytest.fixture(scope="module")
def cluster():
    """Two nodes, of which tests may remove the second and add others."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", TESTS)  # the nodes import the stand-ins too
        built = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        try:
            ray.init(address=built.address, log_to_driver=False, logging_level="ERROR")
            yield built
        finally:
            ray.shutdown()
            built.shutdown()


def test_a_node_that_is_removed_in_mid_sweep_changes_no_bit(cluster, tmp_path):
    from thermograd.sweep import RayCluster

    plan = brief_plan(steps=150, lrs=(0.1, 0.2, 0.3))
    run_plan(plan, tmp_path / "calm", engine=Serial(broken_workers.toy_train))
    finish(plan, tmp_path / "calm")
    node = cluster.add_node(num_cpus=2)
    cluster.wait_for_nodes()
    folder, removed = tmp_path / "ray", []

    def remove():
        # Once all three places are taken, two of them are on the node that goes.
        while len(broken_workers.where(folder)) < 3:
            time.sleep(0.05)
        removed.append((len(RunStore(folder).finished()), len(Checkpoints(folder).found())))
        cluster.remove_node(node, allow_graceful=False)

    thread = threading.Thread(target=remove, daemon=True)
    thread.start()
    engine = RayCluster(workers=3, work=broken_workers.slow_toy)
    summary = run_plan(plan, folder, engine=engine, checkpoint_seconds=0.1)
    thread.join(1)
    assert removed, "the sweep was over before the node was removed"
    assert removed[0][0] < 6
    assert (summary.done, summary.failed) == (6, 0)
    finish(plan, folder)
    assert results(folder) == results(tmp_path / "calm")


def test_real_training_gives_the_bits_of_the_local_engines(cluster, tmp_path):
    pytest.importorskip("torch")
    from thermograd.sweep import RayCluster

    plan = brief_plan(lrs=(0.1,), replicas=2)
    run_plan(plan, tmp_path / "serial", engine=Serial())
    engine = RayCluster(workers=1)
    summary = run_plan(plan, tmp_path / "ray", engine=engine)
    assert (summary.done, summary.failed) == (2, 0)
    for name in ("serial", "ray"):
        finish(plan, tmp_path / name)
    assert results(tmp_path / "ray") == results(tmp_path / "serial")


def test_a_run_that_kills_its_workers_or_raises_takes_no_other_with_it(cluster, tmp_path):
    from thermograd.sweep import RayCluster

    plan = brief_plan(lrs=(0.1, 0.2, 0.3), wds=(0.01,), replicas=3)
    for work, words in (
        (broken_workers.killed_on_the_lowest_lr, "died 2 times"),
        (broken_workers.raise_on_the_lowest_lr, "this learning rate is bad"),
    ):
        folder = tmp_path / work.__name__
        summary = run_plan(plan, folder, engine=RayCluster(workers=1, work=work))
        assert (summary.done, summary.failed) == (2, 1)
        assert words in RunStore(folder).states(plan)[0].reason


def test_ctrl_c_keeps_checkpoints_and_another_engine_goes_on(tmp_path):
    plan = brief_plan(steps=3000, lrs=(0.1,))
    script = tmp_path / "sweep.py"
    script.write_text(
        "from pathlib import Path\n"
        "import broken_workers\n"
        "from sweep_plans import brief_plan\n"
        "from thermograd.sweep import RayCluster, run_plan\n"
        "engine = RayCluster(workers=2, work=broken_workers.slow_toy)\n"
        f"plan = brief_plan(steps=3000, lrs=(0.1,))\n"
        f"print(run_plan(plan, Path({str(tmp_path / 'swept')!r}), engine=engine))\n"
    )
    process = subprocess.Popen(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": TESTS},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    folder, deadline = tmp_path / "swept", time.monotonic() + 60
    while len(broken_workers.where(folder)) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert "interrupted" in out, err
    assert states(plan, folder) == ["interrupted"] * 2
    assert run_plan(plan, folder, engine=Serial(broken_workers.toy_train)).done == 2
    run_plan(plan, tmp_path / "calm", engine=Serial(broken_workers.toy_train))
    for place in (folder, tmp_path / "calm"):
        finish(plan, place)
    assert results(folder) == results(tmp_path / "calm")


def test_impossible_clusters_are_one_line(cluster):
    from thermograd.sweep import RayCluster

    with pytest.raises(InputError, match="gpus_per_run is -1"):
        RayCluster(gpus_per_run=-1)
    with pytest.raises(InputError, match="expected room for one task"):
        _ = RayCluster(gpus_per_run=0.5).workers
