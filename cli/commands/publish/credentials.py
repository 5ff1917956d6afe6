"""``creditline credentials``: check the Content Credentials (C2PA) of an image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import JsonOption
from cli.output import echo, narrate, print_json, print_table, printable

if TYPE_CHECKING:
    from reports.credentials.assertion import Assertion, CandidateClaim, WorkClaim
    from reports.credentials.checking import Checked


def credentials(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Image to check.")],
    trust: Annotated[
        Path | None,
        typer.Option(
            "--trust", metavar="FILE", help="PEM file of the certificates that you trust.", show_default="none"
        ),
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option(
            "--manifest",
            metavar="FILE",
            help="C2PA manifest of the image.",
            show_default="the one in the image, else the .c2pa file beside it",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check the Content Credentials (C2PA) of an image.

    Exits with 1 unless they are valid. State "valid": unaltered, and the chain of the signer leads
    to a certificate in --trust. "untrusted": unaltered, but no trusted certificate vouches
    for the signer. "tampered": the image or the manifest was altered. "none": the image has no
    credentials.

    Needs no registry and no network. Needs creditline[c2pa].

    Examples:
        creditline credentials signed.png --trust anchors.pem
    """
    from reports.credentials.checking import check_file

    checked, beside = check_file(file, manifest=manifest, trust=trust)
    if as_json:
        print_json("credentials", _checked(file, checked, beside))
    else:
        if checked.state == "tampered" and checked.assertion:
            echo("tampered: the following was signed for the original, not for this image")
        for name, value in _lines(checked, beside):
            typer.echo(f"{name:<13} {printable(value)}".rstrip())
        if checked.assertion and not hasattr(checked.assertion.audit, "not_measured"):
            _print_candidates(checked.assertion)
    if checked.state != "valid":
        narrate(f"{checked.state}: {checked.reason}")
        raise typer.Exit(1)


def _checked(file: Path, checked: Checked, beside: Path | None) -> dict[str, Any]:
    return {
        "file": str(file),
        "state": checked.state,
        "reason": checked.reason,
        "codes": list(checked.codes),
        "manifest": str(beside) if beside else None,
        "signer": {"issuer": checked.issuer, "common_name": checked.common_name, "algorithm": checked.algorithm},
        "timestamp": checked.timestamp,
        "claim_generator": checked.claim_generator,
        "digital_source_type": checked.digital_source_type,
        "ingredients": checked.ingredients,
        "assertion": checked.assertion.model_dump(mode="json") if checked.assertion else None,
        "assertion_problem": checked.assertion_problem,
    }


def _lines(checked: Checked, beside: Path | None) -> list[tuple[str, object]]:
    if checked.state == "none":
        return [("state", "none")]
    signer = ", ".join(part for part in (checked.issuer, checked.common_name) if part)
    lines: list[tuple[str, object]] = [
        ("state", checked.state),
        ("manifest", beside or "in the image"),
        ("signed by", signer or "unknown"),
        ("time stamp", checked.timestamp or "none"),
        ("made with", checked.claim_generator),
        ("source type", (checked.digital_source_type or "not stated").rpartition("/")[2]),
        ("ingredients", checked.ingredients),
    ]
    if checked.assertion_problem:
        lines.append(("assertion", checked.assertion_problem))
    if checked.assertion:
        lines += _assertion_lines(checked.assertion)
    return lines


def _assertion_lines(assertion: Assertion) -> list[tuple[str, object]]:
    stamp, audit = assertion.stamp, assertion.audit
    found: list[tuple[str, object]] = [("sample", assertion.sample.id)]
    if hasattr(audit, "not_measured"):
        found.append(("audit", audit.not_measured))
    else:
        found += [
            ("audit", f"{audit.id} of {audit.audited_at}"),
            ("attributable", "yes" if audit.attributable else "no"),
            ("verdict", audit.verdict),
            ("", audit.explanation),
            *(("taken back", sentence) for sentence in audit.taken_back),
        ]
    return [
        *found,
        ("facts", stamp.facts_sha256),
        ("log", f"event {stamp.log_sequence}, {stamp.log_sha256}"),
        ("meaning", assertion.meaning),
    ]


def _print_candidates(assertion: Assertion) -> None:
    columns = ("rank", "candidate", "passes", "p", "q", "influence", "rightsholder", "licence", "permission", "work")
    candidates: list[CandidateClaim] = getattr(assertion.audit, "candidates", [])
    print_table(columns, [_candidate_row(each) for each in candidates])


def _owners(work: WorkClaim) -> str | None:
    more = work.rightsholders_in_all - len(work.rightsholders)
    return "; ".join(work.rightsholders + ([f"{more:,} more"] if more else [])) or work.rightsholder


def _candidate_row(candidate: CandidateClaim) -> tuple[object, ...]:
    work = candidate.works[0] if candidate.works else None
    measured = [
        f"{value:.4g}{mark}"
        for value, mark in ((candidate.influence_exact, ""), (candidate.influence_estimate, " (estimate)"))
        if isinstance(value, float)
    ]
    return (
        candidate.rank,
        candidate.label,
        "yes" if candidate.passes else "no",
        f"{candidate.p:.4g}",
        f"{candidate.q:.4g}",
        measured[0] if measured else "not measured",
        _owners(work) if work else None,
        work.licence if work else None,
        work.permission if work else None,
        work.sha256[:12] if work else None,
    )
