"""``thermograd analyse``: the laws of the ideal gas, tested on measured states."""

from __future__ import annotations

from pathlib import Path

import click

from thermograd.cli.options import json_option, print_json

__all__ = ["analyse"]


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@json_option
def analyse(path: Path, json_: bool) -> None:
    """Test V1 (radius), V3 (Maxwell relations) and the collapse of sigma2 on PATH.

    PATH is the folder of a sweep, or a NetCDF file with a trace or states.
    """
    from thermograd.reproduce import read_states, verify

    verification = verify(read_states(path))
    if json_:
        print_json(verification.to_dict())
    else:
        click.echo(verification.to_text())
