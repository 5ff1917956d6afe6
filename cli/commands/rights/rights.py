"""``creditline rights`` and ``check``: may we train on it, why, and which models have what they
must not.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.commands.rights import review
from cli.common import (
    HomeOption,
    JsonOption,
    LicenceFilter,
    LimitOption,
    OffsetOption,
    OutOption,
    PermissionFilter,
    RightsholderFilter,
    WorksArgument,
    home_at,
    names_of,
    narrate,
    plain_row,
    print_json,
    print_table,
    rows_to_print,
    say_what_is_left,
)
from registry.home import DEFAULT_HOME

if TYPE_CHECKING:
    import duckdb

    from registry.storage.database import Registry

LISTED = 50
"""Works that `check` prints; --json has all."""


def register_commands(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.command("rights")(list_rights)
    app.command("check")(check)
    review.register_commands(app)


def list_rights(
    works: WorksArgument = None,
    permission: PermissionFilter = None,
    rightsholder: RightsholderFilter = None,
    licence: LicenceFilter = None,
    source: Annotated[str | None, typer.Option("--source", metavar="DATASET", help="Only from this source.")] = None,
    why: Annotated[bool, typer.Option("--why", help="Show every reason in order, not only the deciding one.")] = False,
    limit: LimitOption = None,
    offset: OffsetOption = 0,
    out: OutOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Show which works may be trained on, and why.

    A work is permitted, unclear, constrained, prohibited or withdrawn. The reasons come in the
    order of the rule: 1 withdrawals, 2 decisions about the work, 3 decisions about its
    rightsholder, licence or source, 4 signals and licence terms, 5 open claims, 6 nothing on
    record. An asterisk marks those that decided.

    Examples:
        creditline rights --permission prohibited --limit 20

        creditline rights 17 harvest:deep/star.png

        creditline rights --source harvest --out permissions.csv
    """
    from registry.members.training_check import permission_counts, reasons_of, with_reasons
    from registry.storage.database import Registry
    from registry.works.listings import WorksFilter, works_named, works_reader
    from registry.works.listings import works as works_page

    chosen = WorksFilter(rightsholder=rightsholder, licence=licence, data_set=source, permission=permission)
    if works:
        _refuse_both(chosen != WorksFilter() or bool(out) or bool(offset))
    with Registry.open(home_at(home)).connection() as connection:
        if works:
            from registry.works.lookup import resolve_works

            rows = works_named(connection, resolve_works(connection, works))
            total, counts = len(rows), None
        else:
            counts = permission_counts(connection, chosen)
            if out is not None:
                from registry.export.files import check_suffix, write_listing

                check_suffix(out)
                listed = works_reader(connection, chosen, limit=limit, offset=offset)
                written = write_listing(with_reasons(connection, listed), out, documents=["attributes"])
                narrate(f"{written:,} works in {out}")
                return
            wanted = rows_to_print(limit, sum(counts.values()), as_json=as_json)
            page = works_page(connection, chosen, limit=wanted, offset=offset)
            rows, total = page.rows, page.total
        reasons = reasons_of(connection, [row["asset_id"] for row in rows])
    every = why or bool(works)
    if as_json:
        listed_rows = [
            {**plain_row(row), "reasons": [plain_row(each) for each in reasons[row["asset_id"]]]} for row in rows
        ]
        document: dict[str, Any] = {"works": listed_rows, "total": total, "offset": offset}
        print_json("rights", {**document, "counts": counts})
        return
    _print_reasons(rows, reasons, every=every)
    say_what_is_left(len(rows), total, offset, "works")
    if counts is not None:
        narrate(", ".join(f"{number:,} {name}" for name, number in counts.items()))


def _refuse_both(both: bool) -> None:
    from registry.errors import UsageError

    if both:
        raise UsageError("got works and options that choose works; name works, or choose them, not both")


def _print_reasons(rows: list[dict[str, Any]], reasons: dict[int, list[dict[str, Any]]], *, every: bool) -> None:
    table: list[list[object]] = []
    for row in rows:
        place = f"{row['data_set']}:{row['path']}" if row["path"] else row["url"]
        about = [row["asset_id"], place, names_of(row["rightsholders"]), row["permission"]]
        grounds = reasons[row["asset_id"]]
        if not every:
            table.append([*about, next((each["reason"] for each in grounds if each["decides"]), "")])
            continue
        for each in grounds:
            said = ", ".join(str(value) for value in (each["said_by"], _day(each["said_at"])) if value)
            table.append([*about, each["step"], each["verdict"] + " *" * each["decides"], each["reason"], said])
            about = [""] * len(about)
    columns = ("work", "place", "rightsholders", "permission")
    print_table((*columns, "step", "verdict", "reason", "said") if every else (*columns, "reason"), table)


def _day(moment: Any) -> str | None:  # noqa: ANN401 - a time or nothing
    return None if moment is None else moment.date().isoformat()


def check(
    subject: Annotated[str, typer.Argument(metavar="ENCODING|ENSEMBLE", help="Its id, or the start of it.")],
    strict: Annotated[
        bool, typer.Option("--strict", help="Works that are unclear or constrained are findings, too.")
    ] = False,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Exit 1, with the list, if an encoding or an ensemble has works that may not be trained on.

    Of an ensemble the newest generation of every member counts: a work that its members were
    trained without, after it was withdrawn, is no finding.

    Examples:
        creditline check 3fa2b1c09d11

        creditline check 3fa2b1c09d11 --strict --json
    """
    from registry.members.training_check import reasons_of, trained_against
    from registry.permissions.rule import FORBIDDEN, Permission
    from registry.storage.database import Registry

    registry = Registry.open(home_at(home))
    encoding_id, ensemble_id = _subject(registry, subject)
    wanted = set(Permission) - {Permission.PERMITTED} if strict else set(FORBIDDEN)
    with registry.connection() as connection:
        found = trained_against(connection, encoding_id, ensemble_id, [str(each) for each in wanted])
        shown = found if as_json else found.slice(0, LISTED)
        ids = shown["asset_id"].to_pylist()
        reasons = reasons_of(connection, ids)
        facts = _facts(connection, ids)
    works = [{**row, **facts[row["asset_id"]], "reasons": reasons[row["asset_id"]]} for row in shown.to_pylist()]
    if as_json:
        listed = [{**plain_row(work), "reasons": [plain_row(each) for each in work["reasons"]]} for work in works]
        print_json("check", {"encoding": encoding_id, "ensemble": ensemble_id, "strict": strict, "works": listed})
    elif works:
        rows = [_finding(work) for work in works]
        print_table(("work", "place", "rightsholders", "permission", "members", "reason"), rows)
        say_what_is_left(len(works), found.num_rows, 0, "works")
    what = f"ensemble {ensemble_id}" if ensemble_id else f"encoding {encoding_id}"
    kinds = "that are not permitted" if strict else "that may not be trained on"
    narrate(f"{found.num_rows:,} works of {what} {kinds}" if found.num_rows else f"no works of {what} {kinds}")
    if found.num_rows:
        raise typer.Exit(1)


def _finding(work: dict[str, Any]) -> list[object]:
    place = f"{work['data_set']}:{work['path']}" if work["path"] else work["url"]
    reason = next((each["reason"] for each in work["reasons"] if each["decides"]), "")
    members = ",".join(str(index) for index in work["members"])
    return [work["asset_id"], place, names_of(work["rightsholders"]), work["permission"], members, reason]


def _facts(connection: duckdb.DuckDBPyConnection, ids: list[int]) -> dict[int, dict[str, Any]]:
    """What a finding says of a work, by its id."""
    from registry.works.listings import works_named

    columns = ("asset_id", "data_set", "path", "url", "sha256", "title", "rightsholder", "rightsholders", "licence")
    return {row["asset_id"]: {name: row[name] for name in columns} for row in works_named(connection, ids)}


def _subject(registry: Registry, reference: str) -> tuple[str, str | None]:
    """Encoding and, if that is what is meant, ensemble."""
    from registry.errors import NotFoundError, UsageError
    from registry.storage.tables import Encoding, Ensemble
    from registry.works.queries import find_by_prefix

    found: list[tuple[str, str | None]] = []
    with registry.session() as session:
        with suppress(NotFoundError):
            found.append((find_by_prefix(session, Encoding, reference).id, None))
        with suppress(NotFoundError):
            ensemble = find_by_prefix(session, Ensemble, reference)
            found.append((ensemble.encoding_id, ensemble.id))
    if not found:
        raise NotFoundError(f"no encoding and no ensemble {reference!r}; `creditline status` says what there is")
    if len(found) > 1:
        raise UsageError(f"{reference!r} is the start of an encoding's id and of an ensemble's; give more digits")
    return found[0]
