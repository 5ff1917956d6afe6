"""``creditline landscape``: the influence of every unit on one output."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.opening import open_registry
from cli.options import AddressOption, EngineOption, HomeOption, JsonOption, WorkersOption
from cli.output import echo, narrate, narrate_rest, print_json, print_table, progress_bars, rows_to_print
from registry.errors import UsageError
from registry.home import DEFAULT_HOME

if TYPE_CHECKING:
    from attribution.engines.device import Device
    from registry.storage.database import Registry
    from reports.outputs.facts import LandscapeKind, ReportFacts
    from reports.outputs.illustrations import Report

FORMATS = (".svg", ".csv", ".json")
MOST_LARGEST = 1_000_000
"""Of :data:`attribution.audit.largest.MOST`, which is imported where units are searched."""

_LEGEND = {
    "exact": "Scaled Euclidean distance from the output to the output regenerated without the unit.",
    "estimate": "The same distance, estimated from the Jacobian.",
    "exact_lpips": "LPIPS from the output to the output regenerated without the unit.",
    "estimate_lpips": "The same LPIPS, from the output estimated with the Jacobian.",
}
_P_LEGEND = {
    "p": "Share of the codes that no unit has, with the unit's own, whose estimate is at least as large: no evidence of a source."
}


def landscape(
    output: Annotated[str, typer.Argument(metavar="OUTPUT", help="Audit or audited sample: id or its first digits.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write a plot (.svg) or a table (.csv, .json) to FILE.")
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            "--kind",
            metavar="KIND",
            help="Influence to sort by and plot: exact, estimate, exact_lpips or estimate_lpips.",
            show_default="the first that was measured",
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=1, help="Number of units to print, the most influential first.", show_default="50"),
    ] = None,
    largest: Annotated[
        int | None,
        typer.Option(
            "--largest",
            metavar="K",
            min=1,
            max=MOST_LARGEST,
            help="Estimate anew, and show only the K units with the largest influence, each with the share of codes "
            "without a unit that have one as large.",
        ),
    ] = None,
    workers: WorkersOption = None,
    engine: EngineOption = "local",
    address: AddressOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Show the influence of every unit on an output, as a table or a plot.

    Influences are exact after `creditline audit --exact`, otherwise estimated from the Jacobian.
    With `--largest K` only K units are looked up, out of any number; where that takes long, blocks
    of units are tasks of the engine.

    Examples:
        creditline landscape 3fa2b1c09d11
        creditline landscape 3fa2b1c09d11 --out landscape.svg
        creditline landscape 3fa2b1c09d11 --largest 10
    """
    from registry.home import write_bytes_atomically
    from reports.outputs.landscapes import KINDS, landscape_csv, landscape_json, landscape_rows
    from reports.outputs.read import read_audit
    from reports.outputs.selection import named_audits

    if out is not None and out.suffix.lower() not in FORMATS:
        raise UsageError(f"got --out {out}, expected a file that ends in one of {', '.join(FORMATS)}")
    if kind is not None and kind not in KINDS:
        raise UsageError(f"got --kind {kind!r}, expected one of {', '.join(KINDS)}")
    if largest is not None and (out is not None or kind is not None or limit is not None):
        raise UsageError("--largest shows estimates alone, without a file: leave out --out, --kind and --limit")
    if largest is None and (workers is not None or engine != "local" or address is not None):
        raise UsageError("--workers, --engine and --address are for --largest: the rest is read from the audit")
    registry = open_registry(home)
    if largest is not None:
        from attribution.engines.device import choose_device

        # Threads of this process need no copies of anything: they are the local engine here.
        here = engine == "local" and workers is None
        where = choose_device("cpu", workers, engine, address)
        _show_largest(registry, output, largest, None if here else where, as_json=as_json)
        return
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
        echo(out)
        return
    if as_json:
        print_json("landscape", {**facts, "units": rows})
        return
    rows.sort(key=lambda row: -(row[shown] or 0.0))
    count = rows_to_print(limit, len(rows), as_json=False)
    print_table(("unit", "label", *KINDS), [_line(row, KINDS) for row in rows[:count]], legend=_LEGEND)
    narrate_rest(count, len(rows), 0, "units")
    for name in KINDS:
        if "not_measured" in facts["kinds"][name]:
            narrate(f"{name}: not measured, {facts['kinds'][name]['not_measured']}")


def _show_largest(registry: Registry, output: str, k: int, where: Device | None, *, as_json: bool) -> None:
    from attribution.audit.largest import largest_influences
    from reports.outputs.landscapes import labels_of
    from reports.outputs.selection import named_audits

    with registry.session() as session:
        audit = named_audits(session, [output])[0]
    with progress_bars() as progress:
        bar = progress.add_task("units", total=None)
        found = largest_influences(
            registry, audit, k, where, lambda done, total: progress.update(bar, completed=done, total=total)
        )
    numbers = found.numbers.tolist()
    with registry.session() as session:
        labels = labels_of(session, audit.ensemble_id, numbers)
    p_values = [None] * len(numbers) if found.p_value is None else found.p_value.tolist()
    rows = [
        {"unit": number, "label": label, "estimate": influence, "p": p_value}
        for number, label, influence, p_value in zip(numbers, labels, found.influence.tolist(), p_values, strict=True)
    ]
    if as_json:
        facts = {
            "audit": audit.id,
            "output": audit.sample_id,
            "codes_compared": found.compared,
            "all": found.exhaustive,
        }
        print_json("largest_influences", {**facts, "units": rows})
        return
    lines = [
        (row["unit"], row["label"], f"{row['estimate']:.4g}", "" if row["p"] is None else f"{row['p']:.3g}")
        for row in rows
    ]
    print_table(("unit", "label", "estimate", "p"), lines, legend=_LEGEND | _P_LEGEND)
    drawn = "all" if found.exhaustive else "drawn from all"
    narrate(f"compared with {found.compared:,} codes that no unit has, {drawn}")


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
