"""ConvNet in compiled loops, sixteen examples a vector: much faster on a CPU than general operations.

Importing this package imports torch but not numba, which is loaded with the first call.
"""

from __future__ import annotations

from thermograd.nets.compiled.features import compiled_features

__all__ = ["compiled_features"]
