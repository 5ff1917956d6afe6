"""Changes: every one is an event in the chain that seals its rows, or nothing at all."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.errors import InputError, IntegrityError
from registry.event_log.events import GENESIS, changing, event_sha256, head_of, largest_ids, sealed_through, time_text
from registry.event_log.seals import Seals
from registry.event_log.verify import verify
from registry.storage.database import Registry
from registry.storage.tables import Review
from tests.support.record import fill
from tests.support.works import NOW


def review(number: int) -> Review:
    return Review(id=number, scope="asset", subject_id=1, reason="x", recorded_by="me", recorded_at=NOW)


def count(registry: Registry, table: str) -> int:
    with registry.connection() as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])  # noqa: S608


def add_review(registry: Registry, now: datetime = NOW) -> None:
    with changing(registry, now) as change:
        change.insert(review(change.next_id("review")))
        change.record("rights reviewed", "asset 1", after={"permission": None})


def test_a_change_is_an_event_and_the_file_beside_has_its_hash(registry: Registry) -> None:
    """The event names who, when, what, before and after; the file beside the registry has its
    number and hash.
    """
    with changing(registry, NOW) as change:
        change.record("rights reviewed", "asset 1", before={"a": 1}, after=[2, "é"])
    with registry.connection() as connection:
        row = connection.execute("SELECT * EXCLUDE (seals) FROM event").fetchall()[0]
        head = head_of(connection)
    assert row[:8] == (1, NOW, registry.actor, "rights reviewed", "asset 1", '{"a":1}', '[2,"é"]', GENESIS)
    assert json.loads(registry.home.log_head.read_text()) == {"sequence": 1, "sha256": row[8]}
    assert head == (1, row[8])


def test_an_error_takes_everything_back(registry: Registry) -> None:
    """Rows, events and the file are as they were when the block raises."""
    add_review(registry)
    before = registry.home.log_head.read_bytes()
    with pytest.raises(ZeroDivisionError), changing(registry, NOW) as change:  # noqa: PT012
        change.insert(review(1))
        change.record("rights reviewed", "asset 1")
        raise ZeroDivisionError
    assert (count(registry, "review"), count(registry, "event")) == (1, 1)
    assert registry.home.log_head.read_bytes() == before


def test_nothing_done_leaves_no_event(registry: Registry) -> None:
    """A block that records nothing and adds nothing writes nothing."""
    with changing(registry, NOW):
        pass
    assert count(registry, "event") == 0
    assert not registry.home.log_head.exists()


def test_rows_without_an_event_are_refused(registry: Registry) -> None:
    """A defect of the caller: nothing of it is kept."""
    with pytest.raises(RuntimeError, match="without an event"), changing(registry, NOW) as change:
        change.insert(review(0))
    assert count(registry, "review") == 0


def test_several_events_of_one_change_follow_one_another(registry: Registry) -> None:
    """Each has the hash of the one before; the last one has the seals."""
    with changing(registry, NOW) as change:
        change.insert(review(0))
        for number in range(3):
            change.record("rights reviewed", f"asset {number}")
    with registry.connection() as connection:
        rows = connection.execute("SELECT previous_sha256, sha256, seals FROM event ORDER BY sequence").fetchall()
    assert [row[0] for row in rows] == [GENESIS, rows[0][1], rows[1][1]]
    assert [len(Seals.parse(row[2]).rows) for row in rows] == [0, 0, 1]


def test_every_field_is_in_the_hash() -> None:
    """Changing any field of an event, also to null or to a neighbour's value, changes its hash."""
    names = ("recorded_at", "actor", "kind", "subject", "before", "after", "seals", "previous_sha256")
    event = {"sequence": 1, **{name: name for name in names}}
    found = {event_sha256(event), event_sha256({**event, "sequence": 2})}
    for name in names:
        found |= {event_sha256({**event, name: None}), event_sha256({**event, name: ""})}
    swapped = {**event, "before": event["after"], "after": event["before"]}
    assert len(found | {event_sha256(swapped)}) == 2 + 2 * len(names) + 1


ZONES = st.sampled_from(
    [
        UTC,
        ZoneInfo("America/St_Johns"),
        ZoneInfo("Australia/Lord_Howe"),
        ZoneInfo("Europe/Dublin"),
        timezone(timedelta(hours=-11, minutes=-59, seconds=-59)),
        timezone(timedelta(seconds=1, microseconds=1)),
        timezone(timedelta(hours=14)),
    ]
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=ZONES))
def test_times_survive_the_database(registry: Registry, moment: datetime) -> None:
    """A time of any zone comes back to the microsecond, so that the event's hash can be computed
    again.
    """
    with changing(registry, moment) as change:
        change.record("rights reviewed", "asset 1")
    with registry.connection() as connection:
        stored = connection.execute("SELECT recorded_at FROM event ORDER BY sequence DESC LIMIT 1").fetchall()[0][0]
    assert time_text(stored) == time_text(moment)
    assert not verify(registry).faults


def test_a_time_without_a_zone_is_refused(registry: Registry) -> None:
    """Nobody could say later when it was."""
    with pytest.raises(ValueError, match="without a zone"), changing(registry, NOW.replace(tzinfo=None)):
        pass


def test_rows_written_past_creditline_are_never_taken_in(registry: Registry) -> None:
    """A row that plain SQL added is not sealed by the next change, which goes on behind it."""
    add_review(registry)
    with registry.connection() as connection:
        connection.execute("INSERT INTO review SELECT 1, * EXCLUDE (id) FROM review")
    add_review(registry)
    with registry.connection() as connection:
        seals = [Seals.parse(text).rows[0] for (text,) in connection.execute("SELECT seals FROM event").fetchall()]
    assert [(seal.first, seal.last) for seal in seals] == [(0, 0), (2, 2)]


def test_a_sealed_number_is_never_used_again(registry: Registry) -> None:
    """If somebody deletes the newest row, the next one still gets a new number and a seal."""
    add_review(registry)
    with registry.connection() as connection:
        connection.execute("DELETE FROM review")
    add_review(registry)
    with registry.connection() as connection:
        assert connection.execute("SELECT id FROM review").fetchall() == [(1,)]
        assert sealed_through(connection)["review"] == 1


def test_nothing_is_added_to_an_edited_end(registry: Registry) -> None:
    """Seals that cannot be read stop the next change with a hint, not with a traceback."""
    add_review(registry)
    with registry.connection() as connection:
        connection.execute("UPDATE event SET seals = '[1'")
    with pytest.raises(IntegrityError, match="log verify"):
        add_review(registry)


def test_the_file_that_cannot_be_written_is_said(registry: Registry) -> None:
    """The first change waits for it; a later one is in the registry all the same, and the message
    says so.
    """
    in_the_way = registry.home.log_head / "x"
    in_the_way.mkdir(parents=True)
    with pytest.raises(InputError, match=r"^cannot write"):
        add_review(registry)
    assert count(registry, "event") == 0
    in_the_way.rmdir()
    registry.home.log_head.rmdir()
    add_review(registry)
    with pytest.raises(InputError, match="the change is recorded, but cannot write"), changing(registry, NOW) as change:  # noqa: PT012
        registry.home.log_head.unlink()
        in_the_way.mkdir(parents=True)
        change.record("rights reviewed", "asset 1")
    assert count(registry, "event") == 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"rows":[{"table":"event","rows":1,"sha256":""}],"through":{}}',
        "[" * 100_000,
        '{"rows":1,"through":{}}',
    ],
)
def test_what_are_no_seals_is_refused(text: str) -> None:
    """Whatever somebody wrote into the column: a ValueError."""
    with pytest.raises(ValueError, match=r"."):
        Seals.parse(text)


def test_a_change_reads_only_the_newest_event(registry: Registry) -> None:
    """With 100,000 events it takes well under 50 ms to know what is sealed."""
    fill(registry, NOW)
    with registry.connection() as connection:
        connection.execute("CREATE TEMP TABLE newest AS SELECT * FROM event ORDER BY sequence DESC LIMIT 1")
        connection.execute(
            "INSERT INTO event SELECT newest.sequence + range + 1, newest.* EXCLUDE (sequence) FROM newest, range(100000)"
        )
        costs = []
        for _ in range(5):
            start = time.process_time()
            assert largest_ids(connection, sealed_through(connection))["asset"] == 5
            costs.append(time.process_time() - start)
    assert min(costs) < 0.05  # reading all seals takes a second
