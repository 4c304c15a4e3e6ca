"""Named files out of a folder or a tar archive, into memory: nothing is ever unpacked to disk."""

from __future__ import annotations

import hashlib
import json
import tarfile
import zlib
from collections.abc import Collection, Mapping
from pathlib import Path

from thermograd.errors import InputError

__all__ = ["MANIFEST", "collect", "verify_manifest"]

MANIFEST = "MANIFEST.json"
"""The file that may lie beside the data: ``{"file name": {"sha256": "..."}, ...}``."""


def collect(source: Path, names: Collection[str], max_bytes: int) -> dict[str, bytes]:
    """Read those of the named files that a folder or tar archive holds.

    From an archive only regular members are read whose last path component is one of the names: links,
    devices and everything else are passed over, and since members go to memory, where their paths point to
    does not matter.

    Parameters
    ----------
    source
        A folder, or a tar archive (compressed or not).
    names
        The file names wanted.
    max_bytes
        No file wanted is bigger than this.

    Returns
    -------
    dict
        The content of each file found, by name.

    Raises
    ------
    InputError
        If a file is too big, cannot be read, or is in the archive twice; if the archive is damaged or none.

    """
    try:
        return (
            _from_folder(source, names, max_bytes) if source.is_dir() else _from_tar(source, names, max_bytes)
        )
    except (tarfile.TarError, EOFError, zlib.error) as error:
        reason = str(error).partition("\n")[0].rstrip(":")  # the rest lists what was tried
        raise InputError(
            f"{source}: cannot be read as a tar archive ({reason}); expected a whole .tar.gz file: "
            f"its download may have been cut short"
        ) from error
    except OSError as error:
        raise InputError(f"{source}: cannot be read ({error}); expected a readable file") from error


def _from_folder(folder: Path, names: Collection[str], max_bytes: int) -> dict[str, bytes]:
    found = {}
    for name in names:
        path = folder / name
        if path.is_file():
            _check_size(f"{path}", path.stat().st_size, max_bytes)
            found[name] = path.read_bytes()
    return found


def _from_tar(path: Path, names: Collection[str], max_bytes: int) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    with tarfile.open(path, "r:*") as archive:
        for member in archive:
            name = member.name.rsplit("/", 1)[-1]
            if name not in names or not member.isreg():
                continue
            if name in found:
                raise InputError(f"{path}: {name} is in the archive twice; expected one file of that name")
            _check_size(f"{path}: {name}", member.size, max_bytes)
            stream = archive.extractfile(member)
            assert stream is not None  # it is a regular file
            found[name] = stream.read()
        # On to the very end: only there does gzip compare its checksum.
        while archive.fileobj is not None and archive.fileobj.read(1 << 20):
            pass
    return found


def _check_size(file: str, size: int, max_bytes: int) -> None:
    # Before reading: a wrong or hostile file must not fill the memory first.
    if size > max_bytes:
        raise InputError(f"{file} has {size} bytes; expected at most {max_bytes}")


def verify_manifest(source: Path, contents: Mapping[str, bytes], manifest: bytes) -> None:
    """Compare files with the SHA-256 that a manifest gives for them; files it does not name pass.

    Parameters
    ----------
    source
        Where the files come from, for messages.
    contents
        The files by name.
    manifest
        The manifest's JSON text.

    Raises
    ------
    InputError
        If a hash differs, or the manifest is not of the form of `MANIFEST`.

    Examples
    --------
    >>> verify_manifest(Path("here"), {"a.bin": b"x"}, b'{"a.bin": {"sha256": "00"}}')
    Traceback (most recent call last):
    thermograd.errors.InputError: here/a.bin: SHA-256 is 2d711642...a4881; expected 00 (MANIFEST.json)

    """
    try:
        expected = {name: str(entry["sha256"]).lower() for name, entry in json.loads(manifest).items()}
    except (ValueError, AttributeError, TypeError, KeyError) as error:
        raise InputError(
            f"{source / MANIFEST}: cannot be read ({error!r}); "
            f'expected {{"file name": {{"sha256": "..."}}, ...}} in JSON'
        ) from error
    for name, content in contents.items():
        actual = hashlib.sha256(content).hexdigest()
        if actual != expected.get(name, actual):
            raise InputError(
                f"{source / name}: SHA-256 is {actual[:8]}...{actual[-5:]}; "
                f"expected {_shortened(expected[name])} ({MANIFEST})"
            )


def _shortened(digest: str) -> str:
    return digest if len(digest) <= 16 else f"{digest[:8]}...{digest[-5:]}"
