"""A process that reads, seen from the one that asked for it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from registry.ingest.reading.worker import READY

# The child finds modules where this process does, whatever way this one was started.
_PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from registry.ingest.reading.worker import run; run()"
)


class ReaderDiedError(Exception):
    """The process ended in the middle of a message."""


class Reader:
    """A process that runs :mod:`registry.ingest.reading.worker`; it starts in the background and is
    waited for when first asked.
    """

    def __init__(self) -> None:
        command = (sys.executable, "-c", _PROGRAM, json.dumps(sys.path))
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._ready = False

    def ask(self, request: Mapping[str, Any]) -> list[Any]:
        """One request with one answer."""
        self.send(request)
        found: list[Any] = self.answer()
        return found

    def send(self, request: Mapping[str, Any]) -> None:
        """Ask without waiting."""
        assert self._process.stdin is not None  # noqa: S101 - it was asked for
        self._wait_until_ready()
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except (BrokenPipeError, ValueError) as error:  # ValueError: closed by this process
            raise ReaderDiedError from error

    def answer(self) -> Any:  # noqa: ANN401 - any JSON
        """The next line of the answer."""
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        try:
            line = self._process.stdout.readline()
        except ValueError as error:
            raise ReaderDiedError from error
        if not line.endswith(b"\n"):
            raise ReaderDiedError
        return json.loads(line)

    def close(self) -> None:
        """End it, whatever it is doing."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):  # what could not be sent any more
                assert pipe is not None  # noqa: S101 - it was asked for
                pipe.close()

    def _wait_until_ready(self) -> None:
        if self._ready:
            return
        with suppress(ReaderDiedError):
            self._ready = self.answer() == READY
        if not self._ready:
            raise RuntimeError(f"a process for reading did not start: {sys.executable}")
