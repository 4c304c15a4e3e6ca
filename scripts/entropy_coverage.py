"""How often one standard error holds: every error bar against the scatter of its estimator, on walks too.

Usage: python scripts/entropy_coverage.py [--repeats 300] [--output FILE]

Gaussian points, independent or of an Ornstein-Uhlenbeck walk that is worth so many independent ones. The
intervals are asked to hold the mean of the estimator: bias is another matter. Five minutes on one core; a
case that the output holds with as many repeats is not run again (delete the file to begin anew).
"""

import argparse
import json
import math
from pathlib import Path

import numpy as np
from scipy.signal import lfilter

from thermograd.entropy import knn_graph, kozachenko_leonenko, kozachenko_leonenko_many
from thermograd.files import atomic_write

CASES = ((100, 100), (300, 30), (1000, 30), (1000, 15), (1000, 8), (1000, 3))
DIMS = (2, 3, 10)
READINGS = {
    "k = 1": lambda x: kozachenko_leonenko(x),
    "k = 3": lambda x: kozachenko_leonenko(x, 3),
    "graph, k = 5": lambda x: knn_graph(x, 5, x.shape[1]),
    "graph, k = 50": lambda x: knn_graph(x, 50, x.shape[1]),
}
RESULTS = Path(__file__).parents[1] / "benchmarks" / "results" / "entropy_coverage.json"


def walks(repeats: int, n: int, m: int, independent: float, rng: np.random.Generator) -> np.ndarray:
    """Stationary, of unit variance and time (1 + rho) / (1 - rho), shape (repeats, n, m)."""
    rho = (n / independent - 1) / (n / independent + 1)
    shocks = math.sqrt(1 - rho**2) * rng.standard_normal((repeats, n, m))
    shocks[:, 0] /= math.sqrt(1 - rho**2)
    return np.asarray(lfilter([1.0], [1.0, -rho], shocks, axis=1))


def told(values: np.ndarray, errors: np.ndarray) -> dict[str, float]:
    """Share of intervals that hold the mean, and the scatter over the root mean square of the claims."""
    return {
        "covered": float(np.mean(np.abs(values - values.mean()) < errors)),
        "scatter_over_claim": float(values.std(ddof=1) / np.sqrt(np.mean(errors**2))),
    }


def main() -> None:
    """Measure all cases."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=300)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    done = json.loads(options.output.read_text()) if options.output.exists() else []
    known = {
        (row["n"], row["independent"], row["d"]): row for row in done if row["repeats"] == options.repeats
    }
    rows = []
    for n, independent in CASES:
        for m in DIMS:
            if (n, independent, m) in known:
                rows.append(known[n, independent, m])
                continue
            x = walks(options.repeats, n, m, independent, np.random.default_rng([n, independent, m]))
            row: dict[str, object] = {"n": n, "independent": independent, "d": m, "repeats": options.repeats}
            for name, read in READINGS.items():
                found = [read(sample) for sample in x]
                row[name] = told(np.array([f.entropy for f in found]), np.array([f.se for f in found]))
            many = kozachenko_leonenko_many(x)
            row["many"] = told(many.entropy, many.se)
            rows.append(row)
            print(json.dumps(row), flush=True)
            atomic_write(options.output, json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
