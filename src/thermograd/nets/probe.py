"""Evaluating a model at scaled and shaken copies of its weights, leaving the model itself alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from thermograd.errors import InputError

__all__ = ["Probe", "null_groups"]

_SHAKE = 0.1
"""Relative size of the random changes: zero biases must move, trained weights must not be destroyed."""


class Probe:
    """A model's loss and ``w_i . grad_i`` at random points near its weights.

    Inside its ``with`` block every evaluation sees the same random state, so that dropout keeps its masks;
    afterwards torch's random state is as it was.
    """

    def __init__(
        self,
        model: nn.Module,
        batch: tuple[Any, Any],
        loss: Callable[[Any, Any], Tensor],
        dtype: torch.dtype,
        generator: torch.Generator,
    ) -> None:
        self.dtype = dtype
        self._model, self._loss, self._generator = model, loss, generator
        self._inputs, self._targets = (_cast(part, dtype) for part in batch)
        named = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.names = list(named)
        self.sizes = [p.numel() for p in named.values()]
        self._weights = [p.detach().to(dtype, copy=True) for p in named.values()]
        self._devices = sorted({p.device.index or 0 for p in model.parameters() if p.device.type == "cuda"})
        self._random = self._random_state()
        self._points: list[list[Tensor]] = []
        self._radial: list[Tensor] = []
        self._scale: list[Tensor] = []

    @classmethod
    def start(
        cls,
        model: nn.Module,
        batch: tuple[Any, Any],
        loss: Callable[[Any, Any], Tensor],
        dtype: torch.dtype | None,
        generator: torch.Generator | None,
    ) -> Probe:
        """A probe in ``dtype``, or in float64 and failing that in the dtype of the model's parameters."""
        generator = torch.Generator().manual_seed(0) if generator is None else generator
        own = next((p.dtype for p in model.parameters() if p.requires_grad), torch.float32)
        if dtype is None and own != torch.float64:
            probe = cls(model, batch, loss, torch.float64, generator)
            try:
                with probe:
                    probe.check()
            except (RuntimeError, TypeError):
                pass  # a model that fixes a dtype inside, or a device without float64
            else:
                return probe
        return cls(model, batch, loss, dtype or own, generator)

    def __enter__(self) -> Probe:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def add_point(self) -> None:
        """Measure at one more random point: every tensor shaken and scaled by a factor from 1/2 to 2."""
        point = []
        for w in self._weights:
            noise = torch.randn(w.shape, generator=self._generator, dtype=torch.float64).to(w)
            factor = 2 ** (2 * torch.rand((), generator=self._generator, dtype=torch.float64).item() - 1)
            size = w.square().mean().sqrt()
            size = torch.where(size > 0, size, torch.ones_like(size))
            point.append((w + _SHAKE * size * noise).mul_(factor).requires_grad_())
        with torch.enable_grad():
            value = self._evaluate(point)
            grads = torch.autograd.grad(value, point, allow_unused=True)
        filled = [torch.zeros_like(w) if g is None else g for w, g in zip(point, grads, strict=True)]
        self._points.append([w.detach() for w in point])
        pairs = list(zip(self._points[-1], filled, strict=True))
        self._radial.append(torch.stack([(w * g).sum(dtype=torch.float64).cpu() for w, g in pairs]))
        self._scale.append(torch.stack([(w.norm() * g.norm()).double().cpu() for w, g in pairs]))

    def radial(self) -> Tensor:
        """``w_i . grad_i L``, shape ``(points, tensors)``."""
        return torch.stack(self._radial)

    def scale(self) -> Tensor:
        """``|w_i| |grad_i L|``, shape ``(points, tensors)``: what the radial parts are measured against."""
        return torch.stack(self._scale)

    @torch.no_grad()
    def loss_at(self, point: int, factors: Mapping[int, float]) -> float:
        """The loss at a measured point with some tensors multiplied by factors."""
        weights = [w * factors.get(i, 1.0) for i, w in enumerate(self._points[point])]
        return float(self._evaluate(weights))

    def _evaluate(self, weights: list[Tensor]) -> Tensor:
        self._restore()
        state = dict(zip(self.names, weights, strict=True))
        for name, tensor in [*self._model.named_parameters(), *self._model.named_buffers()]:
            if name not in state:
                state[name] = _cast(tensor.detach().clone(), self.dtype)
        keywords = dict(self._inputs) if isinstance(self._inputs, Mapping) else {}
        args = () if keywords else self._inputs if isinstance(self._inputs, tuple) else (self._inputs,)
        return self._loss(functional_call(self._model, state, args, keywords), self._targets)

    def check(self) -> None:
        """Refuse a loss that is not a finite scalar at the model's own weights."""
        with torch.no_grad():
            value = self._evaluate(self._weights)
        if value.dim() != 0 or not bool(torch.isfinite(value)):
            raise InputError(f"loss is {value.cpu()}; expected a finite scalar")

    def _random_state(self) -> list[Tensor]:
        return [torch.get_rng_state(), *(torch.cuda.get_rng_state(d) for d in self._devices)]

    def _restore(self) -> None:
        cpu, *cuda = self._random
        torch.set_rng_state(cpu)
        for device, state in zip(self._devices, cuda, strict=True):
            torch.cuda.set_rng_state(state, device)


def _cast(value: Any, dtype: torch.dtype) -> Any:
    if isinstance(value, Tensor):
        return value.to(dtype) if value.is_floating_point() else value
    if isinstance(value, tuple):
        return tuple(_cast(part, dtype) for part in value)
    if isinstance(value, Mapping):
        return {key: _cast(part, dtype) for key, part in value.items()}
    return value


def null_groups(c: Tensor, n: Tensor, tolerance: float) -> list[list[int]]:
    """Candidate sets of columns of ``c`` that add up to 0 in every row.

    If the null space of ``c`` is spanned by indicator vectors of disjoint sets, the projector onto it is
    non-zero exactly between members of one set. Other null vectors (rescaling one tensor against another)
    can join sets: the caller checks each candidate.

    Parameters
    ----------
    c
        ``w_i . grad_i`` at several points, shape ``(points, tensors)``, more points than tensors.
    n
        ``|w_i| |grad_i|``, same shape: sets the scale of each column.
    tolerance
        Relative size below which a singular value counts as 0.

    Examples
    --------
    >>> g = torch.Generator().manual_seed(0)
    >>> a = torch.randn(9, 1, generator=g, dtype=torch.float64)
    >>> other = torch.randn(9, 1, generator=g, dtype=torch.float64)
    >>> c = torch.cat([a, other, -a], 1)
    >>> null_groups(c, c.abs(), 1e-6)
    [[0, 2]]

    """
    size = n.median(0).values
    _, singular, right = torch.linalg.svd(c / size, full_matrices=True)
    values = torch.zeros(right.shape[0], dtype=singular.dtype)
    values[: len(singular)] = singular
    null = right[values <= 10 * tolerance * values.max()]
    joined = (null.t() @ null).abs() > 1e-5
    groups: list[list[int]] = []
    seen: set[int] = set()
    for start in range(c.shape[1]):
        if start in seen or not joined[start, start]:
            continue
        group, queue = {start}, [start]
        while queue:
            for other in joined[queue.pop()].nonzero().flatten().tolist():
                if other not in group:
                    group.add(other)
                    queue.append(other)
        seen |= group
        groups.append(sorted(group))
    return groups
