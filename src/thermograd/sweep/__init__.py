"""Sweeps: a grid of runs on any engine, one result file per run, resumable; nothing that is done is lost."""

from thermograd.sweep.collect import collect, finish
from thermograd.sweep.engines import Engine, Processes, RayCluster, Serial
from thermograd.sweep.estimate import Estimate, estimate
from thermograd.sweep.plan import Plan, make_plan
from thermograd.sweep.run import SweepSummary, run_plan
from thermograd.sweep.status import PointState, SweepStatus, sweep_status
from thermograd.sweep.store import RunStore

__all__ = [
    "Engine",
    "Estimate",
    "Plan",
    "PointState",
    "Processes",
    "RayCluster",
    "RunStore",
    "Serial",
    "SweepStatus",
    "SweepSummary",
    "collect",
    "estimate",
    "finish",
    "make_plan",
    "run_plan",
    "sweep_status",
]
