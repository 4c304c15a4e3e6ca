"""The phase exponents of one network against the size of its data set: setups taken together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import xarray as xr

from thermograd.analysis import PHASE_EXPONENTS, PhaseBySize, phase_by_size, phase_exponents
from thermograd.errors import InputError
from thermograd.report.wording import number, with_error
from thermograd.reproduce.claims import Claim
from thermograd.reproduce.presets import Setup
from thermograd.reproduce.summary import save_claims, to_page_claims

__all__ = ["size_claims", "size_families", "size_page", "training_examples"]

_LEAST = 2
_CLAIM = "The exponent of E|g| ~ |E g|^a approaches 1 as the data set shrinks"


def size_families(offered: Sequence[Setup]) -> dict[str, tuple[Setup, ...]]:
    """Setups that differ in the size of the data set, by the name of their family.

    Examples
    --------
    >>> from thermograd.reproduce.presets import setups
    >>> {name: len(family) for name, family in size_families(setups("free-energy", "paper")).items()}
    {'free-energy-resnet18-subset-sizes': 4, 'free-energy-subset-sizes': 4}

    """
    families: dict[str, tuple[Setup, ...]] = {}
    for setup in offered:
        if setup.family:
            families[setup.family] = (*families.get(setup.family, ()), setup)
    return families


def training_examples(setup: Setup, source: str) -> int:
    """How many images a setup trains on."""
    from thermograd.data import load

    subset = setup.grids[0][1].subset
    return len(load(source).train_labels) if subset is None else subset


def size_page(
    name: str,
    traces: Mapping[int, xr.Dataset],
    folder: Path,
    *,
    architecture: str,
    left_out: Sequence[str] = (),
    command: str = "",
) -> Path:
    """Fit the exponents of all sizes together, judge the claim, and write the page.

    Parameters
    ----------
    name
        Of the family.
    traces
        By number of training examples, of the fixed sphere.
    folder
        Where the page goes.
    architecture
        Of all its networks: the published exponents of the same one are shown.
    left_out
        Setups of the family that are not among the traces, and why.
    command
        Command line that makes it again.

    Raises
    ------
    InputError
        Fewer than 2 sizes, or gradients that were not measured.

    """
    from thermograd.report.free_energy_family import write_size_report

    if len(traces) < _LEAST:
        raise InputError(f"{name}: {len(traces)} sizes of the data set; expected at least {_LEAST}")
    rates = sorted(set.intersection(*({float(x) for x in trace["elr"].values} for trace in traces.values())))
    found: dict[float, PhaseBySize | str] = {}
    runs = {}
    for rate in rates:
        chosen = {size: traces[size].sel(elr=[rate]) for size in sorted(traces)}
        runs[rate] = {size: phase_exponents(trace)[0] for size, trace in chosen.items()}
        try:
            found[rate] = phase_by_size(chosen)
        except InputError as error:
            found[rate] = str(error)
    claims = size_claims(architecture, found, left_out)
    save_claims(claims, folder)
    return write_size_report(
        runs,
        found,
        folder,
        title="How gradients vanish on data sets of several sizes",
        claims=to_page_claims(claims),
        published=tuple(one for one in PHASE_EXPONENTS if one.network == _network(architecture)),
        command=command,
    )


def size_claims(
    architecture: str, found: Mapping[float, PhaseBySize | str], left_out: Sequence[str] = ()
) -> tuple[Claim, ...]:
    """One claim for each ELR: the slope of the exponent over the logarithm of the size is below 0.

    Parameters
    ----------
    architecture
        Of the networks.
    found
        By ELR, or why there is none.
    left_out
        Setups that could not be used, and why.

    Examples
    --------
    >>> size_claims("ConvNet", {1e-4: "no run converges"})[0].verdict
    'not testable'

    """
    network = _network(architecture)
    published = [one for one in PHASE_EXPONENTS if one.network == network]
    values = ", ".join(f"{one.exponent:g} at {one.size}" for one in published)
    paper = f"FE section 5: no exponents of {network}"
    if published:
        paper = f"{published[0].source}: a = {values} images of CIFAR-10, {network}({published[0].width})"
    others = [f"left out: {left}" for left in left_out]
    claims = []
    for rate, one in found.items():
        claim = f"{_CLAIM}: ELR {number(rate)}"
        if isinstance(one, str):
            claims.append(Claim(claim, paper, "", "not testable", "; ".join((one, *others))))
            continue
        p = one.points
        measured = ", ".join(
            f"a = {with_error(float(p['exponent'][i]), float(p['exponent_se'][i]))} at {int(p['size'][i])}"
            for i in range(p.sizes["size"])
        )
        reason = "; ".join((one.verdict, *(f"left out: {left}" for left in one.left_out), *others))
        if one.slope + 2 * one.slope_se < 0:
            claims.append(Claim(claim, paper, measured, "agrees", reason))
        elif one.slope - 2 * one.slope_se > 0:
            claims.append(Claim(claim, paper, measured, "differs", reason))
        else:
            claims.append(Claim(claim, paper, measured, "not testable", reason))
    return tuple(claims)


def _network(architecture: str) -> str:
    """As the papers write it."""
    return {"ResNet18": "ResNet-18"}.get(architecture, architecture)
