"""Copy what a finished `thermograd reproduce` found into the documentation: states, verdicts, figures.

Usage: python scripts/update_docs.py results/isotropic isotropic
       python scripts/update_docs.py results/toy toy
"""

import shutil
import sys
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs" / "results"


def main(results: Path, name: str) -> None:
    """Copy the results in one folder to ``docs/results/<name>``."""
    target = DOCS / name
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    if name == "isotropic":
        for part in ("published", "settled"):
            copy(results / part, target / part, "*.png")
    else:
        copy(results, target, "*.png")


def copy(results: Path, target: Path, figures: str) -> None:
    """States, figures and tables of one report."""
    target.mkdir(exist_ok=True)
    for folder, pattern in ((".", "states-*.nc"), ("figures", figures), ("tables", "*.md")):
        for source in sorted((results / folder).glob(pattern)):
            shutil.copy(source, target)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
