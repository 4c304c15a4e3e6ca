"""What the README shows works as it stands there."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"


def test_the_python_example_runs(capsys):
    pytest.importorskip("torch")
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert "steps=4_000" in example
    exec(example.replace("steps=4_000", "steps=60, anneal=0, settle=0"), {})
    printed = capsys.readouterr().out
    assert "temperature=" in printed
    assert "±" in printed


def test_every_file_that_it_links_to_exists():
    links = re.findall(r"\]\(([^)#]+)\)", README.read_text())
    assert links
    for link in links:
        assert (README.parent / link).exists(), link
