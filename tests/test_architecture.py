"""The rooms keep to the rule: lower imports higher, never the reverse, and the core stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "thermograd"
FOUNDATION = {"errors", "extras", "files", "state_file", "interrupt", "memory", "protocol", "autocorrelation"}
MAY_IMPORT = {
    "errors": set(),
    "extras": {"errors"},
    "files": {"errors"},
    "state_file": {"errors", "files"},
    "interrupt": set(),
    "memory": {"errors"},
    "protocol": {"errors"},
    "autocorrelation": {"errors"},
    "theory": FOUNDATION,
    "states": FOUNDATION | {"theory"},
    "entropy": FOUNDATION | {"theory"},
    "simulate": FOUNDATION | {"theory", "states", "entropy"},
    "data": FOUNDATION,
    "nets": FOUNDATION,
    "optim": FOUNDATION,
    "noise": FOUNDATION,
    "training": FOUNDATION | {"theory", "states", "entropy", "data", "nets", "optim", "noise"},
    "sweep": FOUNDATION | {"states", "training", "data"},
    "analysis": FOUNDATION | {"theory", "states"},
    "figures": FOUNDATION | {"theory", "states", "analysis"},
    "report": FOUNDATION | {"theory", "states", "analysis", "figures"},
    "reproduce": FOUNDATION | {"states", "simulate", "analysis", "sweep", "training", "data", "report"},
}
HEAVY = ("torch", "matplotlib", "plotly", "ray", "jinja2", "tqdm", "pooch", "numba")


def _room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _imports(path: Path) -> set[str]:
    """Every module that a file imports, inside functions and for type checking too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_what_lies_below_it(room):
    files = [path for path in PACKAGE.rglob("*.py") if _room(path) == room]
    assert files, room
    for path in files:
        for module in _imports(path):
            parts = module.split(".")
            if parts[0] == "thermograd" and len(parts) > 1 and (PACKAGE / parts[1]).exists():
                assert parts[1] in MAY_IMPORT[room] | {room}, f"{path.name} imports {module}"


def test_every_room_has_its_rule():
    rooms = {_room(path) for path in PACKAGE.rglob("*.py")} - {"__init__", "__main__", "cli"}
    assert rooms == set(MAY_IMPORT)


@pytest.mark.parametrize("room", ["theory", "states", "analysis"])
def test_theory_states_and_analysis_never_mention_torch(room):
    for path in PACKAGE.glob(f"{room}/**/*.py"):
        assert not any(module.split(".")[0] == "torch" for module in _imports(path)), path


@pytest.mark.parametrize(
    "statement",
    [
        "import thermograd",
        "import thermograd.cli",
        "import thermograd.theory, thermograd.states, thermograd.analysis, thermograd.entropy",
        "import thermograd.simulate",
        "import thermograd.training.spec, thermograd.sweep, thermograd.reproduce, thermograd.figures",
    ],
)
def test_importing_stays_light(statement):
    code = f"{statement}\nimport sys; print([m for m in {HEAVY!r} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_every_public_name_can_be_had():
    import thermograd

    assert len(thermograd.__all__) <= 40
    for name in thermograd.__all__:
        assert getattr(thermograd, name) is not None
