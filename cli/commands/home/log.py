"""``creditline log``: what was changed, by whom and when; and whether all of it is still there."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.common import (
    MOST_ROWS,
    HomeOption,
    JsonOption,
    home_at,
    narrate,
    print_json,
    print_table,
    printable,
    progress_bars,
)
from registry.errors import UsageError
from registry.home import DEFAULT_HOME

SHOWN = 20
_LONGEST = 100


def register_commands(app: typer.Typer) -> None:
    """Add the commands of this group."""
    log = typer.Typer(help="What was changed, by whom and when; and whether all of it is still there.")
    log.callback(invoke_without_command=True)(list_events)
    log.command("verify")(verify_log)
    log.command("head")(show_head)
    app.add_typer(log, name="log")


def list_events(
    context: typer.Context,
    limit: Annotated[int, typer.Option("--limit", min=1, max=MOST_ROWS, help="Show the newest of them.")] = SHOWN,
    kind: Annotated[
        str | None, typer.Option("--kind", help="Such as 'rights reviewed'; 'works*': a beginning.")
    ] = None,
    subject: Annotated[
        str | None, typer.Option("--subject", help="Such as 'asset 17'; 'member*': a beginning.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="DATE", help="2026-03-14 or 2026-03-14T15:09Z.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write all of them: .csv, .json, .jsonl or .parquet.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """List the changes that were made to the registry, the newest last.

    Examples:
        creditline log --kind withdrawn

        creditline log --subject 'asset 17' --json

        creditline log --since 2026-01-01 --out changes.csv
    """
    if context.invoked_subcommand:
        return
    from registry.event_log.verify import Choice, entries
    from registry.export.files import check_suffix, write_listing
    from registry.storage.database import Registry

    choice = Choice(kind, subject, None if since is None else _moment(since))
    if out is not None:
        check_suffix(out)
    registry = Registry.open(home_at(home))
    with registry.connection() as connection:
        table = entries(connection, choice, None if out else limit)
    if out is not None:
        number = write_listing(table, out, documents=("before", "after"))
        narrate(f"{number:,} events written to {out}")
        return
    events = [_plain(event) for event in table.to_pylist()]
    if as_json:
        print_json("log", {"events": events})
        return
    columns = ("event", "time", "who", "what", "of", "change")
    rows = [
        (event["sequence"], event["recorded_at"][:19], event["actor"], event["kind"], event["subject"], _change(event))
        for event in events
    ]
    print_table(columns, rows)


def verify_log(
    expect: Annotated[
        str | None, typer.Option("--expect", metavar="HASH", help="The log must go on from here: see `log head`.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Verify every event and every row that it sealed; exit with 1 if anything was edited, removed,
    moved or added.

    Somebody who can write every file can also compute every hash anew. Against that helps a hash
    that was noted elsewhere: `creditline log head` prints it, and --expect proves that the log
    still goes on from it.

    Examples:
        creditline log verify

        creditline log verify --expect 3fa2b1c09d11…
    """
    from dataclasses import asdict

    from registry.event_log.verify import verify
    from registry.storage.database import Registry

    registry = Registry.open(home_at(home))
    with progress_bars() as progress:
        task = progress.add_task("rows", total=None)
        found = verify(
            registry,
            expect=expect.strip().lower() if expect else None,
            on_progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    if as_json:
        facts = {"events": found.events, "head": found.head, "rows": found.rows, "notes": found.notes}
        print_json(
            "log verify",
            {**facts, "faults": [asdict(fault) for fault in found.faults], "unlisted_faults": found.unlisted},
        )
    else:
        for fault in found.faults:
            typer.echo(printable(f"{fault.what}\n  repair: {fault.repair}".replace("\n", " — ")))
        for note in found.notes:
            narrate(f"note: {note}")
        whole = f"{len(found.faults) + found.unlisted:,} faults" if found.faults else "whole"
        narrate(f"{found.events:,} events, {found.rows:,} sealed rows: {whole}; head {found.head}")
    if found.faults:
        raise typer.Exit(1)


def show_head(
    restore: Annotated[
        bool, typer.Option("--restore", help="Write log-head.json anew where it was lost, as an event of the log.")
    ] = False,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Print the number and hash of the newest event. Keep it where nobody who can write the
    registry can write.

    The file log-head.json in the home has them, too. Should it be lost, nothing is added to the log
    until --restore writes it again; before that, see with `creditline log verify --expect` that the
    log goes on from a hash that you noted.

    Examples:
        creditline log head >> /mnt/notary/creditline-heads.txt

        creditline log head --restore
    """
    from registry.event_log.events import head_of, restore_head
    from registry.storage.database import Registry

    registry = Registry.open(home_at(home))
    if restore:
        restored = restore_head(registry, datetime.now(UTC))
        narrate("log-head.json is there: nothing to do" if restored is None else "log-head.json was written anew")
    with registry.connection() as connection:
        sequence, sha256 = head_of(connection)
    if as_json:
        print_json("log head", {"sequence": sequence, "sha256": sha256})
    else:
        typer.echo(f"{sequence} {sha256}")


def _plain(event: dict[str, Any]) -> dict[str, Any]:
    documents = {name: _document(event[name]) for name in ("before", "after")}
    return {**event, **documents, "recorded_at": event["recorded_at"].isoformat()}


def _document(text: str | None) -> Any:  # noqa: ANN401 - any JSON
    try:
        return None if text is None else json.loads(text)
    except (ValueError, RecursionError):
        return text  # somebody edited it; `log verify` says so


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
        raise UsageError(f"got the date {text!r}, expected one such as 2026-03-14 or 2026-03-14T15:09:26Z") from error
