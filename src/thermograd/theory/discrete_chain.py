"""The stationary state of the isotropic model at finite steps, exactly: a Markov chain solved by quadrature.

On the test function ``L = 1 + mu.u`` a step of SGD depends on ``c = mu.u`` and the radius alone. With
``s^2 = 1 - c^2``, ``z ~ N(0, 1)``, ``q ~ chi^2_{d-2}``, ``|g|^2 = (s + sigma z)^2 + sigma^2 q`` on the unit
sphere, a decay factor ``k`` (1 without weight decay) and ``a = lr/(k r^2)``

    c' = (c - a s (s + sigma z)) / sqrt(1 + a^2 |g|^2),    r' = k r sqrt(1 + a^2 |g|^2).

The law that one step leaves alone is found on the nodes of a Gauss rule (von Mises-Fisher in c, normal in
``log r``) as the weights for which the means of as many polynomials are the same before and after the step.
The noise is integrated by Gauss rules too. No sampling, no expansion in the step: more nodes, more digits. It
is the slow twin of `thermograd.theory.finite_step` and `thermograd.theory.fluctuations`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import roots_genlaguerre, roots_legendre

from thermograd.errors import InputError
from thermograd.protocol import FixedELR, FixedLR, FixedSphere, Protocol
from thermograd.theory import isotropic, vmf
from thermograd.theory.fluctuations import RadiusLaw, radius_law_elr, radius_law_lr
from thermograd.theory.radius import why_no_radius

__all__ = ["ExactState", "exact_state"]

Array = NDArray[np.float64]
_FINE = 600  # nodes of the rule that the Gauss rule of the von Mises-Fisher weight is made from
_LARGEST = 200  # dimension: beyond, scipy's Laguerre rule of this order overflows
_SMALLEST = 1e-200  # of a stationary weight: what round-off leaves of it must still have a logarithm


class ExactState(NamedTuple):
    """Stationary means of the discrete chain, as plain numbers.

    Attributes
    ----------
    energy
        Mean loss ``U``.
    entropy_sphere
        Differential entropy of the direction, in nats.
    grad_sq
        Mean squared full gradient ``E s^2`` on the unit sphere.
    radius
        Mean norm of the weights, ``E r``.
    effective_wd
        ``E (|w - lr g| - r) / (lr r)`` on a fixed sphere, else the weight decay.

    """

    energy: float
    entropy_sphere: float
    grad_sq: float
    radius: float
    effective_wd: float


class _Rule(NamedTuple):
    """A Gauss rule: nodes, weights, and the three-term recurrence of its orthonormal polynomials."""

    nodes: Array
    weights: Array
    centre: Array
    spread: Array

    def polynomials(self, x: Array) -> Array:
        """All orthonormal polynomials below the rule's size at ``x``, shape ``(n, *x.shape)``."""
        values = np.ones((self.nodes.size, *x.shape))
        for k in range(self.nodes.size - 1):
            lower = self.spread[k - 1] * values[k - 1] if k else 0.0
            values[k + 1] = ((x - self.centre[k]) * values[k] - lower) / self.spread[k]
        return values


def exact_state(protocol: Protocol, sigma: float, d: int, nodes: int = 20) -> ExactState:
    """Stationary energy, entropy and radius of the discrete chain, by quadrature alone.

    Parameters
    ----------
    protocol
        `FixedSphere`, `FixedELR` or `FixedLR`.
    sigma
        Standard deviation of the gradient noise per direction on the unit sphere, above 0.
    d
        Dimension of the space, from 2 to 200.
    nodes
        Size of the Gauss rules of the direction and of the noise; the radius gets half as many. 20 give all
        digits up to steps of 0.1 and seven or more at 0.2 (measured at ``sigma = 1``), in 0.02 s on a sphere
        and 0.1 s elsewhere.

    Returns
    -------
    ExactState
        All of it.

    Raises
    ------
    InputError
        If an argument is out of range or the protocol has no stationary radius.

    Examples
    --------
    Finite steps raise the energy of the Gibbs law, about by the factor ``1 + elr/2`` when cold:

    >>> from thermograd.theory import vmf
    >>> state = exact_state(FixedSphere(elr=0.01, radius=1.0), sigma=1.0, d=3)
    >>> print(round(state.energy / vmf.energy(0.005, 3), 4))
    1.0049

    """
    law = {FixedSphere: isotropic.fixed_sphere, FixedELR: isotropic.fixed_elr, FixedLR: isotropic.fixed_lr}
    if type(protocol) not in law:
        raise InputError(f"protocol is {protocol!r}; expected a FixedSphere, FixedELR or FixedLR")
    if d > _LARGEST:
        raise InputError(f"d (dimension) is {d}; expected at most {_LARGEST}")
    first, second = protocol.values.values()
    # the second-order theory says where the exact rules are centred, nothing else
    guess = law[type(protocol)](first, second, sigma, d)
    reason = why_no_radius(protocol, float(guess.mean_square))
    if reason or not np.isfinite(guess.radius):
        raise InputError(f"{protocol!r}: {reason or 'no stationary radius'}")
    step = float(guess.direction_step)
    direction = _von_mises_fisher(0.5 * step * sigma**2, d, nodes)
    z, q, likelihood = _noise(d, nodes)
    h = direction.nodes  # 1 + c, which is small when cold
    s = np.sqrt(h * (2.0 - h))
    along = s[:, None] + sigma * z
    square = along**2 + sigma**2 * q
    if isinstance(protocol, FixedSphere):
        turned, longer = _turned(h, s, along, square, np.asarray(protocol.elr))
        moved = direction.polynomials(turned) @ likelihood
        weights = _stationary(moved, direction.polynomials(h))
        wd = float(weights @ (longer @ likelihood)) / (protocol.elr * protocol.radius**2)
        return _state(weights, direction, step * sigma**2 / 2, d, protocol.radius, wd)
    radial, log_v, kept, elr = _radial(protocol, guess, max(8, nodes // 2))
    # axes: radius, direction, noise
    turned, longer = _turned(h, s, along, square, (elr / kept)[:, None, None])
    middle, width = log_v
    shift = 2.0 * (np.log(kept)[:, None, None] + np.log1p(longer)) / width
    moved = np.einsum(
        "jrdn,krdn,n->jkrd",
        direction.polynomials(turned),
        radial.polynomials(radial.nodes[:, None, None] + shift),
        likelihood,
        optimize=True,
    )
    still = np.einsum("jd,kr->jkrd", direction.polynomials(h), radial.polynomials(radial.nodes))
    size = radial.nodes.size * direction.nodes.size
    joint = _stationary(moved.reshape(size, size), still.reshape(size, size))
    joint = joint.reshape(radial.nodes.size, direction.nodes.size)
    radius = float(joint.sum(axis=1) @ np.exp(0.5 * (middle + width * radial.nodes)))
    return _state(joint.sum(axis=0), direction, step * sigma**2 / 2, d, radius, protocol.values["wd"])


def _turned(h: Array, s: Array, along: Array, square: Array, a: Array) -> tuple[Array, Array]:
    """``1 + c`` after the step, and by how much the weights were lengthened before the decay."""
    y = a**2 * square
    longer = y / (1.0 + np.sqrt(1.0 + y))
    # (c - a s along)/(1 + longer) + 1 with c = h - 1: the ones cancel on paper, not in the computer
    return (h[:, None] + longer - a * s[:, None] * along) / (1.0 + longer), longer


def _state(weights: Array, rule: _Rule, T: float, d: int, radius: float, wd: float) -> ExactState:
    h = rule.nodes
    energy = float(weights @ h)
    # -E log rho with rho = Gibbs density times weights / rule.weights
    ratio = np.log(np.maximum(weights, _SMALLEST) / np.maximum(rule.weights, _SMALLEST))
    entropy = -float(vmf.log_normalizer(1.0 / T, d)) - (1.0 - energy) / T - float(weights @ ratio)
    return ExactState(energy, entropy, float(weights @ (h * (2.0 - h))), radius, wd)


def _stationary(moved: Array, still: Array) -> Array:
    """Weights that sum to 1 and give each polynomial (row) the same mean before and after a step."""
    balance = moved - still
    balance[0] = 1.0  # the constant is always balanced: its row carries the normalisation
    right = np.zeros(len(balance))
    right[0] = 1.0
    return np.asarray(np.linalg.solve(balance, right))


def _radial(
    protocol: Protocol, guess: isotropic.IsotropicState, n: int
) -> tuple[_Rule, tuple[float, float], Array, Array]:
    """Gauss-Hermite rule of ``log r^2``, its centre and width, decay factor and ELR at its nodes."""
    first, second = protocol.values.values()
    spread_law = radius_law_elr if isinstance(protocol, FixedELR) else radius_law_lr
    law: RadiusLaw = spread_law(first, second, guess.mean_square, guess.variance)
    t, w = np.polynomial.hermite_e.hermegauss(n)
    rule = _Rule(t, w / w.sum(), np.zeros(n), np.sqrt(np.arange(1.0, n)))
    middle, width = 2.0 * math.log(float(law.mean)), math.sqrt(float(law.spread))
    v = np.exp(middle + width * t)
    if isinstance(protocol, FixedELR):
        return rule, (middle, width), 1.0 - protocol.elr * protocol.wd * v, np.full(n, protocol.elr)
    return rule, (middle, width), np.full(n, 1.0 - first * second), first / v


def _von_mises_fisher(T: float, d: int, n: int) -> _Rule:
    """Gauss rule in ``1 + c`` for the density ``s^(d-3) exp(-c/T)``: Stieltjes, from a fine rule in angle."""
    x, w = roots_legendre(_FINE)

    def log_density(angle: Array) -> Array:
        return (d - 2) * np.log(np.sin(angle)) - 2.0 * np.sin(0.5 * angle) ** 2 / T

    # far outside of the bulk the weight is nothing, and nodes there would be wasted
    angle = 0.5 * math.pi * (1.0 + x)
    for _ in range(3):
        log_w = log_density(angle) + np.log(w)
        inside = np.flatnonzero(log_w > log_w.max() - 100.0)
        low = angle[inside[0] - 1] if inside[0] else 0.0
        high = angle[inside[-1] + 1] if inside[-1] + 1 < angle.size else angle[-1]
        angle = low + 0.5 * (high - low) * (1.0 + x)
    log_w = log_density(angle) + np.log(w)
    weight = np.exp(log_w - log_w.max())
    weight /= weight.sum()
    h = 2.0 * np.sin(0.5 * angle) ** 2
    centre, spread = np.zeros(n), np.zeros(n - 1)
    before, now = np.zeros_like(h), np.ones_like(h)
    for k in range(n):
        centre[k] = weight @ (h * now**2)
        if k < n - 1:
            after = (h - centre[k]) * now - (spread[k - 1] * before if k else 0.0)
            spread[k] = math.sqrt(weight @ after**2)
            before, now = now, after / spread[k]
    nodes, vectors = np.linalg.eigh(np.diag(centre) + np.diag(spread, 1) + np.diag(spread, -1))
    return _Rule(nodes, vectors[0] ** 2, centre, spread)


def _noise(d: int, n: int) -> tuple[Array, Array, Array]:
    """Nodes and weights for ``z ~ N(0, 1)`` and ``q ~ chi^2_{d-2}``, flattened."""
    z, wz = np.polynomial.hermite_e.hermegauss(n)
    wz /= wz.sum()
    if d == 2:
        return z, np.zeros_like(z), wz
    x, wx = roots_genlaguerre(n, 0.5 * d - 2.0)
    weights = np.outer(wz, wx / wx.sum()).ravel()
    return np.repeat(z, n), np.tile(2.0 * x, n), weights
