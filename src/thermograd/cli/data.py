"""``thermograd data``: look at a data set, or fetch one."""

from __future__ import annotations

import click

from thermograd.cli.options import json_option, print_json

__all__ = ["data"]


@click.group()
def data() -> None:
    """Look at a data set, or download one."""


@data.command()
@click.argument("source", default="digits")
@json_option
def info(source: str, json_: bool) -> None:
    """Sizes, classes and hash of SOURCE: digits, cifar10, cifar100, or a folder or archive."""
    from thermograd.data import describe, load

    description = describe(load(source))
    if json_:
        print_json(description)
    else:
        click.echo("\n".join(f"{name:20} {value}" for name, value in description.items()))


@data.command()
@click.argument("name", type=click.Choice(["cifar10", "cifar100"]))
@click.option(
    "--mirror", help="Address of a folder that holds the official archive, if the official page fails."
)
def fetch(name: str, mirror: str | None) -> None:
    """Download the official binary archive of NAME, check its hash, and keep it in the cache."""
    from thermograd.data import fetch as call

    click.echo(call(name, mirror=mirror))
