from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import numpy as np
import pytest

from thermograd.analysis import TABLE_4, csv_text, markdown, table4
from thermograd.protocol import FixedELR, FixedLR

SCIENCE = Path(__file__).resolve().parents[2] / "shared" / "science.md"


@pytest.fixture
def rows(make_states):
    rng = np.random.default_rng(17)
    elr = FixedELR.grid(elr=np.geomspace(1e-4, 1e-2, 5), wd=np.geomspace(1e-3, 1e-1, 4))
    few = FixedLR.grid(lr=[0.1, 0.2], wd=[0.1, 0.2])
    measured = {"gas | 5 x 4": make_states(elr, rng, noise=0.02), "tiny": make_states(few)}
    return table4(measured)


def test_ours_stand_beside_the_published(rows):
    assert [row.source for row in rows] == (["measured here"] + ["IG table 4"] * 4) * 2
    ours = rows[0]
    assert (ours.n, ours.left_out) == (20, 0)
    assert abs(ours.numbers[0] + 1) < 5 * ours.errors[0] < 0.5
    assert "no fit: Maxwell relation at FixedLR: quadratic fit: 4 distinct points" in rows[5].note


def test_markdown_is_one_table_a_protocol(rows):
    text = markdown(rows)
    tables = text.strip().split("\n\n")
    assert [len(table.splitlines()) for table in tables] == [7, 7]
    for table in tables:
        cells = {len(re.split(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert cells == {12}
    assert "| 0.9894 | 1.075 | 0.00008 | -0.008 | – | 5.6% |" in text
    assert "gas \\| 5 x 4" in text
    assert (
        "| ConvNet, CIFAR-100 | IG table 4 | 0.8412 | 0.659 | -0.047 | 0.0007 | – | 23.3% | 12.3% | – |"
        in text
    )
    assert re.search(r"measured here \| 0\.\d{4} \| -\d\.\d{4} ± 0\.\d+ \|", text)


def test_csv_keeps_every_digit(rows):
    read = list(csv.DictReader(io.StringIO(csv_text(rows))))
    assert float(read[0]["number_1"]) == rows[0].numbers[0]
    assert read[1]["number_1_se"] == ""
    assert read[5]["r_squared"] == ""
    assert read[5]["note"].startswith("no fit")
    assert len(read) == len(rows)


@pytest.mark.skipif(not SCIENCE.exists(), reason=f"{SCIENCE} is not there to compare with")
def test_the_published_numbers_are_those_of_the_notes():
    """Every digit against the table in the science notes, read independently."""
    lines = [line for line in SCIENCE.read_text().splitlines() if line.startswith(("| ELR:", "| LR:"))]
    assert len(lines) == 2
    for line, protocol in zip(lines, ("FixedELR", "FixedLR"), strict=True):
        cells = [cell.strip() for cell in line.strip("|").split("|")][1:]
        mine = [entry for entry in TABLE_4 if entry.protocol == protocol]
        for cell, entry in zip(cells, mine, strict=True):
            r2, a, b, c, worst = (float(v.strip().rstrip("%")) for v in cell.split(";"))
            assert (entry.r_squared, *entry.numbers) == (r2, a, b, c)
            assert entry.max_error == pytest.approx(worst / 100)
