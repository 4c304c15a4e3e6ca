"""The training loop: one spec in, one trace out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from thermograd.training.execution import Execution
from thermograd.training.spec import TrainSpec

if TYPE_CHECKING:
    import xarray as xr

    from thermograd.data import ImageData

__all__ = ["load_images", "train"]


def train(
    spec: TrainSpec,
    *,
    data: ImageData | None = None,
    device: str = "cpu",
    on_progress: Callable[[int], None] | None = None,
    checkpoint: Path | None = None,
) -> xr.Dataset:
    """Train one scale-invariant network and return its trace, the labelled record of what was measured.

    The weights follow the spec's protocol exactly; measurements (gradient noise at frozen weights, test
    loss, entropy windows) draw from random streams of their own, so that a run measured more often walks the
    same path. A loss that is no longer finite ends the run with the outcome ``diverged``: that is a result,
    not an error.

    Parameters
    ----------
    spec
        What to run.
    data
        The images, if they are at hand already; else they are loaded as ``spec.data`` says.
    device
        A torch device.
    on_progress
        Called now and then with the number of iterations done, of ``spec.total_steps``; may raise to stop.
    checkpoint
        File for the unfinished state, from which the same call goes on to the same bits.

    Returns
    -------
    xarray.Dataset
        A trace (see `thermograd.states`): dims are the protocol's two axes, of length 1, and ``step``.
        Interval means between log points, everything on the unit sphere.

    Raises
    ------
    InputError
        If the data cannot be read, or the network on them is not fully scale-invariant.

    Examples
    --------
    >>> from thermograd.protocol import FixedELR
    >>> from thermograd.training import Measurement, TrainSpec
    >>> brief = Measurement(log_every=5, noise_draws=6)
    >>> trace = train(TrainSpec(FixedELR(elr=5e-3, wd=0.01), steps=10, anneal=5, settle=0, measurement=brief))
    >>> trace.step.values, trace.outcome.item()
    (array([ 5, 10]), 'done')

    """
    from thermograd.training.group import train_group

    images = load_images(spec.data, spec.subset, spec.seed) if data is None else data
    return train_group(
        [spec], images, execution=Execution(device=device), on_progress=on_progress, checkpoint=checkpoint
    )[0]


def load_images(source: str, size: int | None, seed: int) -> ImageData:
    """The images of a spec: a data set, or a stratified subset of it drawn with this seed."""
    from thermograd.data import load, subset

    images = load(source)
    return images if size is None else subset(images, size, seed)
