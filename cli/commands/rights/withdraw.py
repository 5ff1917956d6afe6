"""``creditline withdraw``: withdraw works from training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.asking import DryRunOption, YesOption, ask
from cli.commands.ensembles.withdrawal_capacity import in_words
from cli.opening import now, open_registry, works_named_or_of
from cli.options import HomeOption, JsonOption, WorksArgument, WorksOfRightsholderOption
from cli.output import narrate, plural, print_json
from registry.home import DEFAULT_HOME

if TYPE_CHECKING:
    from registry.withdrawals.impact import Impact
    from registry.withdrawals.record import WithdrawalReport


def withdraw(
    works: WorksArgument = None,
    rightsholder: WorksOfRightsholderOption = None,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Reason, and the person who asked.")] = "",
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Withdraw works: members trained on them go out of service. This cannot be undone.

    The withdrawal of a rightsholder also covers works that are registered later. The command shows
    first which members of each ensemble go out of service and which remain, and asks.

    Examples:
        creditline withdraw 17 --dry-run
        creditline withdraw 17 --reason "letter of 3 May"
        creditline withdraw --rightsholder "Ada Example" --reason "contract ended" --yes
    """
    from registry.withdrawals.record import checked_reason, preview
    from registry.withdrawals.record import withdraw as record_withdrawal

    registry = open_registry(home)
    with registry.connection() as connection:
        asset_ids, holder = works_named_or_of(connection, works, rightsholder)
    if not dry_run:
        registry.check_writable()
        reason = checked_reason(reason)
    report = preview(registry, asset_ids=asset_ids, rightsholder_id=holder)
    if not (as_json and (yes or dry_run)):
        _narrate(report, rightsholder)
    if report.new and not dry_run:
        ask(f"Withdraw {plural(len(report.newly_withdrawn), 'work')}?", yes=yes)
        report = record_withdrawal(registry, asset_ids=asset_ids, rightsholder_id=holder, reason=reason, now=now())
    if as_json:
        document = {
            "dry_run": dry_run,
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
    elif report.new:
        narrate("a dry run: nothing was recorded")
    else:
        narrate("already withdrawn; nothing was changed")


def _narrate(report: WithdrawalReport, rightsholder: str | None) -> None:
    """The consequences of the withdrawal, one ensemble after the other."""
    asked, fresh = len(report.works), len(report.newly_withdrawn)
    whose = f" of {rightsholder}" if rightsholder else ""
    before = f"; {asked - fresh:,} were withdrawn before" if fresh < asked else ""
    narrate(f"the withdrawal is about {plural(asked, 'work')}{whose}{before}")
    for impact in report.impacts:
        _narrate_impact(impact)


def _narrate_impact(impact: Impact) -> None:
    if impact.probes:
        from registry.encodings.probes import kept_out

        place = f"encoding {impact.encoding_id}" if impact.ensemble_id is None else f"ensemble {impact.ensemble_id}"
        narrate(
            f"{place}: {plural(impact.probes, 'work')} of these {kept_out(impact.probes)}; "
            "images are no longer compared with them"
        )
    if not impact.works:
        return
    works = f"{impact.works:,} of these works"
    if impact.ensemble_id is None:
        narrate(f"encoding {impact.encoding_id} contains {works}; `creditline train` leaves them out")
        return
    name = f"ensemble {impact.ensemble_id}"
    if impact.reference_model:
        narrate(
            f"{name}: its reference model was trained on them and is out of service; `creditline members reference "
            f"--ensemble {impact.ensemble_id}` trains it again without them"
        )
    in_service = f"{len(impact.serving)} of {impact.n} members are in service"
    if not impact.saw:
        narrate(f"{name}: no member was trained on them; {in_service}")
        return
    if impact.leaving:
        narrate(f"{name}: members {', '.join(map(str, impact.leaving))} go out of service; after that, {in_service}")
    else:
        saw = ", ".join(map(str, impact.saw))
        narrate(f"{name}: members {saw} were trained on {works} and are out of service already; {in_service}")
    if impact.samples:
        narrate(
            f"  {plural(impact.samples, 'sample')} can no longer be restored by `creditline sample` if files are lost; "
            "verifying and auditing go on, with the members that made them"
        )
    if not impact.serving:
        narrate(f"  no member is left in service; run `creditline retrain --ensemble {impact.ensemble_id}`")
    elif impact.further is not None:
        narrate(f"  {in_words(impact.further)}")
