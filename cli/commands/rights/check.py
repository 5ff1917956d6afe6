"""``creditline check``: the works of a model that must not be trained on."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.opening import open_registry
from cli.options import HomeOption, JsonOption
from cli.output import names_of, narrate, narrate_rest, place_of, plain_row, plural, print_json, print_table
from registry.errors import NotFoundError, UsageError
from registry.home import DEFAULT_HOME

if TYPE_CHECKING:
    import duckdb

    from registry.storage.database import Registry

LISTED = 50
"""Works to print; --json has all."""


def check(
    subject: Annotated[str, typer.Argument(metavar="ID", help="Encoding or ensemble: id or its first digits.")],
    strict: Annotated[
        bool, typer.Option("--strict", help="Also report works that are unclear or constrained.")
    ] = False,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """List the prohibited and withdrawn works of an encoding or ensemble.

    Exits with 1 if there are any.

    For an ensemble, only the newest generation of each member counts: once every member that saw a
    withdrawn work was retrained, the work is no longer listed.

    Examples:
        creditline check 3fa2b1c09d11
        creditline check 3fa2b1c09d11 --strict --json
    """
    from registry.members.training_check import trained_against
    from registry.permissions.reasons import all_grounds
    from registry.permissions.rule import FORBIDDEN, Permission

    registry = open_registry(home)
    encoding_id, ensemble_id = _subject(registry, subject)
    reported = set(Permission) - {Permission.PERMITTED} if strict else set(FORBIDDEN)
    with registry.connection() as connection:
        found = trained_against(connection, encoding_id, ensemble_id, [str(each) for each in reported])
        shown = found if as_json else found.slice(0, LISTED)
        ids = shown["asset_id"].to_pylist()
        grounds = all_grounds(connection, ids) if as_json else {}
        facts = _facts(connection, ids)
    works = [{**row, **facts[row["asset_id"]]} for row in shown.to_pylist()]
    named = f"ensemble {ensemble_id}" if ensemble_id else f"encoding {encoding_id}"
    kinds = "not permitted" if strict else "prohibited or withdrawn"
    narrate(
        f"{plural(found.num_rows, 'work') if found.num_rows else 'no works'} of {named} {_are(found.num_rows)} {kinds}"
    )
    if as_json:
        listed = [
            {**plain_row(work), "reasons": [plain_row(each) for each in grounds[work["asset_id"]]]} for work in works
        ]
        print_json("check", {"encoding": encoding_id, "ensemble": ensemble_id, "strict": strict, "works": listed})
    elif works:
        rows = [
            (
                work["asset_id"],
                place_of(work),
                names_of(work["rightsholders"]),
                work["permission"],
                ",".join(map(str, work["members"])),
                work["reason"],
            )
            for work in works
        ]
        print_table(("work", "place", "rightsholders", "permission", "members", "reason"), rows)
        narrate_rest(len(works), found.num_rows, 0, "works")
    if found.num_rows:
        raise typer.Exit(1)


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _facts(connection: duckdb.DuckDBPyConnection, ids: list[int]) -> dict[int, dict[str, Any]]:
    """The answer's columns of the works, by work id."""
    from registry.works.listings import described

    columns = (
        "asset_id",
        "data_set",
        "path",
        "url",
        "sha256",
        "title",
        "rightsholder",
        "rightsholders",
        "licence",
        "reason",
    )
    return {row["asset_id"]: {name: row[name] for name in columns} for row in described(connection, ids)}


def _subject(registry: Registry, reference: str) -> tuple[str, str | None]:
    """The ids of the encoding and, if the reference names one, of the ensemble."""
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
        raise NotFoundError(f"no encoding and no ensemble {reference!r}; `creditline status` lists them")
    if len(found) > 1:
        raise UsageError(f"an encoding and an ensemble have ids that start with {reference!r}; give more digits")
    return found[0]
