"""The calibration study: every estimator on samples of laws whose entropy is known, case by case.

A case is a law, a sample size and a number of repeats. It depends on nothing but itself and the seed, and is
kept in a file of its own, so that a study that was stopped goes on where it was and ends with the same
numbers.
Walks of different spacing, and laws of different temperature, are driven by the same random numbers: their
differences are known better than they are.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from thermograd.entropy.calibration.laws import Gaussian, Law, UniformSphere, VonMisesFisher
from thermograd.entropy.calibration.walks import SphereWalk, Walk
from thermograd.entropy.estimate import EntropyEstimate
from thermograd.entropy.gaussian import gaussian
from thermograd.entropy.gaussian_tangent import gaussian_tangent
from thermograd.entropy.knn_graph import knn_graph
from thermograd.entropy.kozachenko_leonenko import kozachenko_leonenko
from thermograd.entropy.theiler import suggest_theiler
from thermograd.entropy.von_mises_fisher import von_mises_fisher
from thermograd.errors import InputError
from thermograd.files import atomic_write

__all__ = ["Case", "full_study", "load_record", "quick_study", "readings", "run_case"]

VERSION = 3
"""Raised when a change alters the numbers: files of an older version are made again."""

Reading = Callable[[Any], EntropyEstimate]


@dataclass(frozen=True)
class Case:
    """One law, sampled ``repeats`` times with ``n`` points each.

    Examples
    --------
    >>> Case(Walk(2, 0.05), 1000, 30).key
    'walk-dim2-parameter1-spacing0.05-n1000'

    """

    law: Law
    n: int
    repeats: int

    @property
    def key(self) -> str:
        """Name of its file."""
        law = self.law
        family = law.name.replace(" ", "-").lower()
        return f"{family}-dim{law.dim}-parameter{law.parameter:.6g}-spacing{law.spacing:.6g}-n{self.n}"

    @property
    def span(self) -> float:
        """Correlation times in the sample: infinite for independent points."""
        return self.n * self.law.spacing

    def samples(self, seed: int) -> list[np.random.Generator]:
        """One generator a repeat: the same for all temperatures and spacings of a family."""
        family = zlib.crc32(f"{self.law.name} {self.law.dim} {self.n}".encode())
        return [np.random.default_rng([seed, family, repeat]) for repeat in range(self.repeats)]


def readings(case: Case) -> dict[str, Reading]:
    """The estimators that the sample of a case is given to, by name.

    Parameters
    ----------
    case
        On the sphere the nearest neighbours are those along arcs, and in the papers' chart beside; for walks
        also those outside the Theiler window that the sample itself suggests.

    Examples
    --------
    >>> list(readings(Case(Gaussian(2), 100, 1)))
    ['kl k=1', 'kl k=3', 'kl k=10', 'graph k=50', 'gaussian']

    """
    law = case.law
    manifold: Any = "geodesic" if law.on_sphere else "euclidean"
    found: dict[str, Reading] = {}
    for k in (1, 3, 10):
        found[f"kl k={k}"] = partial(kozachenko_leonenko, k=k, manifold=manifold)
    if law.on_sphere:
        for k in (1, 3, 10):
            found[f"chart k={k}"] = partial(kozachenko_leonenko, k=k, manifold="sphere")
    found["graph k=50"] = partial(knn_graph, k=50, dimension=law.dim)
    if math.isfinite(law.spacing):
        outside: dict[str, Reading] = {
            "kl k=1 theiler": partial(kozachenko_leonenko, manifold=manifold),
            "graph k=50 theiler": found["graph k=50"],
        }
        found |= {name: partial(_outside_window, read) for name, read in outside.items()}
    found["gaussian"] = gaussian_tangent if law.on_sphere else gaussian
    if law.on_sphere:
        found["von Mises-Fisher"] = von_mises_fisher
    return found


def _outside_window(read: Callable[..., EntropyEstimate], x: Any) -> EntropyEstimate:
    return read(x, theiler=suggest_theiler(x))


def run_case(case: Case, folder: Path, seed: int) -> Path:
    """Draw the samples of a case, read their entropy with every estimator, and keep all of it in one file.

    Parameters
    ----------
    case
        What to do.
    folder
        Where its file goes; a file that answers the same question stands.
    seed
        Of the study.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InputError
        If the folder cannot be written.

    """
    path = folder / f"{case.key}.json"
    if load_record(path, case, seed) is not None:
        return path
    asked = readings(case)
    table: dict[str, dict[str, Any]] = {
        name: {"entropy": [], "se": [], "n_effective": [], "absolute": True, "refused": ""} for name in asked
    }
    for rng in case.samples(seed):
        x = case.law.draw(case.n, rng)
        for name, read in asked.items():
            _note(table[name], read, x)
    record = _question(case, seed) | {"entropy": case.law.entropy, "readings": table}
    atomic_write(path, json.dumps(record) + "\n")
    return path


def _note(column: dict[str, Any], read: Reading, x: Any) -> None:
    try:
        estimate = read(x)
    except InputError as error:  # an estimator that says no has said something worth a row
        column["refused"] = str(error)
        for name in ("entropy", "se", "n_effective"):
            column[name].append(None)
        return
    column["absolute"] = estimate.absolute
    for name in ("entropy", "se", "n_effective"):
        value = float(getattr(estimate, name))
        column[name].append(value if math.isfinite(value) else None)


def _question(case: Case, seed: int) -> dict[str, Any]:
    law = case.law
    numbers = {"parameter": law.parameter, "spacing": law.spacing}
    return {
        "version": VERSION,
        "law": law.name,
        "dim": law.dim,
        **{name: value if math.isfinite(value) else None for name, value in numbers.items()},
        "n": case.n,
        "repeats": case.repeats,
        "seed": seed,
    }


def load_record(path: Path, case: Case, seed: int) -> Mapping[str, Any] | None:
    """What is known of a case, or None where its file is missing, torn or of another study.

    Parameters
    ----------
    path
        The file.
    case, seed
        The question that it must answer.

    """
    try:
        record = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    asked = _question(case, seed)
    if not isinstance(record, dict) or any(record.get(name) != value for name, value in asked.items()):
        return None
    return record if _whole(record, case) else None


def _whole(record: dict[str, Any], case: Case) -> bool:
    """Whether the readings are those of the case, each column with a number, or None, for every sample."""
    columns = record.get("readings")
    if not _is_number(record.get("entropy")) or not isinstance(columns, dict):
        return False
    if list(columns) != list(readings(case)):
        return False
    return all(
        isinstance(column, dict)
        and isinstance(column.get("absolute"), bool)
        and isinstance(column.get("refused"), str)
        and all(_is_column(column.get(name), case.repeats) for name in ("entropy", "se", "n_effective"))
        for column in columns.values()
    )


def _is_column(values: object, repeats: int) -> bool:
    return (
        isinstance(values, list)
        and len(values) == repeats
        and all(value is None or _is_number(value) for value in values)
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


_SPANS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10000.0)
_DIMENSIONS = (3, 10, 30, 100, 1000, 10_000, 100_000)  # d; the sphere has one less
_WARM = 0.1  # dim times the temperature of the hottest walk


def full_study() -> list[Case]:
    """All cases: d from 3 to 1e5, 100 to 4000 points, spans of 1 to 10 000 correlation times."""
    cases = []
    for d in _DIMENSIONS:
        m = d - 1
        for n in _sizes(d):
            cases += [Case(law, n, _repeats(d, n)) for law in (UniformSphere(m), Gaussian(m))]
        cases += _families(d, 1000 if d < 100_000 else 300, _SPANS if d < 100_000 else _SPANS[::2])
        if d in (3, 10, 100):
            cases += [Case(Walk(m, span / 100), 100, _repeats(d, 100)) for span in _SPANS[:7:2]]
            cases += [Case(Walk(m, span / 4000), 4000, _repeats(d, 4000)) for span in (100.0, 1000.0)]
    return cases


def quick_study() -> list[Case]:
    """The same questions to small samples: seconds instead of minutes, and error bars to match."""
    cases = []
    for d in (3, 10, 100, 1000):
        m = d - 1
        for n in (100, 300):
            cases += [Case(law, n, _few(d, n)) for law in (UniformSphere(m), Gaussian(m))]
        cases += [Case(case.law, case.n, _few(d, 300)) for case in _families(d, 300, _SPANS[2:7])]
    return cases


def _few(d: int, n: int) -> int:
    return min(10, _repeats(d, n))


def _sizes(d: int) -> Sequence[int]:
    if d <= 100:
        return (100, 300, 1000, 4000)
    return (100, 1000) if d <= 10_000 else (100, 300)


def _families(d: int, n: int, spans: Sequence[float]) -> list[Case]:
    """Everything with a parameter, at one sample size."""
    m, repeats = d - 1, _repeats(d, n)
    cases = [Case(VonMisesFisher(m, heat / m), n, repeats) for heat in (0.01, 1.0, 10.0)]
    for span in spans:
        spacing = span / n
        # As SGD at a rising ELR, looked at every so many steps: temperature and spacing rise together.
        cases.append(Case(SphereWalk(m, _WARM * span / _SPANS[-1] / m, spacing), n, repeats))
        if d <= 100 and span in _SPANS[::2]:
            cases.append(Case(Walk(m, spacing), n, repeats))
    return cases


def _repeats(d: int, n: int) -> int:
    """As many as time allows: repeats gain little where the bias is a thousand spreads."""
    few = 32 if d <= 10 else 12 if d <= 100 else 8 if d <= 1000 else 4 if d <= 10_000 else 2
    return max(4, few // 4) if n > 1000 else int(few * min(2.0, math.sqrt(1000 / n)))
