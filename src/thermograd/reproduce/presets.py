"""Presets: every setup of the papers at a scale, in TOML files that a user copies and edits."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from thermograd.errors import InputError
from thermograd.protocol import Grid
from thermograd.reproduce.batch_sizes import by_batch_size
from thermograd.reproduce.preset_file import BATCH_SIZE, nearest, read_preset
from thermograd.sweep.plan import Plan, make_plan
from thermograd.training.spec import TrainSpec, grid_specs

__all__ = ["PAPERS", "SCALES", "Setup", "load_preset", "own_setups", "preset_plan", "preset_text", "setups"]

SCALES = ("quick", "small", "paper")
"""Minutes, under two hours for all of them together on two cores, and as published. Scales change width,
data, grid and length, never the meaning."""

PAPERS = {
    "IG": "Sadrtdinov, Lobacheva, Klimov, Katsnelson, Vetrov: Can Training Dynamics of Scale-Invariant "
    "Neural Networks Be Explained by the Thermodynamics of an Ideal Gas? arXiv:2511.07308",
    "FE": "Sadrtdinov, Klimov, Lobacheva, Vetrov: SGD as Free Energy Minimization: A Thermodynamic View on "
    "Neural Network Training. arXiv:2505.23489",
}
"""The papers by the letters that a preset's `source` begins with."""


@dataclass(frozen=True)
class Setup:
    """One setup of a paper: what is trained under which protocols, and where the paper shows it.

    Attributes
    ----------
    name
        The file's name, ``"ideal-gas-convnet-cifar10"``.
    scale
        One of `SCALES`, or ``"own"`` for a file that is not from the package.
    description
        One line.
    source
        The table or figure: ``"IG table 3, figures 6, 8 and 10"``.
    grids
        Per protocol its grid and the template of its runs.
    seeds
        Every point is run with each.
    stationary_last
        How many log points the paper's stationary means are taken over (IG: 30, FE: 50), for
        ``thermograd.states.stationary(trace, last=...)``. ``None``: the second half of the iterations.
    experiment
        What it is for: ``"ideal-gas"``, ``"free-energy"`` or ``"batch-size"``.
    overparameterised
        Whether the network is meant to fit its images exactly.
    family
        Setups of one family differ in the size of the data set and have a common page, in the folder of this
        name; empty: none.
    file
        Path of the file, as it was given, if it is one of the user's own.

    """

    name: str
    scale: str
    description: str
    source: str
    grids: tuple[tuple[Grid, TrainSpec], ...]
    seeds: tuple[int, ...]
    stationary_last: int | None = None
    experiment: str = ""
    overparameterised: bool = False
    family: str = ""
    file: str = ""

    @property
    def paper(self) -> str:
        """The paper that the source is in, in full; empty if the source names neither."""
        return PAPERS.get(self.source.split(" ", 1)[0], "")

    @property
    def data(self) -> str:
        """The images that the setup is for."""
        return self.grids[0][1].data

    @property
    def specs(self) -> list[TrainSpec]:
        """All runs, in the order of the plan."""
        return [
            spec
            for grid, template in self.grids
            for seed in self.seeds
            for spec in grid_specs(grid, replace(template, seed=seed))
        ]

    def plan(self, data: str | None = None, *, sha256: str | None = None) -> Plan:
        """The sweep on these images.

        Parameters
        ----------
        data
            ``"digits"``, ``"cifar10"``, ``"cifar100"``, or the path of a folder or archive of the set that
            the setup is for; ``None``: what the preset says.
        sha256
            Hash of the images that the runs train on; ``None``: they are loaded to know it.

        Raises
        ------
        InputError
            If the images cannot be read or are of another set, or a hash is given where each seed draws a
            subset of its own.

        Examples
        --------
        >>> plan = load_preset("ideal-gas-convnet-cifar10", "paper").plan(sha256="0" * 64)
        >>> plan.protocols, len(plan.specs())
        (('FixedSphere', 'FixedELR', 'FixedLR'), 299)

        """
        from thermograd.data import NAMES, absolute, load

        source = absolute(self.data if data is None else data)
        grids = tuple((grid, replace(template, data=source)) for grid, template in self.grids)
        subset = grids[0][1].subset
        if sha256 is not None:
            if subset is not None and len(self.seeds) > 1:
                raise InputError(
                    f"setup {self.name}: sha256 is {sha256!r}; expected none, as each of {len(self.seeds)} "
                    "seeds draws its own images"
                )
            return Plan(grids, sha256, self.seeds)
        if data is not None and self.data in NAMES:
            images = load(data)
            if images.name != self.data:
                raise InputError(f"data {data!r} are {images.name} images; {self.name} expected {self.data}")
            if subset is None:
                return Plan(grids, images.sha256, self.seeds)
        return make_plan(grids, seeds=self.seeds)


def load_preset(preset: str | Path, scale: str = "quick") -> Setup:
    """A setup by its name and scale, or from a file of one's own.

    Parameters
    ----------
    preset
        A name (see `setups`), or the path of a TOML file, which has the suffix ``.toml`` (see `own_setups`).
    scale
        One of `SCALES`; a file of one's own has none.

    Raises
    ------
    InputError
        If there is no such preset, or several have the name; if the file has an unknown key, lacks one, or
        has a value of a wrong type or out of range: file, key, value and what was expected are named.

    Examples
    --------
    >>> setup = load_preset("ideal-gas-resnet18-cifar10", "paper")
    >>> [grid.shape for grid, _ in setup.grids], setup.source
    ([(14, 5), (14, 5), (19, 5)], 'IG table 3, figures 2, 7, 9 and 12')
    >>> load_preset("ideal-gas-resnet-cifar10", "paper")
    Traceback (most recent call last):
    thermograd.errors.InputError: preset is 'ideal-gas-resnet-cifar10' at scale 'paper'; expected ...

    """
    if isinstance(preset, Path) or preset.endswith(".toml"):
        found = {setup.name: setup for setup in own_setups(preset)}
        name = next(iter(found)) if len(found) == 1 else Path(preset).stem
    else:
        found = {setup.name: setup for setup in _in_file(_file_of(preset, scale), scale)}
        name = preset
    if name not in found:
        raise InputError(
            f"preset is {str(preset)!r}, which has several batch sizes, {', '.join(found)}; expected one of "
            "these by its name, or own_setups for a file"
        )
    return found[name]


def own_setups(file: str | Path) -> tuple[Setup, ...]:
    """The setups of a file of one's own: one, or as many as it has batch sizes.

    Parameters
    ----------
    file
        Path of a TOML file. If its ``batch_size`` is a list, there is a setup for each, named by it:
        ``mine-32``, ``mine-64``.

    Raises
    ------
    InputError
        As for `load_preset`.

    """
    path = Path(file)
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"preset {path} cannot be read ({error}); expected a TOML file") from error
    return _read(str(path), path.stem, "own", text, file=str(path))


def preset_text(name: str, scale: str) -> str:
    """The file of a preset, to be copied and edited; for one batch size of several, that of all of them.

    Raises
    ------
    InputError
        If there is no such preset.

    Examples
    --------
    >>> print(preset_text("ideal-gas-convnet-cifar10", "paper").splitlines()[-3])
    [FixedLR]

    """
    return _files(scale)[_file_of(name, scale)].read_text()


def setups(experiment: str = "", scale: str = "quick") -> tuple[Setup, ...]:
    """All setups of an experiment at a scale, by the name of their file, then as there.

    Parameters
    ----------
    experiment
        What their names begin with: ``"ideal-gas"``, ``"free-energy"``, ``"free-energy-subset"``,
        ``"batch-size"``; empty: all.
    scale
        One of `SCALES`.

    Raises
    ------
    InputError
        If the scale is unknown or it has no such experiment.

    Examples
    --------
    >>> [setup.name for setup in setups("batch-size", "quick")]
    ['batch-size-32', 'batch-size-128', 'batch-size-512']

    """
    known = [setup for file in _files(scale) for setup in _in_file(file, scale)]
    found = tuple(one for one in known if not experiment or f"{one.name}-".startswith(f"{experiment}-"))
    if not found:
        raise InputError(
            f"experiment is {experiment!r} at scale {scale!r}; expected the beginning of one of "
            f"{', '.join(setup.name for setup in known)}"
        )
    return found


def preset_plan(experiment: str, scale: str, data: str) -> Plan:
    """The plan of an experiment at a scale, on these images.

    Of the experiment's setups the one for these images is taken; if there are several, the one with the most
    protocols.

    Parameters
    ----------
    experiment, scale
        See `setups`; the full name of a setup settles which.
    data
        ``"digits"``, ``"cifar10"``, ``"cifar100"``, or the path of a folder or archive of CIFAR.

    Raises
    ------
    InputError
        If the data cannot be read, there is no preset for them, or several equally good ones.

    """
    from thermograd.data import load

    offered = setups(experiment, scale)
    images = load(data)
    fitting = [setup for setup in offered if setup.data == images.name]
    most = max((len(setup.grids) for setup in fitting), default=0)
    best = [setup for setup in fitting if len(setup.grids) == most]
    if not best:
        expected = ", ".join(sorted({setup.data for setup in offered}))
        raise InputError(
            f"no preset {experiment} at scale {scale!r} for the images {images.name!r}; expected {expected}"
        )
    if len(best) > 1:
        names = ", ".join(setup.name for setup in best)
        raise InputError(
            f"preset is {experiment!r} at scale {scale!r} on {images.name}; expected one of {names}"
        )
    setup = best[0]
    whole = setup.grids[0][1].subset is None
    return setup.plan(data, sha256=images.sha256 if whole else None)


def _files(scale: str) -> dict[str, Traversable]:
    if scale not in SCALES:
        raise InputError(f"scale is {scale!r}; expected {nearest(scale, SCALES) or ', '.join(SCALES)}")
    folder = files("thermograd.reproduce") / "presets" / scale
    found = {entry.name.removesuffix(".toml"): entry for entry in folder.iterdir()}
    return {name: found[name] for name in sorted(found)}


def _file_of(preset: str, scale: str) -> str:
    """The file that a setup is in, by the setup's name or the file's."""
    known = _files(scale)
    if preset in known:
        return preset
    names = {setup.name: file for file in known for setup in _in_file(file, scale)}
    if preset not in names:
        every = dict.fromkeys((*known, *names))
        expected = nearest(preset, every) or f"one of {', '.join(every)}"
        raise InputError(f"preset is {preset!r} at scale {scale!r}; expected {expected}")
    return names[preset]


def _in_file(file: str, scale: str) -> tuple[Setup, ...]:
    return _read(f"{scale}/{file}.toml", file, scale, _files(scale)[file].read_text())


def _read(place: str, stem: str, scale: str, text: str, file: str = "") -> tuple[Setup, ...]:
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{place} cannot be read as TOML ({error}); expected key = value") from error
    found = []
    for name, own in by_batch_size(place, stem, content).items():
        read = read_preset(place, own)
        if name == BATCH_SIZE:
            raise InputError(
                f"{place}: the setup's name is {name!r}, the folder of the page of several batch sizes; "
                "expected another name of the file"
            )
        if read.family == name:
            raise InputError(f"{place}: family is {name!r}, the file's own name; expected another, of a page")
        found.append(Setup(name=name, scale=scale, file=file, **vars(read)))
    return tuple(found)
