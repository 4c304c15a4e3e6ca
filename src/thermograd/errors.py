"""What the user can get wrong, as one exception type that the command line turns into one line."""

__all__ = ["InputError"]


class InputError(ValueError):
    """Bad input: the message names the thing, its value, and what was expected.

    The command line prints the message alone, without a traceback, and exits with code 2.
    """
