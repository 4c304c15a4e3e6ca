"""``thermograd reproduce``: the papers' experiments, from training to report."""

from __future__ import annotations

from pathlib import Path

import click

from thermograd.cli.options import config_option, json_option, print_json, workers_option

__all__ = ["reproduce"]


@click.group()
def reproduce() -> None:
    """Run a paper's experiments, test its laws on them, and write the report."""


@reproduce.command("ideal-gas")
@click.option(
    "--scale", type=click.Choice(["quick"]), default="quick", show_default=True, help="Size of the grids."
)
@click.option(
    "--data", default="digits", show_default=True, help="digits, cifar10, or a folder or archive of CIFAR-10."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("results/ideal-gas"),
    show_default=True,
    help="Results.",
)
@workers_option
@config_option
@json_option
def ideal_gas(scale: str, data: str, out: Path, workers: int | None, json_: bool) -> None:
    """Train under all three protocols; test the gas law and the Maxwell relations; write the report.

    Interrupted, or killed: the same command goes on where it stopped.
    """
    from thermograd.cli.progress import progress_bar
    from thermograd.reproduce import reproduce_ideal_gas

    with progress_bar("ideal gas") as show:
        result = reproduce_ideal_gas(scale=scale, data=data, folder=out, workers=workers, on_progress=show)
    if result.verification is None:
        click.echo(f"interrupted; the same command goes on from {out}", err=True)
    elif json_:
        print_json(result.verification.to_dict())
    else:
        click.echo(result.verification.to_text())
        click.echo(f"report: {result.report}")
    click.get_current_context().exit(result.summary.exit_code)
