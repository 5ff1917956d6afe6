"""``creditline decide``: accept, refuse or reopen a claim."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.opening import now, open_registry
from cli.options import HomeOption, JsonOption
from cli.output import echo, narrate, plural, print_json
from registry.home import DEFAULT_HOME


def decide(
    claim_id: Annotated[int, typer.Argument(metavar="CLAIM", min=0, help="Id of the claim.")],
    state: Annotated[str, typer.Argument(metavar="STATE", help="accepted, refused or open.")],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Reason for the decision.")],
    licence: Annotated[
        str | None,
        typer.Option(
            "--licence", metavar="LICENCE", help="Licence that the claimant grants.", show_default="none is known"
        ),
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Accept, refuse or reopen a claim.

    If a claim is accepted, its works are recorded as verified to be the claimant's. If an accepted
    claim is refused or reopened, the verified rights from before it are restored.

    Examples:
        creditline decide 3 accepted --reason "contract 17" --licence LicenseRef-contract-17
        creditline decide 3 open --reason "the contract is disputed"
    """
    from registry.claims.decisions import decide_claim

    done = decide_claim(open_registry(home), claim_id, state, reason, now(), licence)
    if as_json:
        print_json("decision", done.to_json())
        return
    echo(
        f"claim {done.claim_id}: {done.former_state} -> {done.state}; {plural(done.works, 'work')}, verified rights recorded "
        f"for {done.rows:,}, {plural(done.permissions_changed, 'permission')} changed"
    )
    if done.also_claimed:
        narrate(f"another open or accepted claim is about {done.also_claimed:,} of these works")
