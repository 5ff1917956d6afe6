"""``creditline export ai-act`` and ``ab-2013``: filings about the training data of an ensemble."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.opening import ensemble_named, now, open_registry
from cli.options import EnsembleOption, HomeOption, JsonOption
from cli.output import narrate, print_json
from registry.errors import UsageError
from registry.home import DEFAULT_HOME

if TYPE_CHECKING:
    from registry.storage.database import Registry
    from reports.filings.form import Form
    from reports.filings.versions import Filed

AnswersOption = Annotated[
    Path | None,
    typer.Option(
        "--answers",
        metavar="FILE",
        help="TOML file with the answers that only the provider can give.",
        show_default="the answers of the newest version",
    ),
]
TemplateOption = Annotated[
    Path | None,
    typer.Option("--template", metavar="FILE", help="Write a TOML file of all questions to FILE, and no filing."),
]
OutFolderOption = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Folder to write to.")]


def ai_act(
    ensemble: EnsembleOption = None,
    answers: AnswersOption = None,
    template: TemplateOption = None,
    out: OutFolderOption = Path("filings"),
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Write the EU AI Act's public summary of training content for an ensemble, as page and JSON.

    The registry's facts are filled in; missing answers are marked and listed. If the facts differ
    from the newest version, a new version is made, with links to the earlier ones; otherwise that
    version is written again.

    Examples:
        creditline export ai-act --template answers.toml
        creditline export ai-act --answers answers.toml --out filings
    """
    from reports.filings.ai_act import FORM

    _export(FORM, ensemble, answers, template, out, home, as_json)


def ab_2013(
    ensemble: EnsembleOption = None,
    answers: AnswersOption = None,
    template: TemplateOption = None,
    out: OutFolderOption = Path("filings"),
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Write California's AB 2013 documentation of training data for an ensemble, as page and JSON.

    It uses the same file of answers as `export ai-act`, and keeps its versions in the same way.

    Examples:
        creditline export ab-2013 --answers answers.toml --out filings
    """
    from reports.filings.ab2013 import FORM

    _export(FORM, ensemble, answers, template, out, home, as_json)


def _export(
    form: Form, ensemble: str | None, answers: Path | None, template: Path | None, out: Path, home: Path, as_json: bool
) -> None:
    from reports.filings.answers import read_answers
    from reports.filings.versions import file_version

    if template is not None and answers is not None:
        raise UsageError("expected --template or --answers, not both: --template writes the file to fill in")
    registry = open_registry(home)
    chosen = ensemble_named(registry, ensemble).id
    if template is not None:
        _write_template(registry, chosen, template, as_json)
        return
    given = None if answers is None else read_answers(answers)
    filed = file_version(registry, form, chosen, given, out, now())
    document = filed.document
    if as_json:
        print_json(
            "export",
            {
                "kind": form.kind,
                "ensemble": chosen,
                "filing_version": document.filing_version,
                "new": filed.new,
                "rebuilt": filed.rebuilt,
                "supersedes": filed.supersedes,
                "lost": list(filed.lost),
                "html": str(filed.page),
                "json": str(filed.data),
                "contradictions": [each.model_dump() for each in document.contradictions],
                "to_be_provided": [each.model_dump() for each in document.to_be_provided],
            },
        )
    else:
        typer.echo(str(filed.page))
        typer.echo(str(filed.data))
    if filed.answers_of is not None:
        narrate(f"the answers are those of version {filed.answers_of}; --answers FILE replaces them")
    _narrate_version(filed, registry.home.filings)
    for contradiction in document.contradictions:
        narrate(f"to be resolved: {contradiction.says}")
    if document.to_be_provided:
        narrate(f"answers to be provided: {len(document.to_be_provided)}; --template FILE writes the questions")


def _narrate_version(filed: Filed, kept: Path) -> None:
    version = filed.document.filing_version
    if filed.rebuilt:
        narrate(
            f"nothing has changed since version {version}, but its copy in {kept} was missing or altered: it was written again "
            "with the stamp of today, so its bytes differ from the issued ones"
        )
    elif filed.new:
        supersedes = f"; it supersedes version {filed.supersedes}" if filed.supersedes else ""
        narrate(f"version {version} is new{supersedes}")
    else:
        narrate(f"nothing has changed since version {version}; it was written again")
    for each in filed.lost:
        narrate(
            f"version {each}, which version {version} links to, was not written: its copy in {kept} is missing or altered; "
            "restore the issued files there"
        )


def _write_template(registry: Registry, ensemble_id: str, path: Path, as_json: bool) -> None:
    from registry.home import write_bytes_atomically
    from reports.filings.answers_template import template_of
    from reports.filings.training_content import names_of_data_sets

    if path.exists():
        raise UsageError(f"{path} exists and may hold answers; name another file")
    with registry.connection() as connection:
        names = names_of_data_sets(connection, ensemble_id)
    write_bytes_atomically(path, template_of(names).encode())
    if as_json:
        print_json("export", {"template": str(path), "data_sets": len(names)})
    else:
        typer.echo(str(path))
