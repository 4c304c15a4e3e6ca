"""``thermograd calibrate``: every entropy estimator on laws of known entropy."""

from __future__ import annotations

import math
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from thermograd.cli.options import config_option, json_option, out_option, print_json, workers_option

__all__ = ["calibrate"]


@click.command()
@click.option("--quick", is_flag=True, help="Small samples: under a minute, wide error bars.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of all draws.")
@workers_option
@out_option
@config_option
@json_option
def calibrate(quick: bool, seed: int, workers: int | None, out: Path, json_: bool) -> None:
    """Measure bias and spread of every entropy estimator on laws whose entropy is known.

    Uniform, von Mises-Fisher and Gaussian points and exact Ornstein-Uhlenbeck walks, d from 3 to 1e5. The
    folder gets biases.csv, slopes.csv, reach.csv, the figures, and a file for each case: stopped, the same
    command goes on.
    """
    from thermograd.entropy.calibration.run import run_study
    from thermograd.entropy.calibration.study import full_study, quick_study
    from thermograd.entropy.neighbours.threads import thread_count

    cases = quick_study() if quick else full_study()
    with _bar() as show:
        found = run_study(cases, out, seed=seed, workers=workers or thread_count(), on_progress=show)
    if find_spec("matplotlib") is not None:
        from thermograd.figures.calibration import calibration_figures
        from thermograd.figures.output import save

        for name, figure in calibration_figures(found.biases, found.slopes).items():
            save(figure, out / name)
    else:
        click.echo("no figures: they need thermograd[report]", err=True)
    if json_:
        print_json({"biases": found.biases, "slopes": found.slopes, "reach": found.reach})
    else:
        click.echo(_table(found.reach))
        click.echo(f"{len(found.biases)} biases, {len(found.slopes)} slopes: {out}")


def _bar() -> Any:
    if find_spec("tqdm") is None:
        return nullcontext()
    from thermograd.cli.progress import progress_bar

    return progress_bar("calibration")


def _table(rows: list[dict[str, Any]]) -> str:
    """From which spacing on the bias is the same in all states, within a tenth of the slope."""
    lines = [
        "From this spacing of the queue on, slopes dS/dlog(elr) are right within 10%:",
        f"{'walk':12} {'d - 1':>7} {'points':>7} {'estimator':18} {'correlation times':>18} "
        f"{'and at the shortest spacing answered':>38}",
    ]
    for row in rows:
        spacing = "not reached" if math.isnan(row["spacing"]) else f"{row['spacing']:.3g}"
        spacing = "wherever answered" if row["spacing"] == 0 else spacing
        first = f"{row['slope_first']:.3f} at {row['span_first'] / row['n']:.3g}"
        lines.append(
            f"{row['law']:12} {row['dim']:7d} {row['n']:7d} {row['estimator']:18} {spacing:>18} {first:>38}"
        )
    return "\n".join(lines)
