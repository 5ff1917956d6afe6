"""Running the command line in this process, as its entry point does."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
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
    """``creditline`` with a fixed home."""

    def __init__(self, home: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        """Take the test's own fixtures: arguments and streams are theirs."""
        self.home = home
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        monkeypatch.setenv("CREDITLINE_HOME", home)
        monkeypatch.setenv("COLUMNS", "200")

    def __call__(self, *arguments: object) -> Outcome:
        self._monkeypatch.setattr(sys, "argv", ["creditline", *(str(argument) for argument in arguments)])
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as exit_info:
            main()
        captured = self._capsys.readouterr()
        code = exit_info.value.code
        return Outcome(code if isinstance(code, int) else 0, captured.out, captured.err)
