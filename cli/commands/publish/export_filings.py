"""``creditline export ai-act`` and ``creditline export ab-2013``: filings about what an ensemble
was trained on.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.commands.ensembles.train import EnsembleOption
from cli.common import HomeOption, JsonOption, home_at, narrate, print_json
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
        help="TOML file of what the provider alone can say.",
        show_default="those of the newest version",
    ),
]
TemplateOption = Annotated[
    Path | None,
    typer.Option("--template", metavar="FILE", help="Write a file of all questions to answer, and no filing."),
]
OutFolderOption = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where the filing goes.")]


def register_exports(group: typer.Typer) -> None:
    """Add the filings to ``creditline export``."""
    group.command("ai-act")(ai_act)
    group.command("ab-2013")(ab_2013)


def ai_act(
    ensemble: EnsembleOption = None,
    answers: AnswersOption = None,
    template: TemplateOption = None,
    out: OutFolderOption = Path("filings"),
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Write the EU AI Act's public summary of training content for an ensemble, as a page and as
    JSON.

    What the registry knows is filled in; what nobody has answered is marked as to be provided and
    listed. A run whose facts differ from the newest version makes the next one, with links to those
    before; otherwise that version is written again.

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
    """Write California's AB 2013 documentation of training data for an ensemble, as a page and as
    JSON.

    It takes the same file of answers as ``export ai-act``, and keeps its versions in the same way.

    Examples:
        creditline export ab-2013 --answers answers.toml --out filings
    """
    from reports.filings.ab2013 import FORM

    _export(FORM, ensemble, answers, template, out, home, as_json)


def _export(
    form: Form, ensemble: str | None, answers: Path | None, template: Path | None, out: Path, home: Path, as_json: bool
) -> None:
    from datetime import UTC, datetime

    from registry.errors import UsageError
    from registry.outputs.queries import named_ensemble
    from registry.storage.database import Registry
    from reports.filings.answers import read_answers
    from reports.filings.versions import file_version

    if template is not None and answers is not None:
        raise UsageError("got --template and --answers, expected one of them: --template writes the file to fill in")
    registry = Registry.open(home_at(home))
    with registry.session() as session:
        chosen = named_ensemble(session, ensemble).id
    if template is not None:
        _write_template(registry, chosen, template, as_json)
        return
    given = None if answers is None else read_answers(answers)
    filed = file_version(registry, form, chosen, given, out, datetime.now(UTC))
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
        narrate(f"{len(document.to_be_provided)} answers are to be provided; --template FILE writes the questions")


def _narrate_version(filed: Filed, kept: Path) -> None:
    number = filed.document.filing_version
    if filed.rebuilt:
        narrate(
            f"nothing has changed since version {number}, but its copy in {kept} was missing or altered: it was made again, with "
            "today's stamp and in other bytes than those given out before"
        )
    elif filed.new:
        narrate(
            f"version {number} is new" + (f"; it supersedes version {filed.supersedes}" if filed.supersedes else "")
        )
    else:
        narrate(f"nothing has changed since version {number}, which was written again")
    for each in filed.lost:
        narrate(
            f"version {each} was not written, though version {number} links to it: its copy in {kept} is missing or altered; "
            "put the files that were given out back there"
        )


def _write_template(registry: Registry, ensemble_id: str, path: Path, as_json: bool) -> None:
    from registry.errors import UsageError
    from registry.home import write_bytes_atomically
    from reports.filings.answers_template import template_of
    from reports.filings.training_content import names_of_data_sets

    if path.exists():
        raise UsageError(f"{path} is there already, and answers may be in it; name another file")
    with registry.connection() as connection:
        names = names_of_data_sets(connection, ensemble_id)
    write_bytes_atomically(path, template_of(names).encode())
    if as_json:
        print_json("export", {"template": str(path), "data_sets": len(names)})
    else:
        typer.echo(str(path))
