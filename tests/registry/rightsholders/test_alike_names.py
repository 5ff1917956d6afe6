"""Names that are spelled alike are pointed out, and never merged."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from registry.doctor import examine
from registry.ingest.bulk import register_list
from registry.ingest.findings import Kind
from registry.ingest.lists import open_list
from registry.ingest.owners.declarations import OneOwner
from registry.rightsholders.alike_names import alike_names
from registry.rightsholders.records import add_rightsholder, merge_rightsholders
from registry.storage.database import Registry
from tests.support.works import NOW, register, write_csv, write_pictures


@pytest.mark.parametrize(
    "name",
    [
        *(
            "studio \u0142\u00f3d\u017a",
            "STUDIO \u0141\u00d3D\u0179",
            "Studio  \u0141\u00f3d\u017a",
            "Studio-\u0141\u00f3d\u017a",
            "Studio \u0141\u00f3d\u017a.",
        ),
        *(
            "\uff33\uff54\uff55\uff44\uff49\uff4f \u0141\u00f3d\u017a",
            "Studio\u00a0\u0141\u00f3d\u017a",
            "\u201eStudio \u0141\u00f3d\u017a\u201c",
            "Studio\u200d\u0141\u00f3d\u017a",
        ),
    ],
)
def test_spellings_of_one_name(registry: Registry, name: str) -> None:
    """Case, spaces, punctuation and Unicode's forms do not count; other letters do."""
    for number, other in enumerate(
        ["Studio \u0141\u00f3d\u017a", "Studio Lud\u017a", unicodedata.normalize("NFD", name)]
    ):
        assert add_rightsholder(registry, other, NOW) == min(number, 2)
    with registry.connection() as connection:
        (group,) = alike_names(connection)
        assert group.ids == (0, 2)
        assert alike_names(connection, since=3) == []


def test_a_registration_and_the_doctor_say_so(registry: Registry, folder: Path, tmp_path: Path) -> None:
    """The registration that brings the second spelling; the doctor until they are merged."""
    write_pictures(folder, ["a.png"])
    assert not register(registry, folder, OneOwner("Studio Lodz", None)).findings
    path = write_csv(tmp_path / "list.csv", [{"url": "https://a.org/1", "rightsholder": "studio lodz"}])
    source = open_list(path, staging=tmp_path)
    report = register_list(registry, source, root=path, now=NOW)
    told = (
        "'studio lodz' (#1) and 'Studio Lodz' (#0) are spelled alike; if they are one rightsholder, merge them: "
        "`creditline rightsholder merge '#1' --into '#0'`"
    )
    assert [(finding.kind, finding.reason) for finding in report.findings] == [(Kind.NAME, told)]
    assert not register_list(registry, source, root=path, now=NOW).findings
    (note,) = [finding for finding in examine(registry).findings if finding.check == "names"]
    assert note.what == told
    merge_rightsholders(registry, 1, 0, "one studio", NOW)
    assert not [finding for finding in examine(registry).findings if finding.check == "names"]
