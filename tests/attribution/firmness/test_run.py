"""``creditline firmness``: measured on real audits, recorded, and refused on altered files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from attribution.audit.auditor import Auditor
from attribution.audit.record import AuditSettings
from attribution.engines.device import Device
from attribution.firmness.measure import order_of_magnitude
from attribution.firmness.ranking import MOST_CHECKS
from attribution.firmness.retest import Strongest, evidence_sentence, retested
from attribution.ranking.recorded_choice import ranker_inputs, rankers_of_audit
from registry.errors import IntegrityError, UsageError
from registry.outputs.firmness import EVENT, newest_firmness
from registry.storage.tables import Audit
from tests.attribution.conftest import World
from tests.support.running import Creditline


@pytest.mark.slow
def test_measured_and_recorded(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Samples and an image from outside; events have the facts; an altered file is named."""
    monkeypatch.delenv("CREDITLINE_MOBILENET", raising=False)
    home = Creditline(world.registry.home.root)
    assert home("firmness", "--all").status == 2
    assert home("firmness").status == 2
    assert home("audit", "--all", "--no-jacobian", "--workers", 1).status == 0
    Image.fromarray(np.full((8, 8, 3), 200, np.uint8)).save(tmp_path / "found.png")
    assert home("audit", "--image", tmp_path / "found.png", "--workers", 1).status == 0
    done = home("firmness", "--all", "--workers", 1, "--json")
    assert done.status == 0, done.err
    audits = done.document["audits"]
    assert len(audits) == len(world.samples) + 1
    for facts in audits:
        (verdict,) = facts["verdicts"]
        assert verdict["by"] == "pixels"
        assert len(verdict["benign"]) == 8
        assert 1 <= verdict["linf"]["linf"] <= 64
        assert verdict["l2"]["l2"] >= verdict["l2"]["linf"] > 0
        assert verdict["linf"]["unit"] != verdict["unit"]
        ranking = facts["ranking"]
        assert ranking["by"] == "ranking"
        assert {each["search"] for each in ranking["rankers"]} == {"slope"}
        assert ranking["linf"]["unit"] != ranking["unit"]
        checks = ranking["checks"]
        assert (checks["most"], checks["ended"]) == (MOST_CHECKS, [])
        assert 0 < checks["l2"] <= MOST_CHECKS
        assert 0 <= checks["linf"] <= MOST_CHECKS
        assert facts["theorem"]["order_l2"] == order_of_magnitude(8) == pytest.approx(255 * 8**0.5)
        assert "2112.04033" in facts["theorem"]["source"]
    assert "predictions that were kept" in audits[0]["evidence"]["sentence"]
    assert "no finding" in audits[-1]["evidence"]["sentence"]
    with world.registry.session() as session:
        kept = newest_firmness(session, audits[0]["audit"])
        assert kept is not None
        assert json.loads(json.dumps(audits[0])) == kept.facts
    with world.registry.connection() as connection:
        ((events,),) = connection.execute("SELECT count(*) FROM event WHERE kind = ?", [EVENT]).fetchall()
    assert events == len(audits)
    assert home("log", "verify").status == 0
    output = audits[0]["output"]
    assert home("report", output, "--out", tmp_path / "reports").status == 0
    page = (tmp_path / "reports" / f"{output}.html").read_text("utf-8")
    assert "How firm the first work is" in page
    assert "the ranking of this page" in page
    assert f"at most {MOST_CHECKS} in each." in page
    assert "predictions that were kept" in page
    for name in (f"{output}.html", f"{output}.json"):
        verified = home("report", "verify", tmp_path / "reports" / name, "--json").document
        assert (verified["state"], verified["facts"]) == ("unaltered", "same")
    told = json.loads((tmp_path / "reports" / f"{output}.json").read_text("utf-8"))["firmness"]
    assert told["verdicts"][0]["smallest_linf"]["linf"] == audits[0]["verdicts"][0]["linf"]["linf"]
    assert told["ranking"]["smallest_l2"]["l2"] == audits[0]["ranking"]["l2"]["l2"]
    assert told["ranking"]["checks"] == audits[0]["ranking"]["checks"]
    with world.registry.session() as session:
        audit = session.get_one(Audit, audits[0]["audit"])
        (known, *further) = audit.ranker["rankers"]
        audit.ranker = {**audit.ranker, "rankers": [{**known, "scales": [1.0]}, *further]}
        with pytest.raises(UsageError, match="no longer what audit"):
            rankers_of_audit(world.registry, audit, ranker_inputs(world.registry, world.ensemble))
        audit.ranker = {"parts": 1}
        with pytest.raises(IntegrityError, match="cannot be read from its record"):
            rankers_of_audit(world.registry, audit, ranker_inputs(world.registry, world.ensemble))
        session.rollback()
    world.registry.home.audit(audits[0]["audit"]).write_bytes(b"")
    altered = home("firmness", audits[0]["audit"], "--workers", 1)
    assert altered.status == 3
    assert "altered" in altered.err


@pytest.mark.slow
def test_the_test_is_repeated_on_changed_pictures(world: World) -> None:
    """Equal pictures have the p that the audit had; a unit off the shortlist does not pass."""
    auditor = Auditor.prepare(world.registry, world.ensemble, AuditSettings(jacobian=False), Device("cpu", 1))
    picture = np.full((8, 8, 3), 200, np.uint8)
    picture[2:6, 2:6] = (220, 30, 30)
    first, second = retested(auditor, {"as it is": picture, "again": picture.copy()}, Strongest(0, 1.0, 1.0), None)
    assert {**first, "change": "again"} == second
    (missing,) = retested(auditor, {"as it is": picture}, Strongest(10_000, 1.0, 1.0), None)
    assert missing == {"change": "as it is", "tested": False, "p": None, "q": None, "passes": False}
    assert evidence_sentence([missing], "Sun").endswith("passes it in 0. It does not after: as it is.")
