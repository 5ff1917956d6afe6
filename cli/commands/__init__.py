"""One module per group of commands; each has a ``register_commands(app)``; listed here in the order of the help."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType, ModuleType

from cli.commands import (
    audits,
    claims,
    credentials,
    demo,
    encodings,
    ensembles,
    evaluation,
    exports,
    homes,
    landscape,
    listings,
    oversight,
    owners,
    rankers,
    register,
    reports,
    rights,
    samples,
    statements,
    withdrawals,
    works,
)

GROUPS: Mapping[str, tuple[ModuleType, ...]] = MappingProxyType(
    {
        "Begin": (demo, homes),
        "Works and whose they are": (register, works, owners, claims),
        "May we train on them": (rights,),
        "Members and what they generate": (encodings, ensembles, samples),
        "Where did it come from": (rankers, audits, landscape, reports, evaluation),
        "What others ask for": (statements, exports, credentials),
        "Taking works out": (withdrawals,),
        "Is the record whole, and what does it say": (oversight, listings),
    }
)
"""By the heading of the help that they stand under."""
