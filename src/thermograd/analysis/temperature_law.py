"""Temperature from free-energy minimisation: its bands, its power law, and whether it exists at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thermograd.analysis.free_energy import Pairs, longest_stretch, pair_bounds
from thermograd.analysis.lines import SphereLine, sphere_lines
from thermograd.analysis.points import LeftOut
from thermograd.analysis.power_law import PowerLaw, fit_power_law
from thermograd.analysis.smoothing import carried, triangular_in_log
from thermograd.errors import InputError

__all__ = ["TemperatureLine", "temperature_law"]

Array = NDArray[np.float64]
_LEAST = 4  # states of a line: three have a single interior one, and no law
_LAW = 3  # estimates that a power law needs
_SHARE = 0.5  # of the repetitions that must give a state a temperature, or its error is not known
_CHANCE = 0.05  # largest chance of so long a stretch among shuffled entropies that still counts


@dataclass(frozen=True)
class TemperatureLine:
    """The temperatures of one radius (and seed).

    Attributes
    ----------
    at
        Which line of the grid.
    points
        Over ``elr``, the states used: ``loss`` and ``entropy`` as smoothed, with ``_se``; ``lower`` and
        ``upper``, the band; ``temperature``, its geometric mean, NaN where it is no estimate, with
        ``temperature_se`` from the measured errors; ``kind``, one of
        :data:`thermograd.analysis.free_energy.KINDS`; ``inside``, whether in the stretch whose states
        compete. A state outside is judged against those of the stretch.
    stretch
        Smallest and largest ELR of the states that compete.
    law
        ``T = c eta^a`` through the estimates; None where there are fewer than 3.
    chance
        How often the entropies, shuffled among the states, have as long a stretch with as many estimates;
        NaN without shuffles.
    exists, grows
        Whether the hypothesis is shown: at least 3 estimates, and a chance of at most 5%; an exponent above 0
        by two standard errors.
    verdict
        The same in words.
    left_out
        States not used.

    """

    at: dict[str, float]
    points: xr.Dataset
    stretch: tuple[float, float]
    law: PowerLaw | None
    chance: float
    exists: bool
    grows: bool
    verdict: str
    left_out: tuple[LeftOut, ...]


def temperature_law(
    states: xr.Dataset,
    *,
    eps: float | None = None,
    sigmas: float = 2.0,
    within: tuple[float, float] | None = None,
    width: float = 0.3,
    observable: str = "entropy",
    statuses: Sequence[str] = ("equilibrium",),
    draws: int = 200,
    shuffles: int = 200,
    seed: int = 0,
) -> tuple[TemperatureLine, ...]:
    """Find the temperature at which each state has the least ``F = U - T S``, and its law ``T = c elr^a``.

    U and S are smoothed over log ELR, then every state is given the interval of all T at which no other state
    of its stretch has a lower F by more than the slack. The stretch is the longest run of neighbouring states
    in which every one has such a T: what lies beyond (runs that still converge, a change of regime) is found
    from the data. Random walks at the largest rates, which all have the same U and S, can each be least at a
    high T; leave them out by `within`. The law is fitted to the geometric means; its error is that of `draws`
    repetitions with U and S drawn anew within their errors.

    The slack pulls the geometric mean down: by ``eps / (2 U)`` of itself for a cold gas (U from its least
    value on), whatever the spacing. One that is the same for all states does so to the coldest most, and
    makes the exponent too large.

    Parameters
    ----------
    states
        Stationary states on a fixed sphere with ``loss`` and the entropy.
    eps
        Slack of F, in units of the loss, the same for all pairs; None takes it from the error bars.
    sigmas
        Then the slack of a pair is so many standard errors of its difference of F. Without errors it is 0.
    within
        Smallest and largest ELR to use: the papers choose it by hand.
    width
        ``h`` of the smoothing kernel; 0 for none.
    observable
        Which entropy: ``"entropy"``, or another variable with it up to a constant.
    statuses
        Statuses of points to use.
    draws
        Repetitions for the errors.
    shuffles
        Permutations of the entropies for `TemperatureLine.chance`; 0 for none.
    seed
        Of both.

    Returns
    -------
    tuple of TemperatureLine
        One for each radius (and seed) with at least 4 usable states.

    Raises
    ------
    InputError
        Another protocol, a variable that was not measured, or no line with 4 usable states.

    References
    ----------
    FE section 4, appendix B, figures 2, 9 and 10.

    Examples
    --------
    The exact law of the isotropic model with ten dimensions, ``T = elr / 2``:

    >>> from thermograd.protocol import FixedSphere
    >>> from thermograd.states import new_states
    >>> from thermograd.theory import vmf
    >>> elr = np.geomspace(1e-3, 1e-1, 12)[:, None]
    >>> measured = {"norm": 1 + 0 * elr, "loss": vmf.energy(elr / 2, 10)}
    >>> measured["entropy_sphere"] = vmf.entropy_sphere(elr / 2, 10)
    >>> grid = FixedSphere.grid(elr=elr.ravel(), radius=[1.0])
    >>> (line,) = temperature_law(new_states(grid, measured, dim=10), shuffles=20)
    >>> line.exists, round(line.law.coefficient, 2), round(line.law.exponent, 2)
    (True, 0.5, 1.0)

    """
    if draws < 0 or shuffles < 0:
        raise InputError(f"temperature law: draws is {draws}, shuffles {shuffles}; expected at least 0")
    lines = sphere_lines(states, ["loss", observable], statuses, within, owner="temperature law")
    enough = [line for line in lines if len(line.elr) >= _LEAST]
    if not enough:
        most = max(len(line.elr) for line in lines)
        raise InputError(
            f"temperature law: {most} usable states at most on a line of constant radius; expected at least "
            f"{_LEAST}, the two at the ends have no temperature"
        )
    # A source of its own for each line: none depends on how many others there are.
    return tuple(
        _line(line, observable, eps, sigmas, width, draws, shuffles, np.random.default_rng([seed, i]))
        for i, line in enumerate(enough)
    )


def _line(
    line: SphereLine,
    observable: str,
    eps: float | None,
    sigmas: float,
    width: float,
    draws: int,
    shuffles: int,
    rng: np.random.Generator,
) -> TemperatureLine:
    U, S = line.values["loss"], line.values[observable]
    U_se, S_se = line.errors["loss"], line.errors[observable]
    smooth = triangular_in_log(line.elr, width)
    by_errors = eps is None and bool(np.isfinite(U_se).all() and np.isfinite(S_se).all())
    U_cov, S_cov = carried(smooth, U_se), carried(smooth, S_se)

    def bounds(u: Array, s: Array, s_cov: Array) -> Pairs:
        covariances = {"U_covariance": U_cov, "S_covariance": s_cov} if by_errors else {}
        return pair_bounds(u @ smooth.T, s @ smooth.T, eps=eps or 0.0, sigmas=sigmas, **covariances)

    pairs = bounds(U, S, S_cov)
    stretch, count = longest_stretch(pairs)
    score = (stretch.stop - stretch.start, count)
    bands = pairs.against(stretch)
    inside = np.zeros(len(U), dtype=bool)
    inside[stretch] = True
    estimated = inside & (bands.kind == "estimate")
    spread = np.full((len(U), len(U)), np.nan)  # covariance of log T
    if draws > 1 and np.isfinite(U_se).all() and np.isfinite(S_se).all():
        u, s = (values + se * rng.standard_normal((draws, len(U))) for values, se in ((U, U_se), (S, S_se)))
        again = bounds(u, s, S_cov).against(stretch)
        with np.errstate(divide="ignore", invalid="ignore"):
            # Bounds that cross still have a middle; one that is 0 or infinite has none.
            log_t = 0.5 * (np.log(again.lower) + np.log(again.upper))
        spread = _covariance(log_t)
    law = None
    if estimated.sum() >= _LAW:
        covariance = spread[np.ix_(estimated, estimated)]
        law = fit_power_law(line.elr[estimated], bands.temperature[estimated], covariance=covariance)
    longer = 0
    for _ in range(shuffles):
        order = rng.permutation(len(S))
        other, count = longest_stretch(bounds(U, S[order], carried(smooth, S_se[order])))
        longer += (other.stop - other.start, count) >= score
    chance = (longer + 1) / (shuffles + 1) if shuffles else np.nan
    exists = law is not None and not chance > _CHANCE
    grows = exists and law is not None and law.exponent > 2 * np.nan_to_num(law.exponent_se)
    data = {
        "loss": smooth @ U,
        "loss_se": np.sqrt(np.diag(U_cov)),
        "entropy": smooth @ S,
        "entropy_se": np.sqrt(np.diag(S_cov)),
        "lower": bands.lower,
        "upper": bands.upper,
        "temperature": bands.temperature,
        "temperature_se": bands.temperature * np.sqrt(np.diag(spread)),
        "kind": bands.kind,
        "inside": inside,
    }
    ends = (float(line.elr[stretch.start]), float(line.elr[stretch.stop - 1]))
    points = xr.Dataset({name: ("elr", values) for name, values in data.items()}, {"elr": line.elr}, line.at)
    points.attrs |= {
        "slack": f"{sigmas:g} standard errors" if by_errors else f"eps = {eps or 0:g}",
        "smoothing": f"triangular kernel, h = {width:g}",
        "observable": observable,
    }
    verdict = _verdict(points, int(estimated.sum()), ends, law, chance, exists, grows)
    return TemperatureLine(
        line.at, points, ends, law, float(chance), bool(exists), bool(grows), verdict, line.left_out
    )


def _covariance(samples: Array) -> Array:
    """Of the columns, pair by pair over the rows that have both; NaN where that is less than half of them."""
    there = np.isfinite(samples)
    count = there.T.astype(float) @ there
    mean = np.where(there, samples, 0.0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
    centred = np.where(there, samples - mean, 0.0)
    found = centred.T @ centred / np.maximum(count - 1, 1)
    return np.asarray(np.where(count < _SHARE * len(samples), np.nan, found))


def _verdict(
    points: xr.Dataset,
    estimates: int,
    ends: tuple[float, float],
    law: PowerLaw | None,
    chance: float,
    exists: bool,
    grows: bool,
) -> str:
    count, n = int(points["inside"].sum()), points.sizes["elr"]
    where = f"{count} of {n} neighbouring states (elr {ends[0]:.3g} to {ends[1]:.3g})"
    if law is None and count < n:
        return (
            f"no temperature exists: at most {where} can each have the least free energy among themselves, "
            f"{estimates} of them with both bounds; expected at least {_LAW}"
        )
    if law is None:
        return f"that a temperature exists is not shown: {estimates} of {n} states have both bounds"
    if not exists:
        return (
            f"that a temperature exists is not shown: {where} can have one, and so can {chance:.0%} of "
            "shuffled entropies; more states or smaller errors would tell"
        )
    found = f"a temperature exists for {where}, with both bounds at {estimates}: T = {law.text('elr')}"
    if not grows:
        return f"{found}; that it grows with the ELR is not shown"
    beyond = [f"{float(rate):.3g}" for rate in points["elr"].values[~points["inside"].values]]
    left = f"; none exists with elr {', '.join(beyond)} among the competitors" if beyond else ""
    return f"{found}, growing with the ELR{left}"
