"""Makes a small real registry in a folder, with invented works, for tests of rendering.

Nothing here is a measurement: numbers are drawn, pictures are shapes. Only the way in is real: rows
through the models, audits as safetensors files with hashes, pictures as PNG files in the home.

    python -m tests.support.world FOLDER      makes one, with its reports in FOLDER/reports
"""

from __future__ import annotations

import datetime
import hashlib
import math
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from safetensors.numpy import save
from scipy.stats import false_discovery_control
from sqlmodel import SQLModel

from registry.home import Home
from registry.schema.create import create_registry
from registry.storage.database import Registry
from registry.storage.tables import (
    Asset,
    AssetRights,
    Audit,
    Candidate,
    CandidateWork,
    DataSet,
    Encoding,
    Ensemble,
    Licence,
    Member,
    Rightsholder,
    Sample,
    Unit,
    UnitAsset,
)
from registry.works.identity import identity_of
from reports.outputs.selection import newest_audits, unaudited_samples
from reports.outputs.write import WrittenReports, write_reports
from tests.support.made_once import template
from tests.support.sealing import add_sealed

NOON = datetime.datetime(2026, 3, 14, 12, 0, tzinfo=datetime.UTC)
N, H = 10, 5
DECOYS = 204
WORKS = {
    "Red apple": "#d64545",
    "Yellow sun": "#e8b92e",
    "Blue kite": "#3f7fd1",
    "Green leaf": "#4a9a55",
    "Brown acorn": "#8a5a34",
    "Violet bell": "#7d55b5",
    "Orange fish": "#e67f32",
    "Grey stone": "#83878c",
    "Rose petal": "#d96c98",
    "Teal wave": "#2f9a9a",
    "Olive branch": "#80853a",
    "Navy flag": "#2c4177",
}
BASE = "7b" * 32
"""The id of the base model of a world with one."""
PROMPT = "a <b>shape</b>, flat colours"
"""The prompt of every sample in a world with a base model."""
TITLES, COLOURS = tuple(WORKS), tuple(WORKS.values())
HOSTILE = (
    "<script>document.title='owned'</script><img src=x onerror=alert(1)> \u202egnp.exe\u202c =1+1 \U0001f34e\u200d\U0001f525 "
    + "long " * 20_000
)
Pixels = NDArray[np.uint8]


@dataclass
class World:
    """A registry with one encoding of ``len(TITLES)`` works by two owners; audits are added."""

    registry: Registry
    unit_kind: str = "asset"
    size: int = 16
    base: bool = False
    """Whether the members are adapters on a base model, :data:`BASE`."""

    @property
    def home(self) -> Home:
        return self.registry.home

    def add(self, *rows: SQLModel) -> None:
        add_sealed(self.registry, NOON, *rows)

    def add_sample(self, number: int) -> Sample:
        """Add a sample with a coarse copy of a work as its picture."""
        sample_id = hashlib.sha256(f"sample {number}".encode()).hexdigest()[:12]
        path = self.home.sample_image(sample_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(shape(number, self.size)).save(path)
        sample = Sample(
            id=sample_id,
            ensemble_id="e" * 12,
            seed=number,
            label=PROMPT if self.base else None,
            sampler={
                "method": "ddpm",
                "steps": 50,
                "train_steps": 1000,
                "beta_start": 1e-4,
                "beta_end": 0.02,
                "clip": True,
            },
            members=list(range(N)),
            members_sha256="a" * 64,
            noise_sha256="b" * 64,
            image_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            tensors_sha256="c" * 64,
            saturated_fraction=0.41,
            versions=VERSIONS,
            created_at=NOON,
        )
        self.add(sample)
        return sample

    def add_audit(
        self,
        beaten_by: Sequence[int],
        *,
        first: int = 0,
        sample: Sample | None = None,
        image_name: str | None = None,
        image_sha256: str | None = None,
        exact: bool = False,
        created_at: datetime.datetime = NOON,
        works_each: int = 1,
    ) -> Audit:
        """Add an audit; ``beaten_by``: better decoys, by candidate from unit ``first`` on.

        ``image_sha256``: of an image from outside; None: the hash of its name.
        """
        generator = np.random.default_rng(first + 100 * len(beaten_by))
        units = [(first + place) % self.unit_count for place in range(len(beaten_by))]
        p_values = [(1 + beaten) / (DECOYS + 1) for beaten in beaten_by]
        q_values = [float(q) for q in false_discovery_control(p_values)]
        decoys = generator.normal(0, 1, (len(units), DECOYS))
        ordered = -np.sort(-decoys, axis=1)
        statistics = []
        for row, beaten in enumerate(beaten_by):
            statistics.append(float(ordered[row, beaten - 1]) - 1e-9 if beaten else float(ordered[row, 0]) + 1.3)
        influences = generator.normal(30, 6, self.unit_count).clip(4)
        tensors: dict[str, NDArray[np.float64] | Pixels] = {
            "unit_score": generator.random(self.unit_count),
            "decoy_statistic": decoys,
            "output": shape(first, self.size),
        }
        if sample:
            tensors["unit_influence_estimate"] = influences
            tensors["counterfactual"] = np.stack([shape(unit + 3, self.size) for unit in units])
        if sample and self.base:
            tensors["base_alone"] = shape(first + 5, self.size)
        if exact:
            tensors["unit_influence_exact"] = influences * 1.1
            tensors["unit_influence_exact_lpips"] = (influences / 100) ** 2
            tensors["unit_influence_estimate_lpips"] = (influences / 100) ** 2 * 0.9
        subject = sample.id if sample else str(image_name)
        audit_id = hashlib.sha256(f"audit {subject} {created_at} {beaten_by}".encode()).hexdigest()[:12]
        data = save(tensors, {"format": "creditline-audit-1"})
        self.home.audit(audit_id).parent.mkdir(parents=True, exist_ok=True)
        self.home.audit(audit_id).write_bytes(data)
        audit = Audit(
            id=audit_id,
            ensemble_id="e" * 12,
            subject_kind="sample" if sample else "image",
            sample_id=sample.id if sample else None,
            image_name=image_name,
            image_sha256=image_sha256 or (sample.image_sha256 if sample else _sha256(subject)),
            settings={
                "shortlist": len(units),
                "false_discovery_rate": 0.05,
                "decoy_limit": 20000,
                "exact": exact,
                "main_source": 0.1,
                "contributes": 0.03,
            },
            ranker={
                "name": "pixel-kernel",
                "bandwidth": 0.01,
                "bandwidths": [0.003, 0.01, 0.03],
                "member_lds": {"value": 0.42, "low": 0.3, "high": 0.5, "samples": 16}
                if sample
                else {"not_measured": "fewer than two outputs were sampled"},
            },
            test={
                "statistic": "directional",
                "sqrt_alpha_bar": [0.1, 0.95],
                "steps": 41,
                "decoys": DECOYS,
                "decoys_available": DECOYS,
                "decoys_chosen": "all",
                "effect": {"method": "95 % interval by inverting the test", "unit": "share of the way", "level": 0.05},
                "rightsholders": _rightsholder_tests(self.unit_kind),
                "shares": _shares(len(units), generated=sample is not None),
                "smallest_p": 1 / (DECOYS + 1),
                "smallest_q": len(units) / (DECOYS + 1),
            },
            landscape=_landscape(influences, exact, base=self.base) if sample else None,
            attributable=any(q <= 0.05 for q in q_values),
            artefact_sha256=hashlib.sha256(data).hexdigest(),
            versions=VERSIONS,
            timings={"rank": 0.21, "test": 1.9, "ablation": 12.4, "jacobian": 8.8},
            created_at=created_at,
        )
        rows: list[SQLModel] = [audit]
        for place, (unit, p, q) in enumerate(zip(units, p_values, q_values, strict=True)):
            rows.append(
                Candidate(
                    audit_id=audit_id,
                    rank=place + 1,
                    unit_number=unit,
                    score=0.93 - 0.11 * place,
                    statistic=statistics[place],
                    p_value=p,
                    q_value=q,
                    **_effect(place),
                    influence_exact=float(influences[unit] * 1.1) if sample else None,
                    influence_estimate=float(influences[unit]) if sample else None,
                    influence_exact_lpips=float((influences[unit] / 100) ** 2) if sample and exact else None,
                    influence_estimate_lpips=float((influences[unit] / 100) ** 2 * 0.9) if sample and exact else None,
                    not_measured=None if sample else "an image that was not generated here has no noise",
                    lpips_not_measured=None if exact and sample else "no LPIPS weights are here",
                )
            )
            rows += [
                CandidateWork(
                    audit_id=audit_id,
                    unit_number=unit,
                    position=position + 1,
                    asset_id=asset,
                    distance=8.0 + 9 * place + 2 * position,
                    weight=1 / works_each,
                )
                for position, asset in enumerate(self.assets_of(unit)[:works_each])
            ]
        self.add(*rows)
        return audit

    @property
    def unit_count(self) -> int:
        return 2 if self.unit_kind == "rightsholder" else len(TITLES)

    def assets_of(self, unit: int) -> list[int]:
        return (
            [number for number in range(len(TITLES)) if number % 2 == unit]
            if self.unit_kind == "rightsholder"
            else [unit]
        )

    def render(self, out: Path, now: datetime.datetime = NOON + datetime.timedelta(days=1)) -> WrittenReports:
        """Render all reports, as the command does."""
        with self.registry.session() as session:
            audits, unaudited = newest_audits(session), unaudited_samples(session)
        return write_reports(self.registry, audits, out, now=now, unaudited=unaudited)


VERSIONS = {
    "creditline": "0.1.0",
    "python": "3.11.9",
    "torch": "2.9.0",
    "numpy": "2.3.0",
    "platform": "Linux x86_64",
    "device": "cpu",
}


def make_world(
    root: Path, *, unit_kind: str = "asset", size: int = 16, first_title: str = TITLES[0], base: bool = False
) -> World:
    """A registry in ``root``: works, owners, licences, encoding, ensemble; no audits."""

    def make(folder: Path) -> None:
        _add_rows(World(create_registry(Home(folder)), unit_kind, size, base), first_title)

    # A test may draw other pictures.
    folder, _ = template((unit_kind, size, first_title, base, shape), make)
    shutil.copytree(folder, root, dirs_exist_ok=True)
    return World(Registry(Home(root)), unit_kind, size, base)


def _add_rows(world: World, first_title: str) -> None:
    recipe: dict[str, Any] = {"image": {"size": world.size, "channels": 3}}
    if world.base:
        recipe["network"] = {"base": BASE}
    holders = ("Kestrel Studio", "Open Shapes Project")
    licences = (("CC-BY-4.0", None), ("LicenseRef-Kestrel-2", "https://kestrel.example/terms"))
    titles = (first_title, *TITLES[1:])
    labels = holders if world.unit_kind == "rightsholder" else titles
    rows: list[SQLModel] = [
        DataSet(id=1, name="shapes", kind="folder", root="/works/shapes", created_at=NOON),
        *(Rightsholder(id=number, name=name, created_at=NOON) for number, name in enumerate(holders)),
        *(
            Licence(
                id=number,
                reference=reference,
                recognised=True,
                training="permitted",
                duties=["attribution"],
                url=url,
                note="",
                created_at=NOON,
            )
            for number, (reference, url) in enumerate(licences)
        ),
        Encoding(
            id="d" * 12,
            unit_kind=world.unit_kind,
            n=N,
            h=H,
            seed=7,
            unit_count=world.unit_count,
            left_out={},
            created_at=NOON,
        ),
        Ensemble(id="e" * 12, encoding_id="d" * 12, settings=recipe, created_at=NOON),
    ]
    for number in range(world.unit_count):
        rows.append(
            Unit(encoding_id="d" * 12, number=number, key=str(number), label=labels[number], code=0b11111 << number % 5)
        )
        rows += [
            UnitAsset(encoding_id="d" * 12, unit_number=number, asset_id=asset) for asset in world.assets_of(number)
        ]
    for index in range(N):
        rows.append(
            Member(
                id=f"{'e' * 12}-{index}",
                ensemble_id="e" * 12,
                index=index,
                generation=1,
                origin="trained",
                manifest={"withdrawn_through": None},
                manifest_sha256=f"{index:064x}",
                merkle_root=f"{index + 200:064x}",
                weights_sha256=f"{index + 100:064x}",
                registered_at=NOON,
            )
        )
    world.home.picture("x").parent.mkdir(parents=True)
    for number, title in enumerate(titles):
        sha256 = hashlib.sha256(f"work {number}".encode()).hexdigest()
        Image.fromarray(shape(number, 72)).save(world.home.picture(sha256))
        rows += [
            Asset(
                id=number,
                data_set_id=1,
                path=f"{holders[number % 2].split()[0].lower()}/{number:02}.png",
                sha256=sha256,
                byte_size=700,
                media_type="image/png",
                width=72,
                height=72,
                identity=identity_of(sha256),
                pixel_mode="RGB",
                registered_at=NOON,
                declared_id=number,
                rightsholder_id=number % 2,
                licence_id=1 - number % 2,
                permission="permitted",
            ),
            AssetRights(
                id=number,
                asset_id=number,
                basis="declared",
                rightsholder_id=number % 2,
                licence_id=1 - number % 2,
                title=title,
                recorded_from="owners.csv",
                recorded_by="tests",
                recorded_at=NOON,
            ),
        ]
    world.add(*rows)


def shape(number: int, size: int) -> Pixels:
    """A flat shape of the work's colour on white, averaged down to ``size`` pixels a side."""
    image = Image.new("RGB", (512, 512), "#ffffff")
    draw = ImageDraw.Draw(image)
    kind = number % 4
    if kind == 0:
        draw.ellipse((70, 110, 442, 470), fill=COLOURS[number % len(COLOURS)])
        draw.rectangle((244, 40, 268, 140), fill="#5c3d22")
    elif kind == 1:
        spikes = [
            (256 + r * math.cos(a), 256 + r * math.sin(a))
            for a, r in ((i * math.pi / 8, 220 if i % 2 else 130) for i in range(16))
        ]
        draw.polygon(spikes, fill=COLOURS[number % len(COLOURS)])
    elif kind == 2:
        draw.polygon([(256, 40), (430, 230), (256, 472), (82, 230)], fill=COLOURS[number % len(COLOURS)])
    else:
        draw.pieslice((60, 60, 452, 452), 30, 300, fill=COLOURS[number % len(COLOURS)])
    return np.asarray(image.resize((size, size), Image.Resampling.LANCZOS), dtype=np.uint8)


def fill(world: World) -> None:
    """Add one audit of every kind that a reader meets."""
    world.add_audit((0, 8, 20, 61, 110, 180), first=0, sample=world.add_sample(0), exact=True)
    world.add_audit((0, 3, 70, 120), first=1, sample=world.add_sample(1))
    world.add_audit((12, 40, 99, 160), first=2, sample=world.add_sample(2))
    world.add_audit((1, 50, 120), first=5, image_name="found on a poster.jpg")
    world.add_sample(6)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _effect(place: int) -> dict[str, Any]:
    if place == 2:
        return {"effect_not_measured": "too few decoys: the test rejects no effect at this level, however large"}
    value = 0.24 - 0.07 * place
    return {"effect": value, "effect_low": value - 0.11, "effect_high": value + 0.1}


def _share(place: int) -> dict[str, float]:
    value = 0.32 / 2**place
    return {"share": value, "low": value / 2, "high": value * 1.5}


def _shares(units: int, *, generated: bool) -> dict[str, Any]:
    if not generated:
        return {"not_measured": "an image that was not generated here is not divided: these members did not make it"}
    left = 1 - sum(_share(place)["share"] for place in range(units))
    return {
        "method": "what candidates explain",
        "interval": "95 % interval by resampling the members",
        "level": 0.05,
        "draws": 400,
        "candidates": [{"rank": place + 1, **_share(place)} for place in range(units)],
        "unattributed": {"share": left, "low": left * 0.8, "high": left * 1.2},
    }


def _rightsholder_tests(unit_kind: str) -> dict[str, Any]:
    if unit_kind != "asset":
        return {"not_measured": "this encoding's units are not single works"}
    tested = [
        {"name": "Ada Example", "works": 5, "statistic": 1.7, "p": 0.0025, "q": 0.005},
        {"name": HOSTILE, "works": 3, "statistic": -0.2, "p": 0.61, "q": 0.61},
    ]
    return {"method": "weighted sum of the works' statistics", "draws": 1999, "works": 8, "tested": tested}


def _landscape(influences: NDArray[np.float64], exact: bool, *, base: bool) -> dict[str, object]:
    top = int(np.argmax(influences))
    error = {"rank_correlation": 1.0, "relative_error": 0.09, "median_relative_error": 0.09, "units": len(influences)}
    against = {"against_exact": error} if exact else {}
    lpips = {"radius": float((influences[top] / 100) ** 2), "unit_number": top}
    none = {"not_measured": "no LPIPS weights are here"}
    return {
        "estimate": {"method": "jacobian", "radius": float(influences[top]), "unit_number": top, **against},
        "exact": {"method": "ablation", "radius": float(influences[top] * 1.1), "unit_number": top}
        if exact
        else {"not_measured": "only the candidates were ablated; audit with --exact for all units"},
        "estimate_lpips": {**lpips, "method": "jacobian", "members_per_step": 3, **against} if exact else none,
        "exact_lpips": {**lpips, "method": "ablation"} if exact else none,
        "lpips": {"net": "alex", "version": "0.1", "weights_sha256": "7be5be79" * 8, "enlarged_to": 64}
        if exact
        else none,
        **({"base_alone": {"distance": 41.5, "lpips": 0.27 if exact else none}} if base else {}),
        "saturated_fraction": 0.41,
    }


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for kind in ("asset", "rightsholder"):
        made = make_world(folder / kind, unit_kind=kind)
        if kind == "asset":
            fill(made)
        else:
            made.add_audit((0, 90), sample=made.add_sample(0), works_each=3)
            made.add_audit((31, 90), sample=made.add_sample(1), works_each=3)
        made.render(folder / kind / "reports")
