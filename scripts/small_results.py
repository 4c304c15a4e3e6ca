"""Keep what `thermograd reproduce all --scale small` found: results/small/, and the tables of docs/claims.md.

Usage: python scripts/small_results.py OUT    copy from a finished run's folder, then fill in the page
       python scripts/small_results.py        fill in the page from results/small/ alone

Kept of each setup: plan, stationary states, claims, verification, tables, and figures as PNG with 256
colours. ``environment.json`` says on what it ran. Between ``<!-- begin NAME -->`` and ``<!-- end NAME -->``
the page gets every claim whose words match the pattern of that name, long ones cut short; a claim that no
pattern matches, or more than one, is an error: nothing is left out because it does not fit.
"""

import json
import os
import platform
import re
import shutil
import sys
from importlib.metadata import version
from pathlib import Path

import xarray as xr
from markers import fill
from PIL import Image

from thermograd.files import atomic_write

ROOT = Path(__file__).parents[1]
KEPT, PAGE = ROOT / "results" / "small", ROOT / "docs" / "claims.md"
FILES = ("plan.json", "claims.json", "verification.txt", "states-*.nc", "tables/*.md", "figures/*.png")
PARTS = ("", "adiabat/*/")
_CELL = 420  # characters

TOPICS = {
    "v1": r"V1, where|finite steps, median|the SDE falls short",
    "v2": r"\(V2\)",
    "v3": r"Maxwell",
    "v4": r"\(V4\)",
    "collapse": r"sigma2 depends on|collapse of sigma2",
    "temperature": r"T rises with the learning rate",
    "real-gas": r"real gas",
    "appendix-h": r"^over-parameterised: ",
    "parameterisation": r" is (over|under)-parameterised",
    "regimes": r"training goes through",
    "monotonic": r"loss and entropy rise",
    "free-energy": r"A temperature exists|grows with the ELR as a power law",
    "estimators": r"does not depend on the estimator|stationary law and not the volume",
    "vanishing-temperature": r"temperature falls towards 0",
    "gradients": r"settle above 0|vanish together",
    "exponents": r"\|\^a",
    "bridge": r"temperature of free-energy minimisation is that",
    "batch-size": r"gradient noise falls as|falls with B as|rate per image|rate / B",
}


def keep(out: Path) -> None:
    """Copy every setup of a finished run, in the place of what was kept before."""
    setups = sorted({file.parent for name in FILES[:2] for file in out.glob(f"*/{name}")})
    if not setups or not (out / "claims.md").exists():
        sys.exit(f"OUT is {str(out)!r}; expected the folder of a finished run, with claims.md and its setups")
    shutil.rmtree(KEPT, ignore_errors=True)
    for setup in setups:
        for part in PARTS:
            for pattern in FILES:
                for source in sorted(setup.glob(part + pattern)):
                    if part and source.parent != latest(setup):
                        continue
                    target = KEPT / source.relative_to(out)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    copy_picture(source, target) if source.suffix == ".png" else shutil.copy(source, target)
    shutil.copy(out / "claims.md", KEPT)
    atomic_write(KEPT / "environment.json", json.dumps(environment(out), indent=1) + "\n")


def latest(setup: Path) -> Path:
    """The sweep along the adiabats that the present states gave; curves of older states lie beside it."""
    return max(setup.glob("adiabat/*/plan.json"), key=lambda plan: plan.stat().st_mtime).parent


def copy_picture(source: Path, target: Path) -> None:
    """With 256 colours: two or three times smaller, and to the eye the same."""
    Image.open(source).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(target, optimize=True)


def environment(out: Path) -> dict[str, object]:
    """What ran where: of the runs as they recorded it, and of this machine."""
    old = {plan.parent for plan in out.glob("*/adiabat/*/plan.json")}
    old -= {latest(setup.parent) for setup in out.glob("*/adiabat")}
    runs = sorted(run for run in out.glob("**/runs/*.nc") if run.parents[1] not in old)
    seconds, recorded = 0.0, {}
    for path in runs:
        with xr.open_dataset(path) as run:
            seconds += float(run.attrs["wall_time_s"])
            for name in ("torch_version", "numpy_version", "python_version", "device", "numerics_version"):
                recorded.setdefault(name, set()).add(str(run.attrs[name]))
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return {
        "command": "thermograd reproduce all --scale small --data <5 000 + 1 000 images of CIFAR-10>",
        "runs": len(runs),
        "core_hours": round(seconds / 3600, 2),
        "cpu": cpu[0] if cpu else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": platform.platform(),
        **{name: ", ".join(sorted(values)) for name, values in recorded.items()},
        **{name: version(name) for name in ("thermograd", "xarray", "scipy", "numba")},
    }


def topics() -> dict[str, list[tuple[str, dict[str, str]]]]:
    """Every claim of every setup by topic."""
    found: dict[str, list[tuple[str, dict[str, str]]]] = {name: [] for name in TOPICS}
    for path in sorted(KEPT.glob("*/claims.json")):
        for claim in json.loads(path.read_text()):
            names = [name for name, pattern in TOPICS.items() if re.search(pattern, claim["claim"])]
            if len(names) != 1:
                sys.exit(f"{path.parent.name}: {claim['claim']!r} belongs to {names}; expected one topic")
            found[names[0]].append((path.parent.name, claim))
    return found


def table(claims: list[tuple[str, dict[str, str]]]) -> str:
    """Markdown: setup and claim, what was measured, verdict and why."""
    lines = ["| setup | claim | measured | verdict |", "| --- | --- | --- | --- |"]
    for setup, claim in claims:
        words = re.sub(r": [^:]*\d\) on [\w-]+$", "", claim["claim"])
        cells = (
            setup,
            words,
            cut(claim["measured"]) or "–",
            f"**{claim['verdict']}**: {cut(claim['reason'])}",
        )
        lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
    return "\n".join(lines)


def cut(words: str) -> str:
    """As much as a cell can hold; results/small/claims.md has all of it."""
    return words if len(words) <= _CELL else words[:_CELL].rsplit(" ", 1)[0] + " …"


def counts(found: dict[str, list[tuple[str, dict[str, str]]]]) -> str:
    """How many claims of each topic agree, differ, cannot be told."""
    words = ("agrees", "differs", "not testable")
    lines = ["| | " + " | ".join(words) + " |", "| --- |" + " ---: |" * len(words)]
    for name, claims in found.items():
        if claims:
            numbers = [sum(claim["verdict"] == word for _, claim in claims) for word in words]
            lines.append(f"| [{name}](#{name}) | " + " | ".join(map(str, numbers)) + " |")
    return "\n".join(lines)


def environment_words() -> str:
    """The environment as a table."""
    content = json.loads((KEPT / "environment.json").read_text())
    rows = [f"| {name.replace('_', ' ')} | {value} |" for name, value in content.items()]
    return "\n".join(["| | |", "| --- | --- |", *rows])


def filled(page: str) -> str:
    """The page with every table as results/small/ has it; a topic without claims says so."""
    found = topics()
    page = fill(page, "counts", counts(found), PAGE)
    page = fill(page, "environment", environment_words(), PAGE)
    for name, claims in found.items():
        page = fill(page, name, table(claims) if claims else "No claim of these runs.", PAGE)
    return page


def main(arguments: list[str]) -> None:
    """Keep a run's results if one is named, and fill in the page."""
    if arguments:
        keep(Path(arguments[0]))
    atomic_write(PAGE, filled(PAGE.read_text()))


if __name__ == "__main__":
    main(sys.argv[1:])
