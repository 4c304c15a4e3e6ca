"""Memory kept between searches: whoever uses it, the answers are the same."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from thermograd.entropy.neighbours import room as rooms
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


def test_after_a_larger_search_a_smaller_one_is_right_and_the_other_way_round():
    for n, d in ((50, 30), (400, 90), (60, 2500), (400, 90)):
        x = walk(n, d, n)
        assert np.allclose(
            nearest_neighbours(x).distance, brute_force_neighbours(x).distance, rtol=1e-12, atol=0
        ), (n, d)
        assert np.isfinite(chart_neighbours(x)[0].distance).all()


def test_searches_at_one_time_do_not_share():
    samples = [walk(200, 400, seed) for seed in range(8)]
    alone = [nearest_neighbours(x).distance for x in samples]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda x: nearest_neighbours(x).distance, samples))
    assert all(map(np.array_equal, alone, together))
    assert len(rooms._KEPT) <= 4


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
