"""``creditline portfolio``: the rightsholders to license."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.commands.publish.written import FolderOption, folder_for, narrate_unrecorded
from cli.opening import ensemble_named, now, open_registry
from cli.options import HomeOption, JsonOption
from cli.output import echo, narrate, print_json
from registry.errors import UsageError
from registry.home import DEFAULT_HOME

CERTAINTY = 0.9


def portfolio(
    outputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="OUTPUT",
            help="Audited samples or images, or audits: ids or their first digits.",
            show_default="every audited sample",
        ),
    ] = None,
    prices: Annotated[
        Path | None,
        typer.Option(
            "--prices",
            metavar="FILE",
            help="Table with the columns rightsholder and price. Rightsholders without a price cannot be chosen.",
            show_default="each costs 1",
        ),
    ] = None,
    forbid: Annotated[
        list[str] | None,
        typer.Option("--forbid", metavar="A,B", help="Two rightsholders that may not be chosen together. Repeatable."),
    ] = None,
    forbidden: Annotated[
        Path | None,
        typer.Option(
            "--forbidden", metavar="FILE", help="Table of such pairs, with the columns rightsholder and other."
        ),
    ] = None,
    grade: Annotated[
        str,
        typer.Option(
            "--grade",
            metavar="GRADE",
            help="Lowest grade of a finding that counts: `main source`, `contributes` or `slight`.",
        ),
    ] = "contributes",
    share: Annotated[
        float, typer.Option("--share", metavar="SHARE", help="Share of the outputs that can be covered, to be covered.")
    ] = 1.0,
    certainty: Annotated[
        float | None,
        typer.Option(
            "--certainty",
            metavar="P",
            help="An output is covered if one of its sources is licensed with probability P.",
            show_default=str(CERTAINTY),
        ),
    ] = None,
    hits: Annotated[
        str | None,
        typer.Option(
            "--hits",
            metavar="K",
            help="Instead of --certainty: findings of an output to license, a number or `all`.",
            show_default=False,
        ),
    ] = None,
    images: Annotated[bool, typer.Option("--images", help="Count audited images from outside as outputs too.")] = False,
    draws: Annotated[int, typer.Option("--draws", help="Draws of outputs and evidence; 0 for none.")] = 100,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the draws.")] = 0,
    ensemble: Annotated[
        str | None,
        typer.Option("--ensemble", metavar="ID", help="Only outputs of this ensemble.", show_default="all ensembles"),
    ] = None,
    out: FolderOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Choose the rightsholders to license, so that outputs are covered at the lowest price.

    Works that are permitted already cost nothing; prohibited and withdrawn works cannot be
    licensed. Writes a page with the list and the curve of coverage against budget, the same as
    JSON, and two tables. This is no legal clearance.

    Examples:
        creditline portfolio --prices prices.csv --share 0.95
        creditline portfolio 3fa2b1c09d11 8a2a7b90455e
        creditline portfolio --hits all --forbid "Ada Example,Bo Example"
    """
    from reports.outputs.read import subject_id
    from reports.outputs.selection import named_audits
    from reports.portfolios.document import PORTFOLIO
    from reports.portfolios.request import asked

    registry = open_registry(home)
    wanted: int | str | None = hits
    if hits is not None and hits != "all":
        if not (hits.isascii() and hits.isdecimal() and 0 < int(hits[:6]) <= 1000):
            raise UsageError(f"--hits: got {hits[:40]!r}, expected a number from 1 to 1000, or `all`")
        wanted = int(hits)
    if hits is not None and certainty is not None:
        raise UsageError(
            "got both --hits and --certainty; expected one of them: hits count findings, whatever their certainty"
        )
    if outputs and (ensemble or images):
        raise UsageError("--ensemble and --images choose among all outputs; leave them out where outputs are named")
    with registry.session() as session:
        named = named_audits(session, outputs) if outputs else []
    subjects = [subject_id(audit) for audit in named]
    twice = sorted({subject for subject in subjects if subjects.count(subject) > 1})
    if twice:
        raise UsageError(f"two audits of output {twice[0]} are named, and it would count twice; name one of them")
    with registry.connection() as connection:
        request = asked(
            connection,
            audits=sorted(audit.id for audit in named) or None,
            prices=prices,
            forbid=forbid or (),
            forbidden=forbidden,
            ensemble=None if ensemble is None else ensemble_named(registry, ensemble).id,
            images=images,
            grade=grade,
            share=share,
            certainty=CERTAINTY if certainty is None else certainty,
            hits=wanted,
            draws=draws,
            seed=seed,
        )
    written = PORTFOLIO.write(registry, request.subject(), folder_for(registry, out), now())
    narrate_unrecorded(registry)
    facts = written.facts
    if as_json:
        files = {"page": str(written.page), "files": [str(path) for path in written.files]}
        print_json("portfolio", files | facts.model_dump(mode="json"))
    else:
        echo(str(written.page))
    narrate(facts.verdict)
    narrate(facts.explanation)
    narrate(facts.bound_sentence)
