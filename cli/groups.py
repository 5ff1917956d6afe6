"""Groups of commands: one that imports a command when it is used, and one with a default."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from cli.command_table import COMMANDS


class LazyGroup(TyperGroup):
    """The commands of the table ``cli.command_table.COMMANDS``.

    The help and shell completion read names and help lines from the table. A command's module is
    imported when the command runs, or when its own help is asked for.
    """

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, listed in COMMANDS.items():
            self.add_command(TyperCommand(name, help=listed.help, rich_help_panel=listed.panel))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 - typer's own classes are private
        """The command named by the first argument, imported."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, load(name) if name and command else None, rest


def load(name: str) -> Any:  # noqa: ANN401 - typer's own class of commands is private
    """Import a command. Its module has a function, or a ``Typer``, of the command's name."""
    found = getattr(import_module(COMMANDS[name].module), name.replace("-", "_"))
    holder = typer.Typer(rich_markup_mode="rich", pretty_exceptions_enable=False)
    if isinstance(found, typer.Typer):
        holder.add_typer(found, name=name)
    else:
        holder.command(name)(found)
    command: Any = typer.main.get_group(holder).commands[name]
    for each in (command, *getattr(command, "commands", {}).values()):
        each.help = _for_a_terminal(each.help or "")
    return command


def _for_a_terminal(text: str) -> str:
    """The docstring without markup, each paragraph on one line for the terminal to wrap.

    Indented lines, the examples, stay separate lines. They lose their indent, since typer keeps it
    only after some texts.
    """
    paragraphs = re.sub(r"(?<=\S)\n(?=\S)", " ", text)
    return re.sub(r"\n +", "\n", paragraphs).replace("[", r"\[")


def with_default(command: str) -> type[TyperGroup]:
    """A group with a default command: ``report OUTPUT`` is ``report outputs OUTPUT``."""

    class GroupWithDefault(TyperGroup):
        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - as above
            known = {*self.commands, *ctx.help_option_names}
            if args[0] not in known if args else not self.no_args_is_help:
                args = [command, *args]
            return super().parse_args(ctx, args)

    return GroupWithDefault
