"""``creditline exposure``, ``manifest``, ``log`` and ``doctor``: which model saw it, and is the record whole."""

from __future__ import annotations

import typer


def register_commands(app: typer.Typer) -> None:
    """Add the commands of this group."""
