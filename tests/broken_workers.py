"""Stand-ins for `thermograd.sweep.worker.work` that break in known ways, for worker processes to import."""

import os
import signal
from pathlib import Path

from thermograd.sweep import worker


def die_on_the_first(index, spec, key, data_sha256, folder):
    """Kill the worker process under way with the first run."""
    if index == 0:
        worker._shared["progress"][0] = 0  # begun, and not a step done
        os.kill(os.getpid(), signal.SIGKILL)
    return worker.work(index, spec, key, data_sha256, folder)


def die_at_once(index, spec, key, data_sha256, folder):
    """Kill the worker process before it has done anything."""
    os.kill(os.getpid(), signal.SIGKILL)


def full_disk_from_the_third_on(index, spec, key, data_sha256, folder):
    """Let the temporary file of the next write be a link to a device without space."""
    if index >= 2:
        Path(folder, "runs", f".{key}.nc.{os.getpid()}.part").symlink_to("/dev/full")
    return worker.work(index, spec, key, data_sha256, folder)
