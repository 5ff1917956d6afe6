"""Signed images: what they state, and that they are told from untrusted and tampered ones."""

from __future__ import annotations

import datetime
import hashlib
import io
import json
import random
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import get_args

import pytest

c2pa = pytest.importorskip("c2pa", reason="needs the extra c2pa")

from registry.errors import InputError, IntegrityError, UsageError  # noqa: E402
from registry.event_log.events import head_of  # noqa: E402
from registry.home import Home  # noqa: E402
from registry.ids import sha256_of  # noqa: E402
from registry.metadata.content_credentials import OFFLINE  # noqa: E402
from registry.outputs.base_claim import IN_FINE_TUNING  # noqa: E402
from registry.storage.database import Registry  # noqa: E402 - only when it is there
from registry.withdrawals.record import withdraw  # noqa: E402
from reports.checking.document_check import check_document  # noqa: E402
from reports.credentials.assertion import KIND, LABEL, AuditClaim  # noqa: E402
from reports.credentials.checking import Checked, check_credentials, check_file  # noqa: E402
from reports.credentials.findings import signed_image_facts  # noqa: E402
from reports.credentials.trial_certificates import Algorithm  # noqa: E402
from reports.facts import NotMeasured  # noqa: E402
from reports.issuing.issue import find_issued  # noqa: E402
from tests.registry.metadata.signing import signed as signed_by_a_stranger  # noqa: E402
from tests.support.credentials import Chain, make_chain, now, sign  # noqa: E402
from tests.support.sealing import reseal  # noqa: E402
from tests.support.world import BASE, HOSTILE, NOON, World, make_world  # noqa: E402


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """A signer."""
    return make_chain(tmp_path_factory.mktemp("chain"))


@pytest.fixture(scope="session")
def signed(chain: Chain, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Chain]:
    """A signed image with an audit that finds its first candidate, and who signed it."""
    folder = tmp_path_factory.mktemp("signed")
    world = make_world(folder / "home")
    sample = world.add_sample(0)
    world.add_audit((0, 30, 90), sample=sample)
    return sign(world, sample, chain, folder / "out.png").image.read_bytes(), chain


def audit_in(checked: Checked) -> AuditClaim:
    """The audit that our assertion states."""
    assert checked.assertion is not None
    assert isinstance(checked.assertion.audit, AuditClaim)
    return checked.assertion.audit


def manifest_of(data: bytes) -> dict[str, object]:
    """The active manifest as the library reads it."""
    with c2pa.Context.from_dict(OFFLINE) as context, c2pa.Reader(None, io.BytesIO(data), context=context) as reader:
        store = json.loads(reader.json())
    found: dict[str, object] = store["manifests"][store["active_manifest"]]
    return found


def test_adapters_on_a_base_are_signed_as_such(chain: Chain, tmp_path: Path) -> None:
    """Meaning, verdict and sample say that findings are about the fine-tuning."""
    world = make_world(tmp_path / "home", base=True)
    sample = world.add_sample(0)
    world.add_audit((0, 30, 90), sample=sample)
    data = sign(world, sample, chain, tmp_path / "out.png").image.read_bytes()
    checked = check_credentials(data, anchors=chain.anchors)
    assert checked.state == "valid"
    assert checked.assertion is not None
    base = checked.assertion.sample.base
    assert base is not None
    assert (base.id, base.name, base.training_data) == (BASE, None, None)
    assert IN_FINE_TUNING in checked.assertion.meaning
    assert "training data of the base is unknown" in base.unknown
    audit = audit_in(checked)
    assert IN_FINE_TUNING in audit.verdict
    assert audit.base_alone_distance == 41.5


def test_other_images_are_signed_without_a_word_of_a_base(fresh: World) -> None:
    """The facts of models without a base are those of before."""
    sample = fresh.add_sample(0)
    fresh.add_audit((0, 30), sample=sample)
    facts = json.dumps(signed_image_facts(fresh.registry, sample.id))
    assert "base" not in facts
    assert "fine-tuning" not in facts


@pytest.mark.parametrize("algorithm", get_args(Algorithm))
def test_valid_for_whom_trusts_the_root(fresh: World, tmp_path: Path, algorithm: Algorithm) -> None:
    """With each kind of key: valid under its own root, untrusted under another's and under none."""
    sample = fresh.add_sample(0)
    fresh.add_audit((0, 30), sample=sample)
    own = make_chain(tmp_path / "own", algorithm)
    data = sign(fresh, sample, own, tmp_path / "out.png").image.read_bytes()
    checked = check_credentials(data, anchors=own.anchors)
    assert (checked.state, checked.codes, checked.algorithm) == ("valid", (), algorithm.capitalize())
    assert checked.common_name == "TEST signer"
    assert check_credentials(data).state == "untrusted"
    assert check_credentials(data, anchors=make_chain(tmp_path / "other").anchors).state == "untrusted"


def test_it_says_that_a_trained_model_made_it(signed: tuple[bytes, Chain]) -> None:
    """One action, by this program, of IPTC's type; no ingredient, inputs or thumbnail; both
    assertions are the signer's own.
    """
    manifest = manifest_of(signed[0])
    assertions = {each["label"]: each for each in manifest["assertions"]}  # type: ignore[attr-defined]  # a list of objects
    (action,) = assertions["c2pa.actions.v2"]["data"]["actions"]
    assert action["action"] == "c2pa.created"
    assert action["digitalSourceType"] == "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
    assert action["softwareAgent"]["name"] == "creditline"
    assert action["softwareAgent"]["version"]
    assert action["when"] == "2026-03-14T12:00:00Z"
    assert set(assertions) == {"c2pa.actions.v2", LABEL}
    assert all(each["created"] for each in assertions.values())
    assert "ingredients" not in manifest
    assert "thumbnail" not in manifest
    assert b"inputTo" not in signed[0]
    assert "time" not in manifest["signature_info"]  # type: ignore[operator]  # an object
    assert check_credentials(signed[0]).ingredients == 0


def test_the_assertion_has_candidates_and_evidence(fresh: World, chain: Chain, tmp_path: Path) -> None:
    """Of the newest audit: p, q, effect with its interval, influence, work and rights, method and
    settings.
    """
    sample = fresh.add_sample(0)
    fresh.add_audit((200, 201), sample=sample)
    newest = fresh.add_audit((0, 30, 90), sample=sample, created_at=NOON + datetime.timedelta(hours=1))
    checked = check_credentials(sign(fresh, sample, chain, tmp_path / "out.png").image.read_bytes())
    audit = audit_in(checked)
    assert (audit.id, audit.attributable, audit.tested) == (newest.id, True, 3)
    assert audit.artefact_sha256 == newest.artefact_sha256
    first = audit.candidates[0]
    assert (first.label, first.passes) == ("Red apple", True)
    assert first.p == pytest.approx(1 / 205, rel=1e-11)
    assert first.q == pytest.approx(3 / 205, rel=1e-11)
    assert not isinstance(first.effect, NotMeasured)
    assert (first.effect.low, first.effect.high) == (0.13, 0.34)
    assert isinstance(audit.candidates[2].effect, NotMeasured)
    assert isinstance(first.influence_estimate, float)
    (work,) = first.works
    assert work.sha256 == hashlib.sha256(b"work 0").hexdigest()
    assert (work.title, work.rightsholder, work.rightsholder_basis) == ("Red apple", "Kestrel Studio", "declared")
    assert (work.rightsholders, work.rightsholders_in_all) == (["Kestrel Studio"], 1)
    assert (work.licence, work.licence_url) == ("LicenseRef-Kestrel-2", "https://kestrel.example/terms")
    assert (audit.method.ranker, audit.method.decoys) == ("pixel-kernel", 204)
    assert audit.method.settings["shortlist"] == 3
    assert checked.assertion is not None
    assert checked.assertion.sample.image_sha256 == sample.image_sha256


def test_all_owners_of_a_work_are_stated(
    fresh: World, chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In their order; of very many the first ones and how many there are."""
    with fresh.registry.connection() as connection:
        connection.execute(
            "INSERT INTO co_rightsholder (id, rights_id, asset_id, position, rightsholder_id) "
            "SELECT row_number() OVER (), asset_rights.id, asset_id, 1 + holder, holder "
            "FROM asset_rights, (VALUES (0), (1)) AS listed (holder) WHERE asset_id = 0"
        )
    reseal(fresh.registry)
    sample = fresh.add_sample(0)
    fresh.add_audit((0, 30, 90), sample=sample)
    names = ["Kestrel Studio", "Open Shapes Project"]
    for most in (50, 1):
        monkeypatch.setattr("reports.credentials.findings.MOST_OWNERS", most)
        made = sign(fresh, sample, chain, tmp_path / f"{most}.png")
        (work,) = audit_in(check_credentials(made.image.read_bytes())).candidates[0].works
        assert (work.rightsholder, work.rightsholders, work.rightsholders_in_all) == (names[0], names[:most], 2)


def test_the_log_names_the_file_and_its_facts_can_be_read_again(fresh: World, chain: Chain, tmp_path: Path) -> None:
    """The stamp has the log's end before signing; the same facts today; others once there is a
    newer audit.
    """
    sample = fresh.add_sample(0)
    fresh.add_audit((0, 30), sample=sample)
    with fresh.registry.connection() as connection:
        head = head_of(connection)
    made = sign(fresh, sample, chain, tmp_path / "out.png")
    stamp = made.assertion.stamp
    assert (stamp.log_sequence, stamp.log_sha256) == head
    assert (stamp.kind, stamp.subject) == (KIND, sample.id)
    with fresh.registry.connection() as connection:
        found = find_issued(connection, hashlib.sha256(made.image.read_bytes()).hexdigest())
    assert found is not None
    assert found[0] == head[0] + 1
    assert (found[1].kind, found[1].subject, found[1].name) == (KIND, sample.id, "out.png")
    assert sha256_of(signed_image_facts(fresh.registry, stamp.subject)) == stamp.facts_sha256
    fresh.add_audit((3, 30), sample=sample, created_at=NOON + datetime.timedelta(hours=1))
    assert sha256_of(signed_image_facts(fresh.registry, stamp.subject)) != stamp.facts_sha256


def test_a_withdrawal_is_stated_and_changes_what_would_be_said(fresh: World, chain: Chain, tmp_path: Path) -> None:
    """What was signed before it says nothing of it, so that it is no more what the registry
    says.
    """
    sample = fresh.add_sample(0)
    fresh.add_audit((0, 30), sample=sample)
    before = sign(fresh, sample, chain, tmp_path / "before.png")
    claim = audit_in(check_credentials(before.image.read_bytes()))
    assert (claim.taken_back, claim.candidates[0].works[0].permission) == ([], "permitted")
    assert check_document(fresh.registry, before.image).facts == "same"
    withdraw(fresh.registry, asset_ids=fresh.assets_of(0), reason="asked", now=NOON + datetime.timedelta(hours=1))
    assert check_document(fresh.registry, before.image).facts == "changed"
    claim = audit_in(check_credentials(sign(fresh, sample, chain, tmp_path / "after.png").image.read_bytes()))
    assert [sentence.partition(" was ")[2] for sentence in claim.taken_back] == [
        "withdrawn since: members that saw it are out of service."
    ]
    assert claim.candidates[0].works[0].permission == "withdrawn"


def test_not_attributable_is_stated_as_such(fresh: World, chain: Chain, tmp_path: Path) -> None:
    """No candidate passes: the verdict says that no single work was found to explain it, and what
    was tested is listed all the same.
    """
    sample = fresh.add_sample(2)
    fresh.add_audit((12, 40, 99), sample=sample)
    audit = audit_in(check_credentials(sign(fresh, sample, chain, tmp_path / "out.png").image.read_bytes()))
    assert not audit.attributable
    assert audit.verdict == "No single work was found to explain this output."
    assert [each.passes for each in audit.candidates] == [False, False, False]


def test_without_an_audit_nothing_is_claimed(fresh: World, chain: Chain, tmp_path: Path) -> None:
    """A sample without an audit is refused, unless asked for without one; then the file says so,
    and so do its facts later.
    """
    sample = fresh.add_sample(0)
    with pytest.raises(UsageError, match=rf"was not audited yet; run `creditline audit {sample.id}` first"):
        sign(fresh, sample, chain, tmp_path / "out.png")
    assert not (tmp_path / "out.png").exists()
    made = sign(fresh, sample, chain, tmp_path / "out.png", with_audit=False)
    checked = check_credentials(made.image.read_bytes())
    assert checked.assertion is not None
    assert isinstance(checked.assertion.audit, NotMeasured)
    assert "signed without an audit" in checked.assertion.audit.not_measured
    fresh.add_audit((0, 30), sample=sample)
    stamp = made.assertion.stamp
    assert sha256_of(signed_image_facts(fresh.registry, stamp.subject)) == stamp.facts_sha256


@pytest.mark.parametrize(
    ("what", "at"),
    [("pixels", b"IDAT"), ("assertion", b"attributable"), ("claim", b"dc:title"), ("signer", b"TEST signer")],
)
def test_tampered(signed: tuple[bytes, Chain], what: str, at: bytes) -> None:
    """One bit of pixels, assertion, claim or certificate: tampered, also for whom trusts the
    signer.
    """
    data, chain = signed
    altered = bytearray(data)
    altered[data.index(at) + len(at) + 2] ^= 1
    checked = check_credentials(bytes(altered), anchors=chain.anchors)
    assert checked.state == "tampered", what
    assert checked.codes or "cannot be read" in checked.reason


def test_no_bit_can_be_turned_without_being_noticed(signed: tuple[bytes, Chain]) -> None:
    """Any bit: tampered, no image any more, or it was in the padding and what the file says and
    shows is the same.
    """
    data, chain = signed
    whole = check_credentials(data, anchors=chain.anchors)
    generator = random.Random(0)  # noqa: S311 - any places will do
    states = []
    for _ in range(150):
        altered = bytearray(data)
        altered[generator.randrange(len(data))] ^= 1 << generator.randrange(8)
        try:
            checked = check_credentials(bytes(altered), anchors=chain.anchors)
        except InputError:
            continue
        states.append(checked.state)
        if checked.state == "valid":
            assert checked == whole
    assert states.count("tampered") > 100


def test_cut_or_appended_or_stripped(signed: tuple[bytes, Chain], fresh: World) -> None:
    """An end that is missing or added is noticed; without its manifest it has no credentials."""
    data, chain = signed
    assert check_credentials(data[:-20], anchors=chain.anchors).state == "tampered"
    assert check_credentials(data + b"x", anchors=chain.anchors).state == "tampered"
    plain = fresh.home.sample_image(fresh.add_sample(0).id).read_bytes()
    assert check_credentials(plain, anchors=chain.anchors).state == "none"
    with pytest.raises(InputError, match="format that can have Content Credentials"):
        check_credentials(b"hello " * 20)
    with pytest.raises(InputError, match="the image cannot be read"):
        check_credentials(plain[:200])


def test_sidecar(fresh: World, chain: Chain, tmp_path: Path) -> None:
    """The image stays as it is, its manifest is found beside it, and fits no other image."""
    samples = [fresh.add_sample(0), fresh.add_sample(1)]
    fresh.add_audit((0, 30), sample=samples[0])
    made = sign(fresh, samples[0], chain, tmp_path / "out.png", sidecar=True)
    assert made.sidecar == tmp_path / "out.c2pa"
    original = fresh.home.sample_image(samples[0].id).read_bytes()
    assert made.image.read_bytes() == original
    checked, beside = check_file(made.image, trust=chain.root)
    assert (checked.state, beside) == ("valid", made.sidecar)
    assert audit_in(checked).attributable
    assert [each.name for each in made.issued] == ["out.png", "out.c2pa"]
    other = tmp_path / "other.png"
    other.write_bytes(fresh.home.sample_image(samples[1].id).read_bytes())
    assert check_file(other, trust=chain.root)[0].state == "none"
    assert check_file(other, manifest=made.sidecar, trust=chain.root)[0].state == "tampered"
    made.sidecar.write_bytes(b"garbage")
    assert check_file(made.image, trust=chain.root)[0].state == "tampered"


def test_hostile_texts_become_plain_lines(chain: Chain, tmp_path: Path) -> None:
    """Markup stays text; no null byte, nothing that turns the writing, no endless title; and it can
    be signed and read.
    """
    world = make_world(tmp_path / "home", first_title="\0\u202e<script>alert(1)</script>\n" + HOSTILE)
    sample = world.add_sample(0)
    world.add_audit((0, 30), sample=sample)
    data = sign(world, sample, chain, tmp_path / "out.png").image.read_bytes()
    assert len(data) < 40_000
    checked = check_credentials(data, anchors=chain.anchors)
    assert checked.state == "valid"
    assert checked.assertion_problem is None
    texts = json.dumps(audit_in(checked).model_dump(mode="json"), ensure_ascii=False)
    assert "<script>" in texts
    assert not set(texts) & set("\0\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\r\t")
    work = audit_in(checked).candidates[0].works[0]
    assert len(work.title) <= 301


def test_a_value_that_no_reader_expects_is_told_as_forged(fresh: World, chain: Chain, tmp_path: Path) -> None:
    """Rows are checked before facts are read from them."""
    sample = fresh.add_sample(0)
    fresh.add_audit((0, 30), sample=sample)
    with fresh.registry.connection() as connection:
        connection.execute("UPDATE asset SET permission = 'x' WHERE id = 0")
    with pytest.raises(IntegrityError, match="asset"):
        sign(fresh, sample, chain, tmp_path / "out.png")


def test_altered_files_are_not_signed(fresh: World, chain: Chain, tmp_path: Path) -> None:
    """Neither findings whose file was altered nor a sample whose image was; without the audit the
    first can be signed.
    """
    sample = fresh.add_sample(0)
    audit = fresh.add_audit((0, 30), sample=sample)
    fresh.home.audit(audit.id).write_bytes(b"altered")
    with pytest.raises(IntegrityError, match=rf"audit {audit.id} is altered"):
        sign(fresh, sample, chain, tmp_path / "out.png")
    assert sign(fresh, sample, chain, tmp_path / "out.png", with_audit=False).image.exists()
    fresh.home.sample_image(sample.id).unlink()
    with pytest.raises(IntegrityError, match="missing or not what the registry recorded"):
        sign(fresh, sample, chain, tmp_path / "out.png", with_audit=False)


def test_what_strangers_sign_is_not_believed(fresh: World) -> None:
    """Our assertion under another's signature: untrusted; and facts that do not agree with the
    stamp, or no sense, are told.
    """
    sample = fresh.add_sample(0)
    data = fresh.home.sample_image(sample.id).read_bytes()
    facts = signed_image_facts(fresh.registry, f"{sample.id} without audit")
    assert isinstance(facts, dict)
    stamp = {
        "kind": KIND,
        "subject": sample.id,
        "facts_sha256": "0" * 64,
        "log_sequence": 1,
        "log_sha256": "0" * 64,
        "made_at": "2026-01-01T00:00:00Z",
    }
    cases: list[tuple[list[dict[str, object]], str | None]] = [
        ([{**facts, "stamp": {**stamp, "facts_sha256": sha256_of(facts)}}], None),
        ([{**facts, "stamp": stamp}], "its facts are not those that its stamp is of"),
        ([{**facts, "version": 2, "stamp": stamp}], "has version 2; this creditline reads 1"),
        ([{**facts, "stamp": stamp, "sample": "<b>"}], "not laid out as creditline writes it: sample"),
        ([{"version": 1}, {"version": 1}], "there are 2 assertions"),
    ]
    for assertions, problem in cases:
        image = signed_by_a_stranger(data, "image/png", *((LABEL, each) for each in assertions))
        checked = check_credentials(image)
        assert checked.state == "untrusted"
        assert (problem in checked.assertion_problem) if problem and checked.assertion_problem else problem is None


@pytest.mark.slow
def test_an_expired_certificate_without_time_stamp_is_not_trusted(fresh: World, tmp_path: Path) -> None:
    """Nothing was altered, but nobody knows whether it was signed in time."""
    from reports.credentials.trial_certificates import make_practice_certificates

    sample = fresh.add_sample(0)
    made = make_practice_certificates(tmp_path / "old", now() - datetime.timedelta(days=1, seconds=-2), days=1)
    chain = Chain(made.chain, made.key, made.root)
    image = sign(fresh, sample, chain, tmp_path / "out.png", with_audit=False).image.read_bytes()
    while now() <= made.valid_until + datetime.timedelta(seconds=1):
        threading.Event().wait(0.2)
    checked = check_credentials(image, anchors=chain.anchors)
    assert checked.state == "untrusted"
    assert "expired" in checked.reason


class _Refusing(BaseHTTPRequestHandler):
    asked = 0

    def do_POST(self) -> None:
        type(self).asked += 1
        self.send_error(500)

    def log_message(self, *_: object) -> None:
        pass


def test_the_network_is_asked_only_for_a_time_stamp(fresh: World, chain: Chain, tmp_path: Path) -> None:
    """Only the authority that was named is asked; one that gives no time stamp is told in a line,
    and nothing is written.
    """
    sample = fresh.add_sample(0)
    server = HTTPServer(("127.0.0.1", 0), _Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/stamp"
    try:
        with pytest.raises(InputError, match=rf"cannot sign with .*time stamps of {address}"):
            sign(fresh, sample, chain, tmp_path / "out.png", with_audit=False, timestamp_url=address)
        assert _Refusing.asked
        for wrong in ("file:///etc/passwd", "https://someone:secret@tsa.example"):
            with pytest.raises(UsageError, match="time stamp authority") as caught:
                sign(fresh, sample, chain, tmp_path / "out.png", with_audit=False, timestamp_url=wrong)
            assert "secret" not in str(caught.value)
    finally:
        server.shutdown()
        server.server_close()
    assert not (tmp_path / "out.png").exists()


def test_signing_opens_no_connection(
    fresh: World, chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through a proxy that nobody may use: signing and checking never call it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.5)
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{server.getsockname()[1]}")
        made = sign(fresh, fresh.add_sample(0), chain, tmp_path / "out.png", with_audit=False)
        assert check_credentials(made.image.read_bytes(), anchors=chain.anchors).state == "valid"
        with pytest.raises(TimeoutError):
            server.accept()


def test_a_home_that_was_moved_signs_the_same(fresh: World, chain: Chain, tmp_path: Path) -> None:
    """Nothing in the facts is a place on this machine."""
    import shutil

    sample = fresh.add_sample(0)
    fresh.add_audit((0, 30), sample=sample)
    shutil.copytree(fresh.home.root, tmp_path / "elsewhere")
    moved = World(Registry.open(Home(tmp_path / "elsewhere")))
    facts = [sign(world, sample, chain, tmp_path / "o.png").assertion.stamp.facts_sha256 for world in (fresh, moved)]
    assert facts[0] == facts[1]
