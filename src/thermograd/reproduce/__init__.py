"""The papers' experiments as one call: preset -> sweep -> states -> laws tested -> claims -> report."""

from thermograd.reproduce.ideal_gas import reproduce_ideal_gas
from thermograd.reproduce.in_turn import How
from thermograd.reproduce.presets import preset_plan
from thermograd.reproduce.reproduced import Reproduced
from thermograd.reproduce.verify import Verification, read_states, verify

__all__ = ["How", "Reproduced", "Verification", "preset_plan", "read_states", "reproduce_ideal_gas", "verify"]
