"""Withdrawals: recorded once, never taken back, and effective at once."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from registry.encodings.store import create_encoding, load_units
from registry.encodings.words import bits
from registry.errors import InputError, NotFoundError, UsageError
from registry.event_log.events import head_of
from registry.event_log.seals import Seals
from registry.ingest.owners.declarations import OneOwner
from registry.members.serving import service_status
from registry.storage.database import Registry
from registry.storage.tables import Encoding
from registry.withdrawals.record import cover_later_works, list_withdrawals, withdraw
from tests.support.members import ensemble_of, train_members
from tests.support.works import NOW, copied, register, write_pictures

N, H = 6, 3


@pytest.fixture(scope="module")
def trained(empty: Registry, tmp_path_factory: pytest.TempPathFactory) -> tuple[Registry, Encoding]:
    """Eight works of Ada and four of Zoe, each a unit, with all members trained; tests copy it."""
    folder = tmp_path_factory.mktemp("trained")
    registry = copied(empty, folder)
    register(registry, write_pictures(folder / "ada", [f"{number}.png" for number in range(8)]), OneOwner("Ada", None))
    register(
        registry, write_pictures(folder / "zoe", [f"{number}.png" for number in range(4)], 8), OneOwner("Zoe", None)
    )
    encoding = create_encoding(registry, "asset", None, N, H, 1, NOW, code_format=1)
    train_members(registry, encoding, list(range(N)))
    return registry, encoding


@pytest.fixture
def registry(trained: tuple[Registry, Encoding], tmp_path: Path) -> Registry:
    """The registry of the twelve works."""
    return copied(trained[0], tmp_path)


@pytest.fixture
def encoding(trained: tuple[Registry, Encoding]) -> Encoding:
    """Its encoding."""
    return trained[1]


def holder(registry: Registry, name: str) -> int:
    with registry.connection() as connection:
        return int(connection.execute("SELECT id FROM rightsholder WHERE name = ?", [name]).fetchall()[0][0])


def permissions(registry: Registry) -> dict[int, str]:
    with registry.connection() as connection:
        return dict(connection.execute("SELECT id, permission FROM asset ORDER BY id").fetchall())


def head(registry: Registry) -> tuple[int, str]:
    with registry.connection() as connection:
        return head_of(connection)


def test_members_that_saw_the_work_serve_no_more(registry: Registry, encoding: Encoding) -> None:
    """Exactly those whose bit of the work's code is set, at once; the report says the same."""
    asset_id = load_units(registry, encoding.id).asset_ids[5]
    saw = np.flatnonzero(bits(load_units(registry, encoding.id).asset_codes, N)[5]).tolist()
    report = withdraw(registry, asset_ids=[int(asset_id)], reason="letter", now=NOW)
    service = service_status(registry, ensemble_of(encoding))
    assert [member.index for member in service.out_of_service] == saw
    assert len(service.serving) == N - H
    [impact] = report.impacts
    assert (list(impact.saw), impact.works) == (saw, 1)
    assert list(impact.serving) == [member.index for member in service.serving]
    assert impact.further is not None
    assert (impact.further.members, impact.further.units) == (3, 11)
    assert [number for number, permission in permissions(registry).items() if permission == "withdrawn"] == [asset_id]


def test_a_withdrawal_is_an_event_that_seals_its_rows(registry: Registry) -> None:
    """Who, why and what, what became of the permission, and a digest over both tables at the end of
    the change.
    """
    withdraw(registry, asset_ids=[3], reason="letter", now=NOW)
    with registry.connection() as connection:
        (kind, subject, after, _), (moved, _, permission, seals) = connection.execute(
            "SELECT kind, subject, after, seals FROM event ORDER BY sequence"
        ).fetchall()[-2:]
    assert (kind, subject) == ("withdrawn", "asset 3")
    assert json.loads(after) == {"withdrawal": 0, "reason": "letter", "works": 1, "named": 1}
    assert (moved, json.loads(permission)) == ("permission changed", {"permission": "withdrawn"})
    assert {seal.table for seal in Seals.parse(seals).rows} == {"withdrawal", "withdrawal_work"}


def test_withdrawing_again_changes_nothing(registry: Registry) -> None:
    """By work or through its rightsholder: no row, no event, and the report says so."""
    first = withdraw(registry, asset_ids=[1, 2], reason="letter", now=NOW)
    assert (first.withdrawal_ids, first.newly_withdrawn) == ((0, 1), (1, 2))
    before = head(registry)
    again = withdraw(registry, asset_ids=[2, 1, 2], reason="another letter", now=NOW)
    assert (again.withdrawal_ids, again.newly_withdrawn, again.works) == ((), (), (1, 2))
    assert head(registry) == before
    ada = holder(registry, "Ada")
    whole = withdraw(registry, rightsholder_id=ada, reason="contract", now=NOW)
    assert (whole.withdrawal_ids, whole.newly_withdrawn) == ((2,), (0, 3, 4, 5, 6, 7))
    assert withdraw(registry, rightsholder_id=ada, reason="contract", now=NOW).withdrawal_ids == ()


def test_a_rightsholders_withdrawal_covers_what_comes_later(registry: Registry, tmp_path: Path) -> None:
    """A work that is registered afterwards is withdrawn; it gets a row of its own, so older
    manifests say what they said.
    """
    zoe = holder(registry, "Zoe")
    assert withdraw(registry, rightsholder_id=zoe, reason="contract", now=NOW).newly_withdrawn == (8, 9, 10, 11)
    register(registry, write_pictures(tmp_path / "more", ["new.png"], 40), OneOwner("Zoe", None))
    assert permissions(registry)[12] == "withdrawn"
    assert cover_later_works(registry, NOW) == 1
    assert cover_later_works(registry, NOW) == 0
    with registry.connection() as connection:
        rows = list_withdrawals(connection)
    assert [(row["scope"], row["subject"], row["works"]) for row in rows] == [
        ("rightsholder", "Zoe", 4),
        ("rightsholder", "Zoe", 1),
    ]
    assert withdraw(registry, rightsholder_id=zoe, reason="again", now=NOW).withdrawal_ids == ()


def test_members_trained_again_serve(registry: Registry, encoding: Encoding) -> None:
    """Until a work that they saw is withdrawn, too; a withdrawal of a work that they did not see
    leaves them in service.
    """
    withdraw(registry, asset_ids=[0], reason="letter", now=NOW)
    ensemble_id = ensemble_of(encoding)
    out = [member.index for member in service_status(registry, ensemble_id).out_of_service]
    train_members(registry, encoding, out, generation=2)
    assert len(service_status(registry, ensemble_id).serving) == N
    units = load_units(registry, encoding.id)
    withdraw(registry, asset_ids=[7], reason="letter", now=NOW)
    service = service_status(registry, ensemble_id)
    expected = np.flatnonzero(bits(units.asset_codes, N)[7]).tolist()
    assert [member.index for member in service.out_of_service] == expected
    assert {member.generation for member in service.serving} <= {1, 2}


def test_encodings_without_models_are_named(empty: Registry, tmp_path: Path) -> None:
    """Nothing is out of service, and the works will be left out."""
    registry = copied(empty, tmp_path)
    register(registry, write_pictures(tmp_path / "ada", ["0.png", "1.png", "2.png"]))
    encoding = create_encoding(registry, "asset", None, N, H, 1, NOW, code_format=1)
    [impact] = withdraw(registry, asset_ids=[1], reason="letter", now=NOW).impacts
    assert (impact.encoding_id, impact.ensemble_id, impact.works) == (encoding.id, None, 1)


def test_bad_requests_are_refused_and_change_nothing(registry: Registry) -> None:
    """Neither or both, unknown ones, no reason."""
    before = head(registry)
    with pytest.raises(UsageError, match="either works or a rightsholder"):
        withdraw(registry, reason="letter", now=NOW)
    with pytest.raises(UsageError, match="either works or a rightsholder"):
        withdraw(registry, asset_ids=[1], rightsholder_id=0, reason="letter", now=NOW)
    with pytest.raises(NotFoundError, match="no work 99"):
        withdraw(registry, asset_ids=[1, 99], reason="letter", now=NOW)
    with pytest.raises(NotFoundError, match="no rightsholder #99"):
        withdraw(registry, rightsholder_id=99, reason="letter", now=NOW)
    for reason in ("", " \n\0 ", "x" * 3000):
        with pytest.raises(InputError, match="needs a reason"):
            withdraw(registry, asset_ids=[1], reason=reason, now=NOW)
    assert head(registry) == before
    assert "withdrawn" not in permissions(registry).values()
