"""A kind of document: what its stamp is over, what its JSON holds, and what an unknown subject
leaves behind.
"""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest

from registry.basis.check import CheckedHead
from registry.errors import NotFoundError
from registry.home import Home
from registry.ids import sha256_of
from registry.schema.create import create_registry
from reports.evaluations.document import EVALUATION
from reports.facts import Facts
from reports.issuing.document import Document, Reading
from reports.issuing.stamp import UNSTAMPED
from reports.signatures.signing import Signing

NOW = datetime.datetime(2026, 1, 2, 3, 4, tzinfo=datetime.UTC)


class Numbers(Facts):
    """Facts of a document that no other room has."""

    one: int
    moment_of_reading: str


def _read(*_: object) -> Reading[Numbers]:
    raise NotImplementedError


NUMBERS = Document(
    kind="numbers",
    name="numbers",
    version=3,
    model=Numbers,
    template="evaluation.html.j2",
    read=_read,
    page_values=lambda _: {},
    outside_stamp=frozenset({"moment_of_reading"}),
    dated=True,
)


def test_the_stamp_is_over_the_facts_alone() -> None:
    """Not over what changes from one reading to the next."""
    early, late = (
        NUMBERS.stamp(
            Reading("a", Numbers(one=1, moment_of_reading=moment), CheckedHead((0, "0" * 64)), "a"), NOW, Signing()
        )
        for moment in ("early", "late")
    )
    assert early == late
    assert early.facts_sha256 == sha256_of({"one": 1})


def test_the_json_has_head_and_facts() -> None:
    """Name, version, moment and stamp first; the schema asks for the same fields."""
    document = json.loads(NUMBERS.json(Numbers(one=1, moment_of_reading="now"), UNSTAMPED))
    assert list(document) == ["creditline", "version", "rendered_at", "stamp", "one", "moment_of_reading"]
    assert (document["creditline"], document["version"]) == ("numbers", 3)
    assert document["rendered_at"] == document["stamp"]["made_at"]
    assert set(NUMBERS.schema()["required"]) == set(document)


def test_an_unknown_subject_leaves_no_file(tmp_path: Path) -> None:
    """Neither in the folder nor in the log."""
    registry = create_registry(Home(tmp_path / "home"))
    with pytest.raises(NotFoundError, match="no evaluation of ensemble nothing"):
        EVALUATION.write(registry, "nothing", tmp_path / "out", NOW)
    assert list((tmp_path / "out").iterdir()) == []
    with registry.connection() as connection:
        assert connection.execute("SELECT count(*) FROM event").fetchall() == [(0,)]
