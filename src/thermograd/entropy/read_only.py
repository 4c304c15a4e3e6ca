"""A dictionary that stays as it was made: what an answer says of its settings is no place to write to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

__all__ = ["ReadOnly"]

V = TypeVar("V")


class ReadOnly(dict[str, V]):
    """A dictionary that refuses to be changed; it is copied, pickled, compared and printed as any other.

    A ``MappingProxyType`` would do, but for ``dataclasses.asdict`` and ``pickle``, which refuse it.

    Raises
    ------
    TypeError
        When an entry is set or deleted.

    Examples
    --------
    >>> settings = ReadOnly(k=1)
    >>> settings | {"theiler": 3}
    {'k': 1, 'theiler': 3}
    >>> settings["k"] = 2
    Traceback (most recent call last):
    TypeError: the settings of an answer can not be changed: make a dict of them

    """

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("the settings of an answer can not be changed: make a dict of them")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[Callable[..., ReadOnly[V]], tuple[dict[str, V]]]:
        return type(self), (dict(self),)
