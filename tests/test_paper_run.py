"""A paper's setup on real images, as a user runs it: print the preset, edit it, run it, go on with it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from thermograd.cli import main
from thermograd.reproduce.presets import load_preset
from thermograd.states import load
from thermograd.training.random_directions import random_loss

IMAGES = Path(__file__).resolve().parents[2] / "shared" / "data" / "cifar-10-subset"
NAME = "ideal-gas-convnet-cifar10"
STEPS = 6
"""An iteration of ConvNet(8) takes 30 ms, and at the end 100 gradients are drawn: 4 s for a run."""


@pytest.fixture
def run(capsys):
    def call(*arguments):
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return stop.value.code, captured.out, captured.err

    return call


def edited(text: str) -> str:
    """The preset with fewer steps and one point, under one of its protocols; every other key as it is."""
    text = re.sub(r"(?m)^steps = .*$", f"steps = {STEPS}", text)
    text = re.sub(r"(?m)^elr = .*$", "elr = [0.001]", text)
    text = re.sub(r"(?m)^radius = .*$", "radius = [1.0]", text)
    return text[: text.index("[FixedELR]")]


def test_a_paper_preset_runs_on_real_images(run, tmp_path, monkeypatch):
    pytest.importorskip("torch")
    if not IMAGES.exists():
        pytest.skip("the CIFAR-10 subset is not here")
    # The laws are not tested with one point; drawing the figures of that would take most of the time.
    monkeypatch.setattr("thermograd.reproduce.ideal_gas_setup._report", lambda *args: None)
    code, text, _ = run("reproduce", "preset", NAME, "--scale", "paper")
    assert code == 0
    own, out = tmp_path / "mine.toml", tmp_path / "out"
    own.write_text(edited(text))
    mine, paper = load_preset(own), load_preset(NAME, "paper")
    (_, template), (_, published) = mine.grids[0], paper.grids[0]
    changed = {"protocol", "steps"}
    alike = {key: value for key, value in template.to_dict().items() if key not in changed}
    assert alike == {key: value for key, value in published.to_dict().items() if key not in changed}
    command = (
        "reproduce",
        "ideal-gas",
        "--preset",
        own,
        "--data",
        IMAGES,
        "--engine",
        "serial",
        "--out",
        out,
    )
    code, answer, err = run(*command, "--json")
    assert code == 0, err
    plain = json.loads(answer)
    assert plain["summaries"]["mine"] == {"reused": 0, "done": 1, "failed": 0, "interrupted": False}
    # One point tests no law: each is said to be untestable, and none is fitted.
    assert {claim["verdict"] for claim in plain["claims"]["mine"]} == {"not testable"}
    trace = load(out / "mine" / "trace-FixedSphere.nc")
    assert trace.attrs["architecture"] == "ConvNet(8)"
    assert list(trace["step"].values) == [STEPS]
    for name in ("loss", "norm", "grad_sq", "tr_sigma"):
        assert np.isfinite(trace[name].values).all(), name
    assert trace["norm"].item() == pytest.approx(1.0, abs=1e-6)  # the sphere, to round-off
    # It learns: the mean of the steps is below the loss of random weights, by far more than its error.
    start = random_loss(replace(template, data=str(IMAGES)), draws=8)
    assert 0 < trace["loss"].item() < start.value - 3 * start.se
    # The same command has nothing to do, and neither has the sweep's own.
    code, answer, _ = run(*command, "--json")
    assert json.loads(answer)["summaries"]["mine"]["reused"] == 1
    before = (out / "mine" / "states-FixedSphere.nc").read_bytes()
    code, answer, _ = run("sweep", "resume", out / "mine", "--engine", "serial")
    assert "0 runs done, 1 reused" in answer
    assert (out / "mine" / "states-FixedSphere.nc").read_bytes() == before
    # Other images than the folder's are refused, by name.
    code, _, err = run(*command[:4], "--data", "digits", "--out", out)
    assert code == 2
    assert "digits images" in err
