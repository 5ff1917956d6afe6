"""``creditline manifest-check``: check a proof without the registry."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from cli.options import JsonOption
from cli.output import echo, print_json, printable
from registry.errors import UsageError

_SHA256 = re.compile("[0-9A-Fa-f]{64}")


def manifest_check(
    proof: Annotated[Path, typer.Argument(metavar="FILE", help="Proof, as `manifest --prove` prints it.")],
    root: Annotated[str, typer.Option("--root", metavar="HASH", help="Merkle root, from the manifest itself.")],
    count: Annotated[int, typer.Option("--count", min=0, help="Number of works, from the manifest itself.")],
    work: Annotated[str, typer.Option("--work", metavar="SHA256", help="SHA-256 of the work's file.")],
    as_json: JsonOption = False,
) -> None:
    """Check the proof of a manifest without the registry; exit with 1 if it does not hold.

    Take the root and the count from a manifest that you trust, not from the sender of the proof.
    Both hashes have 64 hexadecimal digits.

    Examples:
        creditline manifest-check proof.json --root $ROOT --count 1200 --work $SHA256
    """
    from registry.members.contents import read_proof, shows

    for name, value in (("--root", root), ("--work", work)):
        if not _SHA256.fullmatch(value):
            raise UsageError(f"got {name} {printable(value[:80])!r}, expected a SHA-256: 64 hexadecimal digits")
    shown = shows(read_proof(proof), root.lower(), count, work.lower())
    words = {
        True: "the member was trained on this work",
        False: "the member was not trained on this work",
        None: "the proof shows nothing",
    }
    if as_json:
        print_json("manifest-check", {"valid": shown is not None, "seen": shown})
    else:
        echo(words[shown])
    if shown is None:
        raise typer.Exit(1)
