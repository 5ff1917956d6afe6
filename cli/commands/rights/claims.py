"""``creditline claims``: list claims, or show one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.commands.rights.claim import print_report
from cli.commands.works.duplicates import narrate_limits
from cli.opening import now, open_registry
from cli.options import HomeOption, JsonOption, LimitOption, OffsetOption
from cli.output import narrate_rest, plain_row, print_fields, print_json, print_table, rows_to_print
from registry.errors import UsageError
from registry.home import DEFAULT_HOME

if TYPE_CHECKING:
    from registry.claims.read import ClaimFacts


def claims(
    claim_id: Annotated[int | None, typer.Argument(metavar="CLAIM", min=0, help="Show the claim with this id.")] = None,
    state: Annotated[
        str | None, typer.Option("--state", metavar="STATE", help="Only claims that are open, accepted or refused.")
    ] = None,
    rightsholder: Annotated[
        str | None, typer.Option("--rightsholder", metavar="NAME", help="Only claims of this claimant: name or '#ID'.")
    ] = None,
    match_again: Annotated[
        bool,
        typer.Option("--match-again", help="Search for the images and hashes of CLAIM among the works of today."),
    ] = False,
    limit: LimitOption = None,
    offset: OffsetOption = 0,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """List claims, newest first, or show one with its works and decisions.

    Examples:
        creditline claims --state open
        creditline claims 3
        creditline claims 3 --match-again
    """
    from registry.claims.decisions import STATES
    from registry.claims.read import claim_facts, count_claims, list_claims
    from registry.claims.record import match_again as search_again
    from registry.works.lookup import resolve_rightsholder

    registry = open_registry(home)
    if match_again:
        if claim_id is None:
            raise UsageError("--match-again needs the id of a claim: `creditline claims 3 --match-again`")
        report = search_again(registry, claim_id, now())
        print_report(registry, "claim-matched", report, searched=True, as_json=as_json)
        return
    if claim_id is not None:
        with registry.connection() as connection:
            facts = claim_facts(connection, claim_id, limit=rows_to_print(limit, 0, as_json=as_json), offset=offset)
        _print_claim(facts, offset, as_json=as_json)
        return
    if state is not None and state not in STATES:
        raise UsageError(f"got --state {state!r}, expected one of {', '.join(STATES)}")
    with registry.connection() as connection:
        claimant = resolve_rightsholder(connection, rightsholder) if rightsholder is not None else None
        total = count_claims(connection, state=state, claimant_id=claimant)
        most = rows_to_print(limit, total, as_json=as_json)
        rows = list_claims(connection, state=state, claimant_id=claimant, limit=most, offset=offset)
    if as_json:
        print_json("claims", {"claims": [plain_row(row) for row in rows], "total": total, "offset": offset})
        return
    columns = ("claim_id", "state", "claimant", "works", "statement", "recorded_by", "recorded_at")
    print_table(("claim", *columns[1:]), [[row[name] for name in columns] for row in rows])
    narrate_rest(len(rows), total, offset, "claims")


def _print_claim(facts: ClaimFacts, offset: int, *, as_json: bool) -> None:
    if as_json:
        document = {
            **facts.to_json(),
            "claim": plain_row(facts.claim),
            "works": [plain_row(row) for row in facts.works],
            "decisions": [plain_row(row) for row in facts.decisions],
        }
        print_json("claim-facts", {**document, "offset": offset})
        return
    said = facts.claim
    hashed = f", SHA-256 {said['evidence_sha256']}" if said["evidence_sha256"] else ""
    print_fields(
        [
            (f"claim {said['claim_id']}", f"{said['state']}: {said['claimant']} (#{said['claimant_id']})"),
            ("statement", said["statement"]),
            *([("evidence", f"{said['evidence']}{hashed}")] if said["evidence"] is not None else []),
            ("recorded", f"{said['recorded_at']:%Y-%m-%d %H:%M} by {said['recorded_by']}"),
            *(
                (row["state"], f"{row['recorded_at']:%Y-%m-%d %H:%M} by {row['recorded_by']}: {row['reason']}")
                for row in facts.decisions
            ),
            *(
                ("image", f"{each['name']}, SHA-256 {each['sha256']}: {each['not_comparable'] or 'compared'}")
                for each in facts.images
            ),
        ]
    )
    columns = ("asset_id", "path", "rightsholder", "permission", "matched_by", "distance")
    rows = [[*(row[name] for name in columns), facts.other_claims.get(row["asset_id"], [])] for row in facts.works]
    print_table(("work", *columns[1:], "other claims"), rows)
    narrate_rest(len(facts.works), facts.works_total, offset, "works")
    if facts.works_not_compared is not None:
        narrate_limits(facts.works_not_compared, facts.limits)
