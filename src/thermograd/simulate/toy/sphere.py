"""The toy sphere without any training: its losses, gradients and SNR at given points, and its minimum."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from thermograd.errors import InputError
from thermograd.simulate.toy.great_circles import circles

__all__ = ["Minimum", "globe", "minimum", "observables", "on_sphere"]

Array = NDArray[np.float64]

_DESCRIBED = {
    "loss": ("1", "full loss, the mean over the circles", "$L$"),
    "snr": ("1", "signal-to-noise ratio of the gradient of one circle", "SNR"),
    "full_grad_norm": ("1", "norm of the full gradient", r"$|\nabla L|$"),
    "mean_batch_grad_norm": ("1", "mean norm of the gradient of one circle", r"$E|g|$"),
    "grad_sq": ("1", "squared norm of the full gradient", r"$|\nabla L|^2$"),
    "tr_sigma": ("1", "trace of the gradient noise covariance", r"$\mathrm{Tr}\,\Sigma$"),
}


class Minimum(NamedTuple):
    """The least full loss and a unit vector, shape ``(3,)``, where it is taken (its antipode is another)."""

    loss: float
    point: Array


def minimum(normals: ArrayLike) -> Minimum:
    """The minimum of the full loss over the sphere.

    On the unit sphere ``L(x) = x^T M x`` with ``M = mean_i n_i n_i^T``: the minimum is the smallest
    eigenvalue of M, and its eigenvector is where it is taken.

    Parameters
    ----------
    normals
        Normals of the circles' planes, shape ``(n, 3)``.

    Raises
    ------
    InputError
        If they are not that.

    Examples
    --------
    >>> from thermograd.simulate.toy.great_circles import underparameterized
    >>> found = minimum(underparameterized())
    >>> round(found.loss * 26, 12), found.point.round(6) + 0.0
    (1.0, array([0., 0., 1.]))

    """
    n = circles(normals)
    _, vectors = np.linalg.eigh(n.T @ n / len(n))
    point = vectors[:, 0]
    # An eigenvector has no sign: the first coordinate from the last that differs from 0 is made positive.
    largest = next(c for c in point[::-1] if abs(c) > 1e-9)
    point = point * np.sign(largest)
    return Minimum(float(np.mean((n @ point) ** 2)), point)


def observables(normals: Array, points: Array) -> dict[str, Array]:
    """Losses and gradients at unit vectors, exactly: means over all circles, nothing sampled.

    Parameters
    ----------
    normals
        Unit normals, shape ``(n, 3)``.
    points
        Unit vectors, shape ``(..., 3)``.

    Returns
    -------
    dict
        Each of shape ``(...)``: loss, full_grad_norm, mean_batch_grad_norm, grad_sq, tr_sigma, batch_grad_sq.

    """
    s = points @ normals.T
    # The gradient of (n.x)^2/|x|^2 at |x| = 1, tangent to the sphere.
    g = 2 * s[..., None] * (normals - s[..., None] * points[..., None, :])
    mean = g.mean(axis=-2)
    squares = np.sum(g * g, axis=-1)
    # As a mean square of deviations: E|g|^2 - |E g|^2 would cancel where the SNR is large.
    noise = np.mean(np.sum((g - mean[..., None, :]) ** 2, axis=-1), axis=-1)
    grad_sq = np.sum(mean * mean, axis=-1)
    return {
        "loss": np.mean(s * s, axis=-1),
        "full_grad_norm": np.sqrt(grad_sq),
        "mean_batch_grad_norm": np.mean(np.sqrt(squares), axis=-1),
        "grad_sq": grad_sq,
        "tr_sigma": noise,
        "batch_grad_sq": np.mean(squares, axis=-1),
    }


def on_sphere(normals: ArrayLike, points: ArrayLike | xr.DataArray) -> xr.Dataset:
    """Loss, SNR and gradient norms of the toy sphere at any points, exactly (FE figure 13).

    Everything is scale-invariant or taken on the unit sphere, so the points' length is left out.
    ``SNR = |E g| / sqrt(E|g - E g|^2)``, E the mean over the circles.

    Parameters
    ----------
    normals
        Normals of the circles' planes, shape ``(n, 3)``.
    points
        Vectors of R^3, shape ``(..., 3)``; a DataArray with a dimension ``xyz`` keeps its other dimensions.

    Returns
    -------
    xarray.Dataset
        loss, snr, full_grad_norm, mean_batch_grad_norm, grad_sq, tr_sigma over the points; dimensions are
        those of the DataArray, or ``point_0, point_1, ...``. The SNR is NaN where every gradient vanishes and
        infinite where all agree.

    Raises
    ------
    InputError
        If normals or points have another shape, or one of them no direction.

    Examples
    --------
    At the minimum of the three circles the full gradient vanishes, the single ones do not:

    >>> from thermograd.simulate.toy.great_circles import underparameterized
    >>> pole = on_sphere(underparameterized(), [0.0, 0.0, 1.0])
    >>> pole.snr.item() < 1e-12, round(pole.mean_batch_grad_norm.item(), 4)
    (True, 0.3846)

    """
    n = circles(normals)
    if isinstance(points, xr.DataArray):
        if "xyz" not in points.dims or points.sizes["xyz"] != 3:
            raise InputError(
                f"points have dimensions {dict(points.sizes)}; expected xyz of size 3 among them"
            )
        points = points.transpose(..., "xyz")
        dims = tuple(str(dim) for dim in points.dims[:-1])
        coords = {dim: points[dim] for dim in dims if dim in points.coords}
        given = np.asarray(points.values, dtype=np.float64)
    else:
        given = np.asarray(points, dtype=np.float64)
        if given.ndim < 1 or given.shape[-1] != 3:
            raise InputError(f"points have shape {given.shape}; expected (..., 3)")
        dims = tuple(f"point_{i}" for i in range(given.ndim - 1))
        coords = {}
    length = np.sqrt(np.sum(given * given, axis=-1, keepdims=True))
    if not (np.isfinite(given).all() and (length > 0).all()):
        raise InputError(
            "points hold one that is zero or not finite; expected finite vectors, none of them 0"
        )
    found = observables(n, given / length)
    with np.errstate(divide="ignore", invalid="ignore"):
        found["snr"] = np.sqrt(found["grad_sq"] / found["tr_sigma"])
    values = xr.Dataset({name: (dims, np.asarray(found[name])) for name in _DESCRIBED}, coords)
    for name, (units, long_name, symbol) in _DESCRIBED.items():
        values[name].attrs = {"units": units, "long_name": long_name, "symbol": symbol}
    values.attrs = {"normals": n.ravel().tolist()}
    return values


def globe(latitudes: int = 181, longitudes: int = 361) -> xr.DataArray:
    """The whole unit sphere as a grid of points, for `on_sphere` and the figures.

    Parameters
    ----------
    latitudes, longitudes
        Number of each, at least 3; both ends of either range are among them.

    Returns
    -------
    xarray.DataArray
        Shape ``(latitudes, longitudes, 3)``, dimensions ``latitude`` (-90 to 90 degrees), ``longitude``
        (-180 to 180 degrees, from the x axis) and ``xyz``.

    Raises
    ------
    InputError
        Fewer than 3 of either.

    Examples
    --------
    >>> globe(3, 5).sel(latitude=0, longitude=90).values.round(12)
    array([0., 1., 0.])

    """
    for name, count in (("latitudes", latitudes), ("longitudes", longitudes)):
        if isinstance(count, bool) or not isinstance(count, int) or count < 3:
            raise InputError(f"globe: {name} is {count!r}; expected an integer of at least 3")
    latitude, longitude = np.linspace(-90.0, 90.0, latitudes), np.linspace(-180.0, 180.0, longitudes)
    b, a = np.meshgrid(np.radians(latitude), np.radians(longitude), indexing="ij")
    points = np.stack([np.cos(b) * np.cos(a), np.cos(b) * np.sin(a), np.sin(b)], axis=-1)
    coords = {"latitude": latitude, "longitude": longitude, "xyz": ["x", "y", "z"]}
    return xr.DataArray(points, coords, ("latitude", "longitude", "xyz"), name="points")
