"""``thermograd simulate``: models whose thermodynamics is known exactly."""

from __future__ import annotations

import click

from thermograd.cli.simulate_isotropic import isotropic
from thermograd.cli.simulate_toy import toy

__all__ = ["simulate"]


@click.group()
def simulate() -> None:
    """Simulate SGD where its thermodynamics is known: isotropic noise, great circles."""


simulate.add_command(isotropic)
simulate.add_command(toy)
