"""``creditline portfolio`` on a real registry: the choice counted again, hostile tables, page."""

from __future__ import annotations

import csv
import itertools
from pathlib import Path

import numpy as np
import pytest

from registry.errors import NotFoundError
from reports.issuing.stamp import UNSTAMPED
from reports.portfolios.document import PORTFOLIO, portfolio_facts
from reports.portfolios.evidence import LICENSABLE, Evidence, Holder
from reports.portfolios.facts import PairPart, RobustPart
from reports.portfolios.request import Request, from_subject
from tests.support.running import Creditline
from tests.support.statement_world import StatementWorld, make_filled_statement_world


@pytest.fixture
def world(tmp_path: Path) -> StatementWorld:
    """Seven audited outputs, one without an audit, and an image from outside."""
    return make_filled_statement_world(tmp_path)


@pytest.fixture
def run(world: StatementWorld) -> Creditline:
    return Creditline(world.registry.home.root)


def restrict(run: Creditline, permission: str, *names: str) -> None:
    """Decide that the works of these rightsholders have this permission."""
    for name in names:
        condition = ("--condition", "with a licence") if permission == "constrained" else ()
        done = run("review", "--rightsholder", name, "--permission", permission, "--reason", "as agreed", *condition)
        assert done.status == 0, done.err


def sources(world: StatementWorld) -> dict[str, list[str]]:
    """By generated output, the rightsholders of the findings of its newest audit."""
    found: dict[str, list[str]] = {}
    for each in world.drawn:
        if each.newest and each.generated:
            of_output = found.setdefault(each.output, [])
            of_output += [world.owner[each.asset_id]] * each.passes
    return found


def test_the_choice_is_the_smallest(world: StatementWorld, run: Creditline, tmp_path: Path) -> None:
    """All sets were tried; outputs without a finding are counted; verify finds the same facts."""
    names = sorted(set(world.owner.values()))
    restrict(run, "constrained", *names)
    done = run("portfolio", "--out", tmp_path / "out", "--hits", "1", "--draws", "10", "--json")
    assert done.status == 0, done.err
    facts = done.document
    of_output = sources(world)
    attributed = [set(each) for each in of_output.values() if each]
    smallest = min(
        number
        for number in range(len(names) + 1)
        for chosen in itertools.combinations(names, number)
        if all(set(chosen) & each for each in attributed)
    )
    assert len(facts["chosen"]) == smallest
    assert all({each["name"] for each in facts["chosen"]} & output for output in attributed)
    assert facts["proven"] is True
    assert facts["outputs"]["audited"] == len(of_output)
    assert facts["outputs"]["unattributed"] == len(of_output) - len(attributed) == len(facts["unattributed"])
    assert (facts["outputs"]["not_audited"], facts["outputs"]["images_left_out"]) == (1, 1)
    page, *others = (Path(path) for path in facts["files"])
    for path in (page, others[0]):
        verified = run("report", "verify", path, "--json").document
        assert (verified["state"], verified["facts"]) == ("unaltered", "same")
    with next(path for path in others if path.name.endswith("chosen.csv")).open(newline="") as file:
        assert [row["name"] for row in csv.DictReader(file)] == [each["name"] for each in facts["chosen"]]
    text = page.read_text("utf-8")
    assert facts["verdict"] in text
    assert "This is no legal clearance" in text
    assert run("log", "verify").status == 0


@pytest.mark.slow
def test_permitted_works_cost_nothing_and_prohibited_ones_cannot_be_chosen(
    world: StatementWorld, run: Creditline, tmp_path: Path
) -> None:
    """All permitted: nobody is chosen; one prohibited: their outputs are listed as not covered."""
    names = sorted(set(world.owner.values()))
    restrict(run, "permitted", *names)
    facts = run("portfolio", "--out", tmp_path / "a", "--hits", "1", "--json").document
    assert (facts["chosen"], facts["cost"], facts["reached"]) == ([], 0, True)
    assert facts["outputs"]["need_no_licence"] == facts["outputs"]["attributed"]
    restrict(run, "prohibited", "Ada Example")
    restrict(run, "constrained", "Bo Example", "Ada Exmaple")
    facts = run("portfolio", "--out", tmp_path / "b", "--hits", "1", "--json").document
    only = sum(1 for each in sources(world).values() if each and set(each) == {"Ada Example"})
    assert facts["outputs"]["cannot_be_covered"] == only == facts["uncovered_total"]
    assert "Ada Example" not in {each["name"] for each in facts["chosen"]}
    assert facts["unavailable"][0]["name"] == "Ada Example"


@pytest.mark.slow
def test_prices_and_pairs_decide(world: StatementWorld, run: Creditline, tmp_path: Path) -> None:
    """A dear rightsholder is avoided; one without a price cannot be chosen; pairs stay apart."""
    names = sorted(set(world.owner.values()))
    restrict(run, "constrained", *names)
    table = tmp_path / "prices.csv"
    table.write_text("Rightsholder,Price\nAda Example,1000\n#2,3\nAda Exmaple,2.5\n", "utf-8")
    facts = run("portfolio", "--prices", table, "--out", tmp_path / "a", "--json", "--share", "0.5").document
    assert facts["cost"] == sum(each["price"] for each in facts["chosen"])
    assert facts["lower_bound"] <= facts["cost"]
    table.write_text("rightsholder;price\nAda Example;1\n", "utf-8")
    facts = run("portfolio", "--prices", table, "--out", tmp_path / "b", "--json").document
    assert {each["name"] for each in facts["chosen"]} <= {"Ada Example"}
    assert {each["reason"] for each in facts["unavailable"]} == {"the rightsholder has no price in the table"}
    pairs = [f"{one},{other}" for one, other in itertools.combinations(names, 2)]
    options = [each for pair in pairs for each in ("--forbid", pair)]
    facts = run("portfolio", *options, "--hits", "all", "--out", tmp_path / "c", "--json").document
    assert len(facts["chosen"]) <= 1
    assert len(facts["forbidden"]) == 3
    assert facts["reached"] is False
    assert "No choice" in facts["verdict"]


def test_slight_findings_count_only_if_asked_for(world: StatementWorld, run: Creditline, tmp_path: Path) -> None:
    """Their effect's lower end, 0.1, is below the thresholds of these audits."""
    world.audit_settings |= {"main_source": 0.3, "contributes": 0.2}
    before = run("portfolio", "--draws", "0", "--out", tmp_path / "a", "--json").document["outputs"]
    for number in range(20, 23):
        world.add_audit(number)
    slight = sum(1 for output, found in sources(world).items() if found and output in new_outputs(world))
    after = run("portfolio", "--draws", "0", "--out", tmp_path / "b", "--json").document["outputs"]
    assert slight
    assert after["slight"] == before["slight"] + slight
    assert after["attributed"] == before["attributed"]
    every = run("portfolio", "--draws", "0", "--grade", "slight", "--out", tmp_path / "c", "--json").document["outputs"]
    assert (every["slight"], every["attributed"]) == (0, before["attributed"] + slight)


def test_named_outputs_alone_are_covered(world: StatementWorld, run: Creditline, tmp_path: Path) -> None:
    """A batch by id; the document is verified from its own audits."""
    restrict(run, "constrained", *sorted(set(world.owner.values())))
    named = sorted(sources(world))[:2]
    facts = run("portfolio", *named, "--draws", "0", "--out", tmp_path / "a", "--json").document
    assert facts["outputs"]["audited"] == 2
    assert (facts["outputs"]["not_audited"], facts["outputs"]["images_left_out"]) == (0, 0)
    assert run("report", "verify", facts["page"], "--json").document["facts"] == "same"
    assert run("portfolio", named[0], "--images").status == 2
    assert run("portfolio", "zzz").status == 2
    first, last = (each.audit for each in world.drawn if each.output == sources_twice(world) and each.rank == 1)
    done = run("portfolio", first, last)
    assert done.status == 2
    assert "would count twice" in done.err


def sources_twice(world: StatementWorld) -> str:
    """An output with two audits."""
    return next(each.output for each in world.drawn if not each.newest)


def new_outputs(world: StatementWorld) -> set[str]:
    """The outputs of the last three audits."""
    return {each.output for each in world.drawn[-12:]}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("Ada Example,-1", "line 2: 'Ada Example' has the price '-1'"),
        ("Ada Example,nan", "'nan', expected a number from 0"),
        ("Ada Example,inf", "'inf', expected a number from 0"),
        ("Ada Example,1e300", "'1e300', expected"),
        ("Ada Example,1_000", "'1_000', expected"),
        ("Ada Example,", "has the price ''"),
        ("Ada Example", "has the price ''"),
        ("Nobody,1", "line 2: no rightsholder 'Nobody'"),
        (",1", "line 2: got an empty name"),
        ("Ada Example,1\n\nAda Example,2", "line 4: 'Ada Example' has a price in line 2 already"),
        ("Bo Example,1\nNobody,1\nAda Example,-1", "line 3: no rightsholder 'Nobody'"),
    ],
)
def test_hostile_prices_are_named(run: Creditline, tmp_path: Path, rows: str, said: str) -> None:
    """Status 2, the line and the value in the message, and no file is written."""
    table = tmp_path / "prices.csv"
    table.write_text(f"rightsholder,price\n{rows}\n", "utf-8")
    done = run("portfolio", "--prices", table, "--out", tmp_path / "out")
    assert (done.status, done.out) == (2, "")
    assert said in done.err
    assert not (tmp_path / "out").exists()


def test_bad_requests_are_named(world: StatementWorld, run: Creditline, tmp_path: Path) -> None:
    """Pairs, settings and tables that cannot be meant."""
    table = tmp_path / "prices.csv"
    table.write_text("name,price\nAda Example,1\n", "utf-8")
    for arguments, said in (
        (("--forbid", "Ada Example"), "as two names: 1 found"),
        (("--forbid", "Ada Example,Nobody"), "no rightsholder 'Nobody'"),
        (("--forbid", f"Ada Example,#{world.holder('Ada Example')}"), "names one rightsholder twice"),
        (("--share", "0"), "--share"),
        (("--grade", "strong"), "--grade: got 'strong'"),
        (("--share", "nan"), "--share"),
        (("--certainty", "1"), "--certainty"),
        (("--hits", "0"), "--hits"),
        (("--hits", "some"), "expected a number from 1 to 1000, or `all`"),
        (("--hits", "2", "--certainty", "0.5"), "expected one of them"),
        (("--draws", "-1"), "--draws"),
        (("--prices", tmp_path / "nothing.csv"), "cannot read the table of prices"),
        (("--prices", table), "expected rightsholder and price, each once"),
        (("--forbidden", table), "expected rightsholder and other, each once"),
    ):
        done = run("portfolio", *arguments, "--out", tmp_path / "out")
        assert (done.status, done.out) == (2, ""), arguments
        assert said in done.err, (arguments, done.err)


def test_an_empty_registry_has_nobody_to_license(tmp_path: Path) -> None:
    """No audit: the page says so."""
    run = Creditline(tmp_path / "home")
    run("init")
    done = run("portfolio", "--out", tmp_path / "out")
    assert done.status == 0, done.err
    assert "there is nothing to cover" in Path(done.out.strip()).read_text("utf-8")


def test_names_stay_text() -> None:
    """The page escapes names; the draws agree with the probabilities of the findings."""
    hostile = "<script>alert(1)</script>"
    holders = tuple(Holder(each, name, 1, (hostile,), {"unclear": 1}) for each, name in ((1, hostile), (2, "Bo")))
    evidence = Evidence(
        ids=tuple(f"{place:012}" for place in range(200)),
        outputs=np.arange(200),
        states=np.full(200, LICENSABLE),
        owners=np.arange(200) % 2,
        probability=np.full(200, 0.95),
        holders=holders,
        refused={hostile: 3},
        slight=0,
        not_audited=0,
        images_left_out=0,
    )
    facts, _ = portfolio_facts(evidence, Request(share=0.5, forbidden=[(1, 2)]), [PairPart(one=hostile, other="Bo")])
    assert [each.name for each in facts.chosen] == [hostile]
    robust, (chosen,) = facts.robust, facts.chosen
    assert isinstance(robust, RobustPart)
    assert robust.worst <= robust.low <= robust.mean
    assert robust.mean == pytest.approx(0.5, abs=0.02)
    assert 0.3 < chosen.chosen_in_draws < 0.9  # type: ignore[operator]  # it was measured
    assert facts.others[0].name == "Bo"
    page = PORTFOLIO.page(facts, {name: f"{name}.x" for name in ("html", "json", "chosen", "curve")}, UNSTAMPED)
    assert hostile not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize(
    "settings", ['{"hits": 0}', '{"hits": 1001}', '{"draws": -1}', '{"share": 0}', "[", '{"x": 1}']
)
def test_a_stamp_with_an_impossible_request_is_refused(settings: str) -> None:
    """Bounds hold for a request that a document states, as for one that is typed."""
    with pytest.raises(NotFoundError, match="expected the request of a portfolio"):
        from_subject(settings)
