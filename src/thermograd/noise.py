"""Gradient noise at frozen weights: squared norm of the mean gradient, unbiased, and trace of the covariance.

The plug-in ``|mean g|^2`` of ``k`` draws is too large by ``tr_sigma / k``, at the signal-to-noise ratios of
deep networks most of it. The mean over all pairs ``g_i . g_j`` is not, and needs no stack of gradients.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from thermograd.errors import InputError

__all__ = ["GradientNoise", "gradient_noise", "gradient_noise_each"]

_GROWTH = 1.1  # draws between two looks at the error grow by this: the cost overshoots by a tenth at most


@dataclass(frozen=True)
class GradientNoise:
    """What ``draws`` minibatch gradients at one point say of their mean and covariance, on the unit sphere.

    Attributes
    ----------
    grad_sq
        ``|E g|^2``, unbiased, hence negative now and then when the signal is lost in noise: keep it, since
        averages over many points are right only with these included.
    grad_sq_se
        Its standard error.
    tr_sigma
        ``E|g - E g|^2``, unbiased; ``batch_grad_sq - grad_sq``.
    tr_sigma_se
        Its standard error.
    batch_grad_sq
        ``E|g|^2``, mean of the squared norms of the draws.
    snr
        ``sqrt(grad_sq / tr_sigma)``; 0 where ``grad_sq`` is negative, infinite without noise. To average over
        points, average ``grad_sq`` and ``tr_sigma`` and take the ratio last.
    draws
        Number of gradients drawn.
    converged
        Whether the tolerance was met; True when a fixed number of draws was asked for and all are finite.
    reason
        Why the drawing ended, in words.

    """

    grad_sq: float
    grad_sq_se: float
    tr_sigma: float
    tr_sigma_se: float
    batch_grad_sq: float
    snr: float
    draws: int
    converged: bool
    reason: str


def gradient_noise(
    sample_gradient: Callable[[], Tensor | Sequence[Tensor]],
    *,
    rtol: float | None = 0.1,
    atol: float = 1e-3,
    min_draws: int = 20,
    max_draws: int = 1000,
    norm: float = 1.0,
) -> GradientNoise:
    """Mean and noise of minibatch gradients at frozen weights, from as many draws as the tolerance needs.

    ``grad_sq = (|sum g|^2 - sum |g|^2) / (k (k-1))``, the mean of ``g_i . g_j`` over all pairs of draws (a
    U-statistic), and ``tr_sigma = mean |g|^2 - grad_sq``, both times ``norm^2``.

    Parameters
    ----------
    sample_gradient
        Draws one minibatch gradient (a new, independent batch of the training batch size each time: under
        BatchNorm the gradient depends on it) without changing the weights. A flat tensor or a sequence of
        tensors, which may be the same buffers every time.
    rtol
        Stop when ``grad_sq_se <= rtol |grad_sq|``; None for exactly ``max_draws`` draws. For averages over
        many points a fixed number is right, 20 to 50: stopping when the error looks small prefers draws in
        which ``grad_sq`` came out large, so that the average is no longer unbiased. When it stops near
        ``min_draws`` the error itself is uncertain by a third: raise ``min_draws`` to be sure.
    atol
        Stop also when ``grad_sq_se <= atol * batch_grad_sq``, so that a signal lost in noise does not cost
        ``max_draws``. With both defaults that happens below a signal-to-noise ratio of ``sqrt(atol / rtol)``,
        0.1. 0 switches it off.
    min_draws, max_draws
        Bounds on the number of draws, ``6 <= min_draws <= max_draws``.
    norm
        Norm ``|w|`` of the weights at which the gradients are taken: results are those on the unit sphere.

    Returns
    -------
    GradientNoise
        All NaN, with the reason, when a gradient is not finite.

    Raises
    ------
    InputError
        When an argument is out of range, or the draws are empty, not floating point or change their shapes.

    Notes
    -----
    Memory: a float64 running sum and a float64 copy of the last unpaired draw, beside the draw itself, on its
    device. The host waits for the device only when the error is looked at, about every tenth draw more.

    Standard errors are not a jackknife's, which needs all gradients again once their sum is known. With
    ``zeta = Var(g . E g)`` and ``tau = Tr Sigma^2``, ``Var(grad_sq) = 4 zeta/k + 2 tau/(k(k-1))`` exactly.
    Draws are taken in pairs ``(g, g')``; with ``m`` the mean of the ``n`` draws before,
    ``((g - g') . m)^2 / 2`` has expectation ``zeta + tau/n``, and ``g . g'`` has variance ``tau + 2 zeta``:
    two equations for the two. Likewise ``|g|^2 - |g'|^2 - 2 (g - g') . m`` gives the error of ``tr_sigma``.
    The estimate of ``zeta`` is cut at 0: where noise drowns the signal, 20 draws give an error a third too
    large on average (a jackknife's is ``sqrt(2)`` times too large there), 200 draws 8%. Elsewhere it is right
    on average, and itself uncertain by about ``sqrt(2/k)``.

    References
    ----------
    IG section 3.1 for the quantities; Hoeffding, Ann. Math. Stat. 19 (1948) 293, eq. 5.13, for the variance.

    Examples
    --------
    A mean of squared norm 4 in noise of trace 100:

    >>> import torch
    >>> generator = torch.Generator().manual_seed(0)
    >>> draw = lambda: 0.2 + torch.randn(100, generator=generator)
    >>> noise = gradient_noise(draw, rtol=0.05)
    >>> print(f"{noise.grad_sq:.1f} +- {noise.grad_sq_se:.1f}, {noise.tr_sigma:.0f}, {noise.converged}")
    3.9 +- 0.2, 102, True

    """

    def sample(_: list[bool]) -> list[Tensor]:
        drawn = sample_gradient()
        pieces = [drawn] if isinstance(drawn, Tensor) else list(drawn)
        return [piece[None] if isinstance(piece, Tensor) else piece for piece in pieces]

    return gradient_noise_each(
        sample, [norm], rtol=rtol, atol=atol, min_draws=min_draws, max_draws=max_draws
    )[0]


def gradient_noise_each(
    sample_gradients: Callable[[list[bool]], Sequence[Tensor]],
    norms: Sequence[float],
    *,
    rtol: float | None = 0.1,
    atol: float = 1e-3,
    min_draws: int = 20,
    max_draws: int = 1000,
) -> list[GradientNoise]:
    """`gradient_noise` of several replicas at once, each as if it were alone.

    Parameters
    ----------
    sample_gradients
        Called with a flag for each replica, whether it still draws; returns tensors ``(R, ...)``, one
        minibatch gradient for each replica. What it holds for a replica that no longer draws is ignored, and
        that one's random stream should stand still.
    norms
        Norm of the weights of each replica.
    rtol, atol, min_draws, max_draws
        As for `gradient_noise`; each replica stops when its own error is small enough.

    Returns
    -------
    list of GradientNoise
        One per replica.

    Raises
    ------
    InputError
        As for `gradient_noise`.

    """
    if rtol is not None:
        _check("rtol", rtol, rtol > 0, "a finite number above 0, or None")
    _check("atol", atol, atol >= 0, "a finite number of at least 0")
    for norm in norms:
        _check("norm", norm, norm > 0, "a finite number above 0")
    if rtol is None:
        min_draws = max_draws
    _check("min_draws" if rtol is not None else "max_draws", min_draws, min_draws >= 6, "at least 6 draws")
    _check("max_draws", max_draws, max_draws >= min_draws, f"at least min_draws = {min_draws}")

    record = _Record(sample_gradients, len(norms))
    ended: dict[int, GradientNoise] = {}
    look = min_draws
    while len(ended) < len(norms):
        record.draw(look, [replica not in ended for replica in range(len(norms))])
        for replica, norm in enumerate(norms):
            if replica not in ended:
                estimate = _verdict(record.estimate(replica, norm**2), rtol, atol, max_draws)
                if estimate.reason:
                    ended[replica] = estimate
        look = min(max_draws, math.ceil(look * _GROWTH))
    return [ended[replica] for replica in range(len(norms))]


def _verdict(estimate: GradientNoise, rtol: float | None, atol: float, max_draws: int) -> GradientNoise:
    """The estimate with the reason for which it is the last; without one if more draws are needed."""
    draws = estimate.draws
    if not math.isfinite(estimate.batch_grad_sq):
        return estimate
    if rtol is None:
        return _ended(estimate, True, f"{draws} draws were asked for")
    if estimate.grad_sq_se <= rtol * abs(estimate.grad_sq):
        return _ended(estimate, True, f"the error is within {rtol:g} of grad_sq after {draws} draws")
    if estimate.grad_sq_se <= atol * estimate.batch_grad_sq:
        return _ended(estimate, True, f"the error is within {atol:g} of batch_grad_sq after {draws} draws")
    if draws >= max_draws:
        relative = estimate.grad_sq_se / abs(estimate.grad_sq) if estimate.grad_sq else math.inf
        return _ended(
            estimate,
            False,
            f"max_draws = {max_draws} ended it: the error is {relative:.2g} of grad_sq, wanted {rtol:g}; "
            f"raise max_draws, rtol or atol, or average over more points",
        )
    return estimate


class _Record:
    """The running sums of the draws and the scalar products from which everything is computed."""

    def __init__(self, sample: Callable[[list[bool]], Sequence[Tensor]], replicas: int) -> None:
        self._sample = sample
        self._replicas = replicas
        self._past = self._held = self._now = torch.empty(0)
        # (|g|^2, g . past, g . held) of each replica on the device, not yet fetched
        self._pending: list[Tensor] = []
        self._rows = np.empty((0, 3, replicas))

    def draw(self, draws: int, active: list[bool]) -> None:
        """Draw until there are so many; fetch the products."""
        with torch.no_grad():
            for index in range(len(self._rows), draws):
                self._load(index, active)
                now, first = self._now, index % 2 == 0
                square, to_past = torch.linalg.vecdot(now, now), torch.linalg.vecdot(now, self._past)
                to_held = torch.zeros_like(square) if first else torch.linalg.vecdot(now, self._held)
                self._pending.append(torch.stack([square, to_past, to_held]))
                # The first of a pair waits: both want their product with the sum before the pair.
                if first:
                    self._held, self._now = self._now, self._held
                else:
                    self._past += self._held
                    self._past += self._now
            if self._pending:
                self._rows = np.concatenate([self._rows, torch.stack(self._pending).cpu().numpy()])
            self._pending = []

    def _load(self, index: int, active: list[bool]) -> None:
        """Draw one gradient of each replica into the flat float64 buffer."""
        with torch.enable_grad():
            pieces = list(self._sample(active))
        for position, piece in enumerate(pieces):
            if not isinstance(piece, Tensor) or not piece.is_floating_point():
                kind = piece.dtype if isinstance(piece, Tensor) else type(piece).__name__
                raise InputError(
                    f"gradient_noise: piece {position} of draw {index} is {kind}; expected a real tensor"
                )
        if index == 0:
            self._shapes = [piece.shape for piece in pieces]
            total = sum(piece.numel() for piece in pieces) // self._replicas
            if total == 0:
                raise InputError("gradient_noise: the gradient is empty; expected at least one number")
            device = pieces[0].device
            if device.type == "mps":  # has no float64
                device = torch.device("cpu")
            self._past, self._held, self._now = torch.zeros(
                3, self._replicas, total, dtype=torch.float64, device=device
            ).unbind()
        shapes = [piece.shape for piece in pieces]
        if shapes != self._shapes:
            raise InputError(
                f"gradient_noise: draw {index} has shapes {[tuple(s[1:]) for s in shapes]}; "
                f"expected those of the first, {[tuple(s[1:]) for s in self._shapes]}"
            )
        start = 0
        for piece in pieces:
            flat = piece.detach().reshape(self._replicas, -1)
            self._now[:, start : start + flat.shape[1]].copy_(flat)
            start += flat.shape[1]

    def estimate(self, replica: int, scale: float) -> GradientNoise:
        """Everything but the verdict, from the products; squared norms times ``scale``."""
        squares, with_past, with_held = self._rows[:, :, replica].T
        draws = len(squares)
        if not np.isfinite(squares).all():
            bad = int(np.argmin(np.isfinite(squares)))
            nan = math.nan
            reason = f"draw {bad} is not finite: the gradient overflowed or the weights have diverged"
            return GradientNoise(nan, nan, nan, nan, nan, nan, draws, False, reason)
        # All pairs, each once, when its later member came: no difference of large numbers.
        grad_sq = 2.0 * float(with_past.sum() + with_held.sum()) / (draws * (draws - 1))
        batch_grad_sq = float(squares.mean())
        tr_sigma = batch_grad_sq - grad_sq
        se_grad, se_trace = _standard_errors(squares, with_past, with_held)
        return GradientNoise(
            grad_sq=scale * grad_sq,
            grad_sq_se=scale * se_grad,
            tr_sigma=scale * tr_sigma,
            tr_sigma_se=scale * se_trace,
            batch_grad_sq=scale * batch_grad_sq,
            snr=math.sqrt(max(grad_sq, 0.0) / tr_sigma) if tr_sigma > 0 else math.inf,
            draws=draws,
            converged=False,
            reason="",
        )


def _standard_errors(
    squares: NDArray[np.float64], with_past: NDArray[np.float64], with_held: NDArray[np.float64]
) -> tuple[float, float]:
    """Standard errors of grad_sq and tr_sigma: see the notes of :func:`gradient_noise`."""
    draws = len(squares)
    pairs = draws // 2
    first, second = slice(0, 2 * pairs, 2), slice(1, 2 * pairs, 2)
    before = 2.0 * np.arange(pairs)  # draws in the sum that the pair met
    # (g - g') . sum: weighting with before^2, by which the sum exceeds the mean, favours the settled means.
    along = with_past[first] - with_past[second]
    weight = float(before @ before)
    memory = float(before.sum()) / weight  # mean of 1/n under these weights
    projected = float(along @ along) / 2.0 / weight  # zeta + memory * tau
    products = float(np.var(with_held[second], ddof=1))  # tau + 2 zeta
    zeta = max(0.0, (projected - memory * products) / (1.0 - 2.0 * memory))
    tau = max(0.0, products - 2.0 * zeta)
    pairing = 2.0 * tau / (draws * (draws - 1))
    lengths = before * (squares[first] - squares[second]) - 2.0 * along
    kappa = max(0.0, float(lengths @ lengths) / 2.0 / weight - 4.0 * memory * tau)  # Var |g - E g|^2
    return math.sqrt(4.0 * zeta / draws + pairing), math.sqrt(kappa / draws + pairing)


def _check(name: str, value: float, good: bool, expected: str) -> None:
    if not (math.isfinite(value) and good):
        raise InputError(f"gradient_noise: {name} is {value!r}; expected {expected}")


def _ended(estimate: GradientNoise, converged: bool, reason: str) -> GradientNoise:
    return replace(estimate, converged=converged, reason=reason)
