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
from thermograd.protocol import PROTOCOLS, FixedSphere, Grid, Protocol
from thermograd.reproduce.isotropic_effort import Effort

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from thermograd.analysis.isotropic import LawComparison, LawRow
    from thermograd.report.content import Claim
    from thermograd.simulate import IsotropicSpec

__all__ = ["IsotropicReproduction", "reproduce_isotropic"]

Progress = Callable[[str, int, int], None]
_PUBLISHED, _SETTLED = 2_000_000, 16_000_000  # iterations; the first are those of IG appendix E
_QUEUE = 1000  # IG section 5
_LOGS = 10  # IG appendix E: "the average of the last 10 logs"
_WINDOWS = 8  # of a settled state
_READ = "queue's reading"


@dataclass(frozen=True)
class IsotropicReproduction:
    """What came out.

    Attributes
    ----------
    published_seconds
        Time that the published experiment took, entropies and averages included.
    laws
        States against theory, pooled by temperature, of both experiments by protocol.
    claims
        What the summaries of both pages say of every law.
    reports
        The pages: of the published experiment, and of the settled one.

    """

    published_seconds: float
    laws: dict[str, dict[str, LawComparison]]
    claims: dict[str, tuple[Claim, ...]]
    reports: tuple[Path, Path]

    def to_dict(self) -> dict[str, Any]:
        """All numbers, for JSON."""
        laws = {
            experiment: {
                protocol: [_plain(row) for row in found.rows] for protocol, found in by_protocol.items()
            }
            for experiment, by_protocol in self.laws.items()
        }
        claims = {
            experiment: [
                {"claim": each.claim, "measured": each.measured, "verdict": each.verdict.word}
                | {"reason": each.verdict.reason}
                for each in found
            ]
            for experiment, found in self.claims.items()
        }
        return {
            "published_seconds": self.published_seconds,
            "laws": laws,
            "claims": claims,
            "reports": [str(page) for page in self.reports],
        }

    def to_text(self) -> str:
        """The verdicts, and how far pooled states lie from each law, for a terminal."""
        states = sum(
            row.n for found in self.laws["published"].values() for row in found.of("loss", "small steps")
        )
        lines = [f"published experiment: {states} states compared, in {self.published_seconds:.1f} s"]
        for experiment, by_protocol in self.laws.items():
            lines += ["", f"{experiment}: pooled states by ELR; largest pull | largest deviation"]
            for protocol, found in by_protocol.items():
                for observable, law in dict.fromkeys((row.observable, row.law) for row in found.rows):
                    rows = found.of(observable, law)
                    pull = max(rows, key=lambda row: abs(row.pull))
                    off = max(rows, key=lambda row: abs(row.deviation))
                    lines.append(f"  {protocol:12} {observable:15} {law:16} {_words(pull)} | {_words(off)}")
            lines.append(f"{experiment}: verdicts")
            lines += [f"  {each.verdict.word:10} {each.claim}" for each in self.claims[experiment]]
        return "\n".join([*lines, "", *(f"report: {page}" for page in self.reports)])


def _plain(row: LawRow) -> dict[str, Any]:
    values = vars(row) | {"pull": row.pull}
    # JSON knows no NaN.
    return {name: value for name, value in values.items() if value == value}


def _words(row: LawRow) -> str:
    return f"{row.deviation:+.5f} ± {row.se:.5f} ({row.pull:+.1f}) at ELR {row.elr:.3g}"


def reproduce_isotropic(
    folder: Path,
    *,
    seed: int = 0,
    threads: int | None = None,
    on_progress: Progress | None = None,
    scale: float = 1.0,
    grids: Sequence[Grid] | None = None,
) -> IsotropicReproduction:
    """Simulate the isotropic model as published and once more without what spoils it; test V1 to V4.

    Published means one chain of 2e6 iterations from radius 1, queues of 1000 directions 50 iterations apart.
    At small steps these chains are not relaxed and these queues too short. The settled experiment starts at
    the radius that theory predicts, goes on eight times longer, and spaces the queue by the direction's
    relaxation time. Beside it: states along adiabats, hot states, and anisotropic noise.

    Parameters
    ----------
    folder
        Where everything goes: ``published/`` and ``settled/``, each with ``states-<protocol>.nc``,
        ``trace-<protocol>.nc``, ``report.html``, ``figures/`` and ``tables/``.
    seed
        Of all draws.
    threads
        Threads to use, None for all cores; numbers do not depend on it.
    on_progress
        Called with what is simulated, the iterations done and their total.
    scale
        Share of the iterations and of the queues' lengths, for a quick look: errors grow as its root shrinks.
    grids
        Grids in place of the published ones, a protocol each; one of fixed ELR must be among them.

    Returns
    -------
    IsotropicReproduction
        States against theory, and the pages.

    Raises
    ------
    InputError
        If a package of the report is missing, the folder cannot be written, or the scale is out of range.

    References
    ----------
    IG section 5 and appendix E, figures 1, 3 and 4.

    """
    require("report")
    from thermograd.files import check_writable
    from thermograd.report.isotropic import IsotropicExtras
    from thermograd.reproduce.isotropic_anisotropy import anisotropic_states, clouds
    from thermograd.reproduce.isotropic_hot import hot_states
    from thermograd.reproduce.isotropic_paths import adiabat_runs
    from thermograd.simulate import IsotropicSpec, predicted_radius, published_grids

    effort = Effort(scale)
    check_writable(folder / "published" / "report.html")
    squares = list(grids or published_grids())
    queue = effort.queue(_QUEUE)
    spec = IsotropicSpec(steps=effort.steps(_PUBLISHED), seed=seed, queue_size=queue, windows=_LOGS)
    slow = replace(
        spec,
        steps=effort.steps(_SETTLED),
        queue_every=partial(_pace, least=effort.steps(_SETTLED) / 2 / _WINDOWS / queue),
        windows=None,
        initial_radius=predicted_radius,
    )
    started = time.perf_counter()
    published = _simulate(squares, spec, folder / "published", threads, on_progress)
    seconds = time.perf_counter() - started
    settled = _simulate(squares, slow, folder / "settled", threads, on_progress)
    say = on_progress or (lambda words, done, total: None)
    beside = IsotropicExtras(
        adiabats=adiabat_runs(settled["FixedELR"], seed, threads, say, effort),
        hot=hot_states(seed, threads, say, effort),
        anisotropic=anisotropic_states(seed, threads, say, effort),
        clouds=clouds(seed, threads),
    )
    done = [
        _reported(folder / "published", spec, published, IsotropicExtras(), seed),
        _reported(folder / "settled", slow, settled, beside, seed),
    ]
    names = ("published", "settled")
    laws = {name: found for name, (found, _, _) in zip(names, done, strict=True)}
    claims = {name: found for name, (_, found, _) in zip(names, done, strict=True)}
    return IsotropicReproduction(seconds, laws, claims, (done[0][2], done[1][2]))


def _pace(point: Protocol, mean_square: float, *, least: float) -> float:
    """The direction's relaxation time, and no less than spreads the windows over the run."""
    from thermograd.simulate import direction_relaxation

    return max(direction_relaxation(point, mean_square), least)


def _simulate(
    grids: Sequence[Grid],
    spec: IsotropicSpec,
    folder: Path,
    threads: int | None,
    on_progress: Progress | None,
) -> dict[str, xr.Dataset]:
    """States of the grids under one spec, by protocol; traces and states on disk."""
    from thermograd.simulate import Laboratory
    from thermograd.states import save, stationary

    found = {}
    for grid in grids:
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


def _reported(
    folder: Path, spec: IsotropicSpec, states: dict[str, xr.Dataset], extras: Any, seed: int
) -> tuple[dict[str, LawComparison], tuple[Claim, ...], Path]:
    """Pooled comparison, claims and page of one experiment."""
    from thermograd.analysis.isotropic import compare_laws
    from thermograd.analysis.isotropic_law import queue_on_grid
    from thermograd.report.isotropic import isotropic_page

    queues = {
        name: {_READ: queue_on_grid(found, spec.queue_size, _spacings(found, spec))}
        for name, found in states.items()
    }
    laws = {name: compare_laws(found, laws=queues[name]) for name, found in states.items()}
    command = "thermograd reproduce ideal-gas --part isotropic" + f" --seed {seed}" * (seed != 0)
    page = isotropic_page(states, replace(extras, predictions=queues), command)
    path = page.write(folder / "report.html", f"The isotropic model, {folder.name}")
    return laws, page.claims, path


def _spacings(states: xr.Dataset, spec: IsotropicSpec) -> NDArray[np.float64]:
    """Iterations between two directions of the queue, over the grid of the states."""
    protocol = PROTOCOLS[str(states.attrs["protocol"])]
    grid = Grid(protocol, {axis: states[axis].values.tolist() for axis in protocol.axes})
    return np.reshape([float(spec.spacing(point) * spec.record_every) for point in grid], grid.shape)
