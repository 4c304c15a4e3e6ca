"""``thermograd report``: figures, tables and one HTML page."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["report"]


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder for the report; default: beside the results."
)
def report(path: Path, out: Path | None) -> None:
    """Write the report of the results in PATH, the folder of a sweep or a NetCDF file."""
    from thermograd.report import write_report
    from thermograd.reproduce import read_states

    folder = out or (path if path.is_dir() else path.parent)
    click.echo(
        write_report(read_states(path), folder / "report.html", title="The ideal gas of SGD, measured")
    )
