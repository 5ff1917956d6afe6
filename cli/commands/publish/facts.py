"""``creditline facts``: supply facts that standard formats ask for and only people know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.opening import ensemble_named, now, open_registry
from cli.options import HomeOption, JsonOption, pairs_of
from cli.output import echo, narrate, print_json, print_table
from registry.home import DEFAULT_HOME

if TYPE_CHECKING:
    from registry.storage.database import Registry
    from registry.supplied_facts import SubjectKind

SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FACT=VALUE", help="Fact to record; may be repeated. No value takes it back."),
]
FromOption = Annotated[str, typer.Option("--from", metavar="SOURCE", help="Who says so: a person, a document, a page.")]

facts = typer.Typer(
    no_args_is_help=True,
    help="""Supply facts for exports that only people know, and list those that are missing.

    Examples:
        creditline facts data-set museum --set creator="Harbour Museum" --set published=2026-03-14
    """,
)


@facts.command("data-set")
def data_set(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Data set; `creditline data-sets` lists them.")],
    values: SetOption = None,
    source: FromOption = "",
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Supply or list facts about a data set: creator, publication, citation, biases, …

    Examples:
        creditline facts data-set museum
        creditline facts data-set museum --set citation="Lighthouses, 2026" --from "its curator"
    """
    from registry.supplied_facts import SubjectKind

    _answer(open_registry(home), SubjectKind.DATA_SET, name, values or [], source, as_json=as_json)


@facts.command("ensemble")
def ensemble(
    reference: Annotated[
        str | None, typer.Argument(metavar="ENSEMBLE", help="Ensemble id.", show_default="the newest")
    ] = None,
    values: SetOption = None,
    source: FromOption = "",
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Supply or list facts about an ensemble: supplier, licence, release, energy, …

    Examples:
        creditline facts ensemble --set licence=Apache-2.0 --set training-energy=3.5
    """
    from registry.supplied_facts import SubjectKind

    registry = open_registry(home)
    _answer(
        registry, SubjectKind.ENSEMBLE, ensemble_named(registry, reference).id, values or [], source, as_json=as_json
    )


def _answer(
    registry: Registry, kind: SubjectKind, subject: str, values: list[str], source: str, *, as_json: bool
) -> None:
    from registry.supplied_facts import FACTS, supplied, supply

    given = pairs_of("--set", values, "FACT=VALUE", f"{next(iter(FACTS[kind]))}=VALUE", empty=True)
    changed = supply(registry, kind, subject, given, source, now())
    with registry.connection() as connection:
        found = supplied(connection, kind, subject)
    if as_json:
        missing = [name for name in FACTS[kind] if name not in found]
        print_json("facts", {"kind": kind, "subject": subject, "changed": changed, "facts": found, "missing": missing})
        return
    if given:
        echo("recorded" if changed else "on record already: nothing was changed")
    print_table(
        ("fact", "value", "meaning"), [[name, found.get(name, ""), fact.meaning] for name, fact in FACTS[kind].items()]
    )
    if not given:
        narrate(f"{len(found)} of {len(FACTS[kind])} facts are supplied; give others with --set FACT=VALUE")
