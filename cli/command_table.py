"""The table of all commands, in the order of the help.

One module per command, named after the command, in a package per subject. The module has a function
of that name, or a ``typer.Typer`` if the command has subcommands. A module is imported only when
its command is used, so the help line, the first paragraph of its docstring, is repeated here.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

_PACKAGES: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("cli.demo", "Start"): {
        "demo": "Run the whole job in minutes on real works: register, train, generate, audit, report.",
    },
    ("cli.commands.home", "Registry"): {
        "init": "Create an empty registry. An existing registry stays as it is.",
        "status": "Count what the registry holds and what it lacks.",
        "doctor": "Check the whole registry and its files.",
        "log": "List the recorded changes, and verify that the log is complete and unaltered.",
        "keys": "Make, list and publish the keys that sign documents.",
        "migrate": "Bring an older registry to the schema of this version, and keep a copy of it.",
    },
    ("cli.commands.works", "Works and rightsholders"): {
        "register": "Register works with their rightsholders and licences, from files or from a list.",
        "works": "List the registered works with their rights.",
        "show": "Show everything on record about one work.",
        "rightsholders": "List the rightsholders and the number of works of each.",
        "rightsholder": "Show, describe and merge rightsholders.",
        "owners": "Show every recorded statement about the owners of works, newest first.",
        "licences": "List the licences with their terms for training and numbers of works.",
        "data-sets": "List the data sets that works were registered from.",
        "duplicates": "List groups of near duplicates, groups with several rightsholders first.",
        "sql": "Query the registry in DuckDB's SQL, read-only.",
    },
    ("cli.commands.rights", "Permissions, claims and withdrawals"): {
        "rights": "Show whether models may train on works, and why.",
        "check": "List the prohibited and withdrawn works of an encoding or ensemble.",
        "review": "Decide whether models may train on works.",
        "confirm": "Record rights that were checked; they override declared rights.",
        "policy": "Record the policy of a site: it applies to all works of that site, also to later ones.",
        "headers": "Record what the response headers of registered works say about training.",
        "policies": "List the recorded site policies, current and replaced ones.",
        "claim": "Record a claim to own works. While it is open, works count as unclear instead of permitted.",
        "claims": "List claims, newest first, or show one with its works and decisions.",
        "decide": "Accept, refuse or reopen a claim.",
        "withdraw": "Withdraw works: members trained on them go out of service. This cannot be undone.",
        "withdrawals": "List all withdrawals: subject, number of works, time, author and reason.",
        "retrain": "Train the members that are out of service again, without withdrawn works.",
        "certificate": "Prove by manifests that no member in service saw withdrawn works, or verify such a proof.",
    },
    ("cli.commands.ensembles", "Ensembles and samples"): {
        "base": "Register, list and show base models: the frozen models that adapters are trained on.",
        "plan": "Compare ensembles of different sizes for the registered works, before training.",
        "encode": "Give every unit of the registered works a code: the members that will train on it.",
        "train": "Train every member of an encoding on exactly the works that its codes assign.",
        "members": "List, collect and import members, and train the reference model.",
        "exposure": "Show the encodings, ensembles and members that contain given works.",
        "manifest": "Show the manifest of a member: settings, hashes, works by rightsholder and licence.",
        "manifest-check": "Check the proof of a manifest without the registry; exit with 1 if it does not hold.",
        "sample": "Generate images, and keep everything needed to regenerate and audit them.",
        "samples": "List the samples of an ensemble.",
    },
    ("cli.commands.attribution", "Origin of an image"): {
        "rankers": "Grade rankers on an ensemble, and choose one for generated and one for given images.",
        "audit": "Test which units an image came from: rank all units, test the shortlist, measure influence.",
        "ablate": "Generate a sample again without given units.",
        "landscape": "Show the influence of every unit on an output, as a table or a plot.",
        "imitate": "Measure how well images that were made to imitate artists are told to be theirs.",
        "evaluate": "Measure how good the evidence of an ensemble is: copied works found, false alarms and more.",
        "firmness": "Measure how firm a verdict is: the smallest change of an image that turns it.",
        "verify": "Generate samples again and compare them with their files.",
    },
    ("cli.commands.publish", "Reports and exports"): {
        "report": "Write reports on outputs and data sets, and check whether a document was altered.",
        "statement": "Write a statement for a rightsholder: a page, the same as JSON, and tables.",
        "shares": "Write a settlement table: the shares of all audited outputs, summed for accounting.",
        "portfolio": "Choose the rightsholders to license, so that outputs are covered at the lowest price.",
        "facts": "Supply facts for exports that only people know, and list those that are missing.",
        "export": "Write filings, standard formats and tables of the registry.",
        "sign": "Sign a copy of a generated image with Content Credentials (C2PA), offline.",
        "credentials": "Check the Content Credentials (C2PA) of an image.",
        "test-certificate": "Make a TEST certificate chain and key, to try out signing. Nobody trusts it.",
    },
}


class ListedCommand(NamedTuple):
    """A command in the help, without importing it."""

    module: str
    panel: str
    help: str


COMMANDS: Mapping[str, ListedCommand] = MappingProxyType(
    {
        name: ListedCommand(f"{package}.{name.replace('-', '_')}", panel, line)
        for (package, panel), commands in _PACKAGES.items()
        for name, line in commands.items()
    }
)
"""The commands by typed name."""
