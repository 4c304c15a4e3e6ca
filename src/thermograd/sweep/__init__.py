"""Sweeps: a grid of runs over a pool of processes, one result file per run, resumable."""

from thermograd.sweep.collect import collect, finish
from thermograd.sweep.engine import SweepSummary, run_plan
from thermograd.sweep.plan import Plan
from thermograd.sweep.store import PointState, RunStore

__all__ = ["Plan", "PointState", "RunStore", "SweepSummary", "collect", "finish", "run_plan"]
