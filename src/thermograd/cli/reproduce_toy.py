"""``thermograd reproduce free-energy --part toy``: the toy sphere of the free-energy paper."""

from __future__ import annotations

from pathlib import Path

import click

from thermograd.cli.options import config_option, json_option, print_json

__all__ = ["toy_command"]


@click.command("toy")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("results/toy"),
    show_default=True,
    help="Folder of the results; made if missing.",
)
@click.option(
    "--steps", type=click.IntRange(1), default=50_000, show_default=True, help="Iterations at most."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of all draws.")
@config_option
@json_option
def toy_command(out: Path, steps: int, seed: int, json_: bool) -> None:
    """Run SGD on the toy sphere, over- and under-parameterised; test the claims; write the report."""
    from thermograd.reproduce.toy import reproduce_toy

    result = reproduce_toy(out, seed=seed, steps=steps)
    if json_:
        print_json(result.to_dict())
    else:
        click.echo(result.to_text())
        click.echo(f"report: {result.report}")
