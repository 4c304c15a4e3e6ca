"""A saved state comes back as it was, or not at all: every damaged byte is noticed."""

import numpy as np
import pytest

from thermograd.errors import InputError
from thermograd.state_file import previous_state, read_latest_state, read_state, write_state

SETTINGS = {"runs": ["a", "b"], "version": 3}
ARRAYS = {"weights": np.arange(6, dtype=np.float32).reshape(2, 3), "words": np.array('{"x": 1}')}


def equal(first, second):
    return first.keys() == second.keys() and all(np.array_equal(first[k], second[k]) for k in first)


def test_what_was_written_is_read(tmp_path):
    path = write_state(tmp_path / "state.npz", SETTINGS, ARRAYS)
    assert equal(read_state(path, SETTINGS), ARRAYS)
    assert [file.name for file in tmp_path.iterdir()] == ["state.npz"]


def test_any_damaged_byte_and_any_length_is_noticed(tmp_path):
    path = write_state(tmp_path / "state.npz", SETTINGS, ARRAYS)
    content = path.read_bytes()
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="cannot be read"):
            read_state(path, SETTINGS)
    for length in (0, 1, 31, 32, 33, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(InputError, match="cannot be read"):
            read_state(path, SETTINGS)
    path.write_bytes(content)
    assert equal(read_state(path, SETTINGS), ARRAYS)


def test_the_state_before_is_kept_and_a_damaged_one_never_takes_its_place(tmp_path):
    path = tmp_path / "state.npz"
    for value in (1, 2):
        write_state(path, SETTINGS, {"x": np.array(value)}, keep_previous=True)
    assert read_state(previous_state(path), SETTINGS)["x"] == 1
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.warns(RuntimeWarning, match="the state before it is tried"):
        assert read_latest_state(path, SETTINGS)["x"] == 1
    write_state(path, SETTINGS, {"x": np.array(3)}, keep_previous=True)
    assert read_state(path, SETTINGS)["x"] == 3
    assert read_state(previous_state(path), SETTINGS)["x"] == 1


def test_other_settings_are_refused_by_name(tmp_path):
    path = write_state(tmp_path / "state.npz", SETTINGS, ARRAYS)
    with pytest.raises(InputError, match="made with version 3; expected 4"):
        read_state(path, {**SETTINGS, "version": 4})
    assert read_latest_state(tmp_path / "nothing.npz", SETTINGS) is None
