"""``creditline manifest``: the works of a member, and proofs about single works."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.opening import open_registry
from cli.options import HomeOption, JsonOption, OutOption
from cli.output import narrate, print_fields, print_json, print_table
from registry.errors import UsageError
from registry.home import DEFAULT_HOME

if TYPE_CHECKING:
    from registry.members.contents import MemberContents
    from registry.storage.database import Registry
    from registry.storage.tables import Member

MOST_SHARES = 20
"""Rightsholders and licences to print; --json has all."""


def manifest(
    member: Annotated[
        str, typer.Argument(metavar="MEMBER", help="Member: id or its first digits; see `members list`.")
    ],
    list_works: Annotated[bool, typer.Option("--works", help="List the works that the member was trained on.")] = False,
    prove: Annotated[
        str | None,
        typer.Option("--prove", metavar="WORK", help="Prove whether the member was trained on this work."),
    ] = None,
    out: OutOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Show the manifest of a member: settings, hashes, works by rightsholder and licence.

    With --prove: print a proof as JSON. A proof reveals no other work. Anyone can check it with
    `creditline manifest-check`, without the registry.

    Examples:
        creditline manifest 3fa2b1c09d11-00
        creditline manifest 3fa2b1c09d11-00 --prove 17 > proof.json
    """
    from registry.export.files import check_suffix, write_listing
    from registry.members.contents import contents_of_member, listing_of, works_of_member
    from registry.storage.tables import Member
    from registry.works.queries import find_by_prefix

    if out is not None:
        check_suffix(out)
    registry = open_registry(home)
    with registry.session() as session:
        chosen = find_by_prefix(session, Member, member)
    if prove is not None:
        print_json("proof", {"member": chosen.id, **_proof(registry, chosen, prove)})
        return
    contents = contents_of_member(registry, chosen)
    listed = listing_of(registry, works_of_member(registry, chosen).works) if list_works or out else None
    if out is not None and listed is not None:
        narrate(f"{write_listing(listed, out):,} works written to {out}")
    facts = _facts(contents)
    rows = listed.to_pylist() if list_works and listed is not None else None
    if as_json:
        print_json("manifest", {**facts, **({} if rows is None else {"listed": rows})})
        return
    plain = {name: value for name, value in facts.items() if not isinstance(value, dict | list)}
    print_fields([(name.replace("_", " "), value) for name, value in plain.items()])
    print_table(("setting", "value"), [(name, json.dumps(value)) for name, value in facts["settings"].items()])
    for name, shares in (("rightsholder", contents.rightsholders), ("licence", contents.licences)):
        print_table((name, "works"), [(share.name or "none", f"{share.works:,}") for share in shares[:MOST_SHARES]])
        if len(shares) > MOST_SHARES:
            narrate(f"and {len(shares) - MOST_SHARES:,} more; --json has all")
    if rows is not None:
        print_table(("sha256", "work", "path"), [(row["sha256"], row["asset_id"], row["path"]) for row in rows])


def _proof(registry: Registry, member: Member, reference: str) -> dict[str, Any]:
    from registry.members.contents import proof_document, prove, works_of_member
    from registry.works.lookup import resolve_works

    sha256: str | None = reference.lower()
    if len(reference) != 64:  # a whole hash also proves the absence of a work that is not registered
        with registry.connection() as connection:
            (asset_id,) = resolve_works(connection, [reference])
            sha256 = connection.execute("SELECT sha256 FROM asset WHERE id = ?", [asset_id]).fetchall()[0][0]
    if sha256 is None:
        raise UsageError(f"work {reference} has no SHA-256 on record, so no manifest can name it")
    folder = works_of_member(registry, member)
    return proof_document(folder, sha256, prove(folder, sha256))


def _facts(contents: MemberContents) -> dict[str, Any]:
    from dataclasses import asdict

    works = contents.manifest.works
    return {
        "member": contents.member.id,
        "ensemble": contents.member.ensemble_id,
        "encoding": contents.manifest.encoding.id,
        "index": contents.member.index,
        "generation": contents.member.generation,
        "origin": contents.member.origin,
        "withdrawn_through": contents.manifest.withdrawn_through,
        "works": works.count,
        "works_sha256": works.sha256,
        "merkle_root": works.merkle_root,
        "manifest_sha256": contents.member.manifest_sha256,
        "weights_sha256": contents.member.weights_sha256,
        "config_sha256": contents.manifest.config_sha256,
        "registered_at": contents.member.registered_at.isoformat(),
        "settings": contents.manifest.settings,
        "versions": contents.manifest.versions,
        "rightsholders": [asdict(share) for share in contents.rightsholders],
        "licences": [asdict(share) for share in contents.licences],
    }
