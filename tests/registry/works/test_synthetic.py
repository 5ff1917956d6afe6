"""Works whose files say that an AI model made them: listed, shown, filtered, and nothing more."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.ingest.owners.declarations import OneOwner
from registry.storage.database import Registry
from registry.works.details import work_details
from registry.works.listings import WorksFilter, count_works, works, works_reader
from registry.works.synthetic import signs_of
from tests.registry.metadata.files import image_file, packet
from tests.support.works import register, write

CV = "http://cv.iptc.org/newscodes/digitalsourcetype/"
SYNTHETIC = {
    "<Iptc4xmpExt:AISystemUsed>Example Model</Iptc4xmpExt:AISystemUsed>": "AISystemUsed is Example Model",
    "<Iptc4xmpExt:AISystemVersionUsed>3</Iptc4xmpExt:AISystemVersionUsed>": "AISystemVersionUsed is 3",
    "<Iptc4xmpExt:AIPromptInformation>a cat</Iptc4xmpExt:AIPromptInformation>": "AIPromptInformation is a cat",
    "<Iptc4xmpExt:AIPromptWriterName>Ada</Iptc4xmpExt:AIPromptWriterName>": "AIPromptWriterName is Ada",
    **{
        f"<Iptc4xmpExt:DigitalSourceType>{CV}{each}</Iptc4xmpExt:DigitalSourceType>": f"its digital source type is {CV}{each}"
        for each in ("trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia", "compositeSynthetic")
    },
}
OTHERS = (
    "",
    f"<Iptc4xmpExt:DigitalSourceType>{CV}digitalCapture</Iptc4xmpExt:DigitalSourceType>",
    f"<Iptc4xmpExt:DigitalSourceType rdf:resource='{CV}algorithmicMedia'/>",
    "<dc:description>about Iptc4xmpExt:AISystemUsed</dc:description>",
)


@pytest.fixture
def works_of_both(registry: Registry, folder: Path) -> Registry:
    for number, elements in enumerate([*SYNTHETIC, *OTHERS]):
        write(folder / f"{number:02}.png", image_file("WEBP", xmp=packet(elements, f'xmpMM:a="{number}"').encode()))
    report = register(registry, folder, OneOwner("Ada", "CC0-1.0"))
    assert (report.signals, report.conflicts) == (0, 0)
    return registry


def test_synthetic_works_are_told_apart(works_of_both: Registry) -> None:
    """By any of the signs; the filter and its opposite share out the works, and change no
    permission.
    """
    with works_of_both.connection() as connection:
        page = works(connection, WorksFilter(synthetic=True))
        assert [row["synthetic"] for row in page.rows] == list(SYNTHETIC.values())
        others = works(connection, WorksFilter(synthetic=False))
        assert [row["synthetic"] for row in others.rows] == [None] * len(OTHERS)
        assert page.total + others.total == works(connection).total
        assert count_works(connection, WorksFilter(synthetic=True)) == len(SYNTHETIC)
        written = works_reader(connection, WorksFilter(synthetic=True)).read_all()
        assert written.column("synthetic").to_pylist() == list(SYNTHETIC.values())
        assert {row["permission"] for row in works(connection).rows} == {"permitted"}
        assert signs_of(connection, [row["asset_id"] for row in page.rows + others.rows]) == {
            row["asset_id"]: row["synthetic"] for row in page.rows
        }
        first = work_details(connection, page.rows[0]["asset_id"])
        assert first["synthetic"] == [{"signs": "AISystemUsed is Example Model"}]
        assert first["signals"] == []


def test_the_source_type_of_content_credentials_counts(registry: Registry, folder: Path) -> None:
    """Of an action, in any manifest of the file."""
    pytest.importorskip("c2pa")
    from tests.registry.metadata.signing import signed

    action = (
        "c2pa.actions",
        {"actions": [{"action": "c2pa.edited", "digitalSourceType": f"{CV}trainedAlgorithmicMedia"}]},
    )
    write(folder / "a.jpg", signed(image_file("JPEG"), "image/jpeg", action))
    write(folder / "b.jpg", signed(image_file("JPEG"), "image/jpeg"))
    register(registry, folder, OneOwner("Ada", "CC0-1.0"))
    with registry.connection() as connection:
        assert [row["path"] for row in works(connection, WorksFilter(synthetic=True)).rows] == ["a.jpg"]
