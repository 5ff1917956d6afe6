"""``creditline policy``: record a site's policy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.opening import now, open_registry
from cli.options import HomeOption, JsonOption
from cli.output import echo, narrate, plural, print_json
from registry.errors import InputError, UsageError
from registry.home import DEFAULT_HOME


def policy(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="A tdmrep.json, a robots.txt, an RSL document, or the text of a Content-Usage header."
        ),
    ],
    domain: Annotated[str, typer.Option("--domain", metavar="HOST", help="Host that served the file.")],
    kind: Annotated[
        str | None,
        typer.Option(
            "--kind", metavar="KIND", help="tdmrep, robots, aipref or rsl.", show_default="from the file's name"
        ),
    ] = None,
    agents: Annotated[
        list[str] | None,
        typer.Option(
            "--agent",
            metavar="NAME",
            help="Crawler that collected the works; may be repeated.",
            show_default="the known crawlers for AI training",
        ),
    ] = None,
    subdomains: Annotated[
        bool, typer.Option("--subdomains", help="The policy also covers the subdomains of the host.")
    ] = False,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Record the policy of a site: it applies to all works of that site, also to later ones.

    Nothing is downloaded: give the file as it was when the works were collected. It replaces an
    earlier file of the same kind for the same domain.

    Examples:
        creditline policy tdmrep.json --domain example.org
        creditline policy robots.txt --domain example.org --agent CCBot --subdomains
        creditline policy license.xml --domain example.org
    """
    from dataclasses import asdict

    from registry.site_policies.store import record_policy

    report = record_policy(
        open_registry(home),
        _content(file),
        kind or _kind(file.name),
        domain,
        file.name,
        agents=agents or (),
        subdomains=subdomains,
        now=now(),
    )
    for problem in report.problems:
        narrate(f"not understood: {problem}")
    if as_json:
        print_json("policy", asdict(report))
        return
    if report.recorded:
        echo(f"policy {report.policy_id} of {report.domain}: signals for {plural(report.works_with_signals, 'work')}")
    else:
        echo(f"policy {report.policy_id} of {report.domain} is this file already; nothing was changed")
    narrate(
        f"{plural(report.works, 'work')} come from there; the permission of {report.permissions_changed:,} changed"
        + (f"; it replaces policy {report.superseded[0]}" if report.superseded else "")
    )


def _content(file: Path) -> bytes:
    from registry.site_policies.interface import LARGEST_FILE

    try:
        with file.open("rb") as opened:
            return opened.read(LARGEST_FILE + 1)
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror}") from error


def _kind(name: str) -> str:
    if name.lower().endswith(".json"):
        return "tdmrep"
    if name.lower() == "robots.txt":
        return "robots"
    if name.lower().endswith((".rsl", ".xml")):
        return "rsl"
    raise UsageError(
        f"the kind of policy cannot be told from the name {name!r}; give --kind tdmrep, robots, aipref or rsl"
    )
