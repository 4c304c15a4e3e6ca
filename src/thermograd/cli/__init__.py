"""The command line: each command parses, makes one library call, and prints what came out."""

from thermograd.cli.main import main

__all__ = ["main"]
