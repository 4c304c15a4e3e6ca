"""Nearest neighbours in the papers' chart of the sphere, without ever holding the angles of all points."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermograd.entropy.neighbours.angles import LAST_PERIOD, at_normal_size, to_angles
from thermograd.entropy.neighbours.columns import WIDTH, Block
from thermograd.entropy.neighbours.nearest import (
    TREE_DIMENSION,
    Neighbours,
    check_neighbours,
    nearest_neighbours,
)
from thermograd.entropy.neighbours.room import Room
from thermograd.entropy.neighbours.search import search
from thermograd.entropy.neighbours.threads import in_ranges
from thermograd.entropy.points import as_array
from thermograd.entropy.progress import tell
from thermograd.errors import InputError

__all__ = ["ChartColumns", "chart_neighbours"]

_LEAST, _MOST = 1e-280, 1e300  # squared norms between which no square that matters is lost


def chart_neighbours(
    u: NDArray[np.floating[Any]], k: int = 1, *, theiler: int = 0
) -> tuple[Neighbours, NDArray[np.float64]]:
    """Nearest neighbours of directions by their spherical angles, and the log Jacobian of the chart.

    ``rho_ij^2 = sum_(j<=d-2) (phi_j - phi'_j)^2 + wrap(phi_(d-1) - phi'_(d-1))^2``, and per point
    ``sum_(j<=d-2) (d-1-j) log sin phi_j = sum_(j=2)^(d-1) log(t_j / t_1)`` with ``t_j`` the norm of
    ``(u_j, .., u_d)``: what follows a coordinate gives its angle, its sine and the whole Jacobian.

    Parameters
    ----------
    u
        Vectors in time order, shape ``(n, d)``, ``d >= 2``, float32 or float64; their norms do not matter. A
        ``numpy.memmap`` is read a few columns at a time.
    k
        How many neighbours.
    theiler
        Points no farther apart in time than so many rows are no neighbours.

    Returns
    -------
    Neighbours
        Distances in the chart, the last angle periodic, and indices: those of :func:`nearest_neighbours` on
        :func:`to_angles`, as exactly (an angle is rounded by at most 2e-16).
    array
        Shape ``(n,)``: the log Jacobian, minus infinity at a pole.

    Raises
    ------
    InputError
        When too few points are left to some point, or a setting is out of range; for rows that are zero, hold
        nan or inf, or end in coordinates too small to be squared beside the others.

    Notes
    -----
    Angles are computed in float64 from the right, ``atan(u_j / t_(j+1))`` measured from the equator: in high
    dimension nearly all are tiny and keep more digits so than near pi/2. In the chart the last few hundred
    columns make up half of a distance, and most pairs need no others. Memory: as for ``nearest_neighbours``,
    and 1024 columns of angles.

    References
    ----------
    IG section 5.1, eq. 26-28.

    Examples
    --------
    >>> u = np.array([[0.0, 1.0, 1.0], [0.0, 1.0, 1.1], [0.1, -1.0, 0.0]])
    >>> found, log_stretch = chart_neighbours(u)
    >>> found.index[:, 0], found.distance[0, 0].round(6), log_stretch.round(6)
    (array([1, 0, 1]), np.float64(0.047583), array([ 0.      ,  0.      , -0.004975]))

    """
    points = as_array(u, "chart_neighbours")
    if points.ndim != 2 or points.shape[1] < 2:
        raise InputError(
            f"chart_neighbours: directions have shape {points.shape}; expected (number, dimension >= 2)"
        )
    check_neighbours("chart_neighbours", len(points), k, None, theiler)
    columns = ChartColumns(points)
    found = _search(points, columns, k, theiler)
    if len(rows := columns.unfit_rows()):
        points = at_normal_size("chart_neighbours", points, rows)
        columns = ChartColumns(points)
        found = _search(points, columns, k, theiler)
        if len(rows := columns.unfit_rows()):
            raise InputError(
                f"chart_neighbours: the last coordinates of row {rows[0]} are less than 1e-140 of its norm; "
                "expected directions whose squares float64 can hold"
            )
    return found, columns.log_jacobian()


def _search(u: NDArray[np.floating[Any]], columns: ChartColumns, k: int, theiler: int) -> Neighbours:
    if u.shape[1] - 1 <= TREE_DIMENSION:
        return nearest_neighbours(to_angles(u), k, period=LAST_PERIOD, theiler=theiler)
    squared, index = search(columns, k, theiler, u.nbytes)
    return Neighbours(np.sqrt(squared), index)


class ChartColumns:
    """The latitudes ``pi/2 - phi_j`` of directions, from the last to the first, and the periodic last angle.

    Parameters
    ----------
    u
        Vectors, shape ``(n, d)``, ``d >= 2``.

    """

    def __init__(self, u: NDArray[np.floating[Any]]) -> None:
        self.n, d = u.shape
        self._u = u
        self.at_hand = False
        self._straight = d - 2
        self.widths = [min(WIDTH, stop) for stop in range(d - 2, 0, -WIDTH)]
        u_last, v_last = (np.ascontiguousarray(u[:, c], dtype=np.float64) for c in (-1, -2))
        with np.errstate(over="ignore"):  # found out, and mended, by who has seen all columns
            self._rest = u_last**2 + v_last**2
        self._lost = np.zeros(self.n, dtype=np.int8)
        # +0.0 turns a negative zero into a positive one, so that the angle is pi and never -pi.
        self.periodic = np.arctan2(u_last + 0.0, v_last), LAST_PERIOD
        self._log_jacobian: NDArray[np.float64] | None = None
        self._norms = self._rest

    def blocks(self, pool: ThreadPoolExecutor | None, room: Room | None = None) -> Iterator[Block]:
        """Latitudes of up to 1024 columns, in an array that the next block overwrites."""
        from thermograd.entropy.neighbours import compiled_latitudes

        as_it_is = self._u.flags.c_contiguous and self._u.flags.aligned and self._u.dtype.isnative
        u = np.asarray(self._u)
        tails, logs = self._rest.copy(), np.zeros(self.n)
        out = (room or Room()).array((self.n, min(WIDTH, self._straight)))
        for stop in range(self._straight, 0, -WIDTH):
            start = max(0, stop - WIDTH)
            values, a, b = u, start, stop
            if not as_it_is:
                values = np.ascontiguousarray(u[:, start:stop], dtype=u.dtype.newbyteorder("="))
                a, b = 0, stop - start
            kernel: Any = compiled_latitudes.latitudes
            work = partial(kernel, values, a, b, tails, logs, self._lost, out)
            in_ranges(pool, work, self.n)
            if start == 0:
                with np.errstate(divide="ignore", invalid="ignore"):
                    jacobian = 0.5 * (logs - self._straight * np.log(tails))
                self._log_jacobian, self._norms = jacobian, tails
            yield out, 0, stop - start
            tell("distances", self._straight - start, self._straight)

    def rows(self, index: NDArray[np.intp]) -> ChartColumns:
        """The same of some of the points."""
        return ChartColumns(np.ascontiguousarray(self._u[index]))

    def log_jacobian(self) -> NDArray[np.float64]:
        """The log Jacobian of every point: found on the way by whoever has visited all blocks."""
        if self._log_jacobian is None:
            if not self._straight:  # a circle: nothing is stretched
                return np.zeros(self.n)
            for _ in self.blocks(None):
                pass
        assert self._log_jacobian is not None
        return self._log_jacobian

    def unfit_rows(self) -> NDArray[np.intp]:
        """Rows whose squares float64 can not hold, so that their angles are wrong."""
        self.log_jacobian()
        whole = (self._norms > _LEAST) & (self._norms < _MOST)
        return np.flatnonzero(~whole | (self._lost > 0))
