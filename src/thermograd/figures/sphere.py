"""Pictures of a sphere: colours, great circles and paths on the side that faces the viewer.

Drawn in orthographic projection onto ordinary axes, so that what is hidden is hidden exactly, and surfaces
are images and not thousands of polygons.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from thermograd.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

__all__ = ["View", "sphere_circles", "sphere_graticule", "sphere_marks", "sphere_path", "sphere_surface"]

Array = NDArray[np.float64]
_PIXELS = 420
_RASTER_ABOVE = 1500  # points of a path; longer ones make vector files that are slow to open


@dataclass(frozen=True)
class View:
    """From where a sphere is looked at, and how much of it is shown.

    Attributes
    ----------
    elevation, azimuth
        Of the viewer, in degrees: above the x-y plane, and from the x axis.
    half_width
        Half the side of the square that is shown, in radii; the whole sphere needs a little more than 1.

    Examples
    --------
    >>> across, up, depth = View(90, -90).project([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    >>> across.round(12) + 0.0, up.round(12) + 0.0
    (array([1., 0.]), array([0., 1.]))

    """

    elevation: float
    azimuth: float
    half_width: float = 1.03

    @property
    def axes(self) -> Array:
        """Unit vectors to the right, upwards and towards the viewer, shape ``(3, 3)``."""
        e, a = np.radians(self.elevation), np.radians(self.azimuth)
        towards = np.array([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)])
        right = np.array([-np.sin(a), np.cos(a), 0.0])
        return np.stack([right, np.cross(towards, right), towards])

    def project(self, points: ArrayLike) -> tuple[Array, Array, Array]:
        """Coordinates across and upwards, and depth: above 0 on the side that faces the viewer."""
        across, up, depth = np.moveaxis(np.asarray(points, dtype=float) @ self.axes.T, -1, 0)
        return across, up, depth


def sphere_surface(values: xr.DataArray, ax: Axes, view: View, **settings: Any) -> AxesImage:
    """Colour the sphere by values on a grid of latitudes and longitudes.

    Parameters
    ----------
    values
        Over ``latitude`` and ``longitude`` in degrees, as ``on_sphere(normals, globe())`` has them. Poles
        where there is no value take the mean of the circle beside them.
    ax
        matplotlib axes to draw into; they are made square and bare.
    view
        From where to look.
    **settings
        ``cmap``, ``norm``, ``vmin``, ``vmax``, as for ``imshow``.

    Returns
    -------
    AxesImage
        For a colour bar.

    Raises
    ------
    InputError
        If the values are over anything else.

    """
    from scipy.interpolate import RegularGridInterpolator

    if set(values.dims) != {"latitude", "longitude"}:
        raise InputError(f"figure: values are over {values.dims}; expected latitude and longitude")
    table = values.transpose("latitude", "longitude")
    numbers = table.values.astype(float)
    for end, beside in ((0, 1), (-1, -2)):
        if np.isnan(numbers[end]).any():
            numbers[end] = np.mean(numbers[beside])
    # A ratio's infinities have a place on the colour scale, its end, but no interpolation.
    top = settings.get("vmax") or np.max(numbers, where=np.isfinite(numbers), initial=0.0)
    numbers = np.minimum(numbers, 10 * top)
    _frame(ax, view)
    h = view.half_width
    side = (np.arange(_PIXELS) + 0.5) / _PIXELS * 2 * h - h
    across, up = np.meshgrid(side, side)
    square = across**2 + up**2
    depth = np.sqrt(np.clip(1 - square, 0, None))
    points = np.stack([across, up, depth], axis=-1) @ view.axes
    latitude = np.degrees(np.arcsin(np.clip(points[..., 2], -1, 1)))
    longitude = np.degrees(np.arctan2(points[..., 1], points[..., 0]))
    look_up = RegularGridInterpolator((table["latitude"].values, table["longitude"].values), numbers)
    seen = np.ma.masked_where(square > 1, look_up(np.stack([latitude, longitude], axis=-1)))
    return ax.imshow(seen, extent=(-h, h, -h, h), origin="lower", interpolation="bilinear", **settings)


def sphere_graticule(ax: Axes, view: View, colour: str = "#ffffff", alpha: float = 0.25) -> None:
    """Draw meridians and parallels every 30 degrees: they make a disc look like a sphere."""
    turn = np.radians(np.arange(-180.0, 181.0, 2.0))
    lines = []
    for latitude in np.radians(np.arange(-60.0, 61.0, 30.0)):
        c, s = np.cos(latitude), np.full_like(turn, np.sin(latitude))
        lines.append(np.stack([c * np.cos(turn), c * np.sin(turn), s], axis=-1))
    for longitude in np.radians(np.arange(0.0, 180.0, 30.0)):
        c = np.cos(turn)
        lines.append(np.stack([c * np.cos(longitude), c * np.sin(longitude), np.sin(turn)], axis=-1))
    for line in lines:
        _front(ax, view, line, color=colour, alpha=alpha, linewidth=0.5, zorder=1.5)
    edge = np.stack([np.cos(turn), np.sin(turn)])
    ax.plot(*edge, color="#444444", linewidth=0.8, zorder=4)


def sphere_circles(normals: ArrayLike, ax: Axes, view: View, **settings: Any) -> None:
    """Draw great circles, given the normals of their planes, shape ``(n, 3)``, where they are seen."""
    turn = np.linspace(0, 2 * np.pi, 1441)
    style: dict[str, Any] = {"color": "black", "linewidth": 1.1, "zorder": 2.5} | settings
    for normal in np.asarray(normals, dtype=float).reshape(-1, 3):
        # Any vector that is not along the normal gives two axes of its plane.
        other = np.eye(3)[np.argmin(np.abs(normal))]
        first = np.cross(normal, other)
        first /= np.linalg.norm(first)
        second = np.cross(normal / np.linalg.norm(normal), first)
        _front(ax, view, np.outer(np.cos(turn), first) + np.outer(np.sin(turn), second), **style)


def sphere_path(points: ArrayLike, ax: Axes, view: View, **settings: Any) -> None:
    """Draw a walk over the sphere, shape ``(n, 3)``, where it is seen; long walks as an image."""
    walk = np.asarray(points, dtype=float)
    style: dict[str, Any] = {"linewidth": 1.0, "zorder": 3, "solid_joinstyle": "round"} | settings
    _front(ax, view, walk, rasterized=len(walk) > _RASTER_ABOVE, **style)


def sphere_marks(points: ArrayLike, ax: Axes, view: View, **settings: Any) -> None:
    """Draw points of the sphere, shape ``(n, 3)``, where they are seen; many as an image."""
    across, up, depth = view.project(np.asarray(points, dtype=float).reshape(-1, 3))
    style: dict[str, Any] = {"marker": "o", "linestyle": "none", "zorder": 3} | settings
    front = depth > 0
    ax.plot(across[front], up[front], rasterized=int(front.sum()) > _RASTER_ABOVE, **style)


def _frame(ax: Axes, view: View) -> None:
    ax.set_axis_off()
    ax.set_aspect("equal")
    ax.set_xlim(-view.half_width, view.half_width)
    ax.set_ylim(-view.half_width, view.half_width)


def _front(ax: Axes, view: View, line: Array, **settings: Any) -> None:
    """The part of a line that is not behind the sphere."""
    across, up, depth = view.project(line)
    hidden = depth < -1e-9
    if not hidden.all():
        ax.plot(np.where(hidden, np.nan, across), np.where(hidden, np.nan, up), **settings)
    _frame(ax, view)
