"""The whole experiment at a fiftieth of its length: everything is written, and says what it is."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from thermograd.errors import InputError
from thermograd.protocol import FixedELR, FixedSphere
from thermograd.reproduce.isotropic import reproduce_isotropic
from thermograd.reproduce.isotropic_effort import Effort
from thermograd.reproduce.isotropic_hot import _pace as hot_pace
from thermograd.reproduce.isotropic_paths import _hot_paths
from thermograd.states import load
from thermograd.theory import vmf

pytestmark = pytest.mark.slow
STEPS = [1e-3, 3.16e-3, 1e-2, 3.16e-2, 1e-1]


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """One small run; what it says while it runs is kept beside it."""
    folder = tmp_path_factory.mktemp("isotropic")
    grids = [
        FixedSphere.grid(elr=STEPS, radius=[0.1, 0.316, 1.0, 3.16, 10.0]),
        FixedELR.grid(elr=STEPS, wd=STEPS),
    ]
    said: list[str] = []

    def listen(words: str, done: int, total: int) -> None:
        assert 0 <= done <= total
        said.append(words)

    found = reproduce_isotropic(folder, scale=0.02, grids=grids, threads=2, on_progress=listen)
    return found, folder, said


def test_both_experiments_are_on_disk_with_all_their_parts(result):
    found, folder, said = result
    for experiment in ("published", "settled"):
        here = folder / experiment
        names = {path.name for path in here.iterdir()}
        states = {f"{kind}-{p}.nc" for kind in ("trace", "states") for p in ("FixedSphere", "FixedELR")}
        assert states | {"report.html", "figures", "tables"} == names
    assert [Path(page).parent.name for page in found.reports] == ["published", "settled"]
    tables = {path.stem for path in (folder / "settled" / "tables").glob("*.csv")}
    assert {"hot-1", "hot-2", "anisotropy-3", "anisotropy-5", "adiabats", "pooled-FixedELR"} <= tables
    page = found.reports[1].read_text("utf-8")
    assert page.count("isotropic-cloud") >= 2
    assert {"published FixedELR", "settled FixedSphere", "adiabat, d = 4", "hot, d = 100"} <= set(said)


def test_the_states_are_those_that_were_asked_for(result):
    _, folder, _ = result
    published = load(folder / "published" / "states-FixedELR.nc")
    assert published.attrs["steps"] == 40_000
    assert published.attrs["initial_radius"] == 1.0
    settled = load(folder / "settled" / "states-FixedELR.nc")
    assert settled.attrs["steps"] == 320_000
    # Every state has eight windows, whatever its pace: entropies with error bars.
    assert set(settled["entropy_sphere_windows"].values.ravel()) == {8.0}
    assert np.isfinite(settled["entropy_sphere_se"].values).all()


def test_the_laws_hold_as_far_as_so_short_a_run_can_tell(result):
    found, _, _ = result
    by_claim = {claim.claim: claim for claim in found.claims["settled"]}
    # What is known best is the radius: 0.2% are five standard errors even here.
    assert by_claim["V1 pooled, fixed ELR: radius of the law with fluctuations above"].verdict.kind == "holds"
    # And what must be seen even here: uneven noise lacks 0.83 nats, and gamma = 2 is no adiabat of a hot gas.
    uneven = by_claim[
        "Anisotropic noise, d = 3: the entropy falls short of the Gibbs law's by (d−1)/2 log(AM/GM)"
    ]
    assert uneven.verdict.kind != "fails"
    # A published run of this length has settled nowhere: the page must say so.
    short = [claim for claim in found.claims["published"] if "forget its start" in claim.claim]
    assert short


def test_numbers_come_as_json_and_as_text(result):
    found, _, _ = result
    text = found.to_text()
    assert "published: pooled states by ELR; largest pull | largest deviation" in text
    assert "settled: verdicts" in text
    data = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    rows = data["laws"]["settled"]["FixedSphere"]
    assert {"observable", "law", "elr", "n", "deviation", "se", "pull"} <= set(rows[0])
    assert all(math.isfinite(row["pull"]) for row in rows)
    assert {each["verdict"] for each in data["claims"]["settled"]} <= {
        "holds",
        "fails",
        "undecided",
        "not tested",
    }


def test_hot_paths_leave_the_same_start_and_only_one_is_an_adiabat():
    true, others = _hot_paths()
    (constant,) = others.values()
    assert true[0].values == pytest.approx(constant[0].values)
    T = np.array([point.values["elr"] * 100 for point in true])  # elr sigma^2 / 2
    S, wrong = (
        vmf.entropy_sphere(T, 4) + 3 * np.log([point.values["radius"] for point in path])
        for path in (true, constant)
    )
    np.testing.assert_allclose(S, S[0], atol=1e-6)
    assert abs(wrong[-1] - wrong[0]) > 0.5
    assert np.ptp(vmf.entropy_sphere(T, 4)) > 1


def test_queues_of_hot_states_keep_pace_with_them():
    # Three relaxation times 1 / (elr (1 + (d-1) T)), T = elr sigma^2 / 2 = 0.1: 3 / (2e-4 * 1.9).
    pace = hot_pace(FixedSphere(elr=2e-4, radius=1.0), 0.0, dim=10, sigma2=1e3, least=10.0)
    assert pace == pytest.approx(3 / (2e-4 * 1.9))
    assert hot_pace(FixedSphere(elr=0.1, radius=1.0), 0.0, dim=10, sigma2=1e3, least=10.0) == 10.0


@pytest.mark.parametrize("scale", [0.0, -1.0, 1.5, float("nan")])
def test_a_scale_out_of_range_is_refused(scale, tmp_path):
    with pytest.raises(InputError, match=r"scale is .*; expected a share above 0 and at most 1"):
        reproduce_isotropic(tmp_path, scale=scale)
    assert list(tmp_path.iterdir()) == []
    assert Effort(1.0).steps(7) == 7
