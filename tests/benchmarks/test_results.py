"""The result files: each names a command that runs today, and lies where that command writes."""

from __future__ import annotations

import argparse
import importlib
import json
import shlex
import sys
from pathlib import Path

import pytest

from benchmarks.record import RESULTS, command_of

NAMES = sorted(str(path.relative_to(RESULTS).with_suffix("")) for path in RESULTS.rglob("*.json"))
BY_ONE_COMMAND = {
    **dict.fromkeys(("lds/cifar", "lds/digits", "lds/emoji", "lds/member_lds"), "lds/compare"),
    "speed/laws": "speed",
    "speed/ratios": "speed",
}
"""Results of commands that write several."""


class ParsedError(Exception):
    """Ends a benchmark once its arguments are read."""


def document(name: str) -> dict[str, object]:
    found: dict[str, object] = json.loads((RESULTS / f"{name}.json").read_bytes())
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_result_states_how_it_came_about(name: str) -> None:
    """A claim, the command, the day, the machine, the versions."""
    found = document(name)
    assert {"claim", "command", "date", "machine", "versions", "results"} <= found.keys()


@pytest.mark.parametrize("name", NAMES)
def test_the_command_of_a_result_runs_today(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The module exists, and its parser takes the arguments; the folder is the module's."""
    command = str(document(name)["command"])
    program, flag, module, *arguments = shlex.split(command)
    assert (program, flag) == ("python", "-m")
    owner = BY_ONE_COMMAND.get(name, name)
    base, _, last = owner.rpartition("/")
    if base == "papers":  # one experiment may have results for several networks
        owner = max((one for one in _modules(base) if last.startswith(one)), key=len)
        owner = f"{base}/{owner}"
    if base in ("text_to_image", "registry_size"):  # a result for each first argument
        owner, last = base, arguments[0]
        assert name == f"{base}/{last}"
    assert f"python -m {module}" == command_of(owner)
    found = importlib.import_module(module)
    if hasattr(found, "__path__"):
        found = importlib.import_module(f"{module}.__main__")

    parse = argparse.ArgumentParser.parse_args

    def parsed(parser: argparse.ArgumentParser, *given: object) -> None:
        parse(parser, *given)  # type: ignore[call-overload]  # as it was called
        raise ParsedError

    if not (hasattr(found, "argparse") or base == "papers"):
        return  # takes no arguments, or takes them by their places
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parsed)
    monkeypatch.setattr(sys, "argv", [str(Path("benchmarks") / f"{owner}.py"), *arguments])
    with pytest.raises(ParsedError):
        found.main()


def _modules(room: str) -> list[str]:
    return [path.stem for path in (RESULTS.parent / room).glob("*.py")]
