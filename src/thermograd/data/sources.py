"""One door to every image set: a known name, or a path."""

from __future__ import annotations

from pathlib import Path

from thermograd.data.cifar import read_cifar
from thermograd.data.digits import load_digits
from thermograd.data.download import ARCHIVES, fetch
from thermograd.data.images import ImageData
from thermograd.errors import InputError

__all__ = ["NAMES", "absolute", "load"]

NAMES: tuple[str, ...] = ("digits", *ARCHIVES)
"""The sets known by name."""


def load(
    source: str | Path, *, coarse: bool = False, mirror: str | None = None, progress: bool = True
) -> ImageData:
    """Load an image set.

    Parameters
    ----------
    source
        ``"digits"`` (embedded, see `load_digits`); ``"cifar10"`` or ``"cifar100"`` (from the cache,
        downloaded first if need be, see `fetch`); or the path of a folder or archive (see `read_cifar`).
        A folder that is itself called like a known set is reached as ``"./cifar10"`` or as a `Path`.
    coarse
        Of CIFAR-100, take the 20 coarse labels instead of the 100 fine ones.
    mirror
        Where to download from, see `fetch`.
    progress
        Whether a download shows a progress bar.

    Raises
    ------
    InputError
        If the source is neither a known name nor a path that exists; and whatever is raised by the reader.

    Examples
    --------
    >>> load("digits").num_classes
    10
    >>> load("mnist")
    Traceback (most recent call last):
    thermograd.errors.InputError: data source is 'mnist'; expected digits, cifar10, cifar100, or the path ...

    """
    if isinstance(source, str) and source in NAMES:
        if coarse and source != "cifar100":
            raise InputError(f"{source}: has no coarse labels; expected cifar100")
        if source == "digits":
            return load_digits()
        return read_cifar(fetch(source, mirror=mirror, progress=progress), coarse=coarse)
    path = Path(source).expanduser()
    if not str(source) or not path.exists():
        raise InputError(
            f"data source is {str(source)!r}; expected {', '.join(NAMES)}, or the path of a folder or "
            f".tar.gz archive with the binary files of CIFAR-10 or CIFAR-100 (nothing is there)"
        )
    return read_cifar(path, coarse=coarse)


def absolute(source: str) -> str:
    """The same source, told so that it holds from any folder: a name stays, a path becomes absolute.

    Examples
    --------
    >>> absolute("digits"), Path(absolute("some/folder")).is_absolute()
    ('digits', True)

    """
    return source if source in NAMES else str(Path(source).resolve())
