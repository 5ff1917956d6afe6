"""One process at a time for a job that writes files, such as the training of one ensemble.

The operating system holds the lock and releases it when the process ends, by ``kill -9`` too. A
file beside the lock names the process, for the message to a second one; nothing else reads it.

    with only_one(registry.home, "training-3fa2b1c09d11", "ensemble 3fa2b1c09d11 is being trained"):
        ...
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from registry.errors import LockedRegistryError
from registry.home import Home, write_bytes_atomically, writing


@contextmanager
def only_one(home: Home, job: str, busy: str, *, wait: bool = False) -> Iterator[None]:
    """Hold the lock of a job; blocks of one process may be nested.

    Args:
        home: the home whose files the job writes.
        job: the lock's name, a file name.
        busy: a sentence without its end, for a second process: "ensemble 3f… is being trained".
        wait: whether a second process waits until the first has ended.

    Raises:
        LockedRegistryError: another process does this job.
        InputError: the home cannot be written.
    """
    place = home.locks / f"{job}.lock"
    holder = place.with_suffix(".json")
    with writing(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(place, is_singleton=True)
        outermost = not lock.is_locked
        try:
            lock.acquire(timeout=-1 if wait else 0)
        except Timeout as error:
            raise LockedRegistryError(
                f"{busy} by {_named(holder)}; wait until it ends or stop it, then run the same command again"
            ) from error
    try:
        if outermost:
            named = {"process": os.getpid(), "command": _command(), "machine": platform.node()}
            write_bytes_atomically(holder, json.dumps(named).encode())
        yield
    finally:
        lock.release()


def _command() -> str:
    """The command that runs here, without its options, which may be private."""
    return " ".join([Path(sys.argv[0]).name, *sys.argv[1:2]])


def _named(holder: Path) -> str:
    """The process that holds a lock, as it named itself."""
    try:
        found = json.loads(holder.read_bytes())
        place = "" if found["machine"] == platform.node() else f" on {found['machine']}"
        return f"process {int(found['process'])} ({found['command']}){place}"
    except (OSError, ValueError, TypeError, KeyError):
        return "another process"
