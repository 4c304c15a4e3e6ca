"""The free-energy setups as one call: each in its folder, resumable; what fails stops no other."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from thermograd.analysis import phase_by_size
from thermograd.errors import InputError
from thermograd.protocol import FixedELR, FixedLR, FixedSphere
from thermograd.reproduce import dry_run, everything, ideal_gas
from thermograd.reproduce import free_energy_networks as networks
from thermograd.reproduce.choice import BATCH_SIZE, FREE_ENERGY, IDEAL_GAS, Choice, NotRun
from thermograd.reproduce.claims import Claim
from thermograd.reproduce.data_sizes import size_claims, size_families, size_page, training_examples
from thermograd.reproduce.everything import everything_choice, reproduce_all
from thermograd.reproduce.free_energy_networks import free_energy_choice, reproduce_free_energy
from thermograd.reproduce.free_energy_setup import RANDOM_FILE, SetupPage
from thermograd.reproduce.ideal_gas_setup import SetupResult
from thermograd.reproduce.in_turn import How
from thermograd.reproduce.presets import Setup, load_preset, setups
from thermograd.reproduce.setup_run import SetupRun
from thermograd.reproduce.summary import Entry, read_claims, save_claims, write_summary
from thermograd.states import new_trace
from thermograd.sweep import Serial, SweepSummary
from thermograd.training import Measurement
from thermograd.training.random_directions import random_loss

BRIEF = Measurement(log_every=4, noise_draws=6, queue_size=8, queue_every=1)


def tiny(name: str, *elr: float, batch_size: int = 128, subset: int | None = None, steps: int = 60) -> Setup:
    """A preset's network and data with hardly any steps."""
    setup = load_preset("free-energy-convnet-digits-up", "quick")
    _, template = setup.grids[0]
    template = replace(
        template,
        steps=steps,
        anneal=20,
        settle=0,
        measurement=BRIEF,
        batch_size=batch_size,
        subset=subset,
        protocol=FixedSphere(elr=elr[0], radius=1.0),
    )
    grid = FixedSphere.grid(elr=list(elr), radius=[1.0])
    family = "free-energy-subset-sizes" if subset else ""
    experiment = BATCH_SIZE if name.startswith(BATCH_SIZE) else FREE_ENERGY
    return replace(
        setup, name=name, grids=((grid, template),), seeds=(0,), experiment=experiment, family=family
    )


def chosen(*offered: Setup) -> Choice:
    return Choice(tuple((setup, "digits") for setup in offered))


def without_figures(setup: Setup, run: SetupRun, *, command: str) -> SetupPage:
    """A page that takes no time."""
    claims = (Claim(setup.name, "FE 5", "1", "agrees", command),)
    save_claims(claims, run.folder)
    (run.folder / "report.html").touch()
    return SetupPage(claims, run.folder / "report.html")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Two kinds of setups and both families, run once."""
    folder = tmp_path_factory.mktemp("free-energy")
    # The pages hold their figures; writing them as files besides would take most of the time.
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setattr("thermograd.report.free_energy.save", lambda figure, path: None)
    offered = (
        tiny("free-energy-tiny-up", 1e-3, 3e-3, 1e-2, 3e-2),
        tiny("free-energy-subset-50", 1e-3, subset=50),
        tiny("free-energy-subset-100", 1e-3, subset=100),
        *(tiny(f"{BATCH_SIZE}-{B}", 5e-3, batch_size=B) for B in (16, 32, 64)),
    )
    shown: list[tuple[int, int]] = []
    result = reproduce_free_energy(
        scale="quick",
        folder=folder,
        choice=Choice(tuple((s, "digits") for s in offered), (NotRun("else", "no images", "fetch them"),)),
        how=How(engine=Serial(), on_progress=lambda done, total: shown.append((done, total))),
    )
    yield folder, offered, result, shown
    monkeypatch.undo()


def test_every_setup_has_its_folder_and_all_are_on_the_first_page(whole):
    folder, offered, result, _ = whole
    assert result.exit_code == 0
    assert result.report == folder / "index.html"
    assert {name: one.done for name, one in result.summaries.items()} == {
        setup.name: len(setup.specs) for setup in offered
    }
    for setup in offered:
        assert (folder / setup.name / "states-FixedSphere.nc").exists()
    for name in ("free-energy-tiny-up", "free-energy-subset-50", "free-energy-subset-sizes", BATCH_SIZE):
        assert (folder / name / "report.html").exists(), name
        assert read_claims(folder / name) == result.claims[name]
    page = (folder / "index.html").read_text()
    assert '<a href="free-energy-tiny-up/report.html">' in page
    assert f'<a href="{BATCH_SIZE}/report.html">' in page
    for text in (page, (folder / "claims.md").read_text(), result.to_text()):
        assert "no images" in text
        assert "fetch them" in text
    kept = json.loads((folder / "claims.json").read_text())
    assert len(kept) == sum(map(len, result.claims.values()))
    assert json.dumps(result.to_dict())
    own = (folder / "free-energy-tiny-up" / "report.html").read_text()
    assert "thermograd reproduce free-energy --scale quick --part free-energy-tiny-up" in own


def test_progress_goes_through_all_setups(whole):
    _, offered, _, shown = whole
    total = sum(spec.total_steps for setup in offered for spec in setup.specs)
    done = [one for one, _ in shown]
    assert {one for _, one in shown} == {total}
    assert done == sorted(done)
    assert done[-1] == total


def test_a_second_call_reuses_everything_and_writes_the_same(whole):
    folder, offered, first, _ = whole
    page = folder / "free-energy-tiny-up" / "report.html"
    before = page.read_bytes()
    again = reproduce_free_energy(
        scale="quick", folder=folder, choice=chosen(offered[0]), how=How(engine=Serial())
    )
    assert again.summaries["free-energy-tiny-up"].reused == 4
    assert again.claims["free-energy-tiny-up"] == first.claims["free-energy-tiny-up"]
    assert page.read_bytes() == before


def test_runs_of_another_numerics_version_are_refused_by_name_and_stop_no_other(monkeypatch, tmp_path, whole):
    _, offered, _, _ = whole
    monkeypatch.setattr(networks, "setup_page", without_figures)
    spoilt = tmp_path / "free-energy-tiny-up"
    spoilt.mkdir()
    (spoilt / "plan.json").write_text('{"numerics_version": 1, "grids": []}')
    one = replace(offered[0], grids=((FixedSphere.grid(elr=[1e-3], radius=[1.0]), offered[0].grids[0][1]),))
    other = replace(one, name="free-energy-other-up")
    result = reproduce_free_energy(
        scale="quick", folder=tmp_path, choice=chosen(one, other), how=How(engine=Serial())
    )
    assert result.exit_code == 1
    (refused,) = result.refused
    assert "numerics version 1" in refused.reason
    assert "free-energy-other-up" in result.claims
    assert "numerics version 1" in (tmp_path / "claims.md").read_text()
    with pytest.raises(InputError, match="numerics version 1"):
        reproduce_free_energy(scale="quick", folder=tmp_path, choice=chosen(one), how=How(engine=Serial()))


def test_an_interrupted_setup_ends_the_call_and_says_so(monkeypatch, tmp_path, whole):
    _, offered, _, _ = whole

    class Stopped:
        summary = SweepSummary(0, 1, 0, True)

    monkeypatch.setattr(networks, "run_setup", lambda *args, **options: Stopped())
    result = reproduce_free_energy(scale="quick", folder=tmp_path, choice=chosen(*offered[:2]))
    assert result.interrupted
    assert result.exit_code == 1
    assert list(result.summaries) == ["free-energy-tiny-up"]
    assert result.report is None
    assert "the same command goes on" in result.to_text()


def test_missing_images_are_listed_with_the_command_that_gets_them(monkeypatch, tmp_path):
    monkeypatch.setenv("THERMOGRAD_CACHE", str(tmp_path))
    choice = free_energy_choice("small")
    assert [one.setup for one in choice.left_out] == ["free-energy-convnet-cifar10-up"]
    assert choice.left_out[0].command == "thermograd data fetch cifar10"
    names = [setup.name for setup, _ in choice.chosen]
    assert "free-energy-convnet-digits-up" in names
    assert "batch-size-32" in names
    only = free_energy_choice("small", part="batch-size")
    assert all(setup.name.startswith("batch-size-") for setup, _ in only.chosen)
    assert free_energy_choice("quick", part="batch-size").left_out == ()
    with pytest.raises(InputError, match="part is 'free-energy-toys'"):
        free_energy_choice("small", part="free-energy-toys")
    with pytest.raises(InputError, match="scale is 'tiny'"):
        free_energy_choice("tiny")


def test_both_papers_take_what_is_here_and_given_images_besides(monkeypatch, tmp_path):
    monkeypatch.setenv("THERMOGRAD_CACHE", str(tmp_path))
    monkeypatch.setattr(everything, "_name_of", lambda data: "" if data is None else "cifar10")
    bare, given = everything_choice("small"), everything_choice("small", "somewhere")
    order = [setup.name for setup in (*setups("ideal-gas", "small"), *setups("free-energy", "small"))]
    order += [setup.name for setup in setups("batch-size", "small")]
    assert [setup.name for setup, _ in given.chosen] == order
    assert given.left_out == ()
    assert {one.setup for one in bare.left_out} == {name for name in order if "cifar10" in name}
    sources = {setup.name: source for setup, source in given.chosen}
    assert {name for name, source in sources.items() if source == "somewhere"} == {
        one.setup for one in bare.left_out
    }
    paper = everything_choice("paper")
    assert paper.chosen == ()
    assert {one.command for one in paper.left_out} == {
        "thermograd data fetch cifar10",
        "thermograd data fetch cifar100",
    }


def test_both_papers_end_on_one_page(monkeypatch, tmp_path, whole):
    _, offered, _, _ = whole
    monkeypatch.setattr(networks, "setup_page", without_figures)
    claim = Claim("gas", "IG 4", "1", "agrees", "so")

    commands = []

    def gas(setup, source, folder, *, command, **options):
        commands.append(command)
        folder.mkdir(exist_ok=True)
        (folder / "plan.json").touch()
        save_claims([claim], folder)
        return SetupResult(setup, SweepSummary(0, 1, 0, False), claims=(claim,))

    monkeypatch.setattr(ideal_gas, "reproduce_setup", gas)
    gases = [replace(offered[0], name=f"ideal-gas-{k}", experiment=IDEAL_GAS) for k in "ab"]
    short = tiny("free-energy-short-up", 1e-3)
    missing = (NotRun("free-energy-far", "no images", "thermograd data fetch cifar10"),)
    choice = Choice(chosen(*gases, short).chosen, missing)
    result = reproduce_all(scale="quick", folder=tmp_path, choice=choice, how=How(engine=Serial()))
    assert result.exit_code == 0
    assert list(result.claims) == ["ideal-gas-a", "ideal-gas-b", "free-energy-short-up"]
    text = (tmp_path / "claims.md").read_text()
    places = [text.index(f"## {name}") for name in result.claims]
    assert places == sorted(places)
    assert "thermograd data fetch cifar10" in text
    assert "thermograd reproduce all --scale quick" in text

    def broken(*args, **options):
        raise InputError("this folder holds another plan")

    monkeypatch.setattr(ideal_gas, "reproduce_setup", broken)
    again = reproduce_all(
        scale="quick", folder=tmp_path, choice=chosen(gases[0], short), how=How(engine=Serial())
    )
    assert again.exit_code == 1
    assert [one.setup for one in again.refused] == ["ideal-gas-a"]
    assert again.summaries["free-energy-short-up"].reused == 1


def test_a_dry_run_tells_every_setup_and_starts_nothing(monkeypatch, tmp_path, whole):
    _, offered, _, _ = whole
    asked: list[tuple[str, str]] = []
    monkeypatch.setattr(
        dry_run, "dry_run", lambda setup, source, *args, **options: asked.append((setup.name, source))
    )
    missing = (NotRun("free-energy-convnet-cifar10-up", "no images"),)
    choice = Choice(chosen(offered[0]).chosen, missing)
    reproduce_free_energy(scale="small", folder=tmp_path / "none", choice=choice, dry_run=True)
    assert asked == [("free-energy-convnet-cifar10-up", "cifar10"), ("free-energy-tiny-up", "digits")]
    assert not (tmp_path / "none").exists()


def test_sizes_of_the_data_set_are_families(tmp_path):
    families = size_families(setups(scale="small"))
    assert list(families) == ["free-energy-subset-sizes"]
    sizes = sorted(training_examples(setup, "digits") for setup in families["free-energy-subset-sizes"])
    assert sizes == [200, 400, 800, 1437]
    traces = {size: vanishing(0.95 - 0.1 * np.log10(size / 100)) for size in (100, 1000, 10_000)}
    size_page("free-energy-subset-sizes", traces, tmp_path, architecture="ConvNet")
    (claim,) = read_claims(tmp_path)
    assert claim.verdict == "agrees"
    # Exponents 0.95, 0.85, 0.75 from 2% of noise over 1.5 decades: errors of about 0.002.
    measured = [float(part.split("=")[1].split()[0]) for part in claim.measured.split(",")]
    assert measured == pytest.approx([0.95, 0.85, 0.75], abs=0.01)
    page = (tmp_path / "report.html").read_text()
    assert "FE figure 7" in page
    with pytest.raises(InputError, match="1 sizes"):
        size_page("free-energy-subset-sizes", {100: traces[100]}, tmp_path, architecture="ConvNet")


def test_an_exponent_that_does_not_move_or_moves_away_is_not_confirmed():
    same = {size: vanishing(0.8, seed=size) for size in (100, 1000, 10_000)}
    away = {size: vanishing(0.7 + 0.1 * np.log10(size / 100)) for size in (100, 1000, 10_000)}
    found = {1e-4: phase_by_size(same), 2e-4: phase_by_size(away), 3e-4: "no run converges"}
    verdicts = [claim.verdict for claim in size_claims("ConvNet", found)]
    assert verdicts == ["not testable", "differs", "not testable"]


def vanishing(a: float, seed: int = 0):
    """A run whose gradients vanish as |E g| = 1/t and E|g| = t^-a, with 2% of noise."""
    rng = np.random.default_rng(seed)
    step = np.unique(np.geomspace(10, 1e5, 150).astype(int))
    t = step / 10.0
    noise = np.exp(0.02 * rng.standard_normal((3, len(t))))
    logged = {"loss": noise[0] / t, "norm": np.ones(len(t))}
    logged |= {"grad_sq": noise[1] * t**-2.0, "point_grad_sq": 9 * noise[2] * t ** (-2 * a)}
    return new_trace(FixedSphere(elr=1e-4, radius=1.0), step, logged, dim=1000)


def test_the_loss_of_random_directions_is_measured_once(whole, monkeypatch):
    folder, offered, _, _ = whole
    kept = json.loads((folder / "free-energy-tiny-up" / RANDOM_FILE).read_text())
    spec = offered[0].specs[0]
    mean, se = kept["losses"]["0"]
    again = random_loss(spec, draws=kept["draws"])
    assert (again.value, again.se) == (mean, se)
    # Other directions: the same mean within three standard errors of the difference, half the error from
    # four times the draws, known to 10% from a hundred.
    more = random_loss(replace(spec, batch_size=127), draws=4 * kept["draws"])
    assert abs(more.value - mean) < 3 * np.hypot(more.se, se)
    assert se / more.se == pytest.approx(2, rel=0.3)
    # Neither the protocol's kind nor its radius matters.
    for protocol in (FixedELR(elr=1.0, wd=0.1), FixedLR(lr=0.1, wd=0.1), FixedSphere(elr=1.0, radius=5.0)):
        other = random_loss(replace(spec, protocol=protocol), draws=96)
        assert abs(other.value - mean) < 3 * np.hypot(other.se, se)
    # It is no trained network's: those of this setup end far below.
    from thermograd.states import load

    assert float(load(folder / "free-energy-tiny-up" / "states-FixedSphere.nc").loss.min()) < mean - 10 * se
    with pytest.raises(InputError, match="draws is 3"):
        random_loss(spec, draws=3)


def test_damaged_claims_are_named_and_pages_can_do_without(tmp_path):
    (tmp_path / "claims.json").write_text("[{]")
    with pytest.raises(InputError, match=r"claims\.json is damaged"):
        read_claims(tmp_path)
    assert read_claims(tmp_path / "none") == ()
    page = write_summary(tmp_path / "out", [Entry("a", "note")], title="T")
    assert "<li>a: note</li>" in page.read_text()  # and no link to a page that is not there


def test_paper_scale_needs_no_more_than_its_images(monkeypatch):
    """Every paper setup is one of those that are chosen once the images are there."""
    from thermograd.reproduce import choice as choices

    monkeypatch.setattr(choices, "images_at_hand", lambda source: True)
    names = [setup.name for setup, _ in free_energy_choice("paper").chosen]
    assert len(names) == 16
    assert all(Path(name).name == name for name in names)
