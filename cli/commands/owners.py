"""``creditline rightsholder``, ``claim``, ``claims``, ``decide`` and ``duplicates``: who owns it, and who says so."""

from __future__ import annotations

import typer


def register_commands(app: typer.Typer) -> None:
    """Add the commands of this group."""
