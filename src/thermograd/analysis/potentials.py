"""V2: does every stationary state minimise its thermodynamic potential among all the observed ones?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thermograd.analysis.points import LeftOut, Points, select
from thermograd.errors import InputError

__all__ = ["Beyond", "PotentialCheck", "potentials"]

Array = NDArray[np.float64]
_SPHERE = {"entropy": "entropy_sphere", "entropy_chart": "entropy_sphere_chart"}
_WITHIN = 3.0  # standard errors: the minimum is picked among many, so one or two happen by chance


@dataclass(frozen=True)
class Beyond:
    """A state whose potential is least at a state more than one grid step away.

    Attributes
    ----------
    point, minimiser
        Hyperparameters of the state, and of the one with the least potential at the temperature and pressure
        of the first.
    steps
        Grid steps between them, the larger of the two axes.
    difference, difference_se
        Potential of the state above the minimum, and its standard error; NaN where errors are not known.
    within_error
        Whether the difference is at most 3 standard errors.

    """

    point: dict[str, float]
    minimiser: dict[str, float]
    steps: int
    difference: float
    difference_se: float
    within_error: bool


@dataclass(frozen=True)
class PotentialCheck:
    """The outcome of V2; dims named ``*_star`` run over the states whose T and p are used.

    Attributes
    ----------
    potential
        ``F`` on the fixed sphere, at each radius; ``G`` at fixed ELR and LR.
    excess
        ``Phi_j(T_i, p_i) - min_j Phi_j``, dims ``(first_star, second_star, first, second)`` for G,
        ``(radius, elr_star, elr)`` for F, and ``seed`` last where there is one; NaN where left out.
    excess_se
        Its standard error; 0 at the minimum.
    steps_away
        Over the stars: grid steps from the state to its minimiser, the larger of the axes.
    minimiser
        Over the stars: the hyperparameters of the minimising state.
    difference, difference_se
        Over the stars: `excess` at the state's own place, and its standard error.
    within_one
        Part of the states whose minimiser is at most one grid step away on each axis.
    by_chance
        The same part for minimisers drawn at random among the competitors.
    n
        Number of states tested.
    beyond
        The states that are further away.
    left_out
        Points not used.

    """

    potential: str
    excess: xr.DataArray
    excess_se: xr.DataArray
    steps_away: xr.DataArray
    minimiser: xr.Dataset
    difference: xr.DataArray
    difference_se: xr.DataArray
    within_one: float
    by_chance: float
    n: int
    beyond: tuple[Beyond, ...]
    left_out: tuple[LeftOut, ...]


def potentials(
    states: xr.Dataset, *, statuses: Sequence[str] = ("equilibrium",), observable: str = "entropy"
) -> PotentialCheck:
    """Find for each state the one of least ``F = U - T S`` or ``G = U - T S + p V`` (IG section 4, V2).

    The temperature is the state's own measured one, the pressure its weight decay; the competitors are the
    usable states of the same radius (fixed sphere, where V cannot change) or of the whole grid, of the same
    seed. Errors of different states are independent; that of the radius is carried through S and V
    together, where at the minimum it cancels to first order.

    Parameters
    ----------
    states
        Stationary states with ``loss``, ``entropy``, ``temperature`` and, with a free radius, ``norm``.
    statuses
        Statuses of points to use.
    observable
        Which entropy: ``"entropy"``, or ``"entropy_chart"`` for the papers' reading of it.

    Raises
    ------
    InputError
        When something was not measured, or no two competitors are more than one grid step apart: such a test
        could not fail.

    References
    ----------
    IG section 4, eq. 22, figures 1, 3 and 4.

    Examples
    --------
    >>> from thermograd.protocol import FixedSphere
    >>> from thermograd.states import new_states
    >>> T = np.array([[1e-3], [2e-3], [4e-3]])
    >>> measured = {"tr_sigma": 20 + 0 * T, "norm": 1 + 0 * T, "loss": 5 * T, "entropy_sphere": 5 * np.log(T)}
    >>> grid = FixedSphere.grid(elr=T.ravel(), radius=[1.0])
    >>> check = potentials(new_states(grid, measured, dim=11))
    >>> check.potential, check.within_one, (check.excess[0] / 5e-3).values.round(3)
    ('F', 1.0, array([[0.   , 0.307, 1.614],
           [0.386, 0.   , 0.614],
           [2.545, 0.773, 0.   ]]))

    """
    gibbs = states.attrs.get("protocol") != "FixedSphere"
    needs = ["loss", observable, "temperature", *(["volume", "pressure"] if gibbs else [])]
    points = select(states, needs, statuses)
    lists = _Lists.of(points, gibbs)
    values = {name: lists.flat(points.on_grid(points.values[name])) for name in needs}
    apart, usable = lists.apart, lists.flat(points.used)
    testable = np.array([(apart[np.ix_(group, group)] > 1).any() for group in usable], dtype=bool)
    if not testable.any():
        raise InputError(
            f"potentials: {len(points)} usable points ({len(points.left_out)} left out), none more than one "
            "grid step from a competitor; expected at least 3 values of a hyperparameter"
        )
    used = usable & testable[:, None]
    u, s, t = values["loss"], values[observable], values["temperature"]
    phi = u[:, None, :] - t[:, :, None] * s[:, None, :]
    if gibbs:
        phi += values["pressure"][:, :, None] * values["volume"][:, None, :]
    phi[~(used[:, :, None] & used[:, None, :])] = np.inf
    own = np.arange(phi.shape[-1])
    best = phi.argmin(axis=-1)
    least = np.take_along_axis(phi, best[..., None], axis=-1)[..., 0]
    best = np.where(phi[:, own, own] <= least, own, best)  # a tie is no other minimum
    excess = np.where(np.isfinite(phi), phi, np.nan) - np.where(np.isfinite(least), least, np.nan)[..., None]
    difference = excess[:, own, own]
    steps = np.where(used, apart[own, best], np.nan)
    every = _errors(states, lists, values, observable, best)
    se = np.where(used, every[:, own, own], np.nan)
    beyond = tuple(
        Beyond(
            lists.point(group, star),
            lists.point(group, int(best[group, star])),
            int(steps[group, star]),
            float(difference[group, star]),
            float(se[group, star]),
            bool(difference[group, star] <= _WITHIN * se[group, star]),
        )
        for group, star in np.argwhere(steps > 1)
    )
    near = used.astype(float) @ (apart <= 1) / np.maximum(used.sum(axis=1, keepdims=True), 1)
    reason = "no competitor is more than one grid step away"
    alone = tuple(LeftOut(lists.point(*index), reason) for index in np.argwhere(usable & ~used))
    return PotentialCheck(
        potential="G" if gibbs else "F",
        excess=lists.over_pairs(excess),
        excess_se=lists.over_pairs(np.where(np.isfinite(excess), every, np.nan)),
        steps_away=lists.over_stars(steps),
        minimiser=xr.Dataset(
            {
                name: lists.over_stars(np.where(used, lists.coords[name][lists.place[best, axis]], np.nan))
                for axis, name in enumerate(lists.inner)
            }
        ),
        difference=lists.over_stars(difference),
        difference_se=lists.over_stars(se),
        within_one=float((steps[used] <= 1).mean()),
        by_chance=float(near[used].mean()),
        n=int(used.sum()),
        beyond=beyond,
        left_out=(*points.left_out, *alone),
    )


@dataclass(frozen=True)
class _Lists:
    """The grid as ``(groups, competitors)``: who competes with whom, and the way back to labelled arrays."""

    outer: tuple[str, ...]
    inner: tuple[str, ...]
    coords: dict[str, Array]
    place: NDArray[np.int64]  # (competitors, axes) indices on the inner axes
    apart: NDArray[np.int64]  # grid steps between competitors

    @classmethod
    def of(cls, points: Points, gibbs: bool) -> _Lists:
        dims = tuple(str(name) for name in points.used.dims)
        inner = dims[:2] if gibbs else dims[:1]
        coords = {name: points.used[name].values for name in dims}
        place = np.array(list(np.ndindex(*(len(coords[name]) for name in inner))))
        apart = np.abs(place[:, None] - place[None]).max(axis=-1)
        return cls(tuple(name for name in dims if name not in inner), inner, coords, place, apart)

    def flat(self, grid: xr.DataArray) -> NDArray[Any]:
        values: NDArray[Any] = grid.transpose(*self.outer, *self.inner).values.reshape(-1, len(self.place))
        return values

    def point(self, group: int, star: int) -> dict[str, float]:
        shape = [len(self.coords[name]) for name in self.outer]
        index = (*np.unravel_index(group, shape), *self.place[star])
        found = dict(zip((*self.outer, *self.inner), index, strict=True))
        return {name: float(values[found[name]]) for name, values in self.coords.items()}

    def over_stars(self, values: Array) -> xr.DataArray:
        return self._labelled(values, [f"{name}_star" for name in self.inner])

    def over_pairs(self, values: Array) -> xr.DataArray:
        return self._labelled(values, [*(f"{name}_star" for name in self.inner), *self.inner])

    def _labelled(self, values: Array, inner: list[str]) -> xr.DataArray:
        dims = [*self.outer, *inner]
        coords = {name: self.coords[name.removesuffix("_star")] for name in dims}
        grid = xr.DataArray(values.reshape([len(coords[name]) for name in dims]), coords, dims)
        return grid.transpose(*(name for name in ("radius", *inner, "seed") if name in dims))


def _errors(
    states: xr.Dataset,
    lists: _Lists,
    values: dict[str, NDArray[Any]],
    observable: str,
    best: NDArray[np.int64],
) -> Array:
    """Standard error of every competitor's potential above the least one, at T and p of each state."""
    group, own = np.arange(len(best))[:, None], np.arange(best.shape[1])
    t = values["temperature"][:, :, None]
    p = values["pressure"][:, :, None] if "pressure" in values else np.zeros_like(t)
    sphere = f"{_SPHERE.get(observable)}_se"
    through_norm = sphere in states and "norm_se" in states

    def of(name: str) -> Array:
        known = lists.flat(states[name]) if name in states else np.full(best.shape, np.nan)
        return np.asarray(known, dtype=np.float64)[:, None, :]

    if through_norm:
        norm = of("norm")
        slope = p * norm**2 - t * (int(states.attrs["dim"]) - 1)  # of Phi in log r
        rest = (t * of(sphere)) ** 2 + (slope * of("norm_se") / norm) ** 2
    else:
        pv = p * of("volume_se") if "pressure" in values else 0.0
        rest = (t * of(f"{observable}_se")) ** 2 + pv**2
    variance = of("loss_se") ** 2 + rest
    least = np.take_along_axis(variance, best[..., None], axis=-1)
    s = values[observable]
    # an error of T tilts the potential; that of the wd is none
    tilt = (s[:, None, :] - s[group, best][..., None]) * np.nan_to_num(of("temperature_se")).transpose(
        0, 2, 1
    )
    with np.errstate(invalid="ignore"):
        se = np.sqrt(variance + least + tilt**2)
    return np.asarray(np.where(own == best[..., None], 0.0, se))
