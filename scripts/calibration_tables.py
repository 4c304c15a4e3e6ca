"""Tables of the calibration study for docs/entropy.md, which `entropy_docs.py` puts there."""

import csv
import math
from pathlib import Path

from thermograd.report.wording import number, with_error

__all__ = ["independent", "reach", "scatter", "table", "theiler", "walks"]

FOLDER = Path(__file__).parents[1] / "docs" / "results" / "calibration"
DIMS = (2, 9, 29, 99, 999, 9999, 99_999)
SPANS = (10, 100, 1000)
Row = dict[str, str]


def rows(file: str, **wanted: object) -> list[Row]:
    """Those of a file in which all of this stands."""
    with (FOLDER / f"{file}.csv").open() as lines:
        return [
            row
            for row in csv.DictReader(lines)
            if all(row[key] == str(value) for key, value in wanted.items())
        ]


def size(dim: int) -> int:
    """Points of the queues that the tables are of."""
    return 300 if dim > 9999 else 1000


def bias(row: Row) -> str:
    """With its error; a dash if the estimator refused the sample, or one in two or more of its repeats."""
    if not row["bias"] or 2 * int(row["answers"]) <= int(row["repeats"]):
        return "–"
    return with_error(float(row["bias"]), float(row["bias_se"]))


def table(head: list[str], lines: list[list[str]]) -> str:
    """Markdown."""
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *lines])


def columns() -> list[str]:
    """The dimensions, where they head columns."""
    return [str(dim) + (" (300 points)" if size(dim) == 300 else "") for dim in DIMS]


def independent() -> str:
    """Bias of independent points, by dimension."""
    lines = []
    for law, name, estimator in (
        ("uniform", "nearest neighbour, arcs, k = 1", "kl k=1"),
        ("uniform", "the papers' chart, k = 1", "chart k=1"),
        ("uniform", "von Mises-Fisher", "von Mises-Fisher"),
        ("Gaussian", "nearest neighbour, k = 1", "kl k=1"),
        ("Gaussian", "k = 10", "kl k=10"),
        ("Gaussian", "Gaussian", "gaussian"),
    ):
        found = (rows("biases", law=law, estimator=estimator, dim=dim, n=size(dim))[0] for dim in DIMS)
        lines.append([law, name, *map(bias, found)])
    return table(["law", "estimator", *columns()], lines)


def walks() -> str:
    """Bias on correlated queues, by span."""
    lines = []
    for dim in (2, 9, 29, 99):
        for span in SPANS:
            found = rows("biases", law="walk", dim=dim, n=1000, span=span)
            by_name = {row["estimator"]: bias(row) for row in found}
            named = (by_name[name] for name in ("kl k=1", "kl k=1 theiler", "gaussian"))
            lines.append([str(dim), str(span), *named])
    return table(["d − 1", "span", "nearest neighbour, k = 1", "outside a Theiler window", "Gaussian"], lines)


def reach() -> str:
    """From which spacing on slopes are right within 10%, with spans two standard errors about it."""
    names = ("kl k=1", "kl k=10", "chart k=1", "graph k=50")
    lines = []
    for dim in DIMS[:-1]:
        cells = []
        for name in names:
            (row,) = rows("reach", dim=dim, n=1000, estimator=name)
            low, high = (f"{float(row[key]):.0f}" for key in ("span_low", "span_high"))
            cells.append(f"{number(float(row['spacing']), 2)} ({low}–{high})")
        lines.append([str(dim), *cells])
    return table(["d − 1", "k = 1", "k = 10", "the papers' chart, k = 1", "graph, k = 50"], lines)


def theiler() -> str:
    """Slopes outside a Theiler window between spans of 100 and 300, where they are worst."""
    lines = []
    for name, estimator in (("graph, k = 50", "graph k=50"), ("nearest neighbour, k = 1", "kl k=1")):
        cells = []
        for dim in DIMS[:-1]:
            wanted = {"dim": dim, "n": 1000, "estimator": f"{estimator} theiler", "span_low": 100}
            (row,) = rows("slopes", law="sphere walk", **wanted)
            cells.append(with_error(float(row["slope"]), float(row["slope_se"])))
        lines.append([name, *cells])
    return table(["outside a Theiler window", *columns()[:-1]], lines)


def scatter() -> str:
    """Standard deviation over repeats by the error that an estimate claims, of independent points."""
    names = {
        "kl k=1": "nearest neighbour, k = 1",
        "graph k=50": "graph, k = 50",
        "chart k=1": "the papers' chart, k = 1",
        "gaussian": "Gaussian",
        "von Mises-Fisher": "von Mises-Fisher",
    }
    lines = []
    for law in ("uniform", "Gaussian", "von Mises-Fisher"):
        for estimator, name in names.items():
            cells = [
                ratio([row for dim in dims for row in rows("biases", law=law, estimator=estimator, dim=dim)])
                for dims in ((2, 9), (29, 99), (999, 9999))
            ]
            if set(cells) != {"–"}:
                lines.append([law, name, *cells])
    return table(["law", "estimator", "d − 1 = 2, 9", "29, 99", "999, 9999"], lines)


def ratio(found: list[Row]) -> str:
    """Root mean square of scatter over claim, each case weighed by its repeats, with its error."""
    parts = [
        (int(row["answers"]) - 1, float(row["sd"]) / float(row["se"]))
        for row in found
        if row["sd"] and float(row["se"] or 0) > 0 and 2 * int(row["answers"]) > int(row["repeats"])
    ]
    freedom = sum(weight for weight, _ in parts)
    if not freedom:
        return "–"
    value = math.sqrt(sum(weight * one**2 for weight, one in parts) / freedom)
    return with_error(value, value / math.sqrt(2 * freedom))
