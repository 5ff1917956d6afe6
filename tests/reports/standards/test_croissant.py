"""Croissant: what its own reader finds in the export, what is left out, and what hostile or lacking
facts become.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from pathlib import Path
from typing import Any

import mlcroissant
import pyarrow.parquet as pq
import pytest

from registry.errors import InputError, NotFoundError, UsageError
from registry.ids import sha256_of
from registry.supplied_facts import SubjectKind, supplied, supply
from reports.checking.document_check import check_document
from reports.checking.document_types import KINDS
from reports.issuing.issue import find_issued
from reports.issuing.stamp import PARQUET_KEY, Stamp, beside
from reports.standards import croissant
from reports.standards.write import Exported, write_croissant
from tests.support.sealing import reseal
from tests.support.world import HOSTILE, NOON, World

# The reader's own libraries, of RDF and of tables, warn about how it uses them.
pytestmark = [
    pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame"),
]


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def _write(world: World, folder: Path) -> Exported:
    return write_croissant(world.registry, "shapes", folder / "shapes.croissant.json", NOON)


def test_its_own_reader_takes_it_and_iterates_the_works(fresh: World, tmp_path: Path) -> None:
    """The library loads it without errors, checks the listing's hash, and gives a record per work
    with its rights.
    """
    made = _write(fresh, tmp_path)
    dataset = mlcroissant.Dataset(str(made.path))
    assert not dataset.metadata.ctx.issues.errors
    assert dataset.metadata.ctx.is_v1_1()
    records = list(dataset.records("works"))
    assert len(records) == 12
    first = {name.removeprefix("works/"): value for name, value in records[0].items()}
    assert first["sha256"] == hashlib.sha256(b"work 0").hexdigest().encode()
    assert (first["title"], first["rightsholders"]) == (b"Red apple", [b"Kestrel Studio"])
    assert (first["licence"], first["permission"], first["basis"]) == (
        b"LicenseRef-Kestrel-2",
        b"permitted",
        b"declared",
    )
    assert (first["byte_size"], first["width"], first["url"]) == (700, 72, None)


def test_the_document_says_what_is_known_and_names_what_is_not(fresh: World, tmp_path: Path) -> None:
    """Licences as addresses, owners, both versions of the vocabulary; nothing is invented about
    people or publication.
    """
    with fresh.registry.connection() as connection:
        connection.execute("UPDATE licence SET spdx = reference WHERE id = 0")
    reseal(fresh.registry)
    made = _write(fresh, tmp_path)
    document = _read(made.path)
    assert document["conformsTo"] == ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"]
    assert document["license"] == ["https://spdx.org/licenses/CC-BY-4.0", "https://kestrel.example/terms"]
    assert [holder["name"] for holder in document["copyrightHolder"]] == ["Kestrel Studio", "Open Shapes Project"]
    assert not {"url", "creator", "datePublished", "citeAs", "rai:personalSensitiveInformation"} & document.keys()
    for name in ("url", "creator", "datePublished", "citeAs", "rai:personalSensitiveInformation"):
        assert any(each.startswith(name) for each in made.left_out)
    listing = made.path.with_name("shapes.works.parquet")
    (described,) = document["distribution"]
    assert described["sha256"] == hashlib.sha256(listing.read_bytes()).hexdigest()
    assert described["contentSize"] == f"{listing.stat().st_size} B"


def test_stamps_are_beside_the_files_in_the_listing_and_in_the_log(fresh: World, tmp_path: Path) -> None:
    """Both files are in the log by hash; the facts' hash is the one that reading them again
    gives.
    """
    made = _write(fresh, tmp_path)
    listing = made.path.with_name("shapes.works.parquet")
    in_listing = Stamp.model_validate_json(pq.read_schema(listing).metadata[PARQUET_KEY])
    assert in_listing == made.stamp
    for path in (made.path, listing):
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        assert _read(beside(path))["file_sha256"] == sha256
        with fresh.registry.connection() as connection:
            assert find_issued(connection, sha256) is not None
    assert sha256_of(KINDS[croissant.KIND](fresh.registry, made.stamp.subject)) == made.stamp.facts_sha256


def test_facts_change_with_any_row_and_with_nothing_else(fresh: World, tmp_path: Path) -> None:
    """Written again an hour later they are the same; a title that changes makes them others."""
    first = _write(fresh, tmp_path)
    later = write_croissant(fresh.registry, "shapes", tmp_path / "b.json", NOON + datetime.timedelta(hours=1))
    assert later.stamp.facts_sha256 == first.stamp.facts_sha256
    with fresh.registry.connection() as connection:
        connection.execute("UPDATE asset_rights SET title = 'Green apple' WHERE id = 0")
    assert sha256_of(croissant.facts(fresh.registry, first.stamp.subject)) != first.stamp.facts_sha256


def test_hostile_texts_stay_in_the_listing_and_are_bounded_in_the_document(fresh: World, tmp_path: Path) -> None:
    """A data set and an owner with controls, an override of the writing direction and 100 kB:
    valid, small, and read back.
    """
    name = "../\x00\u202e" + HOSTILE
    with fresh.registry.connection() as connection:
        connection.execute("UPDATE data_set SET name = ?", [name])
        connection.execute("UPDATE rightsholder SET name = ? WHERE id = 0", [HOSTILE])
        connection.execute("UPDATE licence SET reference = ?, url = 'javascript:alert(1)' WHERE id = 1", [HOSTILE])
    reseal(fresh.registry)
    made = write_croissant(fresh.registry, name, tmp_path / f"{croissant.file_stem(name)}.json", NOON)
    assert made.path.stat().st_size < 30_000
    assert "\u202e" not in made.path.read_text()
    assert "javascript" not in made.path.read_text()
    dataset = mlcroissant.Dataset(str(made.path))
    assert not dataset.metadata.ctx.issues.errors
    records = list(dataset.records("works"))
    assert records[0]["works/rightsholders"][0].decode() == HOSTILE


def test_works_known_by_their_metadata_alone_are_records_too(fresh: World, tmp_path: Path) -> None:
    """No size, no licence and no owner are nulls in the records, and counted as limits of the
    data.
    """
    with fresh.registry.connection() as connection:
        connection.execute(
            "UPDATE asset SET byte_size = NULL, width = NULL, height = NULL, missing_since = registered_at WHERE id < 3"
        )
        connection.execute("UPDATE asset_rights SET licence_id = NULL, rightsholder_id = NULL WHERE asset_id < 3")
        connection.execute("UPDATE event SET kind = 'works missing', after = '[0,1,2]' WHERE sequence = 1")
        connection.execute("UPDATE event SET recorded_at = (SELECT registered_at FROM asset WHERE id = 0)")
    reseal(fresh.registry)
    made = _write(fresh, tmp_path)
    document = _read(made.path)
    assert (
        "3 works are known by their metadata alone; 3 were no longer found" in document["rai:dataCollectionMissingData"]
    )
    assert "3 works have no licence on record." in document["rai:dataLimitations"]
    record = next(iter(mlcroissant.Dataset(str(made.path)).records("works")))
    assert record["works/byte_size"] is None or record["works/byte_size"] != record["works/byte_size"]


def test_only_the_commonest_licences_and_owners_are_named(
    fresh: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many there are, the document is bounded, and says how many it does not name."""
    monkeypatch.setattr("reports.content.data_sets.MOST", 1)
    document = _read(_write(fresh, tmp_path).path)
    assert len(document["license"]) == len(document["copyrightHolder"]) == 1
    assert "Of 2 licences the 1 with the most works are named; the listing has all." in document["rai:dataLimitations"]


@pytest.mark.slow
def test_exports_beside_each_other_stay_whole(fresh: World, tmp_path: Path) -> None:
    """Names that differ after a dot, by a space or beyond the sixtieth character have listings of
    their own, each verified.
    """
    names = ["works.v1.json", "works.v2.json", "works v1.json", "works-v1.json", "w" * 70 + ".json", "w" * 71 + ".json"]
    for number, name in enumerate(names):
        write_croissant(fresh.registry, "shapes", tmp_path / name, NOON + datetime.timedelta(days=number))
    listings = set()
    for name in names:
        (described,) = _read(tmp_path / name)["distribution"]
        listings.add(described["contentUrl"])
        written = (tmp_path / described["contentUrl"]).read_bytes()
        assert hashlib.sha256(written).hexdigest() == described["sha256"]
        assert check_document(fresh.registry, tmp_path / name).facts == "same"
    assert len(listings) == len(names)


def test_a_listing_is_written_over_its_own_predecessor_alone(fresh: World, tmp_path: Path) -> None:
    """The same export again replaces both files; a foreign file in the listing's place is refused
    and left as it is.
    """
    first = _write(fresh, tmp_path)
    again = write_croissant(fresh.registry, "shapes", first.path, NOON + datetime.timedelta(days=1))
    listing = tmp_path / "shapes.works.parquet"
    assert hashlib.sha256(listing.read_bytes()).hexdigest() == again.files[1].sha256 != first.files[1].sha256
    for name in ("shapes.json", "broken.json"):
        (tmp_path / "broken.works.parquet").write_bytes(b"mine")
        (tmp_path / "broken.json").write_text("[" * 100_000)
        before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
        with pytest.raises(UsageError, match=f"is there already and no listing of {name}; remove it"):
            write_croissant(fresh.registry, "shapes", tmp_path / name, NOON)
        assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


def test_what_is_not_there_is_refused(fresh: World, tmp_path: Path) -> None:
    """An unknown data set, a folder that is not there: nothing is written."""
    with pytest.raises(NotFoundError, match="no data set 'nope'"):
        write_croissant(fresh.registry, "nope", tmp_path / "x.json", NOON)
    with pytest.raises(UsageError, match="there is no folder"):
        write_croissant(fresh.registry, "shapes", tmp_path / "no" / "x.json", NOON)
    with pytest.raises(UsageError, match=r"expected a file whose name ends in \.json"):
        write_croissant(fresh.registry, "shapes", tmp_path / "x.works.parquet", NOON)
    assert not [path for path in tmp_path.iterdir() if path.is_file()]


def test_a_data_set_without_works_is_exported_too(fresh: World, tmp_path: Path) -> None:
    """An empty listing, no licences and no dates: valid, and the narration says that nothing is on
    record.
    """
    with fresh.registry.connection() as connection:
        connection.execute("INSERT INTO data_set SELECT 2, 'empty', kind, root, created_at FROM data_set")
    reseal(fresh.registry)
    made = write_croissant(fresh.registry, "empty", tmp_path / "empty.json", NOON)
    dataset = mlcroissant.Dataset(str(made.path))
    assert not dataset.metadata.ctx.issues.errors
    assert list(dataset.records("works")) == []
    assert "license (no work has one on record)" in made.left_out
    assert "None" not in made.path.read_text()


@pytest.mark.parametrize(
    ("name", "stem"), [("museum 2/rooms", "museum-2-rooms"), ("../..", None), ("\u202e", None), ("a" * 500, "a" * 60)]
)
def test_a_file_is_named_so_that_any_file_system_takes_it(name: str, stem: str | None) -> None:
    """Letters, digits and dashes of the name; a hash where it has none."""
    assert croissant.file_stem(name) == (stem or f"data-set-{hashlib.sha256(name.encode()).hexdigest()[:12]}")


def test_supplied_facts_fill_the_document(fresh: World, tmp_path: Path) -> None:
    """Its own reader takes them; the last value counts, and an empty one takes a fact back."""
    facts = {
        "url": "https://shapes.example/",
        "creator": "Kestrel Studio",
        "creator-kind": "organisation",
        "published": "2026-03-01",
        "citation": "Shapes, 2026",
        "version": "2",
        **{name: f"about {name}" for name in ("sensitive-information", "biases", "use-cases", "social-impact")},
        **{name: f"about {name}" for name in ("maintenance", "annotation")},
    }
    for values in (facts | {"citation": "Shapes"}, {"citation": facts["citation"], "maintenance": " "}):
        assert supply(fresh.registry, SubjectKind.DATA_SET, "shapes", values, "its maker", NOON)
    assert not supply(fresh.registry, SubjectKind.DATA_SET, "shapes", {"version": "2"}, "again", NOON)
    made = _write(fresh, tmp_path)
    document = _read(made.path)
    metadata = mlcroissant.Dataset(str(made.path)).metadata
    assert not metadata.ctx.issues.errors
    assert (document["creator"], document["citeAs"], document["version"]) == (
        {"@type": "sc:Organization", "name": "Kestrel Studio"},
        "Shapes, 2026",
        "2",
    )
    assert document["rai:dataBiases"] == "about biases"
    assert made.left_out == ("rai:dataReleaseMaintenancePlan",)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("colour", "red", "no fact 'colour'"),
        ("url", "shapes.example", "begins with http"),
        ("published", "yesterday", "2026-03-14"),
        ("confidentiality", "purple", "one of red"),
        ("version", "x" * 5_000, "at most 4,000"),
        ("version", "1\x07", "none that control"),
    ],
)
def test_a_fact_of_another_form_is_refused(fresh: World, name: str, value: str, words: str) -> None:
    """With what was expected; nothing is recorded."""
    with pytest.raises(InputError, match=words):
        supply(fresh.registry, SubjectKind.DATA_SET, "shapes", {"version": "3", name: value}, "", NOON)
    with pytest.raises(NotFoundError):
        supply(fresh.registry, SubjectKind.DATA_SET, "no such", {"version": "3"}, "", NOON)
    with fresh.registry.connection() as connection:
        assert not supplied(connection, SubjectKind.DATA_SET, "shapes")
