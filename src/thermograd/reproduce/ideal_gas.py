"""The ideal-gas paper's network experiments: train, measure, verify, report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from thermograd.extras import require
from thermograd.reproduce.presets import preset_plan
from thermograd.reproduce.verify import Verification, read_states, verify
from thermograd.sweep import Plan, RunStore, SweepSummary, finish, run_plan

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Reproduction", "reproduce_ideal_gas"]


@dataclass(frozen=True)
class Reproduction:
    """What came out: the sweep's summary, and, unless it was interrupted, the laws tested and the report."""

    summary: SweepSummary
    verification: Verification | None
    report: Path | None


def reproduce_ideal_gas(
    *,
    scale: str,
    data: str,
    folder: Path,
    workers: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Reproduction:
    """Train on a grid under each of the three protocols, test the laws of the ideal gas, write the report.

    Parameters
    ----------
    scale
        Which preset: ``"quick"``.
    data
        ``"digits"``, ``"cifar10"``, or the path of a folder or archive of CIFAR-10.
    folder
        Where everything goes: ``plan.json``, ``runs/``, ``trace-*.nc``, ``states-*.nc``, ``report.html``,
        ``figures/``, ``tables/``. With the same scale and data a second call goes on where the first ended.
    workers
        Processes; default: one per core.
    on_progress
        Called with (iterations done, iterations in all).

    """
    require("report")
    plan = preset_plan("ideal-gas", scale, data)
    summary = run_plan(plan, folder, workers=workers, on_progress=on_progress)
    if summary.interrupted:
        return Reproduction(summary, None, None)
    finish(plan, folder)
    states = read_states(folder)
    return Reproduction(
        summary, verify(states), _report(plan, states, folder, f"--scale {scale} --data {data}")
    )


def _report(plan: Plan, states: dict[str, xr.Dataset], folder: Path, options: str) -> Path:
    from thermograd.report import write_report

    store = RunStore(folder)
    points = store.states(plan)
    done = [point.spec for point in points if point.state == "finished"]
    template = points[0].spec
    examples = {}
    for protocol in states:
        specs = [spec for spec in done if type(spec.protocol).__name__ == protocol]
        if specs:
            spec = specs[len(specs) // 2]  # from the middle of the grid, neither slowest nor wildest
            examples[str(spec.protocol)] = store.load(plan.key(spec))
    return write_report(
        states,
        folder / "report.html",
        title="The ideal gas of SGD, measured",
        command=f"thermograd reproduce ideal-gas {options}",
        label=f"{template.architecture}({template.width}), {Path(template.data).name}",
        runs=examples,
    )
