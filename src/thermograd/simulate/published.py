"""The grids of the published experiment on the isotropic model."""

from __future__ import annotations

from thermograd.protocol import FixedELR, FixedLR, FixedSphere, Grid

__all__ = ["published_grids"]


def published_grids() -> list[Grid]:
    """The three grids of IG appendix E, 17 x 17 log-spaced values each, eight a decade.

    Learning rates and decays from 1e-3 to 1e-1, radii from 0.1 to 10; everything else that was published are
    the defaults of :class:`thermograd.simulate.IsotropicSpec`.

    Returns
    -------
    list of Grid
        Fixed sphere, fixed ELR, fixed LR.

    References
    ----------
    IG appendix E, "Detailed experimental setup".

    Examples
    --------
    >>> [(grid.protocol.__name__, grid.shape) for grid in published_grids()]
    [('FixedSphere', (17, 17)), ('FixedELR', (17, 17)), ('FixedLR', (17, 17))]

    """
    steps = [float(f"{10 ** (-3 + i / 8):.6g}") for i in range(17)]
    radii = [float(f"{10 ** (-1 + i / 8):.6g}") for i in range(17)]
    return [
        FixedSphere.grid(elr=steps, radius=radii),
        FixedELR.grid(elr=steps, wd=steps),
        FixedLR.grid(lr=steps, wd=steps),
    ]
