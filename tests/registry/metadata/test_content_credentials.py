"""Content Credentials in files that are really signed, for every format, valid or not; nothing is
ever fetched.
"""

from __future__ import annotations

import json
import socket
import threading

import pytest

from registry.metadata import EmbeddedMetadata
from registry.metadata.values import Problems
from registry.signals import Category, Protocol, Use
from tests.registry.metadata.files import image_file, read
from tests.registry.metadata.signing import ISSUER, signed

TYPES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "TIFF": "image/tiff",
    "GIF": "image/gif",
    "AVIF": "image/avif",
}
CAWG = (
    "cawg.training-mining",
    {
        "entries": {
            "cawg.ai_generative_training": {"use": "notAllowed"},
            "cawg.ai_training": {"use": "constrained", "constraint_info": "https://a.example/terms"},
            "cawg.ai_inference": {"use": "allowed"},
            "cawg.data_mining": {"use": "notAllowed"},
        }
    },
)
C2PA = (
    "c2pa.training-mining",
    {"entries": {"c2pa.ai_training": {"use": "notAllowed"}, "c2pa.telepathy": {"use": "notAllowed"}}},
)


def uses(metadata: EmbeddedMetadata) -> dict[tuple[Protocol, Category], Use]:
    return {(signal.protocol, signal.category): signal.use for signal in metadata.signals}


@pytest.mark.parametrize("image_format", TYPES)
def test_entries_of_every_format(image_format: str) -> None:
    """Who signed, with what result, and each entry as a signal with its condition."""
    metadata = read(signed(image_file(image_format), TYPES[image_format], CAWG))
    assert metadata.problems == ()
    assert uses(metadata) == {
        (Protocol.CAWG, Category.GENERATIVE_TRAINING): Use.PROHIBITED,
        (Protocol.CAWG, Category.AI_TRAINING): Use.CONSTRAINED,
        (Protocol.CAWG, Category.AI_INFERENCE): Use.ALLOWED,
        (Protocol.CAWG, Category.ALL): Use.PROHIBITED,
    }
    assert {signal.constraint for signal in metadata.signals} == {None, "https://a.example/terms"}
    assert {signal.found_in for signal in metadata.signals} == {"c2pa manifest"}
    credentials = metadata.c2pa
    assert credentials is not None
    assert (credentials.issuer, credentials.common_name) == (ISSUER, "signer")
    assert (credentials.validation_state, credentials.validation_codes) == ("Valid", ("signingCredential.untrusted",))
    assert credentials.claim_generator == "camera 1.2"
    assert credentials.active_manifest in json.loads(credentials.report)["manifests"]
    assert EmbeddedMetadata.from_json(json.loads(json.dumps(metadata.to_json()))) == metadata


def test_the_older_assertion() -> None:
    """C2PA's own assertion is read like CAWG's; a purpose that nobody knows is kept without a
    meaning.
    """
    metadata = read(signed(image_file("JPEG"), "image/jpeg", C2PA))
    assert uses(metadata) == {
        (Protocol.C2PA, Category.AI_TRAINING): Use.PROHIBITED,
        (Protocol.C2PA, Category.ALL): Use.UNSPECIFIED,
    }
    assert any("telepathy" in signal.raw for signal in metadata.signals)


FLAT = {"cawg.ai_training": {"use": "notAllowed"}}
TERMS = "https://a.example/terms"
NOT_UNDERSTOOD = "is not understood"


@pytest.mark.parametrize(
    ("label", "data", "expected", "problem"),
    [
        ("cawg.training-mining", FLAT, {Use.PROHIBITED}, None),
        ("cawg.training-mining", {"entries": {"cawg.ai_training": {"use": "allowed"}}, **FLAT},
         {Use.ALLOWED, Use.PROHIBITED}, "contradict each other"),
        ("cawg.training-mining", {"entries": {}, **FLAT}, {Use.PROHIBITED}, None),
        ("c2pa.training-mining", {"c2pa.ai_training": {"use": "constrained", "constraints_info": TERMS}},
         {Use.CONSTRAINED}, None),
        ("c2pa.training-mining", {"c2pa.ai_training": {"use": "allowed", "constraint_info": TERMS}},
         {Use.CONSTRAINED}, "allows a use and constrains it"),
        ("c2pa.training-mining", {"c2pa.ai_training": {"use": "forbidden"}}, {Use.UNCLEAR}, NOT_UNDERSTOOD),
        ("c2pa.training-mining", {"c2pa.ai_training": {"use": "not permitted"}}, {Use.PROHIBITED}, NOT_UNDERSTOOD),
        ("c2pa.training-mining", {"c2pa.ai_training": {}}, {Use.UNCLEAR}, NOT_UNDERSTOOD),
        ("c2pa.training-mining", {"entries": ["notAllowed"]}, {Use.UNSPECIFIED}, NOT_UNDERSTOOD),
        ("c2pa.training-mining", {"x.telepathy": {"use": "allowed"}}, {Use.UNSPECIFIED}, "'x.telepathy' is not known"),
        ("cawg.training-mining", {"note": "ask"}, {Use.UNCLEAR}, "no entries that are understood"),
        ("org.example.training-mining", FLAT, {Use.PROHIBITED}, "no known kind or version"),
        ("cawg.data-mining", FLAT, {Use.PROHIBITED}, "no known kind or version"),
    ],
)  # fmt: skip
def test_every_layout_is_read_or_named(
    label: str, data: dict[str, object], expected: set[Use], problem: str | None
) -> None:
    """Entries nested and flat; a use, purpose, label or version that is not understood permits
    nothing, and leaves a line that names it.
    """
    metadata = read(signed(image_file("PNG"), "image/png", (label, data)))
    assert {signal.use for signal in metadata.signals} == expected
    assert bool(metadata.problems) == (problem is not None)
    assert (problem or "") in " ".join(metadata.problems)
    assert {signal.constraint for signal in metadata.signals} == ({TERMS} if TERMS in str(data) else {None})


def test_a_signature_that_does_not_hold() -> None:
    """Changed after signing: it is said to be invalid, and its reservation still is one."""
    data = signed(image_file("JPEG"), "image/jpeg", CAWG)
    metadata = read(data[:-2] + b"\0\xff\xd9")
    assert metadata.c2pa is not None
    assert metadata.c2pa.validation_state == "Invalid"
    assert "assertion.dataHash.mismatch" in metadata.c2pa.validation_codes
    assert {signal.found_in for signal in metadata.signals} == {"c2pa manifest (not valid)"}
    assert uses(metadata)[Protocol.CAWG, Category.ALL] is Use.PROHIBITED


def test_ingredients_reserve_but_do_not_permit() -> None:
    """A part's reservation binds the whole; its permission does not."""
    part = signed(image_file("JPEG"), "image/jpeg", CAWG)
    metadata = read(signed(image_file("JPEG"), "image/jpeg", ingredient=part))
    assert {signal.found_in for signal in metadata.signals} == {"c2pa manifest of an ingredient"}
    assert (Protocol.CAWG, Category.AI_INFERENCE) not in uses(metadata)
    assert uses(metadata)[Protocol.CAWG, Category.ALL] is Use.PROHIBITED


def test_a_damaged_manifest_is_a_problem() -> None:
    """A manifest that cannot be parsed costs its statements, not the file."""
    data = signed(image_file("JPEG"), "image/jpeg", CAWG)
    start = data.index(b"c2cl")
    metadata = read(data[:start] + b"\xff" * 200 + data[start + 200 :])
    assert metadata.c2pa is None
    assert len(metadata.problems) == 1
    assert metadata.problems[0].startswith("the C2PA manifest cannot be read: ")


@pytest.mark.slow
def test_nothing_is_fetched() -> None:
    """A file that names a manifest elsewhere gets no call: its address is kept as a field, and that
    is all.
    """
    from registry.metadata.content_credentials import read_credentials

    called = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(2)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/manifest.c2pa"
        listener = threading.Thread(target=_accept, args=(server, called))
        listener.start()
        data = signed(image_file("JPEG"), "image/jpeg", CAWG, remote=address)
        metadata = read(data)
        problems = Problems()
        # Asked directly, past the check for a marker, the validator does not call either.
        assert read_credentials(data, "image/jpeg", problems) == (None, (), ())
        listener.join()
    assert not called.is_set()
    assert metadata.fields["xmp"]["dcterms:provenance"] == address
    assert metadata.c2pa is None
    assert len(problems.lines) == 1


def _accept(server: socket.socket, called: threading.Event) -> None:
    try:
        connection, _ = server.accept()
    except TimeoutError:
        return
    called.set()
    connection.close()
