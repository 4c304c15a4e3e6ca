"""The entropy that nearest-neighbour distances tell, for queues that know distances and not directions."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma

from thermograd.entropy.estimate import ON_A_SPHERE, EntropyEstimate, above_uniform_warning
from thermograd.entropy.geodesic import arc_length, log_ball_volume, log_cap_curvature
from thermograd.entropy.shared_neighbours import mean_of_shared_terms
from thermograd.entropy.theiler import admissible_neighbours
from thermograd.theory.vmf_limits import entropy_uniform

__all__ = ["entropy_of_chords"]


def entropy_of_chords(
    log_chord: NDArray[np.float64],
    named: NDArray[np.intp],
    dim: int,
    *,
    k: int,
    theiler: int,
    geodesic: bool,
    warnings: tuple[str, ...],
) -> EntropyEstimate:
    """Kozachenko and Leonenko's entropy of directions whose distances to the k-th neighbour are known.

    ``S = mean_i log V(rho_i) + mean_i digamma(M_i + 1) - digamma(k)`` (``k = 1``: ``mean_i log M_i +
    gamma_E``), ``V`` the volume of a ball of R^d or of a cap of the sphere, ``M_i`` how many points may be
    neighbours: what :func:`~thermograd.entropy.kozachenko_leonenko` says of the directions themselves.

    Parameters
    ----------
    log_chord
        Logs of the Euclidean distances ``rho_i`` to the k-th neighbour, in time order, shape ``(n,)``.
    named
        Which points the ``k`` neighbours are, shape ``(n, k)``.
    dim
        ``d``, the length of a direction.
    k, theiler
        As for the estimator.
    geodesic
        Whether arcs on the sphere are meant (dimension ``d - 1``), and not chords in R^d.
    warnings
        What is known already to be wrong.

    Returns
    -------
    EntropyEstimate
        In nats; absolute along arcs only (:data:`~thermograd.entropy.estimate.ON_A_SPHERE`).

    References
    ----------
    IG eq. 25-28; for ``k > 1`` Kraskov et al., Phys. Rev. E 69 (2004) 066138, eq. 20.

    Examples
    --------
    >>> from thermograd.entropy import kozachenko_leonenko
    >>> from thermograd.entropy.neighbours.nearest import nearest_neighbours
    >>> x = np.random.default_rng(0).standard_normal((50, 3))
    >>> x /= np.linalg.norm(x, axis=1, keepdims=True)
    >>> found = nearest_neighbours(x, 2)
    >>> estimate = entropy_of_chords(
    ...     np.log(found.distance[:, -1]), found.index, 3, k=2, theiler=0, geodesic=True, warnings=()
    ... )
    >>> bool(np.isclose(estimate.entropy, kozachenko_leonenko(x, 2, "geodesic").entropy, rtol=1e-14))
    True

    """
    n, m = len(log_chord), dim - 1 if geodesic else dim
    uniform = float(entropy_uniform(dim)) if geodesic else math.nan
    logs, stretch = log_chord, np.zeros(n)
    if geodesic:
        arc = arc_length(np.minimum(np.exp(log_chord), 2.0))
        with np.errstate(divide="ignore"):
            logs, stretch = np.log(arc), log_cap_curvature(arc, m)
    if not geodesic:
        warnings = (ON_A_SPHERE, *warnings)
    others = admissible_neighbours(n, theiler)
    if k == 1:
        log_count = float(np.log(others).mean()) + float(np.euler_gamma)
    else:
        log_count = float(digamma(others + 1).mean() - digamma(k))
    entropy, se, n_effective = -math.inf, math.nan, math.nan
    if np.isfinite(logs).all():
        terms = mean_of_shared_terms(m * logs + stretch, named, m)
        entropy, se = terms.mean + log_ball_volume(m) + log_count, terms.se
        n_effective = terms.n_effective
        warnings += above_uniform_warning(entropy, se, uniform)
    settings: dict[str, object] = {"k": k, "manifold": "geodesic" if geodesic else "euclidean"}
    if theiler:
        settings["theiler"] = theiler
    return EntropyEstimate(
        entropy, se, n, n_effective, m, geodesic, "kozachenko-leonenko", settings, warnings, uniform
    )
