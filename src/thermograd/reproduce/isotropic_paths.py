"""Beside the grids of the isotropic model: states along two adiabats, and along paths that are none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from thermograd.protocol import FixedELR, FixedSphere, Protocol
from thermograd.reproduce.isotropic_effort import Effort

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from thermograd.report.isotropic import AdiabatRun
    from thermograd.simulate import IsotropicSpec

__all__ = ["adiabat_runs"]

Progress = Callable[[str, int, int], None]
_COLD_STEPS, _HOT_STEPS = 32_000_000, 26_000_000
_CHAINS = 4
_POINTS = 7
_DIM, _SIGMA2, _QUEUE = 4, 200.0, 4000  # of the hot adiabat
_HOT = (0.15, 0.75)  # its temperatures


def adiabat_runs(
    settled: xr.Dataset,
    seed: int,
    threads: int | None,
    on_progress: Progress,
    effort: Effort = Effort(),  # noqa: B008 -- frozen
) -> dict[str, AdiabatRun]:
    """States along two adiabats (V4), and along paths that are none.

    When cold (``d = 3``, fixed ELR) the curve is worked out from the energies that `settled` measured. When
    hot (``d = 4``, fixed sphere, where the heat capacity falls and gamma is not 2) it is worked out from the
    exact ones, and the curve of the cold gas's gamma leads away from it.

    The hot queues are long, 4000 directions: the estimator's own bias is that of a bell where the law is
    one, and none where it is nearly uniform, and what is left of it must not be taken for a change of S.

    Parameters
    ----------
    settled
        States at fixed ELR in three dimensions.
    seed, threads, on_progress
        As for :func:`thermograd.reproduce.isotropic.reproduce_isotropic`.
    effort
        How much of the full lengths to run.

    Returns
    -------
    dict
        Runs by title.

    """
    from thermograd.report.isotropic import AdiabatRun
    from thermograd.simulate import IsotropicSpec, predicted_radius

    adiabat_cold, fixed_wd = _cold_paths(settled)
    adiabat_hot, others = _hot_paths()
    # The pace of all is the relaxation of the coldest, 1 / (elr (1 + (d-1) T)): drift and noise, which turns
    # the direction by itself. Sixteen windows each when cold, seven when hot.
    elr = min(point.values["elr"] for point in adiabat_hot)
    slowest = 50 * round(1.0 / (elr * (1.0 + (_DIM - 1) * _HOT[0])) / 50)
    cold = IsotropicSpec(
        steps=effort.steps(_COLD_STEPS),
        seed=seed,
        chains=_CHAINS,
        queue_size=effort.queue(1000),
        queue_every=1000,
        initial_radius=predicted_radius,
    )
    hot = IsotropicSpec(
        dim=_DIM,
        sigma=_SIGMA2**0.5,
        steps=effort.steps(_HOT_STEPS),
        seed=seed,
        chains=_CHAINS,
        queue_size=effort.queue(_QUEUE),
        queue_every=slowest,
    )

    def along(words: str, points: Sequence[Protocol], spec: IsotropicSpec) -> list[xr.Dataset]:
        return _along(points, spec, threads, partial(on_progress, words))

    return {
        "Cold, d = 3, from measured energies": AdiabatRun(
            along("adiabat, d = 3", adiabat_cold, cold),
            {"at fixed weight decay": along("fixed decay, d = 3", fixed_wd, cold)},
        ),
        f"Hot, d = {_DIM}, from exact energies": AdiabatRun(
            along(f"adiabat, d = {_DIM}", adiabat_hot, hot),
            {words: along(f"{words}, d = {_DIM}", points, hot) for words, points in others.items()},
        ),
    }


def _cold_paths(settled: xr.Dataset) -> tuple[tuple[Protocol, ...], list[Protocol]]:
    """The adiabat from measured energies, and its learning rates at the decay that it starts from."""
    from thermograd.analysis import adiabat, heat_capacities

    heat = heat_capacities(settled).points
    measured = tuple(heat[name].values for name in ("temperature", "energy", "energy_se"))
    start = FixedELR(elr=2e-3, wd=2e-3)
    # From twice the coldest level to a tenth of the hottest: steps small enough for the SDE's radius.
    T = np.geomspace(1e-3, 5e-3, _POINTS)
    cold = adiabat(start, energy=measured, temperatures=T, dim=3, sigma2=1.0).protocols
    return cold, [FixedELR(elr=point.values["elr"], wd=start.wd) for point in cold]


def _hot_paths() -> tuple[tuple[Protocol, ...], dict[str, Sequence[Protocol]]]:
    """The exact adiabat, and the curve of a constant gamma of 2 from the same start."""
    from thermograd.analysis import adiabat
    from thermograd.analysis.isotropic_law import isotropic_law

    def exact(T: NDArray[np.float64]) -> NDArray[np.float64]:
        return isotropic_law("FixedSphere", 2.0 * T, 1.0, dim=_DIM, sigma=1.0)["loss"]

    def equipartition(T: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray((_DIM - 1) / 2 * T)

    start = FixedSphere(elr=2 * _HOT[0] / _SIGMA2, radius=1.0)
    T = np.geomspace(*_HOT, _POINTS)
    true, constant = (
        adiabat(start, energy=energy, temperatures=T, dim=_DIM, sigma2=_SIGMA2).protocols
        for energy in (exact, equipartition)
    )
    return true, {"at constant gamma = 2": constant}


def _along(
    points: Sequence[Protocol],
    spec: IsotropicSpec,
    threads: int | None,
    on_progress: Callable[[int, int], None],
) -> list[xr.Dataset]:
    from thermograd.simulate import Laboratory
    from thermograd.states import stationary

    laboratory = Laboratory(points, spec, threads=threads)
    laboratory.advance(on_progress=on_progress)
    # Started where theory puts the radius, the chains have no start to forget.
    return [stationary(trace, relaxations=0.0) for trace in laboratory.traces()]
