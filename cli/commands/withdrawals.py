"""``creditline withdraw``, ``retrain`` and ``certificate``: taking works out, and proving it."""

from __future__ import annotations

import typer


def register_commands(app: typer.Typer) -> None:
    """Add the commands of this group."""
