"""Audits of images by a small real ensemble with probes."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from attribution.audit.auditor import Auditor
from attribution.audit.record import AuditSettings
from attribution.ensemble.serving import serving_ensemble
from attribution.evaluation.seen_works import seen_works
from attribution.seen.answer import NO_PROBES
from registry.encodings.probes import probe_ids
from registry.encodings.store import create_encoding
from registry.errors import UsageError
from registry.home import Home
from registry.ingest.owners.table import OwnerTable
from registry.ingest.registration import register_folder
from registry.schema.create import create_registry
from registry.storage.database import Registry
from registry.works.queries import latest_ensemble
from reports.outputs.read import read_audit
from reports.outputs.rows import fetch_rows
from reports.seen.facts import Seen
from tests.attribution.conftest import CPU, NOW, World, prepare_ensemble, small_settings, train_all, write_works
from tests.support.made_once import made_once

SETTINGS = AuditSettings(shortlist=4)
N = 7


def build(root: Path) -> None:
    """Members on 20 works of 24, with 4 probes."""
    works = root / "works"
    write_works(works, 24)
    registry = create_registry(Home(root / "home"))
    register_folder(registry, works, OwnerTable(works / "owners.csv"), now=NOW, excluded=[works / "owners.csv"])
    encoding = create_encoding(registry, "asset", None, N, 3, 0, NOW, probes=0.17)
    train_all(registry, prepare_ensemble(registry, encoding.id, small_settings()), N)


@pytest.fixture(scope="module")
def auditor(tmp_path_factory: pytest.TempPathFactory) -> tuple[Auditor, Path]:
    """An auditor of these members, and the works."""
    made, _ = made_once(tmp_path_factory, "probed-world", build)
    home = tmp_path_factory.mktemp("probed") / "home"
    shutil.copytree(made / "home", home)
    registry = Registry.open(Home(home))
    with registry.session() as session:
        ensemble = latest_ensemble(session).id
    return Auditor.prepare(registry, serving_ensemble(registry, ensemble), SETTINGS, CPU), made / "works"


@pytest.mark.slow
def test_an_image_is_ranked_among_the_probes(auditor: tuple[Auditor, Path], tmp_path: Path) -> None:
    """Its p is the rank of its statistic; a registered file is told by the record; a probe is not
    compared with itself.
    """
    made, works = auditor
    registry = made.context.registry
    with registry.connection() as connection:
        probes = probe_ids(connection, made.context.ensemble.encoding.id)["asset_id"].to_pylist()
        paths = dict(connection.execute("SELECT id, path FROM asset").fetchall())
    assert len(probes) == 4
    trained = next(number for number in sorted(paths) if number not in probes)
    with Image.open(works / paths[trained]) as opened:
        copy = np.asarray(opened.convert("RGB")).copy()
    copy[:2, :2] = 200
    Image.fromarray(copy).save(tmp_path / "copy.png")
    named = [works / paths[trained], works / paths[probes[0]], tmp_path / "copy.png"]
    of_work, of_probe, of_copy = (audit.test["seen"] for audit in made.audit_images(named, None))
    assert (of_work["answer"], of_work["ground"]) == ("trained_on", "record")
    assert of_work["registered_file"]["members"]
    assert of_work["nearest"]["asset"] == trained
    assert (of_work["change"]["scale"], of_work["change"]["across"], of_work["change"]["down"]) == (1.0, 0.0, 0.0)
    assert (of_probe["probes"], of_copy["probes"]) == (3, 4)
    assert of_probe["registered_file"]["probe"]
    assert not of_probe["registered_file"]["members"]
    assert of_probe["answer"] != "trained_on"
    assert of_copy["registered_file"] is None
    values = made.asker.probes(labelled=False).values
    expected = (1 + int((values >= of_copy["statistic"]).sum())) / 5
    assert of_copy["p"] == pytest.approx(expected)
    assert of_copy["statistic"] == max(of_copy["as_it_is"], of_copy["laid_over_the_work"])
    # Four probes cannot reach the level, however clear the image is.
    assert of_copy["smallest_p"] == pytest.approx(0.2)
    assert of_copy["answer"] in ("leans_on", "nothing_shown")
    again = next(iter(made.audit_images([tmp_path / "copy.png"], None)))
    assert again.test["seen"]["statistic"] == of_copy["statistic"]


@pytest.mark.slow
def test_the_answer_stands_in_the_report(auditor: tuple[Auditor, Path], tmp_path: Path) -> None:
    """As facts, and as the first sentence of the explanation."""
    made, works = auditor
    registry = made.context.registry
    Image.new("RGB", (24, 24), "orange").save(tmp_path / "orange.png")
    trained = works / "00.png" if _is_encoded(registry, "00.png") else works / "01.png"
    audits = list(made.audit_images([trained, tmp_path / "orange.png"], None))
    with registry.session() as session:
        rows = fetch_rows(session, audits)
        of_work, of_other = (read_audit(session, registry.home, audit, rows).facts for audit in audits)
    assert isinstance(of_work.seen, Seen)
    assert of_work.verdict.explanation.startswith("This work was trained on: the file is registered work")
    assert isinstance(of_other.seen, Seen)
    assert of_other.seen.answer in ("leans_on", "nothing_shown")
    assert of_other.verdict.explanation.startswith(of_other.seen.sentence)
    assert "With so few, p cannot be below 0.2" in of_other.seen.explanation


def _is_encoded(registry: Registry, path: str) -> bool:
    with registry.connection() as connection:
        found = connection.execute(
            "SELECT 1 FROM unit_asset JOIN asset ON asset.id = asset_id WHERE path = ?", [path]
        ).fetchall()
    return bool(found)


@pytest.mark.slow
def test_an_evaluation_tells_works_from_probes(auditor: tuple[Auditor, Path]) -> None:
    """Area and curve; four probes say nothing at 5 %."""
    made, _ = auditor
    facts = seen_works(made, 6, 0)
    assert (facts["works"], facts["probes"]) == (6, 4)
    assert 0 <= facts["area_under_curve"]["low"] <= facts["area_under_curve"]["value"] <= 1
    assert (facts["curve"][0], facts["curve"][-1]) == ([0.0, 0.0], [1.0, 1.0])
    assert facts["found"]["0.05"] == {"not_measured": "19 probes are needed for it, and there are 4"}


@pytest.mark.slow
def test_without_probes_only_the_randomisation_test_is_there(world: World, tmp_path: Path) -> None:
    """And the audit says what is lacking."""
    Image.new("RGB", (24, 24), "red").save(tmp_path / "red.png")
    made = Auditor.prepare(world.registry, world.ensemble, SETTINGS, CPU)
    (audit,) = made.audit_images([tmp_path / "red.png"], None)
    found = audit.test["seen"]
    with pytest.raises(UsageError, match="keeps no works out of all members"):
        seen_works(made, 6, 0)
    assert found["p"] == {"not_measured": NO_PROBES}
    assert 0 < found["randomisation_p"] <= 1
    assert found["answer"] != "trained_on"
