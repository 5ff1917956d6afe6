"""``creditline export croissant``, ``cyclonedx``, ``spdx`` and ``prov``: standard formats."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.opening import ensemble_named, now, open_registry
from cli.options import EnsembleOption, HomeOption, JsonOption
from cli.output import echo, narrate, print_json
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


def croissant(
    data_set: Annotated[
        str, typer.Argument(metavar="NAME", help="Name of the data set; `creditline data-sets` lists them.")
    ],
    out: FileOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Describe a data set in Croissant 1.1 with RAI fields, and its works in a Parquet file.

    Prints the path of the file. Fields that Croissant asks for and the registry does not know are
    listed.

    Examples:
        creditline export croissant works
        creditline export croissant museum --out museum-2026.croissant.json
    """
    from reports.standards.croissant import file_stem
    from reports.standards.write import write_croissant

    registry = open_registry(home)
    path = out or Path(f"{file_stem(data_set)}.croissant.json")
    _show(write_croissant(registry, data_set, path, now()), as_json)


def cyclonedx(
    ensemble: EnsembleOption = None,
    out: FileOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Write the bill of materials of an ensemble in CycloneDX 1.6: members, data sets, licences.

    Examples:
        creditline export cyclonedx --out ensemble.cdx.json
    """
    from reports.standards.write import write_cyclonedx

    _export_ensemble(write_cyclonedx, ensemble, out, "cdx.json", home, as_json)


def spdx(
    ensemble: EnsembleOption = None,
    out: FileOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Describe an ensemble and its data sets in SPDX 3.0.1, with the AI and Dataset profiles.

    Examples:
        creditline export spdx --out ensemble.spdx3.json
    """
    from reports.standards.write import write_spdx

    _export_ensemble(write_spdx, ensemble, out, "spdx3.json", home, as_json)


def prov(
    output: Annotated[
        str, typer.Argument(metavar="OUTPUT", help="Sample, audited image or audit: id or its first digits.")
    ],
    out: FileOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Write the lineage of an output in W3C PROV-JSON: members, their works, influential works.

    The works of each member are stated as facts. Works that passed the newest audit are
    linked to the output as an estimate, with p and q.

    Examples:
        creditline export prov b6bba6d7dc2e
    """
    from reports.content.outputs import find_output
    from reports.standards.write import write_prov

    registry = open_registry(home)
    with registry.session() as session:
        subject = find_output(session, output)
    _show(write_prov(registry, subject, out or Path(f"output-{output}.prov.json"), now()), as_json)


def _export_ensemble(
    write: Callable[[Registry, str, Path, datetime], Exported],
    reference: str | None,
    out: Path | None,
    suffix: str,
    home: Path,
    as_json: bool,
) -> None:
    registry = open_registry(home)
    chosen = ensemble_named(registry, reference).id
    _show(write(registry, chosen, out or Path(f"ensemble-{chosen}.{suffix}"), now()), as_json)


def _show(made: Exported, as_json: bool) -> None:
    from reports.issuing.stamp import beside

    if as_json:
        document = {
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
        echo(made.path)
    for issued in made.files[1:]:
        narrate(f"works: {made.path.with_name(issued.name)}")
    narrate(f"stamp: {beside(made.path)}")
    for each in made.left_out:
        narrate(f"left out, not known to the registry: {each}")
