"""Options that several commands share: grid values, TOML files, protocols told by their parameters."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from thermograd.errors import InputError
from thermograd.protocol import PROTOCOLS, Grid, Protocol
from thermograd.training.spec import PRECISIONS

__all__ = [
    "VALUES",
    "as_json",
    "config_option",
    "folder_argument",
    "grid_of",
    "json_option",
    "out_option",
    "print_json",
    "protocol_of",
    "run_options",
    "seeds_option",
    "workers_option",
]

Command = TypeVar("Command", bound=Callable[..., Any])


class Values(click.ParamType[list[float]]):
    """Numbers: ``0.1``, ``0.01,0.1``, ``0.001:0.1:5`` (five, log-spaced), or a list in a TOML file."""

    name = "values"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[float]:
        """The numbers that the text or list stands for."""
        if isinstance(value, list | tuple):
            items = list(value)
        elif isinstance(value, str) and value.count(":") == 2:
            return self._spaced(value, param, ctx)
        else:
            items = [item for item in str(value).split(",") if item.strip()]
        try:
            return [float(item) for item in items]
        except (TypeError, ValueError):
            self.fail(f"{value!r} is not a number, a list a,b,c or a range first:last:count", param, ctx)

    def _spaced(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> list[float]:
        try:
            first, last, count = value.split(":")
            low, high, n = float(first), float(last), int(count)
            if not (0 < low < high < math.inf and n >= 2):
                raise ValueError
        except ValueError:
            self.fail(f"{value!r} is not first:last:count with 0 < first < last and count >= 2", param, ctx)
        return [float(f"{low * (high / low) ** (i / (n - 1)):.6g}") for i in range(n)]


VALUES = Values()


def config_option(command: Command) -> Command:
    """``--config FILE``: a TOML file whose keys are the command's option names; explicit options win."""
    return click.option(
        "--config",
        type=click.Path(dir_okay=False, path_type=Path),
        is_eager=True,
        expose_value=False,
        callback=_read_config,
        help="TOML file whose keys are these options; options given here win.",
    )(command)


def _read_config(ctx: click.Context, _: click.Parameter, path: Path | None) -> None:
    if path is None:
        return
    try:
        content = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(
            f"{path} cannot be read as TOML ({error}); expected a file of option = value"
        ) from error
    known = {
        name.removeprefix("--"): param
        for param in ctx.command.params
        for name in param.opts
        if name.startswith("--") and name != "--config"
    }
    ctx.default_map = {}
    for key, value in content.items():
        option = known.get(key.replace("_", "-"))
        if option is None:
            expected = ", ".join(sorted(known))
            raise InputError(f"{path}: unknown key {key!r} (value {value!r}); expected one of {expected}")
        _check_type(path, key, value, option)
        ctx.default_map[str(option.name)] = value


def _check_type(path: Path, key: str, value: Any, option: click.Parameter) -> None:
    """Refuse what the option's own conversion would bend: ``true`` for a number, 387.9 for a whole one."""
    kind, expected = option.type, ""
    if isinstance(kind, click.types.BoolParamType):
        expected = "" if isinstance(value, bool) else "true or false"
    elif isinstance(value, bool | dict):
        expected = kind.name
    elif isinstance(kind, click.types.IntParamType) and not isinstance(value, int):
        expected = "a whole number"
    elif isinstance(kind, click.types.FloatParamType) and not isinstance(value, int | float):
        expected = "a number"
    elif isinstance(kind, click.Path | click.types.StringParamType | click.Choice):
        expected = "" if isinstance(value, str) else "text"
    elif isinstance(value, list) and not isinstance(kind, Values | Seeds):
        expected = kind.name
    if expected:
        raise InputError(f"{path}: key {key!r} is {value!r}; expected {expected}")


def run_options(command: Command) -> Command:
    """The options that describe a training run, apart from its protocol."""
    options = [
        click.option("--architecture", default="ConvNet", show_default=True, help="ConvNet or ResNet18."),
        click.option(
            "--width", type=click.IntRange(1), default=1, show_default=True, help="Width of the network."
        ),
        click.option(
            "--data",
            default="digits",
            show_default=True,
            help="digits, cifar10, cifar100, or a folder or archive.",
        ),
        click.option(
            "--subset", type=click.IntRange(1), help="Train on this many images, classes kept in proportion."
        ),
        click.option(
            "--steps", type=click.IntRange(1), default=20_000, show_default=True, help="Iterations."
        ),
        click.option("--batch-size", type=click.IntRange(2), default=128, show_default=True),
        click.option(
            "--precision",
            type=click.Choice(PRECISIONS),
            default="float32",
            show_default=True,
            help="Of the convolutions.",
        ),
        click.option(
            "--initial-radius",
            type=float,
            help="Weight norm at the start; default: the predicted stationary one.",
        ),
        click.option(
            "--anneal",
            type=click.IntRange(0),
            default=5_000,
            show_default=True,
            help="Iterations of annealing before the run, one for the whole grid; 0 for the papers' start.",
        ),
        click.option("--anneal-from", type=float, default=0.04, show_default=True, help="ELR it starts at."),
        click.option("--anneal-to", type=float, default=0.006, show_default=True, help="ELR it ends at."),
        click.option(
            "--settle",
            type=click.IntRange(0),
            default=400,
            show_default=True,
            help="Iterations at the protocol's own ELR before the run; 0 for the papers' start.",
        ),
        click.option("--seed", type=click.IntRange(0), default=0, show_default=True),
        click.option(
            "--log-every",
            type=click.IntRange(1),
            default=200,
            show_default=True,
            help="Iterations between logs.",
        ),
        click.option(
            "--log-until",
            type=click.IntRange(0),
            help="Log evenly up to here, then --log-points evenly in the logarithm; default: to the end.",
        ),
        click.option(
            "--log-points", type=click.IntRange(0), default=0, show_default=True, help="See --log-until."
        ),
        click.option(
            "--noise-draws",
            type=click.IntRange(6),
            default=20,
            show_default=True,
            help="Gradients per log point.",
        ),
        click.option(
            "--noise-rtol",
            type=float,
            help="Draw more gradients, until |E g|^2 is known to this part of it; default: no more.",
        ),
        click.option(
            "--noise-max-draws",
            type=click.IntRange(6),
            default=1000,
            show_default=True,
            help="At most so many.",
        ),
        click.option(
            "--queue-size",
            type=click.IntRange(4),
            default=200,
            show_default=True,
            help="Directions per entropy.",
        ),
        click.option(
            "--queue-every",
            type=click.IntRange(1),
            default=10,
            show_default=True,
            help="Iterations between them.",
        ),
        click.option(
            "--graph-neighbours",
            type=click.IntRange(1),
            help="Read the entropy also by the graph of so many neighbours; default: not.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def _axes_given(values: dict[str, Any]) -> type[Protocol]:
    given = {name for name, value in values.items() if value is not None}
    for protocol in PROTOCOLS.values():
        if set(protocol.axes) == given:
            return protocol
    ways = "; ".join(
        f"--{protocol.axes[0]} and --{protocol.axes[1]} ({name})" for name, protocol in PROTOCOLS.items()
    )
    said = " and ".join(f"--{name}" for name in sorted(given)) or "no hyperparameter"
    raise InputError(f"{said} given; expected one of: {ways}")


def protocol_of(values: dict[str, float | None]) -> Protocol:
    """The protocol that has exactly these hyperparameters."""
    protocol = _axes_given(values)
    return protocol(**{name: values[name] for name in protocol.axes})


def grid_of(values: dict[str, list[float] | None]) -> Grid:
    """The grid over exactly these hyperparameters."""
    protocol = _axes_given(values)
    return Grid(protocol, {name: values[name] or [] for name in protocol.axes})


json_option = click.option("--json", "json_", is_flag=True, help="Print the answer as JSON.")
out_option = click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Folder of the results; made if missing."
)
workers_option = click.option("--workers", type=click.IntRange(1), help="Processes; default: one per core.")


class Seeds(click.ParamType[list[int]]):
    """Seeds: ``0,1,2``, or a list in a TOML file."""

    name = "seeds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[int]:
        """The seeds that the text or list stands for."""
        items = list(value) if isinstance(value, list | tuple) else str(value).split(",")
        try:
            seeds = [int(str(item)) for item in items]
        except ValueError:
            seeds = []
        if not seeds or min(seeds) < 0 or len(set(seeds)) < len(seeds):
            self.fail(f"{value!r} is not a list 0,1,2 of distinct whole numbers, 0 or more", param, ctx)
        return seeds


seeds_option = click.option(
    "--seeds", type=Seeds(), help="Run every point with each of these seeds; instead of --seed."
)


folder_argument = click.argument("folder", type=click.Path(path_type=Path))


def as_json(value: Any) -> Any:
    """Plain numbers for JSON, which has no NaN: what is missing becomes null."""
    if isinstance(value, dict):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    if hasattr(value, "tolist"):
        return as_json(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_json(value: Any) -> None:
    """Print an answer as JSON on the standard output."""
    click.echo(json.dumps(as_json(value), indent=1))
