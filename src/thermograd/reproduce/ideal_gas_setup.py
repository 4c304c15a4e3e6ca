"""One setup of the ideal-gas paper: runs, states, adiabats, claims and page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from thermograd.analysis.adiabat_paths import AdiabatPaths
from thermograd.analysis.regimes import Regimes, regimes
from thermograd.errors import InputError
from thermograd.files import atomic_write
from thermograd.reproduce.claims import Claim
from thermograd.reproduce.ideal_gas_adiabat import plan_adiabat, run_adiabat, run_count
from thermograd.reproduce.ideal_gas_adiabat_claims import adiabat_claims
from thermograd.reproduce.ideal_gas_claims import gas_claims
from thermograd.reproduce.ideal_gas_published import network_words, setup_difference
from thermograd.reproduce.overparameterised_claims import overparameterised_claims
from thermograd.reproduce.presets import Setup
from thermograd.reproduce.setup_run import SetupRun, example_runs, run_setup
from thermograd.reproduce.summary import save_claims, to_page_claims
from thermograd.reproduce.verify import Verification, verify
from thermograd.sweep import Engine, SweepSummary

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["SetupResult", "is_overparameterised", "iterations", "reproduce_setup"]

Progress = Callable[[int, int], None]
_RANDOM_DRAWS = 64


@dataclass(frozen=True)
class SetupResult:
    """What came out of one setup.

    Attributes
    ----------
    setup
        What was run.
    summary
        Runs of the grid, and of the adiabats those that failed or were interrupted.
    verification
        The laws tested; None if it was interrupted.
    claims
        Each claim of the paper with its verdict.
    report
        The page; None if it was interrupted.

    """

    setup: Setup
    summary: SweepSummary
    verification: Verification | None = None
    claims: tuple[Claim, ...] = ()
    report: Path | None = None


def reproduce_setup(
    setup: Setup,
    data: str,
    folder: Path,
    *,
    workers: int | None = None,
    engine: Engine | None = None,
    device: str | None = None,
    command: str = "",
    on_progress: Progress | None = None,
    on_message: Callable[[str], None] | None = None,
) -> SetupResult:
    """Run a setup's grids, then along the adiabats that their states give; judge the claims; write the page.

    Parameters
    ----------
    setup
        What to run.
    data
        A named data set or a path.
    folder
        Where everything goes; the same call goes on where the last one ended.
    workers, engine, device, on_message
        As for :func:`thermograd.sweep.run_plan`.
    command
        Command line that makes the page again.
    on_progress
        Called with (iterations done, iterations in all), those along the adiabats included.

    Raises
    ------
    InputError
        If the images cannot be read, or the folder holds another plan or results of another numerics version.
    FailedWorkError
        If no run succeeded.

    """
    grid, total = _iterations(setup), iterations(setup)

    def shifted(before: int) -> Progress:
        return lambda done, _: on_progress(before + done, total) if on_progress else None

    how = {"workers": workers, "engine": engine, "device": device, "on_message": on_message}
    run = run_setup(setup, data, folder, **how, on_progress=shifted(0))  # type: ignore[arg-type]
    if run.summary.interrupted:
        return SetupResult(setup, run.summary)
    adiabat: Mapping[str, AdiabatPaths] | str | None = None
    summary = run.summary
    if not is_overparameterised(setup):
        try:
            plan = plan_adiabat(setup, run.states)
        except InputError as error:
            adiabat = str(error)
        else:
            along = run_adiabat(
                plan,
                setup,
                data,
                folder,
                run.states,
                **how,  # type: ignore[arg-type]
                on_progress=shifted(grid),
            )
            summary = replace(summary, failed=summary.failed + along.failed, interrupted=along.interrupted)
            if along.interrupted:
                return SetupResult(setup, summary)
            adiabat = along.paths or "no point of the curves has a run with a result"
    found = _regimes(setup, run, data) if is_overparameterised(setup) else None
    claims = _claims(setup, run, adiabat, found)
    save_claims(claims, folder)
    verification = verify(run.states)
    atomic_write(folder / "verification.txt", verification.to_text() + "\n")
    page = _report(setup, run, adiabat, found, claims, command)
    return SetupResult(setup, summary, verification, tuple(claims), page)


def is_overparameterised(setup: Setup) -> bool:
    """Whether a setup is the paper's appendix H, whose runs converge and have no state to test laws on.

    Examples
    --------
    >>> from thermograd.reproduce.presets import load_preset
    >>> is_overparameterised(load_preset("ideal-gas-overparameterised-convnet-digits", "small"))
    True

    """
    return setup.overparameterised


def iterations(setup: Setup) -> int:
    """Iterations of a setup's grids and, at most, of its adiabats."""
    if is_overparameterised(setup):
        return _iterations(setup)
    templates = {grid.protocol.__name__: template.total_steps for grid, template in setup.grids}
    longest = max((templates[name] for name in ("FixedLR", "FixedELR") if name in templates), default=0)
    return _iterations(setup) + run_count(setup) * longest


def _iterations(setup: Setup) -> int:
    return sum(spec.total_steps for spec in setup.specs)


def _regimes(setup: Setup, run: SetupRun, data: str) -> Regimes | None:
    if "FixedELR" not in run.states:
        return None
    from thermograd.training.random_directions import random_loss

    template = replace(setup.grids[0][1], data=data, seed=min(setup.seeds))
    level = random_loss(template, draws=_RANDOM_DRAWS).value
    return regimes(run.states["FixedELR"], run.traces["FixedELR"], random_loss=level)


def _claims(
    setup: Setup,
    run: SetupRun,
    adiabat: Mapping[str, AdiabatPaths] | str | None,
    found: Regimes | None,
) -> list[Claim]:
    if is_overparameterised(setup):
        return [] if found is None else overparameterised_claims(run.traces["FixedELR"], found)
    claims = gas_claims(setup, run.states)
    return claims if adiabat is None else claims + adiabat_claims(adiabat)


def _report(
    setup: Setup,
    run: SetupRun,
    adiabat: Mapping[str, AdiabatPaths] | str | None,
    found: Regimes | None,
    claims: list[Claim],
    command: str,
) -> Path:
    from thermograd.report.networks import NetworkResults, write_network_report

    spec = setup.grids[0][1]
    where = f"{network_words(spec)} on {setup.data}"
    told = [f"{setup.description}. Source: {setup.source}. {setup.paper}"]
    difference = setup_difference(setup)
    told += [f"The setups are not the same: {difference}."] if difference else []
    told.append(_counted(run.states))
    return write_network_report(
        NetworkResults(
            run.states,
            run.traces,
            example_runs(run.plan, run.folder),
            adiabat,
            found,
            start=spec.initial_radius or 1.0,
        ),
        run.folder,
        title=f"The ideal gas of SGD: {setup.description} ({setup.scale})",
        label=where,
        claims=to_page_claims(claims),
        paragraphs=told,
        command=command,
    )


def _counted(states: Mapping[str, xr.Dataset]) -> str:
    parts = []
    for protocol, dataset in states.items():
        good = int((dataset["status"] == "equilibrium").sum())
        parts.append(f"{protocol}: {good} of {dataset['status'].size} runs in equilibrium")
    return "; ".join(parts) + "."
