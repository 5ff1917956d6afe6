"""Running the command line in this process, as its entry point does."""

from __future__ import annotations

import io
import json
import shutil
import signal
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cli.main import main


@dataclass(frozen=True)
class Outcome:
    """The outcome of a run of ``creditline``."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """Stdout, as one JSON document."""
        found: dict[str, Any] = json.loads(self.out)
        return found


class Creditline:
    """``creditline`` with a fixed home; each run restores environment, streams and signals."""

    def __init__(self, home: Path) -> None:
        """``home`` may be any folder; ``creditline init`` fills it."""
        self.home = home

    def take(self, other: Creditline) -> Creditline:
        """Start from a copy of another home; works stay where they were registered."""
        shutil.copytree(other.home, self.home)
        return self

    def __call__(self, *arguments: object) -> Outcome:
        streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="", write_through=True) for _ in range(2)]
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            with (
                pytest.MonkeyPatch.context() as patch,
                redirect_stdout(streams[0]),
                redirect_stderr(streams[1]),
            ):
                patch.setattr(sys, "argv", ["creditline", *(str(argument) for argument in arguments)])
                patch.setenv("CREDITLINE_HOME", str(self.home))
                patch.setenv("COLUMNS", "200")
                # Earlier downloads of this machine's user must not decide what is measured.
                patch.setenv("TORCH_HOME", str(self.home / "no-torch-home"))
                patch.delenv("CREDITLINE_LPIPS_WEIGHTS", raising=False)
                with pytest.raises(SystemExit) as exit_info:
                    main()
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        out, err = (stream.buffer.getvalue().decode() for stream in streams)
        code = exit_info.value.code
        return Outcome(code if isinstance(code, int) else 0, out, err)
