"""Files made of figures: PNG, PDF and SVG that are the same whenever the figure is."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

from thermograd.errors import InputError
from thermograd.figures.style import styled
from thermograd.files import atomic_write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["FORMATS", "encode", "new_figure", "save"]

# Dates and version numbers would make every run's files differ from the last one's.
_METADATA: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "pdf": {"Creator": None, "Producer": None, "CreationDate": None},
    "svg": {"Creator": None, "Date": None},
}
FORMATS = tuple(_METADATA)
"""The formats that figures can be encoded in."""


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches, on the file-only Agg canvas and unknown to pyplot."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def encode(figure: Figure, kind: str) -> bytes:
    """The bytes of a figure's file, the same at every call for the same figure.

    Parameters
    ----------
    figure
        Any matplotlib figure.
    kind
        One of `FORMATS`.

    Raises
    ------
    InputError
        Any other format.

    """
    if kind not in _METADATA:
        raise InputError(f"figure: format is {kind!r}; expected one of {', '.join(FORMATS)}")
    buffer = io.BytesIO()
    with styled():
        figure.savefig(buffer, format=kind, metadata=_METADATA[kind])
    return buffer.getvalue()


def save(figure: Figure, path: str | os.PathLike[str]) -> tuple[Path, Path]:
    """Write a figure as PNG and as PDF: never half a file, and byte for byte the same when written again.

    Parameters
    ----------
    figure
        Any matplotlib figure.
    path
        Where to write, without a suffix (``.png`` or ``.pdf`` is dropped); missing folders are made.

    Returns
    -------
    tuple of Path
        The PNG and the PDF.

    """
    target = Path(path)
    if target.suffix in (".png", ".pdf"):
        target = target.with_suffix("")
    written = []
    for kind in ("png", "pdf"):
        final = target.with_name(f"{target.name}.{kind}")
        atomic_write(final, encode(figure, kind))
        written.append(final)
    return written[0], written[1]
