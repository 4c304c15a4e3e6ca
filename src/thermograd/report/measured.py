"""Sections on what measurements are worth: which runs count, how good the entropy is, where all came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thermograd.figures.style import value_text
from thermograd.report.content import Section, Table
from thermograd.report.wording import PROTOCOL_NAMES, number, place, plain
from thermograd.states import STATUSES

__all__ = ["entropy_quality", "provenance", "stationarity"]

Array = NDArray[np.float64]
States = Mapping[str, xr.Dataset]


def stationarity(states: States) -> Section:
    """How many runs of each protocol reached equilibrium, and why each of the others is left out.

    Parameters
    ----------
    states
        Stationary states by protocol name.

    """
    counts, left_out = [], []
    for protocol, dataset in states.items():
        status = dataset["status"].values.astype(str)
        tally = [int((status == word).sum()) for word in STATUSES]
        counts.append((PROTOCOL_NAMES[protocol], str(status.size), *map(str, tally)))
        for index in zip(*np.nonzero(status != "equilibrium"), strict=True):
            reason = str(dataset["status_reason"].values[index])
            left_out.append((_point(dataset, index), PROTOCOL_NAMES[protocol], str(status[index]), reason))
    tables = [
        Table("stationarity", "Runs by status", ("protocol", "runs", *STATUSES), tuple(counts)),
    ]
    if left_out:
        columns = ("run", "protocol", "status", "reason")
        title = "Runs left out of every fit, and why"
        tables.append(Table("left-out", title, columns, tuple(left_out), prose=True))
    intro = (
        "A run counts when the end of it shows no drift and the norm has had time to relax. All others are "
        "drawn hollow in the figures and left out of every fit, error and verdict on this page."
    )
    return Section("stationarity", "Which runs count", (intro,), tables=tuple(tables))


def _point(dataset: xr.Dataset, index: tuple[np.intp, ...]) -> str:
    coordinates = zip(dataset["status"].dims, index, strict=True)
    return place({str(name): float(dataset[name].values[i]) for name, i in coordinates})


def entropy_quality(states: States) -> Section:
    """How correlated the entropies' samples were and how much independent windows differ.

    Parameters
    ----------
    states
        Stationary states by protocol name.

    """
    rows = []
    for protocol, dataset in states.items():
        good = dataset.where(dataset["status"] == "equilibrium")
        gas_constant = (int(dataset.attrs["dim"]) - 1) / 2
        spread = _values(good, "entropy_sphere_spread")
        rows.append(
            (
                PROTOCOL_NAMES[protocol],
                plain(dataset.attrs.get("entropy_queue_size", "not recorded")),
                _median_and(np.max, _values(good, "entropy_autocorrelation_time")),
                _median_and(np.min, _values(good, "entropy_effective_samples")),
                _median_and(np.min, _values(good, "entropy_sphere_windows")),
                _median_and(np.max, spread),
                _median_and(np.max, spread / gas_constant),
            )
        )
    columns = (
        "protocol",
        "sample size",
        "autocorrelation time [samples], median (max)",
        "effective samples, median (min)",
        "windows, median (min)",
        "spread between windows [nats], median (max)",
        "spread / R, median (max)",
    )
    intro = (
        "Entropy is estimated from nearest-neighbour distances between weight vectors saved along one run. "
        "Such vectors are strongly correlated and far fewer than the dimensions, so what the estimate mostly "
        "sees is how far the weights diffuse within a window: its level is biased. Differences between "
        "states, which the Maxwell relations use, survive as far as that bias is the same in all states, "
        "which is an assumption."
    )
    title = "The samples behind the entropies, runs in equilibrium only"
    table = Table("entropy-quality", title, columns, tuple(rows))
    return Section("entropy", "How good the entropy is", (intro,), tables=(table,))


def _values(dataset: xr.Dataset, name: str) -> Array:
    if name not in dataset:
        return np.empty(0)
    values = dataset[name].values.ravel().astype(np.float64)
    return values[np.isfinite(values)]


def _median_and(extreme: Callable[[Array], np.float64], values: Array) -> str:
    if values.size == 0:
        return "not measured"
    return f"{number(float(np.median(values)))} ({number(float(extreme(values)))})"


def provenance(states: States, command: str) -> Section:
    """Everything the datasets record about their making, and the command that makes this page again.

    Parameters
    ----------
    states
        Stationary states by protocol name.
    command
        Command line that reproduces the report; empty if it is not known.

    """
    names = sorted({str(name) for dataset in states.values() for name in dataset.attrs} - {"protocol", "dim"})
    grids = {protocol: _grid(dataset) for protocol, dataset in states.items()}
    rows = [("grid", *grids.values())]
    rows.append(("scale-invariant weights d", *(plain(dataset.attrs["dim"]) for dataset in states.values())))
    for name in names:
        values = (plain(dataset.attrs.get(name, "")) for dataset in states.values())
        rows.append((name.replace("_", " "), *values))
    columns = ("", *(PROTOCOL_NAMES[protocol] for protocol in states))
    table = Table("provenance", "The record of the runs", columns, tuple(rows), prose=True)
    return Section(
        "provenance",
        "Where this comes from",
        ("To reproduce this page:",) if command else (),
        tables=(table,),
        blocks=(command,) if command else (),
    )


def _grid(dataset: xr.Dataset) -> str:
    parts = []
    for name in dataset["status"].dims:
        values = dataset[name].values
        if name == "seed":
            parts.append("seeds " + ", ".join(str(int(value)) for value in values))
        elif len(values) == 1:
            parts.append(f"{name} {value_text(float(values[0]))}")
        else:
            ends = f"{value_text(float(values[0]))} to {value_text(float(values[-1]))}"
            parts.append(f"{name} {ends} ({len(values)} values)")
    return "; ".join(parts)
