"""``creditline rights``, ``check``, ``review`` and ``policy``: may we train on it, and who decided that."""

from __future__ import annotations

import typer


def register_commands(app: typer.Typer) -> None:
    """Add the commands of this group."""
