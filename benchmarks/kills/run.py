"""Kills every chosen command, examines the registry after each kill, and records the result."""

from __future__ import annotations

import argparse
import json
import random
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.kills.groups import GROUPS, NEEDED, Group, names_of
from benchmarks.kills.striking import Runner, State, Watched, moment
from benchmarks.record import RESULTS, conclude
from registry.doctor import examine as doctor
from registry.errors import CreditlineError
from registry.home import Home
from registry.storage.database import Registry

Round = dict[str, Any]


def main() -> int:
    """Kill, examine, record; return 1 if a registry was ever damaged."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kills")
    parser.add_argument("--kills", type=int, help="kills of each command (default: the group's)")
    parser.add_argument(
        "--continue", dest="further", action="store_true", help="keep what the result has, run the rest"
    )
    parser.add_argument("names", nargs="*", metavar="GROUP[:COMMAND]", help="what to run (default: everything)")
    chosen = parser.parse_args()
    wanted = [name.partition(":")[::2] for name in chosen.names] or [(name, "") for name in GROUPS]
    if unknown := {group for group, _ in wanted} - set(GROUPS):
        parser.error(f"no group {min(unknown)!r}; there are: {', '.join(GROUPS)}")
    document = Document(keep=chosen.further or bool(chosen.names))
    with tempfile.TemporaryDirectory() as folder, closing(Runner(Path(folder))) as runner:
        for name, group in GROUPS.items():
            commands = [command for chosen_group, command in wanted if chosen_group == name]
            if commands and not (chosen.further and document.has_all(name)):
                run = GroupRun(name, group, runner, State(Path(folder) / name / "state"))
                run.kill_commands(commands, document, chosen.kills or group.kills, further=chosen.further)
                shutil.rmtree(Path(folder) / name)
    return document.write()


class Document:
    """The result: the rounds of every command that was reached."""

    def __init__(self, *, keep: bool) -> None:
        """``keep``: start from the result that is there."""
        path = RESULTS / "kills.json"
        results = json.loads(path.read_bytes())["results"] if keep and path.exists() else {}
        self.commands: dict[str, list[str]] = results.get("commands", {})
        self.rounds: list[Round] = results.get("rounds", [])

    def has(self, group: str, command: str) -> bool:
        return any((each["group"], each["command"]) == (group, command) for each in self.rounds)

    def has_all(self, group: str) -> bool:
        return group in self.commands and all(self.has(group, command) for command in self.commands[group])

    def take(self, rounds: Sequence[Round]) -> None:
        """Add the rounds of one command, in place of those of an earlier run."""
        key = rounds[0]["group"], rounds[0]["command"]
        self.rounds = [each for each in self.rounds if (each["group"], each["command"]) != key] + list(rounds)
        self.write()

    def write(self) -> int:
        """Write the result; returns the benchmark's status."""
        reached = {(each["group"], each["command"]) for each in self.rounds}
        kills = [each for each in self.rounds if each["moment"] is not None]
        missing = [
            f"{group}:{name}"
            for group in GROUPS
            for name in self.commands.get(group, ["every command"])
            if (group, name) not in reached
        ]
        results = {
            "kills": len(kills),
            "struck": sum(each["struck"] for each in kills),
            "commands_reached": len(reached),
            "not_reached": missing,
            "commands": self.commands,
            "rounds": self.rounds,
        }
        held = all(each["healthy"] for each in self.rounds)
        claim = "the commands reached leave a whole record after kill -9 at any moment, and complete when run again"
        return conclude("kills", claim, held, results, ("duckdb", "torch", "diffusers"))


@dataclass(frozen=True)
class GroupRun:
    """The commands of a group, on one home."""

    name: str
    group: Group
    runner: Runner
    state: State

    def kill_commands(self, chosen: Sequence[str], document: Document, kills: int, *, further: bool) -> None:
        """Kill the chosen commands ("": all of them); the others run once if later ones need them.

        ``further``: leave out what the document has.
        """
        self.state.folder.mkdir(parents=True)
        self.runner.must(self.state, "init")
        commands = self.group.prepare(self.runner, self.state, self.state.folder.parent)
        document.commands[self.name] = names_of(commands)
        generator = random.Random(0)  # noqa: S311 - moments, not secrets
        for command, called in zip(commands, document.commands[self.name], strict=True):
            if ("" in chosen or called in chosen) and not (further and document.has(self.name, called)):
                rounds = self.kill(command, kills, generator)
                document.take([printed({"group": self.name, "command": called, **each}) for each in rounds])
            elif called in NEEDED:
                self.runner.must(self.state, *command)

    def kill(self, command: Sequence[str], kills: int, generator: random.Random) -> Iterator[Round]:
        """Kill a command some times, then let it end; a round for each."""
        before, copy = (State(self.state.folder.with_name(name)) for name in ("before", "undisturbed"))
        for each in (before, copy):
            shutil.copytree(self.state.folder, each.folder)
        expected = self.runner.watch(copy, command)
        if expected.status:
            raise SystemExit(f"{' '.join(command)} has nothing to write: {expected.err[-1000:]}")
        rows = row_counts(copy.home)
        shutil.rmtree(copy.folder)
        for number in range(kills):
            limit, alone = moment(expected, generator), bool(number % 2)
            found = self.runner.watch(self.state, command, limit, alone=alone)
            facts = {**described(found), **examine(self.state, found)}
            yield {"moment": round(limit, 2), "first_process_alone": alone, **facts}
            if not found.struck:
                # It completed: the next kill needs the home as it was before.
                shutil.rmtree(self.state.folder)
                shutil.copytree(before.folder, self.state.folder)
        shutil.rmtree(before.folder)
        yield self.completed(command, expected, rows)

    def completed(self, command: Sequence[str], expected: Watched, rows: dict[str, int]) -> Round:
        """The round in which the command runs to its end."""
        found = self.runner.watch(self.state, command)
        result = {"moment": None, **described(found), **examine(self.state, found)}
        now = row_counts(self.state.home)
        lost = [table for table, count in rows.items() if now.get(table, 0) < count]
        # A merge and a decision that were recorded before a kill are refused the second time.
        repeated = found.status == 2 and command[0] in ("rightsholder", "decide")
        ended = not found.status or repeated
        result["healthy"] &= ended and not lost and now["asset"] == rows["asset"]
        result["undisturbed_seconds"] = round(expected.seconds, 2)
        if not result["healthy"]:
            result |= {"stderr": found.err[-1000:], "tables_with_fewer_rows": lost}
        return result


def described(found: Watched) -> Round:
    """A run, as the result tells it."""
    return {"struck": found.struck, "status": found.status, "seconds": round(found.seconds, 2)}


def examine(state: State, found: Watched) -> Round:
    """The errors that the doctor finds, and the processes that a kill left."""
    try:
        wrong = [each.what for each in doctor(Registry.open(Home(state.home))).wrong]
    except CreditlineError as error:
        wrong = [str(error)]
    return {"healthy": not wrong and not found.left_over, "findings": wrong, "processes_left": found.left_over}


def row_counts(home: Path) -> dict[str, int]:
    """Number of rows of every table of a home, except of its log."""
    with duckdb.connect(str(home / "registry.duckdb"), read_only=True) as connection:
        names = [name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
        return {
            name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchall()[0][0]  # noqa: S608 - its own names
            for name in names
            if name != "event"  # a killed attempt may have none, or one more
        }


def printed(result: Round) -> Round:
    """``result``, printed: a run takes long."""
    print(json.dumps(result), flush=True)
    return result
