"""The free-energy paper's toy sphere: simulate both setups, test the claims, write the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from thermograd.extras import require

if TYPE_CHECKING:
    from thermograd.report.content import Claim

__all__ = ["TOY_RATES", "ToyReproduction", "reproduce_toy"]

TOY_RATES: tuple[float, ...] = tuple(float(f"{10 ** (-4 + n / 16):.6g}") for n in range(81))
"""Sixteen learning rates a decade, from 1e-4 to 10: both sides of everything that happens."""

_PATHS = (2.4e-3, 6.9e-2)  # FE figure 4
_DESTINATIONS = (1e-3, 1e-2, 1e-1, 0.5)
_PATH_STEPS = 10_000


@dataclass(frozen=True)
class ToyReproduction:
    """What came out: the claims with their verdicts, and the page that shows them."""

    claims: tuple[Claim, ...]
    report: Path

    def to_dict(self) -> dict[str, Any]:
        """Claims, measurements and verdicts, for JSON."""
        claims = [
            {
                "claim": c.claim,
                "measured": c.measured,
                "verdict": c.verdict.word,
                "criterion": c.verdict.reason,
            }
            for c in self.claims
        ]
        return {"claims": claims, "report": str(self.report)}

    def to_text(self) -> str:
        """The same for a terminal."""
        return "\n".join(f"{c.verdict.word:6} {c.claim}\n       {c.measured}" for c in self.claims)


def reproduce_toy(
    folder: Path, *, seed: int = 0, steps: int = 50_000, elr: Sequence[float] = TOY_RATES
) -> ToyReproduction:
    """Run both setups of FE section 6.2 at many learning rates and write everything that the paper shows.

    Parameters
    ----------
    folder
        Where everything goes: ``trace-op.nc``, ``trace-up.nc``, ``states-*.nc``, ``limits-*.nc``,
        ``report.html``, ``figures/`` (PNG and PDF), ``tables/`` (CSV and Markdown).
    seed
        Of all draws.
    steps
        Iterations of each run at most.
    elr
        Learning rates.

    Returns
    -------
    ToyReproduction
        Claims, verdicts and the page.

    Raises
    ------
    InputError
        If an argument is out of range, a package of the report is missing, or the folder cannot be written.

    """
    require("report")
    from thermograd.files import check_writable

    check_writable(folder / "report.html")
    from thermograd.report.toy import ToySetup, write_toy_report
    from thermograd.report.toy_claims import converging_claims, settling_claims
    from thermograd.simulate import toy
    from thermograd.states import save, stationary

    sets = {
        "up": ("UP: three circles", toy.underparameterized(), 0.6, None),
        "op": ("OP: two circles", toy.overparameterized(), 0.02, np.pi / 6),
    }
    setups = {}
    for name, (title, normals, half_width, angle) in sets.items():
        trace = toy.simulate(normals, list(elr), steps=steps, seed=seed)
        limits = toy.limits(trace)
        save(trace, folder / f"trace-{name}.nc")
        save(stationary(trace), folder / f"states-{name}.nc")
        setups[name] = ToySetup(
            title,
            trace,
            limits,
            toy.on_sphere(normals, toy.globe()),
            [toy.path(normals, rate, steps=min(steps, _PATH_STEPS), seed=seed) for rate in _PATHS],
            [toy.path(normals, rate, steps=steps, seed=seed) for rate in _DESTINATIONS],
            half_width,
            angle,
        )
    up, op = setups["up"], setups["op"]
    noise = float(toy.on_sphere(sets["up"][1], toy.minimum(sets["up"][1]).point)["tr_sigma"])
    claims = (*settling_claims(up.trace, up.limits, noise), *converging_claims(op.trace, op.limits))
    options = f" --seed {seed}" * (seed != 0) + f" --steps {steps}" * (steps != 50_000)
    command = f"thermograd reproduce free-energy --part toy{options}"
    return ToyReproduction(claims, write_toy_report(setups, claims, folder, command=command))
