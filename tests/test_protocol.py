"""The protocols refuse what has no meaning, and grids know their points."""

import math

import pytest

from thermograd.errors import InputError
from thermograd.protocol import PROTOCOLS, FixedELR, FixedLR, FixedSphere, Grid


@pytest.mark.parametrize("name", PROTOCOLS)
@pytest.mark.parametrize("bad", [0, -1, math.nan, math.inf, "x", None])
def test_every_hyperparameter_must_be_positive_and_finite(name, bad):
    protocol = PROTOCOLS[name]
    for axis in protocol.axes:
        values = dict.fromkeys(protocol.axes, 0.1) | {axis: bad}
        with pytest.raises(
            InputError, match=rf"{name}: {axis} .* is {bad!r}; expected a finite number above 0"
        ):
            protocol(**values)


def test_protocols_are_frozen_hashable_and_float():
    protocol = FixedLR(lr=1, wd=2)
    assert protocol.values == {"lr": 1.0, "wd": 2.0}
    assert {protocol: "x"}[FixedLR(lr=1.0, wd=2.0)] == "x"
    with pytest.raises(AttributeError):
        protocol.lr = 3


def test_effective_lr_is_what_the_direction_feels():
    assert FixedLR(lr=0.2, wd=1).effective_lr(2.0) == pytest.approx(0.05)
    assert FixedELR(elr=0.2, wd=1).effective_lr(2.0) == 0.2
    assert FixedSphere(elr=0.2, radius=3).effective_lr(3.0) == 0.2


def test_grid_is_sorted_rectangular_and_last_axis_fastest():
    grid = FixedELR.grid(elr=[1e-2, 1e-3], wd=[1, 2, 3])
    assert grid.shape == (2, 3)
    assert len(grid) == len(list(grid)) == 6
    assert list(grid)[:2] == [FixedELR(elr=1e-3, wd=1), FixedELR(elr=1e-3, wd=2)]


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"elr": [], "wd": [1]}, "elr has no values"),
        ({"elr": [1, 1.0], "wd": [1]}, "value twice"),
        ({"elr": [-1], "wd": [1]}, "elr .* is -1"),
    ],
)
def test_bad_grids_are_refused(axes, message):
    with pytest.raises(InputError, match=message):
        FixedELR.grid(**axes)


def test_a_grid_may_be_a_path():
    points = [FixedELR(elr=0.1, wd=2), FixedELR(elr=0.2, wd=1), FixedELR(elr=0.1, wd=2)]
    path = Grid.of(points)
    assert (path.shape, len(path), set(path)) == ((2, 2), 2, set(points))
    assert Grid(FixedELR, dict(path.axes), path.only) == path
    with pytest.raises(InputError, match=r"only has the point \(0.3, 1.0\); expected one of the rectangle"):
        Grid(FixedELR, {"elr": [0.1], "wd": [1]}, ((0.3, 1.0),))
    with pytest.raises(InputError, match="points of 2 protocols"):
        Grid.of([FixedELR(elr=0.1, wd=2), FixedLR(lr=0.2, wd=1)])
    with pytest.raises(InputError, match="only has no points"):
        Grid(FixedELR, {"elr": [0.1], "wd": [1]}, ())


def test_a_grid_needs_its_protocol_s_own_axes():
    with pytest.raises(InputError, match=r"axes are \['lr', 'wd'\]; expected \['elr', 'wd'\]"):
        Grid(FixedELR, {"lr": [1], "wd": [1]})
