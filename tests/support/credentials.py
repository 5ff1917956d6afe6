"""Shared by tests of Content Credentials: chains of new certificates, and a signed sample."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registry.storage.tables import Sample
from reports.credentials.images import find_image
from reports.credentials.keys import SigningKey, load_signing_key
from reports.credentials.signing import SignedImage, sign_image
from reports.credentials.trial_certificates import Algorithm, make_practice_certificates
from tests.support.world import World


def now() -> datetime.datetime:
    """The system clock, since the library judges certificates by it."""
    return datetime.datetime.now(datetime.UTC)


@dataclass(frozen=True)
class Chain:
    """The files of a signer."""

    certificate: Path
    key: Path
    root: Path

    @property
    def anchors(self) -> bytes:
        return self.root.read_bytes()

    def load(self) -> SigningKey:
        return load_signing_key(self.certificate, self.key, now())


def make_chain(folder: Path, algorithm: Algorithm = "es256") -> Chain:
    """A new chain with a root of its own."""
    made = make_practice_certificates(folder, now(), algorithm=algorithm)
    return Chain(made.chain, made.key, made.root)


def sign(world: World, sample: Sample, chain: Chain, out: Path, **options: Any) -> SignedImage:
    """Sign a sample."""
    return sign_image(world.registry, find_image(world.registry, sample.id), chain.load(), out, now(), **options)
