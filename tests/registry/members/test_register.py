"""Manifests and members: files checked by hash, and only what the codes imply gets in (E2)."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from registry.encodings.store import create_encoding, load_units
from registry.errors import InputError, IntegrityError, NotFoundError
from registry.members.manifest import CONFIG_NAME, WEIGHTS_NAME, WORKS_NAME, Manifest, ManifestWorks, read_member_folder
from registry.members.register import check_member, expected_works, member_id, register_member
from registry.storage.database import Registry
from registry.storage.tables import Encoding, Ensemble, Member
from registry.withdrawals.record import withdraw
from tests.support.members import ensemble_of, train_members, write_member
from tests.support.works import NOW, copied, register, write, write_pictures

UNITS, N, H = 12, 6, 3


@pytest.fixture(scope="module")
def encoded(empty: Registry, tmp_path_factory: pytest.TempPathFactory) -> tuple[Registry, Encoding]:
    """Twelve works, each a unit, and an ensemble without members; tests copy it."""
    folder = tmp_path_factory.mktemp("encoded")
    registry = copied(empty, folder)
    register(registry, write_pictures(folder / "works", [f"{number:02d}.png" for number in range(UNITS)]))
    encoding = create_encoding(registry, "asset", None, N, H, 1, NOW, code_format=1)
    with registry.session() as session:
        session.add(Ensemble(id=ensemble_of(encoding), encoding_id=encoding.id, settings={"steps": 1}, created_at=NOW))
    return registry, encoding


@pytest.fixture
def registry(encoded: tuple[Registry, Encoding], tmp_path: Path) -> Registry:
    """The registry of the twelve works."""
    return copied(encoded[0], tmp_path)


@pytest.fixture
def encoding(encoded: tuple[Registry, Encoding]) -> Encoding:
    """Its encoding."""
    return encoded[1]


@pytest.fixture
def member_folder(registry: Registry, encoding: Encoding, tmp_path: Path) -> Path:
    """Member 0, as its worker wrote it."""
    return write_member(tmp_path / "member", encoding, expected_works(registry, encoding.id, 0))


def test_the_works_of_members_are_what_the_codes_say(registry: Registry, encoding: Encoding) -> None:
    """E2: each work is in exactly the h members of its code; leaving those out leaves members for
    every other work.
    """
    units = load_units(registry, encoding.id)
    seen = [set(expected_works(registry, encoding.id, index)) for index in range(N)]
    with registry.connection() as connection:
        sha256_of = dict(connection.execute("SELECT id, sha256 FROM asset").fetchall())
    for asset, code in zip(units.asset_ids.tolist(), units.asset_codes.tolist(), strict=True):
        assert [sha256_of[asset] in works for works in seen] == [bool(code >> index & 1) for index in range(N)]
        survivors = [works for works in seen if sha256_of[asset] not in works]
        assert len(survivors) == N - H
        others = set(sha256_of.values()) - {sha256_of[asset]}
        assert set().union(*survivors) == others


def test_a_manifest_has_one_form_and_survives_it(member_folder: Path) -> None:
    """Canonical bytes: read and written again they are the same, and the hash is theirs."""
    data = (member_folder / "manifest.json").read_bytes()
    manifest = Manifest.parse(data)
    assert manifest.to_json() == data
    assert manifest.sha256 == hashlib.sha256(data).hexdigest()
    assert Manifest.parse(json.dumps(json.loads(data), indent=2).encode()).sha256 == manifest.sha256


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda facts: facts.pop("index"), "index: Field required"),
        (lambda facts: facts.update(index="0"), "index: Input should be a valid integer"),
        (lambda facts: facts.update(index=64), "index: Input should be less than or equal to 63"),
        (lambda facts: facts.update(format_version=2), "format_version: Input should be 1"),
        (lambda facts: facts.update(extra=1), "extra: Extra inputs are not permitted"),
        (lambda facts: facts.update(weights_sha256="../../etc"), "weights_sha256: String should match pattern"),
        (lambda facts: facts.update(ensemble_id="../up"), "ensemble_id: String should match pattern"),
        (lambda facts: facts["encoding"].update(n=65), "encoding.n: Input should be less than or equal to 64"),
        (lambda facts: facts.update(created_at="2026-01-01T00:00:00"), "created_at: Input should have timezone info"),
    ],
)
def test_a_manifest_that_is_not_one_is_an_input_error_that_names_the_field(
    member_folder: Path, change: object, message: str
) -> None:
    """It comes from outside."""
    facts = json.loads((member_folder / "manifest.json").read_bytes())
    change(facts)  # type: ignore[operator]  # the table above has functions
    with pytest.raises(InputError, match=message):
        Manifest.parse(json.dumps(facts).encode())


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff\xfe", b'{"settings": NaN}'])
def test_bytes_that_are_no_manifest_are_an_input_error(data: bytes) -> None:
    """One line, whatever it is."""
    with pytest.raises(InputError, match=r"^manifest.json is not a manifest: .*$"):
        Manifest.parse(data)


@pytest.mark.parametrize("name", [CONFIG_NAME, WEIGHTS_NAME, WORKS_NAME])
def test_an_altered_or_missing_file_is_named(member_folder: Path, name: str) -> None:
    """One byte more, or the file gone."""
    path = member_folder / name
    data = path.read_bytes()
    path.write_bytes(data + b" ")
    with pytest.raises(IntegrityError, match=f"{name} was altered"):
        read_member_folder(member_folder)
    path.unlink()
    with pytest.raises(IntegrityError, match=f"cannot read .*{name}"):
        read_member_folder(member_folder)


def test_a_listing_that_is_none_is_refused_even_with_its_hash(encoding: Encoding, tmp_path: Path) -> None:
    """Not sorted, counted wrongly, or no hashes."""
    for number, listing in enumerate((b"b\na\n", b"a\nb", b"xyz\n")):
        folder = write_member(tmp_path / str(number), encoding, [])
        write(folder / WORKS_NAME, listing)
        manifest = Manifest.parse((folder / "manifest.json").read_bytes())
        works = ManifestWorks(
            count=listing.count(b"\n"), sha256=hashlib.sha256(listing).hexdigest(), merkle_root="0" * 64
        )
        write(folder / "manifest.json", manifest.model_copy(update={"works": works}).to_json())
        with pytest.raises(IntegrityError, match=WORKS_NAME):
            read_member_folder(folder)


def test_a_member_is_registered_once(registry: Registry, encoding: Encoding, member_folder: Path) -> None:
    """And found again by its folder; its manifest is kept whole."""
    found = read_member_folder(member_folder)
    member = register_member(registry, found, "trained", NOW)
    again = register_member(registry, found, "imported", NOW)
    assert (member.id, again.origin) == (member_id(ensemble_of(encoding), 0), "trained")
    with registry.session() as session:
        stored = session.get_one(Member, member.id)
    assert stored.manifest == json.loads((member_folder / "manifest.json").read_bytes())
    assert stored.manifest_sha256 == found.manifest.sha256
    assert check_member(member_folder, stored).works == found.works


def test_another_member_in_the_same_place_is_refused(
    registry: Registry, encoding: Encoding, member_folder: Path, tmp_path: Path
) -> None:
    """Trained anew with another seed: the registered one stays, and is told apart from it."""
    member = register_member(registry, read_member_folder(member_folder), "trained", NOW)
    other = write_member(tmp_path / "other", encoding, expected_works(registry, encoding.id, 0), seed=8)
    with pytest.raises(IntegrityError, match=r"has another manifest than the registered member"):
        register_member(registry, read_member_folder(other), "trained", NOW)
    with pytest.raises(IntegrityError, match="was altered since member"):
        check_member(other, member)


def test_a_member_that_saw_something_else_is_refused(registry: Registry, encoding: Encoding, tmp_path: Path) -> None:
    """One work more or one less than its bit of the codes says; another member's works."""
    works = expected_works(registry, encoding.id, 0)
    for number, wrong in enumerate((works[1:], [*works, "0" * 64], expected_works(registry, encoding.id, 1))):
        folder = write_member(tmp_path / str(number), encoding, sorted(wrong))
        with pytest.raises(IntegrityError, match="that are not in the codes of member 0"):
            register_member(registry, read_member_folder(folder), "trained", NOW)
    with registry.session() as session:
        assert session.get(Member, member_id(ensemble_of(encoding), 0)) is None


def test_a_member_of_something_else_is_refused(registry: Registry, member_folder: Path, tmp_path: Path) -> None:
    """Another ensemble, another encoding, an index that the ensemble does not have."""
    manifest = Manifest.parse((member_folder / "manifest.json").read_bytes())
    cases: list[tuple[dict[str, object], type[Exception], str]] = [
        ({"ensemble_id": "0" * 12}, NotFoundError, "which is not registered"),
        ({"index": N}, InputError, f"has index {N}, expected 0 to {N - 1}"),
        (
            {"encoding": manifest.encoding.model_copy(update={"seed": 2})},
            InputError,
            "encoding seed 2, the registry's is 1",
        ),
    ]
    for number, (changes, error, message) in enumerate(cases):
        folder = tmp_path / f"other{number}"
        shutil.copytree(member_folder, folder)
        write(folder / "manifest.json", manifest.model_copy(update=changes).to_json())
        with pytest.raises(error, match=message):
            register_member(registry, read_member_folder(folder), "imported", NOW)


def test_a_later_generation_leaves_withdrawn_works_out(registry: Registry, encoding: Encoding) -> None:
    """Its manifest names the withdrawal, its works are the codes' without those; the first
    generation stays on record.
    """
    first = train_members(registry, encoding, [0])[0]
    seen = expected_works(registry, encoding.id, 0)
    with registry.connection() as connection:
        asset_id = connection.execute("SELECT id FROM asset WHERE sha256 = ?", [seen[0]]).fetchall()[0][0]
    withdraw(registry, asset_ids=[asset_id], reason="letter", now=NOW)
    second = train_members(registry, encoding, [0], generation=2)[0]
    assert (second.id, second.manifest["withdrawn_through"]) == (f"{first.id}-2", 0)
    assert second.manifest["works"]["count"] == len(seen) - 1
    assert check_member(registry.home.member(second.id), second).works == tuple(seen[1:])
    assert check_member(registry.home.member(first.id), first).works == tuple(seen)


def test_heeding_a_withdrawal_that_is_still_to_come_is_refused(
    registry: Registry, encoding: Encoding, tmp_path: Path
) -> None:
    """Else a member would pass for one that had left out works of which nobody had heard."""
    works = expected_works(registry, encoding.id, 0)
    folder = write_member(tmp_path / "member", encoding, works, withdrawn_through=5)
    with pytest.raises(InputError, match="names withdrawal 5 as applied, but the last one here is none"):
        register_member(registry, read_member_folder(folder), "imported", NOW)
