"""Who carries out the tasks of a sweep: this process, a pool of processes, or a Ray cluster."""

from thermograd.sweep.engines.base import Engine
from thermograd.sweep.engines.processes import Processes, cores
from thermograd.sweep.engines.ray import RayCluster
from thermograd.sweep.engines.serial import Serial

__all__ = ["Engine", "Processes", "RayCluster", "Serial", "cores"]
