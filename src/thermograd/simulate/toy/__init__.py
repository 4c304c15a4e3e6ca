"""The toy sphere: SGD where every training example is a great circle (FE section 6.2, appendices D and E).

Two circles share a point (over-parameterised training: the loss can vanish), three do not
(under-parameterised: gradient noise stays).
"""

from thermograd.simulate.toy.great_circles import START, circles, overparameterized, underparameterized
from thermograd.simulate.toy.limiting import limits
from thermograd.simulate.toy.sgd import draws, path, schedule, simulate
from thermograd.simulate.toy.sphere import Minimum, globe, minimum, on_sphere

__all__ = [
    "START",
    "Minimum",
    "circles",
    "draws",
    "globe",
    "limits",
    "minimum",
    "on_sphere",
    "overparameterized",
    "path",
    "schedule",
    "simulate",
    "underparameterized",
]
