"""What the calibration study teaches: which estimator to take, and what a correlated queue's bias is.

The numbers behind both are measured by ``thermograd calibrate`` and told in the documentation's page on
entropy.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from thermograd.entropy.estimate import EntropyEstimate
from thermograd.entropy.gaussian_tangent import gaussian_tangent
from thermograd.entropy.kozachenko_leonenko import kozachenko_leonenko
from thermograd.entropy.von_mises_fisher import SHORTEST, von_mises_fisher
from thermograd.errors import InputError
from thermograd.theory.queue_bias import queue_bias
from thermograd.theory.vmf_limits import entropy_uniform

__all__ = ["Recommendation", "corrected", "recommend"]

_OWNER = "corrected"
_SHORTEST = 2.0  # correlation times in a queue: the prediction was checked from here on
_FEWEST, _LARGEST = 100, 100  # points, dimensions
_WARMEST = 0.1  # dim times temperature: above, the sphere is far from flat over the width of the law
_CURVED = 0.12  # nats a dimension and unit of that: what curvature changes, measured at 29 and 99 dimensions
_CROSSOVER = (0.05, 3.0)  # spacings at which neighbours in space and in time compete

_LONG = 16.0  # correlation times: with fewer no Theiler window leaves enough
_PLENTY = 5.0  # independent points a dimension, for a covariance


@dataclass(frozen=True)
class Recommendation:
    """An estimator of the entropy of directions, its settings, and why.

    Attributes
    ----------
    estimator
        One of the package's functions.
    settings
        Its keyword arguments.
    absolute
        Whether its value can be read as the law's entropy; if not, only differences between states mean
        something, and under which conditions is said in `reason`.
    reason
        In words.
    otherwise
        What to take where the sample itself makes the estimator refuse; ``None`` where none is left.

    """

    estimator: Callable[..., EntropyEstimate]
    settings: dict[str, Any]
    absolute: bool
    reason: str
    otherwise: Recommendation | None = None

    def __call__(self, x: Any) -> EntropyEstimate:
        """The estimate for directions ``x`` in time order, shape ``(n, d)``."""
        return self.estimator(x, **self.settings)

    def first_answer(self, x: Any) -> tuple[Recommendation, EntropyEstimate]:
        """The first of these recommendations whose estimator does not refuse ``x``, and what it says.

        Parameters
        ----------
        x
            Directions in time order, shape ``(n, d)``.

        Raises
        ------
        InputError
            When all refuse: the directions are none, or all the same.

        Examples
        --------
        >>> x = np.cumsum(np.random.default_rng(0).standard_normal((400, 50)), axis=0)
        >>> x /= np.linalg.norm(x, axis=1, keepdims=True)
        >>> promised = recommend(400, 49, 40.0)
        >>> found, _ = promised.first_answer(x)
        >>> promised.estimator.__name__, found.estimator.__name__
        ('von_mises_fisher', 'kozachenko_leonenko')

        """
        try:
            return self, self(x)
        except InputError:
            if self.otherwise is None:
                raise
        return self.otherwise.first_answer(x)


def recommend(n: int, dim: int, n_effective: float) -> Recommendation:
    """The estimator that calibration shows to be right for a queue of directions of this size.

    Parameters
    ----------
    n
        Directions in the queue, at least 4.
    dim
        Dimension of the sphere, ``d - 1``, at least 1.
    n_effective
        How many independent directions they are worth, ``n / T``, from 1 to ``n``:
        ``independent`` of :func:`thermograd.entropy.diagnose`.

    Returns
    -------
    Recommendation
        Call it with the directions.

    Raises
    ------
    InputError
        If an argument is out of range.

    References
    ----------
    Measured; the documentation's page on entropy has the table.

    Examples
    --------
    A thousand independent directions on S^2, a correlated queue there, and ConvNet(8):

    >>> for arguments in ((1000, 2, 1000.0), (1000, 2, 50.0), (1000, 24_407, 100.0)):
    ...     found = recommend(*arguments)
    ...     print(found.estimator.__name__, found.settings)
    kozachenko_leonenko {'manifold': 'geodesic', 'k': 3}
    kozachenko_leonenko {'manifold': 'geodesic', 'theiler': 40}
    von_mises_fisher {}

    """
    for name, value, least in (("n (directions)", n, 4), ("dim (of the sphere)", dim, 1)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise InputError(f"recommend: {name} is {value!r}; expected an integer of at least {least}")
    if not _is_number(n_effective) or not 1 <= n_effective <= n:
        raise InputError(f"recommend: n_effective is {n_effective!r}; expected a number from 1 to n = {n}")
    time = n / n_effective
    worth = f"the queue is worth {n_effective:.3g} independent directions"
    diffusion = Recommendation(
        kozachenko_leonenko,
        {"manifold": "geodesic"},
        False,
        f"{worth}: it shows how far the weights diffuse, whatever the estimator. Differences between "
        "states are entropies only at equal spacing in correlation times; at equal spacing in steps they "
        "are up to twice too large. Take a longer queue",
    )
    if n_effective < SHORTEST:
        return diffusion
    if n_effective >= _LONG and dim <= math.log2(n_effective):
        settings: dict[str, Any] = {"manifold": "geodesic"}
        if time < 1.5:
            settings |= {"k": 3} if dim <= 3 else {}
            reason = (
                "nearest neighbours need no assumption about the law, and there are enough to fill the space"
            )
        else:
            settings |= {"theiler": min(math.ceil(2 * time), n // 8)}
            reason = (
                "nearest neighbours need no assumption about the law; they are sought outside a Theiler "
                "window, since those in time measure the length of a step"
            )
        reason = f"{worth} in {dim} dimensions: {reason}"
        return Recommendation(kozachenko_leonenko, settings, True, reason, diffusion)
    reason = (
        f"{worth} in {dim} dimensions, too few for neighbours or a covariance: one number, the mean square "
        "spread, can be told. Right where the law is isotropic, an upper bound where it is not (the estimate "
        "warns)"
    )
    if n_effective < _LONG:
        reason += (
            "; so short a queue is corrected for on average only, and reads slopes a few percent too large"
        )
    spread = Recommendation(von_mises_fisher, {}, True, reason, diffusion)
    if n_effective >= _PLENTY * dim:
        return Recommendation(
            gaussian_tangent,
            {},
            True,
            f"{worth} in {dim} dimensions, too few for neighbours to fill the space and enough for a "
            "covariance: right for a law that is Gaussian about its mean, an upper bound for others",
            spread,
        )
    return spread


def corrected(estimate: EntropyEstimate, spacing: float) -> EntropyEstimate:
    """A nearest-neighbour entropy without the bias of its queue, for a walk in an isotropic harmonic minimum.

    ``S - b``, with ``b`` from :func:`thermograd.theory.queue_bias`, for points of a law that is Gaussian, of
    one correlation time in all directions.

    Parameters
    ----------
    estimate
        Of :func:`thermograd.entropy.kozachenko_leonenko` with ``k = 1``, in R^m or along arcs, from at least
        100 points in up to 100 dimensions, all neighbours admitted.
    spacing
        From one point to the next in correlation times, known beforehand
        (:func:`thermograd.theory.queue_bias.spacing_in_times`); the queue must span at least 2.

    Returns
    -------
    EntropyEstimate
        Its ``se`` holds the accuracy of the prediction, ``0.02 + 0.003 m`` nats; ``7e-4 m^2`` more at
        spacings of 0.05 to 3, where neighbours in space and in time compete; and on the sphere
        ``0.12 m^2 T``, since the prediction is for a flat space.

    Raises
    ------
    InputError
        Outside that range: for another estimator, the papers' chart (whose bias depends on the axes), a queue
        that is too short, a law so warm that the sphere is far from flat over its width (``dim T > 0.1``).

    Notes
    -----
    It is no estimator for networks: these have a spectrum of correlation times, of which most may be longer
    than any queue. What is corrected here is the isotropic noise model.

    References
    ----------
    IG eq. 25; the prediction is derived in :mod:`thermograd.theory.queue_bias`.

    Examples
    --------
    >>> from thermograd.entropy.calibration.walks import Walk
    >>> law = Walk(9, 0.03)
    >>> estimate = kozachenko_leonenko(law.draw(1000, np.random.default_rng(0)))
    >>> found = corrected(estimate, law.spacing)
    >>> print(f"{estimate.entropy:.1f} -> {found.entropy:.1f} +- {found.se:.1f}; exact {law.entropy:.1f}")
    3.8 -> 12.7 +- 0.1; exact 12.8

    """
    if not isinstance(estimate, EntropyEstimate):
        raise InputError(f"{_OWNER}: the estimate is {estimate!r}; expected an EntropyEstimate")
    if not _is_number(spacing) or not 0 < spacing < math.inf:
        raise InputError(f"{_OWNER}: spacing is {spacing!r}; expected a number of correlation times above 0")
    m, n = estimate.dim, estimate.n
    if estimate.estimator != "kozachenko-leonenko":
        raise InputError(f"{_OWNER}: the estimator is {estimate.estimator}; expected kozachenko-leonenko")
    manifold = estimate.settings.get("manifold")
    for name, value, right in (
        ("k", estimate.settings.get("k"), "1"),
        ("theiler", estimate.settings.get("theiler", 0), "0"),
    ):
        if str(value) != right:
            raise InputError(f"{_OWNER}: the estimate has {name} = {value}; expected {right}")
    if not estimate.absolute:
        raise InputError(
            f"{_OWNER}: the estimate is of unit vectors read as euclidean; expected manifold 'geodesic'"
        )
    if manifold not in ("euclidean", "geodesic"):
        raise InputError(
            f"{_OWNER}: the estimate has manifold = {manifold!r}, whose bias depends on the axes; "
            "expected 'euclidean' or 'geodesic'"
        )
    if "corrected_spacing" in estimate.settings:
        raise InputError(f"{_OWNER}: the estimate has been corrected before; expected one that has not")
    if not (n >= _FEWEST and m <= _LARGEST and math.isfinite(estimate.entropy)):
        raise InputError(
            f"{_OWNER}: the estimate is {estimate.entropy:.6g} from {n} points in {m} dimensions; expected a "
            f"finite one from at least {_FEWEST} points in at most {_LARGEST} dimensions"
        )
    bias = _bias(n, float(spacing), m)
    if n * spacing < _SHORTEST:
        raise InputError(
            f"{_OWNER}: the queue spans {n * spacing:.3g} correlation times; expected at least {_SHORTEST:g}"
        )
    entropy = estimate.entropy - bias
    # On the unit sphere: an estimate may have been moved to another radius.
    shift = estimate.uniform_entropy - float(entropy_uniform(m + 1)) if manifold == "geodesic" else 0.0
    temperature = math.exp(2.0 * (entropy - shift) / m) / (2.0 * math.pi * math.e)
    if manifold == "geodesic" and m * temperature > _WARMEST:
        raise InputError(
            f"{_OWNER}: dim times temperature is {m * temperature:.3g} for this entropy; expected at most "
            f"{_WARMEST:g}, so that the sphere is nearly flat over the width of the law"
        )
    accuracy = 0.02 + 0.003 * m
    if manifold == "geodesic":
        accuracy += _CURVED * m * m * temperature
    if _CROSSOVER[0] <= spacing <= _CROSSOVER[1]:
        accuracy += 7e-4 * m * m
    note = f"{bias:.4g} nats of predicted bias were taken off, for an isotropic harmonic minimum"
    return replace(
        estimate,
        entropy=entropy,
        se=math.hypot(estimate.se, accuracy),
        settings={**estimate.settings, "corrected_spacing": float(spacing)},
        warnings=(*estimate.warnings, note),
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


@lru_cache(maxsize=64)
def _bias(n: int, spacing: float, dim: int) -> float:
    """Many windows of one run ask for the same."""
    return queue_bias(n, spacing, dim).bias
