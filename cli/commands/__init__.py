"""One module per group of commands; each has a ``register_commands(app)``; listed here in the order
of the help.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType, ModuleType

from cli.commands.attribution import audits, evaluation, landscape, rankers
from cli.commands.ensembles import encode, samples, train
from cli.commands.home import init, oversight
from cli.commands.publish import credentials, exports, reports, statements
from cli.commands.rights import claims, rights, withdrawals
from cli.commands.works import owners, register, show, works
from cli.demo import command

GROUPS: Mapping[str, tuple[ModuleType, ...]] = MappingProxyType(
    {
        "Begin": (command, init),
        "Works and whose they are": (register, works, owners, claims),
        "May we train on them": (rights,),
        "Members and what they generate": (encode, train, samples),
        "Where did it come from": (rankers, audits, landscape, reports, evaluation),
        "What others ask for": (statements, exports, credentials),
        "Taking works out": (withdrawals,),
        "Is the record whole, and what does it say": (oversight, show),
    }
)
"""By the heading of the help that they stand under."""
