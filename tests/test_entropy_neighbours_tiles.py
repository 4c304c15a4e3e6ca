from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numba.core
import numpy as np
import pytest
from numpy.typing import NDArray

from thermograd.entropy.neighbours import gram, tiles
from thermograd.entropy.neighbours.chart import chart_neighbours
from thermograd.entropy.neighbours.columns import StraightColumns
from thermograd.entropy.neighbours.gram import PartialGram
from thermograd.entropy.neighbours.nearest import nearest_neighbours
from thermograd.entropy.neighbours.tiles import TileProducts, tiles_at_hand
from thermograd.errors import InputError

Array = NDArray[np.float64]

needs_tiles = pytest.mark.skipif(not tiles_at_hand(), reason="this processor has no AMX")


def products(x: Array, first: int, stop: int, pool: ThreadPoolExecutor | None = None) -> tuple[Array, Array]:
    """Products of rows ``first .. stop`` with all, and the bound of their error."""
    n, w = x.shape
    inner, norms = np.zeros((stop - first, n)), np.zeros(n)
    made = TileProducts(n, first, stop, w, pool)
    made.take(x, 0, w, np.zeros(w), 1.0, norms)
    made.add(inner, 1.0)
    np.testing.assert_allclose(norms, np.sum(x**2, axis=1), rtol=1e-13)
    return inner, 0.5 * made.error * (norms[first:stop, None] + norms)


@needs_tiles
@pytest.mark.parametrize(
    ("n", "first", "stop", "w"),
    [
        (100, 0, 100, 1024),
        (100, 37, 80, 1000),
        (33, 0, 33, 7),
        (64, 63, 64, 300),
        (300, 0, 300, 31),
        (1, 0, 1, 1),
    ],
)
def test_products_lie_within_their_bounds(n: int, first: int, stop: int, w: int) -> None:
    # Panels of 256 points, strips of 32, tiles of 16, pieces of 256 columns: whole, broken and single ones.
    rng = np.random.default_rng(n + w)
    x = rng.standard_normal((n, w)).astype(np.float32) * np.exp(rng.standard_normal(w)).astype(np.float32)
    y = x.astype(float)
    truth = y[first:stop] @ y.T
    whole = stop - first == n
    for pool in (None, ThreadPoolExecutor(2)):
        found, bound = products(y, first, stop, pool)
        wanted = np.tril(np.ones_like(found, dtype=bool)) if whole else np.ones_like(found, dtype=bool)
        assert (np.abs(found - truth) <= bound)[wanted].all()
        assert (found[~wanted] == 0).all()


@needs_tiles
def test_numbers_of_few_digits_are_multiplied_exactly() -> None:
    # 15 bits are h and l without rest, and l l' is zero where one factor has 8 bits only. 1000 products of
    # at most 2^6 2^6, all in units of 1: below 2^24, so every float32 sum is exact.
    rng = np.random.default_rng(3)
    x = rng.integers(-64, 65, size=(70, 1000)).astype(float)
    found, _ = products(x, 0, 70)
    np.testing.assert_array_equal(found, np.tril(x @ x.T))


@needs_tiles
def test_one_bfloat16_a_number_would_break_the_bound() -> None:
    # The control. All numbers 1 + 2^-8 + 2^-15: cut to 8 bits, all err in the same direction.
    x = np.full((32, 1024), 1 + 2.0**-8 + 2.0**-15)
    found, bound = products(x, 0, 32)
    truth = np.tril(x @ x.T)
    assert (np.abs(found - truth) <= np.tril(bound)).all()
    upper = (x.astype(np.float32).view(np.uint32) & 0xFFFF0000).view(np.float32).astype(float)
    assert (np.abs(np.tril(upper @ upper.T) - truth) > bound)[np.tril_indices(32)].all()


@needs_tiles
@pytest.mark.parametrize("power", [8.5, 9.5, 10.5])
def test_what_is_left_out_falls_with_the_square_of_the_rest(power: float) -> None:
    # For y = 1 + e, e < 2^-8 of bits that l holds, h is 1 and e^2 is left out. One product each: three sums,
    # each rounded by 2^-24 at most, and y y' itself in float64.
    rest = round(2.0 ** (15 - power)) / 2.0**15
    x = np.full((16, 1), 1 + rest)
    found, _ = products(x, 0, 16)
    assert (x @ x.T - found)[-1, 0] == pytest.approx(rest**2, abs=3 * 2.0**-24)


@needs_tiles
@pytest.mark.parametrize("step", [1e-6, 1e-2, np.inf])
def test_neighbours_are_the_same_without_tiles(step: float, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    w, x = rng.standard_normal(5000), np.empty((150, 5000))
    for i in range(150):
        move = rng.standard_normal(5000)
        w = move if np.isinf(step) else w / np.linalg.norm(w) + step * move / np.sqrt(5000)
        x[i] = w / np.linalg.norm(w)
    with_tiles = [nearest_neighbours(x, 3, theiler=2), chart_neighbours(x, 2)[0]]
    monkeypatch.setattr(gram, "tiles_at_hand", lambda: False)
    without = [nearest_neighbours(x, 3, theiler=2), chart_neighbours(x, 2)[0]]
    for found, truth in zip(with_tiles, without, strict=True):
        np.testing.assert_array_equal(found.index, truth.index)
        # Sums of 5000 squares in either order of blocks: 1e-13, as for the search itself.
        np.testing.assert_allclose(found.distance, truth.distance, rtol=1e-13)


@pytest.mark.parametrize("theiler", [0, 3])
def test_threads_share_out_what_is_nearest(theiler: int, monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(6).standard_normal((90, 2000))
    squared = np.sum((x[:, None] - x) ** 2, axis=2)
    gap = np.abs(np.subtract.outer(np.arange(90), np.arange(90)))
    squared[gap <= theiler] = np.inf
    monkeypatch.setattr(gram, "thread_count", lambda: 3)
    with ThreadPoolExecutor(3) as pool:
        for first, stop in ((0, 90), (20, 70)):
            for threads in (None, pool):
                bounds = PartialGram(StraightColumns(x, None), first, stop, theiler, threads)
                bounds.add(2)
                upper, who = bounds.nearest(7)
                truth = np.sort(squared[first:stop], axis=1)[:, :7]
                # The k-th smallest upper bound lies above the k-th smallest distance, by twice the error.
                assert (upper >= truth).all()
                assert (upper - truth < 2e-3 * truth).all()
                assert (np.abs(who - np.arange(first, stop)[:, None]) > theiler).all()
                assert (np.take_along_axis(squared[first:stop], who, 1) <= upper).all()


def test_no_tiles_where_code_is_for_another_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba.core.config, "CPU_NAME", "generic")
    assert not tiles_at_hand.__wrapped__()
    monkeypatch.setattr(tiles, "tiles_at_hand", lambda: False)
    with pytest.raises(InputError, match="this processor, or system, has no tiles"):
        TileProducts(4, 0, 4, 8, None)
