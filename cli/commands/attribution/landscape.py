"""``creditline landscape``: the influence of every unit on one output, as a plot or a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.common import (
    HomeOption,
    JsonOption,
    home_at,
    narrate,
    print_json,
    print_table,
    rows_to_print,
    say_what_is_left,
)
from registry.errors import UsageError
from registry.home import DEFAULT_HOME

if TYPE_CHECKING:
    from reports.outputs.facts import LandscapeKind, ReportFacts
    from reports.outputs.illustrations import Report

FORMATS = (".svg", ".csv", ".json")


def register_commands(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.command("landscape")(landscape)


def landscape(
    output: Annotated[
        str, typer.Argument(metavar="OUTPUT", help="Id, or its first digits, of an audit or of the sample it is of.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="A plot (.svg) or a table (.csv, .json).")
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            "--kind",
            metavar="exact|estimate|exact_lpips|estimate_lpips",
            help="Which influences to plot.",
            show_default="the first of these that was measured",
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Units to print, the most influential first.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """The influence of every unit on an output: exact if it was audited with --exact, estimated
    from the Jacobian else.

    Examples:
        creditline audit 3fa2b1c09d11 --exact

        creditline landscape 3fa2b1c09d11 --out landscape.svg
    """
    from registry.home import write_bytes_atomically
    from registry.storage.database import Registry
    from reports.outputs.landscapes import KINDS, landscape_csv, landscape_json, landscape_rows
    from reports.outputs.read import read_audit
    from reports.outputs.selection import named_audits

    if out is not None and out.suffix.lower() not in FORMATS:
        raise UsageError(f"{out} has a suffix that says no format: expected one of {', '.join(FORMATS)}")
    if kind is not None and kind not in KINDS:
        raise UsageError(f"no influences of kind {kind!r}: choose one of {', '.join(KINDS)}")
    registry = Registry.open(home_at(home))
    with registry.session() as session:
        report = read_audit(session, registry.home, named_audits(session, [output])[0])
        rows = landscape_rows(session, report.facts.ensemble.encoding_id, report.shown.influences)
    facts = _facts(report.facts)
    shown = _shown(report.facts, kind)
    if out is not None:
        suffix = out.suffix.lower()
        if suffix == ".svg":
            data = _plot(report, shown)
        else:
            data = landscape_csv(rows) if suffix == ".csv" else landscape_json({**facts, "units": rows})
        write_bytes_atomically(out, data)
        typer.echo(str(out))
        return
    if as_json:
        print_json("landscape", {**facts, "units": rows})
        return
    rows.sort(key=lambda row: -(row[shown] or 0.0))
    count = rows_to_print(limit, len(rows), as_json=False)
    print_table(("unit", "label", *KINDS), [_line(row, KINDS) for row in rows[:count]])
    say_what_is_left(count, len(rows), 0, "units")
    for name in KINDS:
        if "not_measured" in facts["kinds"][name]:
            narrate(f"{name}: not measured, {facts['kinds'][name]['not_measured']}")


def _shown(facts: ReportFacts, kind: str | None) -> LandscapeKind:
    from reports.facts import NotMeasured

    if kind is not None:
        return kind  # type: ignore[return-value]  # checked against the kinds
    measured = [name for name, found in facts.landscapes.items() if not isinstance(found, NotMeasured)]
    return measured[0] if measured else "exact"


def _plot(report: Report, kind: LandscapeKind) -> bytes:
    from reports.facts import NotMeasured
    from reports.outputs.landscapes import landscape_svg

    plot = landscape_svg(report, kind)
    if isinstance(plot, NotMeasured):
        raise UsageError(f"audit {report.facts.audit_id} has no influences of kind {kind} to plot: {plot.not_measured}")
    return plot


def _facts(facts: ReportFacts) -> dict[str, Any]:
    document = facts.model_dump(mode="json")
    kinds = {kind: document[f"influence_{kind}"] for kind in facts.landscapes}
    return {"audit": facts.audit_id, "output": facts.output.id, "kinds": kinds, "lpips": document["lpips"]}


def _line(row: dict[str, Any], kinds: tuple[LandscapeKind, ...]) -> tuple[object, ...]:
    values = (row[kind] for kind in kinds)
    return (row["unit"], row["label"], *("" if value is None else f"{value:.4g}" for value in values))
