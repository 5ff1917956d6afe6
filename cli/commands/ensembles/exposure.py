"""``creditline exposure``: the members that were trained on given works."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.opening import open_registry, works_named_or_of
from cli.options import HomeOption, JsonOption, OutOption, WorksArgument, WorksOfRightsholderOption
from cli.output import echo, narrate, plural, print_json, print_table
from registry.home import DEFAULT_HOME


def exposure(
    works: WorksArgument = None,
    rightsholder: WorksOfRightsholderOption = None,
    list_works: Annotated[bool, typer.Option("--works", help="Also list every work with its members.")] = False,
    out: OutOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Show the encodings, ensembles and members that contain given works.

    Exits with 1 if codes and manifests disagree.

    Examples:
        creditline exposure 17
        creditline exposure --rightsholder 'Ada Example' --json
    """
    from dataclasses import asdict

    from registry.encodings.probes import kept_out
    from registry.export.files import check_suffix, write_listing
    from registry.members.exposure import exposure_by_work, exposure_of
    from registry.withdrawals.record import WORKS_OF_RIGHTSHOLDER

    if out is not None:
        check_suffix(out)
    registry = open_registry(home)
    with registry.connection() as connection:
        asset_ids, holder = works_named_or_of(connection, works, rightsholder)
        if holder is not None:
            rows = connection.execute(WORKS_OF_RIGHTSHOLDER, {"rightsholder": holder}).fetchall()
            asset_ids = sorted(int(asset_id) for (asset_id,) in rows)
        listed = exposure_by_work(connection, asset_ids) if list_works or out else None
    found = exposure_of(registry, asset_ids)
    if out is not None and listed is not None:
        narrate(f"{write_listing(listed, out):,} rows written to {out}")
    per_work = listed.to_pylist() if list_works and listed is not None else None
    if as_json:
        more = {} if per_work is None else {"listed": per_work}
        print_json("exposure", {**asdict(found), "unseen": found.unseen, **more})
    else:
        if found.unseen:
            narrate(
                f"no model was trained on {'the work' if found.works == 1 else f'any of the {found.works:,} works'}"
            )
        else:
            narrate(
                f"{plural(len(found.members), 'member')} trained on "
                f"{'the work' if found.works == 1 else f'some of the {found.works:,} works'}, "
                f"{plural(found.members_that_did_not, 'member')} did not"
            )
        for each in found.encodings:
            examples = ", ".join(each.examples) + (", …" if each.units > len(each.examples) else "")
            echo(f"encoding {each.encoding}: {plural(each.works, 'work')} in {plural(each.units, 'unit')} ({examples})")
        for kept in found.probes:
            echo(f"encoding {kept.encoding}: {plural(kept.works, 'work')} {kept_out(kept.works)}")
        if found.members:
            cells = [
                (
                    each.member,
                    each.index,
                    each.generation,
                    each.origin,
                    each.serves,
                    f"{each.works:,}",
                    each.manifest_sha256,
                )
                for each in found.members
            ]
            print_table(("member", "index", "generation", "origin", "in service", "works", "manifest"), cells)
        for reference in found.reference_models:
            state = "" if reference.usable else "; out of service: some of them were withdrawn since"
            echo(
                f"reference model of ensemble {reference.ensemble}: trained on {reference.works:,} of them{state}; manifest "
                f"{reference.manifest_sha256}"
            )
        if per_work is not None:
            columns = ("asset_id", "encoding_id", "unit", "members", "path")
            cells_of_works = [[row[name] for name in columns] for row in per_work]
            print_table(("work", "encoding", "unit", "members by code", "path"), cells_of_works)
    for finding in found.findings:
        narrate(f"finding: {finding}")
    if found.findings:
        raise typer.Exit(1)
