"""The published schemas: in step with the code, schemas themselves, and satisfied by what is really
written.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError

from registry.event_log.events import changing
from registry.home import Home
from registry.ids import sha256_of, sha256_of_file
from registry.outputs.evaluations import EVENT
from registry.schema.create import create_registry
from reports.checking.json_schemas import SUFFIX, published
from reports.data_sets.document import DATA_SET
from reports.evaluations.document import EVALUATION
from reports.filings import ab2013, ai_act
from reports.filings.answers import Answers
from reports.filings.versions import file_version
from reports.issuing.issue import find_issued
from reports.issuing.stamp import SUFFIX as STAMP
from reports.statements.document import STATEMENT
from tests.reports.evaluations.test_page import FACTS
from tests.support.golden import check_golden
from tests.support.running import Creditline
from tests.support.statement_world import make_filled_statement_world, make_statement_world
from tests.support.works import NOW

ROOT = Path(__file__).parents[3]
SCHEMAS = ROOT / "docs" / "schemas"


def check(name: str, document: Any) -> None:  # noqa: ANN401 - plain JSON
    """Fail unless the document satisfies the schema as published."""
    schema = json.loads((SCHEMAS / f"{name}{SUFFIX}").read_bytes())
    Draft202012Validator(schema, format_checker=FormatChecker()).validate(document)


def check_file(path: Path) -> None:
    document = json.loads(path.read_bytes())
    check(document["creditline"], document)


def test_no_other_is_published() -> None:
    """The folder has a schema for every document, and none of one that is gone."""
    assert {path.name for path in SCHEMAS.iterdir()} == set(published())


@pytest.mark.parametrize("name", sorted(published()))
def test_published_is_current(name: str) -> None:
    """``docs/schemas`` is made from the code, and each file is a schema by the standard's own
    rules.
    """
    check_golden(SCHEMAS / name, published()[name])
    Draft202012Validator.check_schema(json.loads(published()[name]))


def test_every_object_is_described_or_open_on_purpose() -> None:
    """A field that the format does not name is refused, but in evaluations, which say that they are
    open.
    """
    for name, data in published().items():
        assert json.loads(data).get("additionalProperties") is (name == f"evaluation{SUFFIX}"), name


def test_output_reports(site: Path) -> None:
    """Reports, their index and the stamps beside tables."""
    found = list(site.glob("*.json"))
    assert {json.loads(path.read_bytes())["creditline"] for path in found} == {"report", "report-index", "stamp"}
    for path in found:
        check_file(path)


@pytest.mark.slow
def test_statements_and_data_set_reports(tmp_path: Path) -> None:
    """Of a registry with found works, shares, and an output that nobody audited."""
    world = make_filled_statement_world(tmp_path)
    STATEMENT.write(world.registry, f"#{world.holder('Ada Example')}", tmp_path / "out", NOW)
    DATA_SET.write(world.registry, "shapes", tmp_path / "out", NOW)
    documents = [path for path in (tmp_path / "out").glob("*.json") if not path.name.endswith(STAMP)]
    assert {json.loads(path.read_bytes())["creditline"] for path in documents} == {"statement", "data-set-report"}
    for path in documents:
        check_file(path)
    broken = json.loads(documents[0].read_bytes()) | {"stamp": None}
    with pytest.raises(ValidationError):
        check(broken["creditline"], broken)


def test_evaluations(tmp_path: Path) -> None:
    """With what was measured and what was not."""
    registry = create_registry(Home(tmp_path / "home"))
    ensemble_id = FACTS["ensemble"]
    with changing(registry, NOW) as change:
        change.record(EVENT, f"ensemble {ensemble_id}", after={**FACTS, "stamp": "not a stamp"})
    page, path = EVALUATION.write(registry, ensemble_id, tmp_path, NOW).files
    check_file(path)
    with registry.connection() as connection:
        assert find_issued(connection, sha256_of_file(page)) is not None
    assert json.loads(path.read_bytes())["stamp"]["facts_sha256"] == sha256_of(
        EVALUATION.facts_now(registry, ensemble_id)
    )


@pytest.mark.slow
def test_filings_and_verified_documents(tmp_path: Path) -> None:
    """Both filings, and what ``report verify --json`` says of them, unaltered and altered."""
    world = make_statement_world(tmp_path)
    for form in (ai_act.FORM, ab2013.FORM):
        file_version(world.registry, form, world.ensemble_id, Answers(), tmp_path, NOW)
    documents = sorted(tmp_path.glob("*-v1.json"))
    assert len(documents) == 2
    creditline = Creditline(tmp_path / "home")
    for path in documents:
        check_file(path)
        check("verified-document", creditline("report", "verify", path, "--json").document)
    documents[0].write_bytes(documents[0].read_bytes() + b"\n")
    altered = creditline("report", "verify", documents[0], "--json").document
    assert altered["state"] == "altered"
    check("verified-document", altered)
