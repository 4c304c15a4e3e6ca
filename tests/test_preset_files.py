"""Preset files: what makes no sense is refused in one line, and what makes sense becomes a plan."""

from dataclasses import replace
from pathlib import Path

import pytest

from thermograd.errors import InputError
from thermograd.reproduce.presets import load_preset, own_setups, preset_plan, preset_text, setups

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
    with pytest.raises(InputError, match="expected one of batch-size-32, batch-size-64"):
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


# -- several batch sizes -------------------------------------------------------------------------------------

SIZES = """
description = "mine"
source = "FE appendix A"
experiment = "batch-size"
data = "digits"
architecture = "ConvNet"
width = 1
batch_size = [32, 128, 512]
steps = 100

[FixedSphere]
elr = [0.005, "0.005 * B/128"]
radius = 1
"""


def test_several_batch_sizes_are_as_many_setups_of_one_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(SIZES)
    found = own_setups(path)
    assert [setup.name for setup in found] == ["mine-32", "mine-128", "mine-512"]
    assert [setup.grids[0][1].batch_size for setup in found] == [32, 128, 512]
    assert [setup.grids[0][0].axes["elr"] for setup in found] == [(0.00125, 0.005), (0.005,), (0.005, 0.02)]
    assert found[0].description == "mine, B = 32"
    # Each is what its own file would be.
    path.write_text(SIZES.replace("[32, 128, 512]", "512").replace('"mine"', '"mine, B = 512"'))
    assert own_setups(path) == (replace(found[-1], name="mine"),)


def test_a_batch_size_stands_at_the_top_and_one_file_is_about_one(tmp_path):
    path = tmp_path / "mine.toml"
    # Elsewhere the setups of a list would say one size and have another.
    for top in ("batch_size = [32, 128, 512]\n", ""):
        path.write_text(SIZES.replace("batch_size = [32, 128, 512]\n", top) + "batch_size = 64\n")
        with pytest.raises(InputError, match=r"\[FixedSphere\] has batch_size = 64; expected it at the top"):
            own_setups(path)
    # A list of one is one setup, by whatever function.
    path.write_text(SIZES.replace("[32, 128, 512]", "[64]"))
    assert load_preset(path) == own_setups(path)[0]
    # A file of that name with one size would lie in the folder of the page of several.
    path = tmp_path / "batch-size.toml"
    path.write_text(SIZES.replace("[32, 128, 512]", "64"))
    with pytest.raises(
        InputError, match="name is 'batch-size', the folder of the page of several batch sizes"
    ):
        own_setups(path)
    path.write_text(SIZES)
    assert next(setup.name for setup in own_setups(path)) == "batch-size-32"


@pytest.mark.parametrize(
    ("written", "values"),
    [
        ('[0.005, ["0.005*B/128", 0.001]]', (0.001, 0.005)),
        ('[0.0049999999999999, "0.005*B/128"]', (0.005,)),
        ('["5E-3*B/128.0", "1.0e+1*B/2560"]', (0.005, 0.5)),
        ("[0.02, 0.01]", (0.01, 0.02)),
    ],
)
def test_rates_in_proportion_to_the_batch_size(tmp_path, written, values):
    path = tmp_path / "mine.toml"
    text = SIZES.replace("[32, 128, 512]", "128").replace('[0.005, "0.005 * B/128"]', written)
    path.write_text(text)
    found = own_setups(path)[0].grids[0][0].axes["elr"]
    assert sorted(found) == pytest.approx(values, rel=1e-12)


def test_setups_of_one_file_are_found_by_name_and_the_file_is_printed_for_each():
    names = [setup.name for setup in setups("batch-size", "small")]
    assert names == [f"batch-size-{size}" for size in (32, 64, 128, 256, 512)]
    assert preset_text("batch-size-64", "small") == preset_text("batch-size", "small")
    assert load_preset("batch-size-64", "small").grids[0][1].batch_size == 64
    with pytest.raises(InputError, match="'batch-size', which has several batch sizes, batch-size-32, "):
        load_preset("batch-size", "small")
    with pytest.raises(InputError, match="'batch-size-48' at scale 'small'; expected 'batch-size-"):
        load_preset("batch-size-48", "small")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[32, 128, 512]", "[]", "batch_size is []; expected a whole number, or a list"),
        (
            "[32, 128, 512]",
            "[32, 32]",
            "batch_size is [32, 32]; expected a whole number, or a list of distinct",
        ),
        ("[32, 128, 512]", "[32, true]", "batch_size is [32, True]; expected a whole number"),
        ("[32, 128, 512]", "[0, 32]", "batch_size is [0, 32]; expected"),
        ("[32, 128, 512]", '["32"]', "batch_size is ['32']; expected"),
        ("[32, 128, 512]", "[1, 32]", "batch_size is 1; expected"),
        ("[32, 128, 512]", "0", "batch_size is 0; expected"),
        ("[32, 128, 512]", "-4", "batch_size is -4; expected"),
        ('description = "mine"', "description = 5", "description is 5; expected text"),
        ("0.005 * B/128", "0.005 * B/0", "elr is '0.005 * B/0'; expected a number"),
        ("0.005 * B/128", "1.2.3 * B/128", "elr is '1.2.3 * B/128'; expected a number"),
        ("0.005 * B/128", "0 * B/128", "elr is '0 * B/128'; expected a number"),
        ("0.005 * B/128", "B", "elr is 'B'; expected a number"),
    ],
)
def test_batch_sizes_that_make_no_sense_are_refused_in_one_line(tmp_path, old, new, said):
    path = tmp_path / "mine.toml"
    path.write_text(SIZES.replace(old, new))
    with pytest.raises(InputError) as error:
        own_setups(path)
    assert str(error.value).startswith(str(path))
    assert said in str(error.value)
    assert "\n" not in str(error.value)
