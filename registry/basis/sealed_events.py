"""Proves that events are those of the log that ``log-head.json`` names.

An event is proved if its own hash fits, and if the newest event's root over all events before it
(:mod:`registry.event_log.event_tree`) has that hash. The newest event is proved by the file.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb

from registry.errors import IntegrityError
from registry.event_log.event_tree import unproved
from registry.event_log.events import GENESIS, check_head, event_sha256, head_of, read_head
from registry.event_log.seals import Seals
from registry.event_log.stored_events import stored_events

HELP = "nothing is issued from an altered registry: `creditline log verify` lists the differences"


def prove_head(connection: duckdb.DuckDBPyConnection, path: Path) -> tuple[int, str]:
    """Sequence and hash of the newest event, proved by the file ``path``; 0 for an empty log.

    Raises:
        IntegrityError: an event is missing, or the newest ones are not those of the file.
    """
    written = read_head(path)
    sequence, sha256 = head_of(connection)
    if written is not None and written[0] > sequence:
        _prove_later(connection, written, path)
        written = sequence, sha256
    behind = check_head(connection, written, path)
    count, smallest = connection.execute("SELECT count(*), min(sequence) FROM event").fetchall()[0]
    if count != sequence or (count and smallest != 1):
        raise IntegrityError(f"{abs(sequence - count):,} events of the log are missing or added; {HELP}")
    # An interruption leaves the file behind by an event or two: each follows from the one before.
    newest = range(max(1, sequence - behind), sequence + 1)
    previous = None
    for event in stored_events(connection, sequences=list(newest)) if sequence else ():
        if event_sha256(event) != event["sha256"] or previous not in (None, event["previous_sha256"]):
            raise IntegrityError(altered(event))
        previous = event["sha256"]
    return (sequence, sha256) if sequence else (0, GENESIS)


def _prove_later(connection: duckdb.DuckDBPyConnection, written: tuple[int, str], path: Path) -> None:
    """Prove the newest event of a transaction by events that were committed since it began.

    Raises:
        IntegrityError: no such events lead to the one that the file names.
    """
    sequence, previous = head_of(connection)
    with connection.cursor() as committed:  # a transaction of its own, which sees the later events
        check_head(committed, written, path)
        for event in stored_events(committed, sequences=list(range(sequence + 1, written[0] + 1))):
            if event_sha256(event) != event["sha256"] or event["previous_sha256"] != previous:
                raise IntegrityError(altered(event))
            previous = event["sha256"]
    if previous != written[1]:
        raise IntegrityError(f"events of the log before event {written[0]:,} are missing; {HELP}")


def proved(connection: duckdb.DuckDBPyConnection, head: int, sequences: Iterable[int]) -> dict[int, dict[str, Any]]:
    """These events by sequence, each proved by the event ``head``.

    Raises:
        IntegrityError: an event is missing, or is not as it was written.
    """
    wanted = sorted({*sequences, head} - {0})
    found = {int(event["sequence"]): event for event in stored_events(connection, sequences=wanted)}
    for sequence in wanted:
        if sequence not in found:
            raise IntegrityError(f"event {sequence:,} is not in the log; {HELP}")
        if event_sha256(found[sequence]) != found[sequence]["sha256"]:
            raise IntegrityError(altered(found[sequence]))
    if not wanted:
        return {}
    root = seals_of(found[head]).tree
    earlier = {sequence: str(event["sha256"]) for sequence, event in found.items() if sequence < head}
    missing = list(earlier) if root is None else unproved(connection, earlier, head - 1, root)
    if missing:
        raise IntegrityError(
            f"event {missing[0]:,} ({found[missing[0]]['kind']}, {found[missing[0]]['subject']}) is not under the hash over "
            f"the log that event {head:,} states; {HELP}"
        )
    return found


def seals_of(event: dict[str, Any]) -> Seals:
    """The seals of a proved event.

    Raises:
        IntegrityError: they cannot be read.
    """
    try:
        return Seals.parse(event["seals"])
    except (ValueError, TypeError) as error:
        raise IntegrityError(altered(event)) from error


def altered(event: dict[str, Any]) -> str:
    """The message about an edited event."""
    return f"event {event['sequence']:,} ({event['kind']}, {event['subject']}) of the log was edited; {HELP}"
