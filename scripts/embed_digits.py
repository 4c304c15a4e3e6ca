"""Make src/thermograd/data/digits.npz from the copy of the digits that scikit-learn carries.

    python scripts/embed_digits.py            write the file
    python scripts/embed_digits.py --check    only compare with the file that is there

The bytes are the same on every run: fixed order, names, dates and modes in the archive, and no pickles.
(Another zlib may compress differently: --check compares the arrays, and says so if only the bytes differ.)
"""

from __future__ import annotations

import argparse
import hashlib
import io
import sys
import zipfile
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

TARGET = Path(__file__).resolve().parents[1] / "src" / "thermograd" / "data" / "digits.npz"


def digit_arrays() -> dict[str, np.ndarray]:
    """The images (1797, 8, 8) and labels (1797,) as uint8, in scikit-learn's order."""
    source = load_digits()
    arrays = {}
    for name, values in (("images", source.images), ("labels", source.target)):
        arrays[name] = values.astype(np.uint8)
        if not np.array_equal(arrays[name], values):
            raise SystemExit(
                f"{name}: values that do not fit in a byte; is this the 8x8 set of integers 0 to 16?"
            )
    return arrays


def npz_bytes(arrays: dict[str, np.ndarray]) -> bytes:
    """The arrays as an .npz file whose bytes depend on nothing but the arrays (and zlib)."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, array, version=(1, 0), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            zipped.writestr(entry, content.getvalue(), compresslevel=9)
    return archive.getvalue()


def main() -> int:
    """Write or check the file; the exit code is 1 when a check fails."""
    parser = argparse.ArgumentParser(description="Make the embedded digits from scikit-learn's copy.")
    parser.add_argument("--check", action="store_true", help="compare only, write nothing")
    check = parser.parse_args().check
    arrays = digit_arrays()
    content = npz_bytes(arrays)
    if check:
        with np.load(TARGET, allow_pickle=False) as kept:
            same = set(kept.files) == set(arrays) and all(np.array_equal(kept[k], arrays[k]) for k in arrays)
        if not same:
            sys.stdout.write(f"{TARGET.name} differs from scikit-learn's digits\n")
            return 1
        same_bytes = TARGET.read_bytes() == content
        sys.stdout.write(f"{TARGET.name}: same arrays, {'same' if same_bytes else 'other'} bytes\n")
        return 0
    TARGET.write_bytes(content)
    sys.stdout.write(f"{TARGET.name}: {len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
