"""Ends a worker process once its parent is gone, so that killing a command leaves nothing running.

A thread waits for the end of a pipe that the parent holds open. The system closes it when the
parent ends, by ``kill -9`` too. The worker ends at once, in the middle of its work or of its
imports: nobody is there to take a result.
"""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.connection import Connection


def leave_when_input_ends() -> None:
    """End this process once its standard input has no writer; not on Windows, which has no poll."""
    if not hasattr(select, "poll"):
        return
    writer = select.poll()
    writer.register(0, 0)  # a lost writer is told unasked; requests that come are not
    _leave_after(writer.poll)


def leave_when_closed(parent: Connection) -> None:
    """End this process once the other end of ``parent`` is closed; nothing may be sent through it.

    A pipe needs no lock. With an event of multiprocessing, a worker that was killed while it waited
    for the event would leave the parent waiting for its answer.
    """
    _leave_after(lambda: parent.poll(None))


def _leave_after(wait: Callable[[], object]) -> None:
    def leave() -> None:
        with suppress(OSError):
            wait()
        os._exit(1)

    threading.Thread(target=leave, name="waits for the parent's end", daemon=True).start()
