"""``creditline shares``: a settlement table of the shares of outputs."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Annotated, cast

import typer

from cli.commands.publish.written import FolderOption, folder_for, narrate_unrecorded, show_written
from cli.opening import now, open_registry
from cli.options import HomeOption, JsonOption
from registry.errors import UsageError
from registry.home import DEFAULT_HOME

if TYPE_CHECKING:
    from registry.outputs.shares import By

WAYS = ("rightsholder", "licence", "data-set")


def shares(
    period: Annotated[
        str | None,
        typer.Option(
            "--period",
            metavar="FROM..TO",
            help="Days on which the outputs were generated, both included, in UTC; either may be left out.",
            show_default="all outputs",
        ),
    ] = None,
    by: Annotated[
        str, typer.Option("--by", metavar="|".join(WAYS), help="Sum up by rightsholder, licence or data set.")
    ] = "rightsholder",
    out: FolderOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Write a settlement table: the shares of all audited outputs, summed for accounting.

    Each output that an audit divided counts as 1; the unattributed part has a row of its own.
    Writes a page, the same as JSON, and all rows as CSV and Parquet. Prints the path of the page.

    Examples:
        creditline shares
        creditline shares --period 2026-01-01..2026-03-31 --out first-quarter
        creditline shares --by licence --period 2026-07-01.. --json
    """
    from reports.settlements.document import SETTLEMENT, Asked

    if by not in WAYS:
        raise UsageError(f"--by {by!r}: choose one of {', '.join(WAYS)}")
    first, last = _days(period)
    asked = Asked(cast("By", by), first, last)
    registry = open_registry(home)
    written = SETTLEMENT.write(registry, str(asked), folder_for(registry, out), now())
    narrate_unrecorded(registry)
    names = {"by": by, "period": period, "outputs": written.facts.outputs.model_dump()}
    show_written("shares", names, written, written.facts, as_json)


def _days(period: str | None) -> tuple[datetime.date | None, datetime.date | None]:
    """The first and the last day."""
    if period is None:
        return None, None
    first, dots, last = period.partition("..")
    try:
        days = [datetime.date.fromisoformat(day) if day else None for day in (first, last)]
    except ValueError:
        days = []
    if not dots or len(days) != 2 or days == [None, None]:
        raise UsageError(
            f"--period {period!r}: expected two days of the calendar, such as 2026-01-01..2026-03-31, or one of them"
        )
    since, until = days
    if since and until and since > until:
        raise UsageError(f"--period {period!r}: the first day is after the last")
    return since, until
