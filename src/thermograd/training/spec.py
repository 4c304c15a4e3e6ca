"""What one training run is: everything that determines its numbers, frozen, hashable, and free of torch."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from thermograd.errors import InputError
from thermograd.nets.registry import ARCHITECTURES
from thermograd.protocol import PROTOCOLS, Grid, Protocol

__all__ = ["NUMERICS_VERSION", "PRECISIONS", "Measurement", "TrainSpec", "grid_specs"]

NUMERICS_VERSION = 3
"""Raised whenever a change alters the numbers that a spec produces, so that old results are not reused."""


PRECISIONS = ("float32", "bfloat16")
"""In what the convolutions of a run may be computed."""


def _whole(owner: str, name: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f"{owner}: {name} is {value!r}; expected a whole number of at least {least}")


@dataclass(frozen=True)
class Measurement:
    """When and how much is measured during a run; none of it disturbs the trajectory.

    Parameters
    ----------
    log_every
        Iterations between two log points.
    log_until
        Up to here the log points are evenly spaced; from here to the end `log_points` of them are spaced
        evenly in the logarithm, as in IG appendix F. ``None``: evenly spaced to the end.
    log_points
        Number of logarithmically spaced log points after `log_until`.
    noise_draws
        Minibatch gradients drawn at the frozen weights of each log point for the U-statistic of |E g|^2.
        A stationary average wants many points with few draws each: 20 draws at 100 points give a smaller
        error than 1000 draws at two.
    noise_rtol
        Draw more than `noise_draws`, until the standard error of |E g|^2 is within this part of it, at most
        `noise_max_draws`: for a few points that must each be right, such as a signal-to-noise ratio over
        time. ``None``: exactly `noise_draws`, which is right for averages over many points.
    noise_max_draws
        See `noise_rtol`.
    queue_size
        Directions in one window of the entropy queue.
    queue_every
        Iterations between two directions in the queue.
    graph_neighbours
        Read each window also by the graph of so many nearest neighbours, as FE does with 50 of 1000: the
        variable ``entropy_graph``. ``None``: not.

    """

    log_every: int = 200
    log_until: int | None = None
    log_points: int = 0
    noise_draws: int = 20
    noise_rtol: float | None = None
    noise_max_draws: int = 1000
    queue_size: int = 200
    queue_every: int = 10
    graph_neighbours: int | None = None

    def __post_init__(self) -> None:
        for name, least in (("log_every", 1), ("log_points", 0), ("noise_draws", 6)):
            _whole("Measurement", name, getattr(self, name), least)
        _whole("Measurement", "queue_size", self.queue_size, 4)
        _whole("Measurement", "queue_every", self.queue_every, 1)
        if self.noise_rtol is not None:
            if not isinstance(self.noise_rtol, int | float) or not 0 < self.noise_rtol < float("inf"):
                raise InputError(f"Measurement: noise_rtol is {self.noise_rtol!r}; expected a number above 0")
            _whole("Measurement", "noise_max_draws", self.noise_max_draws, self.noise_draws)
        if self.log_until is not None:
            _whole("Measurement", "log_until", self.log_until, 0)
        if self.graph_neighbours is not None:
            _whole("Measurement", "graph_neighbours", self.graph_neighbours, 1)
            if self.graph_neighbours > self.queue_size - 2:
                raise InputError(
                    f"Measurement: graph_neighbours is {self.graph_neighbours} in a queue of "
                    f"{self.queue_size}; expected at most {self.queue_size - 2}"
                )


@dataclass(frozen=True)
class TrainSpec:
    """One training run of a fully scale-invariant network under one protocol.

    Parameters
    ----------
    protocol
        The training protocol with its hyperparameters.
    architecture, width
        The network, by its name in `thermograd.nets.registry`, and its width.
    data
        A named data set or the path of a folder or archive (see `thermograd.data.load`).
    subset
        Train on this many images, drawn with class proportions kept; ``None``: all.
    steps
        Iterations of SGD.
    batch_size
        Images per minibatch, drawn independently with replacement.
    precision
        ``"float32"``, or ``"bfloat16"``: what enters and leaves a convolution is rounded to 8 bits, gradients
        of the weights too (weights, their update, normalisation and everything measured stay float32 or
        finer): faster on a GPU, and an additional noise.
    initial_radius
        Norm of the weights at the start at fixed ELR or LR (the papers start at 1). ``None``: the stationary
        radius that the gradients at the start predict, which saves its relaxation. On the fixed sphere the
        protocol says it.
    anneal, anneal_from, anneal_to
        Iterations of annealing before the run: projected SGD on the unit sphere whose ELR falls geometrically
        from one value to the other. It depends on the seed alone, so that all runs of a grid start from one
        point, as the papers' do; started cold, a small network is caught for a whole run in whichever basin
        it meets first. 0 for the papers' start, from random weights.
    settle
        Iterations at the protocol's own ELR on the unit sphere, between annealing and the run, in which the
        direction takes up its temperature and the stationary radius becomes known.
    seed
        Fixes the head and the initial weights (the same for all runs of a grid) and, together with the
        protocol, the minibatches (independent between grid points).
    measurement
        When and how much is measured.

    """

    protocol: Protocol
    architecture: str = "ConvNet"
    width: int = 1
    data: str = "digits"
    subset: int | None = None
    steps: int = 20_000
    batch_size: int = 128
    precision: str = "float32"
    initial_radius: float | None = None
    anneal: int = 5_000
    anneal_from: float = 0.04
    anneal_to: float = 0.006
    settle: int = 400
    seed: int = 0
    measurement: Measurement = field(default_factory=Measurement)

    def __post_init__(self) -> None:
        if self.architecture not in ARCHITECTURES:
            expected = f"expected one of {', '.join(ARCHITECTURES)}"
            raise InputError(f"TrainSpec: architecture is {self.architecture!r}; {expected}")
        if self.precision not in PRECISIONS:
            expected = f"expected one of {', '.join(PRECISIONS)}"
            raise InputError(f"TrainSpec: precision is {self.precision!r}; {expected}")
        for name, least in (
            ("width", 1),
            ("steps", 1),
            ("batch_size", 2),
            ("anneal", 0),
            ("settle", 0),
            ("seed", 0),
        ):
            _whole("TrainSpec", name, getattr(self, name), least)
        if self.subset is not None:
            _whole("TrainSpec", "subset", self.subset, 1)
        for name in ("initial_radius", "anneal_from", "anneal_to"):
            value = getattr(self, name)
            if value is None and name == "initial_radius":
                continue
            if not isinstance(value, int | float) or not 0 < value < float("inf"):
                raise InputError(f"TrainSpec: {name} is {value!r}; expected a finite number above 0")
        if not isinstance(self.data, str):
            raise InputError(f"TrainSpec: data is {self.data!r}; expected a name or a path, as text")

    @property
    def total_steps(self) -> int:
        """Iterations in all, those of the preparation too."""
        return self.anneal + self.settle + self.steps

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready description from which `from_dict` rebuilds the spec."""
        plain = asdict(self)
        plain["protocol"] = {"name": type(self.protocol).__name__, **self.protocol.values}
        return plain

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> TrainSpec:
        """The spec that `to_dict` described; an unknown key is refused by name."""
        known = {f.name for f in fields(cls)}
        for name in plain:
            if name not in known:
                raise InputError(
                    f"TrainSpec: unknown key {name!r}; expected one of {', '.join(sorted(known))}"
                )
        protocol = dict(plain["protocol"])
        kind = protocol.pop("name", None)
        if kind not in PROTOCOLS:
            raise InputError(f"TrainSpec: protocol is {kind!r}; expected one of {', '.join(PROTOCOLS)}")
        measurement = Measurement(**plain.get("measurement", {}))
        return cls(**{**plain, "protocol": PROTOCOLS[kind](**protocol), "measurement": measurement})

    def key(self, data_sha256: str) -> str:
        """The run's content address: same spec, same data, same numerics version, same key.

        The data enter by their hash, not by their place, so that a moved folder gives the same run.
        """
        content = {**self.to_dict(), "data": data_sha256, "numerics": NUMERICS_VERSION}
        # What is not asked for leaves no trace in the address: it is that of before one could ask.
        if self.measurement.graph_neighbours is None:
            del content["measurement"]["graph_neighbours"]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:20]

    def stream(self, name: str) -> int:
        """The 63-bit seed of one named random stream of this run.

        ``"initial"`` and ``"anneal"`` depend on the seed alone; every other stream also on the protocol's
        values, so that the noise of two grid points is independent and adding one changes no other.
        """
        parts = [str(self.seed), name]
        if name not in ("initial", "anneal"):
            parts.append(json.dumps(self.to_dict()["protocol"], sort_keys=True))
        return int.from_bytes(hashlib.sha256("\0".join(parts).encode()).digest()[:8], "big") >> 1


def grid_specs(grid: Grid, template: TrainSpec) -> list[TrainSpec]:
    """One spec for every point of a grid, all else as in the template."""
    return [replace(template, protocol=protocol) for protocol in grid]
