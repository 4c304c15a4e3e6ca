"""How runs are carried out, as opposed to what they are: what a spec leaves open and a plan records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from thermograd.errors import InputError
from thermograd.training.spec import TrainSpec

__all__ = ["Execution", "groups"]


@dataclass(frozen=True)
class Execution:
    """Which runs share a network, and where it is computed.

    It changes a run's numbers by round-off only, which SGD amplifies: two executions of one spec are two
    equally good samples of the same run. A sweep therefore keeps to one, recorded in its plan.

    Parameters
    ----------
    replicas
        How many runs are computed as one batched network, at most.
    kernel
        How the network is computed (see `thermograd.nets.Replicas`); "auto" until a network has been seen.
    device
        A torch device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``.

    Raises
    ------
    InputError
        If `replicas` is not a whole number above 0.

    """

    replicas: int = 1
    kernel: str = "auto"
    device: str = "cpu"

    def __post_init__(self) -> None:
        if isinstance(self.replicas, bool) or not isinstance(self.replicas, int) or self.replicas < 1:
            raise InputError(f"Execution: replicas is {self.replicas!r}; expected a whole number above 0")

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready description; ``Execution(**plain)`` rebuilds it."""
        return asdict(self)


def groups(specs: Sequence[TrainSpec], replicas: int) -> list[tuple[TrainSpec, ...]]:
    """Share runs out among batched networks: in order, `replicas` to each, only like with like.

    Runs can share a network if they differ in nothing but protocol, seed and initial radius; runs on a
    subset also need the same seed, which chooses the images.

    Examples
    --------
    >>> from thermograd.protocol import FixedLR
    >>> specs = [TrainSpec(FixedLR(lr=lr, wd=0.1)) for lr in (0.01, 0.02, 0.03)]
    >>> [len(group) for group in groups(specs, 2)]
    [2, 1]

    """
    alike: dict[object, list[TrainSpec]] = {}
    for spec in specs:
        alike.setdefault(_shared(spec), []).append(spec)
    return [
        tuple(some[start : start + replicas])
        for some in alike.values()
        for start in range(0, len(some), replicas)
    ]


def _shared(spec: TrainSpec) -> object:
    """What all runs of one batched network have in common."""
    plain = spec.to_dict()
    del plain["protocol"], plain["initial_radius"]
    if spec.subset is None:
        del plain["seed"]
    return repr(sorted(plain.items(), key=lambda item: item[0]))
