"""The page on entropy shows what the files in the repository hold: benchmarks and the calibration study."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPTS)
    source = importlib.util.spec_from_file_location("entropy_docs", SCRIPTS / "entropy_docs.py")
    module = importlib.util.module_from_spec(source)
    source.loader.exec_module(module)
    return module


def test_every_table_is_that_of_the_files(script):
    page = script.PAGE.read_text()
    assert script.filled(page, script.READ) == page


def test_the_study_goes_up_to_a_hundred_thousand_dimensions(script):
    assert "| 99999 (300 points) |" in script.READ["independent"]()


def test_a_part_without_a_place_is_an_error(script):
    with pytest.raises(SystemExit, match="has no <!-- begin walks -->"):
        script.filled("no such place", {"walks": script.READ["walks"]})
