"""``creditline doctor``: check the registry and its files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.opening import now, open_registry
from cli.options import HomeOption, JsonOption
from cli.output import narrate, plural, print_json, print_table, progress_bars
from registry.errors import UsageError
from registry.home import DEFAULT_HOME

if TYPE_CHECKING:
    from rich.progress import TaskID


def doctor(
    quick: Annotated[bool, typer.Option("--quick", help="Read only the registry, no files.")] = False,
    files: Annotated[bool, typer.Option("--files", help="Read the files of all works, however many.")] = False,
    repair: Annotated[
        bool,
        typer.Option("--repair", help="First compute the derived columns of all works again, as an event of the log."),
    ] = False,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Check the whole registry and its files.

    Exits with 1 if anything is wrong. By default, doctor reads the files of works if they have at
    most 4 GiB together. Notes are listed but are not errors.

    Examples:
        creditline doctor
        creditline doctor --quick --json
    """
    from dataclasses import asdict

    from registry.doctor import Severity, examine
    from registry.doctor import repair as repair_current

    if quick and files:
        raise UsageError("expected --quick or --files, not both: --quick reads no files, --files reads all of them")
    registry = open_registry(home)
    if repair:
        narrate(f"corrected the derived columns of {plural(repair_current(registry, now()), 'work')}")
    with progress_bars() as progress:
        tasks: dict[str, TaskID] = {}

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
        if found.findings:
            rows = [(each.severity, each.check, each.where, each.what, each.repair) for each in found.findings]
            print_table(("severity", "check", "where", "finding", "repair"), rows)
        for name, reason in found.skipped.items():
            narrate(f"not checked: {name} ({reason})")
        checked = ", ".join(f"{number:,} {name}" for name, number in found.checked.items())
        notes = sum(1 for finding in found.findings if finding.severity is Severity.NOTE)
        wrong = len(found.wrong) + sum(found.unlisted.values())
        narrate(f"checked {checked}: {plural(wrong, 'error')}, {plural(notes, 'note')}")
    if found.wrong:
        raise typer.Exit(1)
