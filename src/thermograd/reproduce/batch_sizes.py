"""A preset with several batch sizes is one file and as many setups: a sweep has one batch size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from thermograd.errors import InputError

__all__ = ["by_batch_size"]

_KEY = "batch_size"


def by_batch_size(place: str, name: str, content: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The content of each setup of a file, by the setup's name.

    Parameters
    ----------
    place
        The file, for error messages.
    name
        Its name, which is the setup's unless ``batch_size`` is a list.
    content
        What it holds; see `thermograd.reproduce.preset_file.read_preset`.

    Raises
    ------
    InputError
        If the list is empty, or holds something else than distinct whole numbers above 0.

    Examples
    --------
    >>> found = by_batch_size("b.toml", "b", {"batch_size": [32, 64], "description": "a net"})
    >>> found["b-64"]
    {'batch_size': 64, 'description': 'a net, B = 64'}
    >>> list(by_batch_size("b.toml", "b", {"batch_size": 64}))
    ['b']

    """
    sizes = content.get(_KEY)
    if not isinstance(sizes, list):
        return {name: dict(content)}
    # `True` is an `int`, and no batch size.
    whole = all(type(size) is int and size > 0 for size in sizes)
    if not sizes or not whole or len(set(sizes)) < len(sizes):
        raise InputError(
            f"{place}: {_KEY} is {sizes!r}; expected a whole number, or a list of distinct whole numbers, "
            "above 0"
        )
    described = content.get("description")
    return {
        f"{name}-{size}": {
            **content,
            _KEY: size,
            # What is no text is refused where all keys are checked.
            **({"description": f"{described}, B = {size}"} if isinstance(described, str) else {}),
        }
        for size in sizes
    }
