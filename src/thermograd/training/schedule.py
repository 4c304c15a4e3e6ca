"""At which iterations a run logs."""

from __future__ import annotations

import numpy as np

from thermograd.training.spec import Measurement

__all__ = ["log_steps"]


def log_steps(steps: int, measurement: Measurement) -> tuple[int, ...]:
    """The iterations after which a run of this length logs: evenly spaced, then evenly in the logarithm.

    IG appendix F: every 200 iterations up to 10 000, then 150 logarithmically spaced ones; the last iteration
    is always among them.

    Parameters
    ----------
    steps
        Length of the run.
    measurement
        Its `log_every`, `log_until` and `log_points`.

    Examples
    --------
    >>> log_steps(1000, Measurement(log_every=300))
    (300, 600, 900, 1000)
    >>> log_steps(1000, Measurement(log_every=50, log_until=100, log_points=3))
    (50, 100, 215, 464, 1000)

    """
    until = steps if measurement.log_until is None else min(measurement.log_until, steps)
    points = set(range(measurement.log_every, until + 1, measurement.log_every)) | {steps}
    if until < steps and measurement.log_points:
        late = np.geomspace(max(until, 1), steps, measurement.log_points + 1)[1:]
        points |= {round(step) for step in late.tolist()}
    return tuple(sorted(points))
