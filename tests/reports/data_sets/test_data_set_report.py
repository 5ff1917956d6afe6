"""Data-set reports: counts held against going through everything, conflicts, opt-outs, hostile
names, the files.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from playwright.sync_api import Browser

from registry.claims.record import open_claim
from registry.errors import NotFoundError
from registry.event_log.events import changing
from registry.ids import sha256_of, sha256_of_file
from registry.permissions.reviews import record_review
from registry.permissions.rule import Permission
from registry.rightsholders.verified_rights import verify_rights
from registry.storage.tables import CoRightsholder, NearDuplicate
from registry.withdrawals.record import withdraw
from reports.checking.document_types import KINDS
from reports.content.selection import prepare_hosts, select_works
from reports.data_sets.document import DATA_SET, read_data_set
from reports.data_sets.facts import DataSetFacts
from reports.issuing.issue import find_issued
from reports.rendering.plots import Bar, bars_plot
from tests.reports.outputs.test_pages import visit
from tests.reports.statements.test_page import broken_rules
from tests.support.sealing import decide, reseal
from tests.support.statement_world import HOLDERS, N, StatementWorld, make_statement_world
from tests.support.works import NOW
from tests.support.world import HOSTILE


@pytest.fixture
def world(tmp_path: Path) -> StatementWorld:
    """Twelve works of three names in six members."""
    return make_statement_world(tmp_path)


def read(world: StatementWorld) -> DataSetFacts:
    with TemporaryDirectory() as scratch:
        return read_data_set(world.registry, "shapes", Path(scratch)).facts


def prohibit(world: StatementWorld, *works: int) -> None:
    record_review(world.registry, "asset", list(works), Permission.PROHIBITED, "a letter", now=NOW)


def conflicts(facts: DataSetFacts) -> dict[str, int]:
    return {each.kind: each.works for each in facts.conflicts if each.works}


def test_counts_by_rightsholder_licence_and_permission(world: StatementWorld) -> None:
    """The same as counting by hand, also of the works that may not be used."""
    prohibit(world, 0, 7)
    facts = read(world)
    found = {row.name: (row.works, row.forbidden) for row in facts.rightsholders.rows}
    lost = Counter(world.owner[work] for work in (0, 7))
    assert found == {name: (works, lost[name]) for name, works in HOLDERS.items()}
    assert [(row.name, row.works) for row in facts.licences.rows] == [("CC-BY-4.0", 12)]
    assert {row.name: row.works for row in facts.permissions if row.works} == {"permitted": 10, "prohibited": 2}
    assert (facts.works, facts.missing, facts.without_rightsholder, facts.verified) == (12, 0, 0, 0)
    assert facts.verdict == "10 of 12 works may be trained on, and 2 may not, as far as is on record."
    assert [row.name for row in facts.statements.rows] == ["folder name"]
    assert (facts.sources.rows[0].name, facts.sources.rows[0].works) == (None, 12)


def test_opt_outs_since_training_are_those_of_the_codes(world: StatementWorld) -> None:
    """Per member: works withdrawn or prohibited after it was trained that its code gave it; trained
    anew, it has neither.
    """
    withdraw(world.registry, asset_ids=[1, 2], reason="letter", now=NOW)
    prohibit(world, 3)
    (model,) = read(world).models
    bits = {work: world.code(work) for work in range(12)}
    for member in model.members:
        assert member.works == sum(code >> member.index & 1 for code in bits.values())
        assert member.withdrawn_since == sum(bits[work] >> member.index & 1 for work in (1, 2))
        assert member.prohibited_since == bits[3] >> member.index & 1
        assert (member.prohibited_before, member.prohibited_when_unknown) == (0, 0)
    again = next(index for index in range(N) if bits[1] >> index & 1)
    world.retrain(again)
    (model,) = read(world).models
    (member,) = (each for each in model.members if each.index == again)
    assert (member.generation, member.serves, member.withdrawn_since) == (2, True, 0)
    # Its training heeds withdrawals, while the prohibited work was taken along, and was prohibited
    # already.
    assert (member.prohibited_since, member.prohibited_before) == (0, bits[3] >> again & 1)


def forge(world: StatementWorld, sequence: int, former: str, current: str, work: int | None) -> None:
    """Put a change of permission at a place of the log: of a work, or of twenty thousand that it
    does not name.
    """
    many = {} if work is not None else {"works": 20000, "asset_ids": None}
    after = json.dumps({"permission": current, **many})
    subject = "20000 assets" if work is None else f"asset {work}"
    values = [
        sequence,
        NOW,
        "x",
        "permission changed",
        subject,
        json.dumps({"permission": former}),
        after,
        "",
        "0" * 64,
        "1" * 64,
    ]
    with world.registry.connection() as connection:
        connection.execute("DELETE FROM event WHERE sequence = ?", [sequence])
        connection.execute(
            "INSERT INTO event (sequence, recorded_at, actor, kind, subject, before, after, seals, previous_sha256, sha256) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            values,
        )
        if not connection.execute("SELECT count(*) FROM review").fetchall()[0][0]:
            decide(connection, 0, "prohibited")
    reseal(world.registry)


@pytest.mark.parametrize(
    ("moves", "expected"),
    [
        (
            [(1, "unclear", "prohibited", 0), (90, "prohibited", "permitted", 0), (91, "permitted", "prohibited", 0)],
            "before",
        ),
        (
            [(1, "unclear", "prohibited", 0), (2, "prohibited", "permitted", 0), (91, "permitted", "prohibited", 0)],
            "since",
        ),
        (
            [(1, "unclear", "prohibited", 0), (2, "prohibited", "permitted", 0), (91, "permitted", "prohibited", None)],
            "unknown",
        ),
        ([(1, "permitted", "prohibited", None)], "before"),
        ([(90, "unclear", "permitted", None), (91, "permitted", "prohibited", 0)], "unknown"),
        ([(90, "permitted", "prohibited", None), (91, "unclear", "prohibited", 0)], "since"),
    ],
)
def test_what_counts_is_the_permission_when_the_member_was_registered(
    world: StatementWorld, tmp_path: Path, moves: list[tuple[int, str, str, int | None]], expected: str
) -> None:
    """Not when it last became prohibited: works are prohibited, permitted and prohibited again.
    Figures and table agree.
    """
    for move in moves:
        forge(world, *move)
    reading = read_data_set(world.registry, "shapes", tmp_path)
    facts, tables = reading.facts, reading.tables
    code = world.code(0)
    for member in facts.models[0].members:
        found = (member.prohibited_since, member.prohibited_before, member.prohibited_when_unknown)
        assert found == tuple(
            (code >> member.index & 1) * (expected == name) for name in ("since", "before", "unknown")
        )
    with tables["opt-outs"].open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3
    assert all({"unknown": "not known"}.get(expected, expected) in row["opted_out_when"] for row in rows)


def test_model_of_one_member_is_told(world: StatementWorld, tmp_path: Path) -> None:
    """Its page has the member, and a plot of a single bar has room for its margins."""
    with world.registry.connection() as connection:
        connection.execute("DELETE FROM member WHERE index > 0")
    reseal(world.registry)
    prohibit(world, *(work for work in world.owner if world.code(work) & 1))
    given = DATA_SET.write(world.registry, "shapes", tmp_path / "out", NOW)
    assert given.facts.models[0].members[0].prohibited_since > 0
    page = given.page.read_text("utf-8")
    assert page.count(", generation 1</span>") == 1
    assert "No member saw a work" not in page
    assert "member 0" in bars_plot([Bar("member 0", 3, 1)], "Works by member", left=86.0)


def test_change_that_names_no_works_is_not_guessed(world: StatementWorld) -> None:
    """Where the log does not name the works that became prohibited, since when is not known, and
    that is a gap.
    """
    prohibit(world, 3)
    with world.registry.connection() as connection:
        after = '{"asset_ids":null,"permission":"prohibited","works":20000}'
        connection.execute(
            "UPDATE event SET subject = '20000 assets', after = ? WHERE kind = 'permission changed'", [after]
        )
    reseal(world.registry)
    facts = read(world)
    code = world.code(3)
    assert [member.prohibited_when_unknown for member in facts.models[0].members] == [
        code >> index & 1 for index in range(N)
    ]
    assert all(member.prohibited_since == member.prohibited_before == 0 for member in facts.models[0].members)
    assert any("since when" in gap for gap in facts.gaps)


def test_conflicts_are_found_once_per_work(world: StatementWorld, tmp_path: Path) -> None:
    """Checked against declared, look-alikes across rightsholders, open claims of others; the table
    lists each.
    """
    assert conflicts(read(world)) == {}
    verify_rights(
        world.registry, [4], rightsholder="Bo Example", licence="CC0-1.0", recorded_from="contract 12", now=NOW
    )
    open_claim(world.registry, "Cy Example", "mine", now=NOW, works=["5"])
    ada, bo = sorted(world.works_of("Ada Example"))[0], sorted(world.works_of("Bo Example"))[0]
    with changing(world.registry, NOW) as change:
        low, high = sorted((ada, bo))
        change.insert(NearDuplicate(id=0, asset_id=low, other_asset_id=high, distance=7, found_at=NOW))
        change.record("near duplicates searched", "all")
    reading = read_data_set(world.registry, "shapes", tmp_path)
    facts, tables = reading.facts, reading.tables
    differs = world.owner[4] != "Bo Example"
    assert conflicts(facts) == {
        **({"checked rightsholder is not the declared one": 1} if differs else {}),
        "checked licence is not the declared one": 1,
        "looks like the work of another rightsholder": 2,
        "claimed by another": 1,
    }
    with tables["conflicts"].open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert Counter(row["conflict"] for row in rows) == conflicts(facts)
    assert {row["asset_id"] for row in rows if row["conflict"].startswith("looks")} == {str(ada), str(bo)}


def test_not_recorded_is_no_different_rightsholder(world: StatementWorld) -> None:
    """The same bytes, or look-alikes, of which one has no rightsholder are a kind of their own; of
    two without one, nothing.
    """
    with changing(world.registry, NOW) as change:
        change.connection.execute(
            "UPDATE asset SET sha256 = found.sha256, identity = found.identity FROM asset AS found "
            "WHERE found.id = 1 AND asset.id IN (2, 3)"
        )
        change.connection.execute("UPDATE asset_rights SET rightsholder_id = NULL WHERE asset_id IN (2, 3, 5)")
        change.insert(NearDuplicate(id=0, asset_id=4, other_asset_id=5, distance=7, found_at=NOW))
        change.insert(NearDuplicate(id=1, asset_id=3, other_asset_id=5, distance=7, found_at=NOW))
        change.record("near duplicates searched", "all")
    reseal(world.registry)
    assert conflicts(read(world)) == {
        "same file, one has no rightsholder on record": 3,
        "looks like another work, one has no rightsholder on record": 2,
    }
    with world.registry.connection() as connection:
        connection.execute(
            "UPDATE asset_rights SET rightsholder_id = CASE asset_id WHEN 2 THEN ? ELSE ? END "
            "WHERE asset_id IN (1, 2, 3, 4, 5)",
            [world.holder("Bo Example"), world.holder("Ada Example")],
        )
    reseal(world.registry)
    assert conflicts(read(world)) == {"same file, different rightsholders": 3}


def test_same_file_in_another_data_set(world: StatementWorld) -> None:
    """The other copy may be anywhere in the registry; copies that are both elsewhere are not this
    data set's.
    """
    with changing(world.registry, NOW) as change:
        change.connection.execute(
            "INSERT INTO data_set (id, name, kind, root, created_at) SELECT 50, 'more', kind, root, created_at FROM data_set"
        )
        change.connection.execute("UPDATE asset SET data_set_id = 50 WHERE id IN (1, 2, 3)")
        change.connection.execute(
            "UPDATE asset SET sha256 = found.sha256, identity = found.identity FROM asset AS found "
            "WHERE found.id = 1 AND asset.id = 2"
        )
        change.connection.execute(
            "UPDATE asset SET sha256 = found.sha256, identity = found.identity FROM asset AS found "
            "WHERE found.id = 3 AND asset.id = 4"
        )
        change.connection.execute(
            "UPDATE asset_rights SET rightsholder_id = ? WHERE asset_id IN (1, 3)", [world.holder("Bo Example")]
        )
        change.connection.execute(
            "UPDATE asset_rights SET rightsholder_id = ? WHERE asset_id IN (2, 4)", [world.holder("Ada Example")]
        )
        change.record("works registered", "data set more")
    reseal(world.registry)
    assert conflicts(read(world)) == {"same file, different rightsholders": 1}


def test_owners_beside_the_first_are_owners(world: StatementWorld) -> None:
    """A work of two counts for both, and a claim of the second one is no claim of somebody else."""
    work = min(world.works_of("Bo Example"))
    with world.registry.connection() as connection:
        (rights,) = connection.execute("SELECT declared_id FROM asset WHERE id = ?", [work]).fetchall()[0]
    with changing(world.registry, NOW) as change:
        change.insert(
            CoRightsholder(
                id=0, rights_id=rights, asset_id=work, position=1, rightsholder_id=world.holder("Bo Example")
            ),
            CoRightsholder(
                id=1, rights_id=rights, asset_id=work, position=2, rightsholder_id=world.holder("Ada Example")
            ),
        )
        change.record("works registered", "data set shapes")
    reseal(world.registry)
    open_claim(world.registry, "Ada Example", "also mine", now=NOW, works=[str(work)])
    facts = read(world)
    assert {row.name: row.works for row in facts.rightsholders.rows} == {**HOLDERS, "Ada Example": 7}
    assert facts.works == 12
    assert conflicts(facts) == {}
    open_claim(world.registry, "Cy Example", "no, mine", now=NOW, works=[str(work)])
    assert conflicts(read(world)) == {"claimed by another": 1}


def test_sources_are_the_sites_of_filings(world: StatementWorld) -> None:
    """Hosts are told as a filing tells them: no www. and no port, IPv6 whole, names beyond ASCII in
    punycode, the web alone.
    """
    addresses = [
        "https://www.example.org/a.png",
        "http://EXAMPLE.org:8080/b.png",
        "https://someone:secret@example.org./c.png",
        "https://[2001:DB8:0::1]:443/d.png",
        "https://m\u00fcnchen.example/e.png",
        "https://xn--mnchen-3ya.example/f.png",
        "https://not a host/g.png",
        "file:///home/h.png",
    ]
    with world.registry.connection() as connection:
        for work, address in enumerate(addresses):
            connection.execute("UPDATE asset SET url = ? WHERE id = ?", [address, work])
    reseal(world.registry)
    found = {row.name: row.works for row in read(world).sources.rows}
    with world.registry.connection() as connection:
        select_works(connection, "SELECT * FROM asset")
        prepare_hosts(connection)
        counted = dict(connection.execute("SELECT host, works FROM selected_host").fetchall())
    assert found == counted == {"example.org": 3, "2001:db8::1": 1, "xn--mnchen-3ya.example": 2, None: 6}


def test_tables_longer_than_the_page_say_so(world: StatementWorld, tmp_path: Path) -> None:
    """Beyond the listed rows the number of the others and of their works is told; the file has
    all.
    """
    with changing(world.registry, NOW) as change:
        change.connection.execute(
            "INSERT INTO asset (id, data_set_id, path, identity, registered_at, permission) "
            "SELECT 100 + range, 0, range || '.png', range, ?, 'unclear' FROM range(60)",
            [NOW],
        )
        change.connection.execute(
            "INSERT INTO asset_rights (id, asset_id, basis, rightsholder_id, recorded_from, recorded_by, recorded_at) "
            "SELECT 100 + range, 100 + range, 'declared', 100 + range // 2, 'table', 'tests', ? FROM range(60)",
            [NOW],
        )
        change.connection.execute(
            "INSERT INTO rightsholder (id, name, created_at) SELECT 100 + range, 'Holder ' || range, ? FROM range(30)",
            [NOW],
        )
        change.record("works registered", "data set shapes")
    reseal(world.registry)
    reading = read_data_set(world.registry, "shapes", tmp_path)
    facts, tables = reading.facts, reading.tables
    counts = facts.rightsholders
    assert (len(counts.rows), counts.total) == (20, 33)
    assert counts.works_left_out == 72 - sum(row.works for row in counts.rows)
    assert len(tables["rightsholders"].read_text("utf-8").splitlines()) == 34
    assert facts.metadata_only == 60


@pytest.mark.browser
def test_hostile_names_neither_run_nor_break_the_page(browser: Browser, world: StatementWorld, tmp_path: Path) -> None:
    """A data set, rightsholders and licences with hostile names: files are named by number, nothing
    runs, all fits, and page, document and log agree.
    """
    with changing(world.registry, NOW) as change:
        for query in (
            "UPDATE data_set SET name = ?",
            "UPDATE rightsholder SET name = ? || id",
            "UPDATE licence SET reference = ?",
            "UPDATE asset_rights SET recorded_from = ? || id % 3",
        ):
            change.connection.execute(query, [HOSTILE])
    reseal(world.registry)
    given = DATA_SET.write(world.registry, HOSTILE, tmp_path / "out", NOW)
    assert given.page.name == f"data-set-{given.facts.data_set_id}.html"
    document = json.loads(given.page.with_suffix(".json").read_bytes())
    stamp = document.pop("stamp")
    assert (document.pop("creditline"), document.pop("version")) == ("data-set-report", 1)
    assert sha256_of(document) == stamp["facts_sha256"]
    assert sha256_of(KINDS[stamp["kind"]](world.registry, stamp["subject"])) == stamp["facts_sha256"]
    with world.registry.connection() as connection:
        assert all(find_issued(connection, sha256_of_file(path)) for path in given.files)
    for width in (390, 1280):
        with visit(browser, given.page, width, "dark") as page:
            assert page.title() != "owned"
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.evaluate("[...document.querySelectorAll('th')].every(cell => cell.scope)")
            assert broken_rules(page) == []


def test_unknown_data_set_is_refused(world: StatementWorld, tmp_path: Path) -> None:
    """By its name, in one line."""
    with pytest.raises(NotFoundError, match="no data set 'nothing'"):
        read_data_set(world.registry, "nothing", tmp_path)
