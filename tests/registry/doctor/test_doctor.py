"""The doctor: a healthy registry has no findings, and every kind of damage has one that names it
and its repair.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlmodel import select

from registry.doctor import Examination, Severity, examine, repair
from registry.errors import CreditlineError, IntegrityError, RegistryError
from registry.home import Home
from registry.members.manifest import read_reference_folder
from registry.members.reference_models import record_reference
from registry.members.register import expected_works
from registry.members.serving import service_statuses
from registry.storage.database import Registry
from registry.storage.tables import Encoding
from registry.withdrawals.record import withdraw
from tests.support.housed import AUDIT_ID, SAMPLE_ID, UNITS, furnish
from tests.support.members import ensemble_of, train_members, write_reference
from tests.support.works import NOW, encoded, picture, register, write_pictures

pytestmark = pytest.mark.reopens  # the doctor compares what DuckDB reads from the file


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with works and a home; tests copy the home."""
    folder = tmp_path_factory.mktemp("furnished")
    furnish(folder)
    return folder


@pytest.fixture
def registry(furnished: Path, tmp_path: Path) -> Registry:
    """The furnished registry, to be damaged."""
    shutil.copytree(furnished / "home", tmp_path / "home")
    return Registry.open(Home(tmp_path / "home"))


def told(found: Examination) -> str:
    assert all(finding.repair and finding.where for finding in found.findings)
    return "\n".join(f"{each.severity} {each.check} {each.where}: {each.what}" for each in found.wrong)


def damage(registry: Registry, *statements: str) -> str:
    """Do something with plain SQL, and examine."""
    with registry.connection() as connection:
        for statement in statements:
            connection.execute(statement)
    return told(examine(registry, quick=True))


def test_a_healthy_registry_has_no_findings(registry: Registry) -> None:
    """Works, members, samples and audits are all looked at, and nothing is found."""
    found = examine(registry)
    assert found.findings == []
    expected = {"current": 12, "encodings": 1, "members": 6, "outputs": 3, "works": 12}
    assert expected.items() <= found.checked.items()
    assert examine(registry, quick=True).skipped == {"files": "--quick"}


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (
            "UPDATE asset SET permission = 'prohibited' WHERE id = 3",
            "error current work 3: its rightsholder, licence, permission",
        ),
        ("UPDATE asset SET rightsholder_id = NULL WHERE id = 4", "error current work 4"),
        (
            "UPDATE asset SET missing_since = registered_at WHERE id = 2",
            "work 2: is marked as missing, but no event",
        ),
        ("UPDATE asset SET path = '../x.png' WHERE id = 2", "rows 0 to 11 of asset are not as"),
        ("UPDATE rightsholder SET merged_into = 0", "rightsholder 0: is merged into 0, but the record has no merge"),
        (
            "UPDATE asset_rights SET asset_id = 99 WHERE id = 0",
            "asset_rights.asset_id: 1 rows name a missing asset",
        ),
        ("UPDATE asset SET licence_id = -1 WHERE id = 1", "asset.licence_id: 1 rows name a missing licence"),
        ("INSERT INTO asset SELECT * FROM asset WHERE id = 3", "error ids asset: 1 ids occur more than once"),
        ("DELETE FROM asset_rights WHERE id = 5", "ids asset_rights: ids go from 0 to 11, expected 0 to 10"),
        ("UPDATE unit SET code = 1 WHERE number = 5", "1 units (for example unit 5) have a code that does not follow"),
        ("DELETE FROM unit WHERE number = 11", "has 11 units numbered 0 to 10 (11 different), expected 0 to 11"),
        ("UPDATE unit_asset SET asset_id = 0 WHERE asset_id = 1", "1 works are in more than one unit"),
        ("DELETE FROM unit_asset WHERE asset_id = 1", "11 of 12 units have works"),
        ("UPDATE member SET origin = 'imported'", "rows of member for id"),
        ("UPDATE member SET generation = 2 WHERE index = 1", "its row has the generation 2, its manifest 1"),
        ("UPDATE member SET merkle_root = 'x' WHERE index = 1", "its row has the merkle_root x"),
        ("UPDATE member SET manifest = '{}' WHERE index = 1", "the manifest in its row cannot be read"),
        ("UPDATE sample SET ensemble_id = ensemble_id, seed = 2", "rows of sample for id"),
        (
            "INSERT INTO candidate (audit_id, rank, unit_number, score, statistic, p_value, q_value) "
            "VALUES ('nobody', 1, 0, 1, 1, 1, 1)",
            "candidate nobody: there is no such",
        ),
        (
            "ALTER TABLE review ADD COLUMN further INTEGER",
            "tables review: has columns that creditline did not make: further",
        ),
        ("DROP VIEW work", "tables work: this view is missing"),
    ],
)
def test_damage_by_sql_is_named(registry: Registry, statement: str, expected: str) -> None:
    """Every kind of row that was changed past creditline is found where it is."""
    assert expected in damage(registry, statement)


def test_a_table_without_a_column_is_named(registry: Registry) -> None:
    """Nothing else can be looked at then, and nothing crashes."""
    assert damage(registry, "ALTER TABLE review DROP COLUMN reason").endswith("review: the columns reason are missing")


def test_what_is_current_can_be_computed_anew(registry: Registry) -> None:
    """The one repair that needs no copy; it is an event, and afterwards nothing is wrong."""
    damage(registry, "UPDATE asset SET permission = 'prohibited', licence_id = NULL WHERE id IN (3, 4)")
    assert repair(registry, NOW) == 2
    assert told(examine(registry)) == ""
    assert repair(registry, NOW) == 0


FILES: list[tuple[str, Callable[[Home], Path], str]] = [
    ("samples", lambda home: home.sample_image(SAMPLE_ID), "warning outputs sample"),
    ("tensors", lambda home: home.sample_tensors(SAMPLE_ID), "warning outputs sample"),
    ("audits", lambda home: home.audit(AUDIT_ID), "warning outputs audit"),
    ("works of a member", lambda home: first_member(home) / "works.txt", "works.txt was altered"),
    ("weights", lambda home: first_member(home) / "diffusion_pytorch_model.safetensors", "safetensors was altered"),
    ("config", lambda home: first_member(home) / "config.json", "config.json was altered"),
]


def first_member(home: Home) -> Path:
    return min((home.root / "members").iterdir())


def flip(path: Path, place: int) -> None:
    """What a hex editor does: one bit."""
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= 1
    path.write_bytes(bytes(data))


@pytest.mark.parametrize(("_name", "place", "expected"), FILES)
def test_an_edited_or_lost_file_is_named(
    registry: Registry, _name: str, place: Callable[[Home], Path], expected: str
) -> None:
    """A bit flipped in any file whose hash is on record; the file removed."""
    path = place(registry.home)
    flip(path, 2)
    assert expected in told(examine(registry))
    path.unlink()
    found = told(examine(registry))
    assert "is missing" in found or "cannot read" in found


def test_an_edited_manifest_is_named(registry: Registry) -> None:
    """Another count, another seed: the manifest is not the one that was registered."""
    path = first_member(registry.home) / "manifest.json"
    path.write_text(path.read_text().replace('"seed":7', '"seed":8'))
    assert "was altered since member" in told(examine(registry))
    path.write_bytes(b"\xff\0")
    assert "is not a manifest" in told(examine(registry))


@pytest.mark.slow
def test_an_edited_work_is_named(tmp_path: Path, registry: Registry, folder: Path) -> None:
    """Works are read and compared with their hashes; one that is gone or has another size is found
    without reading.
    """
    register(registry, write_pictures(folder, ["a.png", "b.png", "c.png"], first=100), data_set="further")
    flip(folder / "a.png", -20)
    (folder / "b.png").unlink()
    (folder / "c.png").write_bytes(encoded(picture(7), compress_level=0))
    del tmp_path
    found = told(examine(registry))
    assert "a.png was changed: its SHA-256 is" in found
    assert "b.png is missing" in found
    assert "c.png has" in found
    assert told(examine(registry, quick=True)) == ""


@pytest.mark.slow
def test_moved_and_missing_works_are_no_damage(registry: Registry, folder: Path) -> None:
    """What a later registration found elsewhere, or not at all, follows from events; an edit of it
    does not.
    """
    register(registry, write_pictures(folder, ["a.png", "b.png", "c.png"], first=100), data_set="further")
    (folder / "a.png").rename(folder / "moved.png")
    (folder / "b.png").unlink()
    register(registry, folder, data_set="further")
    assert told(examine(registry)) == ""
    assert "has a path that no event names" in damage(
        registry, "UPDATE asset SET path = 'x.png' WHERE path = 'moved.png'"
    )
    assert "is missing by the log, but not marked" in damage(registry, "UPDATE asset SET missing_since = NULL")


@pytest.mark.slow
def test_members_out_of_service_are_a_note_until_they_are_retrained(registry: Registry) -> None:
    """Nothing is wrong: they generate nothing. After retraining there is nothing to do."""
    with registry.session() as session:
        encoding = session.exec(select(Encoding)).one()
    withdraw(registry, asset_ids=[3], reason="asked", now=NOW)
    found = examine(registry, quick=True)
    assert found.wrong == []
    (note,) = found.findings
    assert (note.severity, note.check) == (Severity.NOTE, "members")
    assert "were trained on works that are withdrawn now, and are out of service" in note.what
    assert f"`creditline retrain --ensemble {ensemble_of(encoding)}`" in note.repair
    (service,) = service_statuses(registry)
    train_members(registry, encoding, [member.index for member in service.out_of_service], 2)
    assert examine(registry, quick=True).findings == []
    withdraw(registry, asset_ids=[*range(UNITS)], reason="asked", now=NOW)
    (note,) = examine(registry, quick=True).findings
    assert "have no work left that is not withdrawn" in note.what
    assert "retrain" not in note.repair


def test_leftovers_are_notes_with_the_command_that_clears_them(registry: Registry) -> None:
    """What killed commands leave is harmless and is named."""
    home = registry.home
    for path in (home.root / "members" / "cafe-00", home.root / "samples" / ".x.png.1234.part", home.staging / "x"):
        path.mkdir(parents=True)
    found = examine(registry)
    assert found.wrong == []
    assert len(found.findings) == 3
    assert all("rm -r" in finding.repair for finding in found.findings)


def referenced(registry: Registry, **changes: object) -> Path:
    """Give the ensemble a reference model of all works, on record."""
    with registry.session() as session:
        encoding = session.exec(select(Encoding)).one()
    folder = write_reference(registry, encoding, expected_works(registry, encoding.id, None), **changes)
    record_reference(registry, read_reference_folder(folder), NOW)
    return folder


@pytest.mark.slow
def test_a_reference_model_is_looked_at(registry: Registry) -> None:
    """One that is what the log names has no finding; after a withdrawal, quick or not, there is one
    with both repairs.
    """
    folder = referenced(registry)
    found = examine(registry)
    assert found.findings == []
    assert found.checked["reference models"] == 1
    withdraw(registry, asset_ids=[3], reason="asked", now=NOW)
    for quick in (True, False):
        [finding] = examine(registry, quick=quick).wrong
        assert (finding.check, finding.severity, finding.where) == ("reference models", Severity.WARNING, str(folder))
        assert "saw 1 works that are withdrawn now" in finding.what
        assert "creditline members reference --ensemble" in finding.repair
        assert f"rm -r '{folder}'" in finding.repair


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("DELETE FROM event WHERE kind = 'reference model trained'", "warning reference models"),
        ("UPDATE event SET after = '[]' WHERE kind = 'reference model trained'", "event about the reference model"),
        (
            "UPDATE event SET after = replace(after, 'manifest_sha256\":\"', 'manifest_sha256\":\"0') "
            "WHERE kind = 'reference model trained'",
            "manifest.json is not the manifest recorded",
        ),
        ("UPDATE ensemble SET settings = '{\"steps\":2}'", "was trained with other settings than those of ensemble"),
        ("DELETE FROM unit_asset WHERE asset_id = 1", "its manifest lists 12 works that differ from the"),
    ],
)
def test_a_reference_model_that_contradicts_the_registry_is_named(
    registry: Registry, statement: str, expected: str
) -> None:
    """Its event, its recipe and its works."""
    referenced(registry)
    with registry.connection() as connection:
        connection.execute(statement)
    assert expected in told(examine(registry))


@pytest.mark.slow
def test_an_edited_reference_model_is_named(registry: Registry) -> None:
    """A bit flipped in any of its files, a file removed, a manifest that is none."""
    folder = referenced(registry)
    for name in ("diffusion_pytorch_model.safetensors", "config.json", "works.txt"):
        flip(folder / name, 2)
        assert f"{name} was altered" in told(examine(registry))
        flip(folder / name, 2)
    assert told(examine(registry)) == ""
    (folder / "config.json").rename(folder / "config")
    assert "cannot read" in told(examine(registry))
    (folder / "manifest.json").write_text("{}")
    assert "is not a manifest" in told(examine(registry))


def test_works_that_the_encoding_lacks_are_not_recorded(registry: Registry) -> None:
    """A reference model counts only if it saw all works of the encoding and no others."""
    with registry.session() as session:
        encoding = session.exec(select(Encoding)).one()
    folder = write_reference(registry, encoding, expected_works(registry, encoding.id, None)[1:])
    with pytest.raises(IntegrityError, match="lists 11 works, which are not the 12"):
        record_reference(registry, read_reference_folder(folder), NOW)


def test_leftovers_of_a_reference_model_are_notes(registry: Registry) -> None:
    """A checkpoint, half a folder, and the model of an ensemble that nobody knows."""
    place = referenced(registry)
    for name in (f".{place.name}.checkpoint.safetensors", f".{place.name}.17.part", "cafe"):
        (place.parent / name).mkdir()
    found = examine(registry)
    assert found.wrong == []
    assert {Path(finding.where).name for finding in found.findings} == {
        f".{place.name}.checkpoint.safetensors",
        f".{place.name}.17.part",
        "cafe",
    }


@pytest.mark.slow
def test_a_damaged_database_is_an_error_that_says_so(registry: Registry) -> None:
    """Bits flipped anywhere in the file: DuckDB's checksums, or ours, find it; nothing crashes and
    nothing passes unseen.
    """
    original = registry.home.database.read_bytes()
    whole = examine(registry, quick=True)
    refused = 0
    for place in range(5_000, len(original), len(original) // 12):
        registry.home.database.write_bytes(original)
        flip(registry.home.database, place)
        try:
            found = examine(registry, quick=True)
        except RegistryError as error:
            assert str(registry.home.database) in str(error)  # noqa: PT017 - a flip may also hit what is not in use
            refused += 1
        else:
            # A block that is not in use.
            assert found.wrong or found.checked == whole.checked
    assert refused


def test_a_file_that_is_no_registry_is_refused(registry: Registry) -> None:
    """Empty, cut in half, or something else."""
    original = registry.home.database.read_bytes()
    for data in (original[: len(original) // 2], b"GIF89a" * 1000, original[:4096]):
        registry.home.database.write_bytes(data)
        with pytest.raises(CreditlineError) as error:
            examine(Registry.open(registry.home))
        assert error.value.exit_code == 3
