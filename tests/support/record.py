"""A registry with a row in every sealed table, made through the log, as by commands."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
from sqlmodel import SQLModel

from registry.encodings import codes
from registry.event_log.events import changing
from registry.permissions.derived_columns import recompute
from registry.storage.database import Registry
from registry.storage.tables import (
    Asset,
    AssetFingerprint,
    AssetRights,
    AssetSignal,
    Audit,
    BaseComponent,
    BaseDetails,
    BaseModel,
    Candidate,
    CandidateWork,
    Claim,
    ClaimDecision,
    ClaimWork,
    CoRightsholder,
    DataSet,
    EmbeddedMetadata,
    Encoding,
    EncodingCodes,
    EncodingProbe,
    Ensemble,
    Licence,
    Member,
    NearDuplicate,
    Review,
    Rightsholder,
    RightsholderDetails,
    RightsholderIdentifier,
    Sample,
    SitePolicy,
    Unit,
    UnitAsset,
    UnitGroup,
    UnitSlot,
    Withdrawal,
    WithdrawalWork,
    WorkCaption,
)
from registry.works.identity import identity_of

WORKS = 6
ENCODING: dict[str, Any] = {"unit_kind": "asset", "unit_column": None, "n": 4, "h": 2, "seed": 5}
ENCODING_ID, ENSEMBLE_ID, SAMPLE_ID, AUDIT_ID = "e" * 12, "f" * 12, "5" * 12, "a" * 12
BASE_ID = "b" * 64


def sha256_of_work(number: int) -> str:
    return f"{number:064x}"


def fill(registry: Registry, now: datetime) -> None:
    """Add rows to every table, in several changes."""
    for rows, keys in (_owners(now), _works(now), _statements(now), _outputs(now)):
        with changing(registry, now) as change:
            change.insert(*rows)
            for table, key in keys:
                change.seal(table, key)
            change.record("things added", f"{len(rows)} rows", after={"rows": len(rows)})
            if any(isinstance(row, Asset | AssetRights | Claim) for row in rows):
                recompute(change, None)


Rows = tuple[list[SQLModel], list[tuple[str, str]]]


def _by(now: datetime) -> dict[str, Any]:
    return {"recorded_by": "tester", "recorded_at": now}


def _owners(now: datetime) -> Rows:
    return [
        *(Rightsholder(id=number, name=f"Holder {number}", created_at=now) for number in range(2)),
        RightsholderDetails(id=0, rightsholder_id=0, kind="person", contact="a@example.com", **_by(now)),
        RightsholderIdentifier(id=0, rightsholder_id=0, scheme="isni", value="0000", **_by(now)),
        Licence(
            id=0,
            reference="CC0-1.0",
            recognised=True,
            training="permitted",
            duties=[],
            note="no rights",
            created_at=now,
        ),
        DataSet(id=0, name="works", kind="folder", root="/works", created_at=now),
        SitePolicy(
            id=0,
            kind="robots",
            domain="example.com",
            subdomains=False,
            agents=["bot"],
            file_name="robots.txt",
            sha256="0" * 64,
            content="User-agent: *",
            seen_at=now,
            recorded_by="tester",
        ),
    ], []


def _works(now: datetime) -> Rows:
    assets = [
        Asset(
            id=number,
            data_set_id=0,
            path=f"{number}.png",
            sha256=sha256_of_work(number),
            identity=identity_of(sha256_of_work(number)),
            byte_size=10,
            media_type="image/png",
            width=1,
            height=1,
            pixel_mode="RGB",
            registered_at=now,
            permission="unclear",
        )
        for number in range(WORKS)
    ]
    rights = [
        AssetRights(
            id=number,
            asset_id=number,
            basis="declared",
            rightsholder_id=number % 2,
            licence_id=0,
            title=f"Work {number}",
            attributes={"style": "flat"},
            recorded_from="owners.csv",
            **_by(now),
        )
        for number in range(WORKS)
    ]
    return [
        *assets,
        *rights,
        *(
            WorkCaption(
                id=number,
                asset_id=number,
                text=f"a thing {number}",
                source="column",
                recorded_from="owners.csv",
                **_by(now),
            )
            for number in range(3)
        ),
        CoRightsholder(id=0, rights_id=0, asset_id=0, position=1, rightsholder_id=0, share=0.5),
    ], []


def _statements(now: datetime) -> Rows:
    return [
        EmbeddedMetadata(id=0, asset_id=1, fields={}, xmp=b"<x/>", problems=[], read_at=now),
        AssetSignal(
            id=0,
            asset_id=1,
            protocol="xmp",
            category="c2pa.ai_training",
            use="allowed",
            raw="x",
            found_in="xmp",
            policy_id=0,
            seen_at=now,
        ),
        *(
            AssetFingerprint(id=number, asset_id=number, word0=number, word1=2**64 - 1, word2=0, word3=0, quality=100)
            for number in range(2)
        ),
        NearDuplicate(id=0, asset_id=0, other_asset_id=1, distance=1, found_at=now),
        Review(id=0, scope="asset", subject_id=2, permission="permitted", reason="contract", **_by(now)),
        Claim(id=0, rightsholder_id=1, statement="mine", **_by(now)),
        ClaimWork(id=0, claim_id=0, asset_id=0, matched_by="id"),
        ClaimDecision(id=0, claim_id=0, state="refused", reason="is not", **_by(now)),
        Withdrawal(id=0, scope="asset", subject_id=5, reason="asked", **_by(now)),
        WithdrawalWork(id=0, withdrawal_id=0, asset_id=5),
    ], []


def _outputs(now: datetime) -> Rows:
    n, h, seed = (int(ENCODING[name]) for name in ("n", "h", "seed"))
    unit_codes = codes.codes_of(seed, n, h, np.arange(5)).tolist()
    rows: list[SQLModel] = [
        Encoding(id=ENCODING_ID, unit_count=5, left_out={"withdrawn": 1}, created_at=now, **ENCODING),
        *(
            Unit(encoding_id=ENCODING_ID, number=number, key=str(number), label=f"Work {number}", code=code)
            for number, code in enumerate(unit_codes)
        ),
        *(UnitAsset(encoding_id=ENCODING_ID, unit_number=number, asset_id=number) for number in range(5)),
        EncodingCodes(encoding_id=ENCODING_ID, code_format=1),
        EncodingProbe(encoding_id=ENCODING_ID, asset_id=5),
        UnitGroup(encoding_id=ENCODING_ID, number=0, key="0", label="Holder 0", support=0b1111, slots=5),
        *(UnitSlot(encoding_id=ENCODING_ID, unit_number=number, group_number=0, place=number) for number in range(5)),
        Ensemble(id=ENSEMBLE_ID, encoding_id=ENCODING_ID, settings={"steps": 1}, created_at=now),
    ]
    of_encoding = ("encoding", "unit", "unit_asset", "encoding_codes", "encoding_probe", "unit_group", "unit_slot")
    return rows, [*((table, ENCODING_ID) for table in of_encoding), ("ensemble", ENSEMBLE_ID)]


def add_outputs(registry: Registry, now: datetime) -> None:
    """Rows of a member, a sample, an audit and a base, without files: for tests of seals."""
    rows: list[SQLModel] = [
        Member(
            id=f"{ENSEMBLE_ID}-00",
            ensemble_id=ENSEMBLE_ID,
            index=0,
            generation=1,
            origin="trained",
            manifest={},
            manifest_sha256="0" * 64,
            merkle_root="0" * 64,
            weights_sha256="0" * 64,
            registered_at=now,
        ),
        Sample(
            id=SAMPLE_ID,
            ensemble_id=ENSEMBLE_ID,
            seed=1,
            sampler={},
            members=[0],
            members_sha256="0" * 64,
            noise_sha256="0" * 64,
            image_sha256="0" * 64,
            tensors_sha256="0" * 64,
            saturated_fraction=0.0,
            versions={},
            created_at=now,
        ),
        Audit(
            id=AUDIT_ID,
            ensemble_id=ENSEMBLE_ID,
            subject_kind="sample",
            sample_id=SAMPLE_ID,
            image_sha256="0" * 64,
            settings={},
            ranker={},
            test={},
            attributable=False,
            artefact_sha256="0" * 64,
            versions={},
            timings={},
            created_at=now,
        ),
        Candidate(audit_id=AUDIT_ID, rank=1, unit_number=0, score=1.0, statistic=1.0, p_value=0.5, q_value=0.5),
        CandidateWork(audit_id=AUDIT_ID, unit_number=0, position=1, asset_id=0, distance=0.1, weight=1.0),
        BaseModel(
            id=BASE_ID,
            pipeline="StableDiffusionPipeline",
            family="sd",
            prediction="epsilon",
            schedule={"steps": 1000},
            latents={"channels": 4},
            tokens=77,
            created_at=now,
        ),
        *(
            BaseComponent(
                base_id=BASE_ID, number=number, name=name, class_name=name, sha256="0" * 64, weights=0, files=[]
            )
            for number, name in enumerate(("unet", "vae"))
        ),
        BaseDetails(
            base_id=BASE_ID,
            number=0,
            name="base",
            folder="/base",
            licence_id=0,
            source="here",
            data_set_id=0,
            **_by(now),
        ),
    ]
    with changing(registry, now) as change:
        change.insert(*rows)
        change.record("output audited", f"audit {AUDIT_ID}", after={})
        for table, key in (
            ("member", f"{ENSEMBLE_ID}-00"),
            ("sample", SAMPLE_ID),
            ("audit", AUDIT_ID),
            ("candidate", AUDIT_ID),
            ("candidate_work", AUDIT_ID),
            ("base_model", BASE_ID),
            ("base_component", BASE_ID),
            ("base_details", BASE_ID),
        ):
            change.seal(table, key)
