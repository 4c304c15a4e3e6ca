"""Preset files: what makes no sense is refused in one line, and what makes sense becomes a plan."""

from dataclasses import replace
from pathlib import Path

import pytest

from thermograd.errors import InputError
from thermograd.reproduce.presets import load_preset, preset_plan, setups

SUBSET = Path(__file__).resolve().parents[2] / "shared" / "data" / "cifar-10-subset"

GOOD = """
description = "mine"
source = "IG table 3"
experiment = "ideal-gas"
data = "digits"
architecture = "ConvNet"
width = 1
steps = 100
seed = 3

[FixedLR]
lr = "0.1:0.4:3"
wd = [0.01, 0.02]
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("steps = 100", "stepz = 100", ["unknown key 'stepz'", "100", "'steps'"]),
        ("steps = 100", "zzz = 7", ["unknown key 'zzz'", "7", "one of"]),
        ("steps = 100", "", ["'steps' is missing", "a whole number"]),
        ("steps = 100", "steps = 1e5", ["steps is 100000.0", "a whole number"]),
        ("steps = 100", "steps = true", ["steps is True", "a whole number"]),
        ("steps = 100", "steps = 0", ["steps is 0", "at least 1"]),
        ("width = 1", 'width = "1"', ["width is '1'", "a whole number"]),
        ("seed = 3", "seeds = [0, 0]", ["seeds is [0, 0]", "distinct"]),
        ("seed = 3", "seeds = [0.5]", ["seeds is [0.5]", "a list of whole numbers"]),
        ("seed = 3", "seed = 3\nseeds = [0]", ["seed = 3", "one of them"]),
        ("seed = 3", "initial_radius = -1", ["initial_radius is -1.0", "above 0"]),
        ("seed = 3", "stationary_last = 0", ["stationary_last is 0", "above 0"]),
        ('architecture = "ConvNet"', 'architecture = "Convnet"', ["architecture is 'Convnet'", "ConvNet"]),
        ("[FixedLR]", "[FixedLr]", ["unknown key 'FixedLr'", "'FixedLR'"]),
        ("wd = [0.01, 0.02]", "", ["[FixedLR]", "'wd' is missing"]),
        ("wd = [0.01, 0.02]", "wd = [0.01, -2]", ["wd is -2", "above 0"]),
        ("wd = [0.01, 0.02]", "wd = []", ["wd has no values", "at least one"]),
        ("wd = [0.01, 0.02]", "wd = [0.01, 0.01]", ["wd", "twice"]),
        ("wd = [0.01, 0.02]", "wd = 0.1\nelr = 0.1", ["unknown key 'elr'", "0.1"]),
        ("wd = [0.01, 0.02]", "wd = 0.1\nsubset = 50", ["[FixedLR]", "subset = 50", "at the top"]),
        ('"0.1:0.4:3"', '"0.4:0.1:3"', ["lr is '0.4:0.1:3'", "first:last:count"]),
        ('"0.1:0.4:3"', '"10^(-4+n/0), n=0..3"', ["lr is '10^(-4+n/0), n=0..3'", "powers"]),
        ('"0.1:0.4:3"', '"10^(400+n), n=0..3"', ["10^(400+n)", "powers"]),
        ('"0.1:0.4:3"', "true", ["lr is True", "a number"]),
        ('experiment = "ideal-gas"', "", ["'experiment' is missing", "'free-energy'"]),
        ('experiment = "ideal-gas"', 'experiment = "solid"', ["experiment is 'solid'", "'batch-size'"]),
        ("seed = 3", "overparameterised = 1", ["overparameterised is 1", "true or false"]),
        ("seed = 3", 'overparameterised = "yes"', ["overparameterised is 'yes'", "true or false"]),
        ("seed = 3", 'family = "sizes"', ["family is 'sizes'", "experiment = 'free-energy'"]),
        ("seed = 3", 'family = "../x"', ["family is '../x'", "a folder's name"]),
        ("seed = 3", "overparametrised = true", ["unknown key 'overparametrised'", "'overparameterised'"]),
        ("seed = 3", "seed = ", ["cannot be read as TOML"]),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_in_one_line(tmp_path, old, new, said):
    path = tmp_path / "mine.toml"
    assert old in GOOD
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(InputError) as error:
        load_preset(path)
    message = str(error.value)
    assert "mine.toml" in message
    assert "expected" in message
    assert "\n" not in message
    for part in said:
        assert part in message


def test_a_file_without_protocols_a_folder_and_unknown_names_are_refused(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(GOOD.split("[FixedLR]", maxsplit=1)[0])
    with pytest.raises(InputError, match=r"mine\.toml: no protocol's table; expected at least one of"):
        load_preset(path)
    path.write_text(GOOD.split("[FixedLR]", maxsplit=1)[0] + "FixedLR = 5")
    with pytest.raises(InputError, match=r"mine\.toml: \[FixedLR\] is 5; expected a table"):
        load_preset(path)
    with pytest.raises(InputError, match=r"missing\.toml cannot be read"):
        load_preset(str(tmp_path / "missing.toml"))
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="cannot be read"):
        load_preset(path)
    with pytest.raises(InputError, match="scale is 'papers'; expected 'paper'"):
        load_preset("ideal-gas-convnet-digits", "papers")
    with pytest.raises(InputError, match="expected 'ideal-gas-convnet-digits'"):
        load_preset("ideal-gas-convnet-digit")
    with pytest.raises(InputError, match="experiment is 'solid'"):
        setups("solid")


# -- plans ---------------------------------------------------------------------------------------------------


def test_a_good_file_gives_its_plan(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(GOOD)
    setup = load_preset(path)
    plan = setup.plan()
    assert plan.seeds == (3,)
    assert [str(spec.protocol) for spec in plan.specs()] == [str(spec.protocol) for spec in setup.specs]
    assert setup.plan("digits") == plan
    assert setup.plan(sha256=plan.data_sha256) == plan
    # 1 and 1.0 are one run.
    path.write_text(GOOD.replace("seed = 3", "seed = 3\ninitial_radius = 1"))
    whole = load_preset(path).plan()
    path.write_text(GOOD.replace("seed = 3", "seed = 3\ninitial_radius = 1.0"))
    assert [whole.key(spec) for spec in whole.specs()] == [
        plan.key(spec) for plan in [load_preset(path).plan()] for spec in plan.specs()
    ]


def test_preset_plan_takes_the_setup_for_the_images():
    plan = preset_plan("ideal-gas", "small", "digits")  # of two setups on digits the one with all protocols
    assert plan.protocols == ("FixedSphere", "FixedELR", "FixedLR")
    assert plan.seeds == (0, 1)
    named = preset_plan("ideal-gas-overparameterised-convnet-digits", "small", "digits")
    assert named.protocols == ("FixedELR",)
    with pytest.raises(InputError, match="no preset ideal-gas at scale 'paper' for the images 'digits'"):
        preset_plan("ideal-gas", "paper", "digits")
    with pytest.raises(InputError, match="expected one of batch-size-128, batch-size-256"):
        preset_plan("batch-size", "small", "digits")


def test_a_subset_is_drawn_for_the_plan():
    plan = preset_plan("free-energy-subset-200", "small", "digits")
    whole = preset_plan("free-energy-subset-1437", "small", "digits")
    assert plan.data_sha256 != whole.data_sha256
    assert {spec.subset for spec in plan.specs()} == {200}
    setup = replace(load_preset("free-energy-subset-200", "small"), seeds=(0, 1))
    with pytest.raises(InputError, match="expected none, as each of 2 seeds"):
        setup.plan(sha256="0" * 64)


def test_images_of_another_set_are_refused():
    with pytest.raises(
        InputError, match="'digits' are digits images; ideal-gas-convnet-cifar10 expected cifar10"
    ):
        load_preset("ideal-gas-convnet-cifar10", "small").plan("digits")
    if not SUBSET.exists():
        pytest.skip("the CIFAR-10 subset is not here")
    plan = preset_plan("ideal-gas", "small", str(SUBSET))
    assert Path(plan.grids[0][1].data).samefile(SUBSET)
    with pytest.raises(
        InputError, match="expected one of ideal-gas-convnet-cifar10, ideal-gas-resnet18-cifar10"
    ):
        preset_plan("ideal-gas", "paper", str(SUBSET))
