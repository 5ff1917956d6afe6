"""``creditline report``: pages, a table and documents of what the audits found."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from cli.common import HomeOption, JsonOption, home_at, narrate, print_json, printable, progress_bars
from registry.errors import IntegrityError, NotFoundError, UsageError
from registry.home import DEFAULT_HOME


class ReportGroup(TyperGroup):
    """``report OUTPUT`` is short for ``report outputs OUTPUT``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - typer's own class of contexts is private
        if not args or args[0] not in (*self.commands, *ctx.help_option_names):
            args = ["outputs", *args]
        return super().parse_args(ctx, args)


group = typer.Typer(
    cls=ReportGroup,
    help="Render reports of outputs (`report ID`, `--all`) and data sets, and tell whether one was altered.",
)


def register_commands(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.add_typer(group, name="report")


@group.command("outputs")
def outputs(
    samples: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SAMPLE]...",
            help="Ids (or their first digits) of samples, audited images or audits.",
            show_default=False,
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="The newest audit of every output.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for the pages.", show_default="reports/ in the home")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Render reports: one page and one JSON per output, one CSV row per candidate, and an index.

    Prints the path of the index. A page needs no network and shows the newest audit of its output.
    """
    from registry.storage.database import Registry
    from reports.issuing.issue import record_issue
    from reports.outputs.selection import named_audits, newest_audits, unaudited_samples
    from reports.outputs.write import write_reports

    if bool(samples) == every:
        given = "both" if every else "neither"
        raise UsageError(
            f"got {given} of SAMPLE and --all, expected one of them; `creditline report --all` reports every output"
        )
    registry = Registry.open(home_at(home))
    with registry.session() as session:
        audits = newest_audits(session) if every else named_audits(session, samples or [])
        unaudited = unaudited_samples(session) if every else []
    if not audits:
        raise NotFoundError("the registry holds no audit yet; run `creditline audit --all` first")
    with progress_bars() as progress:
        task = progress.add_task("reports", total=len(audits))
        written = write_reports(
            registry,
            audits,
            out or registry.home.reports,
            now=datetime.datetime.now(datetime.UTC),
            unaudited=unaudited,
            done=lambda _: progress.advance(task),
        )
        record_issue(registry, written.issued, datetime.datetime.now(datetime.UTC))
    if as_json:
        print_json(
            "report",
            {
                "index": str(written.index),
                **{name: value for name, value in written.values.items() if name not in ("creditline", "version")},
            },
        )
    else:
        typer.echo(str(written.index))
    for gap in written.facts.gaps:
        narrate(f"gap: {gap.output_id}: {gap.reason}")
    if unaudited:
        narrate(f"{len(unaudited)} samples have no audit and no report; run `creditline audit --all`")
    if written.damaged:
        raise IntegrityError(
            f"{len(written.damaged)} of {len(audits)} outputs rest on files that are not what the registry recorded "
            f"({', '.join(written.damaged[:4])}); the reports say what is missing; restore the files, or audit again"
        )


@group.command("verify")
def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A report, a statement, an export or a table.")],
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Tell whether a document is as it was given out, and whether the registry would still say the
    same.

    Exits 1 if it was altered, was made from another registry, or is not on record.

        creditline report verify reports/3f2a9c01b7d4.html
    """
    from registry.storage.database import Registry
    from reports.checking.document_check import MEANING, check_document

    found = check_document(Registry.open(home_at(home)), file)
    stamp, issued = found.stamp, found.issued
    if as_json:
        print_json(
            "verified-document",
            {
                "file": str(file),
                "sha256": found.sha256,
                "state": found.state,
                "meaning": MEANING[found.state],
                "kind": issued.kind if issued else stamp.kind if stamp else None,
                "subject": issued.subject if issued else stamp.subject if stamp else None,
                "event": found.event,
                "events_since": found.events_since,
                "superseded_by": {"name": found.later[1].name, "event": found.later[0]} if found.later else None,
                "facts": found.facts,
                "reason": found.reason,
                "stamp_fits": found.stamp_fits,
                "stamp": stamp.model_dump(mode="json") if stamp else None,
            },
        )
    else:
        typer.echo(f"{found.state}: {MEANING[found.state]}")
        if issued is None and found.reason != MEANING[found.state]:
            typer.echo(printable(found.reason))
        if issued is not None:
            typer.echo(f"{issued.kind}, given out as {printable(issued.name)}: event {found.event:,} of the log")
            typer.echo(_SINCE[found.facts] + (f": {printable(found.reason)}" if found.reason else ""))
            if found.later is not None:
                typer.echo(f"superseded by {printable(found.later[1].name)}: event {found.later[0]:,} of the log")
            if stamp is not None and not found.stamp_fits:
                typer.echo("its stamp says something else than the log: do not rely on the stamp")
        if found.events_since is not None:
            kinds = ", ".join(f"{amount:,} {kind}" for kind, amount in found.events_since.items())
            typer.echo(f"events in the log since it was made, beside documents issued: {printable(kinds) or 'none'}")
    if not found.whole:
        raise typer.Exit(1)


_SINCE = {
    "same": "the registry says the same today",
    "changed": "the registry says something else today",
    "not compared": "what the registry says today was not compared",
}
