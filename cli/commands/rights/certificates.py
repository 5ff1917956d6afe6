"""``creditline certificate``: a document which proves that no member in service saw withdrawn
works, and its check.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from cli.commands.ensembles.train import EnsembleOption
from cli.common import HomeOption, JsonOption, WorksArgument, home_at, narrate, print_json, printable
from registry.errors import UsageError
from registry.home import DEFAULT_HOME

if TYPE_CHECKING:
    from registry.withdrawals.certificate import Certificate


_HELP = """Prove that no member in service saw withdrawn works, or check such a proof.

A certificate is written unless `verify` comes first; `creditline certificate write --help` has the options for it.

Examples:
    creditline certificate 17 --out work-17.json

    creditline certificate --withdrawal 3 --out withdrawal-3.json

    creditline certificate verify work-17.json --manifests received-in-may/
"""


class _WriteByDefault(TyperGroup):
    """A group whose first command needs no name: ``certificate WORK`` is ``certificate write
    WORK``.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - typer's own click, which it hides
        if args and args[0] not in {*self.commands, "--help"}:
            args = ["write", *args]
        return super().parse_args(ctx, args)


def register_commands(app: typer.Typer) -> None:
    """Add the commands of this group."""
    certificates = typer.Typer(
        cls=_WriteByDefault, no_args_is_help=True, help=_HELP, subcommand_metavar="WORK... --out FILE | verify FILE"
    )
    certificates.command("write")(write_certificate)
    certificates.command("verify")(verify_certificate)
    app.add_typer(certificates, name="certificate")


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
    """Write a document which proves that no member in service saw withdrawn works; anybody can
    verify it.

    Examples:
        creditline certificate 17 --out work-17.json

        creditline certificate --withdrawal 3 --out withdrawal-3.json
    """
    from datetime import UTC, datetime

    from registry.home import write_bytes_atomically
    from registry.outputs.queries import named_ensemble
    from registry.storage.database import Registry
    from registry.withdrawals.issue_certificate import certify, works_of_withdrawal
    from registry.works.lookup import resolve_works

    if bool(works) == (withdrawal is not None):
        raise UsageError("expected either WORKs or --withdrawal ID; `creditline withdrawals` lists them")
    if out is None:
        raise UsageError("expected --out FILE: where to write the certificate")
    registry = Registry.open(home_at(home))
    with registry.session() as session:
        chosen = named_ensemble(session, ensemble)
    with registry.connection() as connection:
        asset_ids = (
            resolve_works(connection, works or [])
            if withdrawal is None
            else works_of_withdrawal(connection, withdrawal)
        )
    made = certify(registry, asset_ids, chosen.id, datetime.now(UTC))
    write_bytes_atomically(out, made.to_json())
    _show(made, [], as_json, str(out))


def verify_certificate(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A certificate, as `certificate --out` writes it.")],
    manifests: Annotated[
        Path | None,
        typer.Option("--manifests", metavar="FOLDER", help="Manifests that you trust: *.json, or members' folders."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check a certificate, without any registry; exits 1 if something in it does not hold.

    The proofs show that the works are absent. Reason, time and origin of the withdrawal are the
    maker's word: they are under the document's hash, which `creditline log` of the maker's registry
    has, too.

    Example:
        creditline certificate verify work-17.json --manifests received-in-may/
    """
    from registry.errors import InputError
    from registry.withdrawals.certificate import LARGEST_CERTIFICATE, check

    try:
        with file.open("rb") as opened:
            data = opened.read(LARGEST_CERTIFICATE + 1)
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror or error}") from error
    certificate, problems = check(data, manifests)
    _show(certificate, problems, as_json, str(file))
    if manifests is None:
        narrate(
            "the roots were taken from the certificate itself; --manifests FOLDER holds them against manifests you have"
        )
    if problems:
        raise typer.Exit(1)


def _show(certificate: Certificate, problems: list[str], as_json: bool, file: str) -> None:
    from registry.withdrawals.certificate import PROVED, STATED, summary

    if as_json:
        document = {
            "file": file,
            "holds": not problems,
            "problems": problems,
            "ensemble": certificate.ensemble_id,
            "works": [work.sha256 for work in certificate.works],
            "in_service": [member.id for member in certificate.in_service],
            "document_sha256": certificate.document_sha256,
            "shows": list(PROVED),
            "takes_on_trust": list(STATED),
            "does_not_prove": list(certificate.limits),
        }
        print_json("certificate", document)
        return
    for line in summary(certificate).splitlines():
        typer.echo(printable(line))
    for problem in problems:
        narrate(printable(f"does not hold: {problem}"))
