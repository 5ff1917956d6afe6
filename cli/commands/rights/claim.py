"""``creditline claim``: record a claim to own works."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.commands.works.duplicates import narrate_limits
from cli.opening import now, open_registry
from cli.options import HomeOption, JsonOption
from cli.output import echo, narrate, plain_row, plural, print_json, print_table
from registry.home import DEFAULT_HOME

if TYPE_CHECKING:
    from registry.claims.record import ClaimReport
    from registry.storage.database import Registry


def claim(
    claimant: Annotated[str, typer.Argument(metavar="CLAIMANT", help="Claimant: a new or existing name, or '#ID'.")],
    statement: Annotated[str, typer.Option("--statement", metavar="TEXT", help="The claim, in the claimant's words.")],
    work: Annotated[
        list[str] | None,
        typer.Option("--work", metavar="WORK", help="Claimed work: id, SHA-256 or DATA-SET:PATH; may be repeated."),
    ] = None,
    image: Annotated[
        list[Path] | None,
        typer.Option("--image", metavar="FILE", help="Image to search for among all works; may be repeated."),
    ] = None,
    evidence: Annotated[
        str | None,
        typer.Option("--evidence", metavar="TEXT|FILE", help="Evidence. Of a file, the name and SHA-256 are recorded."),
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Record a claim to own works. While it is open, works count as unclear instead of permitted.

    A review of the work itself outweighs the claim. The claimant names works, or gives images to
    search for among all works.

    Examples:
        creditline claim "Ada Example" --work 17 --statement "Taken by me in 2011"
        creditline claim "Ada Example" --image peak.jpg --statement "Mine" --evidence contract.pdf
    """
    from registry.claims.record import open_claim, read_evidence
    from registry.similarity.search import read_query_image

    registry = open_registry(home)
    images = [read_query_image(path) for path in image or []]
    given = None if evidence is None else read_evidence(evidence)
    for each in images:
        if each.not_comparable is not None:
            narrate(f"{each.name}: compared by SHA-256 only: {each.not_comparable}")
    if given is not None:
        kept = "its name and SHA-256 are recorded; keep the file yourself" if given.sha256 else "recorded as text"
        narrate(f"evidence: {kept}")
    report = open_claim(registry, claimant, statement, now=now(), works=work or [], images=images, evidence=given)
    print_report(registry, "claim", report, searched=bool(images), as_json=as_json)


def print_report(registry: Registry, kind: str, report: ClaimReport, *, searched: bool, as_json: bool) -> None:
    """Print the works that a claim matches; ``searched``: whether images were searched for."""
    from registry.similarity.search import LIMITS, works_without_fingerprint
    from registry.works.queries import asset_rights_table

    with registry.connection() as connection:
        ids = [match.asset_id for match in report.matches]
        rights = {row["asset_id"]: row for row in asset_rights_table(connection, ids).to_pylist()}
        not_compared = works_without_fingerprint(connection) if searched else None
    if as_json:
        works = [plain_row({**rights[match.asset_id], **vars(match)}) for match in report.matches]
        facts: dict[str, Any] = {"works_not_compared": not_compared, "limits": LIMITS if searched else ()}
        print_json(kind, {**report.to_json(), "matches": works, **facts})
        return
    matched, changed = plural(len(report.matches), "work"), plural(report.permissions_changed, "permission")
    echo(f"claim {report.claim_id}: {matched}, {changed} changed")
    if report.matches:
        rows = [
            (
                match.asset_id,
                rights[match.asset_id]["path"] or rights[match.asset_id]["url"],
                rights[match.asset_id]["rightsholder"],
                match.matched_by,
                match.distance,
                match.image and match.image + (" (mirrored)" if match.mirrored else ""),
            )
            for match in report.matches
        ]
        print_table(("work", "path", "rightsholder", "matched by", "distance", "image"), rows)
    for name in report.unmatched:
        narrate(f"{name}: no work was found; `creditline claims {report.claim_id} --match-again` searches again")
    if not_compared is not None:
        narrate_limits(not_compared, LIMITS)
