"""The tables of one setup of the free-energy paper."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from thermograd.analysis.published import PublishedTemperature
from thermograd.analysis.temperature_law import TemperatureLine
from thermograd.report.content import Table
from thermograd.report.free_energy_findings import FreeEnergyFindings
from thermograd.report.wording import number, place, with_error

__all__ = [
    "bridge_table",
    "decay_table",
    "law_table",
    "phase_table",
    "regime_table",
    "step_table",
    "temperature_table",
]


def regime_table(findings: FreeEnergyFindings) -> Table | str:
    """Every run with its regime and the reason."""
    found = findings.regimes
    if isinstance(found, str):
        return found
    words, reasons = found.points["regime"], found.points["reason"]
    rows = []
    for index in np.ndindex(words.shape):
        at = {str(n): float(words[n].values[i]) for n, i in zip(words.dims, index, strict=True)}
        seed = f", seed {at.pop('seed'):g}" if "seed" in at else ""
        rows.append((place(at) + seed, str(words.values[index]), str(reasons.values[index])))
    return Table("regimes", "The regime of every run", ("run", "regime", "why"), tuple(rows), prose=True)


def temperature_table(findings: FreeEnergyFindings) -> Table | str:
    """The interval of temperatures of every state."""
    found = findings.temperatures
    if isinstance(found, str):
        return found
    rows = []
    for line in found:
        for i in range(line.points.sizes["elr"]):
            p = line.points.isel(elr=i)
            value = {name: float(p[name]) for name in p.data_vars if p[name].dtype.kind == "f"}
            kind = str(p["kind"].item()) if p["inside"].item() else "outside of the stretch"
            rows.append(
                (
                    number(float(p["elr"])),
                    _seed(line.at),
                    with_error(value["loss"], value["loss_se"]),
                    with_error(value["entropy"], value["entropy_se"]),
                    number(value["lower"]) if value["lower"] > 0 else "–",
                    with_error(value["temperature"], value["temperature_se"]),
                    number(value["upper"]) if math.isfinite(value["upper"]) else "–",
                    kind,
                )
            )
    columns = ("ELR", "seed", "U", "S [nats]", "least T", "T", "greatest T", "what it is")
    note = (
        f"U and S smoothed over log ELR ({found[0].points.attrs['smoothing']}); slack of F: "
        f"{found[0].points.attrs['slack']}. ± is one standard error."
    )
    return Table("temperatures", "Temperature by free-energy minimisation", columns, tuple(rows), note)


def law_table(findings: FreeEnergyFindings, published: Iterable[PublishedTemperature]) -> Table | str:
    """The power laws of the temperature, ours beside the published ones."""
    f = findings
    if isinstance(f.temperatures, str):
        return f.temperatures
    rows = [_law(line, f"here{_of_seed(line)}") for line in f.temperatures]
    if not isinstance(f.published_slack, str):
        rows += [_law(line, f"here{_of_seed(line)}, the paper's slack") for line in f.published_slack]
    if not isinstance(f.graph, str):
        rows += [_law(line, f"here{_of_seed(line)}, S by FE's graph of neighbours") for line in f.graph]
    for law in published:
        kind = "over-parameterised" if law.overparameterised else "under-parameterised"
        rows.append(
            (
                f"{law.network}({law.width}), {law.data}, {kind} [{law.source}]",
                f"eps = {law.eps:g}",
                number(law.coefficient),
                number(law.exponent),
                f"{number(law.low)} to {number(law.high)}",
                "–",
                "–",
            )
        )
    columns = ("what", "slack", "c", "a of T = c ELR^a", "ELRs", "states", "chance")
    note = (
        "States: with both bounds, of those in the range. Chance: how often shuffled entropies have as long "
        "a stretch with as many estimates."
    )
    return Table("temperature-laws", "Power laws of the temperature", columns, tuple(rows), note)


def _law(line: TemperatureLine, name: str) -> tuple[str, ...]:
    estimates = int((line.points["kind"].where(line.points["inside"]) == "estimate").sum())
    states = f"{estimates} of {line.points.sizes['elr']}"
    chance = number(line.chance, 2)
    slack = str(line.points.attrs["slack"])
    if line.law is None:
        return (
            name,
            slack,
            "–",
            "–",
            f"{number(line.stretch[0])} to {number(line.stretch[1])}",
            states,
            chance,
        )
    law = line.law
    exponent = with_error(law.exponent, law.exponent_se)
    coefficient = with_error(law.coefficient, law.coefficient_se)
    return (name, slack, coefficient, exponent, f"{number(law.low)} to {number(law.high)}", states, chance)


def bridge_table(findings: FreeEnergyFindings) -> Table | str:
    """The temperatures side by side, state by state."""
    if isinstance(findings.bridge, str):
        return findings.bridge
    rows = []
    for k, line in enumerate(findings.bridge):
        for i in range(line.points.sizes["elr"]):
            p = line.points.isel(elr=i)
            pairs = ("noise", "minimum", "slope", "minimum_ratio", "slope_ratio")
            cells = (with_error(float(p[name]), float(p[f"{name}_se"])) for name in pairs)
            whole = "–"
            if not isinstance(findings.whole, str):
                q = findings.whole[k].isel(elr=i)
                whole = with_error(float(q["slope_ratio"]), float(q["slope_ratio_se"]))
            overlaps = "yes" if p["overlaps"] else "no"
            rows.append((number(float(p["elr"])), _seed(line.at), *cells, whole, overlaps))
        means = (f"{m.value:.3g} ± {m.se:.1g}" if m else "–" for m in (line.minimum, line.slope))
        rows.append(("mean", _seed(line.at), "", "", "", *means, "", ""))
    columns = (
        "ELR",
        "seed",
        "T of the noise",
        "T of the free energy",
        "dU/dS",
        "free energy / noise",
        "dU/dS / noise",
        "dU/dS / whole gradient",
        "noise in the band",
    )
    note = (
        "T of the noise: ELR σ²/2 with σ² = Tr Σ / (d − 1). T of the whole gradient: ELR E|g|² / 2(d − 1), "
        "which takes the mean gradient for noise too. Means are geometric, weighted by the errors."
    )
    return Table("bridge", "Two temperatures of the same runs", columns, tuple(rows), note)


def step_table(findings: FreeEnergyFindings) -> Table | str:
    """How the entropy follows the length of a step."""
    if isinstance(findings.steps, str):
        return findings.steps
    words = {"step": "the volume of a step", "law": "more than a step", "undecided": "undecided"}
    rows = tuple(
        (
            f"seed {one.at['seed']:g}" if "seed" in one.at else "all states",
            with_error(one.slope, one.slope_se),
            number(one.scatter, 2),
            str(one.n),
            words[one.word],
        )
        for one in findings.steps
    )
    columns = ("line", "slope b", "scatter [nats]", "states", "what S is")
    note = (
        "S / (d − 1) = a + b log(ELR √E|g|²): b = 1 where nearest neighbours among consecutive iterates read "
        "the length of a step, 1/2 for the stationary law of a cold gas."
    )
    return Table("step-reading", "What the entropy reads", columns, rows, note)


def decay_table(findings: FreeEnergyFindings) -> Table | str:
    """How the temperature of every converging run falls."""
    if isinstance(findings.decay, str):
        return findings.decay
    rows = []
    for run in findings.decay:
        laws = [with_error(law.exponent, law.exponent_se) if law else "–" for law in (run.law, run.late)]
        rows.append((number(run.at["elr"]), _seed(run.at), *laws, run.verdict))
    columns = ("ELR", "seed", "power of time", "later half", "in words")
    title = "T = dU/dS along runs that converge"
    return Table("decay", title, columns, tuple(rows), prose=True)


def phase_table(findings: FreeEnergyFindings) -> Table | str:
    """The exponents of the gradients of every converging run."""
    if isinstance(findings.phase, str):
        return findings.phase
    rows = []
    for run in findings.phase:
        known = math.isfinite(run.exponent)
        exponent = with_error(run.exponent, run.exponent_se) if known else "–"
        plain = with_error(run.plain, run.plain_se) if known else "–"
        rows.append((number(run.at["elr"]), _seed(run.at), exponent, plain, run.verdict))
    columns = ("ELR", "seed", "exponent", "by plain regression", "in words")
    note = (
        "The exponent is the ratio of both slopes over log t; plain regression, as published, is too small "
        "by the noise of |E g|."
    )
    return Table("phase", "Exponents of E|g| ~ |E g|^a", columns, tuple(rows), note, prose=True)


def _seed(at: dict[str, float]) -> str:
    return f"{at['seed']:g}" if "seed" in at else "–"


def _of_seed(line: TemperatureLine) -> str:
    return f", seed {line.at['seed']:g}" if "seed" in line.at else ""
