"""The presets are the papers' setups, value by value, and keep to what their scale promises."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest

from thermograd.analysis.published import PHASE_EXPONENTS, TEMPERATURE_LAWS
from thermograd.nets.registry import weight_count
from thermograd.protocol import FixedELR, FixedLR, FixedSphere
from thermograd.reproduce.presets import SCALES, load_preset, preset_text, setups
from thermograd.training.schedule import log_steps
from thermograd.training.spec import Measurement, TrainSpec

# IG table 3, typed from the paper: k, d, t, N; then exponents of 10 on each axis, and the radii.
TABLE_3 = {
    "ideal-gas-resnet18-cifar10": ("ResNet18", 4, 43_692, 1_000_000, 1000),
    "ideal-gas-resnet18-cifar100": ("ResNet18", 4, 43_692, 2_000_000, 1000),
    "ideal-gas-convnet-cifar10": ("ConvNet", 8, 24_408, 2_000_000, 4000),
    "ideal-gas-convnet-cifar100": ("ConvNet", 16, 97_200, 2_000_000, 4000),
}
ELR = {"ResNet18": [-4 + n / 6 for n in range(14)], "ConvNet": [-4 + n / 6 for n in range(13)]}
LR = {"ResNet18": [-3 + n / 6 for n in range(19)], "ConvNet": [-3 + n / 6 for n in range(13)]}
WD = {
    "ideal-gas-resnet18-cifar10": [-3, -2.5, -2, -1.5, -1],
    "ideal-gas-resnet18-cifar100": [-3, -2.5, -2, -1.5, -1],
    "ideal-gas-convnet-cifar10": [-3 + n / 4 for n in range(9)],
    "ideal-gas-convnet-cifar100": [-2 + n / 4 for n in range(9)],
}
RADIUS = [0.25, 0.5, 1.0, 2.0, 4.0]

# FE appendix B as printed, two digits each: 28 learning rates.
FE_PRINTED = (
    [1.0e-5, 2.2e-5, 4.6e-5]
    + [1.0e-4, 1.8e-4, 3.2e-4, 5.6e-4]
    + [x * 1e-3 for x in (1.0, 1.2, 1.4, 1.6, 1.9, 2.3, 2.7, 3.2, 3.7, 4.4, 5.2, 6.1, 7.2, 8.5)]
    + [x * 1e-2 for x in (1.0, 2.2, 4.6, 10, 22, 46, 100)]
)
# FE section 4 and appendix B: k under- and over-parameterised, iterations.
FE = {
    "convnet-cifar10": ("ConvNet", 8, 64, 1_600_000),
    "convnet-cifar100": ("ConvNet", 8, 96, 1_600_000),
    "resnet18-cifar10": ("ResNet18", 4, 32, 1_000_000),
    "resnet18-cifar100": ("ResNet18", 4, 48, 480_000),
}


def axes(setup, protocol):
    (grid,) = [grid for grid, _ in setup.grids if grid.protocol is protocol]
    return grid.axes


def powers(exponents):
    # The presets keep twelve digits.
    return pytest.approx([10.0**e for e in exponents], rel=1e-11)


# -- known truth: the papers' tables -------------------------------------------------------------------------


@pytest.mark.parametrize("name", TABLE_3)
def test_paper_presets_are_table_3_to_the_letter(name):
    setup = load_preset(name, "paper")
    architecture, width, d, steps, queue = TABLE_3[name]
    assert axes(setup, FixedSphere)["elr"] == powers(ELR[architecture])
    assert axes(setup, FixedSphere)["radius"] == tuple(RADIUS)
    assert axes(setup, FixedELR) == {"elr": powers(ELR[architecture]), "wd": powers(WD[name])}
    assert axes(setup, FixedLR) == {"lr": powers(LR[architecture]), "wd": powers(WD[name])}
    assert setup.stationary_last == 30
    assert setup.data == name.rsplit("-", 1)[1]
    for _, spec in setup.grids:
        assert (spec.architecture, spec.width, spec.steps) == (architecture, width, steps)
        assert weight_count(architecture, width) == d
        assert (spec.batch_size, spec.subset, spec.precision) == (128, None, "float32")
        assert (spec.anneal, spec.settle, spec.initial_radius) == (0, 0, 1.0)
        assert (spec.measurement.queue_size, spec.measurement.queue_every) == (queue, 25)
        logs = log_steps(steps, spec.measurement)
        # "Every 200 iterations during the first 10 000 (50 logs). The remaining 150 logs" log-spaced.
        assert logs[:50] == tuple(range(200, 10_001, 200))
        assert len(logs) == 200
        ratios = [math.log(b / a) for a, b in pairwise(logs[49:])]
        # Rounding to whole iterations moves each end of an interval by half of one, of at least 10 000.
        assert ratios == pytest.approx([math.log(steps / 10_000) / 150] * 150, abs=1e-4)


def test_paper_preset_of_the_over_parameterised_appendix():
    setup = load_preset("ideal-gas-overparameterised-resnet18-cifar10", "paper")
    thin = load_preset("ideal-gas-resnet18-cifar10", "paper")
    ((grid, spec),) = setup.grids
    (thin_spec,) = [spec for grid, spec in thin.grids if grid.protocol is FixedELR]
    assert grid.protocol is FixedELR
    assert grid.axes["wd"] == (1e-3,)
    assert len(grid.axes["elr"]) == 7  # the curves of figure 13
    # "All other hyperparameters are identical": k = 32 and N = 500 are the only others.
    measurement = replace(thin_spec.measurement, queue_size=500)
    assert replace(thin_spec, width=32, measurement=measurement, protocol=spec.protocol) == spec


@pytest.mark.parametrize("kind", ["up", "op"])
@pytest.mark.parametrize("name", FE)
def test_paper_presets_of_the_free_energy_paper(name, kind):
    setup = load_preset(f"free-energy-{name}-{kind}", "paper")
    architecture, up, op, steps = FE[name]
    width = {"up": up, "op": op}[kind]
    ((grid, spec),) = setup.grids
    assert grid.protocol is FixedSphere
    assert grid.axes["radius"] == (1.0,)
    assert [float(f"{elr:.1e}") for elr in grid.axes["elr"]] == pytest.approx(FE_PRINTED, rel=1e-12)
    assert (spec.architecture, spec.width, spec.steps, spec.data) == (architecture, width, steps, setup.data)
    assert (spec.batch_size, spec.anneal, spec.settle, spec.subset) == (128, 0, 0, None)
    assert (spec.measurement.queue_size, spec.measurement.queue_every) == (1000, 1)
    logs = log_steps(steps, spec.measurement)
    assert logs[0] == 1
    assert 195 <= len(logs) <= 205
    assert setup.stationary_last == 50
    # The same setup as the published temperature law is typed under, by other hands.
    (law,) = [
        law
        for law in TEMPERATURE_LAWS
        if (law.network.replace("-", "") == architecture)
        and law.data.lower().replace("-", "") == setup.data
        and law.overparameterised == (kind == "op")
    ]
    assert (law.width, law.steps) == (width, steps)
    assert f"{law.figure}" in setup.source


@pytest.mark.parametrize(("prefix", "like"), [("", "convnet"), ("resnet18-", "resnet18")])
def test_paper_presets_of_the_subsets(prefix, like):
    whole = load_preset(f"free-energy-{like}-cifar10-op", "paper")
    sizes = {"5k": 5000, "12.5k": 12_500, "25k": 25_000, "50k": None}
    for tag, size in sizes.items():
        setup = load_preset(f"free-energy-{prefix}subset-{tag}", "paper")
        ((grid, spec),) = setup.grids
        # Printed as 2e-5 (figure 7) and 2.1e-5 (figure 15): one of the 28, which are log-spaced.
        assert grid.axes["elr"] == (whole.grids[0][0].axes["elr"][1],)
        assert float(f"{grid.axes['elr'][0]:.0e}") == 2e-5
        assert replace(spec, subset=None, protocol=whole.grids[0][1].protocol) == whole.grids[0][1]
        assert spec.subset == size
    assert {exponent.size for exponent in PHASE_EXPONENTS} == {size or 50_000 for size in sizes.values()}


def test_the_quick_grids_are_those_of_the_published_page():
    digits = load_preset("ideal-gas-convnet-digits", "quick")
    assert axes(digits, FixedSphere) == {
        "elr": (0.006, 0.008, 0.0105, 0.014, 0.018),
        "radius": (0.5, 1.0, 2.0),
    }
    assert axes(digits, FixedLR) == {"lr": (0.07, 0.1, 0.145, 0.21, 0.3), "wd": (0.005, 0.01, 0.02)}
    assert [spec.steps for _, spec in digits.grids] == [8_000, 12_000, 8_000]
    measurement = Measurement(log_every=100, noise_draws=10, queue_size=100, queue_every=10)
    first = TrainSpec(FixedSphere(elr=0.006, radius=0.5), steps=8_000, anneal=6_000, measurement=measurement)
    assert digits.specs[0] == first
    cifar = load_preset("ideal-gas-convnet-cifar10", "quick")
    assert axes(cifar, FixedELR) == {"elr": (0.0135, 0.0185, 0.025), "wd": (0.005, 0.016, 0.05)}
    spec = cifar.specs[0]
    assert (spec.steps, spec.anneal, spec.anneal_to, spec.settle, spec.width) == (
        1_200,
        1_500,
        0.0135,
        100,
        2,
    )


def test_every_setup_says_what_it_is_and_scales_keep_its_meaning():
    for scale in SCALES:
        for setup in setups(scale=scale):
            assert setup.paper, setup.name
            assert setup.description
            assert "\n" not in setup.description + setup.source
            assert len({spec.key("0" * 64) for spec in setup.specs}) == len(setup.specs)
    for name in ("ideal-gas-convnet-cifar10",):
        protocols = [[grid.protocol for grid, _ in load_preset(name, scale).grids] for scale in SCALES]
        assert protocols == [[FixedSphere, FixedELR, FixedLR]] * 3
    batches = {setup.grids[0][1].batch_size: setup for setup in setups("batch-size", "small")}
    assert sorted(batches) == [32, 64, 128, 256, 512]
    for size, setup in batches.items():
        for protocol, base in ((FixedSphere, 0.005), (FixedLR, 0.06)):
            values = axes(setup, protocol)[protocol.axes[0]]
            # One rate for all sizes, and one in proportion to the size; at 128 they are the same.
            assert values == pytest.approx(sorted({base, base * size / 128}), rel=1e-12)


@pytest.mark.parametrize("scale", SCALES)
def test_names_and_keys_agree(scale):
    """The names of the package's setups are for people; what a setup is, its keys say."""
    for setup in setups(scale=scale):
        assert setup.name.startswith(f"{setup.experiment}-")
        head, subset, _ = setup.name.partition("-subset-")
        assert setup.family == (f"{head}-subset-sizes" if subset else "")
        gas = "-overparameterised-" in setup.name
        assert setup.overparameterised == (setup.name.endswith("-op") or bool(subset) or gas)
        assert gas == ("appendix H" in setup.source)
        text = preset_text(setup.name, scale)
        assert text.count(f'\nexperiment = "{setup.experiment}"\n') == 1


# -- physical limits -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", ["quick", "small"])
def test_prepared_runs_span_five_relaxation_times_of_the_norm(scale):
    # tr_sigma at the coldest ELRs, where the norm takes longest: 14 on the digits at B = 128; on CIFAR-10 60
    # at an ELR of 0.004, 30 at 0.0085.
    for setup in setups(scale=scale):
        for grid, spec in setup.grids:
            if grid.protocol is FixedSphere or spec.anneal == 0:
                continue
            coldest = min(grid.axes.get("elr", [1.0]))
            noise = {"digits": 14.0, "cifar10": 60.0 if coldest < 0.005 else 30.0}[spec.data]
            for protocol in grid:
                rate = (
                    protocol.elr**2 * noise
                    if isinstance(protocol, FixedELR)
                    else 4 * protocol.lr * protocol.wd
                )
                assert spec.steps * rate >= 5, (setup.name, protocol)


def test_a_window_fits_between_log_points_of_every_stationary_mean():
    """Every run of `paper` reads an entropy at most of the log points that its stationary means are over."""
    for setup in setups(scale="paper"):
        spec = setup.grids[0][1]
        logs = log_steps(spec.steps, spec.measurement)[-setup.stationary_last :]
        vectors = (logs[-1] - logs[0]) / spec.measurement.queue_every
        assert vectors >= 5 * spec.measurement.queue_size, setup.name


# -- negative controls ---------------------------------------------------------------------------------------


def test_a_value_that_is_off_by_a_tenth_of_a_percent_would_be_seen(tmp_path):
    text = preset_text("ideal-gas-convnet-cifar10", "paper").replace(
        '"10^(-3+n/4), n=0..8"', "[" + ", ".join(f"{10 ** (-3 + n / 4) * 1.001:.12g}" for n in range(9)) + "]"
    )
    path = tmp_path / "mine.toml"
    path.write_text(text)
    setup = load_preset(path)
    assert setup.scale == "own"
    assert axes(setup, FixedELR)["wd"] != powers(WD["ideal-gas-convnet-cifar10"])
    assert axes(setup, FixedELR)["elr"] == powers(ELR["ConvNet"])
