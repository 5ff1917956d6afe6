"""A whole home: works on disk, an encoding, members, a sample and an audit, with their files."""

from __future__ import annotations

import hashlib
from pathlib import Path

from registry.encodings.store import create_encoding
from registry.event_log.events import changing
from registry.home import Home
from registry.members.manifest import read_member_folder
from registry.members.register import expected_works, member_id, register_member
from registry.schema.create import create_registry
from registry.storage.database import Registry
from registry.storage.tables import Audit, Encoding, Ensemble, Sample
from tests.support.members import ensemble_of, write_member
from tests.support.works import NOW, register, write, write_pictures

UNITS, N, H = 12, 6, 3
SAMPLE_ID, AUDIT_ID = "5" * 12, "a" * 12


def furnish(folder: Path) -> Registry:
    """Make the folders ``works`` and ``home`` below ``folder``."""
    registry = create_registry(Home(folder / "home"), now=NOW)
    register(registry, write_pictures(folder / "works", [f"{number:02d}.png" for number in range(UNITS)]))
    encoding = create_encoding(registry, "asset", None, N, H, 1, NOW, code_format=1)
    ensemble_id = ensemble_of(encoding)
    with changing(registry, NOW) as change:
        change.insert(Ensemble(id=ensemble_id, encoding_id=encoding.id, settings={"steps": 1}, created_at=NOW))
        change.record("ensemble created", f"ensemble {ensemble_id}")
        change.seal("ensemble", ensemble_id)
    for index in range(N):
        add_member(registry, encoding, index)
    _add_outputs(registry, ensemble_id)
    return registry


def add_member(registry: Registry, encoding: Encoding, index: int) -> None:
    """Register a member of the first generation with its folder."""
    place = registry.home.member(member_id(ensemble_of(encoding), index))
    write_member(place, encoding, expected_works(registry, encoding.id, index), index)
    register_member(registry, read_member_folder(place), "trained", NOW)


def _add_outputs(registry: Registry, ensemble_id: str) -> None:
    home = registry.home
    image, tensors, artefact = b"image", b"tensors", b"artefact"
    write(home.sample_image(SAMPLE_ID), image)
    write(home.sample_tensors(SAMPLE_ID), tensors)
    write(home.audit(AUDIT_ID), artefact)
    sha256 = {data: hashlib.sha256(data).hexdigest() for data in (image, tensors, artefact)}
    with changing(registry, NOW) as change:
        change.insert(
            Sample(
                id=SAMPLE_ID,
                ensemble_id=ensemble_id,
                seed=1,
                sampler={},
                members=list(range(N)),
                members_sha256="0" * 64,
                noise_sha256="0" * 64,
                image_sha256=sha256[image],
                tensors_sha256=sha256[tensors],
                saturated_fraction=0.0,
                versions={},
                created_at=NOW,
            ),
            Audit(
                id=AUDIT_ID,
                ensemble_id=ensemble_id,
                subject_kind="sample",
                sample_id=SAMPLE_ID,
                image_sha256=sha256[image],
                settings={},
                ranker={},
                test={},
                attributable=False,
                artefact_sha256=sha256[artefact],
                versions={},
                timings={},
                created_at=NOW,
            ),
        )
        change.record("output audited", f"audit {AUDIT_ID}")
        change.seal("sample", SAMPLE_ID)
        change.seal("audit", AUDIT_ID)
