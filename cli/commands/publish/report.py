"""``creditline report``: report on outputs and data sets, and check a document."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.commands.publish.written import FolderOption, folder_for, narrate_unrecorded, show_written
from cli.groups import with_default
from cli.opening import now, open_registry
from cli.options import HomeOption, JsonOption
from cli.output import echo, narrate, plural, print_json, progress_bars
from registry.errors import IntegrityError, NotFoundError, UsageError
from registry.home import DEFAULT_HOME

report = typer.Typer(
    cls=with_default("outputs"),
    help="""Write reports on outputs and data sets, and check whether a document was altered.

    `creditline report SAMPLE` is short for `creditline report outputs SAMPLE`.

    Examples:
        creditline report --all
        creditline report verify reports/3f2a9c01b7d4.html
    """,
)


@report.command("outputs")
def outputs(
    samples: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SAMPLE",
            help="Samples, audited images or audits: ids or their first digits.",
            show_default=False,
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Report the newest audit of every output.")] = False,
    out: FolderOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Write a report on each output: a page, the same as JSON, a table of candidates, and an index.

    Prints the path of the index. A page needs no network, and shows the newest audit of its output.

    Examples:
        creditline report --all --out reports
        creditline report 3f2a9c01b7d4
    """
    from reports.issuing.issue import record_issue
    from reports.outputs.selection import named_audits, newest_audits, unaudited_samples
    from reports.outputs.write import write_reports

    if bool(samples) == every:
        given = "both" if every else "neither"
        raise UsageError(f"got {given} of SAMPLE and --all, expected one of them: `creditline report --all`")
    registry = open_registry(home)
    folder = folder_for(registry, out)
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
            folder,
            now=now(),
            unaudited=unaudited,
            done=lambda _: progress.advance(task),
        )
        if registry.writable:
            record_issue(registry, written.issued, now())
    narrate_unrecorded(registry)
    if as_json:
        values = {name: value for name, value in written.values.items() if name not in ("creditline", "version")}
        print_json("report", {"index": str(written.index), **values})
    else:
        typer.echo(str(written.index))
    for gap in written.facts.gaps:
        narrate(f"gap: {gap.output_id}: {gap.reason}")
    if unaudited:
        narrate(f"not audited, so without a report: {plural(len(unaudited), 'sample')}; run `creditline audit --all`")
    if written.damaged:
        raise IntegrityError(
            f"the files of {len(written.damaged)} of {len(audits)} outputs are not as registered "
            f"({', '.join(written.damaged[:4])}); the reports say what is missing; restore the files, or audit again"
        )


@report.command("data-set")
def data_set(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the data set.", show_default=False)],
    out: FolderOption = None,
    parquet: Annotated[bool, typer.Option("--parquet", help="Write the tables as Parquet instead of CSV.")] = False,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Write a report on a data set: a page, the same as JSON, and tables.

    It covers rightsholders, licences, contradictions, and opt-outs since training. Prints the path
    of the page.

    Examples:
        creditline report data-set works --out review
        creditline report data-set laion-part --parquet --json
    """
    from reports.data_sets.document import DATA_SET

    registry = open_registry(home)
    form = "parquet" if parquet else "csv"
    written = DATA_SET.write(registry, name, folder_for(registry, out), now(), form=form)
    narrate_unrecorded(registry)
    show_written("data-set-report", {"data_set": name}, written, written.facts, as_json)


@report.command("verify")
def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A report, statement, export or table.")],
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Check whether a document was altered, and whether the registry still says the same.

    Exits with 1 if the document was altered, is of another registry, or is not on record.

    Examples:
        creditline report verify reports/3f2a9c01b7d4.html
    """
    from reports.checking.document_check import MEANING, check_document

    found = check_document(open_registry(home), file)
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
                "signature": found.signature.state,
                "key_id": found.signature.key_id,
                "stamp": stamp.model_dump(mode="json") if stamp else None,
            },
        )
    else:
        echo(f"{found.state}: {MEANING[found.state]}")
        echo(found.signature.sentence())
        if issued is None and found.reason != MEANING[found.state]:
            echo(found.reason)
        if issued is not None:
            echo(f"{issued.kind}, issued as {issued.name}: event {found.event:,} of the log")
            echo(_FACTS[found.facts] + (f": {found.reason}" if found.reason else ""))
            if found.later is not None:
                echo(f"superseded by {found.later[1].name}: event {found.later[0]:,} of the log")
            if stamp is not None and not found.stamp_fits:
                echo("its stamp contradicts the log: do not rely on the stamp")
        if found.events_since is not None:
            kinds = ", ".join(f"{amount:,} {kind}" for kind, amount in found.events_since.items())
            echo(f"events in the log since then, other than issued documents: {kinds or 'none'}")
    if not found.whole:
        raise typer.Exit(1)


_FACTS = {
    "same": "the registry says the same today",
    "changed": "the registry says something else today",
    "not compared": "the document was not compared with the registry of today",
}
