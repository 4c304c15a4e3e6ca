"""What a sweep will do: its grids and the template of their runs, kept as one JSON file in its folder."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

from thermograd.errors import InputError
from thermograd.files import atomic_write
from thermograd.protocol import PROTOCOLS, Grid
from thermograd.training.spec import NUMERICS_VERSION, TrainSpec, grid_specs

__all__ = ["Plan"]

_FILE = "plan.json"


@dataclass(frozen=True)
class Plan:
    """The runs of a sweep, in order, grid by grid.

    Parameters
    ----------
    grids
        Per grid: its values, and the template that its runs share (the template's own protocol is ignored).
        At most one grid per protocol.
    data_sha256
        Hash of the images that the runs train on; with the spec it makes a run's key.

    """

    grids: tuple[tuple[Grid, TrainSpec], ...]
    data_sha256: str

    def __post_init__(self) -> None:
        names = [grid.protocol.__name__ for grid, _ in self.grids]
        if not names:
            raise InputError("plan: it has no grids; expected at least one")
        if len(set(names)) < len(names):
            raise InputError(f"plan: grids are for {names}; expected at most one grid per protocol")

    @property
    def protocols(self) -> tuple[str, ...]:
        """The names of the protocols, in order."""
        return tuple(grid.protocol.__name__ for grid, _ in self.grids)

    def specs(self, protocol: str | None = None) -> list[TrainSpec]:
        """All runs, or those of one protocol."""
        return [
            spec
            for grid, template in self.grids
            if protocol in (None, grid.protocol.__name__)
            for spec in grid_specs(grid, template)
        ]

    def key(self, spec: TrainSpec) -> str:
        """The content address of one of the runs."""
        return spec.key(self.data_sha256)

    def save(self, folder: Path) -> None:
        """Write the plan into a sweep's folder; a different plan that is there already is refused."""
        path = folder / _FILE
        text = json.dumps(self._to_dict(), indent=1, sort_keys=True) + "\n"
        if path.exists() and _content(Plan.load(folder)) != _content(self):
            raise InputError(
                f"{path} holds another plan than the one asked for; "
                "continue that one with 'thermograd sweep resume', or choose another --out folder"
            )
        atomic_write(path, text)

    @classmethod
    def load(cls, folder: Path) -> Plan:
        """The plan in a sweep's folder."""
        path = folder / _FILE
        try:
            plain = json.loads(path.read_text())
            if plain["numerics_version"] != NUMERICS_VERSION:
                raise InputError(
                    f"{path} was made with numerics version {plain['numerics_version']}; "
                    f"expected {NUMERICS_VERSION}: start the sweep anew in another folder"
                )
            grids = tuple(
                (Grid(PROTOCOLS[entry["protocol"]], entry["axes"]), TrainSpec.from_dict(entry["template"]))
                for entry in plain["grids"]
            )
            return cls(grids, plain["data_sha256"])
        except FileNotFoundError:
            raise InputError(f"{path} does not exist; expected the folder of a sweep") from None
        except InputError:
            raise
        except (OSError, KeyError, TypeError, AttributeError, ValueError) as error:
            raise InputError(f"{path} is not a sweep's plan ({error!r})") from error

    def _to_dict(self) -> dict[str, object]:
        return {
            "numerics_version": NUMERICS_VERSION,
            "data_sha256": self.data_sha256,
            "grids": [
                {"protocol": grid.protocol.__name__, "axes": dict(grid.axes), "template": template.to_dict()}
                for grid, template in self.grids
            ],
        }


def _content(plan: Plan) -> tuple[list[TrainSpec], str]:
    """What a plan will do, whatever place its images are read from."""
    return [replace(spec, data="") for spec in plan.specs()], plan.data_sha256
