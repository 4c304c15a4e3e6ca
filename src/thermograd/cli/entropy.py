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

    from thermograd.entropy import EntropyEstimate

__all__ = ["entropy"]

_TAKES = {
    "kozachenko-leonenko": {"manifold", "k", "theiler"},
    "knn-graph": {"k", "theiler", "dimension"},
    "gaussian": set[str](),
    "von-mises-fisher": set[str](),
}


@click.command("entropy")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--estimator", type=click.Choice(list(_TAKES)), default="kozachenko-leonenko", show_default=True
)
@click.option(
    "--manifold",
    type=click.Choice(["euclidean", "sphere", "geodesic"]),
    help="Of kozachenko-leonenko: coordinates as they are (default), the papers' angles, or arcs.",
)
@click.option(
    "--k", type=click.IntRange(1), help="Which neighbour (default 1), or how many of a graph (default 50)."
)
@click.option(
    "--theiler", type=click.IntRange(0), help="Rows no farther apart than this are no neighbours (default 0)."
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

    FILE is read a few columns at a time and may be larger than memory.
    """
    from thermograd.cli.elapsed import elapsed
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
    check_fits(str(file), n, columns, points.nbytes, covariance=estimator == "gaussian")
    size = f"{n} x {columns}"
    with ExitStack() as stack:
        with elapsed(f"directions of {size}"):
            sample = stack.enter_context(normalised(points, normalise, str(file)))
        with elapsed(f"entropy of {size}"):
            estimate = _estimate(sample, estimator, given)
        found = {}
        if diagnostics and n >= 4:
            with elapsed(f"diagnostics of {size}"):
                found = _diagnostics(sample)
    warnings = [*estimate.warnings, *(w for w in found.pop("warnings", ()) if w not in estimate.warnings)]
    answer = {**asdict(estimate), "warnings": warnings, "diagnostics": found}
    if json_:
        print_json(answer)
    else:
        click.echo("\n".join(_lines(estimate, warnings, found)))


def _estimate(sample: NDArray[np.floating[Any]], estimator: str, settings: dict[str, Any]) -> EntropyEstimate:
    from thermograd.entropy import gaussian, knn_graph, kozachenko_leonenko, von_mises_fisher

    calls: dict[str, Any] = {
        "kozachenko-leonenko": kozachenko_leonenko,
        "knn-graph": knn_graph,
        "gaussian": gaussian,
        "von-mises-fisher": von_mises_fisher,
    }
    found: EntropyEstimate = calls[estimator](sample, **settings)
    return found


def _diagnostics(sample: NDArray[np.floating[Any]]) -> dict[str, Any]:
    import numpy as np

    from thermograd.entropy import diagnose, displacement
    from thermograd.entropy.correlation import correlation_time
    from thermograd.entropy.neighbours.nearest import nearest_neighbours

    names = {
        "time_directions": "autocorrelation_time",
        "n_effective": "n_effective",
        "adjacent_1": "adjacent_in_time",
        "median_distance": "median_distance",
    }
    if _on_sphere(sample):
        told = diagnose(sample, rng=np.random.default_rng(0))
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


def _lines(estimate: EntropyEstimate, warnings: list[str], found: dict[str, Any]) -> list[str]:
    settings = ", ".join(f"{name} {value}" for name, value in estimate.settings.items())
    kind = "absolute" if estimate.absolute else "up to a constant of n, dimension and k"
    lines = {
        "estimator": estimate.estimator + (f" ({settings})" if settings else ""),
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
