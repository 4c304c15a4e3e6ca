"""``thermograd simulate isotropic``: the isotropic noise model over a grid, saved as the standard dataset."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from thermograd.cli.options import VALUES, config_option, grid_of, json_option, out_option, print_json
from thermograd.errors import InputError
from thermograd.protocol import FixedSphere, Grid

if TYPE_CHECKING:
    from thermograd.simulate import Laboratory

__all__ = ["isotropic"]


class _NumberOr(click.ParamType[Any]):
    """A number above 0, or the word that stands for a rule."""

    def __init__(self, word: str, number: type[int] | type[float]) -> None:
        self.word, self.number, self.name = word, number, f"number|{word}"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number, or the word itself."""
        if value == self.word:
            return value
        try:
            return self.number(value)
        except (TypeError, ValueError):
            self.fail(f"{value!r} is neither {self.word!r} nor a number", param, ctx)


@click.command()
@click.option("--elr", type=VALUES, help="Effective learning rates: a,b,c or first:last:count (log-spaced).")
@click.option("--lr", type=VALUES, help="Learning rates (fixed LR, with --wd).")
@click.option("--wd", type=VALUES, help="Weight decays.")
@click.option("--radius", type=VALUES, help="Radii of fixed spheres (with --elr).")
@click.option("--published", is_flag=True, help="The papers' 17 x 17 grids of all three protocols instead.")
@click.option("--dim", type=int, default=3, show_default=True, help="Number of weights.")
@click.option("--steps", type=int, default=2_000_000, show_default=True, help="Iterations.")
@click.option("--sigma", type=float, default=1.0, show_default=True, help="Gradient noise along each axis.")
@click.option("--spectrum", type=VALUES, help="dim - 1 noise variances, in units of sigma^2: anisotropic.")
@click.option("--chains", type=int, default=1, show_default=True, help="Independent chains per grid point.")
@click.option("--seed", type=VALUES, default="0", show_default=True, help="One seed, or several: repeats.")
@click.option(
    "--queue-size", type=int, default=1000, show_default=True, help="Directions per entropy; 0: none."
)
@click.option(
    "--queue-every",
    type=_NumberOr("relaxation", int),
    default=50,
    show_default=True,
    help="Iterations between them, or their relaxation time at each point.",
)
@click.option(
    "--initial-radius",
    type=_NumberOr("stationary", float),
    help="Norm of the weights at the start, or the predicted stationary one; default: 1, as in the papers.",
)
@click.option("--windows", type=int, help="Queues of directions at the end of the run; default: half of it.")
@click.option(
    "--record-every", type=int, default=50, show_default=True, help="Iterations between readings of the loss."
)
@click.option("--threads", type=int, help="Threads; default: one per core.")
@click.option("--float64", is_flag=True, help="Weights in double precision.")
@click.option("--resume", is_flag=True, help="Go on from the state files in the folder of the results.")
@out_option
@config_option
@json_option
def isotropic(
    published: bool, out: Path, json_: bool, resume: bool, threads: int | None, **options: Any
) -> None:
    """Simulate SGD with isotropic gradient noise, whose stationary states are known exactly.

    The protocol follows from the two hyperparameters given. For each, the folder gets states-PROTOCOL.nc,
    trace-PROTOCOL.nc and state-PROTOCOL.npz; interrupted, the same command with --resume goes on.
    """
    from thermograd.files import check_writable
    from thermograd.simulate import Laboratory

    check_writable(out / "probe")
    grids = _grids(published, {name: options.pop(name) for name in ("elr", "lr", "wd", "radius")})
    specs = [_spec(grid, options, several=len(grids) > 1) for grid in grids]
    laboratories = [Laboratory(grid, spec, threads=threads) for grid, spec in zip(grids, specs, strict=True)]
    paths = [out / f"state-{grid.protocol.__name__}.npz" for grid in grids]
    if resume:  # all before any runs: what does not fit is said at once
        _take_up(laboratories, paths)
    with ThreadPoolExecutor(1) as writer:  # averaging and writing takes one core while the next protocol runs
        written: list[Future[dict[str, Any]]] = []
        for grid, laboratory, path in zip(grids, laboratories, paths, strict=True):
            name = grid.protocol.__name__
            _run(laboratory, path, name)
            for earlier in written:
                if earlier.done():
                    earlier.result()  # a full disk ends this now, not after the last protocol
            written.append(writer.submit(_write, laboratory, out, name))
    rows = [future.result() for future in written]
    print_json(rows) if json_ else click.echo(_table(rows))


def _grids(published: bool, values: dict[str, list[float] | None]) -> list[Grid]:
    given = [f"--{name}" for name, value in values.items() if value is not None]
    if not published:
        return [grid_of(values)]
    if given:
        raise InputError(f"{', '.join(given)} given with --published; expected one or the other")
    from thermograd.simulate import published_grids

    return published_grids()


def _spec(grid: Grid, options: dict[str, Any], *, several: bool) -> Any:
    from thermograd.simulate import IsotropicSpec, direction_relaxation, predicted_radius

    chosen = dict(options)
    chosen["dtype"] = "float64" if chosen.pop("float64") else None
    seeds = [int(seed) if seed == int(seed) else seed for seed in chosen["seed"]]
    chosen["seed"] = seeds[0] if len(seeds) == 1 else seeds
    if chosen["queue_every"] == "relaxation":
        chosen["queue_every"] = direction_relaxation
    if chosen["initial_radius"] == "stationary":
        chosen["initial_radius"] = predicted_radius
    if several and chosen["windows"] is None and not callable(chosen["queue_every"]):
        chosen["windows"] = 10  # "the average of the last 10 logs"
    if several and grid.protocol is FixedSphere:
        chosen["initial_radius"] = None  # meant for the others: a sphere has its own
    return IsotropicSpec(**chosen)


def _take_up(laboratories: list[Laboratory], paths: list[Path]) -> None:
    if not any(path.exists() for path in paths):
        raise InputError(f"--resume: there is no {paths[0]}; expected the state that an earlier run left")
    for laboratory, path in zip(laboratories, paths, strict=True):
        if path.exists():
            laboratory.load(path)


def _run(laboratory: Laboratory, path: Path, name: str) -> None:
    with _saved_when_interrupted(laboratory, path), _bar(name) as show:
        laboratory.advance(max(laboratory.total_steps - laboratory.step, 0), on_progress=show)
    laboratory.save(path)


@contextmanager
def _saved_when_interrupted(laboratory: Laboratory, path: Path) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        laboratory.save(path)
        done, total = laboratory.step, laboratory.total_steps
        click.echo(f"{done} of {total} iterations are in {path}; go on with --resume", err=True)
        raise


def _bar(name: str) -> Any:
    """The progress bar, if there is one: it comes with another extra than the simulator."""
    if find_spec("tqdm") is None:
        return nullcontext()
    from thermograd.cli.progress import progress_bar

    return progress_bar(name)


def _write(laboratory: Laboratory, out: Path, name: str) -> dict[str, Any]:
    from thermograd.simulate.exact import compare_exact
    from thermograd.states import save, stationary

    trace = laboratory.trace()
    states = stationary(trace)
    save(trace, out / f"trace-{name}.nc")
    found: dict[str, Any] = dict(compare_exact(states))
    if laboratory.spec.spectrum is not None:  # of another law, which is not known exactly
        found = {name: found[name] for name in ("points", "equilibrium")}
    found = {"protocol": name} | found
    return found | {"seconds": laboratory.wall_time_s, "states": str(save(states, out / f"states-{name}.nc"))}


def _table(rows: list[dict[str, Any]]) -> str:
    lines = [
        f"{'protocol':12} {'in equilibrium':>15} {'U / exact':>10} {'worst':>8} {'S - exact':>10} "
        f"{'worst':>8} {'seconds':>8}"
    ]
    for row in rows:
        settled = f"{row['equilibrium']} of {row['points']}"
        names = ("energy_ratio", "energy_worst", "entropy_difference", "entropy_worst")
        numbers = [row.get(name, math.nan) for name in names]
        shown = ["-" if math.isnan(number) else f"{number:.4f}" for number in numbers]
        lines.append(
            f"{row['protocol']:12} {settled:>15} {shown[0]:>10} {shown[1]:>8} {shown[2]:>10} {shown[3]:>8} "
            f"{row['seconds']:8.1f}"
        )
    return "\n".join([*lines, *(row["states"] for row in rows)])
