"""Whose fault a failure is: the run's, or that of the disk, the network, the file server."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from thermograd.errors import FailedWorkError, InputError

__all__ = ["NoResultsError", "no_space_is_failed_work", "system_error"]

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class NoResultsError(FailedWorkError):
    """A sweep was gone through and none of its runs has a result.

    That is the runs' own failure and says nothing about other sweeps. Any other failed work of a sweep - the
    disk is full, a worker cannot read or write a file - would meet the next sweep as well.
    """


def system_error(error: BaseException) -> OSError | None:
    """The operating system's refusal that an exception goes back to, if there is one.

    A full disk, a stale handle, a server that does not answer: no run is to blame, whichever met it first.
    Memory that is short is no such thing: a smaller group may fit.

    Examples
    --------
    >>> system_error(ValueError("bad")), system_error(OSError(errno.ESTALE, "stale"))
    (None, OSError(116, 'stale'))

    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno != errno.ENOMEM:
            return cause
        # Where `from None` was said, the context has nothing to do with it.
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return None


@contextmanager
def no_space_is_failed_work() -> Iterator[None]:
    """Inside, a full disk is work that failed, not a mistake of the user's; other errors pass."""
    try:
        yield
    except InputError as error:
        found = system_error(error)
        if found is not None and found.errno in _FULL:
            raise FailedWorkError(str(error)) from error
        raise
