"""A small real registry for statements and data-set reports, with two rightsholders in three names.

The figures of statements are drawn at random and kept as plain values, so that a test can count
again by going through them.
"""

from __future__ import annotations

import datetime
import hashlib
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from registry.encodings.store import create_encoding
from registry.event_log.events import changing
from registry.home import Home
from registry.ingest.owners.declarations import FolderPerRightsholder
from registry.members.manifest import read_member_folder
from registry.members.register import expected_works, last_withdrawal, member_id, register_member
from registry.outputs.joint_tests import EVENT
from registry.schema.create import create_registry
from registry.storage.database import Registry
from registry.storage.tables import Audit, Candidate, CandidateWork, Encoding, Ensemble, Sample
from tests.support.made_once import template
from tests.support.members import ensemble_of, write_member
from tests.support.sealing import add_sealed
from tests.support.works import NOW, picture, register, write_pictures

HOLDERS = {"Ada Example": 6, "Bo Example": 4, "Ada Exmaple": 2}
"""Works by name; the third name is the first, misspelt."""
N, H = 6, 3
RATE = 0.05


@dataclass(frozen=True)
class Drawn:
    """A drawn candidate."""

    audit: str
    output: str
    newest: bool
    generated: bool
    rank: int
    asset_id: int
    q: float

    @property
    def passes(self) -> bool:
        return self.q <= RATE


@dataclass
class StatementWorld:
    """The registry, and its content as plain values."""

    registry: Registry
    encoding: Encoding
    owner: dict[int, str]
    """The registered name of each work."""
    drawn: list[Drawn] = field(default_factory=list)
    audit_settings: dict[str, float] = field(default_factory=lambda: {"false_discovery_rate": RATE})
    """Settings of the audits that are added."""

    @property
    def ensemble_id(self) -> str:
        return ensemble_of(self.encoding)

    def works_of(self, *names: str) -> set[int]:
        return {asset_id for asset_id, owner in self.owner.items() if owner in names}

    def holder(self, name: str) -> int:
        with self.registry.connection() as connection:
            return int(connection.execute("SELECT id FROM rightsholder WHERE name = ?", [name]).fetchall()[0][0])

    def code(self, asset_id: int) -> int:
        with self.registry.connection() as connection:
            return int(
                connection.execute(
                    "SELECT code FROM unit JOIN unit_asset ON unit_asset.encoding_id = unit.encoding_id "
                    "AND unit_number = number WHERE asset_id = ?",
                    [asset_id],
                ).fetchall()[0][0]
            )

    def retrain(self, index: int) -> None:
        """Add a second generation of a member, without the works withdrawn by now."""
        through = last_withdrawal(self.registry)
        works = expected_works(self.registry, self.encoding.id, index, through)
        place = self.registry.home.member(member_id(self.ensemble_id, index, 2))
        write_member(place, self.encoding, works, index, generation=2, withdrawn_through=through)
        register_member(self.registry, read_member_folder(place), "trained", NOW)

    def add_audit(self, number: int, minutes: int = 0, *, generated: bool = True) -> None:
        """Add an audit of output ``number`` with four candidates drawn at random."""
        rng = np.random.default_rng(100 * number + minutes)
        output = hashlib.sha256(f"output {number}".encode()).hexdigest()[:12]
        audit_id = hashlib.sha256(f"audit {number} {minutes}".encode()).hexdigest()[:12]
        image = self.registry.home.sample_image(output)
        image.parent.mkdir(parents=True, exist_ok=True)
        picture(number).save(image)
        sha256 = hashlib.sha256(image.read_bytes()).hexdigest()
        new = generated and all(each.output != output for each in self.drawn)
        units = rng.permutation(len(self.owner))[:4].tolist()
        with self.registry.connection() as connection:
            asset_of = dict(connection.execute("SELECT unit_number, asset_id FROM unit_asset").fetchall())
        rows: list[Audit | Candidate | CandidateWork | Sample] = [self._sample(output, number, sha256)] if new else []
        rows.append(self._audit(audit_id, output if generated else None, sha256, minutes, rng))
        self.drawn = [
            Drawn(each.audit, each.output, each.newest and each.output != output, each.generated, *_rest(each))
            for each in self.drawn
        ]
        for rank, unit in enumerate(units, start=1):
            q = float(rng.choice([0.004, 0.03, 0.4, 0.9]))
            rows += [
                Candidate(
                    audit_id=audit_id,
                    rank=rank,
                    unit_number=unit,
                    score=1 / rank,
                    statistic=1.0,
                    p_value=q / 2,
                    q_value=q,
                    effect=0.4,
                    effect_low=0.1,
                    effect_high=0.8,
                    influence_exact=10.0 * rank if generated else None,
                    not_measured=None if generated else "an image that was not generated here has no noise",
                ),
                CandidateWork(
                    audit_id=audit_id,
                    unit_number=unit,
                    position=1,
                    asset_id=asset_of[unit],
                    distance=3.0,
                    weight=1.0,
                ),
            ]
            self.drawn.append(Drawn(audit_id, output, True, generated, rank, asset_of[unit], q))
        add_sealed(self.registry, NOW, *rows)

    def _sample(self, sample_id: str, seed: int, sha256: str) -> Sample:
        return Sample(
            id=sample_id,
            ensemble_id=self.ensemble_id,
            seed=seed,
            sampler={},
            members=list(range(N)),
            members_sha256="0" * 64,
            noise_sha256="0" * 64,
            image_sha256=sha256,
            tensors_sha256="0" * 64,
            saturated_fraction=0.0,
            versions={},
            created_at=NOW,
        )

    def _audit(
        self, audit_id: str, sample_id: str | None, sha256: str, minutes: int, rng: np.random.Generator
    ) -> Audit:
        tested = [
            {"name": name, "works": 3, "p": 0.001, "q": float(rng.choice([0.002, 0.6]))}
            for name in ("Ada Example", "Ada Exmaple", "Bo Example")
        ]
        shares = {
            "method": "what candidates explain",
            "candidates": [
                {"rank": rank, "share": 0.1 * rank, "low": 0.05 * rank, "high": 0.2 * rank} for rank in range(1, 5)
            ],
            "unattributed": {"share": 0.0, "low": 0.0, "high": 0.2},
        }
        return Audit(
            id=audit_id,
            ensemble_id=self.ensemble_id,
            subject_kind="sample" if sample_id else "image",
            sample_id=sample_id,
            image_name=None if sample_id else "poster.png",
            image_sha256=sha256,
            settings=dict(self.audit_settings),
            ranker={},
            test={
                "rightsholders": {"method": "sum", "draws": 99, "works": 9, "tested": tested},
                "shares": shares if sample_id else {"not_measured": "these members did not make it"},
            },
            attributable=True,
            artefact_sha256="0" * 64,
            versions={},
            timings={},
            created_at=NOW + datetime.timedelta(minutes=minutes),
        )


def _rest(each: Drawn) -> tuple[int, int, float]:
    return each.rank, each.asset_id, each.q


def make_statement_world(root: Path) -> StatementWorld:
    """The world below ``root``, without audits. Its works lie elsewhere: do not change them."""
    return _copied(*template("statements", _made), root)


def make_filled_statement_world(root: Path) -> StatementWorld:
    """The world with seven outputs audited, two of them twice; an outside image; an output without
    audit.
    """
    return _copied(*template("statements with audits", _filled), root)


def _copied(folder: Path, made: StatementWorld, root: Path) -> StatementWorld:
    home = Home(shutil.copytree(folder / "home", root / "home"))
    return StatementWorld(Registry(home), made.encoding, dict(made.owner), list(made.drawn))


def _made(root: Path) -> StatementWorld:
    registry = create_registry(Home(root / "home"), now=NOW)
    first = 0
    for name, works in HOLDERS.items():
        names = [f"{name}/{number:02}.png" for number in range(works)]
        write_pictures(root / "works", names, first)
        first += works
    register(registry, root / "works", FolderPerRightsholder("CC-BY-4.0"), data_set="shapes")
    encoding = create_encoding(registry, "asset", None, N, H, 1, NOW, code_format=1)
    ensemble_id = ensemble_of(encoding)
    with changing(registry, NOW) as change:
        change.insert(Ensemble(id=ensemble_id, encoding_id=encoding.id, settings={"steps": 1}, created_at=NOW))
        change.record("ensemble created", f"ensemble {ensemble_id}")
        change.seal("ensemble", ensemble_id)
    for index in range(N):
        place = registry.home.member(member_id(ensemble_id, index))
        write_member(place, encoding, expected_works(registry, encoding.id, index), index)
        register_member(registry, read_member_folder(place), "trained", NOW)
    with registry.connection() as connection:
        rows = connection.execute("SELECT id, path, sha256 FROM asset ORDER BY id").fetchall()
    registry.home.picture("x").parent.mkdir(parents=True)
    for asset_id, _, sha256 in rows[::2]:
        Image.fromarray(np.full((24, 24, 3), 20 * asset_id, np.uint8)).save(registry.home.picture(sha256))
    return StatementWorld(registry, encoding, {asset_id: path.split("/")[0] for asset_id, path, _ in rows})


def _filled(root: Path) -> StatementWorld:
    world = make_statement_world(root)
    for number in range(7):
        world.add_audit(number)
    world.add_audit(2, 5)
    world.add_audit(4, 5)
    world.add_audit(50, generated=False)
    add_sealed(world.registry, NOW, world._sample("f" * 12, 99, "0" * 64))
    return world


def record_run(world: StatementWorld, values: dict[str, tuple[float, float]]) -> None:
    """Record a test of rightsholders over all images, with these p and q by name."""
    facts = {
        "rate": RATE,
        "images": 6,
        "left_out": {"audited while other members served": 1},
        "tested": [
            {"name": name, "images": 5, "units": 3, "statistic": 1.0, "p": p, "smallest_p": 0.00005, "q": q}
            for name, (p, q) in values.items()
        ],
    }
    with changing(world.registry, NOW) as change:
        change.record(EVENT, f"encoding {world.encoding.id}", after=facts)
