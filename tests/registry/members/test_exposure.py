"""Exposure and manifests: who saw a work, by the codes and by the listings, and proofs of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from sqlmodel import select

from registry.encodings.store import load_units
from registry.errors import InputError, IntegrityError
from registry.home import Home
from registry.members.contents import (
    contents_of_member,
    listing_of,
    proof_document,
    prove,
    read_proof,
    shows,
    works_of_member,
)
from registry.members.exposure import exposure_by_work, exposure_of, listed_in
from registry.members.manifest import works_listing
from registry.storage.database import Registry
from registry.storage.tables import Encoding, Member
from registry.withdrawals.record import withdraw
from tests.support.housed import N, furnish
from tests.support.works import NOW, register, write_pictures


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with works and a home; tests copy the home."""
    folder = tmp_path_factory.mktemp("furnished")
    furnish(folder)
    return folder


@pytest.fixture
def registry(furnished: Path, tmp_path: Path) -> Registry:
    """The furnished registry."""
    shutil.copytree(furnished / "home", tmp_path / "home")
    return Registry.open(Home(tmp_path / "home"))


def members(registry: Registry) -> list[Member]:
    with registry.session() as session:
        return sorted(session.exec(select(Member)), key=lambda member: member.index)


def test_members_that_saw_a_work_are_those_of_its_code(registry: Registry) -> None:
    """For every work: the members of its code, each with its manifest's hash; all are in
    service.
    """
    with registry.session() as session:
        encoding = session.exec(select(Encoding)).one()
    units = load_units(registry, encoding.id)
    manifests = {member.id: member.manifest_sha256 for member in members(registry)}
    for asset_id, code in zip(units.asset_ids.tolist(), units.asset_codes.tolist(), strict=True):
        found = exposure_of(registry, [asset_id])
        assert [each.index for each in found.members] == [index for index in range(N) if code >> index & 1]
        assert all(each.manifest_sha256 == manifests[each.member] for each in found.members)
        assert all((each.works, each.serves, each.generation) == (1, True, 1) for each in found.members)
        assert (found.members_that_did_not, found.findings) == (N - 3, ())
        assert (found.encodings[0].works, found.encodings[0].units) == (1, 1)


def test_many_works_are_counted_per_member(registry: Registry) -> None:
    """Counts of all works are those of the manifests; a work that is asked for twice counts
    once.
    """
    found = exposure_of(registry, [*range(12), 0, 0])
    assert [each.works for each in found.members] == [member.manifest["works"]["count"] for member in members(registry)]
    assert (found.encodings[0].works, found.works) == (12, 12)
    with registry.connection() as connection:
        rows = exposure_by_work(connection, list(range(12))).to_pylist()
    assert [len(row["members"]) for row in rows] == [3] * 12
    assert [sum(index in row["members"] for row in rows) for index in range(N)] == [
        each.works for each in found.members
    ]


def test_a_work_that_came_later_was_seen_by_nobody(registry: Registry, folder: Path) -> None:
    """No encoding has it, and every listing is without it."""
    register(registry, write_pictures(folder, ["late.png"], first=500), data_set="late")
    found = exposure_of(registry, [12])
    assert found.unseen
    assert (found.encodings, found.findings, found.members_that_did_not) == ((), (), N)


def test_members_that_saw_a_withdrawn_work_are_not_in_service(registry: Registry) -> None:
    """They saw it all the same."""
    withdraw(registry, asset_ids=[3], reason="asked", now=NOW)
    found = exposure_of(registry, [3])
    assert len(found.members) == 3
    assert not any(each.serves for each in found.members)


def test_listings_that_disagree_are_findings(registry: Registry) -> None:
    """A work too many, a work too few, a folder that is gone, a manifest that was edited."""
    first = exposure_of(registry, [0])
    seen = first.members[0].member
    unseen = next(member.id for member in members(registry) if member.id not in {each.member for each in first.members})
    sha256 = hash_of(registry, 0)
    for name in (seen, unseen):
        path = registry.home.member(name) / "works.txt"
        path.write_bytes(works_listing(set(path.read_text().split()) ^ {sha256}))
    lacks, lists = sorted(exposure_of(registry, [0]).findings, key=lambda finding: "lists" in finding)
    assert "lacks 1 of the works" in lacks
    assert "lists 1 of the works" in lists
    shutil.rmtree(registry.home.member(seen))
    assert any("cannot read" in finding for finding in exposure_of(registry, [0]).findings)
    manifest = registry.home.member(unseen) / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"seed":7', '"seed":8'))
    assert any("was altered" in finding for finding in exposure_of(registry, [0]).findings)


def hash_of(registry: Registry, asset_id: int) -> str:
    with registry.connection() as connection:
        return str(connection.execute("SELECT sha256 FROM asset WHERE id = ?", [asset_id]).fetchall()[0][0])


def test_a_listing_is_searched_by_halving(tmp_path: Path) -> None:
    """Found are exactly those that are in it, at its ends, too; what is no listing is refused."""
    hashes = [f"{number:064x}" for number in range(0, 200, 2)]
    path = tmp_path / "works.txt"
    path.write_bytes(works_listing(hashes))
    asked = np.array([f"{number:064x}" for number in range(203)], dtype="S64")
    assert listed_in(path, asked).tolist() == [number < 200 and number % 2 == 0 for number in range(203)]
    path.write_bytes(b"")
    assert not listed_in(path, asked).any()
    path.write_bytes(b"x" * 66)
    with pytest.raises(IntegrityError, match="is not a list of hashes"):
        listed_in(path, asked)
    with pytest.raises(IntegrityError, match="cannot read"):
        listed_in(tmp_path / "none.txt", asked)


def test_what_a_member_saw_is_counted_by_owner_and_licence(registry: Registry) -> None:
    """All of a manifest's works have an owner and a licence in the counts."""
    for member in members(registry):
        saw = contents_of_member(registry, member)
        assert [(share.name, share.works) for share in saw.rightsholders] == [("Ada Example", saw.manifest.works.count)]
        assert [(share.name, share.works) for share in saw.licences] == [("CC-BY-4.0", saw.manifest.works.count)]
        listed = listing_of(registry, works_of_member(registry, member).works)
        assert listed.num_rows == saw.manifest.works.count
        assert listed["asset_id"].null_count == 0


def test_a_proof_is_checked_without_the_registry(registry: Registry, tmp_path: Path) -> None:
    """In or out: the file and the manifest's root and count show it; for another work, root or
    count it shows nothing.
    """
    member = members(registry)[0]
    folder = works_of_member(registry, member)
    for sha256, seen in ((folder.works[0], True), ("f" * 64, False)):
        document = proof_document(folder, sha256, prove(folder, sha256))
        assert document["seen"] is seen
        path = tmp_path / "proof.json"
        for text in (json.dumps(document), json.dumps(document["proof"])):
            path.write_text(text)
            proof = read_proof(path)
            assert shows(proof, member.merkle_root, len(folder.works), sha256) is seen
            assert shows(proof, member.merkle_root, len(folder.works) + 1, sha256) is None
            assert shows(proof, "0" * 64, len(folder.works), sha256) is None
            assert shows(proof, member.merkle_root, len(folder.works), "e" * 64) in (None, False)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b'{"proof": {"creditline_proof": "x"}}',
        b" " * 2**21,
        b'{"proof": 1}',
    ],
)
def test_what_is_no_proof_is_refused(tmp_path: Path, data: bytes) -> None:
    """Anything else is bad input, whatever it is."""
    path = tmp_path / "proof.json"
    path.write_bytes(data)
    with pytest.raises(InputError):
        read_proof(path)
    with pytest.raises(InputError, match="cannot read"):
        read_proof(tmp_path / "none.json")
