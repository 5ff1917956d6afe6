"""``creditline export croissant``, ``cyclonedx``, ``spdx`` and ``prov``: data sets, ensembles and
outputs in standard formats.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.commands.ensembles.train import EnsembleOption
from cli.common import HomeOption, JsonOption, home_at, narrate, print_json, printable
from registry.home import DEFAULT_HOME

if TYPE_CHECKING:
    from registry.storage.database import Registry
    from reports.standards.write import Exported

FileOption = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="FILE", help="File to write.", show_default="named after the subject, in this folder"
    ),
]


def register_exports(group: typer.Typer) -> None:
    """Add the commands to ``creditline export``."""
    group.command("croissant")(export_croissant)
    group.command("cyclonedx")(export_cyclonedx)
    group.command("spdx")(export_spdx)
    group.command("prov")(export_prov)


def export_croissant(
    data_set: Annotated[str, typer.Argument(metavar="DATA-SET", help="Its name; `creditline data-sets` lists them.")],
    out: FileOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Describe a data set in Croissant 1.1 with RAI fields, with its works in a Parquet file beside
    it.

    Prints the file's path, and says what Croissant asks for that the registry does not know.

    Examples:
        creditline export croissant works

        creditline export croissant museum --out museum-2026.croissant.json
    """
    from registry.storage.database import Registry
    from reports.standards.croissant import file_stem
    from reports.standards.write import write_croissant

    registry = Registry.open(home_at(home))
    path = out or Path(f"{file_stem(data_set)}.croissant.json")
    _show(write_croissant(registry, data_set, path, datetime.now(UTC)), as_json)


def export_cyclonedx(
    ensemble: EnsembleOption = None,
    out: FileOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Write a machine-learning bill of materials of an ensemble, in CycloneDX 1.6: members, data
    sets, licences.

    Example:
        creditline export cyclonedx --out ensemble.cdx.json
    """
    from reports.standards.write import write_cyclonedx

    _export_ensemble(write_cyclonedx, ensemble, out, "cdx.json", home, as_json)


def export_spdx(
    ensemble: EnsembleOption = None,
    out: FileOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Describe an ensemble and its data sets in SPDX 3.0.1, with the AI and Dataset profiles.

    Example:
        creditline export spdx --out ensemble.spdx3.json
    """
    from reports.standards.write import write_spdx

    _export_ensemble(write_spdx, ensemble, out, "spdx3.json", home, as_json)


def export_prov(
    output: Annotated[str, typer.Argument(metavar="OUTPUT", help="Id of a sample, an audited image or an audit.")],
    out: FileOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Write the lineage of one output in W3C PROV-JSON: members, what they were trained on, and
    works that influenced it.

    Works are related to the output where its newest audit found a significant influence, as an
    estimate with its p and q; what each member was trained on is stated as a fact.

    Example:
        creditline export prov b6bba6d7dc2e
    """
    from registry.storage.database import Registry
    from reports.content.outputs import find_output
    from reports.standards.write import write_prov

    registry = Registry.open(home_at(home))
    with registry.session() as session:
        subject = find_output(session, output)
    path = out or Path(f"output-{output}.prov.json")
    _show(write_prov(registry, subject, path, datetime.now(UTC)), as_json)


def _export_ensemble(
    write: Callable[[Registry, str, Path, datetime], Exported],
    prefix: str | None,
    out: Path | None,
    suffix: str,
    home: Path,
    as_json: bool,
) -> None:
    from registry.outputs.queries import named_ensemble
    from registry.storage.database import Registry

    registry = Registry.open(home_at(home))
    with registry.session() as session:
        chosen = named_ensemble(session, prefix).id
    _show(write(registry, chosen, out or Path(f"ensemble-{chosen}.{suffix}"), datetime.now(UTC)), as_json)


def _show(made: Exported, as_json: bool) -> None:
    from reports.issuing.stamp import beside

    if as_json:
        document: dict[str, Any] = {
            "file": str(made.path),
            "stamp_file": str(beside(made.path)),
            "kind": made.stamp.kind,
            "subject": made.stamp.subject,
            "facts_sha256": made.stamp.facts_sha256,
            "files": [{"name": issued.name, "sha256": issued.sha256} for issued in made.files],
            "left_out": list(made.left_out),
        }
        print_json("export", document)
    else:
        typer.echo(printable(str(made.path)))
    for issued in made.files[1:]:
        narrate(printable(f"works: {made.path.with_name(issued.name)}"))
    narrate(printable(f"stamp: {beside(made.path)}"))
    for each in made.left_out:
        narrate(printable(f"left out, not known to the registry: {each}"))
