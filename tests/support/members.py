"""Member folders for tests of the registry: true manifests over weights of no network."""

from __future__ import annotations

import hashlib
from pathlib import Path

from registry.ids import content_id
from registry.members.manifest import (
    CONFIG_NAME,
    WEIGHTS_NAME,
    WORKS_NAME,
    Manifest,
    ManifestEncoding,
    ManifestWorks,
    ReferenceManifest,
    read_member_folder,
    works_listing,
)
from registry.members.register import expected_works, last_withdrawal, member_id, register_member
from registry.storage.database import Registry
from registry.storage.tables import Encoding, Ensemble, Member
from tests.support.sealing import add_sealed
from tests.support.works import NOW, write


def ensemble_of(encoding: Encoding) -> str:
    """The id of an encoding's only ensemble in the tests."""
    return content_id("ensemble", {"encoding": encoding.id})


def write_member(folder: Path, encoding: Encoding, works: list[str], index: int = 0, **changes: object) -> Path:
    """A member's folder with a manifest that fits its files."""
    config, weights, listing = b'{"act_fn": "silu"}', b"weights %d" % index, works_listing(works)
    write(folder / CONFIG_NAME, config)
    write(folder / WEIGHTS_NAME, weights)
    write(folder / WORKS_NAME, listing)
    manifest = Manifest(
        ensemble_id=ensemble_of(encoding),
        encoding=ManifestEncoding(
            id=encoding.id,
            n=encoding.n,
            h=encoding.h,
            seed=encoding.seed,
            unit_kind="asset",
            unit_column=encoding.unit_column,
        ),
        index=index,
        generation=1,
        withdrawn_through=None,
        works=ManifestWorks.of(works),
        settings={"steps": 1, "rate": 1e-4},
        seed=7,
        versions={"creditline": "0.1.0"},
        weights_sha256=hashlib.sha256(weights).hexdigest(),
        config_sha256=hashlib.sha256(config).hexdigest(),
        created_at=NOW,
    ).model_copy(update=changes)
    write(folder / "manifest.json", manifest.to_json())
    return folder


def write_reference(registry: Registry, encoding: Encoding, works: list[str], **changes: object) -> Path:
    """A reference model's folder in the registry's home, with a manifest that fits its files."""
    folder = write_member(registry.home.reference_model(ensemble_of(encoding)), encoding, works)
    member = Manifest.parse((folder / "manifest.json").read_bytes()).model_dump(exclude={"index", "generation"})
    manifest = ReferenceManifest.model_validate({**member, "settings": {"steps": 1}, **changes})
    write(folder / "manifest.json", manifest.to_json())
    return folder


def train_members(registry: Registry, encoding: Encoding, indices: list[int], generation: int = 1) -> list[Member]:
    """Register members trained after all withdrawals so far, in the registry's own home."""
    ensemble_id, through = ensemble_of(encoding), last_withdrawal(registry)
    with registry.session() as session:
        known = session.get(Ensemble, ensemble_id) is not None
    if not known:
        ensemble = Ensemble(id=ensemble_id, encoding_id=encoding.id, settings={"steps": 1}, created_at=NOW)
        add_sealed(registry, NOW, ensemble)
    made = []
    for index in indices:
        works = expected_works(registry, encoding.id, index, through)
        place = registry.home.member(member_id(ensemble_id, index, generation))
        write_member(place, encoding, works, index, generation=generation, withdrawn_through=through)
        made.append(register_member(registry, read_member_folder(place), "trained", NOW))
    return made
