"""The three training protocols of the ideal-gas paper, and grids of them.

A protocol owns the hyperparameters of a run and says what they mean, so that a bare learning rate is never
mistaken for an effective one. The *effective learning rate* (ELR) of weights of norm ``r`` is ``lr / r**2``:
only it matters for the direction of scale-invariant weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import product
from typing import ClassVar

from thermograd.errors import InputError

__all__ = ["PROTOCOLS", "FixedELR", "FixedLR", "FixedSphere", "Grid", "Protocol"]

_MEANING = {
    "lr": "learning rate",
    "elr": "effective learning rate",
    "wd": "weight decay",
    "radius": "radius",
}


def _positive(owner: str, name: str, value: object) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise InputError(f"{owner}: {name} ({_MEANING[name]}) is {value!r}; expected a finite number above 0")
    return number


@dataclass(frozen=True)
class Protocol:
    """What the three protocols share: positive hyperparameters, known by name."""

    axes: ClassVar[tuple[str, str]]
    """The names of the two hyperparameters, in the order in which a grid varies them."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = _positive(type(self).__name__, field.name, getattr(self, field.name))
            object.__setattr__(self, field.name, value)

    @property
    def values(self) -> dict[str, float]:
        """The hyperparameters by name."""
        return {name: getattr(self, name) for name in self.axes}

    def effective_lr(self, radius: float) -> float:
        """The step size on the unit sphere, ``lr / radius**2``, when the weights have this norm."""
        raise NotImplementedError


@dataclass(frozen=True)
class FixedSphere(Protocol):
    """SGD at fixed ELR on a sphere: ``w <- proj_r(w - elr * r**2 * g)`` (IG section 3.2).

    Parameters
    ----------
    elr
        Effective learning rate, above 0.
    radius
        Norm that the weights are projected back to after each step, above 0.

    Examples
    --------
    >>> FixedSphere(elr=1e-3, radius=2.0).values
    {'elr': 0.001, 'radius': 2.0}

    """

    elr: float
    radius: float
    axes: ClassVar[tuple[str, str]] = ("elr", "radius")

    def effective_lr(self, radius: float) -> float:
        """The ELR: it is held fixed."""
        return self.elr

    @classmethod
    def grid(cls, *, elr: Sequence[float], radius: Sequence[float]) -> Grid:
        """Every combination of these values."""
        return Grid(cls, {"elr": elr, "radius": radius})


@dataclass(frozen=True)
class FixedELR(Protocol):
    """SGD with weight decay at fixed ELR: ``w <- w - elr * |w|**2 * (g + wd * w)`` (IG section 3.2).

    Parameters
    ----------
    elr
        Effective learning rate, above 0.
    wd
        Weight decay, above 0: without it the radius grows for ever.

    Examples
    --------
    >>> FixedELR(elr=1e-3, wd=-1)
    Traceback (most recent call last):
    thermograd.errors.InputError: FixedELR: wd (weight decay) is -1; expected a finite number above 0

    """

    elr: float
    wd: float
    axes: ClassVar[tuple[str, str]] = ("elr", "wd")

    def effective_lr(self, radius: float) -> float:
        """The ELR: it is held fixed."""
        return self.elr

    @classmethod
    def grid(cls, *, elr: Sequence[float], wd: Sequence[float]) -> Grid:
        """Every combination of these values."""
        return Grid(cls, {"elr": elr, "wd": wd})


@dataclass(frozen=True)
class FixedLR(Protocol):
    """Plain SGD with weight decay: ``w <- w - lr * (g + wd * w)`` (IG section 3.2).

    Parameters
    ----------
    lr
        Learning rate, above 0.
    wd
        Weight decay, above 0: without it the radius grows for ever.

    Examples
    --------
    >>> FixedLR(lr=0.1, wd=1e-3).effective_lr(radius=2.0)
    0.025

    """

    lr: float
    wd: float
    axes: ClassVar[tuple[str, str]] = ("lr", "wd")

    def effective_lr(self, radius: float) -> float:
        """``lr / radius**2``."""
        return self.lr / radius**2

    @classmethod
    def grid(cls, *, lr: Sequence[float], wd: Sequence[float]) -> Grid:
        """Every combination of these values."""
        return Grid(cls, {"lr": lr, "wd": wd})


PROTOCOLS: dict[str, type[Protocol]] = {cls.__name__: cls for cls in (FixedSphere, FixedELR, FixedLR)}
"""The protocols by class name, as datasets and configuration files record them."""


@dataclass(frozen=True)
class Grid:
    """A rectangular grid of one protocol's hyperparameters: iterate over it to get the protocols.

    The values of an axis are sorted; a value that appears twice, or an axis without values, is refused.

    Parameters
    ----------
    protocol
        Whose hyperparameters.
    axes
        Values by the name of the axis.
    only
        The points of the rectangle that are meant, a path or a part; ``None``: all.

    Examples
    --------
    >>> grid = FixedELR.grid(elr=[1e-2, 1e-3], wd=[0.1])
    >>> grid.shape, list(grid)[0]
    ((2, 1), FixedELR(elr=0.001, wd=0.1))
    >>> path = Grid.of([FixedLR(lr=0.1, wd=0.2), FixedLR(lr=0.3, wd=0.1)])
    >>> path.shape, len(path), path.only
    ((2, 2), 2, ((0.1, 0.2), (0.3, 0.1)))

    """

    protocol: type[Protocol]
    axes: dict[str, Sequence[float]]
    only: tuple[tuple[float, float], ...] | None = None

    def __post_init__(self) -> None:
        owner = f"{self.protocol.__name__} grid"
        if tuple(self.axes) != self.protocol.axes:
            raise InputError(f"{owner}: axes are {list(self.axes)}; expected {list(self.protocol.axes)}")
        checked = {}
        for name, values in self.axes.items():
            numbers = sorted(_positive(owner, name, value) for value in values)
            if not numbers:
                raise InputError(f"{owner}: {name} has no values; expected at least one")
            if len(set(numbers)) < len(numbers):
                raise InputError(f"{owner}: {name} has a value twice in {numbers}; expected distinct values")
            checked[name] = tuple(numbers)
        object.__setattr__(self, "axes", checked)
        if self.only is not None:
            points = tuple(sorted({(float(first), float(second)) for first, second in self.only}))
            for point in points:
                if point not in set(product(*checked.values())):
                    raise InputError(f"{owner}: only has the point {point}; expected one of the rectangle")
            if not points:
                raise InputError(f"{owner}: only has no points; expected at least one")
            object.__setattr__(self, "only", points)

    @classmethod
    def of(cls, points: Iterable[Protocol]) -> Grid:
        """These points of one protocol and no others: a path, say, where a rectangle would be a waste."""
        listed = list(points)
        kinds = {type(point) for point in listed}
        if len(kinds) != 1:
            raise InputError(f"Grid: points of {len(kinds)} protocols; expected points of one")
        kind = kinds.pop()
        axes: dict[str, Sequence[float]] = {
            axis: sorted({point.values[axis] for point in listed}) for axis in kind.axes
        }
        first, second = kind.axes
        return cls(kind, axes, tuple((point.values[first], point.values[second]) for point in listed))

    def __iter__(self) -> Iterator[Protocol]:
        """The protocols, the last axis varying fastest."""
        for values in product(*self.axes.values()) if self.only is None else self.only:
            yield self.protocol(**dict(zip(self.axes, values, strict=True)))

    def __len__(self) -> int:
        return math.prod(self.shape) if self.only is None else len(self.only)

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of values on each axis, whichever points are meant."""
        return tuple(len(values) for values in self.axes.values())
