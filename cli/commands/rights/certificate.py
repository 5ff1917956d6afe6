"""``creditline certificate``: prove that members in service were not trained on withdrawn works."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.groups import with_default
from cli.opening import ensemble_named, now, open_registry
from cli.options import EnsembleOption, HomeOption, JsonOption, WorksArgument
from cli.output import echo, narrate, print_json
from registry.errors import InputError, UsageError
from registry.home import DEFAULT_HOME

if TYPE_CHECKING:
    from registry.withdrawals.certificate import Certificate

certificate = typer.Typer(
    cls=with_default("write"),
    no_args_is_help=True,
    subcommand_metavar="WORK... --out FILE | verify FILE",
    help="""Prove by manifests that no member in service saw withdrawn works, or verify such a proof.

    A certificate does not prove that the manifests are complete, or that the models in use are these
    members. `creditline certificate WORK` is short for `creditline certificate write WORK`.

    Examples:
        creditline certificate 17 --out work-17.json
        creditline certificate verify work-17.json --manifests received-in-may/
    """,
)


@certificate.command("write")
def write_certificate(
    works: WorksArgument = None,
    withdrawal: Annotated[
        int | None, typer.Option("--withdrawal", metavar="ID", help="All works that this withdrawal covers.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="JSON file to write.", show_default="required")
    ] = None,
    ensemble: EnsembleOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Write a proof that, by the manifests, no member in service saw withdrawn works.

    Anyone can verify it, without the registry. FILE has the proofs; a page beside it names the
    works and their rightsholders.

    Examples:
        creditline certificate 17 --out work-17.json
        creditline certificate --withdrawal 3 --out withdrawal-3.json
    """
    from registry.home import write_bytes_atomically
    from registry.withdrawals.issue_certificate import certify, works_of_withdrawal
    from registry.works.lookup import resolve_works
    from reports.certificates.document import CERTIFICATE

    if bool(works) == (withdrawal is not None):
        raise UsageError("expected either WORK or --withdrawal ID; `creditline withdrawals` lists them")
    if out is None:
        raise UsageError("expected --out FILE: the certificate to write")
    registry = open_registry(home)
    chosen = ensemble_named(registry, ensemble)
    with registry.connection() as connection:
        named = resolve_works(connection, works or [])
        asset_ids = named if withdrawal is None else works_of_withdrawal(connection, withdrawal)
    made = certify(registry, asset_ids, chosen.id, now())
    write_bytes_atomically(out, made.to_json())
    page = CERTIFICATE.write(registry, made.document_sha256, out.parent, now(), stem=f"{out.stem}-page").page
    _show(made, [], as_json, str(out), f"written: {out}, and for people {page}")


@certificate.command("verify")
def verify_certificate(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Certificate, as `certificate --out` writes it.")],
    manifests: Annotated[
        Path | None,
        typer.Option("--manifests", metavar="FOLDER", help="Manifests that you trust: *.json, or members' folders."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Verify a certificate without any registry; exit with 1 if it was altered or does not hold.

    The first line is the verdict.

    The proofs show that the works are absent. The reason, time and origin of the withdrawal are
    statements of the issuer. They are covered by the document's hash, which is also in the log of
    the issuer's registry.

    Examples:
        creditline certificate verify work-17.json --manifests received-in-may/
    """
    from registry.withdrawals.certificate import LARGEST_CERTIFICATE, check

    try:
        with file.open("rb") as opened:
            data = opened.read(LARGEST_CERTIFICATE + 1)
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror or error}") from error
    found, problems = check(data, manifests)
    _show(found, problems, as_json, str(file), f"holds: every proof in {file} was checked")
    if manifests is None:
        narrate(
            "the Merkle roots come from the certificate itself; --manifests FOLDER compares them with your manifests"
        )
    if problems:
        raise typer.Exit(1)


def _show(found: Certificate, problems: list[str], as_json: bool, file: str, well: str) -> None:
    """Print the verdict, and what the certificate says if it holds; ``well``: the verdict then."""
    from registry.withdrawals.certificate import ALTERED, PROVED, STATED, summary

    verdict = "altered" if ALTERED in problems else "does not hold" if problems else "holds"
    if as_json:
        document = {
            "file": file,
            "verdict": verdict,
            "holds": not problems,
            "problems": problems,
            "ensemble": found.ensemble_id,
            "works": [work.sha256 for work in found.works],
            "in_service": [member.id for member in found.in_service],
            "document_sha256": found.document_sha256,
            "shows": list(PROVED),
            "takes_on_trust": list(STATED),
            "does_not_prove": list(found.limits),
        }
        print_json("certificate", document)
        return
    if problems:
        # Nothing of such a document is repeated: it would read like a certificate.
        echo(f"{verdict}: {file} proves nothing")
        for problem in problems:
            echo(f"- {problem}")
        return
    echo(well)
    for line in summary(found).splitlines():
        echo(line)
