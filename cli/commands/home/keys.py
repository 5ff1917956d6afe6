"""``creditline keys``: the keys that sign documents."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.opening import now, open_registry
from cli.options import HomeOption, JsonOption
from cli.output import narrate, print_json, print_table
from registry.errors import UsageError
from registry.home import DEFAULT_HOME

keys = typer.Typer(
    no_args_is_help=True,
    help="""Make, list and publish the keys that sign documents.

    Examples:
        creditline keys create
        creditline keys export --out key.pem
    """,
)

KeyArgument = Annotated[
    str | None, typer.Argument(metavar="[KEY]", help="First digits of its id; default: the newest key.")
]


@keys.command("create")
def create(
    passphrase: Annotated[
        bool, typer.Option("--passphrase", help="Ask for a passphrase that encrypts the private half.")
    ] = False,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Make an Ed25519 key. It signs every document from now on.

    The private half lies in the home, in keys/, and only its owner may read it. With
    CREDITLINE_KEY_PASSPHRASE, or --passphrase, it is encrypted. The public half becomes an event of
    the log; log-head.json and `creditline log head` show it, too. An earlier key signs no more, and
    its signatures stay valid.

    Examples:
        creditline keys create
        creditline keys create --passphrase
    """
    from reports.signatures.keys import PASSPHRASE, create_key

    chosen = os.environ.get(PASSPHRASE)
    if passphrase and not chosen:
        if not sys.stdin.isatty():
            raise UsageError(
                f"there is no terminal to ask for a passphrase on: set {PASSPHRASE} instead of --passphrase"
            )
        chosen = typer.prompt("Passphrase", hide_input=True, confirmation_prompt=True, err=True)
    key = create_key(open_registry(home), now(), chosen)
    if as_json:
        print_json("key", {"key_id": key.id, "private": str(key.private), "encrypted": bool(chosen)})
    else:
        typer.echo(key.id)
        narrate(f"documents are signed by it from now on; keep a copy of {key.private} where it is safe")


@keys.command("list")
def list_keys(home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """List the keys, oldest first.

    The last one signs, if its private half is here. Without it, documents say that they are not
    signed.

    Examples:
        creditline keys list
    """
    from reports.signatures.keys import keys_of

    found = keys_of(open_registry(home))
    signs = found[-1].id if found and found[-1].can_sign else None
    if as_json:
        listed = [{"key_id": key.id, "private_here": key.can_sign, "signs": key.id == signs} for key in found]
        print_json("keys", {"keys": listed})
        return
    rows = [(key.id, "yes" if key.can_sign else "no", "yes" if key.id == signs else "no") for key in found]
    print_table(("key", "private half here", "signs"), rows)


@keys.command("show")
def show(key: KeyArgument = None, home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Print the public half of a key in PEM, as openssl reads it.

    Examples:
        creditline keys show > key.pem
    """
    from reports.signatures.keys import key_named

    found = key_named(open_registry(home), key)
    if as_json:
        print_json("key", {"key_id": found.id, "public": found.pem().decode(), "private_here": found.can_sign})
    else:
        typer.echo(found.pem().decode(), nl=False)


@keys.command("export")
def export(
    key: KeyArgument = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="File to write.", show_default="required")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Write the public half of a key into a file for those who check documents.

    Examples:
        creditline keys export --out key.pem
    """
    from registry.home import write_bytes_atomically
    from reports.signatures.keys import key_named

    if out is None:
        raise UsageError("expected --out FILE: the file for the public key")
    found = key_named(open_registry(home), key)
    write_bytes_atomically(out, found.pem())
    if as_json:
        print_json("key", {"key_id": found.id, "out": str(out)})
    else:
        typer.echo(str(out))
