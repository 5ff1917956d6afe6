"""Croissant: local files, columns by field, what holds for the whole dataset, and nothing outside
the folder.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from registry.errors import InputError
from registry.ingest.lists import open_list
from tests.registry.ingest.lists.reading import rows, write_parquet

CSV = "link,who,lic\nhttps://example.org/1,Ada,CC0-1.0\nhttps://example.org/2,,\n"


def _describe(folder: Path, file: dict[str, Any], fields: dict[str, str] | None = None, **more: object) -> Path:
    reference = {"fileSet" if "includes" in file else "fileObject": {"@id": "works"}}
    columns = fields or {"image_url": "link", "creator": "who", "license": "lic"}
    document = {
        "@context": {"@vocab": "https://schema.org/"},
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": "Lighthouses",
        "license": ["https://creativecommons.org/licenses/by/4.0/"],
        "creator": {"@type": "Organization", "name": "Harbour\nMuseum"},
        "url": "https://example.org/lighthouses",
        "citeAs": "@misc{lighthouses}",
        "distribution": [{"@id": "works", **file}, *more.pop("distribution", [])],  # type: ignore[misc] # a list in tests
        "recordSet": [
            {
                "@id": "works-records",
                "field": [
                    {"@id": f"works-records/{name}", "source": {**reference, "extract": {"column": column}}}
                    for name, column in columns.items()
                ],
            }
        ],
        **more,
    }
    path = folder / "croissant.json"
    path.write_text(json.dumps(document))
    return path


def _object(url: str = "works.csv", **more: object) -> dict[str, Any]:
    return {"@type": "cr:FileObject", "contentUrl": url, "encodingFormat": "text/csv", **more}


def test_fields_name_columns_and_the_dataset_fills_gaps(tmp_path: Path) -> None:
    """A field's name says what its column is; licence, creator and URL of the dataset hold where a
    row has none.
    """
    (tmp_path / "works.csv").write_text(CSV)
    staging = tmp_path / "staging"
    staging.mkdir()
    path = _describe(tmp_path, _object(sha256=hashlib.sha256(CSV.encode()).hexdigest()))
    source = open_list(path, staging=staging)
    assert source.preset == "croissant"
    assert dict(source.mapping) == {"url": "link", "licence": "lic", "creator": "who"}
    first, second = rows(source)
    assert (first["url"], first["creator"], first["licence"]) == ("https://example.org/1", "Ada", "CC0-1.0")
    assert (second["creator"], second["licence"]) == (
        "Harbour Museum",
        "https://creativecommons.org/licenses/by/4.0/",
    )
    assert second["source_url"] == "https://example.org/lighthouses"
    assert json.loads(second["attributes"]) == {"dataset": "Lighthouses", "citation": "@misc{lighthouses}"}
    assert [row["reason"] for row in (first, second)] == [None, None]


def test_file_sets(tmp_path: Path) -> None:
    """A file set is every file of its patterns below the folder, in order of name."""
    (tmp_path / "data").mkdir()
    for number in (1, 0, 2):
        write_parquet(tmp_path / "data" / f"{number}.parquet", {"link": [f"https://example.org/{number}"]})
    file_set = {"@type": "cr:FileSet", "includes": "data/*.parquet", "excludes": ["data/2*"]}
    source = open_list(_describe(tmp_path, file_set, {"url": "link"}), staging=tmp_path)
    assert [row["url"] for row in rows(source)] == ["https://example.org/0", "https://example.org/1"]
    assert len(source.fingerprint) == 2


@pytest.mark.parametrize(
    ("file", "more", "message"),
    [
        (_object("https://example.org/works.csv"), {}, "download it first"),
        (_object("../works.csv"), {}, "leaves its folder"),
        (_object("/etc/passwd"), {}, "leaves its folder"),
        (_object("link.csv"), {}, "leaves its folder"),
        (_object("a\0.csv"), {}, "leaves its folder"),
        (_object("none.csv"), {}, "there is no file 'none.csv' beside it"),
        (_object(sha256="0" * 64), {}, "it was changed"),
        (_object(containedIn={"@id": "zip"}), {"distribution": [{"@id": "zip", "contentUrl": "a.zip"}]}, "unpack that"),
        ({"@type": "cr:FileSet", "includes": "../*.csv"}, {}, "leaves its folder"),
        ({"@type": "cr:FileSet", "includes": "*.tsv"}, {}, "no file beside it is one of"),
        (_object(), {"recordSet": []}, "no record set with a field"),
        (_object(), {"distribution": None}, "no record set|not in its distribution"),
    ],
)
def test_descriptions_that_are_refused(
    tmp_path: Path, file: dict[str, Any], more: dict[str, Any], message: str
) -> None:
    """Only files beside the description are read, and only as they were described."""
    folder = tmp_path / "dataset"
    folder.mkdir()
    (tmp_path / "works.csv").write_text(CSV)
    (folder / "works.csv").write_text(CSV)
    (folder / "link.csv").symlink_to(tmp_path / "works.csv")
    path = _describe(folder, file, **{key: value for key, value in more.items() if value is not None})
    if more.get("distribution", ()) is None:
        document = json.loads(path.read_text())
        path.write_text(json.dumps({**document, "distribution": []}))
    with pytest.raises(InputError, match=message):
        open_list(path, staging=tmp_path)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "[" * 100_000, '{"distribution": 1, "recordSet": [{"field": [1, {"source": 2}]}]}']
)
def test_what_is_no_croissant(tmp_path: Path, text: str) -> None:
    """Other JSON is refused, however deep or odd it is."""
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"a\.json"):
        open_list(path, staging=tmp_path)


@pytest.mark.parametrize("distribution", [None, [], [{"@id": "images", "contentUrl": "images.zip"}]])
def test_rows_inside_the_description_are_refused_with_what_to_do(tmp_path: Path, distribution: object) -> None:
    """Inline data is valid Croissant; the message says what is read instead, with a distribution or
    without.
    """
    path = tmp_path / "croissant.json"
    records = {"@id": "w", "field": [{"@id": "w/url"}], "data": [{"w/url": "https://example.org/1.jpg"}]}
    document: dict[str, object] = {"@type": "sc:Dataset", "recordSet": [records]}
    path.write_text(json.dumps(document if distribution is None else {**document, "distribution": distribution}))
    with pytest.raises(InputError, match=r"\(inline data\).*; supported is .* beside the description: write the rows"):
        open_list(path, staging=tmp_path)
