"""``thermograd sweep``: a grid of runs, its progress, and going on with it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from thermograd.cli.engines import engine_of, engine_options, execution_of, execution_options
from thermograd.cli.options import (
    VALUES,
    config_option,
    folder_argument,
    grid_of,
    json_option,
    out_option,
    print_json,
    run_options,
    seeds_option,
)
from thermograd.errors import InputError

if TYPE_CHECKING:
    from thermograd.sweep import Engine, Plan, SweepSummary

__all__ = ["sweep"]

_AXES = ("lr", "elr", "wd", "radius")
_ENGINE = ("engine", "workers", "address", "gpus_per_run")


@click.group()
def sweep() -> None:
    """Run a grid of trainings over all cores or a cluster; resumable."""


@sweep.command()
@click.option("--lr", type=VALUES, help="Learning rates: a,b,c or first:last:count (log-spaced).")
@click.option("--elr", type=VALUES, help="Effective learning rates.")
@click.option("--wd", type=VALUES, help="Weight decays.")
@click.option("--radius", type=VALUES, help="Radii of fixed spheres.")
@run_options
@seeds_option
@out_option
@engine_options
@execution_options
@click.option("--dry-run", is_flag=True, help="Say what it would take - time, memory, disk - and stop.")
@config_option
@json_option
@click.pass_context
def run(ctx: click.Context, /, out: Path, dry_run: bool, json_: bool, **options: Any) -> None:
    """Train one network per grid point and seed; the protocol follows from the two hyperparameters given.

    A folder that holds a part of this sweep already is gone on with: grids and seeds may grow.
    """
    engine = {name: options.pop(name) for name in _ENGINE}
    device = options["device"] = options["device"] or _device_there(out)
    chosen = engine_of(**_named(engine), device=device)
    plan = _plan(ctx, **options)
    if dry_run:
        _estimate(plan, out, engine["workers"], chosen, device, json_)
    else:
        _run(plan, out, engine["workers"], chosen, device, json_)


def _named(engine: dict[str, Any]) -> dict[str, Any]:
    """The options of an engine by the names that `engine_of` has for them."""
    return {"name" if option == "engine" else option: value for option, value in engine.items()}


def _device_there(folder: Path) -> str | None:
    """The device of the sweep in a folder, if there is one."""
    from thermograd.sweep import Plan
    from thermograd.sweep.plan import PLAN_FILE

    return (Plan.load(folder).device or None) if (folder / PLAN_FILE).exists() else None


def _plan(
    ctx: click.Context, seeds: list[int] | None, replicas: int, device: str | None, **options: Any
) -> Plan:
    from thermograd.cli.specs import template
    from thermograd.sweep import make_plan

    if seeds:
        _check_seeds(ctx, options["seed"], seeds)
    grid = grid_of({name: options.pop(name) for name in _AXES})
    spec = template(next(iter(grid)), **options)
    return make_plan([(grid, spec)], seeds=seeds or (), execution=execution_of(replicas, device))


def _check_seeds(ctx: click.Context, seed: int, seeds: list[int]) -> None:
    """One of the two; a list given here wins over a seed in the file, as all that is given here does."""
    source = ctx.get_parameter_source
    if source("seed") is click.core.ParameterSource.COMMANDLINE:
        raise InputError(f"--seed {seed} and --seeds {seeds} are given; expected one of the two")
    if source("seed") is source("seeds") is click.core.ParameterSource.DEFAULT_MAP:
        raise InputError(f"the --config file has seed {seed} and seeds {seeds}; expected one of the two")


@sweep.command()
@folder_argument
@engine_options
@json_option
def resume(folder: Path, json_: bool, **engine: Any) -> None:
    """Go on with the sweep in FOLDER; failed points are tried again."""
    from thermograd.sweep import Plan

    plan = Plan.load(folder)
    chosen = engine_of(**_named(engine), device=plan.device or None)
    _run(plan, folder, engine["workers"], chosen, None, json_)


def _run(
    plan: Plan, folder: Path, workers: int | None, engine: Engine | None, device: str | None, json_: bool
) -> None:
    from thermograd.sweep import Plan, finish

    summary = _swept(plan, folder, workers, engine, device)
    if summary.interrupted:
        click.echo(f"go on with: thermograd sweep resume {folder}", err=True)
    # What the folder holds by now, which may be more than was asked for.
    written = [] if summary.interrupted else [str(path) for path in finish(Plan.load(folder), folder)]
    if json_:
        print_json({**asdict(summary), "states": written})
    else:
        click.echo("\n".join([str(summary), *written]))
    click.get_current_context().exit(summary.exit_code)


def _swept(
    plan: Plan, folder: Path, workers: int | None, engine: Engine | None, device: str | None
) -> SweepSummary:
    from thermograd.cli.progress import progress_bar
    from thermograd.sweep import run_plan

    with progress_bar("sweep") as show:
        return run_plan(
            plan,
            folder,
            workers=None if engine else workers,
            engine=engine,
            device=device,
            on_progress=show,
            on_message=lambda words: click.echo(words, err=True),
        )


def _estimate(
    plan: Plan, folder: Path, workers: int | None, engine: Engine | None, device: str | None, json_: bool
) -> None:
    from thermograd.sweep import estimate

    found = estimate(plan, folder, workers, engine=engine, device=device)
    print_json(found.to_dict()) if json_ else click.echo(str(found))


@sweep.command()
@folder_argument
@json_option
def status(folder: Path, json_: bool) -> None:
    """The state of every point of the sweep in FOLDER, and why a point failed."""
    from thermograd.sweep import Plan, sweep_status

    found = sweep_status(Plan.load(folder), folder)
    if json_:
        print_json(found.to_dict())
        return
    several = len({point.spec.seed for point in found.points}) > 1
    for point in found.points:
        name = f"{point.spec.protocol!s}" + (f" seed {point.spec.seed}" if several else "")
        click.echo(f"{name:40} {point.state:11} {point.reason}".rstrip())
    click.echo(str(found))
