"""Ctrl-C and SIGTERM: the command ends in good order, or soon, and says how to go on."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import suppress

GRACE = 8.0
"""Seconds that an interrupted command may take to end in good order."""

_WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "ended by SIGTERM"}


class InterruptionError(BaseException):
    """Ctrl-C or SIGTERM. Not a KeyboardInterrupt, which typer would handle itself."""

    def __init__(self, number: int) -> None:
        self.status = 128 + number
        """Exit status, as in shells: 130 after Ctrl-C, 143 after SIGTERM."""
        self.message = f"creditline: {_WORDS[signal.Signals(number)]}; run the same command again to continue"
        super().__init__(self.message)

    def tell(self) -> None:
        """Write the message to stderr, past the stream, which may be locked. A reader of stderr may
        have ended at the same Ctrl-C.
        """
        if sys.__stderr__ is not None:
            with suppress(OSError, ValueError):
                os.write(sys.__stderr__.fileno(), f"{self.message}\n".encode())


class _Interrupter:
    """The handler of both signals."""

    def __init__(self) -> None:
        self._first = True

    def __call__(self, number: int, _frame: object) -> None:
        """End the command; the process ends after :data:`GRACE` seconds, or at the second signal,
        in any case.

        An exception out of a signal handler can be swallowed, or leave a lock of the progress bar
        taken. A process that ends at once loses nothing: every command survives a kill.
        """
        error = InterruptionError(number)
        if not self._first:
            _end(error)
        self._first = False
        forced = threading.Timer(GRACE, _end, (error,))
        forced.daemon = True
        forced.start()
        raise error


def _end(error: InterruptionError) -> None:
    """End the process at once."""
    error.tell()
    os._exit(error.status)


def handle_interruptions() -> None:
    """Let Ctrl-C and SIGTERM raise an :class:`InterruptionError` in the main thread."""
    handler = _Interrupter()
    for number in _WORDS:
        signal.signal(number, handler)
