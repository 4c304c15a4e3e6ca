"""The page that walks through every claim shows what is kept in results/small, all of it."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

pytest.importorskip("PIL")

ROOT = Path(__file__).parents[1]


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    source = importlib.util.spec_from_file_location("small_results", ROOT / "scripts" / "small_results.py")
    module = importlib.util.module_from_spec(source)
    source.loader.exec_module(module)
    return module


def test_every_claim_has_its_place_on_the_page(script):
    page = script.PAGE.read_text()
    assert script.filled(page) == page
    assert sum(len(claims) for claims in script.topics().values()) > 80


def test_a_claim_without_a_place_stops_the_script(script, tmp_path, monkeypatch):
    monkeypatch.setattr(script, "KEPT", tmp_path)
    (tmp_path / "setup").mkdir()
    (tmp_path / "setup" / "claims.json").write_text('[{"claim": "something new"}]')
    with pytest.raises(SystemExit, match=r"'something new' belongs to \[\]; expected one topic"):
        script.topics()


def test_what_is_kept_stays_until_a_run_takes_its_place(script, tmp_path, monkeypatch):
    kept = tmp_path / "kept"
    (kept / "setup").mkdir(parents=True)
    monkeypatch.setattr(script, "KEPT", kept)
    for wrong in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(SystemExit, match="expected the folder of a finished run"):
            script.main([str(wrong)])
    assert (kept / "setup").is_dir()


def test_the_page_shows_only_pictures_that_are_kept(script):
    shown = re.findall(r"\]\((results/small/[^)]+)\)", script.PAGE.read_text())
    assert shown
    for name in shown:
        assert (ROOT / name).exists(), name
