"""The laws of both papers as pure functions of arrays: what theory expects of a run.

Any network: ``gas`` holds the state equation, temperatures and potentials, ``heat`` the heat capacities,
``adiabats`` the curves of constant entropy, ``radius`` where the radius settles and ``relaxation`` how it
gets there, ``fluctuations`` the same with the scatter of the gradient's square taken into account, ``snr``
the signal-to-noise ratio near an optimum, ``predict`` all of it at once for one protocol.

The isotropic model: ``vmf`` is its exact law at small steps, ``finite_step`` that law at steps that are not
small, ``isotropic`` radius and energy of a whole protocol, ``discrete_chain`` the chain solved without any
expansion, ``harmonic`` noise that is not isotropic, ``queue_bias`` what a queue's entropy leaves out.
"""

from __future__ import annotations

from thermograd.theory import (
    adiabats,
    discrete_chain,
    finite_step,
    fluctuations,
    gas,
    harmonic,
    heat,
    isotropic,
    predict,
    queue_bias,
    radius,
    relaxation,
    snr,
    vmf,
)

__all__ = [
    "adiabats",
    "discrete_chain",
    "finite_step",
    "fluctuations",
    "gas",
    "harmonic",
    "heat",
    "isotropic",
    "predict",
    "queue_bias",
    "radius",
    "relaxation",
    "snr",
    "vmf",
]
