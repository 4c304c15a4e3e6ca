"""A change that alters the numbers of a run raises the numerics version: short runs against recorded ones."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from thermograd.training.spec import NUMERICS_VERSION

SCRIPT = Path(__file__).parents[1] / "scripts" / "renew_golden.py"
ADVICE = "raise NUMERICS_VERSION and run scripts/renew_golden.py, or find what changed the numbers"


@pytest.fixture(scope="module")
def golden():
    source = importlib.util.spec_from_file_location("renew_golden", SCRIPT)
    module = importlib.util.module_from_spec(source)
    source.loader.exec_module(module)
    return module, json.loads(module.FILE.read_text())


def test_short_runs_give_the_recorded_numbers(golden):
    module, recorded = golden
    assert recorded["numerics_version"] == NUMERICS_VERSION, "run scripts/renew_golden.py"
    now = module.numbers()
    assert list(now) == list(recorded["groups"])
    for name, runs in now.items():
        for replica, (run, expected) in enumerate(zip(runs, recorded["groups"][name], strict=True)):
            assert list(run) == list(expected), f"{name}: {ADVICE}"
            for variable, values in run.items():
                # Another machine's float32 round-off, 1e-7 a step, grows a hundredfold in 54 steps at these
                # step sizes; |E g|^2, a small difference of six draws' products, shows it most.
                finite = np.array(expected[variable])[np.isfinite(expected[variable])]
                scale = np.abs(finite).max(initial=0.0)
                np.testing.assert_allclose(
                    values,
                    expected[variable],
                    rtol=2e-3,
                    atol=2e-3 * scale,
                    err_msg=f"{name}, run {replica}, {variable}: {ADVICE}",
                )


def test_a_change_of_a_percent_is_seen(golden):
    _, recorded = golden
    run = next(iter(recorded["groups"].values()))[0]
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(np.array(run["loss"]) * 1.01, run["loss"], rtol=2e-3)
