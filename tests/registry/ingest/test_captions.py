"""Captions of works: from every source, registered again, and in other places."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from registry.captions.template import Template
from registry.doctor.current import find_stale
from registry.errors import UsageError
from registry.event_log.verify import verify
from registry.ingest.bulk import ListReport, register_list
from registry.ingest.findings import Kind
from registry.ingest.lists import open_list
from registry.ingest.owners.table import OwnerTable
from registry.ingest.registration import register_archive
from registry.storage.database import Registry
from tests.support.works import ADA, NOW, encoded, picture, register, write, write_csv, write_pictures

HOSTILE = '<img src=x onerror="alert(1)">'


def captions(registry: Registry) -> dict[str, tuple[str | None, str | None]]:
    """By path or address, the caption that counts and its source."""
    with registry.connection() as connection:
        rows = connection.execute("SELECT coalesce(path, url), caption, caption_source FROM work ORDER BY 1").fetchall()
        assert not find_stale(connection)
    return {place: (text, source) for place, text, source in rows}


def row(path: str, **values: str) -> dict[str, str]:
    return {"path": path, "rightsholder": "Ada", "title": "", "creator": "", "TEXT": "", **values}


def with_xmp(number: int, title: str, description: str) -> bytes:
    """A PNG whose XMP has a title and a description in two languages."""
    alternatives = '<rdf:Alt><rdf:li xml:lang="de">nein</rdf:li><rdf:li xml:lang="x-default">{}</rdf:li></rdf:Alt>'
    said = f"<dc:title>{alternatives.format(title)}</dc:title>"
    said += f"<dc:description>{alternatives.format(description)}</dc:description>" if description else ""
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/">{said}</rdf:Description></rdf:RDF></x:xmpmeta>'
    )
    buffer = io.BytesIO()
    picture(number).save(buffer, "WEBP", lossless=True, xmp=packet.encode())
    return buffer.getvalue()


def test_each_work_has_the_caption_of_its_first_source(registry: Registry, tmp_path: Path) -> None:
    """Column, text beside the image, XMP description, XMP title; texts are no refused works."""
    folder = write_pictures(tmp_path / "art", ["a.png", "b.png", "none.png"])
    write(folder / "said.webp", with_xmp(11, "T", "what it shows"))
    write(folder / "titled.webp", with_xmp(12, "only a title", ""))
    for name in ("a", "b", "alone"):
        write(folder / f"{name}.txt", f"text of {name}".encode())
    write(folder / "said.caption", b"")
    table = write_csv(
        tmp_path / "owners.csv",
        [row("a.png", TEXT=HOSTILE), *(row(name) for name in ("b.png", "none.png", "said.webp", "titled.webp"))],
    )
    report = register(registry, folder, OwnerTable(table))
    assert captions(registry) == {
        "a.png": (HOSTILE, "column"),
        "b.png": ("text of b", "text file"),
        "none.png": (None, None),
        "said.webp": ("what it shows", "XMP description"),
        "titled.webp": ("only a title", "XMP title"),
    }
    assert (report.files, report.refused, report.captions) == (6, 0, 4)
    assert report.captioned == {"XMP description": 1, "XMP title": 1, "column": 1, "text file": 1, "none": 1}
    assert [(each.path, each.kind) for each in report.findings] == [("alone.txt", Kind.CAPTION)]
    again = register(registry, folder, OwnerTable(table))
    assert (again.captions, again.unchanged) == (0, 5)
    assert verify(registry).faults == []


def test_newer_captions_count_and_the_earlier_ones_stay_on_record(registry: Registry, tmp_path: Path) -> None:
    """Changed texts, a template; what the file says replaces nothing that was stated."""
    folder = tmp_path / "art"
    write(folder / "a.webp", with_xmp(3, "T", "inside"))
    said = write(folder / "a.txt", b"first")
    table = OwnerTable(write_csv(tmp_path / "o.csv", [row("a.webp", title="Harbour")]))
    register(registry, folder, table)
    said.write_bytes(b"second")
    assert register(registry, folder, table).captions_changed == 1
    made = register(registry, folder, table, captions=Template.parse("{title}: {caption}"))
    assert captions(registry) == {"a.webp": ("Harbour: second", "template")}
    assert made.captions_changed == 1
    register(registry, folder, table)
    said.unlink()
    register(registry, folder, table)
    assert captions(registry) == {"a.webp": ("second", "text file")}
    with registry.connection() as connection:
        texts = connection.execute("SELECT text FROM caption ORDER BY id").fetchall()
        events = connection.execute("SELECT count(*) FROM event WHERE kind = 'works registered'").fetchone()
    assert [text for (text,) in texts] == ["first", "second", "Harbour: second", "second"]
    assert events == (4,)


def test_a_template_falls_back_and_its_fields_are_checked_first(registry: Registry, tmp_path: Path) -> None:
    """A work without a field keeps its own caption; an unknown field registers nothing."""
    folder = write_pictures(tmp_path / "art", ["a.png", "b.png", "c.png"])
    rows = [row("a.png", title="A", mood="calm"), row("b.png", TEXT="own", mood="calm"), row("c.png", mood="")]
    table = OwnerTable(write_csv(tmp_path / "o.csv", rows))
    with pytest.raises(UsageError, match=r"'titel'; expected one of caption, creator, licence, mood"):
        register(registry, folder, table, captions=Template.parse("{titel}"))
    report = register(registry, folder, table, captions=Template.parse("{title}, {mood}"))
    assert captions(registry) == {"a.png": ("A, calm", "template"), "b.png": ("own", "column"), "c.png": (None, None)}
    assert {each.path: each.reason for each in report.findings} == {
        "b.png": "lacks 'title' of the template '{title}, {mood}': its caption is that of the column",
        "c.png": "lacks 'title', 'mood' of the template '{title}, {mood}': it has no caption",
    }


@pytest.mark.parametrize("order", range(3))
def test_an_archive_gives_captions_whatever_the_order_of_its_members(
    registry: Registry, tmp_path: Path, order: int
) -> None:
    """A text before, behind or far from its image; one in another encoding; one alone."""
    members = [(f"x/{number}.png", encoded(picture(number))) for number in range(3)]
    members += [("x/0.txt", b"zero"), ("x/1.txt", "caf\u00e9".encode("cp1252")), ("alone.txt", b"alone")]
    members = [members[place] for place in np.random.default_rng(order).permutation(len(members))]
    with zipfile.ZipFile(tmp_path / "w.zip", "w") as archive:
        for name, data in members:
            archive.writestr(name, data)
    report = register_archive(registry, tmp_path / "w.zip", ADA, now=NOW, near_duplicates=False)
    found = captions(registry)
    assert found == {"x/0.png": ("zero", "text file"), "x/1.png": ("café", "text file"), "x/2.png": (None, None)}
    assert {each.path for each in report.findings if each.kind is Kind.CAPTION} == {"x/1.png", "alone.txt"}
    assert report.refused == 0


@pytest.mark.parametrize("packed", [False, True])
def test_a_text_that_is_no_caption_is_told_with_the_true_reason(
    registry: Registry, tmp_path: Path, packed: bool
) -> None:
    """Two texts beside one image, a text alone, and one that an archive cannot give."""
    folder = write_pictures(tmp_path / "art", ["a.png"])
    for name in ("a.caption", "a.txt", "alone.txt"):
        write(folder / name, name.encode())
    expected = {
        "a.caption": "the file a.txt has the same name and counts",
        "alone.txt": "no registered image beside it",
    }
    if not packed:
        report = register(registry, folder)
    else:
        with zipfile.ZipFile(tmp_path / "w.zip", "w") as archive:
            for path in sorted(folder.iterdir()):
                archive.write(path, path.name)
            archive.writestr("torn.txt", b"torn text")
        (tmp_path / "w.zip").write_bytes((tmp_path / "w.zip").read_bytes().replace(b"torn text", b"torn-text", 1))
        report = register_archive(registry, tmp_path / "w.zip", ADA, now=NOW, near_duplicates=False)
        expected["torn.txt"] = "damaged"
    told = {each.path: each.reason for each in report.findings if each.kind is Kind.CAPTION}
    assert told.keys() == expected.keys()
    assert {path: reason for path, reason in told.items() if expected[path] not in reason} == {}
    assert captions(registry) == {"a.png": ("a.txt", "text file")}


def test_a_copy_completes_a_caption_and_replaces_none(registry: Registry, tmp_path: Path) -> None:
    """The same bytes elsewhere with another caption: told, not taken."""
    folder = write_pictures(tmp_path / "one", ["a.png", "b.png"])
    write(folder / "a.txt", b"stated")
    register(registry, folder)
    copies = write_pictures(tmp_path / "two", ["c.png", "d.png"])
    write(copies / "c.txt", b"another")
    write(copies / "d.txt", b"the first")
    report = register(registry, copies)
    assert captions(registry) == {"a.png": ("stated", "text file"), "b.png": ("the first", "text file")}
    told = [each for each in report.findings if each.kind is Kind.CAPTION]
    assert [(each.path, "another caption for work 0" in each.reason) for each in told] == [("c.png", True)]


def of_list(registry: Registry, path: Path, **options: Any) -> ListReport:
    source = open_list(path, staging=path.parent)
    return register_list(registry, source, root=path, now=NOW, allow_unowned=True, **options)


@pytest.mark.parametrize("order", range(3))
def test_a_list_gives_the_same_captions_in_any_order_of_columns_and_rows(
    registry: Registry, tmp_path: Path, order: int
) -> None:
    """`caption` counts before `TEXT`; no caption refuses a row, and losses are told."""
    rows = [
        {"url": "https://e.example/1", "caption": "one  \u202eline", "TEXT": "not this", "who": "Ada"},
        {"url": "https://e.example/2", "caption": "", "TEXT": "nor this", "who": ""},
        {"url": "https://e.example/3", "caption": "x" * 20_000, "TEXT": "", "who": "Bob"},
    ]
    random = np.random.default_rng(order)
    names = random.permutation(list(rows[0])).tolist()
    shuffled = [{name: rows[place][name] for name in names} for place in random.permutation(3)]
    path = write_csv(tmp_path / "list.csv", shuffled)
    report = of_list(registry, path)
    assert captions(registry) == {
        "https://e.example/1": ("one line", "column"),
        "https://e.example/2": (None, None),
        "https://e.example/3": ("x" * 4_096, "column"),
    }
    assert (report.refused, report.captions, dict(report.captioned)) == (0, 2, {"column": 2, "none": 1})
    assert sorted(each.reason.split(";")[0] for each in report.findings) == [
        "the caption has 1 control characters or marks of direction",
        "the caption has more than 8,192 characters",
    ]
    assert of_list(registry, path).changed_nothing
    made = of_list(registry, path, captions=Template.parse("by {WHO}"))
    assert captions(registry)["https://e.example/3"] == ("by Bob", "template")
    assert any("lacks a field of the template" in each.reason for each in made.findings)
    assert verify(registry).faults == []
    with pytest.raises(UsageError, match=r"'nobody'; expected one of"):
        of_list(registry, path, captions=Template.parse("{nobody}"))


def test_a_list_that_repeats_a_work_keeps_the_first_caption(registry: Registry, tmp_path: Path) -> None:
    """The file that turns up for a listed work takes it over, unless it has its own."""
    folder = write_pictures(tmp_path / "art", ["a.png", "b.png"])
    write(folder / "b.txt", b"beside")
    hashes = [hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ("a.png", "b.png")]
    rows = [{"sha256": sha256, "caption": text} for sha256, text in zip([*hashes, hashes[0]], "pqr", strict=True)]
    report = of_list(registry, write_csv(tmp_path / "list.csv", rows))
    assert [each.reason for each in report.findings] == ["states another caption for work 0 than the one that counts"]
    register(registry, folder)
    with registry.connection() as connection:
        found = connection.execute("SELECT path, caption FROM work WHERE path IS NOT NULL ORDER BY 1").fetchall()
    assert found == [("a.png", "p"), ("b.png", "beside")]
    assert verify(registry).faults == []


def facts(**values: object) -> bytes:
    return json.dumps(values).encode()


def test_a_json_file_beside_an_image_gives_what_one_in_a_shard_does(registry: Registry, tmp_path: Path) -> None:
    """In a folder and in an archive; its caption counts after a text file and before XMP."""
    folder = write_pictures(tmp_path / "art", ["a.png", "b.png", "c.png", "d.png", "e.png", "f.png"])
    write(folder / "g.webp", with_xmp(31, "T", "what it shows"))
    for name, said in {
        "a": facts(caption="a harbour", url="https://e.org/a.png", license="All rights reserved", width=3),
        "b": facts(TEXT="not this one"),
        "c": facts(title="no caption"),
        "d": b"[1, 2]",
        "e": b"{" + b" " * 2**20 + b"}",
        "f": b'{"caption": NaN}',
        "g": facts(prompt="a  boat\n"),
        "alone": facts(caption="no image"),
    }.items():
        write(folder / f"{name}.json", said)
    write(folder / "b.txt", b"the text file")
    table = OwnerTable(write_csv(tmp_path / "owners.csv", [row(f"{name}.png") for name in "abcdef"] + [row("g.webp")]))
    expected = {
        "a.png": ("a harbour", "JSON file"),
        "b.png": ("the text file", "text file"),
        "g.webp": ("a boat", "JSON file"),
        **{f"{name}.png": (None, None) for name in "cdef"},
    }
    for _ in range(2):
        report = register(registry, folder, table, near_duplicates=False)
        assert captions(registry) == expected
    told = {finding.path: finding.reason for finding in report.findings if finding.kind is Kind.CAPTION}
    assert sorted(told) == ["d.json", "e.json", "f.json"]
    assert "not a JSON object" in told["d.json"]
    assert "1,048,576" in told["e.json"]
    refused = [finding.path for finding in report.findings if finding.kind is Kind.REFUSED]
    assert refused == ["alone.json"]
    with registry.connection() as connection:
        permission, attributes = connection.execute(
            "SELECT permission, attributes FROM work WHERE path = 'a.png'"
        ).fetchall()[0]
    assert permission == "prohibited"
    assert "width" in str(attributes)


@pytest.mark.parametrize("said", ["All rights reserved", "CC BY-NC 4.0", "House rules"])
def test_another_licence_in_a_json_file_is_a_conflict_and_the_stricter_counts(
    registry: Registry, tmp_path: Path, said: str
) -> None:
    """The owner table's licence stays on record; in a folder and in an archive."""
    archive = tmp_path / "art.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("b.json", facts(license=said, caption="in an archive"))
        file.writestr("b.png", encoded(picture(40)))
    folder = write_pictures(tmp_path / "art", ["a.png"])
    write(folder / "a.json", facts(license=said))
    write(folder / "b.zip", archive.read_bytes())
    table = OwnerTable(
        write_csv(tmp_path / "o.csv", [row(path, licence="CC0-1.0") for path in ("a.png", "b.zip!/b.png")])
    )
    report = register(registry, folder, table, near_duplicates=False)
    conflicts = [finding for finding in report.findings if finding.kind is Kind.CONFLICT]
    assert len(conflicts) == 2
    assert all(said in finding.reason for finding in conflicts)
    with registry.connection() as connection:
        found = connection.execute("SELECT licence, permission FROM work").fetchall()
    assert {licence for licence, _ in found} == {"CC0-1.0"}
    assert "permitted" not in {permission for _, permission in found}
