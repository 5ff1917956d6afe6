"""``creditline export croissant | cyclonedx | spdx | prov``: files, narration, statuses, and what
verify says of them later.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import mlcroissant
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.support.running import Creditline
from tests.support.works import write_pictures
from tests.support.world import fill, make_world

# The reader's own libraries, of RDF and of tables, warn about how it uses them.
pytestmark = [
    pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame"),
]


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with an ensemble and audits; copied, not changed."""
    root = tmp_path_factory.mktemp("audited")
    fill(make_world(root / "home"))
    return root / "home"


@pytest.fixture
def there(audited: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Creditline:
    """The command line in an empty folder, with a copy of that home."""
    shutil.copytree(audited, tmp_path / "home")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return Creditline(tmp_path / "home")


def test_registered_works_are_exported_for_croissant(filled: Creditline, tmp_path: Path) -> None:
    """A real registration: the named file and the listing beside it, as the format's own library
    reads them.
    """
    made = filled("export", "croissant", "works", "--out", tmp_path / "my works.json")
    assert (made.status, made.out.strip()) == (0, str(tmp_path / "my works.json"))
    assert "left out, not known to the registry: citeAs" in made.err
    records = list(mlcroissant.Dataset(made.out.strip()).records("works"))
    assert [record["works/title"] for record in records] == [b"Star", b"Moon", b"Sun"]
    assert [path.name[:9] for path in tmp_path.glob("*.works.parquet")] == ["my-works-"]
    assert filled("log", "verify").status == 0


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["croissant", "shapes"], "shapes.croissant.json"),
        (["cyclonedx"], f"ensemble-{'e' * 12}.cdx.json"),
        (["spdx", "--ensemble", "ee"], f"ensemble-{'e' * 12}.spdx3.json"),
    ],
)
def test_a_file_is_named_after_its_subject_and_verifies(there: Creditline, arguments: list[str], name: str) -> None:
    """In the current folder; unaltered at first, altered after a byte more."""
    made = there("export", *arguments, "--json")
    assert made.status == 0
    document = made.document
    assert (document["creditline"], document["file"], document["stamp_file"]) == ("export", name, f"{name}.stamp.json")
    assert document["left_out"]
    assert Path(document["stamp_file"]).is_file()
    assert there("report", "verify", name).status == 0
    Path(name).write_bytes(Path(name).read_bytes() + b" ")
    assert there("report", "verify", name).status == 1


def test_a_lineage_is_named_after_the_output(there: Creditline, audited: Path) -> None:
    """By the id that was typed, which may be its first digits."""
    sample = next((audited / "samples").glob("*.png")).stem
    made = there("export", "prov", sample[:8])
    assert (made.status, made.out.strip()) == (0, f"output-{sample[:8]}.prov.json")
    found = json.loads(Path(made.out.strip()).read_text())
    assert f"creditline:sampling-{sample}" in found["activity"]


def test_the_bill_of_materials_is_valid_and_says_its_stamp(there: Creditline) -> None:
    """Where the format has a place for the stamp's sentence, it is there too."""
    path = Path(there("export", "cyclonedx").out.strip())
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(path.read_text()) is None
    properties = {each["name"]: each["value"] for each in json.loads(path.read_text())["metadata"]["properties"]}
    assert properties["creditline:stamp"].startswith("creditline CycloneDX bill of materials; facts SHA-256 ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["croissant", "nope"], "no data set 'nope'"),
        (["cyclonedx", "--ensemble", "ffff"], "no ensemble 'ffff'"),
        (["prov", "ffff"], "'ffff' names no sample"),
        (["spdx", "--out", "nowhere/x.json"], "there is no folder nowhere"),
        (["spdx", "--out", "."], "it is a folder"),
        (["cyclonedx", "--out", "ensemble.xml"], "expected a file whose name ends in .json"),
    ],
)
def test_what_cannot_be_exported_is_one_line_and_status_2(
    there: Creditline, arguments: list[str], message: str
) -> None:
    """And leaves no file."""
    made = there("export", *arguments)
    assert made.status == 2
    assert message in made.err
    assert not list(Path.cwd().iterdir())


def test_a_home_without_an_ensemble_says_what_comes_first(filled: Creditline) -> None:
    """Works alone have no bill of materials of a model."""
    made = filled("export", "spdx")
    assert made.status == 2
    assert "creditline train" in made.err


def test_exports_are_events_of_the_log(there: Creditline) -> None:
    """One each, with the names and hashes of its files."""
    there("export", "cyclonedx")
    there("export", "croissant", "shapes")
    query = "SELECT after FROM event WHERE kind = 'documents issued' ORDER BY sequence"
    (bill,), (croissant,) = there("sql", query, "--json").document["rows"]
    assert [each["name"] for each in json.loads(bill)["documents"]] == [f"ensemble-{'e' * 12}.cdx.json"]
    assert [each["name"] for each in json.loads(croissant)["documents"]] == [
        "shapes.croissant.json",
        "shapes.works.parquet",
    ]


def test_facts_are_supplied_listed_and_exported(creditline: Creditline, tmp_path: Path) -> None:
    """What is missing is listed; a supplied fact leaves the export's list; a bad one is refused."""
    creditline("init")
    creditline(
        "register", write_pictures(tmp_path / "works", ["a.png"]), "--rightsholder", "Ada", "--licence", "CC0-1.0"
    )
    command = ("facts", "data-set", "works")
    assert "0 of 16 facts are supplied" in creditline(*command).err
    given = creditline(*command, "--set", "citation=Works, 2026", "--from", "Ada")
    assert (given.status, given.out.splitlines()[0]) == (0, "recorded")
    assert "nothing was changed" in creditline(*command, "--set", "citation=Works, 2026").out
    assert creditline(*command, "--json").document["facts"] == {"citation": "Works, 2026"}
    out = creditline("export", "croissant", "works", "--out", tmp_path / "w.json", "--json").document
    assert "citeAs" not in out["left_out"]
    for wrong in ("colour=red", "published=soon", "citation"):
        assert creditline(*command, "--set", wrong).status == 2
    assert creditline("facts", "data-set", "no such").status == 2
