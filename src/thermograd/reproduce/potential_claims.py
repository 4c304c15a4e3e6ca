"""Whether each state of a network has the least potential at its own temperature and pressure (V2)."""

from __future__ import annotations

import numpy as np
import xarray as xr

from thermograd.analysis.potentials import PotentialCheck, potentials
from thermograd.errors import InputError
from thermograd.report.wording import place
from thermograd.reproduce.claims import Claim
from thermograd.reproduce.verdicts import untested

__all__ = ["potential_claim"]

_SHARE = 0.9  # of the states, found at their own place or a neighbour's
_WITHIN = 3.0  # standard errors, as `PotentialCheck` takes them
_FAR = 0.75  # what chance must stay below for that to mean anything
_PAPER = "IG section 4 (V2) and 5; 6.1: the energy that a network's SGD minimises is not its training loss"


def potential_claim(name: str, states: xr.Dataset) -> Claim:
    """Judge V2 with the training loss as the energy and T from the gradient noise.

    It agrees when the least potential lies at the state itself or a neighbour on the grid, or not above it by
    more than three standard errors, for nine states in ten; it differs when it does not, and cannot be told
    where three in four of all competitors would pass as well, by their place or by their error.

    Parameters
    ----------
    name
        The protocol in words.
    states
        Its stationary states.

    Examples
    --------
    >>> import numpy as np
    >>> from thermograd.protocol import FixedSphere
    >>> from thermograd.states import new_states
    >>> T = np.geomspace(1e-3, 1e-1, 8)[:, None]
    >>> measured = {"tr_sigma": 20 + 0 * T, "norm": 1 + 0 * T, "loss": 5 * T, "entropy_sphere": 5 * np.log(T)}
    >>> grid = FixedSphere.grid(elr=T.ravel(), radius=[1.0])
    >>> potential_claim("fixed sphere", new_states(grid, measured, dim=11)).verdict
    'agrees'

    """
    letter = "F" if states.attrs["protocol"] == "FixedSphere" else "G"
    law = "F = U − T S" if letter == "F" else "G = U − T S + p V"
    claim = f"{name}: each state has the least {law} at its own T and p (V2)"
    try:
        check = potentials(states)
    except InputError as error:
        return untested(claim, _PAPER, str(error))
    far = [one for one in check.beyond if not one.within_error]
    share = 1 - len(far) / check.n
    chance = _passing(states, check)
    measured = (
        f"{check.within_one:.1%} of {check.n} minimisers at the state or a neighbour, {share:.1%} with those "
        f"within three standard errors; by chance {check.by_chance:.0%}, and {chance:.0%}"
    )
    if max(check.by_chance, chance) > _FAR:
        reason = "on so small a grid, or with such errors, chance comes as near"
        return Claim(claim, _PAPER, measured, "not testable", reason)
    if share >= _SHARE:
        return Claim(claim, _PAPER, measured, "agrees", f"at least {_SHARE:.0%}")
    return Claim(claim, _PAPER, measured, "differs", f"expected {_SHARE:.0%}; {_away(check)}")


def _passing(states: xr.Dataset, check: PotentialCheck) -> float:
    """Part of all competitors next to the minimum or not above it by more than three standard errors."""
    stars = [str(name) for name in check.excess.dims if str(name).endswith("_star")]
    known = check.excess.notnull()
    near = known
    for star in stars:
        axis = states.get_index(star.removesuffix("_star"))
        # Where nothing was tested the place, -1, is never looked at.
        best = check.minimiser[star.removesuffix("_star")]
        at = best.copy(data=axis.get_indexer(best.values.ravel()).reshape(best.shape))
        here = xr.DataArray(np.arange(len(axis)), {axis.name: axis}, [axis.name])
        near = near & (np.abs(here - at) <= 1)
    within = check.excess <= _WITHIN * check.excess_se
    passing = (near | within).where(known)
    inner = [star.removesuffix("_star") for star in stars]
    return float(passing.mean(inner).mean())


def _away(check: PotentialCheck) -> str:
    """Which way the minimisers lie, as one state shows it."""
    worst = max(check.beyond, key=lambda one: one.steps)
    return (
        f"farthest: the state at {place(worst.point)} has its minimum {worst.steps} steps away at "
        + place(worst.minimiser)
    )
