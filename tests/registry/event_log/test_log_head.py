"""Nothing is added to a log that the file beside the registry contradicts: adding to it would
remove the trace.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from registry.errors import IntegrityError
from registry.event_log.events import GENESIS, changing, head_of, restore_head
from registry.event_log.verify import verify
from registry.storage.database import Registry
from tests.support.works import NOW


def add(registry: Registry, kind: str) -> None:
    with changing(registry, NOW) as change:
        change.record(kind, "thing 1")


def head(registry: Registry) -> tuple[int, str]:
    with registry.connection() as connection:
        return head_of(connection)


@pytest.fixture
def logged(registry: Registry) -> Registry:
    """A registry with three events."""
    for kind in ("one", "two", "three"):
        add(registry, kind)
    return registry


def commit(registry: Registry, statement: str) -> None:
    with registry.connection() as connection:
        connection.execute(statement)


def events(registry: Registry) -> int:
    with registry.connection() as connection:
        return int(connection.execute("SELECT count(*) FROM event").fetchall()[0][0])


def test_a_log_whose_end_was_cut_off_takes_no_event(logged: Registry) -> None:
    """The command says so and changes nothing, so that verifying still finds what was done."""
    commit(logged, "DELETE FROM event WHERE sequence = 3")
    before = logged.home.log_head.read_bytes()
    with pytest.raises(IntegrityError, match=r"cut off.*event 3, the last one is 2"):
        add(logged, "four")
    assert logged.home.log_head.read_bytes() == before
    assert events(logged) == 2
    assert any("cut off" in fault.what for fault in verify(logged).faults)


def test_a_log_without_any_event_left_takes_none(logged: Registry) -> None:
    """An empty log is one whose end was cut off, too."""
    commit(logged, "DELETE FROM event")
    with pytest.raises(IntegrityError, match="cut off"):
        add(logged, "four")


def test_a_log_whose_end_was_written_anew_takes_no_event(logged: Registry) -> None:
    """Another event in the place of the last one has another hash than the file says."""
    commit(logged, "UPDATE event SET sha256 = repeat('f', 64) WHERE sequence = 3")
    with pytest.raises(IntegrityError, match="another hash for event 3"):
        add(logged, "four")


@pytest.mark.parametrize(("sequence", "digit"), [(0, "1"), (-1, "0")])
def test_a_file_that_names_no_event_is_refused(logged: Registry, sequence: int, digit: str) -> None:
    """Events begin with 1, after a hash of zeros; nothing was ever written for another one."""
    logged.home.log_head.write_text(json.dumps({"sequence": sequence, "sha256": digit * 64}))
    with pytest.raises(IntegrityError, match=f"another hash for event {sequence}"):
        add(logged, "four")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[1]",
        "[" * 5000,
        '{"sequence": true, "sha256": "x"}',
        '{"sequence": 1e400, "sha256": "x"}',
        json.dumps({"sequence": 2**70, "sha256": "0" * 64}),
        '{"sequence": 3, "sha256": 3}',
    ],
)
def test_a_file_that_was_edited_is_refused_and_found(logged: Registry, text: str) -> None:
    """Whatever stands in it, the answer is one clear error, and a fault of the log."""
    logged.home.log_head.write_text(text)
    with pytest.raises(IntegrityError, match="edited"):
        add(logged, "four")
    assert [fault.what for fault in verify(logged).faults if "edited" in fault.what]


@pytest.mark.parametrize("lose", [lambda path: path.unlink(), lambda path: path.write_bytes(b"\xff\xfe")])
def test_without_the_file_nothing_is_added_until_somebody_restores_it(
    logged: Registry, lose: Callable[[Path], object]
) -> None:
    """Whoever cuts the end off and takes the file away is found; who lost the file has it written,
    and the log says so.
    """
    lose(logged.home.log_head)
    with pytest.raises(IntegrityError, match="log head --restore"):
        add(logged, "four")
    assert any("log head --restore" in fault.repair for fault in verify(logged).faults)
    noted = head(logged)
    assert restore_head(logged, NOW) == noted
    assert json.loads(logged.home.log_head.read_text())["sequence"] == 4
    assert verify(logged).faults == []
    assert restore_head(logged, NOW) is None
    assert events(logged) == 4


def test_a_file_that_contradicts_the_log_is_not_restored(logged: Registry) -> None:
    """What it says is evidence: the log is what was cut off."""
    commit(logged, "DELETE FROM event WHERE sequence = 3")
    before = logged.home.log_head.read_bytes()
    with pytest.raises(IntegrityError, match="cut off"):
        restore_head(logged, NOW)
    assert logged.home.log_head.read_bytes() == before


def test_killed_before_its_first_file_a_log_goes_on(registry: Registry) -> None:
    """The file is there before the first event is, and says that there was none."""
    add(registry, "one")
    registry.home.log_head.write_text(json.dumps({"sequence": 0, "sha256": GENESIS}))
    assert [note for note in verify(registry).notes if "1 events behind" in note]
    add(registry, "two")
    assert json.loads(registry.home.log_head.read_text())["sequence"] == 2


def test_a_file_that_is_behind_is_brought_up(registry: Registry) -> None:
    """Killed between the commit and the file, the file names an earlier event: that is no sign of
    anything.
    """
    add(registry, "one")
    behind = registry.home.log_head.read_bytes()
    add(registry, "two")
    registry.home.log_head.write_bytes(behind)
    assert "1 events behind" in "".join(verify(registry).notes)
    add(registry, "three")
    assert json.loads(registry.home.log_head.read_text())["sequence"] == 3
    assert verify(registry).faults == []
