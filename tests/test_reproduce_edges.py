"""Reproducing at its edges: one folder for several commands, a full disk, presets of one's own, bad input."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from thermograd.cli import main
from thermograd.errors import FailedWorkError, InputError
from thermograd.figures.style import value_text
from thermograd.files import atomic_write
from thermograd.protocol import FixedSphere
from thermograd.report.free_energy_family import write_batch_size_report
from thermograd.reproduce import everything, ideal_gas, setup_run
from thermograd.reproduce import free_energy_networks as networks
from thermograd.reproduce.choice import Choice, NotRun, command_line, own_choice
from thermograd.reproduce.claims import Claim
from thermograd.reproduce.everything import reproduce_all
from thermograd.reproduce.free_energy_networks import free_energy_choice, reproduce_free_energy
from thermograd.reproduce.free_energy_setup import SetupPage
from thermograd.reproduce.ideal_gas import reproduce_ideal_gas
from thermograd.reproduce.ideal_gas_setup import SetupResult
from thermograd.reproduce.in_turn import How, Task, run_in_turn
from thermograd.reproduce.presets import Setup, load_preset, own_setups, preset_text
from thermograd.reproduce.reproduced import Reproduced
from thermograd.reproduce.setup_run import SetupRun, run_setup
from thermograd.reproduce.summary import save_claims
from thermograd.states import load, new_trace, save, stationary
from thermograd.sweep import Plan, Serial, SweepSummary, finish
from thermograd.sweep.collect import SETUP_FILE, stationary_last
from thermograd.sweep.failures import NoResultsError
from thermograd.training.spec import NUMERICS_VERSION, Measurement

DONE = SweepSummary(0, 1, 0, False)


def claims_of(setup: Setup, command: str) -> tuple[Claim, ...]:
    return (Claim(f"of {setup.name}", "IG 4", "1", "agrees", command),)


def leave(setup: Setup, folder: Path, command: str) -> tuple[Claim, ...]:
    """What a setup leaves in its folder, as far as the first page looks at it."""
    claims = claims_of(setup, command)
    setup_run._describe(setup, folder)
    atomic_write(folder / "plan.json", "{}")
    atomic_write(folder / "report.html", f"Made by {command}")
    save_claims(claims, folder)
    return claims


@pytest.fixture
def quick(monkeypatch):
    """Setups that take no time; returns what each was told."""
    told: dict[str, dict[str, object]] = {}

    def gas(setup, source, folder, *, command, **options):
        told[setup.name] = {"source": source, "command": command, **options}
        return SetupResult(setup, DONE, claims=leave(setup, folder, command))

    def run(setup, source, folder, **options):
        told[setup.name] = {"source": source, **options}
        atomic_write(folder / "plan.json", "{}")
        return SetupRun(None, folder, DONE, {}, {})

    def page(setup, run, *, command):
        told[setup.name]["command"] = command
        return SetupPage(leave(setup, run.folder, command), run.folder / "report.html")

    monkeypatch.setattr(ideal_gas, "reproduce_setup", gas)
    monkeypatch.setattr(networks, "run_setup", run)
    monkeypatch.setattr(networks, "setup_page", page)
    return told


def digits(*names: str, scale: str = "quick", source: str = "digits", left_out: tuple[NotRun, ...] = ()):
    return Choice(tuple((load_preset(name, scale), source) for name in names), left_out)


GAS, ENERGY = "ideal-gas-convnet-digits", "free-energy-convnet-digits-up"


# -- one folder ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["ideal-gas", "free-energy"])
def test_the_first_page_lists_what_lies_there_whichever_command_was_last(quick, tmp_path, first):
    missing = NotRun("ideal-gas-convnet-cifar10", "no images", "thermograd data fetch cifar10")
    other = NotRun("free-energy-far", "no pictures", "thermograd data fetch cifar100")
    calls = {
        "ideal-gas": lambda: reproduce_ideal_gas(
            scale="quick", folder=tmp_path, choice=digits(GAS, left_out=(missing,))
        ),
        "free-energy": lambda: reproduce_free_energy(
            scale="quick", folder=tmp_path, choice=digits(ENERGY, left_out=(other,))
        ),
    }
    for name in sorted(calls, key=lambda name: name != first):
        calls[name]()
    page, text = ((tmp_path / name).read_text() for name in ("index.html", "claims.md"))
    kept = [one["setup"] for one in json.loads((tmp_path / "claims.json").read_text())]
    assert kept == [GAS, ENERGY]
    for name in (GAS, ENERGY):
        assert f'<a href="{name}/report.html">' in page
        assert f"## {name}" in text
    # What is not there is listed for the experiment just run alone.
    assert ("no images" in text) == (first == "free-energy")
    assert ("no pictures" in text) == (first == "ideal-gas")
    assert "both papers, measured (quick)" in text
    assert "Made by `thermograd reproduce all --scale quick`" in text
    # One experiment alone keeps its own title and command.
    reproduce_free_energy(scale="quick", folder=tmp_path / "alone", choice=digits(ENERGY))
    alone = (tmp_path / "alone" / "claims.md").read_text()
    assert alone.startswith("# SGD as free-energy minimisation, measured (quick)")
    assert "Made by `thermograd reproduce free-energy --scale quick`" in alone


@pytest.mark.parametrize("name", ["free-energy-convnet-digits-op", "free-energy-subset-400"])
def test_setups_of_another_scale_are_not_taken_for_this_one(quick, tmp_path, name):
    # The first has a namesake at this scale, the second has none.
    small = digits(name, scale="small")
    leave(small.chosen[0][0], tmp_path / name, "the other")
    leave(load_preset("batch-size-32", "small"), tmp_path / "batch-size-32", "the other")
    for family in ("free-energy-subset-sizes", "batch-size"):
        atomic_write(tmp_path / family / "report.html", "")
    reproduce_ideal_gas(scale="quick", folder=tmp_path, choice=digits(GAS))
    kept = [one["setup"] for one in json.loads((tmp_path / "claims.json").read_text())]
    assert kept == [GAS]
    reproduce_ideal_gas(scale="small", folder=tmp_path, choice=digits(GAS, scale="small"))
    kept = [one["setup"] for one in json.loads((tmp_path / "claims.json").read_text())]
    assert {name, "batch-size-32"} < set(kept)


def test_a_setup_of_ones_own_stays_on_the_page(quick, tmp_path):
    own = tmp_path / "mine.toml"
    own.write_text(preset_text(GAS, "quick"))
    place = tmp_path / "out"
    reproduce_ideal_gas(scale="own", folder=place, choice=own_choice(own))
    assert quick["mine"]["command"] == f"thermograd reproduce ideal-gas --preset {own}"
    reproduce_free_energy(scale="quick", folder=place, choice=digits(ENERGY))
    text = (place / "claims.md").read_text()
    assert "## mine" in text
    assert f"## {ENERGY}" in text


def test_the_commands_on_the_pages_say_where_the_images_are(quick, tmp_path):
    chosen = digits(GAS, ENERGY, source="my images/digits")
    reproduce_all(scale="quick", data="my images/digits", folder=tmp_path, choice=chosen)
    for name, experiment in ((GAS, "ideal-gas"), (ENERGY, "free-energy")):
        expected = f"thermograd reproduce {experiment} --scale quick --part {name} --data 'my images/digits'"
        assert quick[name]["command"] == expected
    assert "reproduce all --scale quick --data 'my images/digits'" in (tmp_path / "claims.md").read_text()
    # Images that are found without being told leave no trace.
    assert "--data" not in command_line("ideal-gas", load_preset(GAS), "digits")


def test_common_pages_say_where_the_images_are(monkeypatch, tmp_path):
    said = []
    monkeypatch.setattr(networks, "results_of", lambda *args: {"FixedELR": object()})
    monkeypatch.setattr(networks, "batch_size_page", lambda *args, command, **others: said.append(command))
    monkeypatch.setattr(networks, "size_families", lambda offered: {})
    choice = digits("batch-size-32", scale="small", source="here")
    networks.with_families(Reproduced(), "small", choice, tmp_path)
    assert said == ["thermograd reproduce free-energy --scale small --part batch-size --data here"]


# -- device and engine ---------------------------------------------------------------------------------------


def test_without_a_device_the_folder_decides(quick, tmp_path, monkeypatch):
    reproduce_ideal_gas(scale="quick", folder=tmp_path, choice=digits(GAS))
    assert quick[GAS]["device"] is None
    reproduce_free_energy(scale="quick", folder=tmp_path, choice=digits(ENERGY), how=How(device="cpu"))
    assert quick[ENERGY]["device"] == "cpu"
    asked = []

    def call(**options):
        asked.append(options["how"])
        return Reproduced()

    monkeypatch.setattr(everything, "reproduce_all", call)
    for options in ([], ["--device", "cpu"], ["--engine", "ray", "--workers", "3"]):
        with pytest.raises(SystemExit) as stop:
            main(["reproduce", "all", "--out", str(tmp_path), *options])
        assert stop.value.code == 0
    assert [how.device for how in asked] == [None, "cpu", None]
    assert asked[0].engine is None
    assert type(asked[2].engine).__name__ == "RayCluster"
    assert asked[2].workers is None  # the engine has them


# -- a full disk ---------------------------------------------------------------------------------------------


def full(*args, **options):
    try:
        raise OSError(errno.ENOSPC, "No space left on device")
    except OSError as error:
        raise InputError("cannot write x: No space left on device; expected free space") from error


def in_worker(*args, **options):
    # As a sweep says it: what its worker met is passed on in words.
    raise FailedWorkError("cannot write x: No space left on device; 3 finished runs are kept, run again")


@pytest.mark.parametrize("fails", [full, in_worker])
@pytest.mark.parametrize("where", ["ideal-gas", "free-energy", "page", "all"])
def test_a_full_disk_stops_everything(quick, tmp_path, monkeypatch, fails, where):
    names = {"ideal-gas": (ideal_gas, "reproduce_setup"), "page": (networks, "setup_page")}
    monkeypatch.setattr(*names.get(where, (networks, "run_setup")), fails)
    # Two setups: one that is merely refused would be listed, and the other done.
    twice = [(replace(load_preset(ENERGY), name=f"free-energy-{k}-up"), "digits") for k in "ab"]
    call, choice = reproduce_free_energy, Choice(tuple(twice))
    if where == "ideal-gas":
        call, choice = reproduce_ideal_gas, digits(GAS, "ideal-gas-convnet-cifar10")
    elif where == "all":
        call, choice = reproduce_all, digits(GAS, ENERGY)
    with pytest.raises(FailedWorkError, match="No space left on device"):
        call(scale="quick", folder=tmp_path, choice=choice)
    assert not (tmp_path / "index.html").exists()
    if where == "all":
        assert (tmp_path / GAS / "claims.json").exists()  # what is done is kept


def test_a_full_disk_at_the_first_page_is_failed_work(quick, tmp_path, monkeypatch):
    monkeypatch.setattr("thermograd.reproduce.first_page.write_summary", full)
    with pytest.raises(FailedWorkError, match="No space left"):
        reproduce_ideal_gas(scale="quick", folder=tmp_path, choice=digits(GAS))


def test_no_results_stop_no_other_setup(quick, tmp_path, monkeypatch):
    good = ideal_gas.reproduce_setup

    def fails(setup, *rest, **options):
        if setup.name == "ideal-gas-empty":
            raise NoResultsError("it has no finished run")
        return good(setup, *rest, **options)

    monkeypatch.setattr(ideal_gas, "reproduce_setup", fails)
    empty = replace(load_preset(GAS), name="ideal-gas-empty")
    choice = Choice(((empty, "digits"), *digits(GAS).chosen))
    found = reproduce_ideal_gas(scale="quick", folder=tmp_path, choice=choice)
    assert [str(one) for one in found.refused] == ["ideal-gas-empty: it has no finished run"]
    assert list(found.claims) == [GAS]
    assert found.exit_code == 1


@pytest.mark.parametrize(
    "error",
    [
        np.linalg.LinAlgError("SVD did not\nconverge"),
        ValueError("array must not contain infs"),
        ZeroDivisionError("division by zero"),
        FloatingPointError("overflow"),
    ],
)
def test_an_analysis_that_fails_stops_no_other_setup(quick, tmp_path, monkeypatch, error):
    def fails(setup, run, *, command):
        raise error

    monkeypatch.setattr(networks, "setup_page", fails)
    found = reproduce_all(scale="quick", folder=tmp_path, choice=digits(ENERGY, GAS))
    (refused,) = found.refused
    words = " ".join(str(error).split())
    assert refused.reason == f"the analysis failed: {type(error).__name__}: {words}"
    assert list(found.claims) == [GAS]
    assert found.exit_code == 1
    assert refused.reason in (tmp_path / "claims.md").read_text()
    # Alone, it is seen in full.
    with pytest.raises(type(error)) as alone:
        reproduce_free_energy(scale="quick", folder=tmp_path, choice=digits(ENERGY))
    assert alone.value is error


def test_an_error_of_the_program_ends_the_call(quick, tmp_path, monkeypatch):
    def fails(setup, run, *, command):
        raise TypeError("no such argument")

    monkeypatch.setattr(networks, "setup_page", fails)
    with pytest.raises(TypeError, match="no such argument"):
        reproduce_all(scale="quick", folder=tmp_path, choice=digits(ENERGY, GAS))


def test_a_setup_that_is_refused_is_listed_once(quick, tmp_path, monkeypatch):
    reproduce_all(scale="quick", folder=tmp_path, choice=digits(GAS, ENERGY))

    def refuses(*args, **options):
        raise InputError("another plan")

    monkeypatch.setattr(ideal_gas, "reproduce_setup", refuses)
    reproduce_all(scale="quick", folder=tmp_path, choice=digits(GAS, ENERGY))
    text = (tmp_path / "claims.md").read_text()
    assert f"- {GAS}: not run: another plan" in text
    assert f"## {GAS}" not in text
    assert f"## {ENERGY}" in text
    assert (tmp_path / "index.html").read_text().count(f"<li>{GAS}: ") == 1
    assert f'href="{GAS}/' not in (tmp_path / "index.html").read_text()
    assert {one["setup"] for one in json.loads((tmp_path / "claims.json").read_text())} == {ENERGY}


# -- common pages --------------------------------------------------------------------------------------------


def sized(folder: Path, size: int, setup: Setup | None = None, version: int = NUMERICS_VERSION) -> Setup:
    """A setup of the family of subsets with a trace in its folder, as if it had been run."""
    setup = load_preset(f"free-energy-subset-{size}", "small") if setup is None else setup
    place = folder / setup.name
    setup.plan().save(place)
    setup_run._describe(setup, place)
    plain = json.loads((place / "plan.json").read_text())
    (place / "plan.json").write_text(json.dumps({**plain, "numerics_version": version}))
    step = np.unique(np.geomspace(10, 1e5, 100).astype(int))
    logged = {"loss": 1.0 / step, "norm": np.ones(len(step))}
    logged |= {"grad_sq": step**-2.0, "point_grad_sq": step**-1.8}
    trace = new_trace(FixedSphere(elr=1e-4, radius=1.0), step, logged, dim=1000)
    save(trace, place / "trace-FixedSphere.nc")
    return setup


@pytest.fixture
def pages(monkeypatch):
    """What the page of sizes is given; it is not drawn."""
    given: list[dict[str, object]] = []

    def page(name, traces, folder, **options):
        given.append({"name": name, "sizes": sorted(traces), **options})
        save_claims([Claim("sizes", "FE 7", "1", "agrees", "so")], folder)
        (folder / "report.html").touch()

    monkeypatch.setattr(networks, "size_page", page)
    return given


def common(folder: Path, setup: Setup, scale: str = "small", refused: tuple[NotRun, ...] = ()):
    said: list[str] = []
    found = networks.with_families(
        Reproduced(refused=refused), scale, Choice(((setup, "digits"),)), folder, How(on_message=said.append)
    )
    return (*found, said)


def test_common_pages_take_only_results_of_the_setup_and_of_this_numerics_version(tmp_path, pages):
    first, _ = sized(tmp_path, 200), sized(tmp_path, 400)
    common(tmp_path, first)
    assert pages[-1]["sizes"] == [200, 400]
    # Another numerics version, and a network of another width in the folder of the setup.
    sized(tmp_path, 800, version=1)
    whole = load_preset("free-energy-subset-1437", "small")
    wide = replace(whole, grids=tuple((grid, replace(spec, width=5)) for grid, spec in whole.grids))
    sized(tmp_path, 1437, wide)
    _, out_of_date, said = common(tmp_path, first)
    assert pages[-1]["sizes"] == [200, 400]
    told = "; ".join(pages[-1]["left_out"])
    assert "free-energy-subset-800" in told
    assert "numerics version 1" in told
    assert "width is 5 under FixedSphere; expected 4" in told
    assert len(said) == 2
    assert out_of_date == ()
    # A setup that was refused just now: too few are left, and the page that lies there is told to be old.
    done, out_of_date, _ = common(
        tmp_path, first, refused=(NotRun("free-energy-subset-400", "other images"),)
    )
    assert len(pages) == 2
    assert done.claims == {}
    assert [one.setup for one in out_of_date] == ["free-energy-subset-sizes"]
    assert "free-energy-subset-400: not run" in out_of_date[0].reason


def test_subsets_of_ones_own_are_a_family(tmp_path, pages):
    text = preset_text("free-energy-subset-400", "small")
    mine = []
    for size in (300, 500):
        own = tmp_path / f"my-{size}.toml"
        own.write_text(text.replace("subset = 400", f"subset = {size}"))
        mine.append(sized(tmp_path / "out", size, load_preset(own)))
    assert {(one.family, one.overparameterised) for one in mine} == {("free-energy-subset-sizes", True)}
    common(tmp_path / "out", mine[0], "own")
    assert pages[-1]["sizes"] == [300, 500]
    assert pages[-1]["architecture"] == "ConvNet"
    # Beside the package's own.
    common(tmp_path / "out", sized(tmp_path / "out", 200))
    assert pages[-1]["sizes"] == [200, 300, 500]


def test_a_copy_of_a_preset_keeps_its_meaning(tmp_path):
    for name, mine in (
        ("free-energy-convnet-digits-op", "mine"),
        ("free-energy-subset-400", "mine"),
        ("batch-size-64", "mine-64"),
    ):
        own = tmp_path / "mine.toml"
        own.write_text(preset_text(name, "small"))
        (copy,) = (setup for setup in own_setups(own) if setup.name == mine)
        assert copy == replace(load_preset(name, "small"), name=mine, scale="own", file=str(own))
        setup_run._describe(copy, tmp_path / name)
        kept = json.loads((tmp_path / name / SETUP_FILE).read_text())
        for key in ("experiment", "overparameterised", "family", "stationary_last"):
            assert kept[key] == getattr(copy, key)


# -- means over the last log points --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def logged(tmp_path_factory):
    """A sweep of a preset with log-spaced points, whose loss falls all the way."""
    setup = load_preset(ENERGY)
    _, template = setup.grids[0]
    brief = Measurement(log_every=5, log_until=20, log_points=20, noise_draws=6, queue_size=8, queue_every=1)
    protocol = FixedSphere(elr=0.02, radius=1.0)
    spec = replace(template, protocol=protocol, steps=120, anneal=0, settle=0, measurement=brief)
    setup = replace(
        setup,
        name="free-energy-brief-up",
        grids=((FixedSphere.grid(elr=[0.02], radius=[1.0]), spec),),
        stationary_last=6,
    )
    folder = tmp_path_factory.mktemp("logged")
    task = Task(
        setup,
        folder,
        120,
        lambda show: run_setup(setup, "digits", folder, engine=Serial(), on_progress=show),
        lambda run: None,
    )
    run_in_turn([task], (), How())
    return folder


def test_a_sweep_that_is_gone_on_with_takes_the_same_means(logged):
    before = load(logged / "states-FixedSphere.nc")
    trace = load(logged / "trace-FixedSphere.nc")
    last, half = stationary(trace, last=6), stationary(trace)
    # The control: on these points the two windows differ.
    assert abs(float(last.loss.item()) / float(half.loss.item()) - 1) > 1e-3
    assert float(before.loss.item()) == float(last.loss.item())
    finish(Plan.load(logged), logged)
    assert load(logged / "states-FixedSphere.nc").identical(before)
    # Without what the preset says, the second half of the iterations.
    kept = (logged / SETUP_FILE).read_text()
    (logged / SETUP_FILE).unlink()
    finish(Plan.load(logged), logged)
    assert float(load(logged / "states-FixedSphere.nc").loss.item()) == float(half.loss.item())
    (logged / SETUP_FILE).write_text(kept)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"stationary_last": 0}', '{"stationary_last": "6"}'])
def test_a_damaged_setup_file_is_named(tmp_path, text):
    (tmp_path / SETUP_FILE).write_text(text)
    with pytest.raises(InputError, match=r"setup\.json is damaged"):
        stationary_last(tmp_path)


def test_a_refused_setup_leaves_what_the_folder_says(tmp_path):
    (tmp_path / "plan.json").write_text('{"numerics_version": 1}')
    (tmp_path / SETUP_FILE).write_text('{"stationary_last": 7}')
    setup = load_preset(ENERGY)
    task = Task(setup, tmp_path, 1, lambda show: run_setup(setup, "digits", tmp_path), lambda run: None)
    with pytest.raises(InputError, match="numerics version 1"):
        run_in_turn([task], (), How())
    assert stationary_last(tmp_path) == 7


# -- bad input -----------------------------------------------------------------------------------------------


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("THERMOGRAD_CACHE", str(tmp_path / "cache"))

    def call(*arguments):
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return stop.value.code, captured.out, captured.err

    return call


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (
            ("ideal-gas", "--scale", "paper"),
            ("thermograd data fetch cifar10 and thermograd data fetch cifar100",),
        ),
        (("free-energy", "--scale", "small", "--part", "free-energy-convnet-cifar10-up"), ("fetch cifar10",)),
        (("all", "--scale", "paper"), ("nothing can be run", "thermograd data fetch cifar100")),
        (("ideal-gas", "--preset", "{own}"), ("mine", "thermograd data fetch cifar10")),
        (("ideal-gas", "--preset", "{own}", "--data", "digits"), ("digits images", "expected cifar10")),
        (("ideal-gas", "--preset", "{bad}"), ("bad.toml", "unknown key 'stepz' (value 200)", "'steps'")),
        (("preset", "ideal-gas-convnet-cifar"), ("expected 'ideal-gas-convnet-cifar10'",)),
    ],
)
def test_a_request_that_cannot_be_met_is_one_line(run, tmp_path, arguments, parts):
    text = preset_text("ideal-gas-convnet-cifar10", "paper")
    (tmp_path / "mine.toml").write_text(text)
    (tmp_path / "bad.toml").write_text(text.replace("steps = 2_000_000", "stepz = 200"))
    files = {"own": tmp_path / "mine.toml", "bad": tmp_path / "bad.toml"}
    out = () if arguments[0] == "preset" else ("--out", tmp_path / "out")
    code, answer, err = run("reproduce", *(one.format(**files) for one in arguments), *out)
    assert (code, answer) == (2, "")
    assert err.count("\n") == 1, err
    for part in parts:
        assert part in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("command", "name", "other"),
    [("ideal-gas", ENERGY, "free-energy"), ("free-energy", GAS, "ideal-gas")],
)
def test_a_preset_for_another_experiment_is_refused_in_one_line(run, tmp_path, command, name, other):
    own = tmp_path / "mine.toml"
    own.write_text(preset_text(name, "quick"))
    for dry in ((), ("--dry-run",)):
        code, answer, err = run("reproduce", command, "--preset", own, "--out", tmp_path / "out", *dry)
        assert (code, answer) == (2, "")
        assert err.count("\n") == 1, err
        assert f"experiment is '{other}'" in err
        assert f"thermograd reproduce {other} --preset {own}" in err
    assert not (tmp_path / "out").exists()


def test_a_preset_is_printed_as_it_is(run):
    code, out, _ = run("reproduce", "preset", "ideal-gas-resnet18-cifar100", "--scale", "paper")
    assert (code, out) == (0, preset_text("ideal-gas-resnet18-cifar100", "paper"))


# -- values in words -----------------------------------------------------------------------------------------


def test_values_of_every_size_have_words():
    words = {-0.0: "0", 999.4: "999", 999.6: "1e3", 1e5: "1e5", -2e-4: "-2e-4", 0.01: "0.01"}
    assert {value: value_text(value) for value in words} == words
    assert (value_text(np.inf), value_text(np.nan)) == ("inf", "nan")
    # Read back, they are the value to three digits.
    values = np.random.default_rng(0).lognormal(0, 8, 200)
    assert [float(value_text(x)) for x in values] == pytest.approx(values, rel=5.1e-3)


def test_the_page_of_the_batch_sizes_names_what_is_left_out(tmp_path):
    page = write_batch_size_report(
        {"FixedSphere": "2 batch sizes"}, {}, tmp_path, title="B", left_out=["batch-size-64: not run"]
    )
    assert "Left out: batch-size-64: not run." in page.read_text()


def test_a_common_page_is_about_one_network(monkeypatch, tmp_path):
    def setup(name: str, size: int, **others) -> Setup:
        (grid, template), *_ = load_preset("batch-size-64", "small").grids
        return Setup(name, "own", "", "", ((grid, replace(template, batch_size=size, **others)),), (0,))

    monkeypatch.setattr(networks, "results_of", lambda setup, *args: {"FixedSphere": setup.name})
    family = [setup("a", 32), setup("b", 64), setup("wide", 128, width=2), setup("few", 256, subset=200)]
    pages, left_out = [], []
    monkeypatch.setattr(networks, "batch_size_page", lambda states, *args, **others: pages.append(states))
    assert networks._batch_sizes("batch-size", family, left_out, tmp_path, {}, "")
    assert pages == [{"FixedSphere": {32: "a", 64: "b"}}]
    assert left_out == [
        "wide: it is about ConvNet(2) on digits; expected ConvNet(1) on digits, as a",
        "few: it is about ConvNet(1) on 200 of digits; expected ConvNet(1) on digits, as a",
    ]


def test_a_setup_of_ones_own_may_have_the_name_of_the_packages(quick, tmp_path):
    own = tmp_path / f"{GAS}.toml"
    own.write_text(preset_text(GAS, "quick").replace("description = ", 'description = "mine: " #'))
    place = tmp_path / "out"
    reproduce_ideal_gas(scale="own", folder=place, choice=own_choice(own))
    reproduce_free_energy(scale="quick", folder=place, choice=digits(ENERGY))
    text = (place / "claims.md").read_text()
    assert f"## {GAS}\n\nmine: " in text


def test_beginnings_of_names_choose_batch_sizes_too():
    for part in ("batch", "batch-size"):
        names = [setup.name for setup, _ in free_energy_choice("quick", part=part).chosen]
        assert names == ["batch-size-32", "batch-size-128", "batch-size-512"]
