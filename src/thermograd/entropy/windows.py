"""The spread of an entropy over independent windows: the error bar that needs no theory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from thermograd.autocorrelation import mean_with_error
from thermograd.entropy.estimate import EntropyEstimate
from thermograd.errors import InputError

__all__ = ["WindowSpread", "spread_over_windows"]


@dataclass(frozen=True)
class WindowSpread:
    """The mean entropy of several windows and how far they differ.

    Attributes
    ----------
    mean
        Mean entropy, nats.
    se
        Its standard error, from the windows alone, respecting correlation between successive ones.
    sd
        Standard deviation of one window.
    expected_sd
        What the windows' own standard errors promise (root mean square). A spread well above it means that
        they are too small, or that the state has not settled.
    windows
        How many.

    """

    mean: float
    se: float
    sd: float
    expected_sd: float
    windows: int


def spread_over_windows(estimates: Sequence[EntropyEstimate]) -> WindowSpread:
    """The mean and spread of entropies of windows that do not overlap, in time order.

    Parameters
    ----------
    estimates
        At least two, of one estimator with one setting, dimension and sample size.

    Returns
    -------
    WindowSpread
        In nats.

    Raises
    ------
    InputError
        For fewer than two, or for estimates that cannot be compared.

    Examples
    --------
    >>> import numpy as np
    >>> from thermograd.entropy import kozachenko_leonenko
    >>> rng = np.random.default_rng(0)
    >>> spread = spread_over_windows([kozachenko_leonenko(rng.uniform(size=(500, 2))) for _ in range(20)])
    >>> print(f"{spread.mean:.2f}, sd {spread.sd:.2f} where {spread.expected_sd:.2f} was expected")
    0.01, sd 0.06 where 0.07 was expected

    """
    if len(estimates) < 2:
        raise InputError(f"spread_over_windows: {len(estimates)} estimates were given; expected at least 2")
    kinds = {(e.estimator, tuple(sorted(map(str, e.settings.items()))), e.dim, e.n) for e in estimates}
    if len(kinds) > 1:
        raise InputError(
            f"spread_over_windows: the estimates are of {len(kinds)} kinds; expected one estimator with one "
            "setting, dimension and sample size"
        )
    values = np.array([e.entropy for e in estimates])
    if not np.isfinite(values).all():
        bad = int(np.argmin(np.isfinite(values)))
        raise InputError(
            f"spread_over_windows: the entropy of window {bad} is {values[bad]}; expected finite ones"
        )
    mean = mean_with_error(values)
    expected = math.sqrt(float(np.mean([e.se**2 for e in estimates])))
    return WindowSpread(mean.mean, mean.se, float(values.std(ddof=1)), expected, len(values))
