"""``thermograd simulate toy``: projected SGD on the toy sphere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from thermograd.cli.options import VALUES, config_option, json_option, print_json
from thermograd.errors import InputError

__all__ = ["toy"]


@click.command("toy")
@click.option("--preset", type=click.Choice(["op", "up"]), help="The paper's two (op) or three (up) circles.")
@click.option("--normals", help='Normals of other circles, "1,0,0.2; 0,1,0.2; ...".')
@click.option(
    "--lr", type=VALUES, required=True, help="Learning rates: 0.1, a list a,b,c or first:last:count."
)
@click.option(
    "--steps", type=click.IntRange(1), default=50_000, show_default=True, help="Iterations at most."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of all draws.")
@click.option(
    "--stop-below", type=float, default=1e-16, show_default=True, help="Full loss at which a run ends."
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder for trace-toy.nc and states-toy.nc.")
@config_option
@json_option
def toy(
    preset: str | None,
    normals: str | None,
    lr: list[float],
    steps: int,
    seed: int,
    stop_below: float,
    out: Path | None,
    json_: bool,
) -> None:
    """Run SGD on a sphere whose training examples are great circles; print where each run ends."""
    from thermograd.files import check_writable
    from thermograd.simulate import toy as laboratory
    from thermograd.states import save, stationary

    if (preset is None) == (normals is None):
        given = "both --preset and --normals" if preset else "neither --preset nor --normals"
        raise InputError(f"toy: {given} given; expected one of them")
    if normals is not None:
        circles = laboratory.circles(_parsed(normals))
    else:
        circles = laboratory.overparameterized() if preset == "op" else laboratory.underparameterized()
    if out is not None:
        check_writable(out / "trace-toy.nc")
    trace = laboratory.simulate(circles, lr, steps=steps, seed=seed, stop_below=stop_below)
    if out is not None:
        save(trace, out / "trace-toy.nc")
        save(stationary(trace), out / "states-toy.nc")
    limits = laboratory.limits(trace)
    names = ("loss", "loss_se", "loss_spread", "final_loss", "snr", "snr_se", "steps", "converged", "settled")
    rows: list[dict[str, Any]] = [
        {"lr": float(limits["elr"][i]), **{name: limits[name].values[i].item() for name in names}}
        for i in range(limits.sizes["elr"])
    ]
    if json_:
        print_json({"minimum_loss": trace.attrs["minimum_loss"], "runs": rows})
        return
    click.echo(f"minimum of the full loss: {trace.attrs['minimum_loss']:.6g}")
    click.echo("lr         iterations last loss  mean loss            SNR                  state")
    for row in rows:
        state = "converged" if row["converged"] else "settled" if row["settled"] else "on the way"
        loss, snr = (f"{row[name]:.4g} ± {row[f'{name}_se']:.2g}" for name in ("loss", "snr"))
        click.echo(
            f"{row['lr']:<10.4g} {row['steps']:<10d} {row['final_loss']:<10.3g} {loss:<20} {snr:<20} {state}"
        )


def _parsed(text: str) -> list[list[float]]:
    try:
        return [[float(item) for item in normal.split(",")] for normal in text.split(";") if normal.strip()]
    except ValueError:
        raise InputError(f'toy: normals are {text!r}; expected numbers as in "1,0,0.2; 0,1,0.2"') from None
