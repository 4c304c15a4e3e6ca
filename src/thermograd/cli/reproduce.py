"""``thermograd reproduce``: the papers' experiments, from runs to report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from thermograd.cli.options import config_option, json_option, print_json, workers_option
from thermograd.errors import InputError

__all__ = ["reproduce"]

_NETWORKS_ONLY = ("scale", "data", "workers")
_IDEAL_GAS = {"networks": Path("results/ideal-gas"), "isotropic": Path("results/isotropic")}
_out_option = click.option("--out", type=click.Path(path_type=Path), help="Results; default: results/PART.")
_seed_option = click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Of all draws."
)


@click.group()
def reproduce() -> None:
    """Run a paper's experiments, test its laws on them, and write the report."""


@reproduce.command("ideal-gas")
@click.option(
    "--part",
    type=click.Choice(list(_IDEAL_GAS)),
    default="networks",
    show_default=True,
    help="Networks (IG section 6), or the isotropic noise model (section 5).",
)
@click.option(
    "--scale",
    type=click.Choice(["quick"]),
    default="quick",
    show_default=True,
    help="Size of the networks' grids.",
)
@click.option(
    "--data",
    default="digits",
    show_default=True,
    help="The networks' images: digits, cifar10, or a folder or archive of CIFAR-10.",
)
@workers_option
@click.option("--seed", type=click.IntRange(0), help="Of the isotropic model's draws; default: 0.")
@_out_option
@config_option
@json_option
@click.pass_context
def ideal_gas(ctx: click.Context, /, part: str, out: Path | None, json_: bool, **options: Any) -> None:
    """Test the laws of the ideal gas under all three protocols; write the report.

    Interrupted, or killed: the same command goes on where it stopped (networks), or begins again (the
    isotropic model, which takes a minute or two).
    """
    folder = out or _IDEAL_GAS[part]
    foreign = ("seed",) if part == "networks" else _NETWORKS_ONLY
    for name in foreign:
        if ctx.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT:
            raise InputError(
                f"--{name} is {options[name]!r} with --part {part}; expected it with the other part"
            )
    if part == "networks":
        _networks(ctx, folder, json_, **{name: options[name] for name in _NETWORKS_ONLY})
    else:
        _isotropic(folder, json_, options["seed"] or 0)


def _networks(ctx: click.Context, out: Path, json_: bool, **options: Any) -> None:
    from thermograd.cli.progress import progress_bar
    from thermograd.reproduce import reproduce_ideal_gas

    with progress_bar("ideal gas") as show:
        result = reproduce_ideal_gas(folder=out, on_progress=show, **options)
    if result.verification is None:
        click.echo(f"interrupted; the same command goes on from {out}", err=True)
    elif json_:
        print_json(result.verification.to_dict())
    else:
        click.echo(result.verification.to_text())
        click.echo(f"report: {result.report}")
    ctx.exit(result.summary.exit_code)


def _isotropic(out: Path, json_: bool, seed: int) -> None:
    from thermograd.cli.progress import named_progress
    from thermograd.reproduce.isotropic import reproduce_isotropic

    with named_progress() as show:
        result = reproduce_isotropic(out, seed=seed, on_progress=show)
    print_json(result.to_dict()) if json_ else click.echo(result.to_text())


@reproduce.command("free-energy")
@click.option(
    "--part",
    type=click.Choice(["toy"]),
    default="toy",
    show_default=True,
    help="The toy sphere (FE section 6.2).",
)
@click.option(
    "--steps", type=click.IntRange(1), default=50_000, show_default=True, help="Iterations at most."
)
@_seed_option
@_out_option
@config_option
@json_option
def free_energy(part: str, steps: int, seed: int, out: Path | None, json_: bool) -> None:
    """Run SGD on the toy sphere, over- and under-parameterised; test the claims; write the report."""
    from thermograd.reproduce.toy import reproduce_toy

    result = reproduce_toy(out or Path("results") / part, seed=seed, steps=steps)
    if json_:
        print_json(result.to_dict())
    else:
        click.echo(result.to_text())
        click.echo(f"report: {result.report}")
