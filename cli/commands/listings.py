"""``creditline sql``, ``export`` and ``show``: any question to the registry, and everything about one work."""

from __future__ import annotations

import typer


def register_commands(app: typer.Typer) -> None:
    """Add the commands of this group."""
