"""The small pictures of works that a home keeps: only a picture of another work is found."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from registry.similarity.kept_pictures import UNLIKE, unlike_works
from registry.similarity.pdq import fingerprint_of, words_of
from registry.storage.database import Registry
from registry.storage.tables import AssetFingerprint
from tests.support.pictures import scene
from tests.support.sealing import add_sealed
from tests.support.works import NOW, write

SIZES = [(60, 80), (256, 256), (320, 240), (900, 1200), (1600, 700)]


def test_a_smaller_picture_is_like_its_work_and_another_one_is_not(registry: Registry, tmp_path: Path) -> None:
    """At the size that audits keep; files that are lost or no picture are not compared."""
    prints = words_of([fingerprint_of(scene(number, *size)) for number, size in enumerate(SIZES)])
    rows = [
        AssetFingerprint(
            id=number, asset_id=number, quality=100, **{f"word{place}": int(word) for place, word in enumerate(words)}
        )
        for number, words in enumerate(prints)
    ]
    plain = len(SIZES) + 1  # a work with too little detail has no bits to compare
    rows.append(AssetFingerprint(id=plain, asset_id=plain, quality=0, word0=0, word1=0, word2=0, word3=0))
    add_sealed(registry, NOW, *rows)
    kept = {number: tmp_path / f"{number}.png" for number in range(len(SIZES) + 2)}
    scene(77, 256, 256).save(kept[plain])
    for number, size in enumerate([*SIZES, (90, 90)]):
        picture = scene(number, *size)
        picture.thumbnail((256, 256), Image.Resampling.LANCZOS)
        picture.save(kept[number])
    with registry.connection() as connection:
        assert unlike_works(connection, kept) == {}
        for number in (0, 1):
            scene(number + 40, 256, 256).save(kept[number])
        kept[2].unlink()
        write(kept[3], b"<svg/>")
        Image.new("RGB", (256, 256)).save(kept[4])
        scene(99, 90, 90).save(kept[5])  # a work without a fingerprint
        found = unlike_works(connection, kept)
    assert set(found) == {0, 1, 4}
    assert min(found.values()) >= UNLIKE
