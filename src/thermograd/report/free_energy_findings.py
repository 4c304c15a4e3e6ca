"""Every analysis of the free-energy paper on the runs of one setup, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thermograd.analysis import (
    BridgeLine,
    DecayRun,
    Parameterisation,
    PhaseRun,
    Regimes,
    TemperatureLine,
    bridge,
    parameterisation,
    phase_exponents,
    regimes,
    temperature_decay,
    temperature_law,
)
from thermograd.analysis.lines import SphereLine, sphere_lines
from thermograd.analysis.step_reading import StepReading, step_reading
from thermograd.analysis.whole_gradient import whole_gradient
from thermograd.errors import InputError
from thermograd.theory.vmf_limits import entropy_uniform

__all__ = ["FreeEnergyFindings", "analyse_free_energy"]

Result = TypeVar("Result")


@dataclass(frozen=True)
class FreeEnergyFindings:
    """What the runs of one setup on the fixed sphere say; a text in place of a result says why there is none.

    Attributes
    ----------
    states, trace
        What was analysed.
    random_losses, uniform_entropy
        Of the uniform law on the sphere: its mean loss by seed, which fixes the head, empty if that is not
        known; and its entropy in nats, which nearest neighbours read without bias.
    regimes, parameterisation
        Of every run; of the setup.
    within
        Smallest and largest ELR in chaotic equilibrium, which the temperatures are looked for in.
    lines
        States in that range as measured, one line for each seed.
    temperatures
        By free-energy minimisation with a slack from the error bars.
    published_slack
        The same with `eps` as FE appendix B takes it.
    eps
        That slack.
    graph
        The same from the entropy of the k-nearest-neighbour graph, which FE takes.
    uniform_graph
        What that estimator gives for as many uniform directions; None where it is not known.
    bridge
        The same temperatures beside that of the gradient noise.
    whole
        For each line of it the same beside that of the whole gradient.
    steps
        Whether the entropy is more than the length of a step.
    decay, phase
        Along the runs that converge.

    """

    states: xr.Dataset
    trace: xr.Dataset
    random_losses: Mapping[int, float]
    uniform_entropy: float
    regimes: Regimes | str
    parameterisation: Parameterisation | str
    within: tuple[float, float] | None
    lines: tuple[SphereLine, ...] | str
    temperatures: tuple[TemperatureLine, ...] | str
    published_slack: tuple[TemperatureLine, ...] | str
    eps: float
    graph: tuple[TemperatureLine, ...] | str
    uniform_graph: float | None
    bridge: tuple[BridgeLine, ...] | str
    whole: tuple[xr.Dataset, ...] | str
    steps: tuple[StepReading, ...] | str
    decay: tuple[DecayRun, ...] | str
    phase: tuple[PhaseRun, ...] | str

    @property
    def dim(self) -> int:
        """Number of scale-invariant weights."""
        return int(self.states.attrs["dim"])

    def random_loss(self, at: Mapping[str, float] | None = None) -> float | None:
        """The mean loss at random directions with the head of this line's seed, else of the first seed."""
        if not self.random_losses:
            return None
        seed = int((at or {}).get("seed", min(self.random_losses)))
        return self.random_losses.get(seed, min(self.random_losses.values()))


def analyse_free_energy(
    states: xr.Dataset,
    trace: xr.Dataset,
    *,
    random_losses: Mapping[int, float] | None = None,
    uniform_graph: float | None = None,
    eps: float = 1e-2,
    draws: int = 200,
    shuffles: int = 200,
) -> FreeEnergyFindings:
    """Make every analysis that these runs allow.

    Temperatures are looked for between the smallest and the largest ELR that end in chaotic equilibrium,
    below the first that ends at the loss of a random direction: the paper chooses this range by hand.

    Parameters
    ----------
    states, trace
        On a fixed sphere: stationary states, and the runs they come from.
    random_losses
        Mean loss at random directions by seed; None: only a loss that is not finite counts as divergence.
    uniform_graph
        What FE's estimator of the entropy gives for uniform directions.
    eps
        Slack of the free energy in FE appendix B: 1e-2 for most setups, 4e-2 for the wide ConvNets.
    draws, shuffles
        Repetitions for errors and for the chance of a temperature in shuffled entropies.

    Raises
    ------
    InputError
        States of another protocol.

    """
    if states.attrs.get("protocol") != "FixedSphere":
        raise InputError(
            f"free energy: protocol is {states.attrs.get('protocol')!r}; expected 'FixedSphere', on which "
            "the volume is the same for all runs"
        )
    known = dict(random_losses or {})
    mean = float(np.mean(list(known.values()))) if known else None
    found = _attempt(lambda: _regimes(states, trace, known))
    within = None if isinstance(found, str) else _equilibrium_range(found)
    why = "fewer than two ELRs end in chaotic equilibrium" if isinstance(found, Regimes) else found
    chosen = _converging(found)
    joined = why if within is None else _attempt(lambda: bridge(states, within=within, draws=draws))
    return FreeEnergyFindings(
        states=states,
        trace=trace,
        random_losses=known,
        uniform_entropy=float(entropy_uniform(int(states.attrs["dim"]))),
        regimes=found,
        parameterisation=_attempt(lambda: parameterisation(trace, first_loss=mean)),
        within=within,
        lines=why
        if within is None
        else _attempt(
            lambda: sphere_lines(states, ["loss", "entropy"], within=within, owner="energy and entropy")
        ),
        temperatures=why
        if within is None
        else _attempt(lambda: temperature_law(states, within=within, draws=draws, shuffles=shuffles)),
        published_slack=why
        if within is None
        else _attempt(lambda: temperature_law(states, eps=eps, within=within, draws=draws, shuffles=0)),
        eps=eps,
        graph=why
        if within is None
        else _attempt(
            lambda: temperature_law(
                states, within=within, observable="entropy_graph", draws=draws, shuffles=shuffles
            )
        ),
        uniform_graph=uniform_graph,
        bridge=joined,
        whole=joined
        if isinstance(joined, str)
        else _attempt(lambda: tuple(whole_gradient(states, line) for line in joined)),
        steps=why if within is None else _attempt(lambda: step_reading(states, within=within)),
        decay=_of_converging(trace, chosen, temperature_decay),
        phase=_of_converging(trace, chosen, phase_exponents),
    )


def _attempt(make: Callable[[], Result]) -> Result | str:
    try:
        return make()
    except InputError as error:
        return str(error)


def _regimes(states: xr.Dataset, trace: xr.Dataset, known: Mapping[int, float]) -> Regimes:
    """Seed by seed, as each has its own head and with it its own loss at random directions."""
    if "seed" not in states.dims:
        return regimes(states, trace, random_loss=next(iter(known.values()), None))
    seeds = [int(seed) for seed in states["seed"].values]
    each = [
        regimes(states.sel(seed=[seed]), trace.sel(seed=[seed]), random_loss=known.get(seed))
        for seed in seeds
    ]
    alike = len({one.verdict for one in each}) == 1
    told = (f"seed {seed}: {one.verdict}" for seed, one in zip(seeds, each, strict=True))
    verdict = f"each of {len(seeds)} seeds: {each[0].verdict}" if alike else "; ".join(told)
    points = xr.concat([one.points for one in each], "seed")
    return Regimes(points.transpose(*states["status"].dims), verdict, all(one.in_order for one in each))


def _equilibrium_range(found: Regimes) -> tuple[float, float] | None:
    """From the smallest to the largest ELR in equilibrium, below the first one that diverges."""
    words = found.points["regime"].transpose("elr", ...)
    rates = words["elr"].values
    rows = words.values.reshape(len(rates), -1)
    diverged = (rows == "divergence").any(axis=1)
    top = int(np.argmax(diverged)) if diverged.any() else len(rates)
    settled = np.flatnonzero((rows[:top] == "equilibrium").any(axis=1))
    if len(settled) < 2:
        return None
    return float(rates[settled[0]]), float(rates[settled[-1]])


def _converging(found: Regimes | str) -> NDArray[np.intp]:
    """Places on the axis of the ELR of which some run converges."""
    if isinstance(found, str):
        return np.empty(0, dtype=np.intp)
    words = found.points["regime"].transpose("elr", ...)
    rows = words.values.reshape(words.sizes["elr"], -1)
    return np.flatnonzero((rows == "convergence").any(axis=1))


def _of_converging(
    trace: xr.Dataset, chosen: NDArray[np.intp], make: Callable[[xr.Dataset], Result]
) -> Result | str:
    if len(chosen) == 0:
        return "no run converges: the loss of none keeps falling with its gradients"
    return _attempt(lambda: make(trace.isel(elr=chosen)))
