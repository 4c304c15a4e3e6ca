"""Models whose thermodynamics is exact: the isotropic laboratory and the toy sphere."""

from thermograd.simulate import toy
from thermograd.simulate.exact import Comparison, compare_exact
from thermograd.simulate.isotropic import isotropic, isotropic_along
from thermograd.simulate.laboratory import Laboratory
from thermograd.simulate.losses import check_loss, from_torch
from thermograd.simulate.published import published_grids
from thermograd.simulate.rules import direction_relaxation, predicted_radius
from thermograd.simulate.spec import IsotropicSpec

__all__ = [
    "Comparison",
    "IsotropicSpec",
    "Laboratory",
    "check_loss",
    "compare_exact",
    "direction_relaxation",
    "from_torch",
    "isotropic",
    "isotropic_along",
    "predicted_radius",
    "published_grids",
    "toy",
]
