"""The report of the toy sphere: one page with its figures, spheres to turn, and the paper's claims tested."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from thermograd.errors import InputError
from thermograd.figures.interactive import Fragment, interactive_sphere
from thermograd.figures.output import encode, new_figure, save
from thermograd.figures.style import styled
from thermograd.figures.toy import toy_curves
from thermograd.figures.toy_limits import toy_limits
from thermograd.figures.toy_sphere import theorem_scheme, toy_destinations, toy_landscapes, toy_metrics
from thermograd.files import atomic_write
from thermograd.report.content import Claim, Picture, Section, Table
from thermograd.report.page import render
from thermograd.report.wording import number, with_error
from thermograd.theory.snr import two_circle_limiting_snr_sq

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["ToySetup", "write_toy_report"]

_LAW_TO = 0.2  # where the law of small learning rates is still drawn
_LEAD = (
    "SGD on a sphere where every training example is a great circle: two circles meet, and the loss can "
    "vanish; three do not, and gradient noise stays."
)


@dataclass(frozen=True)
class ToySetup:
    """All that is shown of one set of circles.

    Attributes
    ----------
    title
        What to call it: a short name, a colon, and what it is.
    trace, limits
        What ``simulate`` and ``limits`` returned.
    values
        What ``on_sphere(normals, globe())`` returned.
    paths
        Of two runs, slow and fast, for the landscape.
    destinations
        Of several runs, for the picture of where they go.
    half_width
        Half the width of that picture, in radii.
    angle
        Half the angle between two circles' normals, where theorem 1 speaks of them.

    """

    title: str
    trace: xr.Dataset
    limits: xr.Dataset
    values: xr.Dataset
    paths: Sequence[xr.DataArray]
    destinations: Sequence[xr.DataArray]
    half_width: float
    angle: float | None = None

    @property
    def short(self) -> str:
        """The short name alone, for narrow panels."""
        return self.title.partition(":")[0]


def write_toy_report(
    setups: Mapping[str, ToySetup], claims: Sequence[Claim], folder: Path, *, command: str = ""
) -> Path:
    """Write ``report.html``, which needs nothing else, and beside it ``figures/`` and ``tables/``.

    The page holds plotly.js, once: its spheres turn without a network. The same setups give the same bytes.

    Parameters
    ----------
    setups
        By the stem of their files.
    claims
        What was found, for the head of the page.
    folder
        Where to write.
    command
        Command line that makes the report again, quoted in it.

    Returns
    -------
    Path
        The page.

    """
    if not setups:
        raise InputError("report: there are no setups of the toy sphere; expected at least one")
    figures = _figures(setups)
    tables = [_table(name, setup) for name, setup in setups.items()]
    sections = [
        Section("claims", "What the paper claims, and what was measured", claims=tuple(claims)),
        Section("spheres", "The spheres, to be turned", (_TURN,), fragments=_spheres(setups)),
        *(
            Section(f"figures-{part}", title, pictures=tuple(_picture(figures[stem], stem) for stem in stems))
            for part, title, stems in _parts(figures)
        ),
        Section("tables", "Final loss and limiting SNR", (_TABLE,), tables=tuple(tables)),
        Section("provenance", "How this was made", blocks=_provenance(setups, command)),
    ]
    for stem, figure in figures.items():
        save(figure, folder / "figures" / stem)
    for table in tables:
        atomic_write(folder / "tables" / f"{table.name}.csv", table.csv())
        atomic_write(folder / "tables" / f"{table.name}.md", table.markdown())
    # Last: who finds the page finds all that it speaks of.
    atomic_write(folder / "report.html", render("The toy sphere, measured", sections, lead=_LEAD))
    return folder / "report.html"


def _figures(setups: Mapping[str, ToySetup]) -> dict[str, Figure]:
    figures: dict[str, Figure] = {
        "landscape": toy_landscapes({s.title: (s.values, s.paths) for s in setups.values()}),
        "metrics": toy_metrics({s.short: s.values for s in setups.values()}),
        "destinations": toy_destinations(
            {s.short: (s.values, s.destinations, s.half_width) for s in setups.values()},
            last=[s.short for s in setups.values() if s.angle is None],
        ),
    }
    with styled():
        figures["scheme"] = new_figure(4.4, 4.4)
        theorem_scheme(figures["scheme"].subplots())
    for name, setup in setups.items():
        figures[f"curves-{name}"] = toy_curves(setup.trace, setup.title)
        law, text = None, ""
        if setup.angle is not None:
            rate = setup.limits["elr"].values
            expected = np.sqrt(two_circle_limiting_snr_sq(rate, setup.angle))
            law, text = np.where(rate < _LAW_TO, expected, np.nan), r"$\sqrt{\tan^2\alpha + \eta}$"
        figures[f"limits-{name}"] = toy_limits(setup.limits, law=law, law_text=text, title=setup.title)
    with styled():
        for figure in figures.values():
            # Each is written in three formats: laying it out once and not at every writing halves the time.
            figure.draw_without_rendering()
            figure.set_layout_engine(None)
    return figures


def _parts(figures: Mapping[str, Figure]) -> list[tuple[str, str, list[str]]]:
    runs = [stem for stem in figures if stem.startswith("curves")]
    ends = [stem for stem in figures if stem.startswith("limits")]
    return [
        ("runs", "Over the iterations", runs),
        ("ends", "Over the learning rate", ends),
        ("sphere", "On the sphere", ["landscape", "metrics", "destinations", "scheme"]),
    ]


def _picture(figure: Figure, stem: str) -> Picture:
    alt, caption = _CAPTIONS[stem.partition("-")[0]]
    return Picture(encode(figure, "svg"), f"{alt} ({stem})", caption, narrow=stem == "scheme")


def _spheres(setups: Mapping[str, ToySetup]) -> tuple[Fragment, ...]:
    return tuple(_sphere(name, setup) for name, setup in setups.items())


def _sphere(name: str, setup: ToySetup) -> Fragment:
    shown = {
        "loss": "loss",
        "SNR": "snr",
        "full gradient": "full_grad_norm",
        "stochastic gradients": "mean_batch_grad_norm",
    }
    return interactive_sphere(
        {text: (setup.values, variable) for text, variable in shown.items()},
        name=f"sphere-{name}",
        caption=f"{setup.title}: great circles, and the paths of a slow and a fast run.",
        paths=setup.paths,
    )


def _table(name: str, setup: ToySetup) -> Table:
    rows = []
    for i in range(0, setup.limits.sizes["elr"], 4):
        run = setup.limits.isel(elr=i)
        state = "converged" if run["converged"] else "settled" if run["settled"] else "on the way"
        snr = with_error(float(run["snr"]), float(run["snr_se"]))
        loss = with_error(float(run["loss"]), float(run["loss_se"])) if state == "settled" else "–"
        cells = (number(float(run["elr"])), str(int(run["steps"])), state, number(float(run["final_loss"])))
        rows.append((*cells, loss, number(float(run["loss_spread"])) if state == "settled" else "–", snr))
    columns = ("LR", "iterations", "state", "last loss", "mean loss", "spread in time", "SNR")
    return Table(f"limits-{name}", setup.title, columns, tuple(rows))


def _provenance(setups: Mapping[str, ToySetup], command: str) -> tuple[str, ...]:
    lines = []
    for setup in setups.values():
        attrs = setup.trace.attrs
        normals = np.reshape(attrs["normals"], (-1, 3)).round(6) + 0.0
        lines.append(
            f"{setup.title}: normals {normals.tolist()}, start {np.round(attrs['start'], 6).tolist()}, "
            f"at most {attrs['steps']} iterations, seed {attrs['seed']}, minimum of the loss "
            f"{attrs['minimum_loss']:.6g}"
        )
    return (*([command] if command else []), "\n".join(lines))


_TURN = (
    "Drag to turn, scroll to come closer; the buttons choose what is shown. The same spheres as still "
    "pictures are further down."
)
_TABLE = (
    "Means are over the last half of each run's iterations, errors respect the autocorrelation, the spread "
    "is the standard deviation over time. Every fourth learning rate is shown; the files trace-*.nc hold all."
)
_CAPTIONS = {
    "landscape": (
        "Loss over the sphere with the paths of two runs",
        "The full loss, great circles in black (zero loss of one example), and a slow and a fast run (FE "
        "figure 4).",
    ),
    "metrics": (
        "Loss, SNR and gradient norms over the sphere",
        "All metrics over the sphere (FE figure 13). Where circles share a point the SNR has no value there "
        "and a limit for every meridian; where they do not it falls to 0 at the minimum.",
    ),
    "destinations": (
        "Where runs of several learning rates go",
        "Seen from above the minimum (FE figure 14): without a common point the positions of the second half "
        "of the run, with one the path into it, much enlarged.",
    ),
    "scheme": (
        "Scheme of theorem 1",
        "Between the circles (shaded) the SNR rises to its limit on the way to the optimum; on the central "
        "meridian it is smallest (FE figure 12).",
    ),
    "curves": (
        "Loss, SNR and gradient norms over the iterations",
        "Pale: every log point, exact; full: smoothed with a Gaussian in ln t, width 0.1 (FE figure 5).",
    ),
    "limits": (
        "Final loss and limiting SNR over the learning rate",
        "Left: hollow circles converged and were stopped, squares were still on the way, bars are the spread "
        "over time. Right: bars are one standard error.",
    ),
}
