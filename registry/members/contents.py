"""The works of one member: manifest, works by rightsholder and licence, Merkle proofs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from registry.errors import InputError, IntegrityError
from registry.members.manifest import Manifest, MemberFolder
from registry.members.merkle import AbsenceProof, InclusionProof, MerkleTree, Proof, verify
from registry.members.register import check_member
from registry.storage.database import Registry
from registry.storage.tables import Member

LARGEST_PROOF_FILE = 2**20


@dataclass(frozen=True)
class Share:
    """Number of a member's works with one rightsholder or licence; ``name``: None if unknown."""

    name: str | None
    works: int


@dataclass(frozen=True)
class MemberContents:
    """The works of a member; rightsholders and licences as the registry has them now."""

    member: Member
    manifest: Manifest
    rightsholders: tuple[Share, ...]
    licences: tuple[Share, ...]


def contents_of_member(registry: Registry, member: Member) -> MemberContents:
    """The member's manifest from its row, with its works counted by rightsholder and by licence."""
    manifest = Manifest.model_validate(member.manifest, strict=False)
    with registry.connection() as connection:
        owners, licences = (
            connection.execute(
                f"SELECT {name}, count(*) AS works FROM member_work JOIN asset ON asset.id = asset_id "  # noqa: S608 - constants
                f"LEFT JOIN {table} ON {table}.id = {table}_id WHERE member_id = ? GROUP BY {table}.id, {name} "
                "ORDER BY works DESC, 1",
                [member.id],
            ).fetchall()
            for name, table in (("name", "rightsholder"), ("reference", "licence"))
        )
    return MemberContents(member, manifest, *(tuple(Share(*row) for row in rows) for rows in (owners, licences)))


def works_of_member(registry: Registry, member: Member) -> MemberFolder:
    """The member's folder with its works, checked. Raises IntegrityError for altered files."""
    return check_member(registry.home.member(member.id), member)


def listing_of(registry: Registry, hashes: Sequence[str]) -> pa.Table:
    """Works by hash: sha256, asset_id, path, rightsholder and licence; null for unknown hashes."""
    with registry.connection() as connection:
        connection.register("listed", pa.table({"listed_sha256": pa.array(hashes, pa.string())}))
        return connection.execute(
            "SELECT listed_sha256 AS sha256, asset.id AS asset_id, path, name AS rightsholder, reference AS licence "
            "FROM listed LEFT JOIN asset ON sha256 = listed_sha256 LEFT JOIN rightsholder ON rightsholder.id = rightsholder_id "
            "LEFT JOIN licence ON licence.id = licence_id ORDER BY listed_sha256, asset.id"
        ).to_arrow_table()


def prove(folder: MemberFolder, sha256: str) -> Proof:
    """A proof that the member saw a work, or that it did not."""
    tree = MerkleTree.build(folder.works)
    if tree.root != folder.manifest.works.merkle_root:
        raise IntegrityError(
            f"{folder.path} states a Merkle root that is not that of its works; restore the member's folder"
        )
    return tree.prove(sha256)


def proof_document(folder: MemberFolder, sha256: str, proof: Proof) -> dict[str, Any]:
    """The proof with everything needed to check it: root and count come from the manifest."""
    works = folder.manifest.works
    return {
        "work_sha256": sha256,
        "seen": isinstance(proof, InclusionProof),
        "merkle_root": works.merkle_root,
        "count": works.count,
        "manifest_sha256": folder.manifest.sha256,
        "proof": json.loads(proof.to_json()),
    }


def read_proof(path: Path) -> Proof:
    """A proof from a file: the proof alone, or output of ``creditline manifest --prove --json``.

    Raises:
        InputError: the file cannot be read, or has no proof.
    """
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_PROOF_FILE + 1)
        document = json.loads(data) if len(data) <= LARGEST_PROOF_FILE else None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON; expected a proof that `creditline manifest --prove` wrote") from error
    if isinstance(document, dict) and isinstance(document.get("proof"), dict):
        document = document["proof"]
    kind = document.get("creditline_proof") if isinstance(document, dict) else None
    if kind not in ("inclusion", "absence"):
        raise InputError(f"{path} has no proof; expected one that `creditline manifest --prove` wrote")
    text = json.dumps(document)
    return InclusionProof.from_json(text) if kind == "inclusion" else AbsenceProof.from_json(text)


def shows(proof: Proof, root: str, count: int, sha256: str) -> bool | None:
    """Whether the work was seen, by a proof; None: the proof does not hold."""
    return isinstance(proof, InclusionProof) if verify(proof, root, count, sha256) else None
