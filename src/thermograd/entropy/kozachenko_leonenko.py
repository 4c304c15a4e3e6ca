"""Entropy from nearest-neighbour distances: Kozachenko and Leonenko's estimator, the ideal-gas paper's."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma

from thermograd.entropy.direction_neighbours import direction_neighbours
from thermograd.entropy.directions import as_they_are, row_norms
from thermograd.entropy.estimate import (
    ON_A_SPHERE,
    EntropyEstimate,
    above_uniform_warning,
    sample_warnings,
    short_walk_warning,
)
from thermograd.entropy.geodesic import arc_length, log_ball_volume, log_cap_curvature
from thermograd.entropy.neighbours.chart import chart_neighbours
from thermograd.entropy.neighbours.nearest import check_neighbours
from thermograd.entropy.points import NORM_TOLERANCE, as_directions, as_points
from thermograd.entropy.shared_neighbours import mean_of_shared_terms
from thermograd.entropy.theiler import admissible_neighbours
from thermograd.errors import InputError
from thermograd.theory.vmf_limits import entropy_uniform

__all__ = ["kozachenko_leonenko", "log_ball_volume", "log_cap_curvature"]

_OWNER = "kozachenko_leonenko"


def kozachenko_leonenko(
    x: Any,
    k: int = 1,
    manifold: Literal["euclidean", "sphere", "geodesic"] = "euclidean",
    theiler: int = 0,
    *,
    device: Any = None,
) -> EntropyEstimate:
    """Differential entropy of the law of a sample, from the distance of each point to its k-th neighbour.

    In R^m, ``S = (m/n) sum_i log rho_i + log c_m + log(n-1) + gamma_E`` for ``k = 1`` and
    ``S = (m/n) sum_i log rho_i + log c_m + digamma(n) - digamma(k)`` for ``k > 1``, with ``rho_i`` the
    distance to the k-th nearest other point and ``c_m`` the volume of the unit ball. On the sphere, the same
    for the spherical angles (``m = d - 1``, Euclidean distance of angle vectors, the last angle periodic)
    plus the mean log Jacobian ``sum_(j<=d-2) (d-1-j) log sin phi_j``; or, without a chart, the arc length
    ``theta_i`` to the neighbour and the volume of the cap of that radius in place of ``c_m rho_i^m``.

    Parameters
    ----------
    x
        Points in time order, shape ``(n, m)``, or unit vectors, shape ``(n, d)``, for the sphere; numpy array
        or torch tensor, float32 or float64. The entropy's unit of length is that of ``x``. Unit vectors whose
        norm is off by up to 1e-5, as normalising in float32 leaves it, are normalised again in float64.
    k
        Which neighbour, 1 to ``n - 2``. Larger ``k``: less variance, more bias.
    manifold
        ``"euclidean"``, ``"sphere"`` for the papers' chart of the unit sphere S^(d-1), or ``"geodesic"`` for
        arc lengths on it. The chart is not invariant under rotations, and shrinks the last coordinates'
        circles so much that in ``d = 24 408`` an isotropic random walk reads 19 000 nats too high: a bias
        that cancels between like states only. Arc lengths know no axes.
    theiler
        ``w``: points no farther apart in time than so many rows are no neighbours. Each term then has
        ``n_i = n - 1 - min(i, w) - min(n-1-i, w)`` others to choose from, and the means over i of ``log n_i``
        and ``digamma(n_i + 1)`` stand for ``log(n-1)`` and ``digamma(n)``. What it means, and which to take:
        :func:`thermograd.entropy.suggest_theiler`.
    device
        Of torch's, such as ``"cuda"``, to search for neighbours on; the processor when not given. Not for the
        papers' chart.

    Returns
    -------
    EntropyEstimate
        Entropy in nats, absolute but for unit vectors read as ``"euclidean"``: their law is singular in the
        space around the sphere, and a warning says so. Points that coincide make it minus infinity, with a
        warning, unless ``k`` is at least the number of copies.

    Raises
    ------
    InputError
        For fewer than ``k + 2`` points, or fewer than ``k`` outside a Theiler window; rows with nan or inf,
        points off the sphere, constant data, integers, complex numbers or half precision.

    Notes
    -----
    The two forms of the constant differ by ``1/(2n)``: the first is what the paper prints, the second is
    exact for a locally constant density.

    References
    ----------
    IG eq. 25-27 and 101; Kozachenko and Leonenko, Probl. Inf. Transm. 23 (1987) 95; for ``k > 1`` Kraskov et
    al., Phys. Rev. E 69 (2004) 066138, eq. 20; for the error bar Penrose and Yukich, Ann. Appl. Probab. 23
    (2013) 2161 (:mod:`thermograd.entropy.shared_neighbours`).

    Examples
    --------
    The uniform law on a square of side 2 has entropy ``log 4 = 1.386``:

    >>> import numpy as np
    >>> x = np.random.default_rng(0).uniform(0, 2, size=(2000, 2))
    >>> estimate = kozachenko_leonenko(x, k=3)
    >>> print(f"{estimate.entropy:.2f} +- {estimate.se:.2f}")
    1.40 +- 0.02

    """
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise InputError(f"{_OWNER}: k (which neighbour) is {k!r}; expected an integer of at least 1")
    if manifold == "euclidean":
        u = as_they_are(as_points(x, _OWNER, at_least=k + 2))
    elif manifold in ("sphere", "geodesic"):
        u = as_directions(x, _OWNER, at_least=k + 2)
        if device is not None and manifold == "sphere":
            raise InputError(
                f"{_OWNER}: device is {device!r}; expected None with manifold='sphere', whose angles are "
                "searched on the processor"
            )
    else:
        raise InputError(f"{_OWNER}: manifold is {manifold!r}; expected 'euclidean', 'sphere' or 'geodesic'")
    n, m = u.shape
    check_neighbours(_OWNER, n, k, None, theiler)
    uniform = math.nan
    if manifold != "euclidean":
        uniform = float(entropy_uniform(m))
        m -= 1
    if manifold == "sphere":
        found, stretch = chart_neighbours(u.points, k, theiler=theiler)  # to angles, norms do not matter
    else:
        found, stretch = direction_neighbours(u, k, theiler=theiler, device=device), np.zeros(n)
    rho = found.distance[:, -1]
    if manifold == "geodesic":
        rho = arc_length(rho)
        stretch = log_cap_curvature(rho, m)
    warnings = sample_warnings(u.points, rho, m)
    singular = manifold == "euclidean" and _on_a_sphere(u.points)
    if singular:
        warnings = (ON_A_SPHERE, *warnings)
    if at_pole := int(np.count_nonzero(np.isneginf(stretch))):
        warnings += (
            f"{at_pole} of {n} points lie at a pole of the chart, where it has no volume: rotate the points",
        )
    others = admissible_neighbours(n, theiler)
    log_count = (
        float(np.log(others).mean()) + np.euler_gamma
        if k == 1
        else float(digamma(others + 1).mean() - digamma(k))
    )
    constant = log_ball_volume(m) + log_count
    if (rho == 0).any() or at_pole:
        entropy, se, n_effective = -math.inf, math.nan, math.nan
    else:
        terms = mean_of_shared_terms(m * np.log(rho) + stretch, found.index, m)
        entropy, se, n_effective = terms.mean + constant, terms.se, terms.n_effective
        warnings += above_uniform_warning(entropy, se, uniform) + short_walk_warning(u, m)
    settings: dict[str, object] = {"k": int(k), "manifold": manifold}
    if theiler:
        settings["theiler"] = int(theiler)
    return EntropyEstimate(
        entropy, se, n, n_effective, m, not singular, "kozachenko-leonenko", settings, warnings, uniform
    )


def _on_a_sphere(points: NDArray[np.floating[Any]]) -> bool:
    """Whether all are unit vectors, as :func:`~thermograd.entropy.points.as_directions` takes them."""
    if points.shape[1] < 2:
        return False
    # The first rows say no in most cases, and spare a pass over the others.
    return all(
        bool((np.abs(row_norms(rows) - 1.0) <= NORM_TOLERANCE).all()) for rows in (points[:8], points[8:])
    )
