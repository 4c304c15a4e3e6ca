"""A progress bar with the time left, on the standard error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

__all__ = ["named_progress", "progress_bar"]


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A function to call with (done, total); what was done before the first call does not count as speed."""
    from tqdm import tqdm

    bar: tqdm | None = None

    def show(done: int, total: int) -> None:
        nonlocal bar
        if bar is None:
            bar = tqdm(
                total=total,
                initial=done,
                desc=what,
                unit="step",
                unit_scale=True,
                mininterval=1.0,
                smoothing=0.05,
            )
        bar.update(done - bar.n)

    try:
        yield show
    finally:
        if bar is not None:
            bar.close()


@contextmanager
def named_progress() -> Iterator[Callable[[str, int, int], None]]:
    """A function to call with (what, done, total): one bar after another, each with its own name."""
    shown: tuple[str, Callable[[int, int], None]] | None = None
    with ExitStack() as bars:

        def show(what: str, done: int, total: int) -> None:
            nonlocal shown
            if shown is None or shown[0] != what:
                bars.close()
                shown = what, bars.enter_context(progress_bar(what))
            shown[1](done, total)

        yield show
