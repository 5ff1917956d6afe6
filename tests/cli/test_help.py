"""The table of commands, and the help of every command: complete, true, and with examples that
parse.
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperCommand

import cli
from cli.command_table import COMMANDS
from cli.groups import load
from cli.main import app
from tests.support.running import Creditline

OF_OTHER_PROGRAMS = {"--revision", "--sparse"}
"""Options of `hf` and of `tar`, which messages name too."""
PACKAGES = ("home", "works", "rights", "ensembles", "attribution", "publish")


def all_commands() -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command with the words that are typed for it, subcommands too."""
    for name in COMMANDS:
        command = load(name)
        yield (name,), command
        for child, subcommand in getattr(command, "commands", {}).items():
            yield (name, child), subcommand


def examples_of(command: TyperCommand) -> list[str]:
    """The lines of the help that can be pasted."""
    return re.findall(r"^(creditline .*)$", (command.help or "").replace("\\[", "["), flags=re.MULTILINE)


def parse(words: list[str]) -> None:
    """Parse a command line as the entry point does, without running it."""
    command: Any = typer.main.get_command(app)
    context = command.make_context("creditline", words)
    while hasattr(command, "commands"):
        rest = [*context._protected_args, *context.args]
        if not rest:  # a group that runs without a subcommand
            return
        name, command, rest = command.resolve_command(context, rest)
        context = command.make_context(name, rest, parent=context)


def test_the_table_says_what_the_commands_say() -> None:
    """The line of the table is the first paragraph of the command's help."""
    for name, listed in COMMANDS.items():
        first = load(name).help.split("\n\n")[0].strip()
        assert listed.help == first, name
        assert len(listed.help) <= 92


def test_every_command_module_is_listed() -> None:
    """A module that has a function or a group of its own name is a command of the table."""
    listed = {command.module for command in COMMANDS.values()}
    root = Path(cli.__file__).parent
    for package in PACKAGES:
        for path in (root / "commands" / package).glob("*.py"):
            module = f"cli.commands.{package}.{path.stem}"
            text = path.read_text("utf-8")
            own = re.search(rf"^(def {path.stem}\(|{path.stem} = typer\.Typer\()", text, re.MULTILINE)
            assert bool(own and ("JsonOption" in text or "Typer(" in text)) == (module in listed), module


def test_every_command_has_examples_that_parse() -> None:
    """At least one each, of the command itself; and each is what the parser accepts."""
    for words, command in all_commands():
        examples = examples_of(command)
        assert any(example.startswith(f"creditline {' '.join(words[:1])}") for example in examples), words
        for example in examples:
            line = shlex.split(re.split(r" (?:<|>>?) ", example)[0])
            parse(line[1:])


def test_every_option_is_explained() -> None:
    """In one line of help, which names no pronoun's owner and ends with a full stop."""
    for words, command in all_commands():
        for parameter in command.params:
            if parameter.name != "help":
                assert parameter.help, (words, parameter.name)
                assert parameter.help.endswith("."), (words, parameter.help)


@pytest.mark.slow
def test_every_option_that_a_text_names_exists() -> None:
    """Messages and docstrings of all rooms send nobody to an option that no command has."""
    commands = [typer.main.get_command(app), *(command for _, command in all_commands())]
    known = {name for command in commands for each in command.params for name in (*each.opts, *each.secondary_opts)}
    known |= {"--help", *OF_OTHER_PROGRAMS}
    root = Path(cli.__file__).parents[1]
    for path in (
        path for room in ("attribution", "registry", "reports", "cli") for path in (root / room).rglob("*.py")
    ):
        if path.parent == root / "reports" / "rendering":  # its names with two hyphens are those of CSS
            continue
        texts = [node.value for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Constant)]
        named = {name for text in texts for name in re.findall(r"(?<![\w-])--[a-z][a-z-]*[a-z]", str(text))}
        assert named <= known, (path, named - known)


def test_the_help_lists_all_commands_without_importing_them(creditline: Creditline) -> None:
    """Names and first words of the lines."""
    found = creditline("--help")
    assert found.status == 0
    for name, listed in COMMANDS.items():
        assert re.search(rf"│ {name} +{re.escape(listed.help[:20])}", found.out), name


@pytest.mark.parametrize(
    ("typed", "expected"), [("work", "works"), ("export cyc", "cyclonedx"), ("works --coun", "--count")]
)
def test_the_shell_completes_names_and_options(
    creditline: Creditline, monkeypatch: pytest.MonkeyPatch, typed: str, expected: str
) -> None:
    """Of commands, of subcommands, of options."""
    monkeypatch.setenv("_CREDITLINE_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", f"creditline {typed}")
    monkeypatch.setenv("COMP_CWORD", str(len(typed.split())))
    assert expected in creditline().out.split()


def test_a_mistyped_command_is_corrected(creditline: Creditline) -> None:
    """With the name that was probably meant, also of a command that is not imported."""
    found = creditline("wroks")
    assert (found.status, found.out) == (2, "")
    assert "Did you mean 'works'?" in found.err


def test_help_shows_brackets_as_they_are(creditline: Creditline) -> None:
    """They are no markup."""
    assert "creditline[peers]" in creditline("rankers", "--help").out
