"""What a preset's TOML file may hold, checked key by key."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any

from thermograd.errors import InputError
from thermograd.protocol import PROTOCOLS, Grid
from thermograd.reproduce.axis_values import axis_values
from thermograd.training.spec import Measurement, TrainSpec

__all__ = ["BATCH_SIZE", "EXPERIMENTS", "FREE_ENERGY", "IDEAL_GAS", "PresetFile", "nearest", "read_preset"]

IDEAL_GAS, FREE_ENERGY, BATCH_SIZE = "ideal-gas", "free-energy", "batch-size"

EXPERIMENTS = (IDEAL_GAS, FREE_ENERGY, BATCH_SIZE)
"""What a setup can be for, in the order of the pages; the names of the package's setups begin with it."""


def _kinds(owner: type) -> dict[str, frozenset[str]]:
    """The types that each field of a description may have, as its annotations say."""
    kinds = {f.name: frozenset(part.strip() for part in str(f.type).split("|")) for f in fields(owner)}
    return {name: kind for name, kind in kinds.items() if kind <= {"int", "float", "str", "None"}}


_MEASUREMENT = _kinds(Measurement)
_RUN = {**_kinds(TrainSpec), **_MEASUREMENT}
_SETUP = {
    **dict.fromkeys(("description", "source", "experiment", "family"), frozenset({"str"})),
    "overparameterised": frozenset({"bool"}),
    "stationary_last": frozenset({"int"}),
    "seeds": frozenset({"seeds"}),
}
_TOP_ONLY = (*_SETUP, "data", "subset", "seed", "batch_size")
"""All runs of a sweep are on the same images, in minibatches of one size, and with the same seeds."""
_REQUIRED = ("description", "source", "experiment", "data", "architecture", "width", "steps")
_WORDS = {"int": "a whole number", "float": "a number", "str": "text", "bool": "true or false"}
_WORDS["seeds"] = "a list of whole numbers"
_FOLDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class PresetFile:
    """What a file says; see `thermograd.reproduce.presets.Setup`."""

    description: str
    source: str
    grids: tuple[tuple[Grid, TrainSpec], ...]
    seeds: tuple[int, ...]
    stationary_last: int | None
    experiment: str
    overparameterised: bool
    family: str


def read_preset(place: str, content: Mapping[str, Any]) -> PresetFile:
    """Check a file's content and build its grids.

    Parameters
    ----------
    place
        The file, for error messages.
    content
        Options of the runs by the names of `TrainSpec` and `Measurement`; ``description``,
        ``source`` and ``experiment``; if wanted ``seeds``, ``stationary_last``, ``overparameterised`` and
        ``family``; and one table per protocol with its two axes (see `axis_values`) and any option that
        differs there.

    Raises
    ------
    InputError
        Naming file, key, value and what was expected.

    Examples
    --------
    >>> read_preset("a.toml", {"stepz": 5})
    Traceback (most recent call last):
    thermograd.errors.InputError: a.toml: unknown key 'stepz' (value 5); expected 'steps'

    """
    tables = {name: content[name] for name in PROTOCOLS if name in content}
    common = {key: value for key, value in content.items() if key not in PROTOCOLS}
    _check(place, common, {**_SETUP, **_RUN}, (*_SETUP, *_RUN, *PROTOCOLS))
    for key in _REQUIRED:
        if key not in common:
            raise InputError(f"{place}: key {key!r} is missing; expected {_expected(key)}")
    experiment, family = common["experiment"], common.get("family", "")
    if experiment not in EXPERIMENTS:
        raise InputError(f"{place}: experiment is {experiment!r}; expected {_expected('experiment')}")
    if "family" in common:
        if not _FOLDER.fullmatch(family) or family in EXPERIMENTS:
            expected = "a folder's name of letters, digits, '.', '_' and '-', no experiment's"
            raise InputError(f"{place}: family is {family!r}; expected {expected}")
        if experiment != FREE_ENERGY:
            raise InputError(f"{place}: family is {family!r}; expected it with experiment = {FREE_ENERGY!r}")
    if not tables:
        tables_known = ", ".join(f"[{name}]" for name in PROTOCOLS)
        raise InputError(f"{place}: no protocol's table; expected at least one of {tables_known}")
    if "seed" in common and "seeds" in common:
        raise InputError(f"{place}: both seed = {common['seed']!r} and seeds are given; expected one of them")
    seeds = tuple(common.get("seeds", [common.get("seed", 0)]))
    if not seeds or len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise InputError(f"{place}: seeds is {list(seeds)}; expected distinct whole numbers, 0 or more")
    last = common.get("stationary_last")
    if last is not None and last < 1:
        raise InputError(f"{place}: stationary_last is {last}; expected a whole number above 0")
    run = {key: value for key, value in common.items() if key in _RUN}
    try:
        grids = tuple(
            _grid(f"{place}: [{name}]", name, table, {**run, "seed": min(seeds)})
            for name, table in tables.items()
        )
    except InputError as error:
        # What the run's own checks refuse names the key and what was expected, but not the file.
        raise InputError(str(error) if str(error).startswith(place) else f"{place}: {error}") from None
    over = common.get("overparameterised", False)
    return PresetFile(common["description"], common["source"], grids, seeds, last, experiment, over, family)


def _grid(where: str, name: str, table: object, run: dict[str, Any]) -> tuple[Grid, TrainSpec]:
    protocol = PROTOCOLS[name]
    if not isinstance(table, dict):
        raise InputError(f"{where} is {table!r}; expected a table with {' and '.join(protocol.axes)}")
    own = {key: value for key, value in table.items() if key not in protocol.axes}
    for key in own:
        if key in _TOP_ONLY:
            raise InputError(f"{where} has {key} = {own[key]!r}; expected it at the top, for the whole file")
    allowed = {key: kind for key, kind in _RUN.items() if key not in _TOP_ONLY}
    _check(where, own, allowed, (*protocol.axes, *allowed))
    for axis in protocol.axes:
        if axis not in table:
            raise InputError(f"{where}: key {axis!r} is missing; expected its values")
    # A whole number where any is allowed is the same run as that number with a point, and has the same key.
    keys: dict[str, Any] = {
        key: float(value) if "float" in _RUN[key] else value for key, value in {**run, **own}.items()
    }
    batch_size = max(1, keys.get("batch_size", TrainSpec.batch_size))  # what is not above 0 is refused below
    grid = Grid(
        protocol, {axis: axis_values(f"{where} {axis}", table[axis], batch_size) for axis in protocol.axes}
    )
    measurement = Measurement(**{key: keys.pop(key) for key in list(keys) if key in _MEASUREMENT})
    return grid, TrainSpec(next(iter(grid)), measurement=measurement, **keys)


def _check(
    where: str, given: Mapping[str, Any], kinds: Mapping[str, frozenset[str]], known: Iterable[str]
) -> None:
    known = tuple(known)
    for key, value in given.items():
        if key not in kinds:
            expected = nearest(key, known) or f"one of {', '.join(sorted(known))}"
            raise InputError(f"{where}: unknown key {key!r} (value {value!r}); expected {expected}")
        if not _fits(value, kinds[key]):
            raise InputError(f"{where}: {key} is {value!r}; expected {_expected(key)}")


def _fits(value: object, kind: frozenset[str]) -> bool:
    if isinstance(value, bool):
        return "bool" in kind
    if isinstance(value, list):
        return "seeds" in kind and all(_fits(item, frozenset({"int"})) for item in value)
    if isinstance(value, int):
        return bool(kind & {"int", "float"})
    return (isinstance(value, float) and "float" in kind) or (isinstance(value, str) and "str" in kind)


def _expected(key: str) -> str:
    if key == "experiment":
        return ", ".join(map(repr, EXPERIMENTS))
    kind = {**_SETUP, **_RUN}[key]
    return " or ".join(words for name, words in _WORDS.items() if name in kind)


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that comes closest, quoted; empty if none comes close."""
    found = get_close_matches(word, list(known), n=1)
    return f"{found[0]!r}" if found else ""
