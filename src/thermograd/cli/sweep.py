"""``thermograd sweep``: a grid of runs, its progress, and going on with it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from thermograd.cli.options import (
    VALUES,
    config_option,
    folder_argument,
    grid_of,
    json_option,
    out_option,
    print_json,
    run_options,
    workers_option,
)

__all__ = ["sweep"]


@click.group()
def sweep() -> None:
    """Run a grid of trainings over all cores; resumable."""


@sweep.command()
@click.option("--lr", type=VALUES, help="Learning rates: a,b,c or first:last:count (log-spaced).")
@click.option("--elr", type=VALUES, help="Effective learning rates.")
@click.option("--wd", type=VALUES, help="Weight decays.")
@click.option("--radius", type=VALUES, help="Radii of fixed spheres.")
@run_options
@out_option
@workers_option
@config_option
@json_option
def run(
    lr: list[float] | None,
    elr: list[float] | None,
    wd: list[float] | None,
    radius: list[float] | None,
    out: Path,
    workers: int | None,
    json_: bool,
    **options: Any,
) -> None:
    """Train one network per grid point; the protocol follows from the two hyperparameters given."""
    from thermograd.cli.specs import template
    from thermograd.sweep import Plan
    from thermograd.training.loop import load_images

    grid = grid_of({"lr": lr, "elr": elr, "wd": wd, "radius": radius})
    spec = template(next(iter(grid)), **options)
    images = load_images(spec.data, spec.subset, spec.seed)
    _run(Plan(((grid, spec),), images.sha256), out, workers, json_)


@sweep.command()
@folder_argument
@workers_option
@json_option
def resume(folder: Path, workers: int | None, json_: bool) -> None:
    """Go on with the sweep in FOLDER; failed points are tried again."""
    from thermograd.sweep import Plan

    _run(Plan.load(folder), folder, workers, json_)


def _run(plan: Any, folder: Path, workers: int | None, json_: bool) -> None:
    from thermograd.cli.progress import progress_bar
    from thermograd.sweep import finish, run_plan

    with progress_bar("sweep") as show:
        summary = run_plan(plan, folder, workers=workers, on_progress=show)
    if summary.interrupted:
        click.echo(f"go on with: thermograd sweep resume {folder}", err=True)
    written = [] if summary.interrupted else [str(path) for path in finish(plan, folder)]
    if json_:
        print_json({**asdict(summary), "states": written})
    else:
        click.echo("\n".join([str(summary), *written]))
    click.get_current_context().exit(summary.exit_code)


@sweep.command()
@folder_argument
@json_option
def status(folder: Path, json_: bool) -> None:
    """The state of every point of the sweep in FOLDER, and why a point failed."""
    from thermograd.sweep import Plan, RunStore

    points = RunStore(folder).states(Plan.load(folder))
    rows = [
        {
            "protocol": type(p.spec.protocol).__name__,
            **p.spec.protocol.values,
            "state": p.state,
            "reason": p.reason,
        }
        for p in points
    ]
    if json_:
        print_json(rows)
        return
    for point in points:
        click.echo(f"{point.spec.protocol!s:40} {point.state:10} {point.reason}".rstrip())
    done = sum(point.has_result for point in points)
    click.echo(f"{done} of {len(points)} finished")
