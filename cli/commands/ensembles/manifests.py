"""``creditline manifest`` and ``manifest-check``: what a member saw, and proofs of it."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.common import HomeOption, JsonOption, home_at, narrate, print_json, print_table, printable
from registry.errors import UsageError
from registry.home import DEFAULT_HOME

if TYPE_CHECKING:
    from registry.members.contents import Saw, Share
    from registry.storage.database import Registry
    from registry.storage.tables import Member

MOST_SHARES = 20
_SHA256 = re.compile("[0-9A-Fa-f]{64}")


def register_commands(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.command("manifest")(show_manifest)
    app.command("manifest-check")(check_proof)


def show_manifest(
    member: Annotated[str, typer.Argument(metavar="MEMBER", help="Id or its first digits, see `members list`.")],
    list_works: Annotated[bool, typer.Option("--works", help="List the works that it saw.")] = False,
    prove: Annotated[
        str | None, typer.Option("--prove", metavar="WORK", help="Prove that it saw this work, or that it did not.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write the works to a file.")] = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Say what a member saw: settings, works by rightsholder and licence, hashes; or prove it for
    one work.

    A proof shows no other work. Whoever gets it checks it with `creditline manifest-check`, without
    the registry.

    Examples:
        creditline manifest 3fa2b1c09d11-00

        creditline manifest 3fa2b1c09d11-00 --prove 17 > proof.json
    """
    from registry.export.files import check_suffix, write_listing
    from registry.members.contents import listing_of, what_member_saw, works_of_member
    from registry.storage.database import Registry
    from registry.storage.tables import Member
    from registry.works.queries import find_by_prefix

    if out is not None:
        check_suffix(out)
    registry = Registry.open(home_at(home))
    with registry.session() as session:
        chosen = find_by_prefix(session, Member, member)
    if prove is not None:
        print_json("proof", {"member": chosen.id, **_proof(registry, chosen, prove)})
        return
    saw = what_member_saw(registry, chosen)
    listed = listing_of(registry, works_of_member(registry, chosen).works) if list_works or out else None
    if out is not None and listed is not None:
        narrate(f"{write_listing(listed, out):,} works written to {out}")
    if as_json:
        rows = {"listed": listed.to_pylist()} if list_works and listed is not None else {}
        print_json("manifest", {**_facts(saw), **rows})
        return
    facts = _facts(saw)
    plain = {name: value for name, value in facts.items() if not isinstance(value, dict | list)}
    print_table(("what", "value"), [(name.replace("_", " "), value) for name, value in plain.items()])
    print_table(("setting", "value"), [(name, json.dumps(value)) for name, value in facts["settings"].items()])
    for name, shares in (("rightsholder", saw.rightsholders), ("licence", saw.licences)):
        print_table((name, "works"), [(share.name or "none", f"{share.works:,}") for share in shares[:MOST_SHARES]])
        if len(shares) > MOST_SHARES:
            narrate(f"and {len(shares) - MOST_SHARES:,} more; --json has all")
    if list_works and listed is not None:
        print_table(
            ("sha256", "work", "path"), [(row["sha256"], row["asset_id"], row["path"]) for row in listed.to_pylist()]
        )


def check_proof(
    proof: Annotated[Path, typer.Argument(metavar="PROOF", help="File that `manifest --prove` wrote.")],
    root: Annotated[str, typer.Option("--root", metavar="HEX", help="Merkle root, from the manifest itself.")],
    count: Annotated[int, typer.Option("--count", min=0, help="Number of works, from the manifest itself.")],
    work: Annotated[str, typer.Option("--work", metavar="SHA256", help="Of the work's file.")],
    as_json: JsonOption = False,
) -> None:
    """Check a proof without the registry: exit with 0 and what it shows, or with 1 if it shows
    nothing.

    Take root and count from a manifest that you trust, not from whoever gave you the proof.

    Examples:
        creditline manifest-check proof.json --root 3fa2… --count 1200 --work 9b1c…
    """
    from registry.members.contents import read_proof, shows

    for name, value in (("--root", root), ("--work", work)):
        if not _SHA256.fullmatch(value):
            raise UsageError(f"got {name} {printable(value[:80])!r}, expected a SHA-256: 64 hexadecimal digits")
    shown = shows(read_proof(proof), root.lower(), count, work.lower())
    words = {
        True: "the member saw this work",
        False: "the member did not see this work",
        None: "the proof shows nothing",
    }
    if as_json:
        print_json("manifest-check", {"valid": shown is not None, "seen": shown})
    else:
        typer.echo(words[shown])
    if shown is None:
        raise typer.Exit(1)


def _proof(registry: Registry, member: Member, reference: str) -> dict[str, Any]:
    from registry.members.contents import proof_document, prove, works_of_member
    from registry.works.lookup import resolve_works

    sha256: str | None = reference.lower()
    if len(reference) != 64:  # a work that the registry does not have can be proved absent, too: by its whole hash
        with registry.connection() as connection:
            (number,) = resolve_works(connection, [reference])
            sha256 = connection.execute("SELECT sha256 FROM asset WHERE id = ?", [number]).fetchall()[0][0]
    if sha256 is None:
        raise UsageError(f"work {reference} has no SHA-256 on record, so that no manifest can name it")
    folder = works_of_member(registry, member)
    return proof_document(folder, sha256, prove(folder, sha256))


def _facts(saw: Saw) -> dict[str, Any]:
    works, encoding = saw.manifest.works, saw.manifest.encoding

    def counted(shares: tuple[Share, ...]) -> list[dict[str, Any]]:
        return [asdict(share) for share in shares]

    return {
        "member": saw.member.id,
        "ensemble": saw.member.ensemble_id,
        "encoding": encoding.id,
        "index": saw.member.index,
        "generation": saw.member.generation,
        "origin": saw.member.origin,
        "withdrawn_through": saw.manifest.withdrawn_through,
        "works": works.count,
        "works_sha256": works.sha256,
        "merkle_root": works.merkle_root,
        "manifest_sha256": saw.member.manifest_sha256,
        "weights_sha256": saw.member.weights_sha256,
        "config_sha256": saw.manifest.config_sha256,
        "registered_at": saw.member.registered_at.isoformat(),
        "settings": saw.manifest.settings,
        "versions": saw.manifest.versions,
        "rightsholders": counted(saw.rightsholders),
        "licences": counted(saw.licences),
    }
