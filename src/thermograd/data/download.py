"""The official CIFAR archives, downloaded once into a cache and known by their SHA-256."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from thermograd.errors import InputError

__all__ = ["ARCHIVES", "Archive", "cache_folder", "fetch"]

_TIMEOUT = 60.0  # seconds without a byte

OFFICIAL = "https://www.cs.toronto.edu/~kriz"
"""The page of the author of CIFAR."""


@dataclass(frozen=True)
class Archive:
    """A file to download, and what it must hash to."""

    file: str
    bytes: int
    sha256: str


ARCHIVES: dict[str, Archive] = {
    "cifar10": Archive(
        "cifar-10-binary.tar.gz",
        170052171,
        "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    ),
    "cifar100": Archive(
        "cifar-100-binary.tar.gz",
        168513733,
        "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
    ),
}
"""The archives by the name of their set."""


def cache_folder() -> Path:
    """Where downloads are kept: the environment variable THERMOGRAD_CACHE, or else the platform's cache."""
    chosen = os.environ.get("THERMOGRAD_CACHE")
    return Path(chosen).expanduser() if chosen else Path(_pooch().os_cache("thermograd"))


def fetch(
    name: str, *, mirror: str | None = None, cache: str | Path | None = None, progress: bool = True
) -> Path:
    """Get an archive from the cache, or download it there first.

    The file appears under its name only when it is whole and its SHA-256 is right; a download that is
    interrupted or wrong leaves nothing behind. A cached file that has been damaged is downloaded anew.

    Parameters
    ----------
    name
        ``"cifar10"`` or ``"cifar100"``.
    mirror
        URL (http or https) of a folder that holds the archive, or of the archive itself if it ends in
        ``.tar.gz``; without it the environment variable THERMOGRAD_CIFAR_MIRROR, or else the official page.
    cache
        Folder to keep the archive in; without it that of `cache_folder`.
    progress
        Whether to show a progress bar (needs tqdm).

    Returns
    -------
    Path
        The archive, which `thermograd.data.read_cifar` reads as it is.

    Raises
    ------
    InputError
        If the name or URL is of another kind, the download fails, or its SHA-256 is wrong.

    """
    if name not in ARCHIVES:
        raise InputError(f"fetch: name is {name!r}; expected one of {', '.join(ARCHIVES)}")
    archive = ARCHIVES[name]
    url = _url(archive, mirror)
    pooch = _pooch()
    folder = cache_folder() if cache is None else Path(cache).expanduser()
    try:
        path = pooch.retrieve(
            url, f"sha256:{archive.sha256}", fname=archive.file, path=folder, downloader=_downloader(progress)
        )
    except OSError as error:  # those of requests are OSErrors too
        raise InputError(
            f"{name}: {url} could not be downloaded to {folder} ({' '.join(str(error).split())}); "
            f"expected a reachable URL: name a mirror (THERMOGRAD_CIFAR_MIRROR), "
            f"or pass the path of a copy of {archive.file}"
        ) from error
    except ValueError as error:
        raise InputError(
            f"{name}: {url} is not the official {archive.file} of {archive.bytes} bytes and was not kept "
            f"({' '.join(str(error).split())}); expected SHA-256 {archive.sha256}"
        ) from error
    return Path(path)


def _url(archive: Archive, mirror: str | None) -> str:
    base = mirror or os.environ.get("THERMOGRAD_CIFAR_MIRROR") or OFFICIAL
    if not base.lower().startswith(("http://", "https://")):
        raise InputError(
            f"mirror is {base!r}; expected a URL that starts with http:// or https:// "
            f"(an archive on disk is read by its path)"
        )
    return base if base.lower().endswith(".tar.gz") else f"{base.rstrip('/')}/{archive.file}"


def _downloader(progress: bool) -> Callable[[str, str, object], None]:
    """What pooch calls to get a URL into a file (its own leaves the connection of a failure open)."""

    def download(url: str, output_file: str, pooch: object) -> None:
        import requests

        # Some servers send a .gz file as a compressed transfer of its content: ask for the bytes as they are.
        headers = {"Accept-Encoding": "identity"}
        with requests.get(url, stream=True, timeout=_TIMEOUT, headers=headers) as response:
            response.raise_for_status()
            total = int(response.headers.get("Content-Length", 0)) or None
            with Path(output_file).open("wb") as file, _bar(progress, total) as bar:
                for chunk in response.iter_content(1 << 18):
                    file.write(chunk)
                    if bar is not None:
                        bar.update(len(chunk))

    return download


def _bar(progress: bool, total: int | None) -> AbstractContextManager[Any]:
    if progress and find_spec("tqdm") is not None:
        from tqdm import tqdm

        bar: AbstractContextManager[Any] = tqdm(total=total, unit="B", unit_scale=True)
        return bar
    return nullcontext()


def _pooch() -> Any:
    try:
        import pooch
    except ImportError as error:
        raise InputError(
            "downloading needs the package pooch, which is not installed; "
            'expected `pip install "thermograd[train]"`, or the path of a copy on disk'
        ) from error
    module: ModuleType = pooch
    return module
