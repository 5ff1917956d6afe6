"""The JSON: versioned and complete; ``test_schemas`` holds it against its published schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from reports.issuing.stamp import SUFFIX
from reports.outputs.documents import INDEX, REPORT
from reports.outputs.facts import ReportFacts
from tests.reports.checking.test_json_schemas import check
from tests.support.golden import check_golden


def test_golden(site: Path) -> None:
    """The facts of the first sample: what is identified, counted and measured. Sentences are free
    to change; the JSON Schema says where they stand.
    """
    document = json.loads((site / "dfa508c296aa.json").read_bytes())
    check("report", document)
    facts = json.dumps(without_sentences(document), indent=1, ensure_ascii=False) + "\n"
    check_golden(Path(__file__).parent / "golden" / "facts.json", facts.encode())


def without_sentences(document: dict[str, Any]) -> dict[str, Any]:
    """The document without its prose, its stamp, and what is repeated."""
    tests = document["rightsholder_tests"]
    method = {name: value for name, value in document["method"].items() if name != "evaluation"}
    verdict = {name: value for name, value in document["verdict"].items() if name not in ("sentence", "explanation")}
    left_out = ("limits", "similarity", "stamp")
    return {
        **{name: value for name, value in document.items() if name not in left_out},
        "method": method,
        "verdict": verdict,
        "candidates": document["candidates"][:2],
        "rightsholder_tests": {**tests, "tested": tests["tested"][:1]},
        "ensemble": {**document["ensemble"], "members": document["ensemble"]["members"][:2]},
    }


def test_every_document_reads_back(site: Path) -> None:
    """All documents satisfy their own models, once name, version and stamp are taken off."""
    documents = sorted(path for path in site.glob("*.json") if not path.name.endswith(SUFFIX))
    assert len(documents) == 5
    for path in documents:
        document = json.loads(path.read_bytes())
        heads = {name: document.pop(name) for name in ("creditline", "version", "rendered_at", "stamp")}
        kind = INDEX if path.name == "index.json" else REPORT
        assert (heads["creditline"], heads["version"]) == (kind.name, 1)
        assert kind.model.model_validate(document).model_dump(mode="json", by_alias=True) == document


def test_unknown_field_is_refused(site: Path) -> None:
    """The models are the format: a field that they do not name is an error and not ignored."""
    document = json.loads((site / "dfa508c296aa.json").read_bytes()) | {"surprise": 1}
    with pytest.raises(ValidationError, match="surprise"):
        ReportFacts.model_validate(document)


def test_code_tells_the_members(site: Path) -> None:
    """A code reads member 0 first and has one digit per member."""
    document = json.loads((site / "dfa508c296aa.json").read_bytes())
    assert document["candidates"][1]["code"] == "0111110000"
    assert document["influence_exact"]["radius"] > 0


def test_not_measured_is_an_object_with_a_reason(site: Path) -> None:
    """An image's missing influence is neither null nor zero."""
    index = json.loads((site / "index.json").read_bytes())
    image = json.loads((site / index["reports"][-1]["json"]).read_bytes())
    assert image["output"]["kind"] == "image"
    assert image["influence_exact"]["not_measured"]
    assert image["candidates"][0]["influence_estimate"]["not_measured"]
