from __future__ import annotations

import io
import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from thermograd.entropy import DirectionQueue, kozachenko_leonenko
from thermograd.errors import InputError

Array = NDArray[np.float64]


def vectors(n: int, d: int, seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)) * np.exp(rng.standard_normal((n, 1)))  # of any norm


def unit(x: Array) -> Array:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def test_windows_are_in_time_order_and_do_not_overlap() -> None:
    x = vectors(10, 4)
    queue = DirectionQueue(4, 4)
    windows = []
    for vector in x:
        queue.update(vector)
        if queue.full:
            windows.append(queue.take_window())
    np.testing.assert_allclose(windows[0], unit(x[:4]), rtol=1e-15)
    np.testing.assert_allclose(windows[1], unit(x[4:8]), rtol=1e-15)
    assert len(windows) == 2
    assert len(queue) == 2


@pytest.mark.parametrize("extra", [0, 1, 6, 8])
def test_a_full_queue_drops_its_oldest(extra: int) -> None:
    x = vectors(4 + extra, 3)
    queue = DirectionQueue(4, 3)
    for vector in x:
        queue.update(vector)
    assert len(queue) == 4
    np.testing.assert_allclose(queue.take_window(), unit(x[-4:]), rtol=1e-15)


def test_a_window_is_its_own_memory() -> None:
    x = vectors(4, 3)
    queue = DirectionQueue(2, 3)
    vector = x[0].copy()
    queue.update(vector)
    vector[:] = 9  # training goes on in the same buffer
    queue.update(x[1])
    window = queue.take_window()
    kept = window.copy()
    queue.update(x[2])
    queue.update(x[3])
    np.testing.assert_array_equal(window, kept)
    np.testing.assert_allclose(window, unit(x[:2]), rtol=1e-15)


def test_float32_iterates_keep_all_their_digits() -> None:
    # Steps of 1e-6 of float32 weights in the dimension of ConvNet(8), in the cheaper queue.
    d, n = 24_408, 60
    rng = np.random.default_rng(1)
    w = rng.standard_normal(d).astype(np.float32)
    w /= np.linalg.norm(w)
    queue, exact, rounded = DirectionQueue(n, d, dtype="float32"), [], []
    for _ in range(n):
        w = (w + 1e-6 / math.sqrt(d) * rng.standard_normal(d)).astype(np.float32)
        queue.update(w)
        exact.append(w.astype(np.float64) / np.linalg.norm(w.astype(np.float64)))
        rounded.append(w / np.linalg.norm(w))
    truth = kozachenko_leonenko(np.array(exact)).entropy
    assert kozachenko_leonenko(queue.take_window()).entropy == pytest.approx(truth, abs=1e-4)
    assert rounded[0].dtype == np.float32
    assert abs(kozachenko_leonenko(np.array(rounded)).entropy - truth) > 1.0  # normalised in float32


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_norms_beyond_the_range_of_squares(scale: float) -> None:
    x = (vectors(3, 5) * scale).astype(np.float32)
    queue = DirectionQueue(3, 5, dtype="float32")
    for vector in x:
        queue.update(vector)
    np.testing.assert_allclose(queue.take_window(), unit(x.astype(np.float64)), rtol=1e-14)


def test_saved_in_mid_window_and_restored() -> None:
    x = vectors(7, 3)
    whole, first, second = (DirectionQueue(4, 3) for _ in range(3))
    for vector in x:
        whole.update(vector)
    for vector in x[:5]:
        first.update(vector)
    file = io.BytesIO()
    np.savez(file, **first.state_dict())
    first.update(x[0])  # what is saved does not follow
    file.seek(0)
    with np.load(file, allow_pickle=False) as state:
        second.load_state_dict(dict(state))
    for vector in x[5:]:
        second.update(vector)
    np.testing.assert_array_equal(second.take_window(), whole.take_window())


def test_memory_is_stated_beforehand_and_is_what_is_held() -> None:
    assert DirectionQueue.bytes_needed(1000, 43_692, "float32") == 4 * 1000 * 43_692
    queue = DirectionQueue(10, 20)
    assert queue.bytes == DirectionQueue.bytes_needed(10, 20) == queue.state_dict()["buffer"].nbytes


def test_tensors() -> None:
    torch = pytest.importorskip("torch")
    queue = DirectionQueue(2, 2)
    queue.update(torch.tensor([3.0, 4.0], requires_grad=True))
    queue.update(torch.tensor([0.0, 2.0], dtype=torch.float64))
    np.testing.assert_array_equal(queue.take_window(), [[0.6, 0.8], [0.0, 1.0]])
    with pytest.raises(
        InputError, match="bfloat16; expected float32 or float64, because half precision rounds"
    ):
        queue.update(torch.ones(2, dtype=torch.bfloat16))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: DirectionQueue(1, 3), "size is 1; expected an integer of at least 2"),
        (lambda: DirectionQueue(4, 3.0), "dim is 3.0"),  # type: ignore[arg-type]
        (lambda: DirectionQueue(4, 3, dtype="float16"), "dtype is float16"),
        (lambda: DirectionQueue(4, 3).update(np.ones(4)), r"shape \(4,\); expected \(3,\)"),
        (lambda: DirectionQueue(4, 3).update(np.array([1.0, np.nan, 0.0])), "entry 1 of the vector is nan"),
        (lambda: DirectionQueue(4, 3).update(np.zeros(3)), "the vector is zero"),
        (lambda: DirectionQueue(4, 3).update(np.ones(3, dtype=np.float16)), "float16; expected"),
        (lambda: DirectionQueue(4, 3).update(np.ones(3, dtype=int)), "type int64"),
        (
            lambda: DirectionQueue(4, 3, "float32").update(np.ones(3)),
            "the vector is float64; expected float32",
        ),
        (lambda: DirectionQueue(4, 3).take_window(), "0 vectors are in the queue; expected 4"),
        (
            lambda: DirectionQueue(4, 3).load_state_dict({"updates": 1}),
            r"\['updates'\]; expected buffer and updates",
        ),
        (
            lambda: DirectionQueue(4, 3).load_state_dict(DirectionQueue(5, 3).state_dict()),
            r"shape \(5, 3\); expected \(4, 3\)",
        ),
        (
            lambda: DirectionQueue(4, 3).load_state_dict(DirectionQueue(4, 3, "float32").state_dict()),
            "dtype float32; expected float64",
        ),
        (
            lambda: DirectionQueue(4, 3).load_state_dict({"buffer": np.zeros((4, 3)), "updates": -1}),
            "updates is -1",
        ),
    ],
)
def test_bad_input(call: Callable[[], object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        call()
