"""``thermograd predict``: the stationary state that theory expects."""

from __future__ import annotations

from dataclasses import asdict

import click

from thermograd.cli.options import config_option, json_option, print_json, protocol_of

__all__ = ["predict"]


@click.command()
@click.option("--lr", type=float, help="Learning rate (fixed LR, with --wd).")
@click.option(
    "--elr", type=float, help="Effective learning rate (fixed ELR with --wd, sphere with --radius)."
)
@click.option("--wd", type=float, help="Weight decay.")
@click.option("--radius", type=float, help="Radius of the fixed sphere.")
@click.option("--tr-sigma", type=float, required=True, help="Trace of the gradient covariance, unit sphere.")
@click.option(
    "--grad-sq", type=float, default=0.0, show_default=True, help="Squared full gradient, unit sphere."
)
@click.option("--dim", type=int, required=True, help="Number of scale-invariant weights.")
@config_option
@json_option
def predict(
    lr: float | None,
    elr: float | None,
    wd: float | None,
    radius: float | None,
    tr_sigma: float,
    grad_sq: float,
    dim: int,
    json_: bool,
) -> None:
    """Temperature, radius, relaxation time and the rest of the stationary state."""
    from thermograd.theory.predict import predict as call

    protocol = protocol_of({"lr": lr, "elr": elr, "wd": wd, "radius": radius})
    prediction = asdict(call(protocol, tr_sigma=tr_sigma, dim=dim, grad_sq=grad_sq))
    if json_:
        print_json(prediction)
    else:
        click.echo("\n".join(f"{name:25} {value:.6g}" for name, value in prediction.items()))
