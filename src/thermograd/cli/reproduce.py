"""``thermograd reproduce``: the papers' experiments, from runs to report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from thermograd.cli.engines import engine_of, engine_options
from thermograd.cli.options import config_option, json_option, print_json
from thermograd.errors import InputError

if TYPE_CHECKING:
    from thermograd.reproduce import Reproduced

__all__ = ["reproduce"]

Command = TypeVar("Command", bound=Callable[..., Any])

_ENGINE = ("engine", "workers", "address", "gpus_per_run")
_NETWORKS = ("preset", "scale", "data", *_ENGINE, "device", "dry_run")
_ISOTROPIC, _TOY = "isotropic", "toy"


def _network_options(command: Command) -> Command:
    """What all experiments on networks have in common."""
    options = [
        click.option(
            "--scale",
            type=click.Choice(["quick", "small", "paper"]),
            default="quick",
            show_default=True,
            help="Minutes; under two hours for all setups together; as published, for GPUs.",
        ),
        click.option(
            "--data",
            help="Images: digits, cifar10, cifar100, or a folder or archive of CIFAR; default: every setup "
            "whose images are on this machine.",
        ),
        engine_options,
        click.option(
            "--device",
            help="Where networks are computed: cpu, cuda, cuda:1; default: as the results there, else cpu.",
        ),
        click.option("--dry-run", is_flag=True, help="Print grids, time, memory and disk, and stop."),
        click.option(
            "--out",
            type=click.Path(path_type=Path),
            help="Results; default: results/SCALE, or the name of the preset.",
        ),
        config_option,
        json_option,
    ]
    for option in reversed(options):
        command = option(command)
    return command


def _part_option(others: str) -> Callable[[Command], Command]:
    return click.option(
        "--part",
        default="networks",
        show_default=True,
        help=f"networks (all), one setup's name or its beginning, or {others}.",
    )


def _preset_option(command: Command) -> Command:
    return click.option(
        "--preset",
        type=click.Path(dir_okay=False, path_type=Path),
        help="TOML file with a setup of your own, instead of --part and --scale: a copy of what "
        "'thermograd reproduce preset NAME' prints, edited.",
    )(command)


@click.group()
def reproduce() -> None:
    """Run a paper's experiments, test its laws on them, and write the report."""


@reproduce.command("ideal-gas")
@_part_option("isotropic (the noise model, IG section 5)")
@_preset_option
@click.option("--seed", type=click.IntRange(0), help="Of the isotropic model's draws; default: 0.")
@_network_options
@click.pass_context
def ideal_gas(ctx: click.Context, /, part: str, out: Path | None, json_: bool, **options: Any) -> None:
    """Test the laws of the ideal gas on networks under all three protocols; write the report.

    Interrupted, or killed: the same command goes on where it stopped (networks), or begins again (the
    isotropic model, which takes a minute or two).
    """
    _refuse(ctx, options, part, _NETWORKS if part == _ISOTROPIC else ("seed",))
    seed = options.pop("seed") or 0
    if part == _ISOTROPIC:
        _isotropic(out or Path("results") / part, json_, seed)
        return
    from thermograd.reproduce import reproduce_ideal_gas

    _networks(ctx, "ideal gas", reproduce_ideal_gas, out, json_, part=part, **options)


@reproduce.command("free-energy")
@_part_option("toy (the toy sphere, FE section 6.2)")
@_preset_option
@click.option("--steps", type=click.IntRange(1), help="Iterations of the toy sphere at most; default: 50000.")
@click.option("--seed", type=click.IntRange(0), help="Of the toy sphere's draws; default: 0.")
@_network_options
@click.pass_context
def free_energy(ctx: click.Context, /, part: str, out: Path | None, json_: bool, **options: Any) -> None:
    """Test SGD as free-energy minimisation on networks, or on the toy sphere; write the report.

    Interrupted, or killed: the same command goes on where it stopped.
    """
    _refuse(ctx, options, part, _NETWORKS if part == _TOY else ("steps", "seed"))
    steps, seed = options.pop("steps") or 50_000, options.pop("seed") or 0
    if part == _TOY:
        _toy(out or Path("results") / part, json_, steps, seed)
        return
    from thermograd.reproduce.free_energy_networks import reproduce_free_energy

    _networks(ctx, "free energy", reproduce_free_energy, out, json_, part=part, **options)


@reproduce.command("all")
@_network_options
@click.pass_context
def everything(ctx: click.Context, /, out: Path | None, json_: bool, **options: Any) -> None:
    """Run every network experiment of both papers; put all claims on one page.

    Setups whose images are missing are listed with the command that gets them. Interrupted, or killed: the
    same command goes on where it stopped.
    """
    from thermograd.reproduce.everything import reproduce_all

    _networks(ctx, "both papers", reproduce_all, out, json_, **options)


@reproduce.command("preset")
@click.argument("name")
@click.option("--scale", default="quick", show_default=True, help="quick, small, paper.")
def preset(name: str, scale: str) -> None:
    """Print the setup NAME as a TOML file, to be copied, edited and run with --preset."""
    from thermograd.reproduce.presets import preset_text

    click.echo(preset_text(name, scale), nl=False)


def _refuse(ctx: click.Context, options: dict[str, Any], part: str, foreign: tuple[str, ...]) -> None:
    for name in foreign:
        if ctx.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT:
            flag = name.replace("_", "-")
            raise InputError(
                f"--{flag} is {options[name]!r} with --part {part}; expected it with the other part"
            )


def _networks(
    ctx: click.Context,
    what: str,
    call: Callable[..., Reproduced],
    out: Path | None,
    json_: bool,
    **options: Any,
) -> None:
    from thermograd.cli.progress import progress_bar
    from thermograd.reproduce.in_turn import How

    engine = {name: options.pop(name) for name in _ENGINE}
    device, workers = options.pop("device"), engine["workers"]
    chosen = engine_of(engine.pop("engine"), **engine, device=device)
    name = _take_preset(ctx, options) or options["scale"]
    folder = out or Path("results") / name
    with progress_bar(what) as show:
        how = How(
            None if chosen else workers, chosen, device, show, lambda words: click.echo(words, err=True)
        )
        result = call(**options, folder=folder, how=how)
    print_json(result.to_dict()) if json_ else click.echo(result.to_text())
    ctx.exit(result.exit_code)


def _take_preset(ctx: click.Context, options: dict[str, Any]) -> str:
    """Put the setup of a user's file in the place of part and scale; its name, empty if there is none."""
    path = options.pop("preset", None)
    if path is None:
        return ""
    from thermograd.reproduce.choice import OWN, own_choice

    for name in ("part", "scale"):
        if ctx.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT:
            raise InputError(
                f"--{name} {options[name]} and --preset {path} are given; expected one of the two"
            )
    options |= {"scale": OWN, "choice": own_choice(path, options["data"])}
    return str(path.stem)


def _isotropic(out: Path, json_: bool, seed: int) -> None:
    from thermograd.cli.progress import named_progress
    from thermograd.reproduce.isotropic import reproduce_isotropic

    with named_progress() as show:
        result = reproduce_isotropic(out, seed=seed, on_progress=show)
    print_json(result.to_dict()) if json_ else click.echo(result.to_text())


def _toy(out: Path, json_: bool, steps: int, seed: int) -> None:
    from thermograd.reproduce.toy import reproduce_toy

    result = reproduce_toy(out, seed=seed, steps=steps)
    if json_:
        print_json(result.to_dict())
    else:
        click.echo(result.to_text())
        click.echo(f"report: {result.report}")
