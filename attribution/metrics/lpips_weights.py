"""The networks of LPIPS, and their files of weights.

LPIPS [Zhang et al. 2018] compares images in the features of a network trained on ImageNet; its
linear heads were fitted to exactly those weights. The ``lpips`` package has the heads; the networks
are torchvision's, and large. A file is used only with a known SHA-256, whether it was named, found
among torchvision's downloads, or downloaded now. Only a named network is downloaded. Missing
weights are a :class:`NotMeasured` that says what to do.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Literal
from urllib.request import urlopen

import torch

from attribution.metrics.euclidean import NotMeasured
from registry.errors import InputError, UsageError
from registry.home import write_atomically
from registry.ids import sha256_of_file

Net = Literal["alex", "vgg", "squeeze"]
WEIGHTS_VARIABLE = "CREDITLINE_LPIPS_WEIGHTS"
DOWNLOADS = "https://download.pytorch.org/models"
TIMEOUT_SECONDS = 30.0
"""Timeout of a download without an answer."""
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Backbone:
    """One network of LPIPS: torchvision's weights, and the heads fitted to them (version 0.1)."""

    net: Net
    file: str
    sha256: str
    """Its first eight digits are in the file's name."""
    megabytes: int
    """Size of the file, rounded up."""
    heads_sha256: str
    """SHA-256 of the file in the ``lpips`` package."""


BACKBONES: dict[Net, Backbone] = {
    backbone.net: backbone
    for backbone in (
        Backbone(
            net="alex",
            file="alexnet-owt-7be5be79.pth",
            sha256="7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
            megabytes=245,
            heads_sha256="df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
        ),
        Backbone(
            net="vgg",
            file="vgg16-397923af.pth",
            sha256="397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
            megabytes=554,
            heads_sha256="a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
        ),
        Backbone(
            net="squeeze",
            file="squeezenet1_1-b8a52dc0.pth",
            sha256="b8a52dc049b60e4b6ab68ad0df457362afab8b6304b2febdc1650a5dab4d7e7b",
            megabytes=6,
            heads_sha256="4a5350f23600cb79923ce65bb07cbf57dca461329894153e05a1346bd531cf76",
        ),
    )
}
"""In the order of the search: the authors of LPIPS recommend ``alex`` for comparison."""


@dataclass(frozen=True)
class LpipsWeights:
    """A file of weights with a known hash; can be passed to a worker process."""

    backbone: Backbone
    path: Path


def lpips_weights(
    net: str | None = None,
    given: Path | None = None,
    *,
    folder: Path | None = None,
    downloads: str = DOWNLOADS,
    advanced: Callable[[int], object] = lambda _: None,
) -> LpipsWeights | NotMeasured:
    """The weights for LPIPS: the named file, else the file of the environment variable, else
    torchvision's earlier download, else, if ``net`` is named, a new download.

    Args:
        net: the network; None for any available one.
        given: a file of weights.
        folder: for downloads; None: torchvision's own folder.
        downloads: address of the folder with torchvision's files.
        advanced: called with the number of bytes of a download since the last call.

    Raises:
        UsageError: an unknown network.
        InputError: the named file is not a known one.
    """
    wanted = [backbone for backbone in BACKBONES.values() if net in (None, backbone.net)]
    if not wanted:
        raise UsageError(f"LPIPS has no network {net!r}: choose one of {', '.join(BACKBONES)}")
    named = given or Path(os.environ.get(WEIGHTS_VARIABLE, "").strip() or ".")
    if named != Path():
        return _known_file(named.expanduser(), wanted)
    kept = folder or Path(torch.hub.get_dir()) / "checkpoints"
    for backbone in wanted:
        path = kept / backbone.file
        if path.is_file() and sha256_of_file(path) == backbone.sha256:
            return LpipsWeights(backbone, path.resolve())
    if net is None:
        return NotMeasured(
            "no LPIPS weights are here: `creditline audit --lpips alex` downloads them once "
            f"({BACKBONES['alex'].megabytes} MB, hash checked), --lpips-weights FILE names a file"
        )
    return _download(wanted[0], kept, downloads, advanced)


def _known_file(path: Path, wanted: Sequence[Backbone]) -> LpipsWeights:
    try:
        found = sha256_of_file(path)
    except OSError as error:
        raise InputError(f"LPIPS weights {path} cannot be read: {error.strerror}") from error
    for backbone in wanted:
        if found == backbone.sha256:
            return LpipsWeights(backbone, path.resolve())
    expected = ", ".join(backbone.file for backbone in wanted)
    raise InputError(
        f"{path} (SHA-256 {found[:12]}…) holds no weights that LPIPS was fitted to: expected torchvision's {expected}"
    )


class _DownloadError(Exception):
    """A download failed."""


def _download(
    backbone: Backbone, folder: Path, downloads: str, advanced: Callable[[int], object]
) -> LpipsWeights | NotMeasured:
    address, path = f"{downloads}/{backbone.file}", folder / backbone.file
    try:
        write_atomically(path, partial(_fetch, address, backbone, advanced))
    except (_DownloadError, InputError) as error:
        return NotMeasured(
            f"the weights of LPIPS ({backbone.net}) could not be downloaded from {address} ({error}): "
            f"put the file into {folder}, or name it with --lpips-weights or {WEIGHTS_VARIABLE}"
        )
    return LpipsWeights(backbone, path.resolve())


def _fetch(address: str, backbone: Backbone, advanced: Callable[[int], object], into: Path) -> None:
    """Write the download into a file, if its hash is the expected one."""
    digest, count = hashlib.sha256(), 0
    with into.open("wb") as file:
        for block in _received(address):
            count += len(block)
            if count > backbone.megabytes * 1_000_000:
                raise _DownloadError(f"got more than the {backbone.megabytes} MB of {backbone.file}")
            digest.update(block)
            file.write(block)
            advanced(len(block))
    if digest.hexdigest() != backbone.sha256:
        raise _DownloadError(
            f"got {count} bytes with SHA-256 {digest.hexdigest()[:12]}…, expected {backbone.sha256[:12]}…: "
            "damaged, cut short, or another file"
        )


def _received(address: str) -> Iterator[bytes]:
    try:
        # The address is the constant above or the caller's, never from an input.
        with urlopen(address, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
            while block := answer.read(_BLOCK):
                yield block
    except (OSError, HTTPException) as error:
        raise _DownloadError(str(error) or type(error).__name__) from error
