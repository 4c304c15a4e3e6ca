"""What a sweep will do: grids, seeds, the template of the runs and how they are carried out, as one file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from thermograd.errors import InputError
from thermograd.files import atomic_write
from thermograd.protocol import PROTOCOLS, Grid
from thermograd.training.execution import Execution
from thermograd.training.spec import NUMERICS_VERSION, TrainSpec, grid_specs

__all__ = ["PLAN_FILE", "Plan", "make_plan"]

PLAN_FILE = "plan.json"


@dataclass(frozen=True)
class Plan:
    """The runs of a sweep, in order: grid by grid, seed by seed.

    Parameters
    ----------
    grids
        Per grid: its values, and the template that its runs share (the template's own protocol is ignored).
        At most one grid per protocol.
    data_sha256
        Hash of the images that the runs train on; with the spec it makes a run's key.
    seeds
        Every point of the grids is run once with each; empty: the templates' own seed, one for all.
    subset_sha256
        Where the runs train on a subset, which the seed draws: the hash of each seed's images. What is
        missing here has `data_sha256`.
    execution
        How the runs are carried out; ``None``: to be picked when the sweep begins, and kept from there on.
    picked
        Why this execution, in words.
    device
        Where networks are computed; that of the execution, once there is one; empty: to be said.

    """

    grids: tuple[tuple[Grid, TrainSpec], ...]
    data_sha256: str
    seeds: tuple[int, ...] = ()
    subset_sha256: tuple[tuple[int, str], ...] = ()
    execution: Execution | None = None
    picked: str = ""
    device: str = ""

    def __post_init__(self) -> None:
        names = [grid.protocol.__name__ for grid, _ in self.grids]
        if not names:
            raise InputError("plan: it has no grids; expected at least one")
        if len(set(names)) < len(names):
            raise InputError(f"plan: grids are for {names}; expected at most one grid per protocol")
        seeds = self.seeds or tuple(sorted({template.seed for _, template in self.grids}))
        if not self.seeds and len(seeds) > 1:
            raise InputError(f"plan: the templates have seeds {list(seeds)}; expected one, or seeds for all")
        if len(set(seeds)) < len(seeds):
            raise InputError(f"plan: seeds are {list(seeds)}; expected distinct ones")
        grids = tuple((grid, replace(template, seed=min(seeds))) for grid, template in self.grids)
        object.__setattr__(self, "seeds", tuple(sorted(seeds)))
        object.__setattr__(self, "grids", grids)
        if self.execution is not None:
            object.__setattr__(self, "device", self.execution.device)

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
            for seed in self.seeds
            for spec in grid_specs(grid, replace(template, seed=seed))
        ]

    def images_sha256(self, seed: int) -> str:
        """The hash of the images that runs with this seed train on."""
        return dict(self.subset_sha256).get(seed, self.data_sha256)

    def key(self, spec: TrainSpec) -> str:
        """The content address of one of the runs."""
        return spec.key(self.images_sha256(spec.seed))

    def on(self, device: str | None) -> Plan:
        """The same plan on a device; ``None``: on its own.

        Raises
        ------
        InputError
            If the plan says another one.

        """
        if device is None or device == self.device:
            return self
        if self.execution is not None:
            raise InputError(f"device is {device!r}, and the plan's execution has {self.device!r}")
        return replace(self, device=device)

    def continuing(self, folder: Path) -> Plan:
        """The plan with what the folder already decided; writes nothing.

        Raises
        ------
        InputError
            As `save`, if it cannot be continued.

        """
        from thermograd.sweep.growth import grown

        path = folder / PLAN_FILE
        return grown(Plan.load(folder), self, path) if path.exists() else self

    def save(self, folder: Path) -> Plan:
        """Write the plan into a sweep's folder; returns it with what the folder already decided.

        A plan that is there already may grow by grid values, seeds and protocols, and keeps its execution;
        any other difference is refused by name.
        """
        path = folder / PLAN_FILE
        plan = self.continuing(folder)
        text = json.dumps(plan._to_dict(), indent=1, sort_keys=True) + "\n"
        if not path.exists() or path.read_text() != text:
            atomic_write(path, text)
        return plan

    @classmethod
    def load(cls, folder: Path) -> Plan:
        """The plan in a sweep's folder."""
        path = folder / PLAN_FILE
        try:
            plain = json.loads(path.read_text())
            if plain["numerics_version"] != NUMERICS_VERSION:
                raise InputError(
                    f"{path} was made with numerics version {plain['numerics_version']}; "
                    f"expected {NUMERICS_VERSION}: start the sweep anew in another folder"
                )
            grids = tuple(
                (
                    Grid(PROTOCOLS[entry["protocol"]], entry["axes"], entry.get("only")),
                    TrainSpec.from_dict(entry["template"]),
                )
                for entry in plain["grids"]
            )
            execution = plain.get("execution")
            return cls(
                grids,
                plain["data_sha256"],
                tuple(plain.get("seeds", ())),
                tuple((int(seed), digest) for seed, digest in plain.get("subset_sha256", ())),
                None if execution is None else Execution(**execution),
                plain.get("picked", ""),
                plain.get("device", ""),
            )
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
            "subset_sha256": [list(pair) for pair in self.subset_sha256],
            "seeds": list(self.seeds),
            "execution": None if self.execution is None else self.execution.to_dict(),
            "picked": self.picked,
            "device": self.device,
            "grids": [
                {"protocol": grid.protocol.__name__, "axes": dict(grid.axes), "template": template.to_dict()}
                | ({} if grid.only is None else {"only": grid.only})
                for grid, template in self.grids
            ],
        }


def make_plan(
    grids: Sequence[tuple[Grid, TrainSpec]],
    *,
    seeds: Sequence[int] = (),
    execution: Execution | None = None,
) -> Plan:
    """The plan of these grids, its images loaded once to know their hash.

    Parameters
    ----------
    grids
        Grids with their templates, all on the same images.
    seeds
        Every point is run with each; empty: the template's own.
    execution
        How to carry the runs out; ``None``: picked when the sweep begins.

    Raises
    ------
    InputError
        If the images cannot be read.

    Examples
    --------
    >>> from thermograd.protocol import FixedLR
    >>> grid = FixedLR.grid(lr=[0.1, 0.2], wd=[0.01])
    >>> plan = make_plan([(grid, TrainSpec(next(iter(grid))))], seeds=[0, 1])
    >>> len(plan.specs()), plan.seeds
    (4, (0, 1))

    """
    from thermograd.training.loop import load_images

    _, template = grids[0]
    seeds = tuple(seeds) or (template.seed,)
    drawn = [load_images(template.data, template.subset, seed).sha256 for seed in seeds[:1]]
    if template.subset is not None:
        drawn += [load_images(template.data, template.subset, seed).sha256 for seed in seeds[1:]]
    subsets = tuple(zip(seeds, drawn, strict=True)) if len(drawn) > 1 else ()
    return Plan(tuple(grids), drawn[0], seeds, subsets, execution)
