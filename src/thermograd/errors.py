"""The two ways in which a request ends without an answer; the command line turns each into one line."""

__all__ = ["FailedWorkError", "InputError"]


class InputError(ValueError):
    """Bad input: the message names the thing, its value, and what was expected.

    The command line prints the message alone, without a traceback, and exits with code 2.
    """


class FailedWorkError(RuntimeError):
    """The request made sense and the work failed: the message says what failed and why.

    The command line prints the message alone, without a traceback, and exits with code 1.
    """
