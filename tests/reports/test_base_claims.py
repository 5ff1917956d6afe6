"""Documents about adapters on a base model: each narrows its claims to the fine-tuning, and says
what is unknown of the base. Documents about other models have no word of it.
"""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path

import pytest

from registry.encodings.store import create_encoding
from registry.home import Home
from registry.ingest.owners.table import OwnerTable
from registry.outputs.base_claim import IN_FINE_TUNING
from registry.schema.create import create_registry
from registry.storage.database import Registry
from registry.withdrawals.certificate import check
from registry.withdrawals.issue_certificate import certify
from registry.withdrawals.record import withdraw
from reports.certificates.document import CERTIFICATE
from reports.filings import ab2013, ai_act
from reports.filings.answers import Answers, Model
from reports.filings.form import Form
from reports.filings.versions import file_version
from reports.portfolios.document import PORTFOLIO
from reports.portfolios.request import Request
from reports.settlements.document import SETTLEMENT, Asked
from reports.statements.document import STATEMENT
from tests.support.members import ensemble_of, train_members
from tests.support.sealing import reseal
from tests.support.statement_world import make_filled_statement_world, make_statement_world
from tests.support.works import NOW, register, write_csv, write_pictures
from tests.support.world import BASE

UNKNOWN = "The training data of the base is unknown."
OF_A_BASE = re.compile(r"fine-tun|base model|adapter", re.IGNORECASE)


def give_base(registry: Registry) -> None:
    """Every ensemble's recipe names the base, and every sample has a prompt."""
    with registry.connection() as connection:
        connection.execute("UPDATE ensemble SET settings = ?", [json.dumps({"steps": 1, "network": {"base": BASE}})])
        connection.execute("UPDATE sample SET label = 'a <b>red</b> fox'")
    reseal(registry)


def text_of(page: Path) -> str:
    """The words of a page."""
    body = page.read_text("utf-8").split("</head>")[1]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).replace("\u00a0", " ").split())


@pytest.mark.parametrize("based", [True, False])
def test_settlements_and_portfolios(tmp_path: Path, based: bool) -> None:
    """Each names the base and narrows what it says to the fine-tuning, in words and in limits."""
    world = make_filled_statement_world(tmp_path)
    if based:
        give_base(world.registry)
    portfolio = PORTFOLIO.write(world.registry, Request(grade="slight").subject(), tmp_path / "portfolio", NOW)
    settlement = SETTLEMENT.write(world.registry, str(Asked("rightsholder", None, None)), tmp_path / "shares", NOW)
    for written, sentence in ((portfolio, "explanation"), (settlement, "verdict")):
        page, facts = text_of(written.page), json.loads(written.page.with_suffix(".json").read_bytes())
        if not based:
            assert "bases" not in facts
            assert IN_FINE_TUNING not in page
            continue
        assert IN_FINE_TUNING in facts[sentence]
        assert [each["id"] for each in facts["bases"]] == [BASE]
        assert UNKNOWN in page
        assert any(UNKNOWN in limit for limit in facts["limits"])


@pytest.mark.parametrize("based", [True, False])
def test_statements(tmp_path: Path, based: bool) -> None:
    """Verdict or explanation, models and limits; each image has its prompt and the base alone."""
    world = make_filled_statement_world(tmp_path)
    if based:
        give_base(world.registry)
    holder = world.holder("Ada Example")
    written = STATEMENT.write(world.registry, f"#{holder}", tmp_path / "out", NOW)
    page, facts = text_of(written.page), json.loads(written.page.with_suffix(".json").read_bytes())
    if not based:
        assert not OF_A_BASE.search(page)
        assert "bases" not in facts
        assert "for the prompt" not in page
        return
    assert "Generated for the prompt “ a <b>red</b> fox ”." in page
    generated = [each for each in facts["outputs"] if each["kind"] == "sample"]
    assert {each["label"] for each in generated} == {"a <b>red</b> fox"}
    assert IN_FINE_TUNING in facts["explanation"]
    assert page.count(UNKNOWN) == 2
    assert facts["limits"][0].startswith("Only the fine-tuning is tested.")
    assert [each["id"] for each in facts["bases"]] == [BASE]
    assert {model["base_id"] for model in facts["models"]} == {BASE}
    assert "No picture: the audit did not measure it The base model alone" in page
    assert "and what the base model makes without any fine-tuning" in page


@pytest.mark.parametrize("based", [True, False])
def test_a_work_that_no_member_saw_may_still_be_in_the_base(tmp_path: Path, based: bool) -> None:
    """The statement of an owner whose works are in no model does not speak for the base."""
    world = make_statement_world(tmp_path)
    names = ["Cy Example/a.png"]
    write_pictures(tmp_path / "more", names, 40)
    rows = [{"path": names[0], "rightsholder": "Cy Example"}]
    register(world.registry, tmp_path / "more", OwnerTable(write_csv(tmp_path / "more.csv", rows)), data_set="more")
    if based:
        give_base(world.registry)
    facts = STATEMENT.write(world.registry, "Cy Example", tmp_path / "out", NOW)
    verdict = json.loads(facts.page.with_suffix(".json").read_bytes())["verdict"]
    if based:
        assert verdict == (
            "Your one registered work was not used to train or fine-tune any of the models in this registry. What base "
            "models were trained on stands below."
        )
        assert UNKNOWN in text_of(facts.page)
    else:
        assert verdict == "Your one registered work was not used to train any of the models in this registry."


@pytest.fixture
def withdrawn(tmp_path: Path) -> tuple[Registry, str]:
    """Six works, two of them withdrawn, and an ensemble."""
    registry = create_registry(Home(tmp_path / "home"), now=NOW)
    names = [f"{number}.png" for number in range(6)]
    table = OwnerTable(write_csv(tmp_path / "owners.csv", [{"path": name, "rightsholder": "Owner"} for name in names]))
    register(registry, write_pictures(tmp_path / "works", names), table)
    encoding = create_encoding(registry, "asset", None, 6, 2, 1, NOW)
    train_members(registry, encoding, list(range(6)))
    withdraw(registry, asset_ids=[1, 2], reason="a letter", now=NOW)
    return registry, ensemble_of(encoding)


@pytest.mark.parametrize("based", [True, False])
def test_certificates(withdrawn: tuple[Registry, str], tmp_path: Path, based: bool) -> None:
    """The certificate and its page: no model was fine-tuned on the works; of the base, unknown."""
    registry, ensemble_id = withdrawn
    if based:
        give_base(registry)
    made = certify(registry, [1, 2], ensemble_id, NOW)
    assert check(made.to_json()) == (made, [])
    page = text_of(CERTIFICATE.write(registry, made.document_sha256, tmp_path / "out", NOW, stem="page").page)
    said = " ".join(made.limits)
    if based:
        assert "No model in service was fine-tuned on 2 works" in page
        for text in (page, said):
            assert UNKNOWN in text
            assert f"the members are adapters on the base model {BASE[:12]}" in text
    else:
        assert "No model in service was trained on 2 works" in page
        assert not OF_A_BASE.search(page + said)


@pytest.mark.parametrize("based", [True, False])
@pytest.mark.parametrize("form", [ai_act.FORM, ab2013.FORM])
def test_filings(withdrawn: tuple[Registry, str], tmp_path: Path, form: Form, based: bool) -> None:
    """The base stands among the models; counts are said to be of the fine-tuning."""
    registry, ensemble_id = withdrawn
    if based:
        give_base(registry)
    answers = Answers(model=Model(dependencies="None."))
    filed = file_version(registry, form, ensemble_id, answers, tmp_path / "out", NOW)
    page = text_of(filed.page)
    if not based:
        assert not re.search(r"base model|adapter", page)
        return
    assert BASE in page
    assert UNKNOWN in page
    assert re.search(r"of the fine-tuning|in the fine-tuning", page)
    assert "none: every member was trained here from its beginning" not in page
    assert "no text is trained on" not in page
    assert "model.dependencies says “None.”, but the members are adapters on the base model" in page
