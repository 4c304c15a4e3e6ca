"""Simulated states against the exact law of the isotropic model."""

from __future__ import annotations

from typing import TypedDict

import numpy as np
import xarray as xr

from thermograd.states import validate
from thermograd.theory import vmf

__all__ = ["Comparison", "compare_exact"]


class Comparison(TypedDict):
    """How far states lie from the exact law; numbers are of the points in equilibrium."""

    points: int
    equilibrium: int
    energy_ratio: float
    """Median of U over the exact U."""
    energy_worst: float
    """Largest ``|U / exact - 1|``."""
    entropy_difference: float
    """Median of S less the exact S, nats; NaN without entropies."""
    entropy_worst: float
    """Largest absolute difference of S, nats."""


def compare_exact(states: xr.Dataset) -> Comparison:
    """Energies and entropies of isotropic states against ``U(T)`` and ``S(T)`` of von Mises and Fisher.

    Parameters
    ----------
    states
        States of the isotropic model; the temperature is the one that they measured.

    Returns
    -------
    Comparison
        Medians and largest deviations over the points in equilibrium.

    Raises
    ------
    InputError
        When the dataset breaks the schema.

    References
    ----------
    IG eq. 103.

    Examples
    --------
    >>> from thermograd.protocol import FixedSphere
    >>> from thermograd.states import new_states
    >>> measured = {"loss": 0.0055, "tr_sigma": 2.0, "norm": 1.0}
    >>> found = compare_exact(new_states(FixedSphere(elr=0.01, radius=1.0), measured, dim=3))
    >>> found["equilibrium"], round(found["energy_worst"], 3)
    (1, 0.1)

    """
    validate(states, "states")
    settled = (states["status"] == "equilibrium").values
    T, dim = states["temperature"].values[settled], int(states.attrs["dim"])
    ratio = states["loss"].values[settled] / vmf.energy(T, dim)
    difference = np.full(T.shape, np.nan)
    if "entropy_sphere" in states:
        difference = states["entropy_sphere"].values[settled] - vmf.entropy_sphere(T, dim)
    return {
        "points": settled.size,
        "equilibrium": int(settled.sum()),
        "energy_ratio": _median(ratio),
        "energy_worst": _worst(ratio - 1.0),
        "entropy_difference": _median(difference),
        "entropy_worst": _worst(difference),
    }


def _median(values: np.ndarray) -> float:
    values = values[np.isfinite(values)]
    return float(np.median(values)) if len(values) else float("nan")


def _worst(values: np.ndarray) -> float:
    values = values[np.isfinite(values)]
    return float(np.abs(values).max()) if len(values) else float("nan")
