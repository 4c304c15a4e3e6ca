"""Entropy of the direction of the weights: estimators, the queue they feed on, and how far to believe them.

One method of the papers, one file. None of this imports torch; tensors are accepted all the same.
"""

from thermograd.entropy.diagnostics import QueueDiagnostics, diagnose
from thermograd.entropy.estimate import EntropyEstimate
from thermograd.entropy.knn_graph import knn_graph
from thermograd.entropy.kozachenko_leonenko import kozachenko_leonenko
from thermograd.entropy.queue import DirectionQueue
from thermograd.entropy.windows import WindowSpread, spread_over_windows

__all__ = [
    "DirectionQueue",
    "EntropyEstimate",
    "QueueDiagnostics",
    "WindowSpread",
    "diagnose",
    "knn_graph",
    "kozachenko_leonenko",
    "spread_over_windows",
]
