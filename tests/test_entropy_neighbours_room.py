"""Memory kept between searches: whoever uses it, the answers are the same."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from thermograd.entropy.neighbours import gram, search
from thermograd.entropy.neighbours import room as rooms
from thermograd.entropy.neighbours.angles import LAST_PERIOD, to_angles
from thermograd.entropy.neighbours.brute import brute_force_neighbours
from thermograd.entropy.neighbours.chart import chart_neighbours
from thermograd.entropy.neighbours.nearest import nearest_neighbours
from thermograd.entropy.neighbours.room import Room, borrowed


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch):
    monkeypatch.setattr(rooms, "_KEPT", [])


def walk(n, d, seed):
    rng = np.random.default_rng(seed)
    return np.cumsum(rng.standard_normal((n, d)), axis=0)


def test_arrays_share_nothing_and_begin_at_a_line():
    room = Room(np.full(1000, 255, dtype=np.uint8))
    # The last does not fit, and is memory of its own.
    arrays = [room.array(7, np.int32), room.zeros((3, 5)), room.array(0), room.array(2000, np.int16)]
    for k, array in enumerate(arrays):
        assert array.ctypes.data % 64 == 0 or not array.size
        array.fill(k)
    assert [set(array.ravel()) for array in arrays] == [{0}, {1}, set(), {3}]
    room.clear()
    assert np.shares_memory(room.array(7, np.int32), arrays[0])
    assert not room.zeros((2, 2)).any()


def test_the_second_search_finds_room_for_everything_in_what_the_first_left():
    x = walk(300, 500, 0)
    first = nearest_neighbours(x, 3)
    (kept,) = rooms._KEPT
    kept.fill(255)  # nan, and negative numbers of points
    second = nearest_neighbours(x, 3)
    (again,) = rooms._KEPT
    assert again is kept
    for name in ("distance", "index"):
        assert np.array_equal(getattr(first, name), getattr(second, name))
        assert not np.shares_memory(getattr(second, name), kept)


@pytest.mark.parametrize("tiled", [True, False])
@pytest.mark.parametrize("rows", [2**26, 2**14])
def test_whatever_was_in_the_memory_before_the_nearest_are_found(monkeypatch, tiled, rows):
    """Larger and smaller searches after one another, of one and several blocks and tiles of rows."""
    monkeypatch.setattr(search, "_LEAST_TILE", rows)
    monkeypatch.setattr(search, "_SHARE", 10**9)
    if not tiled:
        monkeypatch.setattr(gram, "tiles_at_hand", lambda: False)
    rng = np.random.default_rng(0)
    clusters = rng.standard_normal((120, 2500)) + 10.0 * rng.standard_normal((6, 2500))[np.arange(120) % 6]
    samples = [
        walk(50, 30, 0),
        walk(150, 2500, 1),
        rng.standard_normal((90, 3000)),
        clusters,
        walk(200, 90, 2),
    ]
    for fill in (0, 63, 255):
        for x in samples:
            for kept in rooms._KEPT:
                kept.fill(fill)
            assert np.allclose(
                nearest_neighbours(x, 2).distance, brute_force_neighbours(x, 2).distance, rtol=1e-12, atol=0
            )
            angles = to_angles(x)
            want = brute_force_neighbours(angles, 2, period=LAST_PERIOD).distance
            assert np.allclose(chart_neighbours(x, 2)[0].distance, want, rtol=1e-9, atol=0)


def test_searches_at_one_time_do_not_share():
    samples = [walk(200, 400, seed) for seed in range(8)]
    alone = [nearest_neighbours(x).distance for x in samples]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda x: nearest_neighbours(x).distance, samples))
    assert all(map(np.array_equal, alone, together))
    assert len(rooms._KEPT) == 1


def test_a_search_that_fails_leaves_nothing_and_a_large_one_keeps_nothing(monkeypatch):
    with pytest.raises(ZeroDivisionError), borrowed() as room:
        room.array(10 // room.asked)
    assert rooms._KEPT == []
    monkeypatch.setattr(rooms, "_MOST", 1000)
    with borrowed() as room:
        room.array(1000)
    assert rooms._KEPT == []
    with borrowed() as room:
        room.array(100)
    assert len(rooms._KEPT) == 1
