"""The laws of the ideal-gas paper as pure functions of arrays: what theory expects of a run.

``gas`` holds the state equation, temperatures and potentials, ``heat`` the heat capacities, ``adiabats`` the
curves of constant entropy, ``radius`` where the radius settles and ``relaxation`` how it gets there, ``vmf``
the exact stationary law of the test function, ``predict`` all of it at once for one protocol.
"""

from __future__ import annotations

from thermograd.theory import adiabats, gas, heat, predict, radius, relaxation, vmf

__all__ = ["adiabats", "gas", "heat", "predict", "radius", "relaxation", "vmf"]
