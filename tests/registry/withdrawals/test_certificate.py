"""Certificates of withdrawal: made only where they are true, checked without a registry, and
attacked.
"""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from registry.encodings.store import create_encoding
from registry.errors import CapacityError, InputError, IntegrityError, NotFoundError, UsageError
from registry.members.manifest import Manifest, ManifestWorks
from registry.members.merkle import AbsenceProof, MerkleTree
from registry.members.serving import service_status
from registry.storage.database import Registry
from registry.storage.tables import Encoding
from registry.withdrawals.certificate import PROVED, STATED, Certificate, check, document_hash, summary
from registry.withdrawals.issue_certificate import certify, works_of_withdrawal
from registry.withdrawals.record import withdraw
from tests.support.members import ensemble_of, train_members
from tests.support.works import NOW, copied, register, write_pictures

N, H, UNITS = 4, 2, 6
WITHDRAWN = 2

Document = dict[str, Any]


@dataclass(frozen=True)
class Certified:
    """A registry with a withdrawn work, and the certificate that it made of it."""

    registry: Registry
    encoding: Encoding
    certificate: Certificate


@pytest.fixture(scope="module")
def certified(empty: Registry, tmp_path_factory: pytest.TempPathFactory) -> Certified:
    """Six works, one of them withdrawn, and members that were trained before that; tests copy
    it.
    """
    folder = tmp_path_factory.mktemp("certified")
    registry = copied(empty, folder)
    register(registry, write_pictures(folder / "works", [f"{number}.png" for number in range(UNITS)]))
    encoding = create_encoding(registry, "asset", None, N, H, 1, NOW, code_format=1)
    train_members(registry, encoding, list(range(N)))
    withdraw(registry, asset_ids=[WITHDRAWN], reason="letter", now=NOW)
    return Certified(registry, encoding, certify(registry, [WITHDRAWN], ensemble_of(encoding), NOW))


@pytest.fixture
def registry(certified: Certified, tmp_path: Path) -> Registry:
    """The registry that made the certificate."""
    return copied(certified.registry, tmp_path)


@pytest.fixture
def encoding(certified: Certified) -> Encoding:
    """What its members were trained by."""
    return certified.encoding


@pytest.fixture
def certificate(certified: Certified) -> Certificate:
    """Of the withdrawn work."""
    return certified.certificate


def test_a_certificate_holds_with_and_without_the_manifests(registry: Registry, certificate: Certificate) -> None:
    """It names the members in service, the reason and the log, and survives being written."""
    assert len(certificate.in_service) == N - H
    assert len(certificate.absence) == N - H
    assert certificate.works[0].withdrawals[0].reason == "letter"
    again, problems = check(certificate.to_json(), registry.home.root / "members")
    assert problems == []
    assert again == certificate
    text = summary(certificate)
    assert all(member.manifest_sha256 in text for member in certificate.in_service)
    assert "does not prove" in text


def test_a_certificate_is_logged(registry: Registry, certificate: Certificate) -> None:
    """After the event that it names as the newest."""
    with registry.connection() as connection:
        rows = connection.execute("SELECT sequence, sha256, kind FROM event ORDER BY sequence DESC LIMIT 2").fetchall()
    assert rows[0][2] == "certificate made"
    assert rows[1][:2] == (certificate.log_head.sequence, certificate.log_head.sha256)


def moved_proof(document: Document) -> None:
    leaf = next(leaf for leaf in document["absence"][0]["proof"].values() if isinstance(leaf, dict))
    leaf["position"] += 1


def altered_path(document: Document) -> None:
    leaf = next(leaf for leaf in document["absence"][0]["proof"].values() if isinstance(leaf, dict) and leaf["path"])
    leaf["path"][0] = "0" * 64


def dropped_neighbour(document: Document) -> None:
    proof = document["absence"][0]["proof"]
    proof["before" if proof["before"] else "after"] = None


def altered_root(document: Document) -> None:
    document["in_service"][0]["manifest"]["works"]["merkle_root"] = "0" * 64


def altered_count(document: Document) -> None:
    document["in_service"][0]["manifest"]["works"]["count"] += 1


def altered_weights(document: Document) -> None:
    document["in_service"][1]["manifest"]["weights_sha256"] = "0" * 64


def swapped_manifests(document: Document) -> None:
    first, second = document["in_service"]
    first["manifest"], second["manifest"] = second["manifest"], first["manifest"]


def swapped_members(document: Document) -> None:
    first, second = document["in_service"]
    first["id"], second["id"] = second["id"], first["id"]


def missing_proof(document: Document) -> None:
    del document["absence"][0]


def doubled_proof(document: Document) -> None:
    document["absence"].append(document["absence"][0])


def foreign_proof(document: Document) -> None:
    document["absence"][0]["work"] = "0" * 64


def hidden_member(document: Document) -> None:
    gone = document["in_service"].pop()
    document["absence"] = [entry for entry in document["absence"] if entry["member"] != gone["id"]]


def inclusion_instead(document: Document) -> None:
    document["absence"][0]["proof"] = {"creditline_proof": "inclusion", "version": 1, "position": 0, "path": []}


@pytest.mark.parametrize(
    "attack",
    [
        moved_proof,
        altered_path,
        dropped_neighbour,
        altered_root,
        altered_count,
        altered_weights,
        swapped_manifests,
        swapped_members,
        missing_proof,
        doubled_proof,
        foreign_proof,
        hidden_member,
        inclusion_instead,
    ],
)
def test_what_was_altered_does_not_hold(certificate: Certificate, attack: Callable[[Document], None]) -> None:
    """Whatever the part: the check names at least one problem, with no registry and no manifests at
    hand.
    """
    document = json.loads(certificate.to_json())
    before = copy.deepcopy(document)
    attack(document)
    assert document != before
    document["document_sha256"] = document_hash(document)
    assert check(json.dumps(document).encode())[1]


def earlier(document: Document) -> None:
    document["works"][0]["withdrawals"][0]["recorded_at"] = "2020-01-01T00:00:00Z"


def other_reason(document: Document) -> None:
    document["works"][0]["withdrawals"][0]["reason"] = "court order"


def other_head(document: Document) -> None:
    document["log_head"]["sequence"] += 1


@pytest.mark.parametrize("attack", [earlier, other_reason, other_head])
def test_what_no_proof_covers_is_under_the_documents_hash(
    registry: Registry, certificate: Certificate, attack: Callable[[Document], None]
) -> None:
    """Altered it no longer holds; with the hash made to fit, it is not the one in its maker's
    log.
    """
    document = json.loads(certificate.to_json())
    attack(document)
    assert check(json.dumps(document).encode())[1] == ["the document was altered: its hash is not the one stated in it"]
    document["document_sha256"] = document_hash(document)
    forged, problems = check(json.dumps(document).encode())
    assert problems == []
    with registry.connection() as connection:
        query = "SELECT after ->> 'document_sha256' FROM event WHERE kind = 'certificate made'"
        logged = [row[0] for row in connection.execute(query).fetchall()]
    assert certificate.document_sha256 in logged
    assert forged.document_sha256 not in logged


@pytest.mark.parametrize(
    "values",
    [
        {"limits": []},
        {"limits": ["It proves everything."]},
        {"statement": "No model ever saw these works."},
    ],
)
def test_other_words_than_a_certificates_do_not_hold(certificate: Certificate, values: Document) -> None:
    """Also under a hash that was made to fit: a check repeats no words that a forger chose."""
    document = json.loads(certificate.to_json()) | values
    document["document_sha256"] = document_hash(document)
    (problem,) = check(json.dumps(document).encode())[1]
    assert "states something else" in problem


def test_a_field_that_comes_twice_is_no_certificate(certificate: Certificate) -> None:
    """A reader that takes the first would see other words than the check."""
    text = certificate.to_json().decode()
    forged = text.replace(' "statement": ', ' "statement": "They were never used.",\n "statement": ', 1)
    assert forged != text
    with pytest.raises(InputError, match="'statement' comes twice"):
        check(forged.encode())


def test_the_summary_says_what_is_shown_and_what_is_said(certificate: Certificate) -> None:
    """Whoever reads it must not take the reason for something that was proved."""
    text = summary(certificate)
    assert certificate.document_sha256 in text
    assert all(line in text for line in (*PROVED, *STATED, *certificate.limits))
    assert any("reason" in line for line in STATED)


def test_a_forgery_that_fits_itself_fails_against_the_manifests(registry: Registry, certificate: Certificate) -> None:
    """Another list of works under a new root with new proofs: only the manifests that somebody else
    holds tell.
    """
    document = json.loads(certificate.to_json())
    member = document["in_service"][0]
    works = [f"{number:064x}" for number in range(5)]
    tree = MerkleTree.build(works)
    member["manifest"]["works"] = ManifestWorks.of(works).model_dump(mode="json")
    member["manifest_sha256"] = Manifest.parse(json.dumps(member["manifest"]).encode()).sha256
    for entry in document["absence"]:
        if entry["member"] == member["id"]:
            entry["proof"] = json.loads(tree.prove_absence(entry["work"]).to_json())
    document["document_sha256"] = document_hash(document)
    data = json.dumps(document).encode()
    assert check(data)[1] == []
    assert check(data, registry.home.root / "members")[1] == [
        f"the manifest of member {member['id']} is not the one in {registry.home.root / 'members'}"
    ]


def test_a_folder_without_manifests_is_an_error(certificate: Certificate, tmp_path: Path) -> None:
    """Nothing to hold it against must not look like agreement."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.json").write_text("{}")
    with pytest.raises(InputError, match="has no manifest"):
        check(certificate.to_json(), tmp_path / "empty")


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b"\xff\xfe", b"[" * 100_000, b'{"creditline_certificate": 2}', b"NaN"]
)
def test_what_is_no_certificate_is_an_input_error(data: bytes) -> None:
    """One line, whatever it is."""
    with pytest.raises(InputError, match=r"^not a certificate of withdrawal: [^\n]*$"):
        check(data)


def test_a_work_that_was_not_withdrawn_has_no_certificate(registry: Registry, encoding: Encoding) -> None:
    """The error says which members in service saw it."""
    serving = service_status(registry, ensemble_of(encoding)).serving
    with registry.connection() as connection:
        rows = connection.execute(
            "SELECT asset_id, code FROM unit_asset JOIN unit ON unit.encoding_id = unit_asset.encoding_id "
            "AND number = unit_number"
        ).fetchall()
    asset_id, saw = next(
        (asset, [member.index for member in serving if code >> member.index & 1])
        for asset, code in rows
        if any(code >> member.index & 1 for member in serving)
    )
    with pytest.raises(UsageError, match=f"members {', '.join(map(str, saw))} in service saw it"):
        certify(registry, [asset_id], ensemble_of(encoding), NOW)


def test_a_withdrawal_while_the_proofs_are_made_is_not_certified_over(
    registry: Registry, encoding: Encoding, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its members in service would be those of an earlier log than the one it names."""

    def prove(tree: MerkleTree, work: str) -> AbsenceProof:
        monkeypatch.undo()
        withdraw(registry, asset_ids=[asset_id], reason="meanwhile", now=NOW)
        return tree.prove_absence(work)

    serving = service_status(registry, ensemble_of(encoding)).serving
    with registry.connection() as connection:
        query = "SELECT asset_id FROM member_work WHERE member_id = ? AND asset_id <> ?"
        asset_id = connection.execute(query, [serving[0].id, WITHDRAWN]).fetchall()[0][0]
    monkeypatch.setattr(MerkleTree, "prove_absence", prove)
    with pytest.raises(UsageError, match="changed while the proofs were made; certify again"):
        certify(registry, [WITHDRAWN], ensemble_of(encoding), NOW)


@pytest.mark.reopens  # the other process opens the registry
@pytest.mark.slow
def test_a_certificate_names_the_log_of_the_state_that_it_states(registry: Registry, encoding: Encoding) -> None:
    """Another process records changes all the time, and takes a member out of service."""
    program = """
import pathlib, sys
from datetime import UTC, datetime
from registry.event_log.events import changing
from registry.home import Home
from registry.storage.database import Registry
from registry.withdrawals.record import withdraw
registry = Registry(Home(pathlib.Path(sys.argv[1]))).patient()
for number in range(6):
    with changing(registry, datetime.now(UTC)) as change:
        change.record("rights reviewed", f"asset {number}")
    if number == 3:
        withdraw(registry, asset_ids=[int(sys.argv[2])], reason="meanwhile", now=datetime.now(UTC))
"""
    patient, ensemble = registry.patient(), ensemble_of(encoding)
    serving = [member.id for member in service_status(registry, ensemble).serving]
    with registry.connection() as connection:
        (asset_id, *_) = connection.execute(
            "SELECT asset_id FROM member_work WHERE member_id = ? EXCEPT SELECT asset_id FROM member_work WHERE member_id = ?",
            serving,
        ).fetchall()[0]
    made: list[Certificate] = []
    arguments = [sys.executable, "-c", program, str(registry.home.root), str(asset_id)]
    with subprocess.Popen(arguments) as process:
        while process.poll() is None or not made:
            try:
                made.append(certify(patient, [WITHDRAWN], ensemble, NOW))
            except UsageError as error:
                assert "certify again" in str(error)  # noqa: PT017 - a refusal is right here, too
    assert process.returncode == 0
    with registry.connection() as connection:
        events = connection.execute("SELECT sequence, kind, sha256, after FROM event ORDER BY sequence").fetchall()
    (left,) = [sequence for sequence, kind, _, after in events if kind == "withdrawn" and "meanwhile" in after]
    for certificate in made:
        head = certificate.log_head
        assert events[head.sequence - 1][2] == head.sha256
        # Nothing came between the state that is stated and the certificate's own event.
        assert certificate.document_sha256 in events[head.sequence][3]
        in_service = [member.id for member in certificate.in_service]
        assert in_service == (serving if head.sequence < left else serving[1:])


def test_no_certificate_where_none_serves_or_a_member_was_altered(registry: Registry, encoding: Encoding) -> None:
    """Nor of nothing."""
    with pytest.raises(UsageError, match="no works to certify"):
        certify(registry, [], ensemble_of(encoding), NOW)
    with pytest.raises(NotFoundError, match="no withdrawal 7"), registry.connection() as connection:
        works_of_withdrawal(connection, 7)
    serving = service_status(registry, ensemble_of(encoding)).serving[0]
    listing = registry.home.member(serving.id) / "works.txt"
    listing.write_bytes(listing.read_bytes()[65:])
    with pytest.raises(IntegrityError, match=r"works\.txt was altered"):
        certify(registry, [WITHDRAWN], ensemble_of(encoding), NOW)
    withdraw(registry, asset_ids=list(range(UNITS)), reason="all of them", now=NOW)
    with pytest.raises(CapacityError, match="creditline retrain"):
        certify(registry, [WITHDRAWN], ensemble_of(encoding), NOW)
