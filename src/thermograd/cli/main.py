"""The command group, and how errors end: one line and an exit code (0 ok, 1 the work failed, 2 usage)."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence

import click

from thermograd.cli.analyse import analyse
from thermograd.cli.calibrate import calibrate
from thermograd.cli.data import data
from thermograd.cli.entropy import entropy
from thermograd.cli.predict import predict
from thermograd.cli.report import report
from thermograd.cli.reproduce import reproduce
from thermograd.cli.simulate import simulate
from thermograd.cli.sweep import sweep
from thermograd.cli.train import train
from thermograd.errors import FailedWorkError, InputError
from thermograd.extras import EXTRAS, missing

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="thermograd")
def thermograd() -> None:
    """Measure, simulate and predict the thermodynamics of SGD on scale-invariant networks."""


for command in (reproduce, predict, simulate, train, sweep, analyse, entropy, calibrate, report, data):
    thermograd.add_command(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave the process with its exit code."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_: _say(str(message))
        sys.exit(_exit_code(arguments))


def _exit_code(arguments: Sequence[str] | None) -> int:
    try:
        code = thermograd.main(arguments, prog_name="thermograd", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help(), err=True)
        code = 2
    except click.ClickException as error:
        _say(error.format_message())
        code = 2
    except InputError as error:
        _say(str(error))
        code = 2
    except ModuleNotFoundError as error:
        if error.name not in EXTRAS:
            raise
        _say(missing(error.name))
        code = 2
    except FailedWorkError as error:
        _say(str(error))
        code = 1
    except (click.Abort, KeyboardInterrupt):
        _say("interrupted")
        code = 1
    return code if isinstance(code, int) else 0


def _say(message: str) -> None:
    click.echo(f"thermograd: {' '.join(message.split())}", err=True)
