"""Which optional packages belong to which extra, and asking for them before long work instead of after."""

from importlib.util import find_spec

from thermograd.errors import InputError

__all__ = ["EXTRAS", "missing", "require"]

EXTRAS = {
    "torch": "train",
    "pooch": "train",
    "requests": "train",
    "tqdm": "train",
    "filelock": "train",
    "matplotlib": "report",
    "jinja2": "report",
    "plotly": "report",
    "ray": "ray",
}
"""The extra that brings each optional package."""


def missing(package: str) -> str:
    """What to say when a package of an extra is not there."""
    return f"{package} is not installed; expected it from: pip install 'thermograd[{EXTRAS[package]}]'"


def require(extra: str) -> None:
    """Refuse to begin without the packages of an extra; imports none of them.

    Raises
    ------
    InputError
        Naming the package and the command that installs it.

    Examples
    --------
    >>> require("train")

    """
    for package, home in EXTRAS.items():
        if home == extra and find_spec(package) is None:
            raise InputError(missing(package))
