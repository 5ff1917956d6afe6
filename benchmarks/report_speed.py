"""Time and memory of a thousand outputs' reports, relative to encoding their pictures alone.

The registry has works, an ensemble's rows and one audit of ten candidates, copied under other ids.
Every copy has its own files, so that each is read. Pictures are smooth noise, which costs as much
to encode as a photograph of the same size. Reports and pictures are made in turn, each with one
process per core.

    python -m benchmarks.report_speed [--outputs 1000] [--sides 64 256]
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter
from safetensors.numpy import save
from scipy.stats import false_discovery_control
from sqlmodel import col, select

from benchmarks.record import conclude
from registry.basis.p_values import exact_p_values
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
from reports.facts import NotMeasured
from reports.outputs.artefacts import read_artefact
from reports.outputs.selection import newest_audits
from reports.outputs.write import write_reports
from reports.rendering.pictures import data_uri, read_picture
from tests.support.sealing import add_sealed, reseal

CANDIDATES, DECOYS, N, H = 10, 1_000, 16, 8
NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
MOST_TIMES = 3.0
ENSEMBLE, ENCODING = "e" * 12, "d" * 12


def main() -> int:
    """Measure, write the result, and return 1 if the claim does not hold."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--outputs", type=int, default=1000)
    parser.add_argument("--sides", type=int, nargs="+", default=[64, 256])
    options = parser.parse_args()
    cases = [measure(options.outputs, side) for side in options.sides]
    # Small pictures cost next to nothing to encode, but a page's words and plots cost the same.
    held = all(case["times_encoding_in_processor_seconds"] <= MOST_TIMES for case in cases)
    sides = " and ".join(str(side) for side in options.sides)
    claim = (
        f"reports of 10 candidates with pictures of {sides} pixels a side take at most {MOST_TIMES:g} times the processor "
        "time of encoding these alone"
    )
    results = {"outputs": options.outputs, "candidates": CANDIDATES, "cases": cases}
    return conclude("report_speed", claim, held, results, ("pillow", "jinja2", "duckdb"))


def measure(outputs: int, side: int) -> dict[str, Any]:
    """Wall and processor seconds of both, each on all cores."""
    with tempfile.TemporaryDirectory() as folder:
        registry = build(Home(Path(folder) / "home"), outputs, side)
        with registry.session() as session:
            audits = newest_audits(session)
        begun, used = time.perf_counter(), _processor_seconds()
        encode_all(registry, audits)
        encoding, encoding_used = time.perf_counter() - begun, _processor_seconds() - used
        begun, used = time.perf_counter(), _processor_seconds()
        written = write_reports(registry, audits, Path(folder) / "reports", now=NOW)
        rendering, rendering_used = time.perf_counter() - begun, _processor_seconds() - used
        page = (Path(folder) / "reports" / written.facts.reports[0].html).stat().st_size
    usage = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "side": side,
        "seconds_reports": rendering,
        "seconds_encoding": encoding,
        "times_encoding": rendering / encoding,
        "processor_seconds_reports": rendering_used,
        "processor_seconds_encoding": encoding_used,
        "times_encoding_in_processor_seconds": rendering_used / encoding_used,
        "reports_a_second": outputs / rendering,
        "kilobytes_a_page": page // 1000,
        "megabytes_a_process": max(usage) // 1000,
    }


def _processor_seconds() -> float:
    """Of this process and of its children that have ended: what other programs do counts less."""
    used = [resource.getrusage(each) for each in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def encode_all(registry: Registry, audits: list[Audit]) -> None:
    """Read, decode and encode all pictures of the audits' pages, and nothing else."""
    context = multiprocessing.get_context("spawn")
    with registry.session() as session:
        works = [str(sha256) for sha256 in session.exec(select(Asset.sha256).order_by(col(Asset.id)).limit(CANDIDATES))]
    with ProcessPoolExecutor(os.cpu_count() or 1, mp_context=context) as pool:
        jobs = [(audit.id, audit.artefact_sha256, audit.sample_id) for audit in audits]
        for _ in pool.map(partial(_encode, registry.home, works), jobs, chunksize=8):
            pass


def _encode(home: Home, works: list[str], job: tuple[str, str, str]) -> None:
    audit_id, sha256, sample_id = job
    artefact = read_artefact(home.audit(audit_id), sha256)
    pictures = [
        read_picture(home.sample_image(sample_id)),
        *(read_picture(home.picture(work)) for work in works),
        *(artefact.picture("counterfactual", row) for row in range(CANDIDATES)),
    ]
    for picture in pictures:
        if isinstance(picture, NotMeasured):
            raise RuntimeError(picture.not_measured)
        data_uri(picture)


def noise(seed: int, side: int) -> np.ndarray:
    """A picture with the detail of a photograph: blurred noise, u8[side, side, 3]."""
    values = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(values).filter(ImageFilter.GaussianBlur(3)).point(lambda v: (v - 96) * 4))


def build(home: Home, outputs: int, side: int) -> Registry:
    """A registry with ``outputs`` audited samples and pictures of ``side`` pixels a side."""
    registry = create_registry(home)
    for folder in (home.picture("x").parent, home.sample_image("x").parent, home.audit("x").parent):
        folder.mkdir(parents=True, exist_ok=True)
    for rows in (_works(home, side), _ensemble(), _first_audit(home, side)):
        add_sealed(registry, NOW, *rows)
    with registry.connection() as connection:
        for number in range(1, outputs):
            sample, audit = f"{number:012x}", f"{number + 2**40:012x}"
            os.link(home.sample_image("0" * 12), home.sample_image(sample))
            home.audit(audit).write_bytes(home.audit(f"{2**40:012x}").read_bytes())
        copies = f"FROM range(1, {outputs}) AS copy(number)"
        audit, sample = "format('{:012x}', number + 1099511627776)", "format('{:012x}', number)"
        connection.execute(
            f"INSERT INTO sample SELECT sample.* REPLACE ({sample} AS id, number AS seed) {copies}, sample"
        )
        connection.execute(
            f"INSERT INTO audit SELECT audit.* REPLACE ({audit} AS id, {sample} AS sample_id) {copies}, audit"
        )
        for table in ("candidate", "candidate_work"):
            connection.execute(f"INSERT INTO {table} SELECT {table}.* REPLACE ({audit} AS audit_id) {copies}, {table}")
    # Reports are made of sealed rows alone.
    reseal(registry)
    return registry


def _works(home: Home, side: int) -> list[Any]:
    rows: list[Any] = [
        DataSet(id=1, name="works", kind="folder", root="/works", created_at=NOW),
        *(Rightsholder(id=number, name=f"Studio {number}", created_at=NOW) for number in range(4)),
        Licence(
            id=0,
            reference="CC-BY-4.0",
            spdx="CC-BY-4.0",
            recognised=True,
            training="permitted",
            duties=["attribution"],
            note="",
            created_at=NOW,
        ),
    ]
    for number in range(CANDIDATES):
        sha256 = hashlib.sha256(str(number).encode()).hexdigest()
        Image.fromarray(noise(number, side)).save(home.picture(sha256))
        rows += [
            Asset(
                id=number,
                data_set_id=1,
                path=f"{number}.png",
                sha256=sha256,
                byte_size=1,
                media_type="image/png",
                width=side,
                height=side,
                identity=identity_of(sha256),
                pixel_mode="RGB",
                registered_at=NOW,
                declared_id=number,
                permission="permitted",
                rightsholder_id=number % 4,
                licence_id=0,
            ),
            AssetRights(
                id=number,
                asset_id=number,
                basis="declared",
                title=f"Work {number}",
                recorded_from="owners.csv",
                recorded_by="benchmark",
                recorded_at=NOW,
                rightsholder_id=number % 4,
                licence_id=0,
            ),
            Unit(encoding_id=ENCODING, number=number, key=str(number), label=f"Work {number}", code=255 << number % 8),
            UnitAsset(encoding_id=ENCODING, unit_number=number, asset_id=number),
        ]
    return rows


def _ensemble() -> list[Any]:
    return [
        Encoding(id=ENCODING, unit_kind="asset", n=N, h=H, seed=0, unit_count=CANDIDATES, left_out={}, created_at=NOW),
        Ensemble(id=ENSEMBLE, encoding_id=ENCODING, settings={}, created_at=NOW),
        *(
            Member(
                id=f"{ENSEMBLE}-{index}",
                ensemble_id=ENSEMBLE,
                index=index,
                generation=1,
                origin="trained",
                manifest={},
                manifest_sha256=f"{index:064x}",
                merkle_root=f"{index:064x}",
                weights_sha256=f"{index:064x}",
                registered_at=NOW,
            )
            for index in range(N)
        ),
    ]


def _first_audit(home: Home, side: int) -> list[Any]:
    sample_id, audit_id = "0" * 12, f"{2**40:012x}"
    Image.fromarray(noise(100, side)).save(home.sample_image(sample_id))
    image_sha256 = hashlib.sha256(home.sample_image(sample_id).read_bytes()).hexdigest()
    generator = np.random.default_rng(0)
    decoys, influences = generator.normal(size=(CANDIDATES, DECOYS)), generator.random(CANDIDATES) * 50
    # Candidate k is beaten by 20 k decoys.
    ordered = -np.sort(-decoys, axis=1)
    statistics = np.array([row[20 * place - 1] - 1e-9 if place else row[0] + 1.0 for place, row in enumerate(ordered)])
    p_values = exact_p_values(statistics, decoys)
    q_values = false_discovery_control(p_values)
    data = save(
        {
            "decoy_statistic": decoys,
            "output": noise(100, side),
            "counterfactual": np.stack([noise(200 + row, side) for row in range(CANDIDATES)]),
            "unit_influence_estimate": influences,
            "decoy_influence_estimate": generator.random(DECOYS) * 50,
        },
        {"format": "creditline-audit-1"},
    )
    home.audit(audit_id).write_bytes(data)
    test = {
        "statistic": "directional",
        "steps": 41,
        "decoys": DECOYS,
        "decoys_available": DECOYS,
        "decoys_chosen": "all",
        "smallest_p": 1 / (DECOYS + 1),
        "smallest_q": CANDIDATES / (DECOYS + 1),
    }
    estimate = {"method": "jacobian", "radius": float(influences.max()), "unit_number": int(influences.argmax())}
    return [
        Sample(
            id=sample_id,
            ensemble_id=ENSEMBLE,
            seed=0,
            sampler={},
            members=list(range(N)),
            members_sha256="a" * 64,
            noise_sha256="b" * 64,
            image_sha256=image_sha256,
            tensors_sha256="c" * 64,
            saturated_fraction=0.1,
            versions={},
            created_at=NOW,
        ),
        Audit(
            id=audit_id,
            ensemble_id=ENSEMBLE,
            subject_kind="sample",
            sample_id=sample_id,
            image_sha256=image_sha256,
            settings={"false_discovery_rate": 0.05},
            ranker={"name": "pixel-kernel", "bandwidth": 0.01},
            test=test,
            landscape={"estimate": estimate},
            attributable=True,
            artefact_sha256=hashlib.sha256(data).hexdigest(),
            versions={},
            timings={},
            created_at=NOW,
        ),
        *(
            Candidate(
                audit_id=audit_id,
                rank=place + 1,
                unit_number=place,
                score=1.0 - place / 10,
                statistic=float(statistics[place]),
                p_value=float(p_values[place]),
                q_value=float(q_values[place]),
                effect=0.5,
                effect_low=0.4,
                effect_high=0.6,
                influence_exact=40.0 - place,
                influence_estimate=float(influences[place]),
                lpips_not_measured="no LPIPS weights are here",
            )
            for place in range(CANDIDATES)
        ),
        *(
            CandidateWork(
                audit_id=audit_id, unit_number=place, position=1, asset_id=place, distance=10.0 + place, weight=1.0
            )
            for place in range(CANDIDATES)
        ),
    ]


if __name__ == "__main__":
    sys.exit(main())
