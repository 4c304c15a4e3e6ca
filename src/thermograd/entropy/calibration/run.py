"""Running the calibration study over several processes: one file a case, stopped and resumed at will."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thermograd.entropy.calibration.study import Case, load_record, run_case
from thermograd.entropy.calibration.table import bias_rows, reach_rows, slope_rows, to_csv
from thermograd.errors import FailedWorkError, InputError
from thermograd.files import atomic_write, check_writable

__all__ = ["Calibration", "run_study"]

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Calibration:
    """The tables of a study: lists of rows, as :mod:`thermograd.entropy.calibration.table` makes them.

    Attributes
    ----------
    biases
        One row a case and estimator.
    slopes
        One row a pair of neighbouring spans and estimator.
    reach
        One row a family of walks and estimator.

    """

    biases: list[dict[str, Any]]
    slopes: list[dict[str, Any]]
    reach: list[dict[str, Any]]


def run_study(
    cases: Sequence[Case],
    folder: Path,
    *,
    seed: int = 0,
    workers: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Calibration:
    """Do the cases that have no file yet, and write the tables of all.

    Each case is done on one thread and depends on nothing but itself and the seed: whatever was killed in
    between, and however many workers there were, the tables are the same to the byte.

    Parameters
    ----------
    cases
        As from :func:`thermograd.entropy.calibration.study.full_study`.
    folder
        Gets ``cases/`` (one JSON file a case), ``biases.csv``, ``slopes.csv`` and ``reach.csv``.
    seed
        Of all draws.
    workers
        Processes of one thread each; by default the work is done in this one.
    on_progress
        Called with (cases done, cases in all).

    Returns
    -------
    Calibration
        The tables.

    Raises
    ------
    InputError
        If there are no cases, an option is out of range, or the folder cannot be written.
    FailedWorkError
        If a worker process died; finished cases stay, and the same call goes on.

    Examples
    --------
    >>> import tempfile
    >>> from thermograd.entropy.calibration.laws import Gaussian
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     row = run_study([Case(Gaussian(2), 100, 20)], Path(folder)).biases[0]
    >>> row["estimator"], bool(abs(row["bias"]) < 0.1 + 4 * row["bias_se"])
    ('kl k=1', True)

    """
    if not cases:
        raise InputError("the calibration study has no cases; expected at least one")
    if (workers is not None and workers < 1) or seed < 0:
        raise InputError(f"workers is {workers} and seed {seed}; expected at least 1 and 0")
    check_writable(folder / "biases.csv")
    files = folder / "cases"
    waiting = [case for case in cases if load_record(files / f"{case.key}.json", case, seed) is None]
    # The long ones first: nobody waits for the last.
    waiting.sort(key=lambda case: -case.repeats * case.n * case.n * case.law.dim)
    done = len(cases) - len(waiting)
    for _ in _worked(waiting, files, seed, workers):
        done += 1
        if on_progress is not None:
            on_progress(done, len(cases))
    found = Calibration(*_tables(_records(cases, files, seed)))
    for name in ("biases", "slopes", "reach"):
        atomic_write(folder / f"{name}.csv", to_csv(getattr(found, name)))
    return found


def _tables(records: list[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], ...]:
    slopes = slope_rows(records)
    return bias_rows(records), slopes, reach_rows(slopes)


def _records(cases: Sequence[Case], files: Path, seed: int) -> list[Mapping[str, Any]]:
    found = [load_record(files / f"{case.key}.json", case, seed) for case in cases]
    return [record for record in found if record is not None]


def _worked(cases: Sequence[Case], files: Path, seed: int, workers: int | None) -> Iterator[Path]:
    if workers is None or not cases:
        for case in cases:
            yield run_case(case, files, seed)
        return
    context = multiprocessing.get_context("spawn")
    with _environment(), ProcessPoolExecutor(min(workers, len(cases)), context, _begin) as pool:
        futures = [pool.submit(run_case, case, files, seed) for case in cases]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool as error:
            raise FailedWorkError(
                "a worker process of the calibration study died (out of memory, or killed); "
                "finished cases are kept, the same command goes on"
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _begin() -> None:
    """In a new worker: Ctrl-C is the parent's to answer, and without a parent there is nothing to do."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def _environment() -> Iterator[None]:
    """One thread a process, set before numpy is there: it is faster, and adds in one order."""
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(_ONE_THREAD)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
