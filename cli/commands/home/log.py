"""``creditline log``: the changes of the registry, and their verification."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from cli.opening import now, open_registry
from cli.options import MOST_ROWS, HomeOption, JsonOption, OutOption
from cli.output import echo, narrate, plural, print_json, print_table, progress_bars, subject_in_words
from registry.errors import UsageError
from registry.home import DEFAULT_HOME

_LONGEST = 100
"""Characters of a change in the table; --json has all."""

log = typer.Typer()


@log.callback(invoke_without_command=True)
def list_events(
    context: typer.Context,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=MOST_ROWS, help="Number of events, the newest ones; --out writes all.")
    ] = 20,
    kind: Annotated[
        str | None,
        typer.Option("--kind", metavar="KIND", help="Only this kind, such as 'rights reviewed'; 'works*': a prefix."),
    ] = None,
    subject: Annotated[
        str | None,
        typer.Option("--subject", metavar="SUBJECT", help="Only this subject: 'work 17'; 'member*': a prefix."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="DATE", help="Only events since then: 2026-03-14 or 2026-03-14T15:09Z."),
    ] = None,
    out: OutOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """List the recorded changes, and verify that the log is complete and unaltered.

    The newest event comes last.

    Examples:
        creditline log --kind withdrawn
        creditline log --subject 'work 17' --json
        creditline log --since 2026-01-01 --out changes.csv
        creditline log verify
    """
    if context.invoked_subcommand:
        return
    from registry.event_log.verify import Choice, entries
    from registry.export.files import check_suffix, write_listing

    if subject is not None:
        subject = re.sub(r"^work\b", "asset", subject)
    choice = Choice(kind, subject, None if since is None else _moment(since))
    if out is not None:
        check_suffix(out)
    with open_registry(home).connection() as connection:
        table = entries(connection, choice, None if out else limit)
    if out is not None:
        narrate(f"{write_listing(table, out, documents=('before', 'after')):,} events written to {out}")
        return
    events = [_plain(event) for event in table.to_pylist()]
    if as_json:
        print_json("log", {"events": events})
        return
    rows = [
        (
            event["sequence"],
            datetime.fromisoformat(event["recorded_at"]),
            event["actor"],
            event["kind"],
            subject_in_words(event["subject"]),
            _change(event),
        )
        for event in events
    ]
    print_table(("event", "time", "author", "kind", "subject", "change"), rows)


@log.command("verify")
def verify_log(
    expect: Annotated[
        str | None,
        typer.Option("--expect", metavar="HASH", help="An earlier hash, from `log head`, that must be in the log."),
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Verify every event and every sealed row.

    Exits with 1 if any was changed, removed or added. A person who can write all files can also
    compute all hashes again. To detect that, keep a hash elsewhere: `creditline log head` prints
    it, and --expect proves that the log continues from it.

    Examples:
        creditline log verify
        creditline log verify --expect 3fa2b1c09d11
    """
    from dataclasses import asdict

    from registry.event_log.verify import verify

    registry = open_registry(home)
    with progress_bars() as progress:
        task = progress.add_task("rows", total=None)
        found = verify(
            registry,
            expect=expect.strip().lower() if expect else None,
            on_progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    if as_json:
        facts = {"events": found.events, "head": found.head, "rows": found.rows, "notes": found.notes}
        faults = [asdict(fault) for fault in found.faults]
        print_json("log verify", {**facts, "faults": faults, "unlisted_faults": found.unlisted})
    else:
        verdict = plural(len(found.faults) + found.unlisted, "fault") if found.faults else "complete and unaltered"
        narrate(f"{found.events:,} events, {found.rows:,} sealed rows: {verdict}; head {found.head}")
        for fault in found.faults:
            echo(f"{fault.what} — repair: {fault.repair}")
        for note in found.notes:
            narrate(f"note: {note}")
    if found.faults:
        raise typer.Exit(1)


@log.command("head")
def show_head(
    restore: Annotated[
        bool, typer.Option("--restore", help="Write a lost log-head.json again, as an event of the log.")
    ] = False,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Print the sequence number and hash of the newest event, and the keys that sign documents.

    Keep the hash where the people who can write the registry cannot write. The file log-head.json
    in the home folder holds the same hash. If that file is lost, the log accepts no new event until
    --restore writes it again; first check with `creditline log verify --expect` that the log
    continues from a hash that you kept.

    Examples:
        creditline log head >> /mnt/notary/creditline-heads.txt
        creditline log head --restore
    """
    from registry.event_log.events import head_of, restore_head
    from registry.event_log.published_keys import published_keys

    registry = open_registry(home)
    if restore:
        restored = restore_head(registry, now())
        narrate("log-head.json is there: nothing to do" if restored is None else "log-head.json was written again")
    with registry.connection() as connection:
        sequence, sha256 = head_of(connection)
        keys = published_keys(connection)
    if as_json:
        print_json("log head", {"sequence": sequence, "sha256": sha256, "keys": keys})
    else:
        typer.echo(f"{sequence} {sha256}")
        for key_id, public in keys.items():
            typer.echo(f"key {key_id} {public}")


def _plain(event: dict[str, Any]) -> dict[str, Any]:
    documents = {name: _document(event[name]) for name in ("before", "after")}
    return {**event, **documents, "recorded_at": event["recorded_at"].isoformat()}


def _document(text: str | None) -> Any:  # noqa: ANN401 - any JSON
    try:
        return None if text is None else json.loads(text)
    except (ValueError, RecursionError):
        return text  # altered in the database; `log verify` reports it


def _change(event: dict[str, Any]) -> str:
    before, after = event["before"], event["after"]
    if isinstance(after, dict):
        former = before if isinstance(before, dict) else {}
        parts = [
            f"{name}: {_short(former[name])} → {_short(value)}" if name in former else f"{name}: {_short(value)}"
            for name, value in after.items()
            if value not in (None, [], 0) and former.get(name) != value
        ]
        text = ", ".join(parts)
    else:
        text = " → ".join(_short(value) for value in (before, after) if value is not None)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _short(value: object) -> str:
    if isinstance(value, list | dict):
        return f"{len(value):,} values" if len(value) > 3 else json.dumps(value, ensure_ascii=False)[:_LONGEST]
    return f"{value:,}" if type(value) is int else str(value)[:_LONGEST]


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"got the date {text!r}, expected a date such as 2026-03-14 or 2026-03-14T15:09:26Z"
        ) from error
