"""Long work that speaks: bars for passes that say how far they are, and else the time that it has taken."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec

from thermograd.cli.elapsed import elapsed

__all__ = ["spoken"]

_PATIENCE = 2.0  # seconds that a pass, or the work, may take in silence


@contextmanager
def spoken(what: str) -> Iterator[None]:
    """Show on the standard error how far the passes over points inside are; nothing of short work.

    A pass with a known total (:mod:`thermograd.entropy.progress`) gets a bar once it has lasted two seconds;
    while there is none, the time that all has taken is told. Without tqdm it is the time alone.
    """
    from thermograd.entropy.progress import listening

    if find_spec("tqdm") is None:
        with elapsed(what, _PATIENCE):
            yield
        return
    from thermograd.cli.progress import named_progress

    current, since, shown = "", 0.0, -_PATIENCE
    with ExitStack() as stack:
        show = stack.enter_context(named_progress())

        def listen(name: str, done: int, total: int) -> None:
            nonlocal current, since, shown
            now = time.monotonic()
            if name != current:
                current, since = name, now
            if now - since >= _PATIENCE:
                show(name, done, total)
                shown = now

        stack.enter_context(elapsed(what, _PATIENCE, quiet=lambda: time.monotonic() - shown < _PATIENCE))
        stack.enter_context(listening(listen))
        yield
