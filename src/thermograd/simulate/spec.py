"""What a simulation of the isotropic model is: every choice that determines its numbers, checked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermograd.errors import InputError
from thermograd.protocol import FixedELR, FixedSphere, Protocol
from thermograd.simulate.losses import Loss, check_loss
from thermograd.simulate.rules import Rule, expected_mean_square
from thermograd.simulate.spectrum import noise_scales, spectrum_checked
from thermograd.theory.radius import largest_start_elr, why_no_radius

__all__ = ["IsotropicSpec"]

_OWNER = "isotropic"
_MOST_LOGS, _FEWEST_LOGS = 400, 200
_MEAN_STREAM, _START_STREAM = 0x6D75, 0x7730  # names of the streams drawn from a seed: "mu" and "w0"


@dataclass(frozen=True)
class IsotropicSpec:
    """The isotropic model, how long it runs, and what is read off it.

    Its minibatch gradient at ``w = r u`` is ``P_u (mu + s eps) / r`` (IG eq. 24), with ``s = sigma`` along
    every axis unless a spectrum says otherwise.

    Parameters
    ----------
    dim
        Dimension ``d`` of the weights, at least 2.
    steps
        Iterations; rounded up to whole records and log intervals.
    seed
        Fixes ``mu``, the starts and the noise; several seeds are repeated runs, the axis ``seed``.
    chains
        Independent chains of each grid point and seed, pooled.
    sigma
        Standard deviation of the gradient noise along each axis, on the unit sphere, in units of the loss.
    spectrum
        Variances of the noise along the ``d - 1`` directions of the minimum's tangent space, in units of
        ``sigma^2``: anisotropic noise, constant before projection (see `thermograd.simulate.spectrum`).
    loss
        A scale-invariant loss in place of ``1 + mu.u``: takes weights ``(n, d)``, returns values ``(n,)`` and
        gradients ``(n, d)``; checked before anything runs. Runs in plain NumPy, far slower.
    mean_direction
        ``mu``; None draws it uniformly on the sphere from the seed, the same for every protocol and grid.
    record_every
        Iterations between the instants at which loss, radius and gradient are read.
    queue_size
        Directions in the window of one entropy, at least 4; 0 for no entropies.
    queue_every
        Iterations between them, a multiple of `record_every`; or a rule that says it for each grid point,
        rounded up to whole records and down to what the second half of the run can hold.
    windows
        Collect no earlier than so many windows before the end, rounded to whole log intervals; None: from
        half of the run on. Needs a `queue_every` that is a number.
    initial_radius
        Norm of the weights at the start: a number, a rule, or None for the papers' start (1, and on a fixed
        sphere its radius).
    dtype
        ``"float32"``, or ``"float64"`` at about twice the time. None: float32, and float64 in two dimensions,
        where float32 directions lie so coarsely on their circle that some coincide and have no entropy.

    Raises
    ------
    InputError
        When a value is out of range.

    References
    ----------
    IG section 5 and appendix D for the published choices, which are the defaults.

    Examples
    --------
    The published length: 400 logs, entropies of the second half from 20 windows.

    >>> spec = IsotropicSpec()
    >>> spec.log_records, spec.logs, spec.windows_from
    (100, 400, 20000)

    """

    dim: int = 3
    steps: int = 2_000_000
    seed: int | Sequence[int] = 0
    chains: int = 1
    sigma: float = 1.0
    spectrum: Sequence[float] | None = None
    loss: Loss | None = None
    mean_direction: Sequence[float] | None = None
    record_every: int = 50
    queue_size: int = 1000
    queue_every: int | Rule = 50
    windows: int | None = None
    initial_radius: float | Rule | None = None
    dtype: str | None = None

    def __post_init__(self) -> None:
        for name, least in (("dim", 2), ("steps", 1), ("chains", 1), ("record_every", 1)):
            object.__setattr__(self, name, _whole(name, getattr(self, name), least))
        object.__setattr__(self, "queue_size", _whole("queue_size", self.queue_size, 0))
        if 0 < self.queue_size < 4:
            raise InputError(f"{_OWNER}: queue_size is {self.queue_size}; expected at least 4, or 0 for none")
        object.__setattr__(self, "sigma", _positive("sigma", self.sigma))
        if self.dtype is None:
            object.__setattr__(self, "dtype", "float64" if self.dim == 2 else "float32")
        if self.dtype not in ("float32", "float64"):
            raise InputError(f"{_OWNER}: dtype is {self.dtype!r}; expected 'float32' or 'float64'")
        if self.dtype == "float32" and self.dim == 2 and self.queue_size:
            raise InputError(
                f"{_OWNER}: dtype is 'float32', in which directions on a circle (dim 2) coincide; expected "
                "'float64', or queue_size 0 for no entropies"
            )
        self._check_seeds()
        if self.spectrum is not None:
            object.__setattr__(self, "spectrum", spectrum_checked(self.spectrum, self.dim))
        if self.mean_direction is not None:
            object.__setattr__(self, "mean_direction", _unit(self.mean_direction, self.dim))
        if self.initial_radius is not None and not callable(self.initial_radius):
            object.__setattr__(self, "initial_radius", _positive("initial_radius", self.initial_radius))
        if not callable(self.queue_every):
            every = _whole("queue_every", self.queue_every, 1)
            if every % self.record_every and self.queue_size:
                raise InputError(
                    f"{_OWNER}: queue_every is {every}; expected a multiple of record_every, "
                    f"{self.record_every}"
                )
        if self.windows is not None:
            object.__setattr__(self, "windows", _whole("windows", self.windows, 1))
            if callable(self.queue_every):
                raise InputError(
                    f"{_OWNER}: windows is {self.windows} with a rule for queue_every; expected a number of "
                    "iterations with it"
                )
        if self.loss is not None:
            given = "spectrum" if self.spectrum is not None else "mean_direction"
            if getattr(self, given) is not None:
                raise InputError(f"{_OWNER}: {given} is given with a loss of your own; expected one of them")
            check_loss(self.loss, self.dim)

    def _check_seeds(self) -> None:
        try:
            seeds = [_whole("seed", seed, 0) for seed in np.atleast_1d(np.asarray(self.seed)).tolist()]
        except (TypeError, ValueError):
            seeds = []
        if not seeds or len(set(seeds)) < len(seeds):
            raise InputError(f"{_OWNER}: seed is {self.seed!r}; expected an integer or several distinct ones")
        object.__setattr__(self, "seed", tuple(sorted(seeds)) if np.ndim(self.seed) else seeds[0])

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds, one or several."""
        return (self.seed,) if isinstance(self.seed, int) else tuple(self.seed)

    @property
    def noise_scale(self) -> NDArray[np.float64]:
        """Standard deviation of the noise along each axis of the frame that is simulated, shape ``(d,)``."""
        return noise_scales(self.sigma, self.spectrum, self.dim)

    @property
    def tr_sigma(self) -> float:
        """Trace of the noise covariance at the minimum."""
        return float((self.noise_scale[1:] ** 2).sum())

    @property
    def log_records(self) -> int:
        """Records in a log interval: 200 to 400 intervals where the length allows, half of them a half."""
        total = -(-self.steps // self.record_every)
        shortest = -(-total // _MOST_LOGS)
        candidates = range(shortest, max(shortest, total // _FEWEST_LOGS) + 1)
        halved = (q for q in candidates if total % (2 * q) == 0)
        whole = (q for q in candidates if total % q == 0)
        return next(halved, next(whole, shortest))

    @property
    def logs(self) -> int:
        """Log intervals of the whole run."""
        return -(-self.steps // self.log_steps)

    @property
    def log_steps(self) -> int:
        """Iterations in a log interval."""
        return self.log_records * self.record_every

    @property
    def windows_from(self) -> int:
        """Records before the first direction is collected: half of the run, or what the windows leave."""
        half = self.logs // 2 * self.log_records
        if self.windows is None or callable(self.queue_every):
            return half
        needed = self.windows * self.queue_size * (self.queue_every // self.record_every)
        return max(half, (self.logs * self.log_records - needed) // self.log_records * self.log_records)

    def plain(self) -> dict[str, object]:
        """The choices that JSON can hold: all but the rules and the loss."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: v for name, v in values.items() if name not in ("loss", "queue_every", "initial_radius")
        }

    def mean_direction_of(self, seed: int) -> NDArray[np.float64]:
        """``mu``, shape ``(d,)``: the one given, or uniform on the sphere from the seed."""
        if self.mean_direction is not None:
            return np.array(self.mean_direction)
        return _on_sphere(np.random.default_rng([seed, _MEAN_STREAM]), 1, self.dim).ravel()

    def starts_of(self, seed: int, points: Sequence[Protocol]) -> NDArray[np.floating[Any]]:
        """Weights of all chains at the start, shape ``(d, points * chains)``, a point's chains together."""
        rng = np.random.default_rng([seed, _START_STREAM])
        directions = _on_sphere(rng, len(points) * self.chains, self.dim)
        radii = np.repeat([self.start_radius(point) for point in points], self.chains)
        return np.ascontiguousarray((directions * radii[:, None]).T, dtype=self.dtype)

    def mean_square(self, point: Protocol) -> float:
        """Mean square of the gradient that this point is expected to have: the noise alone of an own loss."""
        if self.loss is not None:
            return self.tr_sigma
        return expected_mean_square(point, self.tr_sigma, self.dim)

    def start_radius(self, point: Protocol) -> float:
        """The norm that this point starts from, checked.

        Raises
        ------
        InputError
            When the point has no stationary radius, or would run away from this start.

        """
        mean_square = self.mean_square(point)
        if why := why_no_radius(point, mean_square):
            raise InputError(f"{_OWNER}: {point}: {why}")
        if isinstance(point, FixedSphere):
            if self.initial_radius is not None and not callable(self.initial_radius):
                raise InputError(
                    f"{_OWNER}: initial_radius is {self.initial_radius:g}; expected none on a fixed sphere"
                )
            return point.radius
        start = self.initial_radius
        radius = 1.0 if start is None else start(point, mean_square) if callable(start) else start
        radius = _positive("initial_radius", radius)
        if isinstance(point, FixedELR):
            limit = float(largest_start_elr(point.elr, point.wd, mean_square))
            if not radius < limit:
                raise InputError(
                    f"{_OWNER}: {point} runs away from initial_radius {radius:g}: its decay overshoots the "
                    f"origin above {limit:.4g}; expected a start below that"
                )
        return radius

    def spacing(self, point: Protocol) -> int:
        """Records between two directions of the queue at this point.

        Raises
        ------
        InputError
            When not one window fits into the second half of the run.

        """
        room = self.logs * self.log_records - self.windows_from
        if callable(self.queue_every):
            iterations = self.queue_every(point, self.mean_square(point))
            if not (math.isfinite(iterations) and iterations > 0):
                raise InputError(
                    f"{_OWNER}: queue_every gives {iterations} at {point}; expected iterations above 0"
                )
            wanted = min(math.ceil(iterations / self.record_every), room // self.queue_size)
        else:
            wanted = self.queue_every // self.record_every
        if wanted < 1 or wanted * self.queue_size > room:
            needed = max(wanted, 1) * self.queue_size * self.record_every
            raise InputError(
                f"{_OWNER}: a window of queue_size {self.queue_size} takes {needed} iterations, but half of "
                f"the run has {room * self.record_every}; expected a smaller queue_size or queue_every, more "
                "steps, or queue_size 0 for no entropies"
            )
        return wanted


def _whole(name: str, value: object, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise InputError(f"{_OWNER}: {name} is {value!r}; expected a whole number of at least {least}")
    return int(value)


def _positive(name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise InputError(f"{_OWNER}: {name} is {value!r}; expected a finite number above 0")
    return number


def _unit(direction: Sequence[float], dim: int) -> tuple[float, ...]:
    values = np.asarray(direction, dtype=np.float64)
    norm = float(np.linalg.norm(values))
    if values.shape != (dim,) or not (math.isfinite(norm) and norm > 0):
        raise InputError(
            f"{_OWNER}: mean_direction has shape {values.shape} and norm {norm:g}; expected ({dim},) and a "
            "norm above 0"
        )
    return tuple((values / norm).tolist())


def _on_sphere(rng: np.random.Generator, count: int, dim: int) -> NDArray[np.float64]:
    points = rng.standard_normal((count, dim))
    return np.asarray(points / np.linalg.norm(points, axis=1, keepdims=True))
