"""Beside the grids of the isotropic model: uneven noise, and clouds of directions to look at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from thermograd.protocol import FixedSphere
from thermograd.reproduce.isotropic_effort import Effort

if TYPE_CHECKING:
    import xarray as xr

    from thermograd.report.isotropic_extras import AnisotropyRun

__all__ = ["ANISOTROPIES", "anisotropic_states", "clouds"]

Progress = Callable[[str, int, int], None]
ANISOTROPIES = (0.0, 0.3, 0.6, 0.9)
"""Half the difference between the noise's variances over their mean."""

_ELR, _STEPS, _QUEUE, _CHAINS = 0.01, 4_000_000, 1000, 2
_RADII = [0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0]  # repetitions: the direction knows nothing of them
_PATTERNS = {3: (1, -1), 5: (1, 1, -1, -1)}
_POINTS, _CLOUD_TIMES = 1500, 8  # of a cloud: independent chains, and relaxation times that each is run
_CLOUDS = (("T = 0.01", 0.01, 0.0), ("T = 0.1", 0.1, 0.0), ("T = 0.5", 0.5, 0.0))
_UNEVEN = 0.9


def anisotropic_states(
    seed: int,
    threads: int | None,
    on_progress: Progress,
    effort: Effort = Effort(),  # noqa: B008 -- frozen
) -> tuple[AnisotropyRun, ...]:
    """States under noise of variances ``1 + a`` and ``1 - a``, the same in sum, at ``d = 3`` and ``d = 5``.

    One effective learning rate on a fixed sphere, cold (T = 0.005); the radii are repetitions.

    Parameters
    ----------
    seed, threads, on_progress
        As for :func:`thermograd.reproduce.isotropic.reproduce_isotropic`.
    effort
        How much of the full lengths to run.

    Returns
    -------
    tuple of AnisotropyRun
        One for each dimension; that of ``d = 3`` with a cloud of directions in the tangent plane.

    """
    from thermograd.report.isotropic_extras import AnisotropyRun
    from thermograd.simulate import IsotropicSpec, Laboratory
    from thermograd.states import stationary

    grid = FixedSphere.grid(elr=[_ELR], radius=_RADII)
    found = []
    for dim, pattern in _PATTERNS.items():
        states: dict[float, xr.Dataset] = {}
        for i, a in enumerate(ANISOTROPIES):
            spec = IsotropicSpec(
                dim=dim,
                steps=effort.steps(_STEPS),
                # Every spectrum its own noise: states of one stream would share their chance.
                seed=seed + i,
                chains=_CHAINS,
                spectrum=[1.0 + a * sign for sign in pattern],
                queue_size=effort.queue(_QUEUE),
                queue_every=round(2 / _ELR),
            )
            laboratory = Laboratory(grid, spec, threads=threads)
            laboratory.advance(on_progress=partial(on_progress, f"anisotropic noise, d = {dim}"))
            states[a] = stationary(laboratory.trace())
        cloud = _cloud(dim, _ELR / 2, _ELR, _UNEVEN, seed, threads) if dim == 3 else None
        found.append(AnisotropyRun(states, cloud))
    return tuple(found)


def clouds(seed: int, threads: int | None) -> dict[str, np.ndarray]:
    """Independent directions in three dimensions at three temperatures, and under uneven noise, by words.

    Parameters
    ----------
    seed, threads
        As for :func:`thermograd.reproduce.isotropic.reproduce_isotropic`.

    Returns
    -------
    dict
        Unit vectors, shape ``(1500, 3)``; ``mu`` is the first axis, the minimum opposite to it.

    """
    found = {words: _cloud(3, T, 0.02, a, seed, threads) for words, T, a in _CLOUDS}
    found[f"T = 0.1, noise 1 ± {_UNEVEN}"] = _cloud(3, 0.1, 0.02, _UNEVEN, seed, threads)
    return found


def _cloud(dim: int, T: float, elr: float, a: float, seed: int, threads: int | None) -> np.ndarray:
    """Where many chains point after some relaxation times, at temperature ``T`` by the noise's trace."""
    from thermograd.simulate import IsotropicSpec, Laboratory

    pattern: Sequence[int] = _PATTERNS[dim]
    spec = IsotropicSpec(
        dim=dim,
        steps=round(_CLOUD_TIMES / elr),
        seed=seed,
        chains=_POINTS,
        sigma=(2 * T / elr) ** 0.5,
        spectrum=[1.0 + a * sign for sign in pattern],
        # mu is an axis: the frame of the noise's eigenvectors is that of the coordinates
        mean_direction=np.eye(dim)[0].tolist(),
        queue_size=0,
    )
    laboratory = Laboratory(FixedSphere(elr=elr, radius=1.0), spec, threads=threads)
    laboratory.advance()
    return laboratory.directions().reshape(-1, dim)
