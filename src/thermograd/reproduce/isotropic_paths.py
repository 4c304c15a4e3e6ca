"""Beside the grids of the isotropic model: states along adiabats, and hot ones in more dimensions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from thermograd.protocol import FixedELR, FixedSphere, Protocol

if TYPE_CHECKING:
    import xarray as xr

    from thermograd.report.isotropic import AdiabatRun

__all__ = ["adiabat_runs", "hot_states"]

Progress = Callable[[str, int, int], None]
_CHAINS = 16


def adiabat_runs(
    settled: xr.Dataset, seed: int, threads: int | None, on_progress: Progress
) -> dict[str, AdiabatRun]:
    """States along two adiabats (V4), and along paths that are none.

    When cold (``d = 3``, fixed ELR) the curve is worked out from the energies that `settled` measured; when
    hot (``d = 10``, fixed sphere, where the heat capacity falls and gamma is not 2) from the exact ones.
    """
    from thermograd.analysis import adiabat, heat_capacities
    from thermograd.report.isotropic import AdiabatRun
    from thermograd.theory import vmf

    heat = heat_capacities(settled).points
    measured = tuple(heat[name].values for name in ("temperature", "energy", "energy_se"))
    start = FixedELR(elr=2e-3, wd=2e-3)
    # From twice the coldest level to a tenth of the hottest: steps small enough for the SDE's radius.
    cold = adiabat(start, energy=measured, temperatures=np.geomspace(1e-3, 5e-3, 7), dim=3, sigma2=1.0)
    fixed_wd = [FixedELR(elr=point.values["elr"], wd=start.wd) for point in cold.protocols]
    sigma2 = 600.0
    hot_start = FixedSphere(elr=2 * 0.1 / sigma2, radius=1.0)
    temperatures = np.geomspace(0.1, 0.5, 7)
    hot = adiabat(
        hot_start, energy=partial(vmf.energy, d=10), temperatures=temperatures, dim=10, sigma2=sigma2
    )
    fixed_radius = [FixedSphere(elr=point.values["elr"], radius=1.0) for point in hot.protocols]

    def run(words: str, points: list[Protocol], dim: int, sigma: float, steps: int) -> list[xr.Dataset]:
        return _along(points, dim, sigma, steps, seed, threads, partial(on_progress, words))

    return {
        "Cold, d = 3, from measured energies": AdiabatRun(
            run("adiabat, d = 3", list(cold.protocols), 3, 1.0, 2_000_000),
            {"at fixed weight decay": run("fixed decay, d = 3", list(fixed_wd), 3, 1.0, 2_000_000)},
        ),
        "Hot, d = 10, from exact energies": AdiabatRun(
            run("adiabat, d = 10", list(hot.protocols), 10, sigma2**0.5, 8_000_000),
            {"at fixed radius": run("fixed radius, d = 10", list(fixed_radius), 10, sigma2**0.5, 8_000_000)},
        ),
    }


def _along(
    points: list[Protocol],
    dim: int,
    sigma: float,
    steps: int,
    seed: int,
    threads: int | None,
    on_progress: Callable[[int, int], None],
) -> list[xr.Dataset]:
    from thermograd.simulate import IsotropicSpec, Laboratory, direction_relaxation, predicted_radius
    from thermograd.states import stationary

    radius = None if isinstance(points[0], FixedSphere) else predicted_radius
    spec = IsotropicSpec(
        dim=dim,
        steps=steps,
        seed=seed,
        chains=_CHAINS,
        sigma=sigma,
        queue_every=direction_relaxation,
        initial_radius=radius,
    )
    laboratory = Laboratory(points, spec, threads=threads)
    laboratory.advance(on_progress=on_progress)
    return [stationary(trace, relaxations=0.0) for trace in laboratory.traces()]


def hot_states(seed: int, threads: int | None, on_progress: Progress) -> dict[str, xr.Dataset]:
    """States at ``d = 10`` and ``d = 100`` up to T = 1, where the small-T form of the law is far off.

    The noise is strong and the steps small, so that what is seen is the temperature and not the step.
    """
    from thermograd.simulate import IsotropicSpec, Laboratory
    from thermograd.states import stationary

    found = {}
    for dim, sigma2 in ((10, 2e3), (100, 2e4)):
        # Up to T = elr sigma^2 / 2 = 1.
        grid = FixedSphere.grid(
            elr=[2 * T / sigma2 for T in (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)], radius=[0.5, 1.0, 2.0, 4.0]
        )
        spec = IsotropicSpec(
            dim=dim, steps=2_000_000, seed=seed, chains=4, sigma=sigma2**0.5, queue_every=1000, queue_size=500
        )
        laboratory = Laboratory(grid, spec, threads=threads)
        laboratory.advance(on_progress=partial(on_progress, f"hot, d = {dim}"))
        found[f"Hot, d = {dim}"] = stationary(laboratory.trace())
    return found
