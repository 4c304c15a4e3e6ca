"""``thermograd entropy``: the entropy of a sample of points in a file, and how far to believe it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from thermograd.cli.options import json_option, print_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from thermograd.entropy import EntropyEstimate, QueueDiagnostics

__all__ = ["entropy"]

_TAKES = {
    "kozachenko-leonenko": {"manifold", "k", "theiler"},
    "knn-graph": {"k", "theiler", "dimension"},
    "gaussian": set[str](),
    "gaussian-tangent": set[str](),
    "von-mises-fisher": set[str](),
    "recommended": set[str](),
}
_COVARIANCE = ("gaussian", "gaussian-tangent")
_ALIKE = ("above the uniform law", "coincide", "too few to fill")  # what is said once is enough


class IntegerOr(click.ParamType[int | str]):
    """A whole number of at least ``least``, or one word."""

    name = "integer"

    def __init__(self, word: str, least: int) -> None:
        self.word, self.least = word, least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        """The number that the text stands for, or the word."""
        if value == self.word:
            return self.word
        try:
            number = int(str(value))
        except ValueError:
            number = self.least - 1
        if number < self.least:
            self.fail(f"{value!r} is no integer of at least {self.least}, nor {self.word!r}", param, ctx)
        return number


@click.command("entropy")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--estimator",
    type=click.Choice(list(_TAKES)),
    default="kozachenko-leonenko",
    show_default=True,
    help="recommended: what calibration shows to be right for so many directions in so many dimensions.",
)
@click.option(
    "--manifold",
    type=click.Choice(["euclidean", "sphere", "geodesic"]),
    help="Of kozachenko-leonenko: coordinates as they are (default), the papers' angles, or arcs.",
)
@click.option(
    "--k",
    type=IntegerOr("recommended", 1),
    metavar="INTEGER|recommended",
    help="Which neighbour (default 1), or how many of a graph (default 50).",
)
@click.option(
    "--theiler",
    type=IntegerOr("auto", 0),
    metavar="INTEGER|auto",
    help="Rows no farther apart than this are no neighbours (default 0); auto: twice the correlation time.",
)
@click.option(
    "--dimension", type=click.IntRange(1), help="Of the surface, for knn-graph; default: columns - 1."
)
@click.option("--normalise", is_flag=True, help="Divide every row by its norm first, in float64.")
@click.option(
    "--diagnostics/--no-diagnostics",
    default=True,
    help="Autocorrelation and neighbours in time; takes about as long as the entropy.",
)
@json_option
def entropy(
    file: Path, estimator: str, normalise: bool, diagnostics: bool, json_: bool, **settings: Any
) -> None:
    """Entropy of the law that the rows of FILE, a .npy array in time order, were drawn from.

    FILE is read a few columns or rows at a time and may be larger than memory.
    """
    from thermograd.cli.spoken import spoken
    from thermograd.entropy.normalised import normalised
    from thermograd.entropy.points_file import open_points
    from thermograd.entropy.queues.budget import check_fits
    from thermograd.errors import InputError

    given = {name: value for name, value in settings.items() if value is not None}
    if extra := sorted(set(given) - _TAKES[estimator]):
        takes = " and ".join(f"--{name}" for name in sorted(_TAKES[estimator])) or "no such option"
        raise InputError(f"--{extra[0]} is {given[extra[0]]}; expected {takes} with --estimator {estimator}")
    points = open_points(file)
    n, columns = points.shape
    check_fits(str(file), n, columns, points.nbytes, covariance=estimator in _COVARIANCE)
    size = f"{n} x {columns}"
    told: QueueDiagnostics | None = None
    with ExitStack() as stack:
        with spoken(f"directions of {size}"):
            sample = stack.enter_context(normalised(points, normalise, str(file)))
        chosen: dict[str, Any] = {}
        if estimator == "recommended" or given.get("k") == "recommended":
            with spoken(f"diagnostics of {size}"):
                told = _told(sample)
        with spoken(f"entropy of {size}"):
            if estimator == "recommended":
                estimate, chosen = _recommended(sample, told)
            else:
                estimate = _estimate(sample, estimator, _settled(sample, estimator, given, told))
        found = {}
        if diagnostics and n >= 4:
            with spoken(f"diagnostics of {size}"):
                found = _diagnostics(sample, told)
    answer = {**asdict(estimate), **chosen}
    warnings = _once([*estimate.warnings], found.pop("warnings", ()))
    if json_:
        print_json({**answer, "warnings": warnings, "diagnostics": found})
    else:
        click.echo("\n".join(_lines(estimate, warnings, found, chosen)))


def _once(warnings: list[str], more: tuple[str, ...]) -> list[str]:
    for text in more:
        alike = any(words in text and any(words in other for other in warnings) for words in _ALIKE)
        if text not in warnings and not alike:
            warnings.append(text)
    return warnings


def _told(sample: NDArray[np.floating[Any]]) -> QueueDiagnostics:
    import numpy as np

    from thermograd.entropy import diagnose

    return diagnose(sample, rng=np.random.default_rng(0))


def _recommended(
    sample: NDArray[np.floating[Any]], told: QueueDiagnostics | None
) -> tuple[EntropyEstimate, dict[str, Any]]:
    from thermograd.entropy import recommend

    assert told is not None
    # The estimators have seen more of the sample than its length: one may refuse, and the next is taken.
    chosen, estimate = recommend(told.n, told.dim, told.independent).first_answer(sample)
    return estimate, {"reason": chosen.reason, "read_as_entropy": chosen.absolute}


def _settled(
    sample: NDArray[np.floating[Any]], estimator: str, given: dict[str, Any], told: QueueDiagnostics | None
) -> dict[str, Any]:
    """The settings, with words replaced by the numbers that they stand for."""
    from thermograd.entropy import recommend, suggest_theiler

    settings = dict(given)
    if told is not None:
        neighbour = recommend(told.n, told.dim, told.independent).settings.get("k", 1)
        settings["k"] = 50 if estimator == "knn-graph" else neighbour
    if settings.get("theiler") == "auto":
        settings["theiler"] = suggest_theiler(sample)
    return settings


def _estimate(sample: NDArray[np.floating[Any]], estimator: str, settings: dict[str, Any]) -> EntropyEstimate:
    from thermograd.entropy import (
        gaussian,
        gaussian_tangent,
        knn_graph,
        kozachenko_leonenko,
        von_mises_fisher,
    )

    calls: dict[str, Any] = {
        "kozachenko-leonenko": kozachenko_leonenko,
        "knn-graph": knn_graph,
        "gaussian": gaussian,
        "gaussian-tangent": gaussian_tangent,
        "von-mises-fisher": von_mises_fisher,
    }
    found: EntropyEstimate = calls[estimator](sample, **settings)
    return found


def _diagnostics(sample: NDArray[np.floating[Any]], told: QueueDiagnostics | None) -> dict[str, Any]:
    import numpy as np

    from thermograd.entropy import displacement
    from thermograd.entropy.correlation import correlation_time
    from thermograd.entropy.neighbours.nearest import nearest_neighbours

    names = {
        "time_directions": "autocorrelation_time",
        "n_effective": "n_effective",
        "adjacent_1": "adjacent_in_time",
        "median_distance": "median_distance",
    }
    if told is not None or _on_sphere(sample):
        told = told or _told(sample)
        known = {new: getattr(told, old) for old, new in names.items()}
        moved, warnings = told.displacement, told.warnings
        known |= {"uniform_entropy": told.uniform_entropy, "chord_entropy": told.entropy}
    else:
        n = len(sample)
        neighbours = nearest_neighbours(sample)
        lag = np.abs(neighbours.index[:, 0] - np.arange(n))
        time = correlation_time(sample).time
        values = (time, n / time, float(np.mean(lag <= 1)), float(np.median(neighbours.distance)))
        known, moved, warnings = dict(zip(names.values(), values, strict=True)), displacement(sample), ()
    return {
        **known,
        "step": moved.step,
        "displacement": moved.whole,
        "growth": moved.words,
        "warnings": warnings,
    }


def _on_sphere(sample: NDArray[np.floating[Any]]) -> bool:
    from thermograd.entropy.points import as_directions
    from thermograd.errors import InputError

    try:
        as_directions(sample, "entropy", at_least=4)
    except InputError:  # the estimator has spoken about what is wrong otherwise
        return False
    return True


def _lines(
    estimate: EntropyEstimate, warnings: list[str], found: dict[str, Any], chosen: dict[str, Any]
) -> list[str]:
    from thermograd.entropy.estimate import ON_A_SPHERE

    settings = ", ".join(f"{name} {value}" for name, value in estimate.settings.items())
    kind = "absolute" if estimate.absolute else "up to a constant of n, dimension and k"
    if ON_A_SPHERE in estimate.warnings:
        kind = "of no law: see the first warning"
    lines = {"estimator": estimate.estimator + (f" ({settings})" if settings else "")}
    if chosen:
        lines["recommended"] = chosen["reason"]
    lines |= {
        "entropy": f"{estimate.entropy:.6g} nats, {kind}",
        "standard error": f"{estimate.se:.3g} nats",
        "points": f"{estimate.n}",
        "effective points": f"{estimate.n_effective:.4g} (terms of the average)",
        "dimension": f"{estimate.dim}",
    }
    if found:
        lines |= {
            "autocorrelation time": f"{found['autocorrelation_time']:.4g} samples "
            f"(at most {found['n_effective']:.4g} independent points)",
            "neighbours in time": f"{found['adjacent_in_time']:.1%} of the nearest: the row before or after",
            "median distance": f"{found['median_distance']:.4g} to the nearest neighbour",
            "displacement": f"{found['step']:.4g} a step, {found['displacement']:.4g} in all; "
            f"{found['growth']}",
        }
    if "uniform_entropy" in found:
        lines["uniform law"] = (
            f"{found['uniform_entropy']:.6g} nats is the most on this sphere; "
            f"chords give {found['chord_entropy']:.6g}"
        )
    return [f"{name:22}{value}" for name, value in lines.items()] + [f"warning: {text}" for text in warnings]
