"""How far a long pass over the points is, for whoever listens: nobody has to be handed down to the loops."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["listening", "row_blocks", "tell"]

_NUMBERS = 2**21  # coordinates handled between two words: milliseconds

Listener = Callable[[str, int, int], None]

_listener: ContextVar[Listener | None] = ContextVar("_listener", default=None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Have ``listener(what, done, total)`` called by the passes over points made in the ``with`` block.

    Parameters
    ----------
    listener
        Called in the thread that makes the pass; ``done`` reaches ``total`` at its end.

    Examples
    --------
    >>> with listening(print):
    ...     tell("rows", 1, 2)
    rows 1 2
    >>> tell("rows", 2, 2)

    """
    before = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(before)


def tell(what: str, done: int, total: int) -> None:
    """Say that ``done`` of ``total`` parts of a pass are over.

    Parameters
    ----------
    what
        Name of the pass, for people.
    done, total
        Counts.

    """
    listener = _listener.get()
    if listener is not None:
        listener(what, done, total)


def row_blocks(what: str, shape: tuple[int, int], least: int = 64) -> Iterator[slice]:
    """Ranges of rows that together are all, each of about 16 MB, told as they are left.

    Parameters
    ----------
    what
        Name of the pass.
    shape
        Of the points.
    least
        Rows of a block, at least.

    Examples
    --------
    >>> [(block.start, block.stop) for block in row_blocks("rows", (100, 10**6))]
    [(0, 64), (64, 100)]

    """
    n, d = shape
    rows = max(least, _NUMBERS // d)
    for start in range(0, n, rows):
        stop = min(start + rows, n)
        yield slice(start, stop)
        tell(what, stop, n)
