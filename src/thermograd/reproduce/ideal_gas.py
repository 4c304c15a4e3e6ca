"""The ideal-gas paper's network experiments: train, measure, verify, report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from thermograd.reproduce.presets import preset_plan
from thermograd.reproduce.verify import Verification, read_states, verify
from thermograd.sweep import SweepSummary, finish, run_plan

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
    from thermograd.report import write_report

    plan = preset_plan("ideal-gas", scale, data)
    summary = run_plan(plan, folder, workers=workers, on_progress=on_progress)
    if summary.interrupted:
        return Reproduction(summary, None, None)
    finish(plan, folder)
    states = read_states(folder)
    report = write_report(states, folder / "report.html", title="The ideal gas of SGD, measured")
    return Reproduction(summary, verify(states), report)
