"""One module per group of commands; each has a ``register_commands(app)``, listed here in the order of the help."""

from __future__ import annotations

from types import ModuleType

from cli.commands import (
    audits,
    claims,
    demo,
    encodings,
    ensembles,
    homes,
    listings,
    oversight,
    owners,
    register,
    reports,
    rights,
    samples,
    withdrawals,
    works,
)

GROUPS: tuple[ModuleType, ...] = (
    homes,
    register,
    works,
    rights,
    owners,
    claims,
    encodings,
    ensembles,
    samples,
    withdrawals,
    audits,
    reports,
    oversight,
    listings,
    demo,
)
