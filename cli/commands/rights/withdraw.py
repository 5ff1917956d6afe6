"""``creditline withdraw``: withdraw works from training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.commands.ensembles.withdrawal_capacity import in_words
from cli.opening import now, open_registry, works_named_or_of
from cli.options import HomeOption, JsonOption, WorksArgument, WorksOfRightsholderOption
from cli.output import narrate, plural, print_json
from registry.home import DEFAULT_HOME

if TYPE_CHECKING:
    from registry.withdrawals.record import Impact


def withdraw(
    works: WorksArgument = None,
    rightsholder: WorksOfRightsholderOption = None,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Reason, and the person who asked.")] = "",
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Withdraw works: members trained on them go out of service. This cannot be undone.

    The withdrawal of a rightsholder also covers works that are registered later. The
    command prints which members of each ensemble remain in service.

    Examples:
        creditline withdraw 17 --reason "letter of 3 May"
        creditline withdraw --rightsholder "Ada Example" --reason "contract ended"
    """
    from registry.withdrawals.record import withdraw as record_withdrawal

    registry = open_registry(home)
    with registry.connection() as connection:
        asset_ids, holder = works_named_or_of(connection, works, rightsholder)
    report = record_withdrawal(registry, asset_ids=asset_ids, rightsholder_id=holder, reason=reason, now=now())
    if as_json:
        document = {
            "withdrawals": list(report.withdrawal_ids),
            "works": list(report.works),
            "newly_withdrawn": list(report.newly_withdrawn),
            "models": [impact.to_json() for impact in report.impacts],
        }
        print_json("withdraw", document)
        return
    for withdrawal_id in report.withdrawal_ids:
        typer.echo(str(withdrawal_id))
    if report.withdrawal_ids:
        ids = ", ".join(map(str, report.withdrawal_ids[:10])) + (", …" if len(report.withdrawal_ids) > 10 else "")
        narrate(f"withdrawal {ids}: {plural(len(report.newly_withdrawn), 'work')} withdrawn")
    else:
        narrate("already withdrawn; nothing was changed")
    for impact in report.impacts:
        _narrate_impact(impact)


def _narrate_impact(impact: Impact) -> None:
    works = plural(impact.works, "withdrawn work")
    if impact.ensemble_id is None:
        narrate(f"encoding {impact.encoding_id} contains {works}; `creditline train` leaves them out")
        return
    name = f"ensemble {impact.ensemble_id}"
    if impact.reference_model:
        narrate(
            f"{name}: its reference model was trained on withdrawn works and is out of service; `creditline members reference "
            f"--ensemble {impact.ensemble_id}` trains it again without them"
        )
    in_service = f"{len(impact.serving)} of {impact.n} members are in service"
    if not impact.saw:
        narrate(f"{name}: no member in service was trained on them; {in_service}")
        return
    narrate(f"{name}: members {', '.join(map(str, impact.saw))} were trained on {works}; {in_service}")
    if not impact.serving:
        narrate(f"no member is left in service; run `creditline retrain --ensemble {impact.ensemble_id}`")
    elif impact.further is not None:
        narrate(f"  {in_words(impact.further)}")
