"""The rule of what may be trained on, step by step: order, ties, several owners, merges, claims,
withdrawals.
"""

from __future__ import annotations

import pytest

from registry.event_log.events import Change
from registry.permissions.derived_columns import find_stale, recompute
from registry.permissions.reviews import record_review
from registry.permissions.rule import Permission
from registry.storage.database import Registry
from tests.support.rights import Rights
from tests.support.works import NOW

PERMITTED, CONSTRAINED, PROHIBITED = Permission.PERMITTED, Permission.CONSTRAINED, Permission.PROHIBITED


@pytest.fixture
def rights(registry: Registry) -> Rights:
    """A registry to write rows into."""
    return Rights(registry)


def review(rights: Rights, scope: str, subject: int, permission: Permission | None) -> None:
    """Decide something."""
    condition = "with a notice" if permission is CONSTRAINED else None
    record_review(rights.registry, scope, [subject], permission, "as agreed", condition=condition, now=NOW)


def test_a_work_about_which_nothing_is_known_is_unclear(rights: Rights) -> None:
    """And that is its reason."""
    assert rights.grounds(rights.work("Ada")) == [(6, "unclear", "nothing", True)]


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ("CC-BY-4.0", "permitted"),
        ("CC-BY-NC-4.0", "constrained"),
        ("All rights reserved", "prohibited"),
        ("see contract", "unclear"),
    ],
)
def test_a_licence_speaks_by_its_own_terms(rights: Rights, licence: str, expected: str) -> None:
    """Step 4; terms that were not understood are a ground as well."""
    assert rights.grounds(rights.work("Ada", licence)) == [(4, expected, "licence", True)]


def test_the_strictest_of_signals_and_licence_decides(rights: Rights) -> None:
    """Leave for a narrower use lifts no general reservation; ties decide together, and what is
    looser is still told.
    """
    work = rights.work("Ada", "All rights reserved")
    rights.signal(work, "allowed")
    rights.signal(work, "prohibited", "all data mining")
    assert rights.grounds(work) == [
        (4, "prohibited", "licence", True),
        (4, "prohibited", "signal", True),
        (4, "permitted", "signal", False),
    ]


def test_a_signal_of_leave_does_not_settle_terms_that_nobody_understood(rights: Rights) -> None:
    """They may forbid it; alone, the signal does permit."""
    assert rights.permission(rights.work()) == "unclear"
    unknown, free = rights.work("Ada", "see contract"), rights.work("Ada")
    for work in (unknown, free):
        rights.signal(work, "allowed")
    assert (rights.permission(unknown), rights.permission(free)) == ("unclear", "permitted")


@pytest.mark.parametrize(("category", "counts"), [("crawling", True), ("search", False), ("ai inference", False)])
def test_only_signals_that_bear_on_training_count(rights: Rights, category: str, counts: bool) -> None:
    """A reservation against crawling does, one against search does not."""
    work = rights.work("Ada", "CC0-1.0")
    rights.signal(work, "prohibited", category)
    rights.signal(work, "unspecified")
    assert rights.permission(work) == ("prohibited" if counts else "permitted")


def test_a_decision_about_owner_licence_or_source_comes_before_what_was_declared(rights: Rights) -> None:
    """Step 3: the strictest of the three, whatever the file says; the grounds of step 4 are told
    and do not decide.
    """
    work = rights.work("Ada", "CC-BY-4.0")
    rights.signal(work, "prohibited")
    review(rights, "rightsholder", rights.holder("Ada"), PERMITTED)
    assert rights.permission(work) == "permitted"
    review(rights, "data set", 0, CONSTRAINED)
    assert rights.grounds(work) == [
        (3, "constrained", "review", True),
        (3, "permitted", "review", False),
        (4, "prohibited", "signal", False),
        (4, "permitted", "licence", False),
    ]
    review(rights, "licence", rights.licence("CC-BY-4.0"), PROHIBITED)
    assert rights.permission(work) == "prohibited"


def test_a_decision_about_the_work_comes_before_all_others(rights: Rights) -> None:
    """Step 2, in both directions; taken back, the next step counts again."""
    work = rights.work("Ada", "CC-BY-4.0")
    review(rights, "rightsholder", rights.holder("Ada"), PROHIBITED)
    review(rights, "asset", work, PERMITTED)
    assert rights.grounds(work)[0] == (2, "permitted", "review", True)
    review(rights, "asset", work, None)
    assert rights.permission(work) == "prohibited"
    review(rights, "rightsholder", rights.holder("Ada"), None)
    assert rights.permission(work) == "permitted"


def test_a_newer_decision_replaces_the_one_before(rights: Rights) -> None:
    """Looser or stricter: the newest counts, not the strictest."""
    work = rights.work("Ada")
    for permission in (PROHIBITED, PERMITTED, CONSTRAINED):
        review(rights, "asset", work, permission)
        assert rights.grounds(work) == [(2, str(permission), "review", True)]


def test_spellings_of_one_licence_are_one_licence(rights: Rights) -> None:
    """A decision about one covers the others, those that come later too, and is taken back through
    any of them.
    """
    one, other = rights.work("Ada", "CC-BY-NC-4.0"), rights.work("Ada", "cc by-nc 4.0")
    review(rights, "licence", rights.licence("CC-BY-NC-4.0"), PROHIBITED)
    later = rights.work("Zoe", "https://creativecommons.org/licenses/by-nc/4.0/")
    assert {rights.permission(work) for work in (one, other, later)} == {"prohibited"}
    review(rights, "licence", rights.licence("cc by-nc 4.0"), None)
    assert {rights.permission(work) for work in (one, other, later)} == {"constrained"}


def test_what_one_of_several_owners_agreed_to_does_not_bind_the_others(rights: Rights) -> None:
    """It is unclear until it was decided for each; a prohibition of one is enough."""
    work, alone = rights.work(["Ada", "Zoe"], "All rights reserved"), rights.work("Ada")
    review(rights, "rightsholder", rights.holder("Ada"), PERMITTED)
    assert rights.permission(alone) == "permitted"
    assert rights.grounds(work) == [(4, "prohibited", "licence", True), (4, "unclear", "review", False)]
    review(rights, "rightsholder", rights.holder("Zoe"), PERMITTED)
    assert rights.grounds(work)[:2] == [(3, "permitted", "review", True), (3, "permitted", "review", True)]
    review(rights, "rightsholder", rights.holder("Zoe"), PROHIBITED)
    assert rights.permission(work) == "prohibited"
    unlicensed = rights.work(["Ada", "Eve"])
    assert rights.permission(unlicensed) == "unclear"


def test_an_owner_that_is_named_again_through_a_merged_record_is_one_owner(rights: Rights) -> None:
    """No further owner is left whose agreement would be missing."""
    work = rights.work(["Ada", "Ada Ltd"])
    review(rights, "rightsholder", rights.holder("Ada"), PERMITTED)
    assert rights.permission(work) == "unclear"
    rights.merge("Ada Ltd", into="Ada")
    assert rights.grounds(work) == [(3, "permitted", "review", True)]


def test_decisions_of_merged_records_stand_until_somebody_decides_anew(rights: Rights) -> None:
    """A merge loosens nothing: the strictest counts; a new decision replaces both, and can be taken
    back.
    """
    work = rights.work("Ada", "CC0-1.0")
    rights.work("Ada Ltd")
    review(rights, "rightsholder", rights.holder("Ada Ltd"), PROHIBITED)
    review(rights, "rightsholder", rights.holder("Ada"), PERMITTED)
    assert rights.permission(work) == "permitted"
    rights.merge("Ada Ltd", into="Ada")
    assert rights.permission(work) == "prohibited"
    review(rights, "rightsholder", rights.holder("Ada Ltd"), CONSTRAINED)
    assert rights.grounds(work)[0] == (3, "constrained", "review", True)
    review(rights, "rightsholder", rights.holder("Ada"), None)
    assert rights.grounds(work) == [(4, "permitted", "licence", True)]


def test_an_open_claim_makes_what_would_be_permitted_unclear(rights: Rights) -> None:
    """Once however it was matched; what is stricter stays; decided, it is gone, and opened again it
    is back.
    """
    free, bound = rights.work("Ada", "CC0-1.0"), rights.work("Ada", "All rights reserved")
    claim = rights.claim(free, free, bound)
    assert rights.grounds(free) == [(4, "permitted", "licence", False), (5, "unclear", "claim", True)]
    assert rights.grounds(bound) == [(4, "prohibited", "licence", True), (5, "unclear", "claim", False)]
    rights.decide(claim, "refused")
    assert rights.grounds(free) == [(4, "permitted", "licence", True)]
    rights.decide(claim, "open")
    assert rights.permission(free) == "unclear"


def test_a_claim_bears_on_decisions_about_groups_and_not_on_one_about_the_work(rights: Rights) -> None:
    """Who decided about the work itself knew of the claim, or will be asked."""
    work = rights.work("Ada")
    review(rights, "rightsholder", rights.holder("Ada"), PERMITTED)
    rights.claim(work)
    assert rights.grounds(work) == [(3, "permitted", "review", False), (5, "unclear", "claim", True)]
    review(rights, "asset", work, PERMITTED)
    assert rights.permission(work) == "permitted"
    assert rights.grounds(rights.work("Zoe")) == [(6, "unclear", "nothing", True)]


def test_a_claim_alone_is_why_a_work_is_unclear(rights: Rights) -> None:
    """There is nothing else to say."""
    work = rights.work()
    rights.claim(work)
    assert rights.grounds(work) == [(5, "unclear", "claim", True)]


def test_nothing_outweighs_a_withdrawal(rights: Rights) -> None:
    """Not a decision about the work, nor another owner afterwards."""
    work = rights.work("Ada", "CC0-1.0")
    review(rights, "asset", work, PERMITTED)
    rights.withdraw("asset", work, [work])
    assert rights.grounds(work)[:2] == [(1, "withdrawn", "withdrawal", True), (2, "permitted", "review", False)]
    rights.declare(work, ["Zoe"], "CC0-1.0")
    assert rights.permission(work) == "withdrawn"


def test_a_rightsholder_that_withdrew_has_withdrawn_what_comes_later_too(rights: Rights) -> None:
    """Also as one of several owners, and under a name that was merged; each withdrawal is told
    once.
    """
    first, others = rights.work("Ada"), rights.work("Zoe", "CC0-1.0")
    rights.withdraw("rightsholder", rights.holder("Ada"), [first])
    later, shared = rights.work("Ada", "CC0-1.0"), rights.work(["Zoe", "Ada"], "CC0-1.0")
    for work in (first, later, shared):
        assert [ground for ground in rights.grounds(work) if ground[0] == 1] == [(1, "withdrawn", "withdrawal", True)]
    assert rights.permission(others) == "permitted"
    studio = rights.work("Ada Ltd")
    rights.merge("Ada Ltd", into="Ada")
    assert rights.permission(studio) == "withdrawn"


def test_what_is_current_is_what_follows_from_the_rows(rights: Rights, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for all works at once as for each alone; a column that somebody wrote past creditline
    is found, however many works are compared together.
    """
    works = [rights.work("Ada", "CC0-1.0"), rights.work(["Zoe", "Ada"], "see contract"), rights.work()]
    rights.claim(works[0])
    with rights.registry.connection() as connection:
        assert find_stale(connection) == []
        connection.execute("UPDATE asset SET permission = 'permitted' WHERE id = ?", [works[1]])
        connection.execute("UPDATE asset SET rightsholder_id = NULL WHERE id = ?", [works[0]])
        for at_once in (1, 2, 1_000):
            monkeypatch.setattr("registry.storage.row_groups.BLOCK", at_once)
            assert find_stale(connection) == works[:2]
        assert recompute(Change(connection, "tests", NOW), works) == 1
        assert find_stale(connection) == []
