"""One module per group of commands; each has a ``register_commands(app)``, listed here in the order of the help."""

from __future__ import annotations

from types import ModuleType

from cli.commands import audits, demo, encodings, ensembles, homes, reports, samples, works

GROUPS: tuple[ModuleType, ...] = (homes, works, encodings, ensembles, samples, audits, reports, demo)
