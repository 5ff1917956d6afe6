"""Claims: works by number, hash and picture; decisions that take effect, can be taken back, and are
all kept.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from registry.claims.decisions import NO_LICENCE, DecisionReport, decide_claim
from registry.claims.read import claim_facts, count_claims, list_claims
from registry.claims.record import MOST_IMAGES, ClaimReport, Evidence, match_again, open_claim, read_evidence
from registry.errors import CreditlineError, InputError, NotFoundError, UsageError
from registry.event_log.events import changing
from registry.ingest.owners.declarations import FolderPerRightsholder
from registry.permissions.derived_columns import find_stale, recompute
from registry.rightsholders.records import merge_rightsholders
from registry.similarity.search import (
    FOUND_COPIES,
    QueryImage,
    find_lookalikes,
    read_query_image,
    works_without_fingerprint,
)
from registry.storage.database import Registry
from registry.works.queries import asset_rights_table
from tests.support.pictures import COPIES, cropped, scene, write_scenes
from tests.support.works import NOW, copied, encoded, picture, register, write, write_pictures

BENCHMARK = Path(__file__).parents[3] / "benchmarks" / "results" / "register" / "fingerprints.json"


def make(registry: Registry, folder: Path, **options: Any) -> Registry:
    write_scenes(folder, ["Ann/0.png", "Ann/1.png", "Bob/2.png"])
    write_pictures(folder, ["Bob/3.png"])
    register(registry, folder, FolderPerRightsholder("CC-BY-4.0"), **options)
    return registry


@pytest.fixture(scope="module")
def made(empty: Registry, tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """What the tests copy."""
    root = tmp_path_factory.mktemp("made")
    return make(copied(empty, root), root / "works")


@pytest.fixture(scope="module")
def made_and_compared(empty: Registry, tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """The same with fingerprints."""
    root = tmp_path_factory.mktemp("compared")
    return make(copied(empty, root), root / "works", near_duplicates=True)


@pytest.fixture
def corpus(made: Registry, tmp_path: Path) -> Registry:
    """Works 0 and 1 of Ann and 2 of Bob; 3, also Bob's, has too little detail to be compared."""
    return copied(made, tmp_path)


@pytest.fixture
def compared(made_and_compared: Registry, tmp_path: Path) -> Registry:
    """The same with fingerprints."""
    return copied(made_and_compared, tmp_path)


def claim(registry: Registry, claimant: str, *works: str, **options: Any) -> ClaimReport:
    return open_claim(registry, claimant, "these are mine", works=works, now=NOW, **options)


def decide(registry: Registry, claim_id: int, state: str, **options: Any) -> DecisionReport:
    return decide_claim(registry, claim_id, state, "looked at it", NOW, **options)


def rights(registry: Registry, asset_id: int) -> tuple[Any, ...]:
    """Owner, licence, permission and title of a work; what is current must follow from the rows."""
    with registry.connection() as connection:
        assert find_stale(connection) == []
        (row,) = asset_rights_table(connection, [asset_id]).to_pylist()
    return tuple(row[name] for name in ("rightsholder", "licence", "permission", "title"))


def verified(registry: Registry, asset_id: int) -> list[tuple[Any, ...]]:
    """All verified rows of a work, in order."""
    with registry.connection() as connection:
        return connection.execute(
            "SELECT name, recorded_from FROM asset_rights LEFT JOIN rightsholder ON rightsholder.id = rightsholder_id "
            "WHERE asset_id = ? AND basis = 'verified' ORDER BY asset_rights.id",
            [asset_id],
        ).fetchall()


def verify_by_hand(registry: Registry, asset_id: int, holders: list[int]) -> None:
    with changing(registry, NOW) as change:
        number, co_number = change.next_id("asset_rights"), change.next_id("co_rightsholder")
        change.connection.execute(
            "INSERT INTO asset_rights (id, asset_id, basis, rightsholder_id, title, recorded_from, recorded_by, recorded_at) "
            "VALUES (?, ?, 'verified', ?, 'By hand', 'a letter', 'x', ?)",
            [number, asset_id, holders[0], NOW],
        )
        for place, holder in enumerate(holders):
            change.connection.execute(
                "INSERT INTO co_rightsholder VALUES (?, ?, ?, ?, ?, 'author', 0.5)",
                [co_number + place, number, asset_id, place + 1, holder],
            )
        recompute(change, [asset_id])
        change.record("rights verified", f"asset {asset_id}")


def test_a_claim_makes_its_works_unclear_until_it_is_decided(made: Registry, corpus: Registry) -> None:
    """Works named by number, hash and place are each claimed once; a refused claim changes
    nothing.
    """
    sha256 = hashlib.sha256(Path(made.home.root.parent, "works", "Ann", "1.png").read_bytes()).hexdigest()
    report = claim(corpus, "Zoe", "0", sha256, "works:Ann/0.png")
    assert [(match.asset_id, match.matched_by) for match in report.matches] == [(0, "id"), (1, "sha256")]
    assert (report.claim_id, report.permissions_changed, report.unmatched) == (0, 2, ())
    assert rights(corpus, 0)[:3] == ("Ann", "CC-BY-4.0", "unclear")
    assert rights(corpus, 2)[2] != "unclear"
    refused = decide(corpus, 0, "refused")
    assert (refused.former_state, refused.works, refused.rows, refused.permissions_changed) == ("open", 2, 0, 2)
    assert rights(corpus, 0)[2] == rights(corpus, 2)[2]
    assert verified(corpus, 0) == []


def test_copies_of_a_picture_are_found_with_their_distance(compared: Registry, tmp_path: Path) -> None:
    """Saved again, resized, mirrored or cropped a little; not when much is cropped away, and never
    another work.
    """
    with compared.connection() as connection:
        for name, change in COPIES.items():
            image = read_query_image(write(tmp_path / "copy.bin", change(scene(1))))
            (found,) = find_lookalikes(connection, image)
            assert (found.asset_id, found.matched_by, found.mirrored) == (1, "image", name == "mirrored"), name
            assert found.distance is not None
            assert 0 <= found.distance <= 31
            assert find_lookalikes(connection, image, np.array([1, 2])) == [found]
            assert find_lookalikes(connection, image, np.array([0, 2])) == []
        assert find_lookalikes(connection, read_query_image(write(tmp_path / "part", cropped(scene(1))))) == []
        assert find_lookalikes(connection, read_query_image(write(tmp_path / "other", encoded(scene(9))))) == []
        assert works_without_fingerprint(connection) == 1


def test_the_same_bytes_are_found_without_a_fingerprint(corpus: Registry, tmp_path: Path) -> None:
    """A picture with too little detail is found by its hash, and says why it was not compared."""
    image = read_query_image(write(tmp_path / "flat.png", encoded(picture(0))))
    assert image.fingerprint is None
    assert "too little detail" in str(image.not_comparable)
    report = claim(corpus, "Zoe", images=[image])
    assert [(match.asset_id, match.matched_by, match.distance) for match in report.matches] == [(3, "sha256", None)]


def test_a_work_that_several_pictures_match_is_claimed_once_by_the_nearest(compared: Registry, tmp_path: Path) -> None:
    """And a work that was named stays named."""
    halved = read_query_image(write(tmp_path / "halved.png", COPIES["halved"](scene(0))))
    same = read_query_image(write(tmp_path / "same.png", encoded(scene(0))))
    (match,) = claim(compared, "Zoe", images=[halved, same]).matches
    assert (match.matched_by, match.distance, match.image) == ("sha256", None, "same.png")
    (match,) = claim(compared, "Zoe", "0", images=[halved]).matches
    assert match.matched_by == "id"


def test_the_stated_limits_are_those_that_were_measured() -> None:
    """Share of copies found by change, as the benchmark's result has it."""
    cases = json.loads(BENCHMARK.read_text())["results"]["cases"]
    assert [case["folder"] for case in cases] == ["photographs", "cifar10", "emoji"]
    for change, stated in FOUND_COPIES.items():
        assert stated == tuple(round(100 * case["copies"][change]["found"]) for case in cases), change


def test_an_accepted_claim_says_who_owns_the_works(corpus: Registry) -> None:
    """The terms that another had declared do not count for the new owner, whose own do; the
    declaration stays on record.
    """
    claim(corpus, "Zoe", "0", "2")
    accepted = decide(corpus, 0, "accepted")
    assert (accepted.works, accepted.rows, accepted.also_claimed) == (2, 2, 0)
    assert rights(corpus, 0) == ("Zoe", NO_LICENCE, "unclear", None)
    assert verified(corpus, 0) == [("Zoe", "claim 0")]
    claim(corpus, "Yan", "2")
    granted = decide(corpus, 1, "accepted", licence="CC0-1.0")
    assert (granted.rows, granted.also_claimed) == (1, 1)
    assert rights(corpus, 2)[:2] == ("Yan", "CC0-1.0")


def test_a_claim_by_the_declared_owner_keeps_its_terms(corpus: Registry) -> None:
    """Under whichever of its merged names it claims."""
    claim(corpus, "Annie", "0")
    merge_rightsholders(corpus, 2, 0, "pen name", NOW)
    before = rights(corpus, 1)
    decide(corpus, 0, "accepted")
    assert rights(corpus, 0) == before == ("Ann", "CC-BY-4.0", before[2], None)


@pytest.mark.parametrize("state", ["refused", "open"])
def test_taking_an_acceptance_back_restores_the_declaration(corpus: Registry, state: str) -> None:
    """Every row stays; and it can be accepted again."""
    before = rights(corpus, 0)
    claim(corpus, "Zoe", "0")
    decide(corpus, 0, "accepted")
    assert decide(corpus, 0, state).rows == 1
    expected = "unclear" if state == "open" else before[2]
    assert rights(corpus, 0) == (*before[:2], expected, None)
    assert verified(corpus, 0) == [("Zoe", "claim 0"), (None, "claim 0 taken back")]
    decide(corpus, 0, "accepted")
    assert rights(corpus, 0)[0] == "Zoe"
    with corpus.connection() as connection:
        decisions = claim_facts(connection, 0).decisions
    assert [row["state"] for row in decisions] == ["accepted", state, "accepted"]


def test_taking_an_acceptance_back_restores_what_was_verified(corpus: Registry) -> None:
    """With its title and all its owners."""
    verify_by_hand(corpus, 0, [1, 0])
    claim(corpus, "Zoe", "0")
    decide(corpus, 0, "accepted")
    assert rights(corpus, 0)[::3] == ("Zoe", "By hand")
    decide(corpus, 0, "refused")
    assert rights(corpus, 0)[::3] == ("Bob", "By hand")
    assert verified(corpus, 0) == [("Bob", "a letter"), ("Zoe", "claim 0"), ("Bob", "a letter")]
    with corpus.connection() as connection:
        rows = connection.execute(
            "SELECT position, rightsholder_id, role, share FROM co_rightsholder "
            "WHERE rights_id = (SELECT verified_id FROM asset WHERE id = 0) ORDER BY position"
        ).fetchall()
    assert rows == [(1, 1, "author", 0.5), (2, 0, "author", 0.5)]


def test_of_two_accepted_claims_the_later_counts_and_falls_back_on_the_earlier(corpus: Registry) -> None:
    """Taking back one that does not count changes nothing, and it is passed over when the other is
    taken back.
    """
    for name in ("Yan", "Zoe"):
        claim(corpus, name, "0")
    decide(corpus, 0, "accepted")
    decide(corpus, 1, "accepted")
    assert rights(corpus, 0)[0] == "Zoe"
    decide(corpus, 1, "refused")
    assert rights(corpus, 0)[0] == "Yan"
    decide(corpus, 1, "accepted")
    assert decide(corpus, 0, "refused").rows == 0
    assert rights(corpus, 0)[0] == "Zoe"
    decide(corpus, 1, "refused")
    assert rights(corpus, 0)[:2] == ("Ann", "CC-BY-4.0")


def test_what_was_verified_by_hand_after_an_acceptance_stays(corpus: Registry) -> None:
    """Taking the claim back does not touch it."""
    claim(corpus, "Zoe", "0")
    decide(corpus, 0, "accepted")
    verify_by_hand(corpus, 0, [1])
    assert decide(corpus, 0, "refused").rows == 0
    assert rights(corpus, 0)[0] == "Bob"


def test_a_claim_without_works_can_be_matched_when_more_is_registered(
    registry: Registry, folder: Path, tmp_path: Path
) -> None:
    """Neither the picture's file nor the claimant is needed again; what was found before stays,
    once.
    """
    compared = make(registry, folder, near_duplicates=True)
    later = encoded(scene(50))
    copy = write(tmp_path / "copy.jpg", COPIES["saved again"](scene(51)))
    report = claim(compared, "Zoe", hashlib.sha256(later).hexdigest().upper(), "0", images=[read_query_image(copy)])
    copy.unlink()
    assert report.unmatched == (hashlib.sha256(later).hexdigest(), "copy.jpg")
    assert match_again(compared, 0, NOW).matches == ()
    write(folder / "Ann" / "later.png", later)
    write(folder / "Ann" / "original.png", encoded(scene(51)))
    register(compared, folder, FolderPerRightsholder("CC-BY-4.0"), near_duplicates=True)
    found = match_again(compared, 0, NOW)
    assert sorted((match.asset_id, match.matched_by) for match in found.matches) == [(4, "sha256"), (5, "image")]
    assert found.unmatched == ()
    assert rights(compared, 5)[2] == "unclear"
    assert match_again(compared, 0, NOW).matches == ()
    decide(compared, 0, "refused")
    with pytest.raises(UsageError, match="is refused"):
        match_again(compared, 0, NOW)


def test_evidence_is_a_text_or_the_hash_of_a_file(tmp_path: Path) -> None:
    """A file's content is not kept; what is no plain file of a bearable size is refused."""
    path = write(tmp_path / "contract.pdf", b"signed")
    assert read_evidence(str(path)) == Evidence("contract.pdf", hashlib.sha256(b"signed").hexdigest())
    for text in ("See contract 17", "a/b\0c".replace("\0", ""), "x" * 9_000):
        assert read_evidence(text) == Evidence(text)
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(2**28 + 1)
    for refused in ("", "a\0b", str(tmp_path), "/dev/zero", str(tmp_path / "huge"), "\udcff"):
        with pytest.raises(InputError):
            read_evidence(refused)


def test_what_is_no_picture_is_looked_for_by_its_bytes_alone(corpus: Registry, tmp_path: Path) -> None:
    """Hostile files give a reason; what cannot be read is refused."""
    for data in (b"", b"no picture", encoded(scene(0))[:500]):
        image = read_query_image(write(tmp_path / "file", data))
        assert image.not_comparable is not None
        assert claim(corpus, "Zoe", images=[image]).unmatched == ("file",)
    for path in (tmp_path, tmp_path / "nothing", Path("/dev/zero"), Path("a\0b")):
        with pytest.raises(InputError):
            read_query_image(path)


def test_what_cannot_be_claimed_or_decided_is_refused_and_leaves_nothing(corpus: Registry) -> None:
    """With one line each."""
    claim(corpus, "Zoe", "0")
    image = QueryImage("a.png", "0" * 64)
    refused: list[tuple[type[CreditlineError], dict[str, Any]]] = [
        (NotFoundError, {"works": ["99"]}),
        (NotFoundError, {"works": ["works:none.png"]}),
        (UsageError, {"works": []}),
        (InputError, {"works": ["0"], "claimant": " "}),
        (InputError, {"works": ["0"], "claimant": "a\nb"}),
        (InputError, {"works": ["0"], "claimant": "\udcff"}),
        (NotFoundError, {"works": ["0"], "claimant": "#99"}),
        (InputError, {"works": ["0"], "statement": "\t"}),
        (InputError, {"works": ["0"], "statement": "x" * 10_001}),
        (InputError, {"images": [replace(image, name=str(number)) for number in range(MOST_IMAGES + 1)]}),
    ]
    with corpus.connection() as connection:
        events = connection.execute("SELECT count(*) FROM event").fetchall()
    for error, arguments in refused:
        with pytest.raises(error) as caught:
            open_claim(corpus, **{"claimant": "Zoe", "statement": "mine", "now": NOW, **arguments})
        assert "\n" not in str(caught.value)
    for number, state, options in (
        (7, "accepted", {}),
        (0, "open", {}),
        (0, "won", {}),
        (0, "refused", {"licence": "MIT"}),
    ):
        with pytest.raises(UsageError):
            decide(corpus, number, state, **options)
    with pytest.raises(InputError):
        decide_claim(corpus, 0, "accepted", "", NOW)
    with corpus.connection() as connection:
        assert connection.execute("SELECT count(*) FROM event").fetchall() == events


def test_claims_are_listed_by_state_and_claimant(compared: Registry, tmp_path: Path) -> None:
    """Newest first; a claimant's merged names count as one; one claim has all about it."""
    image = read_query_image(write(tmp_path / "half.png", COPIES["halved"](scene(0))))
    claim(compared, "Zoe", "1", images=[image], evidence=Evidence("letter", "ab" * 32))
    claim(compared, "Zoë", "0")
    claim(compared, "Yan", "2")
    decide(compared, 2, "accepted")
    merge_rightsholders(compared, 3, 2, "spelling", NOW)
    with compared.connection() as connection:
        assert [(row["claim_id"], row["state"], row["works"]) for row in list_claims(connection)] == [
            *((2, "accepted", 1), (1, "open", 1), (0, "open", 2))
        ]
        assert [row["claim_id"] for row in list_claims(connection, limit=1, offset=1)] == [1]
        assert [row["claim_id"] for row in list_claims(connection, state="open", claimant_id=2)] == [1, 0]
        assert (count_claims(connection), count_claims(connection, state="open", claimant_id=2)) == (3, 2)
        found = claim_facts(connection, 0)
        assert [(row["asset_id"], row["matched_by"], row["rightsholder"]) for row in found.works] == [
            *((1, "id", "Ann"), (0, "image", "Ann"))
        ]
        assert (found.other_claims, found.works_total, found.works_not_compared) == ({0: [1]}, 2, 1)
        assert [row["name"] for row in found.images] == ["half.png"]
        assert any("cropped" in line for line in found.limits)
        assert found.claim["evidence_sha256"] == "ab" * 32
        page = claim_facts(connection, 0, limit=1, offset=1)
        assert [row["asset_id"] for row in page.works] == [0]
        assert claim_facts(connection, 0, offset=9).works_total == 2
        assert claim_facts(connection, 1).limits == ()
        with pytest.raises(NotFoundError, match="no claim 9"):
            claim_facts(connection, 9)
