"""Fixtures for everyone: synthetic runs of an ideal gas, exact up to a noise that the test chooses."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr
from scipy.signal import lfilter

from thermograd.protocol import FixedLR, FixedSphere, Grid
from thermograd.states import new_states, new_trace
from thermograd.theory import gas
from thermograd.theory.radius import effective_wd_sphere, stationary_radius_elr, stationary_radius_lr

Maker = Callable[..., xr.Dataset]


def ar1(rng: np.random.Generator, shape: tuple[int, ...], rho: float) -> np.ndarray:
    """Unit-variance AR(1) series along the last axis; integrated time ``(1 + rho) / (1 - rho)``."""
    start = rng.standard_normal((*shape[:-1], 1))
    shocks = np.sqrt(1 - rho**2) * rng.standard_normal(shape)
    shocks[..., :1] = start  # drawn from the stationary law: no burn-in
    return lfilter([1.0], [1.0, -rho], shocks, axis=-1)


def ideal_gas(grid: Grid, dim: int, sigma2: float, grad_sq: float = 0.0) -> dict[str, np.ndarray]:
    """The exact stationary state at every grid point: ``p V = R T``, ``U = R T``, ``S = R log(2 pi e T)``."""
    first, second = np.meshgrid(*grid.axes.values(), indexing="ij")
    tr_sigma = np.full(grid.shape, sigma2 * (dim - 1))
    values = {"tr_sigma": tr_sigma, "batch_grad_sq": tr_sigma + grad_sq}
    values["grad_sq"] = np.full(grid.shape, grad_sq)
    if grid.protocol is FixedLR:
        temperature = gas.temperature_lr(first, second, sigma2, dim)
        values["norm"] = stationary_radius_lr(first, second, tr_sigma).sde
    else:
        temperature = gas.temperature_elr(first, sigma2)
        if grid.protocol is FixedSphere:
            values["norm"] = second
            values["effective_wd"] = effective_wd_sphere(first, second, tr_sigma).sde
        else:
            values["norm"] = stationary_radius_elr(first, second, tr_sigma).sde
    values["loss"] = gas.gas_constant(dim) * temperature
    values["entropy_sphere"] = gas.gas_constant(dim) * np.log(2 * np.pi * np.e * temperature)
    return values


@pytest.fixture
def make_trace() -> Maker:
    """A trace of an ideal gas with AR(1) noise of relative size ``noise`` (nats: of R) on everything."""

    def make(
        grid: Grid,
        rng: np.random.Generator,
        *,
        dim: int = 101,
        sigma2: float = 4.0,
        grad_sq: float = 40.0,
        points: int = 400,
        every: int = 1000,
        rho: float = 0.5,
        noise: float = 0.02,
        **attrs: object,
    ) -> xr.Dataset:
        shape = (*grid.shape, points)
        series = {}
        for name, exact in ideal_gas(grid, dim, sigma2, grad_sq).items():
            wobble = noise * ar1(rng, shape, 0.0 if name == "entropy_sphere" else rho)
            if name == "entropy_sphere":
                series[name] = exact[..., None] + gas.gas_constant(dim) * wobble
                series[name][..., np.arange(points) % 10 != 9] = np.nan
            elif name == "norm" and grid.protocol is FixedSphere:
                series[name] = np.broadcast_to(exact[..., None], shape)
            else:
                series[name] = exact[..., None] * (1 + wobble)
        series["tr_sigma"] = series["batch_grad_sq"] - series["grad_sq"]
        return new_trace(grid, every * np.arange(1, points + 1), series, dim=dim, attrs=attrs)

    return make


@pytest.fixture
def make_states() -> Maker:
    """States of an ideal gas with independent noise of relative size ``noise`` (nats: of R) and errors."""

    def make(
        grid: Grid,
        rng: np.random.Generator | None = None,
        *,
        dim: int = 101,
        sigma2: float = 4.0,
        grad_sq: float = 0.0,
        noise: float = 0.0,
        **replaced: np.ndarray,
    ) -> xr.Dataset:
        values = {}
        for name, exact in (ideal_gas(grid, dim, sigma2, grad_sq) | replaced).items():
            size = noise * (gas.gas_constant(dim) if name == "entropy_sphere" else exact)
            size = np.zeros_like(exact) + (0.0 if name == "norm" and grid.protocol is FixedSphere else size)
            draw = rng.standard_normal(exact.shape) if rng is not None else 0.0
            values[name], values[f"{name}_se"] = exact + size * draw, size
        return new_states(grid, values, dim=dim)

    return make
