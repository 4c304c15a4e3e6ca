"""Beside the grids of the isotropic model: hot states in more dimensions, where small T is far away."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from thermograd.protocol import FixedSphere, Protocol
from thermograd.reproduce.isotropic_effort import Effort

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["hot_states"]

Progress = Callable[[str, int, int], None]
# Three steps from 0.3 to 1, and levels beyond both, so that slopes at what is tested have neighbours.
_TEMPERATURES = [0.3 * (10 / 3) ** (k / 3) for k in range(-6, 6)]
_RADII = [0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0]
_CHAINS = 2
_APART = 3.0  # relaxation times between two directions
_WINDOWS = 4  # of a chain, at least where the direction is quick


def hot_states(
    seed: int,
    threads: int | None,
    on_progress: Progress,
    effort: Effort = Effort(),  # noqa: B008 -- frozen
) -> dict[str, xr.Dataset]:
    """States at ``d = 10`` and ``d = 100`` up to T = 2, where the small-T form of the law is far off.

    The noise is strong and the steps small, so that what is seen is the temperature and not the step. On a
    fixed sphere the radius changes nothing for the direction: the radii are independent repetitions.

    Parameters
    ----------
    seed, threads, on_progress
        As for :func:`thermograd.reproduce.isotropic.reproduce_isotropic`.
    effort
        How much of the full lengths to run.

    Returns
    -------
    dict
        States by title; with entropies at ``d = 10`` only.

    """
    from thermograd.simulate import IsotropicSpec, Laboratory
    from thermograd.states import stationary

    found = {}
    for dim, sigma2, steps, queue in ((10, 1e3, 8_000_000, 500), (100, 3e3, 1_000_000, 0)):
        grid = FixedSphere.grid(elr=[2 * T / sigma2 for T in _TEMPERATURES], radius=_RADII)
        spec = IsotropicSpec(
            dim=dim,
            steps=effort.steps(steps),
            seed=seed,
            chains=_CHAINS,
            sigma=sigma2**0.5,
            queue_size=effort.queue(queue) if queue else 0,
            queue_every=partial(_pace, dim=dim, sigma2=sigma2, least=steps / 2 / _WINDOWS / max(queue, 1)),
        )
        laboratory = Laboratory(grid, spec, threads=threads)
        laboratory.advance(on_progress=partial(on_progress, f"hot, d = {dim}"))
        found[f"Hot, d = {dim}"] = stationary(laboratory.trace())
    return found


def _pace(point: Protocol, mean_square: float, *, dim: int, sigma2: float, least: float) -> float:
    """Iterations in which a hot direction forgets: by drift, and by noise, which turns it by itself.

    Three times over: in nine dimensions a neighbour in time is soon nearer than any in space.
    """
    elr = point.values["elr"]
    return max(_APART / (elr * (1.0 + (dim - 1) * elr * sigma2 / 2)), least)
