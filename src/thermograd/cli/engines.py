"""Options that say who carries out a sweep, and how: engine, workers, replicas, device."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from thermograd.cli.options import workers_option
from thermograd.errors import InputError

if TYPE_CHECKING:
    from thermograd.sweep import Engine
    from thermograd.training.execution import Execution

__all__ = ["engine_of", "engine_options", "execution_of", "execution_options"]

Command = TypeVar("Command", bound=Callable[..., Any])


class Replicas(click.ParamType[int]):
    """``auto``, which stands for 0, or how many runs may share a network."""

    name = "replicas"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number; 0 for auto."""
        if value in ("auto", 0):
            return 0
        if not (str(value).isdecimal() and int(value) > 0):
            self.fail(f"{value!r} is not auto or a whole number above 0", param, ctx)
        return int(value)


def engine_options(command: Command) -> Command:
    """Who carries out the runs."""
    options = [
        click.option(
            "--engine",
            type=click.Choice(["processes", "serial", "ray"]),
            default="processes",
            show_default=True,
            help="A pool of processes here, this process alone, or a Ray cluster.",
        ),
        workers_option,
        click.option("--address", help="Of the Ray cluster; default: one is started here for the sweep."),
        click.option(
            "--gpus-per-run",
            type=click.FloatRange(0, 64),
            default=0.0,
            show_default=True,
            help="Share of a GPU for each group of runs that shares a network (Ray).",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def execution_options(command: Command) -> Command:
    """How runs are carried out; decided once for all runs of a sweep."""
    options = [
        click.option(
            "--replicas",
            type=Replicas(),
            default="auto",
            show_default=True,
            help="Runs that share a network, at most; auto: measured before a long sweep.",
        ),
        click.option(
            "--device",
            help="Where networks are computed: cpu, cuda, cuda:1; default: as the sweep there, else cpu.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def engine_of(
    name: str, workers: int | None, address: str | None, gpus_per_run: float, device: str | None = None
) -> Engine | None:
    """The engine that the options describe; None for the usual pool, whose size depends on the plan.

    A device that is none, or that the engine has not, is refused here: before any images are read.
    """
    engine = _engine_of(name, workers, address, gpus_per_run)
    if device is not None:
        from thermograd.sweep.device import check_device

        check_device(device, engine)
    return engine


def _engine_of(name: str, workers: int | None, address: str | None, gpus_per_run: float) -> Engine | None:
    from thermograd.sweep import RayCluster, Serial

    if name == "ray":
        return RayCluster(address=address, workers=workers, gpus_per_run=gpus_per_run)
    if address is not None or gpus_per_run:
        given = f"--address {address}" if address is not None else f"--gpus-per-run {gpus_per_run:g}"
        raise InputError(f"{given} is given with --engine {name}; expected it with --engine ray")
    if name == "serial":
        if workers not in (None, 1):
            raise InputError(
                f"--workers is {workers} with --engine serial; expected 1, or --engine processes"
            )
        return Serial()
    return None


def execution_of(replicas: int, device: str | None) -> Execution | None:
    """The execution asked for; None to have it picked, and the device with it if it was not said."""
    from thermograd.training.execution import Execution

    return Execution(replicas, device=device or "cpu") if replicas else None
