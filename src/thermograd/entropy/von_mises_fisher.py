"""Entropy of the von Mises-Fisher law that fits best: exact for isotropic noise, in any dimension."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermograd.autocorrelation import mean_with_error
from thermograd.entropy.correlation import correlation_time
from thermograd.entropy.directions import Directions
from thermograd.entropy.estimate import EntropyEstimate
from thermograd.entropy.points import as_directions
from thermograd.entropy.progress import row_blocks
from thermograd.entropy.sphericity import departures
from thermograd.errors import InputError
from thermograd.theory import vmf
from thermograd.theory.bessel import BesselRatio, bessel_ratio

__all__ = ["SHORTEST", "concentration", "cut_off_scatter", "von_mises_fisher"]

SHORTEST = 6.0
"""Correlation times that a queue must span, in independent directions: a free walk shows 5."""

_OWNER = "von_mises_fisher"
_ROWS = 64
_FEW = 30  # independent directions
_SEEN = 2.0  # times its noise: from here on a mean direction is known to exist


def von_mises_fisher(x: Any) -> EntropyEstimate:
    """Entropy on the unit sphere of the von Mises-Fisher law ``exp(kappa mu.u)`` that fits the sample best.

    Maximum likelihood puts ``A_d(kappa) = R``, the length of the mean vector, which is too long by what the
    sample's own noise adds: ``E R^2 = A^2 + (1 - A^2) T/n``, ``T`` the integrated autocorrelation time of the
    directions. So

        1 - A^2 = (1 - R^2) / (1 - T/n),    A_d(kappa) = A,    S_sphere = -log C_d(kappa) - kappa A,

    with kappa = 0 where the mean vector is shorter than that of uniform directions. By the delta method
    (``dS/d(A^2) = -kappa / (2 A)``)

        se^2 = [4 A^2 A' T_h/n + 2 ((d-1) (A/kappa)^2 + A'^2) (T/n)^2] / (4 (A/kappa)^2),

    ``A' = dA/dkappa`` the variance of ``mu.u`` and ``T_h`` its time; the second term is all there is when
    hot. Next to the uniform law, where the estimate of ``A^2`` is cut off at 0, its scatter is that of a
    normal variable cut off there (:func:`cut_off_scatter`): 0.58 times as large at the uniform law itself.

    Parameters
    ----------
    x
        Unit vectors in time order, shape ``(n, d)``, ``d >= 2`` up to millions; numpy array or torch tensor,
        float32 or float64. Never copied as a whole.

    Returns
    -------
    EntropyEstimate
        In nats, absolute, of that law: ``settings["kappa"]`` is its concentration. A warning says where the
        sample shows that the law does not hold. ``n_effective`` is ``n / T_h``.

    Raises
    ------
    InputError
        For fewer than 4 points, rows with nan or inf, points off the sphere, constant data, integers, complex
        numbers or half precision; for a queue of fewer than six correlation times.

    References
    ----------
    IG appendix E, eq. 102-103; K. Mardia and P. Jupp, Directional Statistics (2000), section 10.3.1; the
    correction of ``R`` is elementary: without it the entropy is too low by ``(d-1) / (2n)`` when cold.

    Examples
    --------
    A hundred directions in 20 000 dimensions:

    >>> import numpy as np
    >>> mu = np.zeros(20_000)
    >>> mu[0] = 1.0
    >>> x = vmf.sample(1e-6, mu, 100, np.random.default_rng(0))
    >>> estimate = von_mises_fisher(x)
    >>> print(f"{estimate.entropy:.0f} +- {estimate.se:.0f}; exact {vmf.entropy_sphere(1e-6, 20_000):.0f}")
    -109868 +- 10; exact -109871

    """
    points = as_directions(x, _OWNER, at_least=4)
    n, d = points.shape
    memory = correlation_time(points)
    time = memory.time if memory.surely_above_one else 1.0
    if time > n / SHORTEST:  # a free walk shows 5, whatever its length: the time it has would be far longer
        raise InputError(
            f"{_OWNER}: the {n} directions span {n / time:.2g} correlation times; expected at least 6, or "
            "their mean direction means nothing"
        )
    mean = points.mean()
    length = float(np.linalg.norm(mean))
    # 1 - R^2 as a mean square, since the difference loses its digits when cold.
    spread = float(np.mean(_squares(points, mean)))
    kappa = concentration(spread / (1.0 - time / n), d)
    bessel = bessel_ratio(0.5 * d - 1.0, kappa)
    resultant = float(bessel.ratio)
    across = resultant / kappa if kappa > 0 else 1.0 / d  # variance of each direction across the mean
    along = float(bessel.slope) / kappa**2 if kappa > 0 else 1.0 / d
    # One minus the cosine with the mean direction, again without a difference of large numbers.
    depth = 0.5 * _squares(points, mean / length) if length > 0 else np.ones(n)
    heights = mean_with_error(depth)
    n_direct = n / time
    first = 4.0 * resultant**2 * along / heights.n_effective
    second = 2.0 * ((d - 1) * across**2 + along**2) / (n_direct * (n_direct - 1.0))
    noise = math.sqrt(first + second)
    se = cut_off_scatter(resultant**2, noise) / (2.0 * across)
    entropy = 0.5 * d * math.log(2.0 * math.pi) + float(bessel.log_scaled) + kappa * float(bessel.complement)
    warnings: tuple[str, ...] = ()
    if n_direct < _FEW:
        warnings += (
            f"the queue spans {n_direct:.3g} correlation times of the directions: the cloud is narrower than "
            "the stationary law by an amount that is corrected on average only",
        )
    if resultant**2 < _SEEN * noise:
        warnings += (
            f"the directions are uniform within their noise (squared mean length {resultant**2:.2g} +- "
            f"{noise:.2g}): estimates are cut off at the uniform law's entropy, and one standard error holds "
            "the truth in 50 to 95% of cases",
        )
    warnings += departures(points, mean, depth, along, heights.n_effective, time)
    return EntropyEstimate(
        entropy,
        se,
        n,
        heights.n_effective,
        d - 1,
        True,
        "von-mises-fisher",
        {"kappa": kappa},
        warnings,
        float(vmf.entropy_uniform(d)),
    )


def cut_off_scatter(mean: float, sd: float) -> float:
    """Standard deviation of ``max(0, z)`` for a normal ``z``.

    Parameters
    ----------
    mean, sd
        Of ``z``; ``mean >= 0``, ``sd > 0``.

    Examples
    --------
    >>> cut_off_scatter(10.0, 1.0), round(cut_off_scatter(0.0, 1.0) ** 2, 6) == round(0.5 - 0.5 / math.pi, 6)
    (1.0, True)

    """
    t = mean / sd
    inside, edge = 0.5 * math.erfc(-t / math.sqrt(2.0)), math.exp(-0.5 * t * t) / math.sqrt(2.0 * math.pi)
    # The second moment less the first's square, as differences that keep their digits for large t.
    rest = inside + t * t * inside * (1.0 - inside) + t * edge * (1.0 - 2.0 * inside) - edge * edge
    return sd * math.sqrt(rest)


def concentration(spread: float, d: int) -> float:
    """The concentration at which ``1 - A_d(kappa)^2`` is this: 0 for a spread of 1 or more.

    Newton's iteration for ``log(A / (1 - A))`` in ``log kappa``: nearly a straight line, of slope 1 at both
    ends.

    Parameters
    ----------
    spread
        ``1 - A^2``, above 0.
    d
        Dimension of the space, at least 2.

    Returns
    -------
    float
        ``kappa``, to 1e-12 of itself.

    References
    ----------
    The start is Banerjee et al., J. Mach. Learn. Res. 6 (2005) 1345, eq. 4.4.

    Examples
    --------
    >>> kappa = concentration(1 - float(vmf.mean_resultant(7.0, 3)) ** 2, 3)
    >>> print(round(kappa, 10))
    7.0

    """
    if spread >= 1.0:
        return 0.0
    resultant = math.sqrt(1.0 - spread)
    wanted = math.log(resultant) - math.log(spread / (1.0 + resultant))
    log_kappa = math.log(resultant * (d - 1.0 + spread) / spread)
    for _ in range(50):
        kappa = math.exp(log_kappa)
        found: BesselRatio = bessel_ratio(0.5 * d - 1.0, kappa)
        ratio, rest = float(found.ratio), float(found.complement)
        step = (wanted - math.log(ratio / rest)) * kappa * ratio * rest / float(found.slope)
        log_kappa += step
        if abs(step) < 1e-11:  # it converges quadratically: this step has left 1e-15, or round-off
            break
    return math.exp(log_kappa)


def _squares(points: Directions, centre: NDArray[np.float64]) -> NDArray[np.float64]:
    found = np.empty(len(points))
    for rows in row_blocks("spread", points.shape, _ROWS):  # in blocks: no second array of the sample's size
        difference = np.subtract(points[rows], centre, dtype=np.float64)
        found[rows] = np.einsum("ij,ij->i", difference, difference)
    return found
