"""Facts in events: read back with their event, and an edited event is told as one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from registry.errors import IntegrityError
from registry.event_log.kept_facts import Kept, kept, mapping

THEN = datetime(2026, 1, 1, 3, tzinfo=timezone(timedelta(hours=3)))


def test_facts_come_with_their_event() -> None:
    """The time is in UTC."""
    found = kept(('{"a": 1}', THEN, "me", 7, "f" * 64), mapping, "measurement")
    assert found == Kept({"a": 1}, datetime(2026, 1, 1, tzinfo=UTC), "me", 7, "f" * 64)


@pytest.mark.parametrize("after", [None, "", "{", "[1]", "3", "[" * 100_000])
def test_an_event_that_cannot_be_read_is_named(after: str | None) -> None:
    """With the command that says whether it was edited."""
    with pytest.raises(IntegrityError, match="the measurement of event 1,234 cannot be read; `creditline log verify`"):
        kept((after, THEN, "me", 1234, "f" * 64), mapping, "measurement")
