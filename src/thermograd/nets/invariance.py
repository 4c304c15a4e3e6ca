"""Which parameters of a network are scale-invariant, found by trying, never by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from thermograd.errors import InputError
from thermograd.nets.probe import Probe, null_groups

__all__ = ["InvarianceReport", "TensorInvariance", "scale_invariant_parameters"]

_SCALES = (0.125, 0.5, 2.0, 8.0)


@dataclass(frozen=True)
class TensorInvariance:
    """What was found for one parameter tensor."""

    name: str
    size: int
    """Number of weights."""
    verdict: str
    """``alone``, ``together`` (with its group), ``inert`` (no influence on the loss) or ``not``."""
    violation: float
    """Largest change of the loss per unit of log scale, over ``|w| |grad|``; its group's if it has one."""
    hint: str = ""
    """What usually causes it, where the tensor is not scale-invariant."""


@dataclass(frozen=True)
class InvarianceReport:
    """The scale-invariant parameters of a model, and what is in the way of the others.

    ``str(report)`` is a text for people.
    """

    tensors: tuple[TensorInvariance, ...]
    """The trainable parameters, in the model's order."""
    groups: tuple[tuple[str, ...], ...]
    """Names of tensors that are scale-invariant only when scaled together."""
    frozen: tuple[str, ...]
    """Parameters without ``requires_grad``: not part of w."""
    tolerance: float
    """Violation up to which a tensor counts as scale-invariant."""
    dtype: str
    """Arithmetic in which it was measured."""

    @property
    def invariant(self) -> tuple[str, ...]:
        """Names of the trainable parameters that are scale-invariant, alone or together."""
        return tuple(t.name for t in self.tensors if t.verdict in ("alone", "together"))

    @property
    def breaking(self) -> tuple[TensorInvariance, ...]:
        """The trainable parameters that are not: they change the loss when scaled, or are inert."""
        return tuple(t for t in self.tensors if t.verdict not in ("alone", "together"))

    @property
    def fully(self) -> bool:
        """Whether every trainable parameter is scale-invariant, so that all of them form one w."""
        return bool(self.tensors) and not self.breaking

    @property
    def dimension(self) -> int:
        """Number of trainable scale-invariant weights."""
        return sum(t.size for t in self.tensors if t.verdict in ("alone", "together"))

    def raise_if_not_fully(self) -> None:
        """Raise an ``InputError`` that names a parameter in the way and what usually causes it."""
        if self.fully:
            return
        if not self.tensors:
            raise InputError("model has no trainable parameters; expected scale-invariant ones")
        first, *others = sorted(self.breaking, key=lambda t: -t.violation)
        more = f" (and {len(others)} more)" if others else ""
        raise InputError(
            f"model is not fully scale-invariant: {_line(first)}{more}; expected every trainable parameter to"
            " leave the loss unchanged when scaled"
        )

    def __str__(self) -> str:
        whole = sum(t.size for t in self.tensors)
        head = "Fully scale-invariant" if self.fully else "Not fully scale-invariant"
        lines = [f"{head}: {self.dimension} of {whole} trainable weights are scale-invariant ({self.dtype})."]
        alone = sum(t.verdict == "alone" for t in self.tensors)
        lines.append(f"  {alone} tensors alone, {len(self.groups)} groups only when scaled together.")
        lines += [f"  together: {', '.join(group)}" for group in self.groups]
        lines += [f"  {_line(t)}" for t in self.breaking]
        if self.frozen:
            lines.append(f"  frozen, not part of w: {', '.join(self.frozen)}")
        return "\n".join(lines)


def _line(t: TensorInvariance) -> str:
    if t.verdict == "inert":
        return f"{t.name} ({t.size} weights) has no influence on the loss: {t.hint}"
    return f"{t.name} ({t.size} weights) changes the loss when scaled (violation {t.violation:.1e}): {t.hint}"


def scale_invariant_parameters(
    model: nn.Module,
    batch: tuple[Any, Any],
    loss: Callable[[Any, Any], Tensor] = cross_entropy,
    *,
    tolerance: float | None = None,
    dtype: torch.dtype | None = None,
    generator: torch.Generator | None = None,
) -> InvarianceReport:
    """Find by trial which trainable parameters are scale-invariant: ``L(a w_i) = L(w_i)`` for all ``a > 0``.

    At random points near the model's weights ``w_i . grad_i L`` is measured (it must vanish, P2) and the
    loss is compared after scaling by factors from 1/8 to 8. Tensors that fail alone are then searched for
    groups that are scale-invariant together: with ``c_i = w_i . grad_i L`` at many points, a group is a set
    whose ``c_i`` add up to 0 at all of them.

    The model is left as it was: it is evaluated on copies of its parameters and buffers, gradients are not
    accumulated, and the random state of torch is put back. The cost is about ten gradients, plus one for each
    tensor that is not invariant alone.

    Parameters
    ----------
    model
        Any model, in the mode (``train()`` or ``eval()``) in which it will be used.
    batch
        ``(inputs, targets)``; inputs may be a tensor, a tuple of arguments or a mapping of keywords.
    loss
        ``loss(model(inputs), targets)``, a scalar.
    tolerance
        Violation up to which a tensor counts as scale-invariant; None takes 1e-6 in float64, 1e-3 in float32.
        An epsilon in a normalisation shows up as 1e-5 to 1e-1: a larger tolerance accepts it.
    dtype
        Arithmetic to measure in. None takes float64, or the model's own where it cannot run in float64.
    generator
        Source of the random points, on the CPU; None takes a fresh one with seed 0.

    Raises
    ------
    InputError
        If the loss is not a finite scalar, or the tolerance is not above 0.

    Examples
    --------
    >>> from thermograd.nets import ConvNet
    >>> g = torch.Generator().manual_seed(0)
    >>> batch = torch.randn(8, 1, 8, 8, generator=g), torch.randint(10, (8,), generator=g)
    >>> report = scale_invariant_parameters(ConvNet(1, in_channels=1), batch)
    >>> report.fully, report.dimension
    (True, 387)

    """
    if tolerance is not None and not tolerance > 0:
        raise InputError(f"tolerance is {tolerance!r}; expected a number above 0")
    probe = Probe.start(model, batch, loss, dtype, generator)
    with probe:
        probe.check()
        return _examine(model, probe, tolerance)


def _examine(model: nn.Module, probe: Probe, tolerance: float | None) -> InvarianceReport:
    eps = torch.finfo(probe.dtype).eps
    tol = tolerance if tolerance is not None else (1e-6 if probe.dtype == torch.float64 else 1e-3)
    names = probe.names
    frozen = tuple(name for name, p in model.named_parameters() if not p.requires_grad)
    arithmetic = str(probe.dtype).removeprefix("torch.")
    if not names:
        return InvarianceReport((), (), frozen, tol, arithmetic)
    for _ in range(4):
        probe.add_point()
    c, n = probe.radial(), probe.scale()
    # round-off alone gives w.grad of a tensor that the loss does not see
    inert = (n <= 1e3 * eps * n.amax(1, keepdim=True)).all(0)
    alone: dict[int, float] = {}
    rest = []
    for i in range(len(names)):
        if not inert[i]:
            violation = _violation(probe, [i], c[:, i], n[:, i])
            if violation <= tol:
                alone[i] = violation
            else:
                rest.append(i)
    together: dict[int, float] = {}
    groups = []
    if len(rest) > 1:
        for _ in range(len(rest) + 4):
            probe.add_point()
        c, n = probe.radial(), probe.scale()
        for members in null_groups(c[:, rest], n[:, rest], tol):
            group = [rest[m] for m in members]
            violation = _violation(probe, group, c[:, group].sum(1), n[:, group].sum(1))
            if violation <= tol:
                groups.append(tuple(names[i] for i in group))
                together.update(dict.fromkeys(group, violation))
    tensors = []
    for i, name in enumerate(names):
        size = probe.sizes[i]
        if i in alone:
            tensors.append(TensorInvariance(name, size, "alone", alone[i]))
        elif i in together:
            tensors.append(TensorInvariance(name, size, "together", together[i]))
        elif inert[i]:
            hint = "usually a bias before a normalisation, or an unused parameter; remove or freeze it"
            tensors.append(TensorInvariance(name, size, "inert", 0.0, hint))
        else:
            violation = _violation(probe, [i], c[:, i], n[:, i])
            tensors.append(TensorInvariance(name, size, "not", violation, _hint(model, name, violation)))
    return InvarianceReport(tuple(tensors), tuple(groups), frozen, tol, arithmetic)


def _violation(probe: Probe, members: Sequence[int], c: Tensor, n: Tensor) -> float:
    """Largest ``|dL / dlog a|`` of the tensors scaled together, over ``sum |w_i| |grad_i|``."""
    worst = float((c.abs() / n).max())
    eps = torch.finfo(probe.dtype).eps
    base = probe.loss_at(0, {})
    for a in _SCALES:
        change = abs(probe.loss_at(0, dict.fromkeys(members, a)) - base) - 64 * eps * abs(base)
        size = float(n[0]) * abs(float(torch.tensor(a).log()))
        # nan (an overflow, say) is a violation too
        worst = max(worst, change / size) if change == change else float("inf")
    return worst


def _hint(model: nn.Module, name: str, violation: float) -> str:
    """What usually breaks scale invariance in a parameter of this kind of module (text only)."""
    owner = model.get_submodule(name.rpartition(".")[0])
    if violation < 0.05:
        return "nearly invariant: usually the epsilon of a normalisation, felt when the weights are small"
    if isinstance(owner, nn.Linear):
        return "usually a trainable linear head; freeze it with requires_grad_(False)"
    if "Norm" in type(owner).__name__:
        return "usually an affine normalisation whose output is not normalised again; use affine=False"
    if model.get_parameter(name).dim() == 1:
        return "usually a bias; remove it with bias=False"
    return "usually no normalisation follows, or one that uses running statistics, as in eval()"
