"""Nothing that restricts a work loosens its permission, the whole way from files to the database.

Random works are registered from pictures with words inside and an owner table, reviewed, claimed
and withdrawn. Beside each work stands its twin, with the same grounds and one restriction more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL.PngImagePlugin import PngInfo

from registry.claims.record import open_claim
from registry.doctor.current import find_stale
from registry.ingest.owners.table import OwnerTable
from registry.permissions.reviews import record_review
from registry.permissions.rule import STRICTNESS, Permission, deciding_grounds
from registry.storage.database import Registry
from registry.withdrawals.record import withdraw
from tests.support.works import NOW, copied, encoded, picture, register, write, write_csv

DECISIONS = ("permitted", "constrained", "prohibited")
LICENCES = (
    *("", "CC0-1.0", "CC-BY-NC-4.0", "All rights reserved", "CC BY 4.0; MIT", "House rules"),
    *("CC BY 4.0 no AI training", "https://creativecommons.org/licenses/by/4.0/ ask first", "AI training is allowed"),
)
WORDS = (
    *("", "© Ada Example", "CC BY 4.0", "No AI training", "© Ada. All rights reserved.", "For non-commercial use only"),
    *("Licensed to Nordhaus until 2030", "AI training is allowed", "Created with AI"),
)
SIGNALS = ("", "DMI-ALLOWED", "DMI-PROHIBITED", "DMI-UNSPECIFIED", "DMI-NEW")


@dataclass(frozen=True)
class Grounds:
    """Everything that is on record about one work."""

    owners: tuple[str, ...]
    """For each rightsholder the decision of its review, or nothing."""
    licence: str
    words: str
    signal: str
    claimed: bool = False
    withdrawn: bool = False


GROUNDS = st.builds(
    Grounds,
    owners=st.lists(st.sampled_from(("", *DECISIONS)), min_size=1, max_size=2).map(tuple),
    licence=st.sampled_from(LICENCES),
    words=st.sampled_from(WORDS),
    signal=st.sampled_from(SIGNALS),
    claimed=st.booleans(),
)


@st.composite
def twins(draw: st.DrawFn) -> tuple[Grounds, Grounds]:
    """A work, and its twin with one restriction more."""
    work = draw(GROUNDS)
    more = [
        replace(work, owners=(*work.owners, draw(st.sampled_from(("", *DECISIONS))))),
        replace(work, claimed=True),
        replace(work, withdrawn=True),
    ]
    if work.words in ("", "© Ada Example", "Created with AI"):
        more.append(replace(work, words=draw(st.sampled_from(WORDS))))
    elif work.words:
        more.append(replace(work, words=f"{work.words}; no AI training"))
    if work.signal in ("", "DMI-UNSPECIFIED"):
        more.append(replace(work, signal=draw(st.sampled_from(SIGNALS[2:]))))
    if work.licence:
        further = draw(st.sampled_from(["no AI training", "zxq wvk", "CC BY-NC 4.0"]))
        more.append(replace(work, licence=f"{work.licence}; {further}"))
    more += [
        replace(work, owners=(*work.owners[:place], stricter, *work.owners[place + 1 :]))
        for place, decided in enumerate(work.owners)
        for stricter in (DECISIONS[DECISIONS.index(decided) + 1 :] if decided else ())
    ]
    return work, draw(st.sampled_from(more))


def _file(number: int, grounds: Grounds) -> bytes:
    said = PngInfo()
    if grounds.words:
        said.add_itxt("Copyright", grounds.words)
    if grounds.signal:
        packet = (
            '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
            '<rdf:Description xmlns:plus="http://ns.useplus.org/ldf/xmp/1.0/" '
            f'plus:DataMining="http://ns.useplus.org/ldf/vocab/{grounds.signal}"/></rdf:RDF></x:xmpmeta>'
        )
        said.add_itxt("XML:com.adobe.xmp", packet)
    return encoded(picture(number, 16), pnginfo=said)


def _permissions(registry: Registry, folder: Path, works: list[Grounds], review_of_all: str) -> list[str]:
    """Register the works, record their grounds, and read the permissions from the database."""
    rows, ids = [], range(len(works))
    for number, grounds in enumerate(works):
        write(folder / "works" / f"{number:03}.png", _file(number, grounds))
        names = [f"owner {place} of {number}" for place in range(len(grounds.owners))]
        row = {"path": f"{number:03}.png", "rightsholder": names[0], "licence": grounds.licence}
        rows.append(row | {f"rightsholder_{place}": (*names, "", "")[place - 1] for place in (2, 3)})
    table = OwnerTable(write_csv(folder / "owners.csv", rows))
    assert register(registry, folder / "works", table, near_duplicates=False).registered == len(works)
    with registry.connection() as connection:
        owners = dict(connection.execute("SELECT name, id FROM rightsholder").fetchall())
    for decided in DECISIONS:
        named = [
            owners[f"owner {place} of {number}"]
            for number, grounds in enumerate(works)
            for place, decision in enumerate(grounds.owners)
            if decision == decided
        ]
        condition = "with a notice" if decided == "constrained" else None
        if named:
            record_review(
                registry, "rightsholder", named, Permission(decided), "as agreed", condition=condition, now=NOW
            )
        if decided == review_of_all:
            record_review(registry, "data set", [0], Permission(decided), "as agreed", condition=condition, now=NOW)
    claimed = [str(number) for number in ids if works[number].claimed]
    if claimed:
        open_claim(registry, "Zoe", "these are mine", works=claimed, now=NOW)
    gone = [number for number in ids if works[number].withdrawn]
    if gone:
        withdraw(registry, asset_ids=gone, reason="letter", now=NOW)
    with registry.connection() as connection:
        assert find_stale(connection) == []
        found = connection.execute("SELECT permission FROM asset ORDER BY path").fetchall()
        for number, grounds_of in deciding_grounds(connection, list(ids)).items():
            assert {ground["verdict"] for ground in grounds_of} == {found[number][0]}
            assert found[number][0] != "permitted" or all(ground["source_id"] is not None for ground in grounds_of)
    return [str(permission) for (permission,) in found]


@pytest.mark.slow
@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.lists(twins(), min_size=20, max_size=30), st.sampled_from(("", *DECISIONS)))
def test_one_restriction_more_never_loosens(
    empty: Registry, tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[Grounds, Grounds]], review_of_all: str
) -> None:
    """A further owner, words in the file, a signal, a claim, a withdrawal, or a stricter one."""
    folder = tmp_path_factory.mktemp("twins")
    works = [work for pair in pairs for work in pair]
    found = _permissions(copied(empty, folder / "home"), folder, works, review_of_all)
    for place, (one, more) in enumerate(pairs):
        looser, stricter = found[2 * place : 2 * place + 2]
        assert STRICTNESS.index(Permission(stricter)) >= STRICTNESS.index(Permission(looser)), (one, more)


def test_a_few_twins(empty: Registry, tmp_path: Path) -> None:
    """The same way for known cases, quickly."""
    plain = Grounds(("",), "CC0-1.0", "", "")
    cases = {
        plain: "permitted",
        replace(plain, words="No AI training"): "prohibited",
        replace(plain, words="© Ada. All rights reserved."): "prohibited",
        replace(plain, words="Licensed to Nordhaus until 2030"): "unclear",
        replace(plain, licence="CC0-1.0; zxq"): "unclear",
        replace(plain, licence="", words="CC BY 4.0"): "unclear",
        replace(plain, words="© Ada Example"): "permitted",
        replace(plain, owners=("permitted", ""), licence=""): "unclear",
        replace(plain, withdrawn=True): "withdrawn",
    }
    assert _permissions(copied(empty, tmp_path / "home"), tmp_path, list(cases), "") == list(cases.values())
