"""``creditline sign``: sign a copy of a generated image (C2PA)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.opening import now, open_registry
from cli.options import HomeOption, JsonOption
from cli.output import echo, narrate, print_json
from registry.home import DEFAULT_HOME

if TYPE_CHECKING:
    from reports.credentials.keys import SigningKey
    from reports.credentials.signing import SignedImage


def sign(
    sample: Annotated[
        str, typer.Argument(metavar="SAMPLE", help="Sample: id or its first digits, or a file with its pixels.")
    ],
    certificate: Annotated[
        Path, typer.Option("--certificate", metavar="FILE", help="PEM file: your certificate, then its issuers'.")
    ],
    key: Annotated[
        Path,
        typer.Option("--key", metavar="FILE", help="PEM file: your private key, unencrypted; ECDSA, RSA or Ed25519."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", help="Signed copy to write.", show_default="in reports/signed/ of the home folder"
        ),
    ] = None,
    sidecar: Annotated[
        bool,
        typer.Option("--sidecar", help="Leave the copy unchanged; write the C2PA manifest to a .c2pa file beside it."),
    ] = False,
    audit: Annotated[bool, typer.Option("--audit/--no-audit", help="Include the findings of the newest audit.")] = True,
    timestamp_url: Annotated[
        str | None,
        typer.Option("--timestamp-url", metavar="URL", help="Time stamp authority to ask.", show_default="none"),
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Sign a copy of a generated image with Content Credentials (C2PA), offline.

    The credentials say that a trained model made the image. An assertion of creditline adds the
    findings of the newest audit: candidates with evidence, rightsholders and licences, or that no
    single work explains the image. A candidate is never listed as a C2PA ingredient: an ingredient
    asserts use, while influence is an estimate. Prints the path of the copy. Needs
    creditline[c2pa].

    Examples:
        creditline sign 3fa2b1c09d11 --certificate chain.pem --key key.pem --out signed.png
    """
    from reports.credentials import load_c2pa

    load_c2pa()
    from reports.credentials.images import find_image
    from reports.credentials.keys import load_signing_key
    from reports.credentials.signing import check_out, sign_image

    time = now()
    registry = open_registry(home)
    image = find_image(registry, sample)
    place = out or registry.home.reports / "signed" / f"{image.sample.id}{image.suffixes[0]}"
    check_out(registry, image, place, sidecar=sidecar, inputs=(image.file, certificate, key))
    loaded = load_signing_key(certificate, key, time)
    signed = sign_image(
        registry, image, loaded, place, time, sidecar=sidecar, with_audit=audit, timestamp_url=timestamp_url
    )
    if as_json:
        print_json("sign", _facts(signed, loaded))
    else:
        echo(signed.image)
    for sentence in getattr(signed.assertion.audit, "taken_back", ()):
        narrate(f"since training: {sentence}")
    if signed.sidecar:
        narrate(f"the C2PA manifest is in {signed.sidecar}; keep it with the image")
    narrate(f"signed as {loaded.signer} ({loaded.algorithm})")
    if loaded.is_test:
        narrate("this is a TEST certificate that nobody trusts")
    if loaded.others_may_read:
        narrate("other users may read the key file; run `chmod 600` on it")
    if timestamp_url is None:
        narrate(
            f"without a time stamp, the signature is valid until the certificate expires, {loaded.valid_until:%Y-%m-%d}"
        )


def _facts(signed: SignedImage, key: SigningKey) -> dict[str, Any]:
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
