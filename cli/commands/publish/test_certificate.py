"""``creditline test-certificate``: make a certificate chain and key to try out signing."""
# ruff: noqa: PT028 - a command, not a test

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from cli.opening import now
from cli.options import JsonOption
from cli.output import echo, narrate, print_json


def test_certificate(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder for the three files.")],
    algorithm: Annotated[
        Literal["es256", "es384", "es512", "ps256", "ed25519"],
        typer.Option("--algorithm", help="Signature algorithm of the key."),
    ] = "es256",
    days: Annotated[int, typer.Option("--days", min=1, max=366, help="Days until the certificates expire.")] = 30,
    as_json: JsonOption = False,
) -> None:
    """Make a TEST certificate chain and key, to try out signing. Nobody trusts it.

    Needs creditline[c2pa].

    Examples:
        creditline test-certificate test
        creditline sign 3fa2b1c09d11 --certificate test/test-chain.pem --key test/test-key.pem
    """
    from reports.credentials.trial_certificates import make_practice_certificates

    made = make_practice_certificates(folder, now(), algorithm=algorithm, days=days)
    paths = {"chain": str(made.chain), "key": str(made.key), "root": str(made.root)}
    if as_json:
        print_json("test-certificate", {**paths, "valid_until": made.valid_until.isoformat(), "test": True})
    else:
        for path in paths.values():
            echo(path)
    narrate(
        "this is a TEST chain: nobody trusts it, and its names contain TEST. To publish images, get a certificate from an "
        f"authority. To try it out: creditline credentials FILE --trust {made.root}"
    )
