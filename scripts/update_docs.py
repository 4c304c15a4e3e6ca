"""Copy what a finished `thermograd reproduce` found into the documentation: states, verification, figures.

Usage: python scripts/update_docs.py results/demo digits
"""

import shutil
import sys
from pathlib import Path

from thermograd.files import atomic_write
from thermograd.reproduce import read_states, verify


def main(results: Path, name: str) -> None:
    """Copy the results in one folder to ``docs/results/<name>``."""
    target = Path(__file__).parents[1] / "docs" / "results" / name
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for source in sorted(results.glob("states-*.nc")):
        shutil.copy(source, target)
    for source in sorted((results / "figures").glob("*-Fixed*.png")):
        shutil.copy(source, target)
    atomic_write(target / "verification.txt", verify(read_states(results)).to_text() + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
