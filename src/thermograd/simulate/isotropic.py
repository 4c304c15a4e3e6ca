"""The isotropic noise model in one call: from a grid of hyperparameters to its stationary states."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import xarray as xr

from thermograd.protocol import Grid, Protocol
from thermograd.simulate.engine.plain import Loss
from thermograd.simulate.laboratory import Laboratory
from thermograd.simulate.rules import Rule
from thermograd.simulate.spec import IsotropicSpec
from thermograd.states import stationary

__all__ = ["isotropic", "isotropic_along"]


def isotropic(
    grid: Grid | Protocol,
    dim: int = 3,
    *,
    steps: int = 2_000_000,
    seed: int | Sequence[int] = 0,
    chains: int = 1,
    sigma: float = 1.0,
    spectrum: Sequence[float] | None = None,
    loss: Loss | None = None,
    mean_direction: Sequence[float] | None = None,
    record_every: int = 50,
    queue_size: int = 1000,
    queue_every: int | Rule = 50,
    windows: int | None = None,
    initial_radius: float | Rule | None = None,
    dtype: str | None = None,
    threads: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> xr.Dataset:
    """Simulate SGD on ``L(w) = 1 + mu.w/|w|`` under isotropic gradient noise; its stationary states.

    The stationary law of the direction is the Gibbs law ``rho(u) ~ exp(-L(u)/T)``, known exactly
    (`thermograd.theory.vmf`). The defaults are the published experiment; use :class:`Laboratory` to look
    along the way, save and go on.

    Parameters
    ----------
    grid
        A grid of one protocol, or a single protocol.
    dim, steps, seed, chains, sigma, spectrum, loss, mean_direction
        What is simulated, and how long: see :class:`IsotropicSpec`.
    record_every, queue_size, queue_every, windows, initial_radius, dtype
        How it is measured and started: see :class:`IsotropicSpec`.
    threads
        Threads to use, None for all cores; numbers do not depend on it.
    on_progress
        Called with the iterations done and their total.

    Returns
    -------
    xarray.Dataset
        States (see :func:`thermograd.states.stationary`): dims are the protocol's axes and, for several
        seeds, ``seed``.

    Raises
    ------
    InputError
        In one line, for whatever cannot be simulated as asked; before anything runs.

    References
    ----------
    IG section 5 and appendix D, eq. 24.

    Examples
    --------
    >>> from thermograd.protocol import FixedELR
    >>> from thermograd.theory import vmf
    >>> grid = FixedELR.grid(elr=[0.02], wd=[0.05])
    >>> states = isotropic(grid, steps=50_000, chains=64, queue_size=100, initial_radius=0.5)
    >>> print(f"{states.loss.item():.3f}, exactly {vmf.energy(states.temperature.item(), 3):.3f}")
    0.010, exactly 0.010
    >>> float((states.pressure * states.volume / states.temperature).item().__round__(1))  # R = (d - 1)/2
    1.0

    """
    spec = IsotropicSpec(
        dim=dim,
        steps=steps,
        seed=seed,
        chains=chains,
        sigma=sigma,
        spectrum=spectrum,
        loss=loss,
        mean_direction=mean_direction,
        record_every=record_every,
        queue_size=queue_size,
        queue_every=queue_every,
        windows=windows,
        initial_radius=initial_radius,
        dtype=dtype,
    )
    laboratory = Laboratory(grid, spec, threads=threads)
    laboratory.advance(on_progress=on_progress)
    return laboratory.states()


def isotropic_along(
    points: Sequence[Protocol],
    dim: int = 3,
    *,
    threads: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> list[xr.Dataset]:
    """Simulate points that are no rectangle, such as those of an adiabat, as one ensemble.

    Parameters
    ----------
    points
        Protocols of one kind, in any order.
    dim, threads, on_progress
        As for :func:`isotropic`.
    options
        The other fields of :class:`IsotropicSpec`.

    Returns
    -------
    list of xarray.Dataset
        States with a single grid point each, in the order of the points.

    Raises
    ------
    InputError
        As :func:`isotropic`.

    Examples
    --------
    On an adiabat, ``p V^2`` constant, twice the volume is half as hot:

    >>> from thermograd.protocol import FixedSphere
    >>> points = [FixedSphere(elr=0.02, radius=1.0), FixedSphere(elr=0.01, radius=2**0.5)]
    >>> cold = isotropic_along(points, steps=20_000, queue_size=0, chains=32)
    >>> [round(state.temperature.item(), 3) for state in cold]
    [0.01, 0.005]

    """
    laboratory = Laboratory(points, IsotropicSpec(dim=dim, **options), threads=threads)
    laboratory.advance(on_progress=on_progress)
    return [stationary(trace) for trace in laboratory.traces()]
