"""``creditline review``: decide whether models may train on works."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.opening import now, open_registry
from cli.options import HomeOption, JsonOption, WorksArgument, WorksOfRightsholderOption
from cli.output import echo, narrate, plural, print_json
from registry.errors import NotFoundError, UsageError
from registry.home import DEFAULT_HOME

if TYPE_CHECKING:
    import duckdb


def review(
    permission: Annotated[
        str,
        typer.Option(
            "--permission", metavar="PERMISSION", help="permitted, constrained or prohibited; none: revoke a review."
        ),
    ],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Reason for the decision.")],
    works: WorksArgument = None,
    rightsholder: WorksOfRightsholderOption = None,
    licence: Annotated[
        str | None, typer.Option("--licence", metavar="LICENCE", help="All works under this licence.")
    ] = None,
    data_set: Annotated[
        str | None, typer.Option("--data-set", "--source", metavar="NAME", help="All works of this data set.")
    ] = None,
    condition: Annotated[
        str | None, typer.Option("--condition", metavar="TEXT", help="Condition of a constrained use.")
    ] = None,
    evidence: Annotated[
        str | None, typer.Option("--evidence", metavar="TEXT", help="Evidence, such as a contract number.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Decide whether models may train on works.

    A review of a work decides for that work. A review of a rightsholder, licence or data set also
    covers works that are registered later; it overrides declarations and rights signals, and the
    strictest of several such reviews counts. A withdrawal overrides every review.

    Examples:
        creditline review 17 --permission permitted --reason "own work" --evidence "contract 12"
        creditline review --licence CC-BY-NC-4.0 --permission prohibited --reason "commercial"
        creditline review --rightsholder "Ada Example" --permission none --reason "contract ended"
    """
    from dataclasses import asdict

    from registry.permissions.reviews import DECISIONS, record_review

    decisions = {str(each): each for each in DECISIONS}
    if permission not in {*decisions, "none"}:
        raise UsageError(f"got --permission {permission!r}, expected one of {', '.join(decisions)}, none")
    decided = decisions.get(permission)
    registry = open_registry(home)
    with registry.connection() as connection:
        scope, subjects = _subjects(connection, works, rightsholder, licence, data_set)
    report = record_review(
        registry, scope, subjects, decided, reason, condition=condition, evidence=evidence, now=now()
    )
    if as_json:
        print_json("review", {"scope": scope, "permission": decided, **asdict(report)})
    else:
        echo(f"{plural(report.reviews, 'review')} recorded, about {plural(report.works, 'work')}")
        narrate(f"the permission of {plural(report.permissions_changed, 'work')} changed; see `creditline rights`")


def _subjects(
    connection: duckdb.DuckDBPyConnection,
    works: list[str] | None,
    rightsholder: str | None,
    licence: str | None,
    data_set: str | None,
) -> tuple[str, list[int]]:
    """The scope of a review, and the ids of its subjects."""
    from registry.works.lookup import resolve_rightsholder, resolve_works

    if sum(bool(each) for each in (works, rightsholder, licence, data_set)) != 1:
        raise UsageError("expected exactly one of WORK, --rightsholder, --licence and --data-set")
    if works:
        return "asset", resolve_works(connection, works)
    if rightsholder:
        return "rightsholder", [resolve_rightsholder(connection, rightsholder)]
    if licence:
        # References with one SPDX expression are one licence, so any reference will do.
        query, scope, name = "SELECT min(id) FROM licence WHERE reference = ? OR spdx = ?", "licence", licence
    else:
        query, scope, name = "SELECT min(id) FROM data_set WHERE name = ?", "data set", data_set or ""
    found = connection.execute(query, [name] * query.count("?")).fetchall()[0][0]
    if found is None:
        raise NotFoundError(f"no {scope} {name!r}; `creditline {'licences' if licence else 'data-sets'}` lists them")
    return scope, [int(found)]
