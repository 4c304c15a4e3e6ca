"""The dataset that everything shares: its schema, stationary states, files, and merging of runs.

A *trace* is what runs logged along the way, *states* are the stationary averages with error bars and a
status: two labelled xarray datasets whose dimensions are the hyperparameters of one protocol.
"""

from thermograd.states.merge import merge
from thermograd.states.schema import new_trace, validate
from thermograd.states.stationary import new_states, stationary
from thermograd.states.status import Drift, Verdict, drift
from thermograd.states.storage import load, save
from thermograd.states.summary import summarise_point
from thermograd.states.variables import OUTCOMES, STATUSES, VARIABLES, Variable

__all__ = [
    "OUTCOMES",
    "STATUSES",
    "VARIABLES",
    "Drift",
    "Variable",
    "Verdict",
    "drift",
    "load",
    "merge",
    "new_states",
    "new_trace",
    "save",
    "stationary",
    "summarise_point",
    "validate",
]
