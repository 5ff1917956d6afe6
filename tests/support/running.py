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
    """What a run of ``creditline`` left."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """What stdout has, as one JSON document."""
        found: dict[str, Any] = json.loads(self.out)
        return found


class Creditline:
    """``creditline`` with a fixed home. Each run leaves arguments, environment, streams and Ctrl-C
    as they were.
    """

    def __init__(self, home: Path) -> None:
        """Any folder will do; ``creditline init`` fills it."""
        self.home = home

    def take(self, other: Creditline) -> Creditline:
        """Begin with a copy of another's home; works stay where they were registered."""
        shutil.copytree(other.home, self.home)
        return self

    def __call__(self, *arguments: object) -> Outcome:
        streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="", write_through=True) for _ in range(2)]
        handler = signal.getsignal(signal.SIGINT)
        try:
            with (
                pytest.MonkeyPatch.context() as patch,
                redirect_stdout(streams[0]),
                redirect_stderr(streams[1]),
            ):
                patch.setattr(sys, "argv", ["creditline", *(str(argument) for argument in arguments)])
                patch.setenv("CREDITLINE_HOME", str(self.home))
                patch.setenv("COLUMNS", "200")
                # What this machine's user once downloaded must not decide what is measured.
                patch.setenv("TORCH_HOME", str(self.home / "no-torch-home"))
                patch.delenv("CREDITLINE_LPIPS_WEIGHTS", raising=False)
                with pytest.raises(SystemExit) as exit_info:
                    main()
        finally:
            signal.signal(signal.SIGINT, handler)
        out, err = (stream.buffer.getvalue().decode() for stream in streams)
        code = exit_info.value.code
        return Outcome(code if isinstance(code, int) else 0, out, err)
