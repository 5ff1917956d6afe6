"""The page of a certificate: works and rightsholders by name, escaped; nothing of forged rows."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path

import pytest

from registry.encodings.store import create_encoding
from registry.errors import IntegrityError, NotFoundError
from registry.event_log.events import head_of, read_head
from registry.home import Home
from registry.ingest.owners.table import OwnerTable
from registry.schema.create import create_registry
from registry.storage.database import Registry
from registry.withdrawals.issue_certificate import certify
from registry.withdrawals.record import withdraw
from reports.certificates.document import CERTIFICATE
from tests.support.members import ensemble_of, train_members
from tests.support.works import NOW, copied, register, write_csv, write_pictures

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)> \u202egnp.exe"
WITHDRAWN = [1, 2]
FORGED = {
    "asset_rights": "UPDATE asset_rights SET title = 'Other' WHERE asset_id = 1",
    "rightsholder": "UPDATE rightsholder SET name = 'Other' WHERE id = 0",
    "withdrawal": "UPDATE withdrawal SET reason = 'none'",
    "member": "UPDATE member SET weights_sha256 = repeat('0', 64) WHERE index = 3",
    "event": "UPDATE event SET actor = 'nobody' WHERE kind = 'works encoded'",
}
OF_ENCODING = {"unit": "UPDATE unit SET code = 3 WHERE number = 1"}
HIDDEN = {
    "withdrawal_work": "DELETE FROM withdrawal_work WHERE asset_id = 2",
    "certifies the withdrawn work": "UPDATE asset SET sha256 = repeat('0', 64) WHERE id = 2",
}
"""Works that the page would leave out."""


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> tuple[Registry, str]:
    """Six works of two rightsholders, two of them withdrawn; and the ensemble."""
    folder = tmp_path_factory.mktemp("certified")
    registry = create_registry(Home(folder / "home"), now=NOW)
    names = [f"{number}.png" for number in range(6)]
    rows = [
        {
            "path": name,
            "rightsholder": f"Owner {number % 2} & Co",
            "title": HOSTILE if number == 1 else f"Work {number}",
        }
        for number, name in enumerate(names)
    ]
    table = OwnerTable(write_csv(folder / "owners.csv", rows))
    register(registry, write_pictures(folder / "works", names), table)
    encoding = create_encoding(registry, "asset", None, 6, 2, 1, NOW)
    train_members(registry, encoding, list(range(6)))
    withdraw(registry, asset_ids=WITHDRAWN, reason="letter <b>of May</b>", now=NOW)
    return registry, ensemble_of(encoding)


@pytest.fixture
def registry(original: tuple[Registry, str], tmp_path: Path) -> Registry:
    """The same, to be changed."""
    return copied(original[0], tmp_path)


def test_the_page_names_works_and_rightsholders(
    original: tuple[Registry, str], registry: Registry, tmp_path: Path
) -> None:
    """As text, whatever the names have; the page and its JSON say which certificate they name."""
    made = certify(registry, WITHDRAWN, original[1], NOW)
    written = CERTIFICATE.write(registry, made.document_sha256, tmp_path / "out", NOW, stem="page")
    assert [each.name for each in written.files] == ["page.html", "page.json"]
    page = written.page.read_text()
    assert not re.search(r"<script|<img|<b>of May|\u202e", page)
    text = unescape(re.sub(r"<[^>]+>", " ", page))
    assert "<script>alert(1)</script>" in text
    for said in ("Work 2", "Owner 0 & Co", "Owner 1 & Co", "letter <b>of May</b>", made.document_sha256):
        assert said in text, said
    for work in made.works:
        assert work.sha256 in text
    for member in made.in_service:
        assert member.manifest_sha256 in text
    facts = json.loads((tmp_path / "out" / "page.json").read_bytes())
    assert facts["certificate_sha256"] == made.document_sha256
    assert [each["asset_id"] for each in facts["works"]] == WITHDRAWN
    assert [each["rightsholders"] for each in facts["works"]] == [["Owner 1 & Co"], ["Owner 0 & Co"]]
    assert [each["id"] for each in facts["in_service"]] == [each.id for each in made.in_service]


def test_the_page_says_which_members_the_works_can_be_in(registry: Registry, tmp_path: Path) -> None:
    """By the codes that they have; where codes nest, by the support of their rightsholder."""
    nested = create_encoding(registry, "asset", None, 8, 3, 1, NOW, within="rightsholder", support=6)
    train_members(registry, nested, list(range(8)))
    withdraw(registry, asset_ids=[4], reason="letter", now=NOW)
    made = certify(registry, [4], ensemble_of(nested), NOW)
    CERTIFICATE.write(registry, made.document_sha256, tmp_path / "out", NOW, stem="page")
    facts = json.loads((tmp_path / "out" / "page.json").read_bytes())
    (support,) = facts["supports"]
    with registry.connection() as connection:
        ((code,),) = connection.execute(
            "SELECT code FROM encoded_work WHERE encoding_id = ? AND asset_id = 4", [nested.id]
        ).fetchall()
    assert facts["assigned"] == [index for index in range(8) if code >> index & 1]
    assert support["group"] == "Owner 0 & Co"
    assert len(support["members"]) == 6
    assert set(facts["assigned"]) < set(support["members"])
    serving = {each["index"] for each in facts["in_service"]}
    assert set(support["in_service"]) == serving & set(support["members"])
    text = unescape(re.sub(r"<[^>]+>", " ", (tmp_path / "out" / "page.html").read_text()))
    assert "Works encoded as those of “Owner 0 & Co” can be in members" in text
    assert "The other 2 members trained on none of them" in text


def test_a_certificate_that_the_log_does_not_have_has_no_page(
    original: tuple[Registry, str], registry: Registry, tmp_path: Path
) -> None:
    """Other hashes and ids in its event do not name a certificate, nor does a part of its hash."""
    made = certify(registry, WITHDRAWN, original[1], NOW)
    others = (made.works[0].sha256, made.in_service[0].id, made.document_sha256[:12], "document_sha256", "")
    for subject in ("0" * 64, *others):
        with pytest.raises(NotFoundError, match="no certificate with the hash"):
            CERTIFICATE.write(registry, subject, tmp_path / "out", NOW)


@pytest.mark.parametrize(("table", "statement"), [*FORGED.items(), *OF_ENCODING.items()])
def test_nothing_forged_is_certified(
    original: tuple[Registry, str], registry: Registry, table: str, statement: str
) -> None:
    """Status 3, the message names the table, and there is no event."""
    with registry.connection() as connection:
        connection.execute(statement)
        before = head_of(connection)
    with pytest.raises(IntegrityError, match=table) as caught:
        certify(registry, WITHDRAWN, original[1], NOW)
    assert caught.value.exit_code == 3
    with registry.connection() as connection:
        assert head_of(connection) == before == read_head(registry.home.log_head)


@pytest.mark.parametrize(("table", "statement"), [*FORGED.items(), *HIDDEN.items()])
def test_no_page_rests_on_forged_rows(
    original: tuple[Registry, str], registry: Registry, tmp_path: Path, table: str, statement: str
) -> None:
    """Nor leaves out works that the certificate has: status 3, no file, no event."""
    made = certify(registry, WITHDRAWN, original[1], NOW)
    with registry.connection() as connection:
        connection.execute(statement)
        before = head_of(connection)
    with pytest.raises(IntegrityError, match=table) as caught:
        CERTIFICATE.write(registry, made.document_sha256, tmp_path / "out", NOW)
    assert caught.value.exit_code == 3
    assert list((tmp_path / "out").iterdir()) == []
    with registry.connection() as connection:
        assert head_of(connection) == before == read_head(registry.home.log_head)
