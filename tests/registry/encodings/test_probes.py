"""Probes: a random share of the works that no member ever sees, known as such everywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.doctor import examine
from registry.encodings.extension import extend_encoding
from registry.encodings.probes import fewest_probes, probe_ids, share_of_text, usable_probes
from registry.encodings.store import create_encoding, load_units
from registry.errors import UsageError
from registry.members.exposure import exposure_of
from registry.storage.database import Registry
from registry.withdrawals.impact import impacts_of
from registry.works.details import work_details
from registry.works.queries import works_kept_out
from tests.support.works import NOW, register, write_pictures

NAMES = [f"{number:02}.png" for number in range(20)]


@pytest.fixture
def filled(registry: Registry, folder: Path) -> Registry:
    """Twenty works."""
    register(registry, write_pictures(folder, NAMES))
    return registry


def probes_of(registry: Registry, encoding_id: str) -> list[int]:
    """Ids of the probes."""
    with registry.connection() as connection:
        return [int(number) for number in probe_ids(connection, encoding_id)["asset_id"].to_pylist()]


@pytest.mark.parametrize("within", [None, "rightsholder"])
def test_a_share_of_the_works_is_in_no_unit(filled: Registry, within: str | None) -> None:
    """The other works have codes as if the probes were not registered; the seed chooses."""
    support = None if within is None else 8
    encoding = create_encoding(filled, "asset", None, 10, 4, 0, NOW, within=within, support=support, probes=0.2)
    units, probes = load_units(filled, encoding.id), probes_of(filled, encoding.id)
    assert len(probes) == 4
    assert sorted([*probes, *units.asset_ids.tolist()]) == list(range(20))
    assert (encoding.unit_count, encoding.left_out) == (16, {"not trained on by choice": 4})
    again = create_encoding(filled, "asset", None, 10, 4, 0, NOW, within=within, support=support, probes=0.2)
    assert again.id == encoding.id
    plain = create_encoding(filled, "asset", None, 10, 4, 0, NOW, within=within, support=support)
    assert (plain.unit_count, probes_of(filled, plain.id)) == (20, [])
    others = create_encoding(filled, "asset", None, 10, 4, 1, NOW, within=within, support=support, probes=0.2)
    assert probes_of(filled, others.id) != probes
    assert not [each for each in examine(filled).findings if "encoding" in each.where]


@pytest.mark.slow
def test_every_work_is_a_probe_equally_often(filled: Registry) -> None:
    """Over seeds; at least one work is one, however small the share."""
    counts = [0] * 20
    for seed in range(60):
        for number in probes_of(filled, create_encoding(filled, "asset", None, 10, 4, seed, NOW, probes=0.25).id):
            counts[number] += 1
    assert sum(counts) == 60 * 5
    assert min(counts) >= 5
    assert max(counts) <= 28
    assert len(probes_of(filled, create_encoding(filled, "asset", None, 10, 4, 0, NOW, probes=0.001).id)) == 1


def test_an_extension_leaves_probes_out(filled: Registry, folder: Path) -> None:
    """Later works become units and never probes."""
    encoding = create_encoding(filled, "asset", None, 10, 4, 0, NOW, probes=0.2)
    probes = probes_of(filled, encoding.id)
    register(filled, write_pictures(folder, ["later.png"], first=40))
    extended = extend_encoding(filled, encoding.id, NOW)
    assert probes_of(filled, extended.id) == probes
    assert (extended.unit_count, extended.left_out) == (17, {"not trained on by choice": 4})
    assert not set(probes) & set(load_units(filled, extended.id).asset_ids.tolist())


def test_a_probe_is_told_as_not_trained_on_by_choice(filled: Registry) -> None:
    """By the work's own page, by its exposure and by a withdrawal; grading rankers does not use
    it.
    """
    encoding = create_encoding(filled, "asset", None, 10, 4, 0, NOW, probes=0.2)
    probe, *_ = probes_of(filled, encoding.id)
    with filled.connection() as connection:
        told = work_details(connection, probe)
    assert [(row["encoding_id"], row["meaning"]) for row in told["probe_of"]] == [
        (encoding.id, "not trained on by choice")
    ]
    found = exposure_of(filled, [probe])
    assert found.unseen
    assert [(each.encoding, each.works) for each in found.probes] == [(encoding.id, 1)]
    (impact,) = impacts_of(filled, [probe], [probe])
    assert (impact.encoding_id, impact.works, impact.probes, impact.saw) == (encoding.id, 0, 1, ())
    assert works_kept_out(filled, encoding.id, 24) == []


def test_probes_that_may_not_be_used_are_not_compared_with(filled: Registry) -> None:
    """After a withdrawal, or if the file is gone."""
    encoding = create_encoding(filled, "asset", None, 10, 4, 0, NOW, probes=0.2)
    withdrawn, *kept = probes_of(filled, encoding.id)
    with filled.connection() as connection:
        connection.execute("UPDATE asset SET permission = 'withdrawn' WHERE id = ?", [withdrawn])
        connection.execute("UPDATE asset SET missing_since = ? WHERE id = ?", [NOW, kept[0]])
    usable = usable_probes(filled, encoding.id)
    assert sorted(each.asset_id for each in usable) == sorted(kept[1:])
    assert [each.sha256 for each in usable] == sorted(each.sha256 for each in usable)


def test_a_probe_in_a_unit_is_found(filled: Registry) -> None:
    """The doctor compares the lists."""
    encoding = create_encoding(filled, "asset", None, 10, 4, 0, NOW, probes=0.2)
    with filled.connection() as connection:
        (trained,) = connection.execute("SELECT min(asset_id) FROM unit_asset").fetchall()[0]
        connection.execute("INSERT INTO encoding_probe VALUES (?, ?)", [encoding.id, trained])
    found = [each.what for each in examine(filled).findings if encoding.id in each.where]
    assert any("1 works are probes" in what for what in found)


@pytest.mark.parametrize(("text", "share"), [("5%", 0.05), ("5 %", 0.05), ("0.05", 0.05), ("50%", 0.5)])
def test_a_share_is_read_as_written(text: str, share: float) -> None:
    """As a percentage or as a number."""
    assert share_of_text(text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["0", "0%", "60%", "-5%", "five", "nan", "inf", ""])
def test_an_impossible_share_is_refused(text: str) -> None:
    """With what was got and what was expected."""
    with pytest.raises(UsageError, match="the share of probes, expected above 0 to 50%, such as 5%"):
        share_of_text(text)


def test_fewest_probes_reach_the_level() -> None:
    """1 / (1 + 19) is 5 %."""
    assert (fewest_probes(0.05), fewest_probes(0.01), fewest_probes(0.001)) == (19, 99, 999)
