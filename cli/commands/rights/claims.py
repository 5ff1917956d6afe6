"""``creditline claim``, ``claims`` and ``decide``: who else says that it is theirs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.commands.works import duplicates
from cli.commands.works.duplicates import narrate_limits
from cli.common import (
    HomeOption,
    JsonOption,
    LimitOption,
    OffsetOption,
    RightsholderFilter,
    home_at,
    narrate,
    plain_row,
    print_json,
    print_table,
    printable,
    rows_to_print,
    say_what_is_left,
)
from registry.home import DEFAULT_HOME

if TYPE_CHECKING:
    from registry.claims.read import ClaimFacts
    from registry.claims.record import ClaimReport
    from registry.storage.database import Registry


def register_commands(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.command("claim")(claim)
    app.command("claims")(claims)
    app.command("decide")(decide)
    duplicates.register_commands(app)


def claim(
    claimant: Annotated[str, typer.Argument(help="Who asserts it: a name, which is new or not, or '#<number>'.")],
    statement: Annotated[str, typer.Option("--statement", metavar="TEXT", help="What is asserted.")],
    work: Annotated[
        list[str] | None,
        typer.Option("--work", metavar="WORK", help="Number, SHA-256 or '<data set>:<path>'; more than once."),
    ] = None,
    image: Annotated[
        list[Path] | None,
        typer.Option("--image", metavar="FILE", help="A picture to look for among all works; more than once."),
    ] = None,
    evidence: Annotated[
        str | None,
        typer.Option("--evidence", metavar="TEXT|FILE", help="What backs it. Of a file, name and SHA-256 are kept."),
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Record that somebody asserts to own works, named or shown; until it is decided they count at
    most as unclear.

    Examples:
        creditline claim "Ada Example" --work 17 --work photographs:alps/peak.jpg --statement "Taken
        by me in 2011"

        creditline claim "Ada Example" --image original.jpg --statement "My photograph" --evidence
        contract.pdf
    """
    from datetime import UTC, datetime

    from registry.claims.record import open_claim, read_evidence
    from registry.similarity.search import read_query_image
    from registry.storage.database import Registry

    registry = Registry.open(home_at(home))
    pictures = [read_query_image(path) for path in image or []]
    backed = None if evidence is None else read_evidence(evidence)
    for picture in pictures:
        if picture.not_comparable is not None:
            narrate(printable(f"{picture.name}: looked for by its bytes alone: {picture.not_comparable}"))
    if backed is not None:
        kept = "its name and SHA-256 are recorded, keep the file yourself" if backed.sha256 else "recorded as a text"
        narrate(f"evidence: {kept}")
    report = open_claim(
        registry, claimant, statement, now=datetime.now(UTC), works=work or [], images=pictures, evidence=backed
    )
    _print_report(registry, "claim", report, pictures=bool(pictures), as_json=as_json)


def claims(
    number: Annotated[
        int | None, typer.Argument(metavar="[CLAIM]", min=0, help="One claim, with all about it.")
    ] = None,
    state: Annotated[str | None, typer.Option("--state", help="open, accepted or refused.")] = None,
    rightsholder: RightsholderFilter = None,
    match_again: Annotated[
        bool, typer.Option("--match-again", help="Look for CLAIM's pictures and hashes among what is registered now.")
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
    from datetime import UTC, datetime

    from registry.claims.decisions import STATES
    from registry.claims.read import claim_facts, count_claims, list_claims
    from registry.claims.record import match_again as look_again
    from registry.errors import UsageError
    from registry.storage.database import Registry
    from registry.works.lookup import resolve_rightsholder

    registry = Registry.open(home_at(home))
    if match_again:
        if number is None:
            raise UsageError("--match-again needs a claim: `creditline claims 3 --match-again`")
        report = look_again(registry, number, datetime.now(UTC))
        _print_report(registry, "claim-matched", report, pictures=True, as_json=as_json)
        return
    if number is not None:
        with registry.connection() as connection:
            facts = claim_facts(connection, number, limit=rows_to_print(limit, 0, as_json=as_json), offset=offset)
        _print_claim(facts, offset, as_json=as_json)
        return
    if state is not None and state not in STATES:
        raise UsageError(f"got the state {state!r}, expected one of {', '.join(STATES)}")
    with registry.connection() as connection:
        claimant = resolve_rightsholder(connection, rightsholder) if rightsholder is not None else None
        total = count_claims(connection, state=state, claimant_id=claimant)
        wanted = rows_to_print(limit, total, as_json=as_json)
        rows = list_claims(connection, state=state, claimant_id=claimant, limit=wanted, offset=offset)
    if as_json:
        print_json("claims", {"claims": [plain_row(row) for row in rows], "total": total, "offset": offset})
        return
    columns = ("claim_id", "state", "claimant", "works", "statement", "recorded_by", "recorded_at")
    print_table(columns, [[row[name] for name in columns] for row in rows])
    say_what_is_left(len(rows), total, offset, "claims")


def decide(
    number: Annotated[int, typer.Argument(metavar="CLAIM", min=0, help="Its number.")],
    state: Annotated[str, typer.Argument(metavar="STATE", help="accepted, refused, or open again.")],
    reason: Annotated[str, typer.Option("--reason", help="Why.")],
    licence: Annotated[
        str | None,
        typer.Option("--licence", metavar="REF", help="Terms that the claimant grants; none are known otherwise."),
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Decide a claim. Accepted, its works are verified to be the claimant's; taken back, what was
    verified before counts.

    Examples:
        creditline decide 3 accepted --reason "contract 17" --licence LicenseRef-contract-17

        creditline decide 3 open --reason "the contract is disputed"
    """
    from datetime import UTC, datetime

    from registry.claims.decisions import decide_claim
    from registry.storage.database import Registry

    done = decide_claim(Registry.open(home_at(home)), number, state, reason, datetime.now(UTC), licence)
    if as_json:
        print_json("decision", done.to_json())
        return
    typer.echo(
        f"claim {done.claim_id}: {done.former_state} -> {done.state}; {done.works:,} works, of {done.rows:,} the owner was "
        f"recorded anew, {done.permissions_changed:,} permissions changed"
    )
    if done.also_claimed:
        narrate(f"{done.also_claimed:,} of these works are also claimed by another claim that is open or accepted")


def _print_report(registry: Registry, kind: str, report: ClaimReport, *, pictures: bool, as_json: bool) -> None:
    from registry.similarity.search import LIMITS, works_without_fingerprint
    from registry.works.queries import asset_rights_table

    with registry.connection() as connection:
        rights = {
            row["asset_id"]: row
            for row in asset_rights_table(connection, [match.asset_id for match in report.matches]).to_pylist()
        }
        not_compared = works_without_fingerprint(connection) if pictures else None
    if as_json:
        works = [plain_row({**rights[match.asset_id], **vars(match)}) for match in report.matches]
        facts: dict[str, Any] = {"works_not_compared": not_compared, "limits": LIMITS if pictures else ()}
        print_json(kind, {**report.to_json(), "matches": works, **facts})
        return
    typer.echo(
        f"claim {report.claim_id}: {len(report.matches):,} works, {report.permissions_changed:,} permissions changed"
    )
    if report.matches:
        columns = ("asset_id", "path", "rightsholder", "matched by", "distance", "picture")
        print_table(
            columns,
            [
                [
                    match.asset_id,
                    rights[match.asset_id]["path"] or rights[match.asset_id]["url"],
                    rights[match.asset_id]["rightsholder"],
                    match.matched_by,
                    match.distance,
                    match.image and match.image + (" (mirrored)" if match.mirrored else ""),
                ]
                for match in report.matches
            ],
        )
    for name in report.unmatched:
        narrate(
            printable(f"{name}: no work was found; `creditline claims {report.claim_id} --match-again` looks once more")
        )
    if not_compared is not None:
        narrate_limits(not_compared, LIMITS)


def _print_claim(facts: ClaimFacts, offset: int, *, as_json: bool) -> None:
    if as_json:
        document = facts.to_json()
        document["claim"] = plain_row(facts.claim)
        document["works"] = [plain_row(row) for row in facts.works]
        document["decisions"] = [plain_row(row) for row in facts.decisions]
        print_json("claim-facts", {**document, "offset": offset})
        return
    said = facts.claim
    typer.echo(printable(f"claim {said['claim_id']}, {said['state']}: {said['claimant']} (#{said['claimant_id']})"))
    typer.echo(printable(f"statement  {said['statement']}"))
    if said["evidence"] is not None:
        hashed = f", SHA-256 {said['evidence_sha256']}" if said["evidence_sha256"] else ""
        typer.echo(printable(f"evidence   {said['evidence']}{hashed}"))
    typer.echo(printable(f"recorded   {said['recorded_at']:%Y-%m-%d %H:%M} by {said['recorded_by']}"))
    for row in facts.decisions:
        typer.echo(
            printable(
                f"{row['state']:<9}  {row['recorded_at']:%Y-%m-%d %H:%M} by {row['recorded_by']}: {row['reason']}"
            )
        )
    for image in facts.images:
        reason = f": {image['not_comparable']}" if image["not_comparable"] else ""
        typer.echo(printable(f"picture    {image['name']}, SHA-256 {image['sha256']}{reason}"))
    columns = ("asset_id", "path", "rightsholder", "permission", "matched_by", "distance")
    print_table(
        (*columns, "other claims"),
        [
            [*(row[name] for name in columns), ", ".join(map(str, facts.other_claims.get(row["asset_id"], [])))]
            for row in facts.works
        ],
    )
    say_what_is_left(len(facts.works), facts.works_total, offset, "works")
    if facts.works_not_compared is not None:
        narrate_limits(facts.works_not_compared, facts.limits)
