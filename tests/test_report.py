"""The report: everything in it, nothing loaded from anywhere, nothing unescaped, always the same bytes."""

from __future__ import annotations

import csv
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from thermograd.analysis import TABLE_4, maxwell, radius
from thermograd.errors import InputError
from thermograd.protocol import FixedELR, FixedLR, FixedSphere
from thermograd.report import write_report
from thermograd.report.content import Table
from thermograd.report.findings import analyse
from thermograd.report.laws import summary
from thermograd.report.wording import number, percent, percent_with_error, with_error
from thermograd.states import new_states, new_trace
from thermograd.theory.radius import effective_wd_sphere, stationary_radius_elr, stationary_radius_lr

DIM = 388
R = (DIM - 1) / 2
HOSTILE = '<script>alert("x")</script> & <img src=https://example.org/a.png onerror=1>'
VOID = {"meta", "img", "br", "hr", "link", "input", "source"}


def gas(
    protocol: type, *, noise: float = 0.0, slope: float = 1.0, shape: tuple[int, int] = (5, 4)
) -> xr.Dataset:
    """States of a gas with the finite-step radius, whose entropy rises `slope` times as the theory says."""
    rng = np.random.default_rng(8)
    rates, others = np.geomspace(1e-4, 1e-3, shape[0]), np.geomspace(0.1, 1.0, shape[1])
    names = dict(zip(protocol.axes, (rates, others), strict=True))
    first, other = np.meshgrid(rates, others, indexing="ij")
    product = first * other if protocol is FixedLR else first
    tr_sigma = 100 * product**-0.3 * np.exp(noise * rng.normal(size=first.shape))
    grad_sq = 0.01 * tr_sigma
    law = {FixedSphere: effective_wd_sphere, FixedELR: stationary_radius_elr, FixedLR: stationary_radius_lr}[
        protocol
    ]
    settled = law(first, other, tr_sigma, grad_sq).finite_step
    measured = {"loss": 1 + product, "tr_sigma": tr_sigma, "grad_sq": grad_sq}
    measured |= {"norm": other, "effective_wd": settled} if protocol is FixedSphere else {"norm": settled}
    # Per direction log(T)/2, up to what the radius adds; Maxwell's relations are about what the radius adds.
    wanted = slope * 2 * R * np.log(measured["norm"]) + R * np.log(product)
    wanted += noise * R * rng.normal(size=first.shape)
    measured["entropy_sphere"] = wanted - 2 * R * np.log(measured["norm"])
    errors = {f"{name}_se": 1e-3 * np.abs(values) for name, values in measured.items()}
    samples = {
        "entropy_effective_samples": 5.5,
        "entropy_autocorrelation_time": 180.0,
        "entropy_sphere_windows": 6.0,
    }
    diagnostics = {name: np.full(first.shape, value) for name, value in samples.items()}
    attrs = {"data_name": "digits", "data_sha256": "abc123", "torch_version": "2.13", "seed": 7}
    return new_states(protocol.grid(**names), measured | errors | diagnostics, dim=DIM, attrs=attrs)


def spoil(states: xr.Dataset, reason: str) -> xr.Dataset:
    """The states with one run diverged and one still converging, for this reason."""
    changed = states.copy(deep=True)
    status, why = changed["status"].values.astype(object), changed["status_reason"].values.astype(object)
    status[0, 0], why[0, 0] = "converging", reason
    status[1, 1], why[1, 1] = "diverged", reason
    for name in ("status", "status_reason"):
        changed[name] = changed[name].copy(data=(status if name == "status" else why).astype(str))
    for variable in changed.data_vars.values():
        if variable.dtype.kind == "f":
            variable.values[1, 1] = np.nan
    return changed


class Page(HTMLParser):
    """A strict reader: tags must nest; it collects text, addresses, classes and table cells."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.cells: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == [], f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data
        if {"td", "th"} & set(self.open):
            self.cells[-1] += data


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """One report of everything, with hostile text wherever text goes."""
    states = {p.__name__: spoil(gas(p, noise=0.01), HOSTILE) for p in (FixedLR, FixedSphere, FixedELR)}
    for dataset in states.values():
        dataset.attrs["data_name"] = HOSTILE
    step = np.arange(100, 1001, 100)
    run = {"loss": 1 + 100 / step, "norm": np.full(10, 3.0), "batch_grad_sq": np.full(10, 100.0)}
    trace = new_trace(FixedLR(lr=0.05, wd=0.01), step, run, dim=DIM)
    folder = tmp_path_factory.mktemp("report")
    settings = {
        "title": HOSTILE,
        "command": f"thermograd {HOSTILE}",
        "label": HOSTILE,
        "runs": {HOSTILE: trace},
    }
    assert write_report(states, folder / "report.html", **settings) == folder / "report.html"
    return states, folder


@pytest.fixture(scope="module")
def page(written):
    return Page((written[1] / "report.html").read_text("utf-8"))


def test_twice_written_is_byte_for_byte_the_same(tmp_path):
    folders = tmp_path / "one", tmp_path / "two"
    for folder in folders:
        write_report({"FixedLR": gas(FixedLR, shape=(3, 3))}, folder / "report.html", title="Same")
    one, two = ({p.relative_to(f): p.read_bytes() for p in f.rglob("*") if p.is_file()} for f in folders)
    assert {path.suffix for path in one} == {".html", ".png", ".pdf", ".csv", ".md"}
    assert one == two


def test_every_figure_and_table_is_a_file_too(written):
    states, folder = written
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    stems = [f"{kind}-{protocol}" for kind in ("panels", "radius") for protocol in states] + ["run-1"]
    expected = {f"figures/{stem}.{end}" for stem in stems for end in ("png", "pdf")}
    tables = ["radius", "pressure", "collapse", "stationarity", "left-out", "entropy-quality", "provenance"]
    tables += ["table-4", *(f"maxwell-{protocol}" for protocol in states)]
    expected |= {f"tables/{stem}.{end}" for stem in tables for end in ("csv", "md")}
    assert found == expected | {"report.html"}


def test_page_loads_nothing(written, page):
    addresses = [
        value for _, name, value in page.attributes if name in ("src", "href", "srcset", "data", "action")
    ]
    assert len(addresses) > 10
    assert all(address.startswith(("#", "data:image/svg+xml;base64,")) for address in addresses)
    anchors = {value for _, name, value in page.attributes if name == "id"}
    assert {address[1:] for address in addresses if address.startswith("#")} == anchors
    assert not {"script", "link", "iframe", "object", "embed", "base", "form"} & set(page.tags)
    assert not [name for _, name, _ in page.attributes if name.startswith("on") or name == "style"]
    css = (written[1] / "report.html").read_text("utf-8").split("<style>")[1].split("</style>")[0]
    assert not re.search(r"url\(|@import|//", css)


def test_pictures_load_nothing_either(page):
    import base64
    from xml.etree import ElementTree

    pictures = [value for tag, name, value in page.attributes if tag == "img" and name == "src"]
    assert len(pictures) == 3 * 2 + 1
    for picture in pictures:
        root = ElementTree.fromstring(base64.b64decode(picture.split(",", 1)[1]))
        links = [v for e in root.iter() for name, v in e.attrib.items() if name.endswith("href")]
        assert links
        assert all(link.startswith(("#", "data:image/png;base64,")) for link in links)
    assert all(value for tag, name, value in page.attributes if tag == "img" and name == "alt")


def test_hostile_text_is_text(page):
    assert page.text.count(HOSTILE) >= 8  # title twice, label, reasons, data name, command, run
    assert "script" not in page.tags
    assert page.tags.count("img") == 7
    assert all("example.org" not in value for _, name, value in page.attributes if name != "alt")


def test_every_number_of_table_4_is_on_the_page(written, page):
    states = written[0]
    printed = [cell.replace("−", "-") for cell in page.cells]
    shares = {round(float(cell[:-1]) / 100, 6) for cell in printed if re.fullmatch(r"-?[\d.]+%", cell)}
    numbers = {float(cell) for cell in printed if re.fullmatch(r"-?[\d.]+", cell)}
    for row in TABLE_4:
        assert {row.r_squared, *row.numbers} <= numbers, row
        assert round(row.max_error, 6) in shares, row
        assert np.isnan(row.mean_error) or round(row.mean_error, 6) in shares, row
    for dataset in states.values():
        check = maxwell(dataset)
        for line in check.numbers:
            assert with_error(line.value, line.se) in page.cells
        assert percent_with_error(check.max_error, check.max_error_se) in page.cells
        assert percent_with_error(check.mean_error, check.mean_error_se) in page.cells
        assert number(check.fit.r_squared, 4) in page.cells


def test_radius_table_and_left_out_runs_are_on_the_page(written, page):
    for protocol, dataset in written[0].items():
        for line in radius(dataset).summary:
            assert percent(line.median) in page.cells, protocol
            assert percent_with_error(line.worst, line.worst_se) in page.cells, protocol
    # 20 runs of each protocol: 18 in equilibrium, 1 converging, 0 not stationary, 1 diverged, 0 failed.
    rows = re.findall(r"20\|18\|1\|0\|1\|0", "|".join(page.cells))
    assert len(rows) == 3
    assert page.cells.count(HOSTILE) >= 6
    assert page.cells.count("5.5 (5.5)") == 3
    assert "abc123" in page.cells


def test_tables_beside_the_page_hold_what_the_page_shows(written, page):
    folder = written[1] / "tables"
    for path in folder.glob("*.csv"):
        if path.name == "table-4.csv":
            continue
        with path.open(newline="") as file:
            rows = list(csv.reader(file))
        assert {len(row) for row in rows} == {len(rows[0])}
        for cell in (cell for row in rows for cell in row if cell):
            assert cell in page.cells, (path.name, cell)
        lines = path.with_suffix(".md").read_text("utf-8").splitlines()
        assert len(lines) == len(rows) + 1
    with (folder / "table-4.csv").open(newline="") as file:
        measured = [row for row in csv.DictReader(file) if row["source"] == "measured here"]
    for row in measured:
        check = maxwell(written[0][row["protocol"]])
        assert float(row["number_1"]) == check.numbers[0].value


def verdicts(states: xr.Dataset) -> dict[str, str]:
    section = summary({states.attrs["protocol"]: analyse(states)})
    return {claim.claim.split(": ", 1)[1]: claim.verdict.kind for claim in section.claims}


@pytest.mark.parametrize("protocol", [FixedSphere, FixedELR, FixedLR])
def test_an_ideal_gas_passes_and_a_wrong_one_fails(protocol):
    good = verdicts(gas(protocol))
    assert set(good.values()) == {"holds"}, good
    # Entropy that grows 1.5 times too fast with the radius: off by half, known exactly.
    wrong = verdicts(gas(protocol, slope=1.5))
    failed = [claim for claim, kind in wrong.items() if kind == "fails"]
    assert len(failed) == 1
    assert failed[0].startswith("Maxwell relation (dS")
    # Gradients that are 40% mean and 60% noise: the SDE misses them, the other formulas do not.
    real = gas(protocol)
    real["tr_sigma"] *= 0.6
    real["grad_sq"] += real["tr_sigma"] / 0.6 * 0.4
    real["compressibility"] = real["compressibility"] / 0.6 ** (0.5 if protocol is FixedLR else 1)
    found = verdicts(real)
    assert {claim.split(", ")[0] for claim, kind in found.items() if kind == "fails"} >= {"ideal gas law"}
    by_formula = {claim.split(", ")[1]: kind for claim, kind in found.items() if claim.endswith("formula")}
    assert by_formula == {"SDE formula": "fails", "discrete formula": "holds", "finite-step formula": "holds"}


def test_noise_that_does_not_collapse_fails_and_measurement_error_alone_does_not():
    scattered = gas(FixedELR)
    rng = np.random.default_rng(1)
    scattered["sigma2"] *= np.exp(rng.normal(size=scattered["sigma2"].shape))
    assert verdicts(scattered)["gradient noise depends on elr alone"] == "fails"
    scattered["sigma2_se"] = 2 * scattered["sigma2"]
    # Errors as large as the spread can show nothing, neither for the collapse nor against it.
    assert verdicts(scattered)["gradient noise depends on elr alone"] == "open"


def test_an_error_too_large_to_judge_is_undecided():
    vague = gas(FixedELR)
    for name in ("norm", "tr_sigma"):
        vague[f"{name}_se"] = 0.5 * vague[name]
    assert verdicts(vague)["stationary radius, SDE formula"] == "open"


def test_states_that_allow_no_test_give_a_report_that_says_so(tmp_path):
    few = gas(FixedELR, shape=(5, 1)).drop_vars(
        ["entropy_effective_samples", "effective_wd"], errors="ignore"
    )
    none = spoil(gas(FixedLR, shape=(2, 2)), "too short")
    none["status"] = none["status"].copy(data=np.full((2, 2), "failed"))
    for variable in none.data_vars.values():
        if variable.dtype.kind == "f":
            variable.values[:] = np.nan
    path = write_report({"FixedELR": few, "FixedLR": none}, tmp_path / "deep" / "er" / "r.html", title="Few")
    page = Page(path.read_text("utf-8"))
    assert page.text.count("not tested") >= 5
    assert "expected at least 7 points and 3 values of each variable" in page.text
    assert "not measured" in page.text
    assert not (path.parent / "figures" / "radius-FixedLR.png").exists()
    assert (path.parent / "figures" / "panels-FixedLR.png").exists()


def test_bad_input_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(InputError, match=r"there are no states; expected those of one protocol"):
        write_report({}, tmp_path / "r.html", title="")
    with pytest.raises(InputError, match=r"path is .*; expected a file name ending in \.html"):
        write_report({"FixedLR": gas(FixedLR)}, tmp_path / "report", title="")
    with pytest.raises(InputError, match=r"under the name 'FixedELR' are of FixedLR; expected the same name"):
        write_report({"FixedELR": gas(FixedLR)}, tmp_path / "r.html", title="")
    assert list(tmp_path.iterdir()) == []


def test_table_survives_csv_and_markdown():
    cells = ('a "quoted", cell', "two\nlines | pipe", "−1")
    table = Table("t", "T", ("x", "y", "z"), (cells,))
    assert tuple(next(iter(csv.reader(table.csv().split("\n", 1)[1].splitlines(keepends=True))))) == cells
    assert table.markdown().splitlines()[2] == '| a "quoted", cell | two lines \\| pipe | −1 |'
    assert table.numeric == (False, False, True)


def test_importing_report_imports_neither_matplotlib_nor_torch():
    import subprocess
    import sys

    code = (
        "import sys, json, thermograd.report\n"
        "print(json.dumps([m for m in ('matplotlib', 'torch', 'jinja2') if m in sys.modules]))"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60)
    assert json.loads(found.stdout) == []


def test_template_and_style_are_in_the_package():
    import thermograd.report

    folder = Path(thermograd.report.__file__).parent
    assert {"template.html", "style.css"} <= {path.name for path in folder.iterdir()}
