"""The papers' experiments as one call: preset -> sweep -> states -> laws tested -> report."""

from thermograd.reproduce.ideal_gas import Reproduction, reproduce_ideal_gas
from thermograd.reproduce.presets import preset_plan
from thermograd.reproduce.verify import Verification, read_states, verify

__all__ = ["Reproduction", "Verification", "preset_plan", "read_states", "reproduce_ideal_gas", "verify"]
