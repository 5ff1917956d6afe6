"""The part of ``creditline register`` that is about lists of works."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import typer

from cli.common import narrate, print_json, print_table, printable, progress_bars, stated_on_the_command_line
from registry.errors import InputError, UsageError
from registry.ingest.bulk import ListReport, Refusal, register_list
from registry.ingest.bulk.registration import with_defaults
from registry.ingest.dry_run import ListDryRun, dry_run_of_list
from registry.ingest.lists import CANONICAL, Constant, ListSource, open_list
from registry.storage.database import Registry

_REASONS = 20
"""Reasons for refusals that are shown."""


@dataclass(frozen=True)
class ListWishes:
    """What the command line says about a list's columns."""

    preset: str | None
    mapping: Mapping[str, str]
    constants: Mapping[str, str]
    attributes: Sequence[str]

    @classmethod
    def parse(
        cls, preset: str | None, mapped: Sequence[str], constants: Sequence[str], attributes: Sequence[str]
    ) -> ListWishes:
        """Read ``--map`` and ``--set``.

        Raises:
            UsageError: one has no equals sign, or names a column of ours twice.
        """
        return cls(preset, _pairs("--map", mapped, "COLUMN"), _pairs("--set", constants, "VALUE"), tuple(attributes))

    @property
    def any(self) -> bool:
        """Whether anything was said."""
        return bool(self.preset or self.mapping or self.constants or self.attributes)


def _pairs(option: str, given: Sequence[str], what: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for each in given:
        name, equals, value = each.partition("=")
        name = name.strip()
        if not equals or not name or not value.strip():
            raise UsageError(f"got {option} {each!r}, expected NAME={what}, as in {option} rightsholder={what}")
        if name in pairs:
            raise UsageError(f"got {option} {name} twice, expected it once")
        pairs[name] = value
    return pairs


def register_a_list(
    registry: Registry,
    path: Path,
    wishes: ListWishes,
    *,
    data_set: str | None,
    rightsholder: str | None,
    licence: str | None,
    allow_unowned: bool,
    dry_run: bool,
    strict: bool,
    as_json: bool,
) -> None:
    """Register a list, or show what would be registered."""
    holder, reference = stated_on_the_command_line(rightsholder, licence)
    staging = registry.home.staging
    staging.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=staging, prefix="list-") as folder:
        source = open_list(
            path,
            preset=wishes.preset,
            mapping=wishes.mapping,
            constants=wishes.constants,
            attributes=wishes.attributes,
            staging=Path(folder),
        )
        if not as_json:
            _narrate_mapping(with_defaults(source, holder, reference))
        with progress_bars() as bars:
            task = bars.add_task("rows", total=source.rows)

            def register(into: Registry, on_rows: Callable[[pa.Table], object] = lambda _rows: None) -> ListReport:
                return register_list(
                    into,
                    source,
                    root=path,
                    now=datetime.now(UTC),
                    data_set=data_set,
                    rightsholder=holder,
                    licence=reference,
                    allow_unowned=allow_unowned,
                    on_progress=lambda done, total: bars.update(task, completed=done, total=total),
                    on_rows=on_rows,
                )

            tried = dry_run_of_list(registry, register) if dry_run else None
            report = tried.report if tried else register(registry)
    if tried:
        _show(path, source, tried, as_json=as_json)
        return
    _finish(path, report, strict=strict, as_json=as_json)


def _finish(path: Path, report: ListReport, *, strict: bool, as_json: bool) -> None:
    if as_json:
        print_json("register list", report.to_json())
    else:
        _narrate_refusals(report.refusals)
        _narrate_conflicts(report)
        _print_report(report)
    if not report.rows:
        raise InputError(f"{path} has columns but no row: there is nothing to register; see how the list was written")
    if not report.works:
        raise InputError(
            f"no work of {path} could be registered: {_rows(report.rows)} read, {report.refused:,} refused; correct "
            "the list, or map its columns with --map (see --dry-run)"
        )
    if strict and (report.refused or report.repeated or report.conflicts):
        raise typer.Exit(1)


def _rows(number: int) -> str:
    return "1 row" if number == 1 else f"{number:,} rows"


def _print_report(report: ListReport) -> None:
    are = "row is a registered work" if report.rows == 1 else "rows are registered works"
    typer.echo(printable(f"data set {report.data_set}: {report.works:,} of {report.rows:,} {are}"))
    _print_numbers(report)
    if report.changed_nothing:
        typer.echo("everything was registered before: nothing was changed")


def _print_numbers(report: ListReport) -> None:
    for name, number in (
        ("registered", report.registered),
        ("unchanged", report.unchanged),
        ("declarations recorded", report.declarations),
        ("newer declarations recorded", report.declarations_changed),
        ("conflicts with what was declared before", report.conflicts),
        ("rows that name a work again", report.repeated),
        ("refused", report.refused),
    ):
        if number:
            typer.echo(f"{number:>10,}  {name}")


def _narrate_refusals(refusals: Sequence[Refusal]) -> None:
    for refusal in refusals[:_REASONS]:
        more = ", …" if refusal.rows > len(refusal.first) else ""
        narrate(printable(f"refused: {_rows(refusal.rows)}: {refusal.reason} ({'; '.join(refusal.places)}{more})"))
    if rest := sum(refusal.rows for refusal in refusals[_REASONS:]):
        narrate(f"refused: {_rows(rest)} for {len(refusals) - _REASONS:,} further reasons (--json lists them)")


def _narrate_conflicts(report: ListReport) -> None:
    for finding in report.findings:
        narrate(printable(f"{finding.kind}: {finding.path}: {finding.reason}"))
    if rest := report.conflicts - len(report.findings):
        narrate(f"conflict: {_rows(rest)} more {'contradicts' if rest == 1 else 'contradict'} what was declared before")


def _narrate_mapping(source: ListSource) -> None:
    pairs = ", ".join(f"{ours} = {_shown(theirs)}" for ours, theirs in source.mapping.items())
    narrate(printable(f"layout {source.preset}: {pairs}"))
    if source.not_taken:
        narrate(printable(f"not taken: {', '.join(source.not_taken[:40])} (keep one with --attribute)"))
    for name, value in source.defaults.items():
        narrate(printable(f"where {name} is not stated: {value}"))


def _shown(value: str | Constant) -> str:
    return f"the value {value.value!r}" if isinstance(value, Constant) else value


def _show(path: Path, source: ListSource, tried: ListDryRun, *, as_json: bool) -> None:
    """The dry run."""
    report = tried.report
    if as_json:
        print_json("register list dry run", _document(path, source, tried))
        return
    names = [name for name in CANONICAL if any(row[name] is not None for row in tried.first)]
    if tried.first:
        print_table([*names, "row_number"], [[row[name] for name in (*names, "row_number")] for row in tried.first])
    _narrate_refusals(report.refusals)
    _narrate_conflicts(report)
    typer.echo(
        f"{_rows(source.rows)}; of the first {report.rows:,}, {report.refused:,} would be refused; nothing was changed"
    )
    _print_numbers(report)


def _document(path: Path, source: ListSource, tried: ListDryRun) -> dict[str, Any]:
    report = tried.report
    return {
        "source": str(path),
        "preset": source.preset,
        "mapping": {
            ours: {"value": theirs.value} if isinstance(theirs, Constant) else {"column": theirs}
            for ours, theirs in source.mapping.items()
        },
        "not_taken": list(source.not_taken),
        "rows": source.rows,
        "first": [dict(row) for row in tried.first],
        "looked_at": report.rows,
        "refusals": [asdict(refusal) for refusal in report.refusals],
        "registered": report.registered,
        "unchanged": report.unchanged,
        "repeated": report.repeated,
        "declarations_changed": report.declarations_changed,
        "conflicts": report.conflicts,
        "findings": [asdict(finding) for finding in report.findings],
    }
