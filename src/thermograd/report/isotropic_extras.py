"""What a report of the isotropic model can show beside the three grids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from thermograd.protocol import Protocol

__all__ = ["AdiabatRun", "AnisotropyRun", "IsotropicExtras"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class AdiabatRun:
    """States measured along an adiabat, and along a path that is none.

    Attributes
    ----------
    along
        States of a single grid point each, in order along the adiabat.
    contrast
        The same along other paths, by their words.
    curves
        Predicted curves to draw beside the path, by their words.

    """

    along: Sequence[xr.Dataset]
    contrast: Mapping[str, Sequence[xr.Dataset]] = field(default_factory=dict)
    curves: Mapping[str, Sequence[Protocol]] = field(default_factory=dict)


@dataclass(frozen=True)
class AnisotropyRun:
    """States under anisotropic noise, and where they lie.

    Attributes
    ----------
    states
        By anisotropy ``a``, 0 among them: states on a fixed sphere at one effective learning rate, attributes
        ``sigma`` and ``spectrum``. Radii are repetitions.
    cloud
        Directions of independent chains at the largest anisotropy, shape ``(n, 3)``; ``mu`` is the first axis
        and the eigenvectors of the noise are the others.

    """

    states: Mapping[float, xr.Dataset]
    cloud: Array | None = None


@dataclass(frozen=True)
class IsotropicExtras:
    """What a report of the isotropic model can show beside the three grids.

    Attributes
    ----------
    predictions
        By protocol name, then by words: datasets over the grid that hold ``loss``, ``entropy_sphere``,
        ``norm`` or ``effective_wd``. The finite-step law is there already.
    adiabats
        Runs along adiabats, by title.
    hot
        States of the isotropic model at other dimensions and temperatures, by title.
    anisotropic
        Runs under noise that is not isotropic.
    clouds
        Directions of independent chains to turn around, shape ``(n, 3)``, by words; ``mu`` is the first axis.

    """

    predictions: Mapping[str, Mapping[str, xr.Dataset]] = field(default_factory=dict)
    adiabats: Mapping[str, AdiabatRun] = field(default_factory=dict)
    hot: Mapping[str, xr.Dataset] = field(default_factory=dict)
    anisotropic: Sequence[AnisotropyRun] = ()
    clouds: Mapping[str, Array] = field(default_factory=dict)
