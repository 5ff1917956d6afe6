"""``creditline sign``, ``credentials`` and ``test-certificate``: Content Credentials (C2PA) of
generated images.
"""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cli.common import HomeOption, JsonOption, home_at, narrate, print_json, print_table, printable
from registry.home import DEFAULT_HOME

if TYPE_CHECKING:
    from reports.credentials.assertion import Assertion, CandidateClaim, WorkClaim
    from reports.credentials.checking import Checked
    from reports.credentials.keys import SigningKey
    from reports.credentials.signing import SignedImage


def register_commands(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.command("sign")(sign)
    app.command("credentials")(credentials)
    app.command("test-certificate")(make_test_certificate)


def sign(
    sample: Annotated[
        str, typer.Argument(metavar="SAMPLE", help="A sample's id or its first digits, or a file with its pixels.")
    ],
    certificate: Annotated[
        Path, typer.Option("--certificate", metavar="CHAIN.PEM", help="The signer's certificate, then its issuers'.")
    ],
    key: Annotated[
        Path, typer.Option("--key", metavar="KEY.PEM", help="Its private key, not encrypted: ECDSA, RSA or Ed25519.")
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="The signed copy.", show_default="in reports/signed/ of the home"),
    ] = None,
    sidecar: Annotated[
        bool, typer.Option("--sidecar", help="Leave the copy as it is and write FILE's manifest beside it, as .c2pa.")
    ] = False,
    audit: Annotated[bool, typer.Option("--audit/--no-audit", help="State what the newest audit found.")] = True,
    timestamp_url: Annotated[
        str | None,
        typer.Option(
            "--timestamp-url", metavar="URL", help="Ask this time stamp authority; nobody is asked otherwise."
        ),
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Sign a copy of a generated image as one: Content Credentials (C2PA), offline, with your
    certificate.

    They say that a trained model made it and, in an assertion of our own, what the newest audit
    found: candidates with their evidence, rightsholders and licences, or that no single work
    explains it. A candidate is never an ingredient: influence is an estimate, and an ingredient
    asserts use. Prints the path of the copy. Needs the extra c2pa.

    Example:
        creditline sign 3fa2b1c09d11 --certificate chain.pem --key key.pem --out signed.png
    """
    from registry.storage.database import Registry
    from reports.credentials import load_c2pa

    load_c2pa()
    from reports.credentials.images import find_image
    from reports.credentials.keys import load_signing_key
    from reports.credentials.signing import check_out, sign_image

    now = datetime.datetime.now(datetime.UTC)
    registry = Registry.open(home_at(home))
    image = find_image(registry, sample)
    place = out or registry.home.reports / "signed" / f"{image.sample.id}{image.suffixes[0]}"
    check_out(registry, image, place, sidecar=sidecar, inputs=(image.file, certificate, key))
    loaded = load_signing_key(certificate, key, now)
    signed = sign_image(
        registry, image, loaded, place, now, sidecar=sidecar, with_audit=audit, timestamp_url=timestamp_url
    )
    if as_json:
        print_json("sign", _signed(signed, loaded))
    else:
        typer.echo(str(signed.image))
    _narrate_signing(signed, loaded, stamped=timestamp_url is not None)


def credentials(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An image.")],
    trust: Annotated[
        Path | None,
        typer.Option("--trust", metavar="ANCHORS.PEM", help="Certificates whose chains you trust; none otherwise."),
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option(
            "--manifest",
            metavar="FILE",
            help="Its manifest's file.",
            show_default="the one in the image, else the .c2pa beside it",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check an image's Content Credentials (C2PA) and show what they say; exits 1 unless they are
    valid.

    valid: nothing was altered, and the signer's chain leads to one of your trust anchors.
      untrusted: nothing was altered,
    but nobody vouches for the signer. tampered: image or manifest are not what was signed. none:
    there are none.

    Needs no registry and no network. Needs the extra c2pa.

    Example:
        creditline credentials signed.png --trust anchors.pem
    """
    from reports.credentials.checking import check_file

    checked, beside = check_file(file, manifest=manifest, trust=trust)
    if as_json:
        print_json("credentials", _checked(file, checked, beside))
    else:
        if checked.state == "tampered" and checked.assertion:
            typer.echo("tampered: what follows was said of the signed original, and not of this image")
        for name, value in _lines(checked, beside):
            typer.echo(f"{name:<13} {printable(value)}".rstrip())
        if checked.assertion and not hasattr(checked.assertion.audit, "not_measured"):
            _print_candidates(checked.assertion)
    if checked.state != "valid":
        narrate(f"{checked.state}: {checked.reason}")
        raise typer.Exit(1)


def make_test_certificate(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to write the three files.")],
    algorithm: Annotated[
        Literal["es256", "es384", "es512", "ps256", "ed25519"],
        typer.Option("--algorithm", help="es256, es384, es512, ps256 or ed25519."),
    ] = "es256",
    days: Annotated[int, typer.Option("--days", min=1, max=366, help="How long they are valid.")] = 30,
    as_json: JsonOption = False,
) -> None:
    """Make a TEST certificate chain and key, to try signing with; nobody trusts it. Needs the extra
    c2pa.

    Example:
        creditline test-certificate practice

        creditline sign 3fa2b1c09d11 --certificate practice/test-chain.pem --key
        practice/test-key.pem
    """
    from reports.credentials.trial_certificates import make_practice_certificates

    made = make_practice_certificates(folder, datetime.datetime.now(datetime.UTC), algorithm=algorithm, days=days)
    paths = {"chain": str(made.chain), "key": str(made.key), "root": str(made.root)}
    if as_json:
        print_json("test-certificate", {**paths, "valid_until": made.valid_until.isoformat(), "test": True})
    else:
        for path in paths.values():
            typer.echo(path)
    narrate(
        "this is a TEST chain: nobody trusts it, and it says TEST in its names. For images that go out, get a certificate from "
        f"an authority. To see `valid` here: creditline credentials FILE --trust {made.root}"
    )


def _signed(signed: SignedImage, key: SigningKey) -> dict[str, Any]:
    assertion = signed.assertion
    return {
        "sample": assertion.sample.id,
        "file": str(signed.image),
        "sidecar": str(signed.sidecar) if signed.sidecar else None,
        "sha256": {each.name: each.sha256 for each in signed.issued},
        "algorithm": key.algorithm,
        "signer": key.signer,
        "certificate_valid_until": key.valid_until.isoformat(),
        "assertion": assertion.model_dump(mode="json"),
    }


def _narrate_signing(signed: SignedImage, key: SigningKey, *, stamped: bool) -> None:
    for sentence in getattr(signed.assertion.audit, "taken_back", ()):
        narrate(f"since training: {sentence}")
    if signed.sidecar:
        narrate(f"its manifest is in {signed.sidecar}; the two belong together")
    narrate(f"signed as {key.signer} ({key.algorithm})")
    if key.is_test:
        narrate("this is a TEST certificate that nobody trusts")
    if key.others_may_read:
        narrate("others may read the key's file; `chmod 600` makes it yours alone")
    if not stamped:
        narrate(f"without a time stamp it counts until the certificate expires, on {key.valid_until:%Y-%m-%d}")


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
        ("signed by", signer or "not known"),
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
