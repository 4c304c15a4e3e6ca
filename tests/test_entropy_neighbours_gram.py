"""Who makes the products of the Gram matrix, and how many threads BLAS is left with meanwhile."""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from thermograd.entropy.neighbours import gram, search
from thermograd.entropy.neighbours.columns import StraightColumns
from thermograd.entropy.neighbours.gram import PartialGram, products_in_one_thread
from thermograd.entropy.neighbours.nearest import nearest_neighbours


@pytest.mark.parametrize(
    ("n", "width", "rows", "tiled"),
    [(100, 80, 100, True), (100, 80, 64, True), (100, 80, 63, False), (100, 63, 100, False)],
)
def test_blas_is_kept_to_one_thread_wherever_tiles_are_not_used(monkeypatch, n, width, rows, tiled):
    made = []
    kept = []

    class Blas:
        def __enter__(self):
            kept.append(True)

        def __exit__(self, *exception):
            pass

    class Tiles:
        error = 0.0

        def __init__(self, *arguments):
            made.append(arguments)

    monkeypatch.setattr(gram, "tiles_at_hand", lambda: True)
    monkeypatch.setattr(gram, "TileProducts", Tiles)
    monkeypatch.setattr(gram, "blas_in_one_thread", Blas)
    columns = StraightColumns(np.random.default_rng(0).standard_normal((n, width)), None)
    with products_in_one_thread(columns, rows):
        PartialGram(columns, 0, rows, 0, None)
    assert (bool(made), bool(kept)) == (tiled, not tiled)
    # Without a matrix unit everything is left to BLAS.
    made.clear(), kept.clear()
    monkeypatch.setattr(gram, "tiles_at_hand", lambda: False)
    with products_in_one_thread(columns, rows):
        PartialGram(columns, 0, rows, 0, None)
    assert (made, kept) == ([], [True])


def test_a_search_among_few_points_has_one_thread_of_blas(monkeypatch):
    seen = []
    original = search._search_rows

    def watched(*arguments):
        seen.extend(one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas")
        return original(*arguments)

    monkeypatch.setattr(search, "_search_rows", watched)
    x = np.random.default_rng(1).standard_normal((40, 30))
    nearest_neighbours(x, 2)
    assert seen
    assert set(seen) == {1}
