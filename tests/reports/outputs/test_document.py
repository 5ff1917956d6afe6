"""The JSON: versioned and complete; ``test_schemas`` holds it against its published schema."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from reports.issuing.stamp import SUFFIX
from reports.outputs.schema import IndexDocument, ReportDocument
from tests.support.golden import check_golden


def test_golden(site: Path) -> None:
    """The document of the first sample, byte for byte, with the clock pinned."""
    check_golden(Path(__file__).parent / "golden" / "report.json", (site / "dfa508c296aa.json").read_bytes())


def test_every_document_reads_back(site: Path) -> None:
    """All documents carry kind and version and satisfy their own models."""
    for path in sorted(path for path in site.glob("*.json") if not path.name.endswith(SUFFIX)):
        model = IndexDocument if path.name == "index.json" else ReportDocument
        document = model.model_validate_json(path.read_bytes())
        assert document.version == 1
        assert document.creditline in ("report", "report-index")


def test_unknown_field_is_refused(site: Path) -> None:
    """The models are the format: a field that they do not name is an error and not ignored."""
    document = json.loads((site / "dfa508c296aa.json").read_bytes()) | {"surprise": 1}
    with pytest.raises(ValidationError, match="surprise"):
        ReportDocument.model_validate(document)


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
