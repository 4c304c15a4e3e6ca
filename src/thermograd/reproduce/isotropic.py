"""The ideal-gas paper's isotropic model: the published experiment, and the same where nothing spoils it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from thermograd.extras import require
from thermograd.protocol import PROTOCOLS, FixedELR, FixedLR, FixedSphere, Grid

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from thermograd.analysis.isotropic import LawComparison
    from thermograd.simulate import IsotropicSpec

__all__ = ["IsotropicReproduction", "published_grids", "reproduce_isotropic"]

Progress = Callable[[str, int, int], None]
_STEPS = 2_000_000  # IG appendix E
_QUEUE = 1000  # IG section 5
_READ = "finite steps, as the queue reads it"
_CHAINS = 4  # of the settled experiment


def published_grids() -> list[Grid]:
    """The grids of IG appendix E: 17 x 17 values, eight a decade, for each protocol.

    Examples
    --------
    >>> [(grid.protocol.__name__, grid.shape) for grid in published_grids()]
    [('FixedSphere', (17, 17)), ('FixedELR', (17, 17)), ('FixedLR', (17, 17))]

    """
    steps = [float(f"{10 ** (-3 + i / 8):.6g}") for i in range(17)]
    radii = [float(f"{10 ** (-1 + i / 8):.6g}") for i in range(17)]
    return [
        FixedSphere.grid(elr=steps, radius=radii),
        FixedELR.grid(elr=steps, wd=steps),
        FixedLR.grid(lr=steps, wd=steps),
    ]


@dataclass(frozen=True)
class IsotropicReproduction:
    """What came out.

    Attributes
    ----------
    published_seconds
        Time that the published experiment took, entropies and averages included.
    laws
        States against theory, pooled by temperature, of both experiments by protocol.
    reports
        The pages: of the published experiment, and of the settled one.

    """

    published_seconds: float
    laws: dict[str, dict[str, LawComparison]]
    reports: tuple[Path, Path]

    def to_dict(self) -> dict[str, Any]:
        """All numbers, for JSON."""
        laws = {
            experiment: {
                protocol: [vars(row) | {"pull": row.pull} for row in found.rows]
                for protocol, found in by_protocol.items()
            }
            for experiment, by_protocol in self.laws.items()
        }
        return {
            "published_seconds": self.published_seconds,
            "laws": laws,
            "reports": [str(page) for page in self.reports],
        }

    def to_text(self) -> str:
        """The pooled comparison for a terminal: how far the states lie from each law, in standard errors."""
        lines = [f"published experiment: 3 x 289 states in {self.published_seconds:.1f} s"]
        for experiment, by_protocol in self.laws.items():
            lines += [
                "",
                f"{experiment}: largest deviation of pooled states (standard errors) up to ELR 0.01 / above",
            ]
            for protocol, found in by_protocol.items():
                for observable, law in dict.fromkeys((row.observable, row.law) for row in found.rows):
                    rows = found.of(observable, law)
                    cold = [row for row in rows if row.elr <= 0.0105]
                    hot = [row for row in rows if row.elr > 0.0105]
                    worst = " / ".join(_worst(part) for part in (cold, hot))
                    lines.append(f"  {protocol:12} {observable:15} {law:22} {worst}")
        return "\n".join([*lines, *(f"report: {page}" for page in self.reports)])


def _worst(rows: Sequence[Any]) -> str:
    if not rows:
        return "-"
    row = max(rows, key=lambda row: abs(row.deviation))
    return f"{row.deviation:+.5f} ± {row.se:.5f} ({row.pull:+.1f})"


def reproduce_isotropic(
    folder: Path, *, seed: int = 0, threads: int | None = None, on_progress: Progress | None = None
) -> IsotropicReproduction:
    """Simulate the isotropic model as published and once more without what spoils it; test V1 to V4.

    Published means one chain of 2e6 iterations from radius 1, queues of 1000 directions 50 iterations apart.
    At small steps these chains are not relaxed and these queues too short. The settled experiment starts at
    the radius that theory predicts, spaces the queue by the direction's relaxation time, and has four chains.

    Parameters
    ----------
    folder
        Where everything goes: ``published/`` and ``settled/``, each with ``states-<protocol>.nc``,
        ``report.html``, ``figures/`` and ``tables/``; ``published/`` with traces too.
    seed
        Of all draws.
    threads
        Threads to use, None for all cores; numbers do not depend on it.
    on_progress
        Called with what is simulated, the iterations done and their total.

    Returns
    -------
    IsotropicReproduction
        States against theory, and the pages.

    Raises
    ------
    InputError
        If a package of the report is missing or the folder cannot be written.

    References
    ----------
    IG section 5 and appendix E, figures 1, 3 and 4.

    """
    require("report")
    from thermograd.analysis.isotropic import compare_laws
    from thermograd.analysis.isotropic_law import queue_on_grid
    from thermograd.files import check_writable
    from thermograd.report.isotropic import IsotropicExtras, write_isotropic_report
    from thermograd.reproduce.isotropic_paths import adiabat_runs, hot_states
    from thermograd.simulate import IsotropicSpec, direction_relaxation, predicted_radius

    check_writable(folder / "published" / "report.html")
    spec = IsotropicSpec(steps=_STEPS, seed=seed)
    slow = replace(spec, chains=_CHAINS, queue_every=direction_relaxation, initial_radius=predicted_radius)
    started = time.perf_counter()
    published = _simulate(spec, folder / "published", threads, on_progress)
    seconds = time.perf_counter() - started
    settled = _simulate(slow, folder / "settled", threads, on_progress)
    say = on_progress or (lambda words, done, total: None)
    extras = {
        "published": IsotropicExtras(),
        "settled": IsotropicExtras(
            adiabats=adiabat_runs(settled["FixedELR"], seed, threads, say), hot=hot_states(seed, threads, say)
        ),
    }
    laws: dict[str, dict[str, LawComparison]] = {}
    pages = []
    for experiment, chosen, states in (("published", spec, published), ("settled", slow, settled)):
        queues = {
            name: {_READ: queue_on_grid(found, _QUEUE, _spacings(found, chosen))}
            for name, found in states.items()
        }
        laws[experiment] = {name: compare_laws(found, laws=queues[name]) for name, found in states.items()}
        pages.append(
            write_isotropic_report(
                states,
                replace(extras[experiment], predictions=queues),
                folder / experiment / "report.html",
                "thermograd reproduce ideal-gas --part isotropic" + f" --seed {seed}" * (seed != 0),
                title=f"The isotropic model, {experiment}",
            )
        )
    return IsotropicReproduction(seconds, laws, (pages[0], pages[1]))


def _simulate(
    spec: IsotropicSpec, folder: Path, threads: int | None, on_progress: Progress | None
) -> dict[str, xr.Dataset]:
    """States of the three published grids under one spec, by protocol; traces and states on disk."""
    from thermograd.simulate import Laboratory
    from thermograd.states import save, stationary

    found = {}
    for grid in published_grids():
        name = grid.protocol.__name__
        # A sphere has its own radius.
        own = replace(spec, initial_radius=None) if grid.protocol is FixedSphere else spec
        laboratory = Laboratory(grid, own, threads=threads)
        words = f"{folder.name} {name}"
        laboratory.advance(on_progress=partial(on_progress, words) if on_progress else None)
        trace = laboratory.trace()
        # Started where they will stay, the chains have no start to forget.
        found[name] = stationary(trace, relaxations=5.0 if spec.initial_radius is None else 0.0)
        save(trace, folder / f"trace-{name}.nc")
        save(found[name], folder / f"states-{name}.nc")
    return found


def _spacings(states: xr.Dataset, spec: IsotropicSpec) -> NDArray[np.float64]:
    """Iterations between two directions of the queue, over the grid of the states."""
    protocol = PROTOCOLS[str(states.attrs["protocol"])]
    grid = Grid(protocol, {axis: states[axis].values.tolist() for axis in protocol.axes})
    return np.reshape([float(spec.spacing(point) * spec.record_every) for point in grid], grid.shape)
