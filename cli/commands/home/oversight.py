"""``creditline exposure`` and ``doctor``: which model saw it, and is the record whole."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.commands.ensembles import manifests
from cli.commands.home import log
from cli.common import (
    HomeOption,
    JsonOption,
    WorksArgument,
    home_at,
    narrate,
    print_json,
    print_table,
    printable,
    progress_bars,
)
from registry.errors import UsageError
from registry.home import DEFAULT_HOME


def register_commands(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.command("exposure")(show_exposure)
    manifests.register_commands(app)
    log.register_commands(app)
    app.command("doctor")(run_doctor)


def show_exposure(
    works: WorksArgument = None,
    rightsholder: Annotated[
        str | None, typer.Option("--rightsholder", metavar="NAME", help="All works of this one; '#17': by number.")
    ] = None,
    list_works: Annotated[bool, typer.Option("--works", help="Also say it of every work.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write a row per work: .csv, .json, .jsonl, .parquet.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Say which encodings, ensembles and members saw these works; exit with 1 if codes and
    manifests disagree.

    Examples:
        creditline exposure 17

        creditline exposure --rightsholder 'Ada Example' --json
    """
    from registry.export.files import check_suffix, write_listing
    from registry.members.exposure import exposure_by_work, exposure_of
    from registry.storage.database import Registry

    if bool(works) == bool(rightsholder):
        raise UsageError("name works, or a rightsholder with --rightsholder NAME; one of the two")
    if out is not None:
        check_suffix(out)
    registry = Registry.open(home_at(home))
    with registry.connection() as connection:
        asset_ids = _asked(connection, works, rightsholder)
        listed = exposure_by_work(connection, asset_ids) if list_works or out else None
    found = exposure_of(registry, asset_ids)
    if out is not None and listed is not None:
        narrate(f"{write_listing(listed, out):,} rows written to {out}")
    if as_json:
        rows = {"listed": listed.to_pylist()} if list_works and listed is not None else {}
        print_json("exposure", {**asdict(found), "unseen": found.unseen, **rows})
    else:
        for each in found.encodings:
            examples = ", ".join(each.examples) + (", …" if each.units > len(each.examples) else "")
            typer.echo(
                printable(f"encoding {each.encoding}: {each.works:,} works in {each.units:,} units ({examples})")
            )
        if found.members:
            columns = ("member", "index", "generation", "origin", "in service", "works", "manifest")
            cells = [
                (
                    m.member,
                    m.index,
                    m.generation,
                    m.origin,
                    "yes" if m.serves else "no",
                    f"{m.works:,}",
                    m.manifest_sha256,
                )
                for m in found.members
            ]
            print_table(columns, cells)
        for reference in found.reference_models:
            state = "" if reference.usable else ", out of use: it saw works that were withdrawn since"
            typer.echo(
                f"reference model of ensemble {reference.ensemble}: saw {reference.works:,} of them{state}; manifest "
                f"{reference.manifest_sha256}"
            )
        if list_works and listed is not None:
            rows_of_works = [
                (row["asset_id"], row["encoding_id"], row["unit"], " ".join(map(str, row["members"])), row["path"])
                for row in listed.to_pylist()
            ]
            print_table(("work", "encoding", "unit", "members by code", "path"), rows_of_works)
        seen = f"no model saw any of the {found.works:,} works" if found.unseen else f"{len(found.members)} members saw"
        narrate(
            seen if found.unseen else f"{seen} some of the {found.works:,} works, {found.members_that_did_not} saw none"
        )
    for finding in found.findings:
        narrate(printable(f"finding: {finding}"))
    if found.findings:
        raise typer.Exit(1)


def run_doctor(
    quick: Annotated[bool, typer.Option("--quick", help="Read no files, only the registry.")] = False,
    files: Annotated[bool, typer.Option("--files", help="Read every work, however many there are.")] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="First compute anew what is current of the works, as an event of the log.")
    ] = False,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Verify the whole registry and its files; exit with 1 if anything is wrong. Notes do not
    count.

    Works are read where they are at most 4 GiB together; --files reads all, --quick none.

    Examples:
        creditline doctor

        creditline doctor --quick --json
    """
    from datetime import UTC, datetime

    from registry.doctor import Severity, examine
    from registry.doctor import repair as repair_current
    from registry.storage.database import Registry

    if quick and files:
        raise UsageError("--quick reads no files and --files reads all of them: use one of the two")
    registry = Registry.open(home_at(home))
    if repair:
        narrate(f"{repair_current(registry, datetime.now(UTC)):,} works had another current state than their rows say")
    with progress_bars() as progress:
        tasks: dict[str, Any] = {}

        def advance(check: str, done: int, total: int) -> None:
            if check not in tasks:
                tasks[check] = progress.add_task(check, total=total)
            progress.update(tasks[check], completed=done, total=total)

        found = examine(registry, read_works=True if files else None, quick=quick, on_progress=advance)
    if as_json:
        facts = {"healthy": not found.wrong, "checked": found.checked, "skipped": found.skipped}
        findings = [asdict(finding) for finding in found.findings]
        print_json("doctor", {**facts, "findings": findings, "unlisted_findings": dict(found.unlisted)})
    else:
        columns = ("how bad", "check", "where", "what", "repair")
        if found.findings:
            rows = [(each.severity, each.check, each.where, each.what, each.repair) for each in found.findings]
            print_table(columns, rows)
        for name, reason in found.skipped.items():
            narrate(f"not checked: {name} ({reason})")
        looked = ", ".join(f"{number:,} {name}" for name, number in found.checked.items())
        notes = sum(1 for finding in found.findings if finding.severity is Severity.NOTE)
        more = sum(found.unlisted.values())
        narrate(f"looked at {looked}: {len(found.wrong) + more:,} things are wrong, {notes} notes")
    if found.wrong:
        raise typer.Exit(1)


def _asked(connection: Any, works: list[str] | None, rightsholder: str | None) -> list[int]:  # noqa: ANN401 - DuckDB's
    from registry.withdrawals.record import WORKS_OF_RIGHTSHOLDER
    from registry.works.lookup import resolve_rightsholder, resolve_works

    if works:
        return resolve_works(connection, works)
    holder = resolve_rightsholder(connection, rightsholder or "")
    rows = connection.execute(WORKS_OF_RIGHTSHOLDER, {"rightsholder": holder}).fetchall()
    return sorted(int(number) for (number,) in rows)
