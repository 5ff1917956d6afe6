"""Known layouts are told by their columns; what the user says goes first."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from registry.errors import InputError
from registry.ingest.lists import Constant, open_list
from tests.registry.ingest.lists.reading import reasons, rows, write_parquet

SHA = "ab" * 32


def test_laion_metadata(tmp_path: Path) -> None:
    """LAION's columns are known in both spellings; its unknown licence `?` is none, its missing
    sizes are not stated.
    """
    old = write_parquet(
        tmp_path / "old.parquet",
        {
            "SAMPLE_ID": pa.array([1, 2]),
            "URL": ["https://example.org/a.jpg", "http://example.org/b.jpg"],
            "TEXT": ["A cat", None],
            "HEIGHT": pa.array([float("nan"), 300.0]),
            "WIDTH": pa.array([0.0, 200.0]),
            "LICENSE": ["?", "CC-BY-4.0"],
            "NSFW": ["UNLIKELY", "UNSURE"],
            "similarity": [0.3, 0.4],
        },
    )
    source = open_list(old, staging=tmp_path)
    assert source.preset == "laion"
    assert source.not_taken == ("SAMPLE_ID", "NSFW", "similarity")
    first, second = rows(source)
    assert (first["url"], first["caption"], first["licence"]) == ("https://example.org/a.jpg", "A cat", None)
    assert (first["width"], first["height"], first["reason"]) == (None, None, None)
    assert (second["width"], second["height"], second["licence"]) == (200, 300, "CC-BY-4.0")
    new = write_parquet(
        tmp_path / "new.parquet",
        {
            "url": ["https://example.org/a.jpg"],
            "caption": ["A"],
            "hash": pa.array([-5]),
            "punsafe": [0.1],
            "key": ["0"],
        },
    )
    source = open_list(new, staging=tmp_path)
    assert (source.preset, source.not_taken) == ("laion", ("hash", "punsafe", "key"))


def test_pd12m_metadata(tmp_path: Path) -> None:
    """PD12M's hash is an MD5 and is named so."""
    file = write_parquet(
        tmp_path / "pd12m.parquet",
        {
            "id": ["00000001"],
            "url": ["https://pd12m.example/images/1.jpeg"],
            "caption": ["A lighthouse"],
            "width": pa.array([1024]),
            "height": pa.array([768]),
            "mime_type": ["image/jpeg"],
            "hash": ["D41D8CD98F00B204E9800998ECF8427E"],
            "license": ["https://creativecommons.org/publicdomain/zero/1.0/"],
            "source": ["A museum"],
        },
    )
    source = open_list(file, attributes=["source"], staging=tmp_path)
    assert (source.preset, source.not_taken) == ("pd12m", ("id",))
    (row,) = rows(source)
    assert row["other_hash"] == "md5:d41d8cd98f00b204e9800998ecf8427e"
    assert (row["media_type"], row["width"], row["attributes"]) == ("image/jpeg", 1024, '{"source":"A museum"}')


def test_img2dataset_output(tmp_path: Path) -> None:
    """What img2dataset could not fetch is refused; sizes are those of the file that its hash is
    of.
    """
    file = write_parquet(
        tmp_path / "00000.parquet",
        {
            "url": ["https://example.org/a.jpg", "https://example.org/b.jpg"],
            "caption": ["A", "B"],
            "key": ["000000000", "000000001"],
            "status": ["success", "failed_to_download"],
            "error_message": [None, "HTTP Error 404"],
            "width": pa.array([256, None], pa.int32()),
            "height": pa.array([256, None], pa.int32()),
            "original_width": pa.array([800, None], pa.int32()),
            "original_height": pa.array([600, None], pa.int32()),
            "exif": ["{}", None],
            "sha256": [SHA, None],
        },
    )
    source = open_list(file, staging=tmp_path)
    assert source.preset == "img2dataset"
    taken, failed = rows(source)
    assert (taken["sha256"], taken["width"], taken["height"], taken["reason"]) == (SHA, 800, 600, None)
    assert failed["reason"] == "img2dataset did not fetch it"
    assert source.not_taken == ("key", "error_message", "width", "height", "exif")


def test_img2dataset_output_with_columns_of_its_list(tmp_path: Path) -> None:
    """What img2dataset copies from the list it was given is read: the licence above all."""
    file = write_parquet(
        tmp_path / "00000.parquet",
        {
            "url": ["https://example.org/a.jpg", "https://example.org/b.jpg"],
            "key": ["0", "1"],
            "status": ["success"] * 2,
            "license": ["CC-BY-4.0", "?"],
            "author": ["Ada", None],
            "copyright_holder": ["Ada's estate", None],
            "page_url": ["https://example.org", None],
        },
    )
    source = open_list(file, staging=tmp_path)
    assert (source.preset, source.not_taken) == ("img2dataset", ("key",))
    assert [[row[name] for name in ("licence", "creator", "rightsholder", "source_url")] for row in rows(source)] == [
        ["CC-BY-4.0", "Ada", "Ada's estate", "https://example.org"],
        [None] * 4,
    ]


def test_an_owners_table_names_a_source_beside_a_path(tmp_path: Path) -> None:
    """With a path, `url` says where the work is from, as in a folder's owner table; without one it
    is the work.
    """
    file = tmp_path / "owners.csv"
    file.write_text("Path,Rightsholder,URL,License\nA\\.\\b.png,Ada,https://example.org,CC0-1.0\n")
    (row,) = rows(open_list(file, staging=tmp_path))
    assert (row["path"], row["url"], row["source_url"]) == ("A/b.png", None, "https://example.org")
    assert (row["rightsholder"], row["licence"]) == ("Ada", "CC0-1.0")


def test_what_the_user_maps_goes_before_the_preset(tmp_path: Path) -> None:
    """A mapping overrides a preset column by column, names columns in either case, and a constant
    needs no column.
    """
    file = write_parquet(
        tmp_path / "works.parquet",
        {"URL": ["https://example.org/a"], "TEXT": ["t"], "NSFW": ["n"], "alt": ["other"], "who": ["Ada"]},
    )
    source = open_list(
        file, mapping={"title": "ALT", "creator": "who"}, constants={"rightsholder": "Ada's estate"}, staging=tmp_path
    )
    (row,) = rows(source)
    assert (row["url"], row["title"], row["creator"], row["rightsholder"]) == (
        "https://example.org/a", "other", "Ada", "Ada's estate",
    )  # fmt: skip
    assert source.mapping["rightsholder"] == Constant("Ada's estate")
    assert source.mapping["caption"] == "TEXT"
    assert source.not_taken == ("NSFW",)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"mapping": {"colour": "url"}}, "no canonical column 'colour' to map to; there are path, url"),
        ({"mapping": {"title": "nothing"}}, "has no column 'nothing'; it has 'url', 'x'"),
        ({"attributes": ["y"]}, "has no column 'y'"),
        ({"preset": "coco"}, "no preset 'coco'; expected one of croissant, img2dataset"),
        ({"mapping": {"title": "x"}, "constants": {"title": "x"}}, "mapped to a column and to a constant"),
        ({"constants": {"title": "a\nb"}}, "expected one line of text"),
    ],
)
def test_choices_that_cannot_be_met(tmp_path: Path, choice: dict[str, object], message: str) -> None:
    """What is asked for and is not there is an error that lists what there is."""
    file = write_parquet(tmp_path / "works.parquet", {"url": ["https://example.org/a"], "x": ["1"]})
    with pytest.raises(InputError, match=message):
        open_list(file, staging=tmp_path, **choice)  # type: ignore[arg-type] # cases of one parameter each


def test_a_list_without_works(tmp_path: Path) -> None:
    """A list of which no column says which work a row is cannot be registered."""
    file = write_parquet(tmp_path / "works.parquet", {"name": ["a"]})
    with pytest.raises(InputError, match=r"no column of works.parquet identifies the works \(columns: 'name'\)"):
        open_list(file, staging=tmp_path)


def test_the_same_name_twice(tmp_path: Path) -> None:
    """Two columns whose names differ only in case could be mixed up, so neither is read."""
    file = write_parquet(tmp_path / "works.parquet", {"url": ["a"], "URL": ["b"]})
    with pytest.raises(InputError, match="twice"):
        open_list(file, staging=tmp_path)


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("url", "https://example.org/a b", None),
        ("url", "HTTPS://example.org", None),
        ("url", "s3://bucket/key", None),
        ("url", "data:image/png;base64,AA", "url is not one of http, https, ftp, s3 or gs"),
        ("url", "https:///a", "url is not one of http, https, ftp, s3 or gs"),
        ("url", "https://", "url is not one of http, https, ftp, s3 or gs"),
        ("url", "https://example.org/" + "a" * 8_192, "url has more than 8,192 bytes"),
        ("url", "https://example.org/\na", "url has control characters"),
        ("url", "https://example.org/\n", None),
        ("url", 'https://example.org/"\\', None),
        ("url", "  ", "neither path nor url nor hash"),
        ("url", None, "neither path nor url nor hash"),
        ("sha256", "AB" * 32, None),
        ("sha256", "ab" * 31, "sha256 is not 64 hexadecimal digits"),
        ("sha256", "zb" * 32, "sha256 is not 64 hexadecimal digits"),
        ("path", "a/b..c/d.png", None),
        ("path", "./a//b.png", None),
        ("path", "a/../../b", "path leaves the folder"),
        ("path", "..\\b", "path leaves the folder"),
        ("path", "/etc/passwd", "path leaves the folder"),
        ("path", "C:\\a.png", "path leaves the folder"),
        ("path", "a\0b", "path has control characters"),
        ("title", "two\nlines\tand \"quotes\"", None),
        ("title", "a\x1b[31m", "title has control characters"),
        ("title", "a" * 65_537, "title has more than 65,536 bytes"),
        ("rightsholder", "Ada\nBob", "rightsholder has control characters"),
        ("width", "12.0", None),
        ("width", "12.5", "width is not a whole number"),
        ("width", "-1", "width is not between 0 and 1,048,576"),
        ("width", "1e300", "width is not between 0 and 1,048,576"),
        ("width", "nan", None),
        ("width", "inf", "width is not between 0 and 1,048,576"),
        ("byte_size", "", None),
        ("byte_size", "9999999999999999999", "byte_size is not between 0 and 1,099,511,627,776"),
    ],
)  # fmt: skip
def test_rows_that_are_refused(tmp_path: Path, column: str, value: str | None, reason: str | None) -> None:
    """One cell decides about its row, and about no other."""
    columns = {column: [value, None]}
    if column not in ("url", "path", "sha256"):
        columns["url"] = ["https://example.org/a", None]
    file = write_parquet(
        tmp_path / "works.parquet", {name: pa.array(cells, pa.string()) for name, cells in columns.items()}
    )
    assert reasons(open_list(file, staging=tmp_path)) == [reason, "neither path nor url nor hash"]


def test_spellings_are_made_one(tmp_path: Path) -> None:
    """Spaces around, separators of paths, letters of hashes and composed letters do not make two
    works or owners.
    """
    file = write_parquet(
        tmp_path / "works.parquet",
        {"path": [" a\\.\\b//c.png "], "sha256": [" " + "AB" * 32], "owner": ["Ame\u0301lie "], "md5": ["0" * 40]},
    )
    (row,) = rows(open_list(file, staging=tmp_path))
    assert (row["path"], row["sha256"], row["rightsholder"]) == ("a/b/c.png", SHA, "Amélie")
    assert row["other_hash"] == "sha1:" + "0" * 40


def test_a_hash_that_is_mapped_is_not_taken_twice(tmp_path: Path) -> None:
    """A column called `hash` that somebody says is a SHA-256 is no other hash beside it."""
    file = write_parquet(tmp_path / "works.parquet", {"hash": [SHA.upper()], "creator": ["Ada"]})
    source = open_list(file, mapping={"sha256": "hash", "rightsholder": "creator"}, staging=tmp_path)
    (row,) = rows(source)
    assert (row["sha256"], row["other_hash"], row["rightsholder"], row["creator"]) == (SHA, None, "Ada", "Ada")
