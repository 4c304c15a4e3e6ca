"""The search for nearest neighbours by whole Gram matrices on a device of torch's.

A GPU multiplies matrices a hundred times faster than anything else is done, so nothing is foreseen there:
float32 products of all columns bound all distances (:mod:`.gram` has the bounds), and the pairs that they
leave open are measured in float64 on the device.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from thermograd.entropy.neighbours.columns import WIDTH
from thermograd.entropy.neighbours.follow import Pairs, nearest_of

if TYPE_CHECKING:
    import torch

__all__ = ["torch_neighbours"]

_TILE = 2**24  # pairs of a tile of the matrix: some 800 MB of it, its bounds and its masks
_NUMBERS = 2**24  # measured at a time
_ERROR = (WIDTH + 8) * 2.0**-24 * 1.01  # as in PartialGram


def torch_neighbours(
    x: Any, k: int, period: float | None, theiler: int, device: str | torch.device
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Squared distances and indices of the ``k`` nearest neighbours of every point.

    Parameters
    ----------
    x
        Points in time order, shape ``(n, m)``, float32 or float64: a tensor wherever it lies, or an array,
        of which a few columns at a time are copied to the device.
    k
        How many neighbours; every point must have as many that count.
    period
        Of the last coordinate; ``None`` for none.
    theiler
        Pairs of rows no farther apart than this do not count.
    device
        Where to work; it must have float64.

    Examples
    --------
    >>> import torch
    >>> torch_neighbours(torch.tensor([[0.0], [1.0], [3.0]]), 1, None, 0, "cpu")[1][:, 0]
    array([1, 0, 1])

    """
    import torch

    n = len(x)
    rows = max(1, _TILE // n)
    squared, index = np.empty((n, k)), np.empty((n, k), dtype=np.intp)
    with _whole_float32(), torch.no_grad(), torch.autocast(torch.device(device).type, enabled=False):
        for first in range(0, n, rows):
            stop = min(first + rows, n)
            i, j = _open_pairs(x, first, stop, k, period, theiler, device)
            measured = _measured(x, i, j, period, device)
            pairs = Pairs(
                *(a.cpu().numpy() for a in (i.int(), j.int(), measured, torch.zeros_like(measured)))
            )
            near, who = nearest_of(pairs, n, k, symmetric=False)
            squared[first:stop], index[first:stop] = near[first:stop], who[first:stop]
    return squared, index


@contextmanager
def _whole_float32() -> Iterator[None]:
    """Products of matrices without the shorter formats that users allow for their networks.

    They would break the bounds. torch has two old settings for it and, since 2.9, a new one for each backend,
    and refuses to read an old one where a new one says otherwise. So whichever old one allows them is turned
    off as it was turned on, and then the new ones: they agree all the while.
    """
    import torch

    cuda = torch.backends.cuda.matmul
    backends: list[Any] = [cuda, getattr(torch.backends.mkldnn, "matmul", None)]
    backends = [backend for backend in backends if hasattr(backend, "fp32_precision")]
    found = [backend.fp32_precision for backend in backends]
    old = _unless_mixed(torch.get_float32_matmul_precision) or "highest"
    tf32 = old == "highest" and bool(_unless_mixed(lambda: cuda.allow_tf32))
    if old != "highest":
        torch.set_float32_matmul_precision("highest")
    if tf32:
        cuda.allow_tf32 = False
    _set_precision(backends, ["ieee"] * len(backends))
    try:
        yield
    finally:
        if old != "highest":
            torch.set_float32_matmul_precision(old)
        if tf32:
            cuda.allow_tf32 = True
        _set_precision(backends, found)


def _unless_mixed(read: Callable[[], Any]) -> Any:
    """An old setting, or None where a new one contradicts it."""
    try:
        return read()
    except RuntimeError:
        return None


def _set_precision(backends: list[Any], wanted: list[str]) -> None:
    for backend, precision in zip(backends, wanted, strict=True):
        if backend.fp32_precision != precision:
            backend.fp32_precision = "none"
        # What was inherited from the setting for all operations is inherited again.
        if backend.fp32_precision != precision:
            backend.fp32_precision = precision


def _block(x: Any, a: int, b: int, device: str | torch.device) -> torch.Tensor:
    import torch

    if isinstance(x, torch.Tensor):
        return x[:, a:b].to(device=device, dtype=torch.float64)
    return torch.from_numpy(np.array(x[:, a:b], dtype=np.float64)).to(device)


def _starts(x: Any, period: float | None) -> tuple[int, range]:
    straight = x.shape[1] - (period is not None)
    return straight, range(0, straight, WIDTH)


def _open_pairs(
    x: Any,
    first: int,
    stop: int,
    k: int,
    period: float | None,
    theiler: int,
    device: str | torch.device,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The pairs of rows ``first .. stop`` that may be among the ``k`` nearest of the row."""
    import torch

    n, tile = len(x), slice(first, stop)
    inner = torch.zeros((stop - first, n), dtype=torch.float64, device=device)
    norms = torch.zeros(n, dtype=torch.float64, device=device)
    slack = 0.0
    straight, starts = _starts(x, period)
    for a in starts:
        y = _block(x, a, min(a + WIDTH, straight), device)
        y = y - y[n // 2]
        size = float(y.abs().max())
        if size == 0:
            continue
        # A power of 2, which loses no digits and keeps squares within float32's range. Where a square is
        # outside float64's, bounds become nan, which closes no pair.
        scale = math.ldexp(1.0, min(1000, -math.frexp(size)[1])) if math.isfinite(size) else 0.0
        back = 1.0 / scale if scale else math.nan
        short = (y * scale).float()
        inner += (short[tile] @ short.T).double() * back * back
        norms += short.double().square().sum(dim=1) * back * back
        slack += y.shape[1] * 2.0**-100 * back * back
    sums = norms[tile, None] + norms[None, :]
    centre = sums - 2.0 * inner
    if period is not None:
        angle = _block(x, straight, straight + 1, device)[:, 0]
        gap = angle[tile, None] - angle[None, :]
        centre += (gap - period * torch.round(gap / period)).square()
    here = torch.arange(first, stop, device=device)[:, None]
    far = (here - torch.arange(n, device=device)[None, :]).abs() > theiler
    upper = torch.where(far, centre + (_ERROR * sums + slack), math.inf).nan_to_num(nan=math.inf)
    reach = torch.topk(upper, k, dim=1, largest=False).values[:, -1:]
    i, j = torch.nonzero(far & ~(centre - (_ERROR * sums + slack) > reach), as_tuple=True)
    return i + first, j


def _measured(
    x: Any, i: torch.Tensor, j: torch.Tensor, period: float | None, device: str | torch.device
) -> torch.Tensor:
    """Squared distances of pairs, in float64."""
    import torch

    found = torch.zeros(len(i), dtype=torch.float64, device=device)
    straight, starts = _starts(x, period)
    if period is not None:
        angle = _block(x, straight, straight + 1, device)[:, 0]
        gap = angle[i] - angle[j]
        found += (gap - period * torch.round(gap / period)).square()
    step = _NUMBERS // WIDTH
    for a in starts:
        block = _block(x, a, min(a + WIDTH, straight), device)
        for start in range(0, len(i), step):
            some = slice(start, start + step)
            found[some] += (block[i[some]] - block[j[some]]).square().sum(dim=1)
    return found
