"""Temperature and gradient noise against the batch size: does the learning rate per image decide?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thermograd.analysis.points import LeftOut, select
from thermograd.analysis.power_law import PowerLaw, fit_power_law
from thermograd.errors import InputError

__all__ = ["EXPECTED", "BatchSizeCheck", "BatchSizeLaw", "batch_size_laws"]

Array = NDArray[np.float64]
_LEAST = 3
_WANTED = ("temperature", "sigma2", "loss")

EXPECTED: dict[str, dict[tuple[str, str], float]] = {
    "FixedSphere": {
        ("sigma2", "rate"): -1.0,
        ("temperature", "rate"): -1.0,
        ("temperature", "rate / B"): 0.0,
        ("loss", "rate / B"): 0.0,
    },
    "FixedELR": {
        ("sigma2", "rate"): -1.0,
        ("temperature", "rate"): -1.0,
        ("temperature", "rate / B"): 0.0,
        ("loss", "rate / B"): 0.0,
    },
    "FixedLR": {
        ("sigma2", "rate"): -1.0,
        ("temperature", "rate"): -0.5,
        ("temperature", "rate / B"): 0.0,
        ("loss", "rate / B"): 0.0,
    },
}
"""By protocol: the exponent in B of an observable, and what is held fixed, if a minibatch has the noise of
independent images. At fixed LR ``T`` goes as ``sqrt(lr wd sigma2)``, elsewhere as ``elr sigma2``."""


@dataclass(frozen=True)
class BatchSizeLaw:
    """How one observable changes with the batch size along one family of runs.

    Attributes
    ----------
    observable
        ``"temperature"``, ``"sigma2"`` or ``"loss"``.
    held
        ``"rate"``, or ``"rate / B"``: what is the same for all runs of the family.
    value
        Its value.
    law
        ``observable = c B^a``.
    expected
        The exponent where the minibatch noise is that of independent images and nothing else changes.

    """

    observable: str
    held: str
    value: float
    law: PowerLaw
    expected: float

    @property
    def pull(self) -> float:
        """Deviation from the expected exponent in standard errors."""
        away = self.law.exponent - self.expected
        return away / self.law.exponent_se if self.law.exponent_se > 0 else math.copysign(math.inf, away)


@dataclass(frozen=True)
class BatchSizeCheck:
    """One protocol's runs over the batch size.

    Attributes
    ----------
    protocol
        Its name.
    points
        Over ``run``: ``batch_size``, ``rate`` (ELR, or LR), ``other`` (radius or weight decay), and each
        observable with ``_se``, seeds averaged.
    laws
        Of every observable along every family that has at least 3 batch sizes.
    left_out
        Runs not used, by batch size.

    """

    protocol: str
    points: xr.Dataset
    laws: tuple[BatchSizeLaw, ...]
    left_out: tuple[tuple[int, LeftOut], ...]

    def law(self, observable: str, held: str) -> BatchSizeLaw | None:
        """The law of this observable with this held fixed, if there is one."""
        return next((one for one in self.laws if (one.observable, one.held) == (observable, held)), None)


def batch_size_laws(states: Mapping[int, xr.Dataset]) -> BatchSizeCheck:
    """Fit powers of the batch size to temperature, noise and loss, at fixed rate and at fixed rate per image.

    Independent images make the covariance of a minibatch gradient fall as 1/B. If the learning rate per image
    decides everything, then along ``rate / B = const`` neither temperature nor loss changes. BatchNorm makes
    a gradient depend on its whole minibatch, so that neither need be exact.

    Parameters
    ----------
    states
        Stationary states of one protocol by batch size.

    Raises
    ------
    InputError
        Fewer than 3 batch sizes, several protocols, or no family of runs at 3 batch sizes.

    References
    ----------
    FE section 2 and appendix A: ``T ~ eta sigma^2 / B``.

    Examples
    --------
    >>> from thermograd.protocol import FixedSphere
    >>> from thermograd.states import new_states
    >>> states = {
    ...     B: new_states(
    ...         FixedSphere.grid(elr=[1e-3], radius=[1.0]),
    ...         {"norm": [[1.0]], "loss": [[0.5]], "tr_sigma": [[128 * 9 / B]]},
    ...         dim=10,
    ...     )
    ...     for B in (32, 64, 128)
    ... }
    >>> round(batch_size_laws(states).law("sigma2", "rate").law.exponent, 6)
    -1.0

    """
    protocols = sorted({str(dataset.attrs.get("protocol")) for dataset in states.values()})
    if len(states) < _LEAST or len(protocols) != 1 or protocols[0] not in EXPECTED:
        raise InputError(
            f"batch size: {len(states)} batch sizes under {', '.join(protocols) or 'no protocol'}; expected "
            f"at least {_LEAST}, all under one of {', '.join(EXPECTED)}"
        )
    rows: list[dict[str, float]] = []
    left_out: list[tuple[int, LeftOut]] = []
    for size in sorted(states):
        found, left = _rows(size, states[size])
        rows += found
        left_out += [(size, one) for one in left]
    if not rows:
        raise InputError("batch size: no run is in equilibrium; expected some at 3 batch sizes")
    points = xr.Dataset({name: ("run", np.array([row[name] for row in rows])) for name in rows[0]})
    laws = []
    for held in ("rate", "rate / B"):
        for value, chosen in _families(points, held):
            for observable in _WANTED:
                law = _law(points.isel(run=chosen), observable)
                expected = EXPECTED[protocols[0]].get((observable, held))
                if law is not None and expected is not None:
                    laws.append(BatchSizeLaw(observable, held, value, law, expected))
    if not laws:
        raise InputError(
            f"batch size: {len(rows)} runs in equilibrium, no rate and no rate per image at {_LEAST} batch "
            "sizes; expected one"
        )
    return BatchSizeCheck(protocols[0], points, tuple(laws), tuple(left_out))


def _rows(size: int, states: xr.Dataset) -> tuple[list[dict[str, float]], tuple[LeftOut, ...]]:
    """One row for each grid point in equilibrium, its seeds averaged."""
    points = select(states, _WANTED)
    first, second = (name for name in points.axes if name != "seed")
    places: dict[tuple[float, float], list[int]] = {}
    for i, at in enumerate(zip(points.axes[first].tolist(), points.axes[second].tolist(), strict=True)):
        places.setdefault(at, []).append(i)
    rows = []
    for (rate, other), seeds in sorted(places.items()):
        row = {"batch_size": float(size), "rate": rate, "other": other, "seeds": float(len(seeds))}
        for name in _WANTED:
            values, errors = points.values[name][seeds], points.errors[name][seeds]
            own = float(np.sqrt(np.sum(errors**2))) / len(seeds)
            scatter = float(values.std(ddof=1)) / math.sqrt(len(seeds)) if len(seeds) > 1 else 0.0
            # Seeds that disagree more than their errors allow show it.
            row |= {name: float(values.mean()), f"{name}_se": max(own, scatter) if own == own else scatter}
        rows.append(row)
    return rows, points.left_out


def _families(points: xr.Dataset, held: str) -> list[tuple[float, NDArray[np.intp]]]:
    """Runs at one value of the other axis that share a rate, or a rate per image, at 3 batch sizes."""
    share = points["rate"].values / (points["batch_size"].values if held == "rate / B" else 1.0)
    # A learning rate that was divided and multiplied is the same up to rounding.
    marks = np.stack([np.log(share).round(6), np.log(points["other"].values).round(6)], axis=1)
    found = []
    for mark in np.unique(marks, axis=0):
        chosen = np.flatnonzero((marks == mark).all(axis=1))
        if len(np.unique(points["batch_size"].values[chosen])) >= _LEAST:
            found.append((float(share[chosen[0]]), chosen[np.argsort(points["batch_size"].values[chosen])]))
    return found


def _law(points: xr.Dataset, observable: str) -> PowerLaw | None:
    values, errors = points[observable].values, points[f"{observable}_se"].values
    if not (values > 0).all():
        return None
    covariance = np.diag((errors / values) ** 2)
    return fit_power_law(points["batch_size"].values, values, covariance=covariance)
