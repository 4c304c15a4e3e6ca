"""Which setups of an experiment are to be run, and which cannot be, for want of their images."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from thermograd.errors import InputError
from thermograd.reproduce.preset_file import BATCH_SIZE, EXPERIMENTS, FREE_ENERGY, IDEAL_GAS, nearest
from thermograd.reproduce.presets import Setup, own_setups, setups

__all__ = [
    "BATCH_SIZE",
    "EXPERIMENTS",
    "FREE_ENERGY",
    "IDEAL_GAS",
    "NETWORKS",
    "OWN",
    "Choice",
    "NotRun",
    "choose_setups",
    "command_line",
    "data_option",
    "images_at_hand",
    "offered",
    "own_choice",
]

NETWORKS = "networks"
"""The part that stands for all setups of an experiment."""

_FETCHED = ("cifar10", "cifar100")

OWN = "own"
"""The scale of a setup from a file of one's own."""


@dataclass(frozen=True)
class NotRun:
    """A setup that is not run.

    Attributes
    ----------
    setup
        Its name.
    reason
        Why, in words.
    command
        What to type to have it run; empty if no command helps.

    """

    setup: str
    reason: str
    command: str = ""

    def __str__(self) -> str:
        return f"{self.setup}: {self.reason}" + (f"; run: {self.command}" if self.command else "")


@dataclass(frozen=True)
class Choice:
    """Setups with the source of their images, and those that are left out.

    Attributes
    ----------
    chosen
        What is run, and on what.
    left_out
        What is not, and why.
    absent
        Of the setups left out those that are not the package's, which their names do not lead to.

    """

    chosen: tuple[tuple[Setup, str], ...]
    left_out: tuple[NotRun, ...] = ()
    absent: tuple[Setup, ...] = ()

    def only_for(self, *experiments: str) -> Choice:
        """The choice itself, if all its setups are for one of these experiments.

        Raises
        ------
        InputError
            Naming the first that is for another one.

        """
        for setup in (*(one for one, _ in self.chosen), *self.absent):
            if setup.experiment not in experiments:
                other = IDEAL_GAS if setup.experiment == IDEAL_GAS else FREE_ENERGY
                which = _preset_option(setup) if setup.scale == OWN else f"--part {setup.name}"
                raise InputError(
                    f"setup {setup.name}: experiment is {setup.experiment!r}; expected "
                    f"{' or '.join(map(repr, experiments))}: run 'thermograd reproduce {other} {which}'"
                )
        return self


def choose_setups(experiment: str, scale: str, *, part: str = "", data: str | None = None) -> Choice:
    """The setups of an experiment at a scale, with the images that each is to be run on.

    Parameters
    ----------
    experiment
        What the setups' names begin with: ``"ideal-gas"``, ``"free-energy"``, ``"batch-size"``.
    scale
        One of ``thermograd.reproduce.presets.SCALES``.
    part
        The full name of one setup, or the beginning of several up to a hyphen; empty: all.
    data
        ``"digits"``, ``"cifar10"``, ``"cifar100"``, or the path of a folder or archive of CIFAR: only the
        setups for these images are taken. ``None``: every setup whose images are at hand; nothing is
        downloaded.

    Raises
    ------
    InputError
        If scale or part is unknown, the data cannot be read, or no setup is for them.

    Examples
    --------
    >>> choice = choose_setups("ideal-gas", "quick", data="digits")
    >>> [setup.name for setup, source in choice.chosen if source == "digits"]
    ['ideal-gas-convnet-digits', 'ideal-gas-overparameterised-convnet-digits']

    """
    offered = setups(experiment, scale)
    if part:
        names = [setup.name for setup in offered]
        offered = tuple(setup for setup in offered if f"{setup.name}-".startswith(f"{part}-"))
        if not offered:
            expected = nearest(part, names) or f"one of {', '.join(names)}"
            raise InputError(f"part is {part!r} at scale {scale!r}; expected {expected}")
    if data is None:
        chosen = tuple((setup, setup.data) for setup in offered if images_at_hand(setup.data))
        return Choice(chosen, tuple(_missing(setup) for setup in offered if not images_at_hand(setup.data)))
    from thermograd.data import load

    images = load(data)
    fitting = tuple((setup, data) for setup in offered if setup.data == images.name)
    if not fitting:
        wanted = ", ".join(sorted({setup.data for setup in offered}))
        what = part or experiment
        raise InputError(
            f"data {data!r} are {images.name} images; {what} at scale {scale!r} expected {wanted}"
        )
    return Choice(fitting)


def own_choice(preset: str | Path, data: str | None = None) -> Choice:
    """The setup of a file of one's own, or those of its batch sizes, with their images.

    Parameters
    ----------
    preset
        Path of a TOML file, such as an edited copy of what `preset_text` gives.
    data
        Path of a folder or archive of the images that the file names; ``None``: those on this machine.

    Raises
    ------
    InputError
        If the file makes no sense, the data are of another set, or the images that it names do not exist.
        CIFAR that is not on this machine leaves the setup out, with the command that gets it.

    """
    mine = own_setups(preset)
    wanted = mine[0].data  # one file is about one set of images
    if data is None and not images_at_hand(wanted):
        if wanted not in _FETCHED:
            raise InputError(f"no images: {_missing(mine[0])}")
        return Choice((), tuple(map(_missing, mine)), mine)
    if data is not None:
        from thermograd.data import load

        name = load(data).name
        if name != wanted:
            raise InputError(f"data {data!r} are {name} images; {preset} expected {wanted}")
    return Choice(tuple((setup, wanted if data is None else data) for setup in mine))


def offered(scale: str, choice: Choice = Choice(())) -> list[Setup]:
    """The setups of a scale in the order of the pages, those of a choice in their place, its others last.

    Examples
    --------
    >>> [setup.name for setup in offered("quick")][0]
    'ideal-gas-convnet-cifar10'

    """
    known = {} if scale == OWN else {setup.name: setup for setup in setups(scale=scale)}
    ordered = [name for one in EXPERIMENTS for name in known if known[name].experiment == one]
    mine = {setup.name: setup for setup in (*(one for one, _ in choice.chosen), *choice.absent)}
    return [mine.pop(name, known[name]) for name in ordered] + list(mine.values())


def command_line(experiment: str, setup: Setup, source: str) -> str:
    """The command that makes a setup's page.

    Examples
    --------
    >>> from thermograd.reproduce.presets import load_preset
    >>> command_line("ideal-gas", load_preset("ideal-gas-convnet-cifar10"), "my images")
    "thermograd reproduce ideal-gas --scale quick --part ideal-gas-convnet-cifar10 --data 'my images'"

    """
    which = f"--scale {setup.scale} --part {setup.name}"
    if setup.scale == OWN:
        which = _preset_option(setup)
    return f"thermograd reproduce {experiment} {which}" + data_option(
        source if source != setup.data else None
    )


def _preset_option(setup: Setup) -> str:
    """Only whoever gave the file knows where it is; results that lie there do not."""
    return f"--preset {shlex.quote(setup.file or setup.name + '.toml')}"


def data_option(source: str | None) -> str:
    """How a command says where the images are; nothing if they are where they are looked for anyway."""
    return "" if source is None else f" --data {shlex.quote(source)}"


def images_at_hand(source: str) -> bool:
    """Whether images can be had without a download.

    Parameters
    ----------
    source
        A name, or a path.

    Examples
    --------
    >>> images_at_hand("digits"), images_at_hand("/no/such/folder")
    (True, False)

    """
    from thermograd.data import cache_folder
    from thermograd.data.download import ARCHIVES

    if source == "digits":
        return True
    if source not in ARCHIVES:
        return Path(source).expanduser().exists()
    try:
        return (cache_folder() / ARCHIVES[source].file).exists()
    except InputError:  # without the package that downloads there is no cache
        return False


def _missing(setup: Setup) -> NotRun:
    if setup.data in _FETCHED:
        return NotRun(
            setup.name,
            f"the images {setup.data} are not on this machine (a copy will do: --data PATH)",
            f"thermograd data fetch {setup.data}",
        )
    return NotRun(setup.name, f"its images {setup.data} do not exist")
