"""All tests of the ideal-gas laws on measured states, as one result that prints itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from thermograd.analysis import (
    Collapse,
    PressureSlopes,
    RadiusSummary,
    Table4Row,
    collapse,
    markdown,
    pressure_slopes,
    radius,
    table4,
)
from thermograd.errors import InputError
from thermograd.protocol import PROTOCOLS

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Verification", "read_states", "verify"]

Result = TypeVar("Result")


@dataclass(frozen=True)
class Verification:
    """What the laws' tests found, by protocol; what could not be tested is missing and said in `notes`.

    Attributes
    ----------
    equilibrium
        Number of points in equilibrium, and of all points.
    left_out
        The other points, with status and reason.
    radius
        V1: median and worst relative error of the three predictions of the radius (effective weight decay).
    table_4
        V3: the Maxwell relations, the papers' rows beside ours.
    pressure
        V3 on the fixed sphere: slopes of pressure against temperature.
    collapse
        Spread of sigma2 about one curve of the effective learning rate, or of ``lr * wd``.
    notes
        Tests that could not be made, and why.

    """

    equilibrium: dict[str, tuple[int, int]]
    left_out: dict[str, list[str]]
    radius: dict[str, tuple[RadiusSummary, ...]]
    table_4: list[Table4Row]
    pressure: PressureSlopes | None
    collapse: dict[str, Collapse]
    notes: list[str]

    def to_dict(self) -> dict[str, Any]:
        """All numbers, for JSON."""
        return asdict(self)

    def to_text(self) -> str:
        """All numbers, for a terminal."""
        lines = []
        for protocol, (good, total) in self.equilibrium.items():
            lines.append(f"{protocol}: {good} of {total} points in equilibrium")
            lines += [f"  left out: {point}" for point in self.left_out[protocol]]
        lines += [
            "",
            "V1: |measured / predicted - 1| of the radius (on the sphere: of the effective weight decay)",
        ]
        for protocol, summaries in self.radius.items():
            for s in summaries:
                place = ", ".join(f"{name} {value:g}" for name, value in s.worst_at.items())
                worst = f"worst {s.worst:7.2%} ± {s.worst_se:.2%} at {place}"
                lines.append(f"  {protocol:12} {s.version:12} median {s.median:7.2%}   {worst}")
        lines += ["", "V3: the Maxwell relations (IG table 4)", "", markdown(self.table_4)]
        if self.pressure is not None:
            lines += ["", "V3 on the sphere: (dp/dT)_V over its ideal value (d-1)/(2V)"]
            lines += [
                f"  radius {s.radius:g}: {s.ratio:.3f} ± {s.ratio_se:.3f}" for s in self.pressure.slopes
            ]
        lines += ["", "Collapse of sigma2: spread about one curve, as a part of the total spread"]
        for protocol, c in self.collapse.items():
            right = f"over {c.right.variable}: {c.right.ratio:.1%} (residual {c.right.residual:.1%})"
            lines.append(f"  {protocol:12} {right}; over {c.wrong.variable}: {c.wrong.ratio:.1%}")
        lines += ["", *(f"not tested: {note}" for note in self.notes)] if self.notes else []
        return "\n".join(lines)


def verify(states: Mapping[str, xr.Dataset]) -> Verification:
    """Test V1, V3 and the collapse of sigma2 on stationary states (IG section 4).

    Parameters
    ----------
    states
        States datasets by protocol name.

    """
    notes: list[str] = []

    def attempt(test: Callable[[xr.Dataset], Result]) -> dict[str, Result]:
        found = {}
        for protocol, dataset in states.items():
            try:
                found[protocol] = test(dataset)
            except InputError as error:
                notes.append(f"{protocol}: {error}")
        return found

    sphere = {name: dataset for name, dataset in states.items() if name == "FixedSphere"}
    slopes: PressureSlopes | None = None
    if sphere:
        try:
            slopes = pressure_slopes(sphere["FixedSphere"])
        except InputError as error:
            notes.append(f"FixedSphere: {error}")
    return Verification(
        equilibrium={name: _count(dataset) for name, dataset in states.items()},
        left_out={name: _left_out(dataset) for name, dataset in states.items()},
        radius={name: check.summary for name, check in attempt(radius).items()},
        table_4=table4(dict(states)),
        pressure=slopes,
        collapse=attempt(collapse),
        notes=notes,
    )


def _count(dataset: xr.Dataset) -> tuple[int, int]:
    return int((dataset["status"] == "equilibrium").sum()), int(dataset["status"].size)


def _left_out(dataset: xr.Dataset) -> list[str]:
    flat = dataset[["status", "status_reason"]].stack(point=dataset["status"].dims)
    found = []
    for i in range(flat.sizes["point"]):
        point = flat.isel(point=i)
        if point["status"].item() != "equilibrium":
            names = (f"{name} {point[name].item():g}" for name in dataset["status"].dims)
            found.append(f"{', '.join(names)}: {point['status'].item()}: {point['status_reason'].item()}")
    return found


def read_states(path: Path) -> dict[str, xr.Dataset]:
    """The stationary states by protocol in a sweep's folder, or in one NetCDF file of a trace or states.

    Raises
    ------
    InputError
        If nothing is there, or it is not a dataset of this package.

    """
    from thermograd.states import load, stationary

    if path.is_dir():
        files = [path / f"states-{protocol}.nc" for protocol in PROTOCOLS]
        found = {file.stem.removeprefix("states-"): load(file) for file in files if file.exists()}
        if not found:
            raise InputError(
                f"{path} has no states-<protocol>.nc; expected a finished sweep "
                "('thermograd sweep status' tells how far it is)"
            )
        return found
    dataset = load(path)
    if "step" in dataset.dims:
        dataset = stationary(dataset)
    return {str(dataset.attrs["protocol"]): dataset}
