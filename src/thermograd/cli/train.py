"""``thermograd train``: one run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from thermograd.cli.options import config_option, json_option, print_json, protocol_of, run_options

__all__ = ["train"]


@click.command()
@click.option("--lr", type=float, help="Learning rate (fixed LR, with --wd).")
@click.option(
    "--elr", type=float, help="Effective learning rate (fixed ELR with --wd, sphere with --radius)."
)
@click.option("--wd", type=float, help="Weight decay.")
@click.option("--radius", type=float, help="Radius of the fixed sphere.")
@run_options
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="NetCDF file for the trace.")
@config_option
@json_option
def train(
    lr: float | None,
    elr: float | None,
    wd: float | None,
    radius: float | None,
    device: str,
    out: Path,
    json_: bool,
    **run: Any,
) -> None:
    """Train one network under one protocol and print its stationary state.

    Interrupted, or killed, the same command goes on where it was: its state lies beside the trace.
    """
    from thermograd.cli.progress import progress_bar
    from thermograd.cli.specs import template
    from thermograd.files import check_writable
    from thermograd.interrupt import postponed_interrupt
    from thermograd.states import save, stationary, summarise_point
    from thermograd.training import train as call
    from thermograd.training.group import clear_checkpoint

    spec = template(protocol_of({"lr": lr, "elr": elr, "wd": wd, "radius": radius}), **run)
    check_writable(out)
    checkpoint = out.with_name(f"{out.name}.unfinished.npz")
    with postponed_interrupt() as interrupted, progress_bar("training") as show:

        def on_progress(done: int) -> None:
            show(done, spec.total_steps)
            if interrupted():
                raise KeyboardInterrupt

        trace = call(spec, device=device, on_progress=on_progress, checkpoint=checkpoint)
    save(trace, out)
    clear_checkpoint(checkpoint)
    summary = summarise_point(stationary(trace))
    if json_:
        print_json(summary)
    else:
        click.echo("\n".join(f"{name:30} {value}" for name, value in summary.items()))
