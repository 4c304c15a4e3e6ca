"""Entropy of the direction of the weights: estimators, the queue they feed on, and how far to believe them.

One method, one file, one call. None of this imports torch; tensors are accepted all the same.
"""

from thermograd.entropy.calibration.advice import corrected, recommend
from thermograd.entropy.diagnostics import QueueDiagnostics, diagnose
from thermograd.entropy.displacement import Displacement, displacement
from thermograd.entropy.estimate import EntropyEstimate
from thermograd.entropy.gaussian import gaussian
from thermograd.entropy.gaussian_tangent import gaussian_tangent
from thermograd.entropy.knn_graph import knn_graph
from thermograd.entropy.kozachenko_leonenko import kozachenko_leonenko
from thermograd.entropy.many import ManyEstimates, kozachenko_leonenko_many
from thermograd.entropy.neighbours.nearest import Neighbours, nearest_neighbours
from thermograd.entropy.queues.budget import entropy_queue
from thermograd.entropy.queues.difference_queue import DifferenceQueue
from thermograd.entropy.queues.disk_queue import DiskQueue
from thermograd.entropy.queues.queue import DirectionQueue
from thermograd.entropy.queues.sketch_queue import SketchQueue
from thermograd.entropy.theiler import suggest_theiler
from thermograd.entropy.von_mises_fisher import von_mises_fisher
from thermograd.entropy.windows import WindowSpread, spread_over_windows

__all__ = [
    "DifferenceQueue",
    "DirectionQueue",
    "DiskQueue",
    "Displacement",
    "EntropyEstimate",
    "ManyEstimates",
    "Neighbours",
    "QueueDiagnostics",
    "SketchQueue",
    "WindowSpread",
    "corrected",
    "diagnose",
    "displacement",
    "entropy_queue",
    "gaussian",
    "gaussian_tangent",
    "knn_graph",
    "kozachenko_leonenko",
    "kozachenko_leonenko_many",
    "nearest_neighbours",
    "recommend",
    "spread_over_windows",
    "suggest_theiler",
    "von_mises_fisher",
]
