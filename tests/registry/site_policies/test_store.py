"""Policies of sites: which works they speak of, which of several counts, works that come later."""

from __future__ import annotations

import json

import pytest

from registry.errors import InputError
from registry.site_policies.store import PolicyReport, record_policy
from registry.storage.database import Registry
from tests.support.rights import Rights
from tests.support.works import NOW

RESERVED = b'[{"location": "/art/", "tdm-reservation": 1}, {"location": "/free/", "tdm-reservation": 0}]'
OPEN = b'[{"location": "/", "tdm-reservation": 0}]'


@pytest.fixture
def rights(registry: Registry) -> Rights:
    """A registry to write rows into."""
    return Rights(registry)


def record(rights: Rights, data: bytes, domain: str = "example.org", *, subdomains: bool = False) -> PolicyReport:
    """Put a TDMRep file on record."""
    return record_policy(rights.registry, data, "tdmrep", domain, "tdmrep.json", subdomains=subdomains, now=NOW)


def test_a_policy_speaks_of_the_works_of_its_host_by_their_paths(rights: Rights) -> None:
    """However the address is written; hosts that only look like it are not it; others' works are
    left alone.
    """
    same = [
        rights.work(url=url)
        for url in (
            "https://example.org/art/1.jpg",
            "http://EXAMPLE.org:8080/art/2.jpg?size=1",
            "HTTPS://user@example.org/art/3.jpg",
            "https://example.org./art/4.jpg",
            "https://exam\tple.org/art/5.jpg",
        )
    ]
    others = [
        rights.work(url=url)
        for url in (
            "https://notexample.org/art/1.jpg",
            "https://example.org.evil.test/art/1.jpg",
            "https://img.example.org/art/1.jpg",
            "https://evil.test/example.org/art/1.jpg",
            "ftp://example.org/art/1.jpg",
            "https://example.org/else/1.jpg",
        )
    ]
    free = rights.work(url="https://example.org/free/1.jpg")
    report = record(rights, RESERVED)
    assert [rights.permission(work) for work in same] == ["prohibited"] * 5
    assert [rights.permission(work) for work in others] == ["unclear"] * 6
    assert rights.permission(free) == "permitted"
    assert (report.recorded, report.works, report.works_with_signals, report.permissions_changed) == (True, 7, 6, 6)


def test_hosts_beyond_ascii_are_one_host_in_both_spellings(rights: Rights) -> None:
    """The policy's domain and the works' addresses."""
    works = [rights.work(url=url) for url in ("https://BÜCHER.example/art/1", "https://xn--bcher-kva.example/art/2")]
    assert record(rights, RESERVED, "bücher.example").works == 2
    assert {rights.permission(work) for work in works} == {"prohibited"}


def test_a_work_without_an_address_of_its_own_is_found_by_its_sources(rights: Rights) -> None:
    """Its own comes first."""
    work = rights.work(source_url="https://example.org/art/page.html")
    moved = rights.work(url="https://elsewhere.test/1.jpg", source_url="https://example.org/art/page.html")
    record(rights, RESERVED)
    assert (rights.permission(work), rights.permission(moved)) == ("prohibited", "unclear")


def test_a_newer_policy_takes_the_place_of_the_one_before(rights: Rights) -> None:
    """Whose signals stay on record; the same file again changes nothing, and the first one may come
    back.
    """
    work = rights.work(url="https://example.org/art/1.jpg")
    first = record(rights, RESERVED)
    again = record(rights, RESERVED)
    assert (again.recorded, again.policy_id, again.works) == (False, first.policy_id, 1)
    second = record(rights, OPEN)
    assert (second.superseded, rights.permission(work)) == ((first.policy_id,), "permitted")
    assert rights.grounds(work) == [(4, "permitted", "signal", True)]
    record(rights, RESERVED)
    assert rights.permission(work) == "prohibited"
    with rights.registry.connection() as connection:
        signals = connection.execute("SELECT use, policy_id FROM rights_signal ORDER BY id").fetchall()
        events = connection.execute("SELECT count(*) FROM event WHERE kind = 'policy recorded'").fetchall()
    assert signals == [("prohibited", 0), ("allowed", 1), ("prohibited", 2)]
    assert events == [(3,)]


def test_a_newer_policy_that_says_nothing_of_a_work_leaves_it_without_signals(rights: Rights) -> None:
    """The reservation is gone with the policy that had it."""
    work = rights.work(url="https://example.org/art/1.jpg")
    record(rights, RESERVED)
    record(rights, b'[{"location": "/other/", "tdm-reservation": 1}]')
    assert rights.grounds(work) == [(6, "unclear", "nothing", True)]


def test_policies_of_other_kinds_stand_beside_each_other(rights: Rights) -> None:
    """The strictest counts."""
    work = rights.work(url="https://example.org/art/1.jpg")
    record(rights, OPEN)
    robots = b"User-agent: GPTBot\nDisallow: /art/\n"
    record_policy(rights.registry, robots, "robots", "example.org", "robots.txt", now=NOW)
    assert rights.grounds(work) == [(4, "prohibited", "signal", True), (4, "permitted", "signal", False)]


def test_the_crawlers_that_collected_the_works_are_part_of_a_policy(rights: Rights) -> None:
    """The same file for others is another policy."""
    work = rights.work(url="https://example.org/art/1.jpg")
    robots = b"User-agent: GPTBot\nDisallow: /art/\n"
    for agents, expected in ((("OwnBot",), "unclear"), (("GPTBot", "OwnBot"), "prohibited")):
        report = record_policy(rights.registry, robots, "robots", "example.org", "robots.txt", agents=agents, now=NOW)
        assert report.recorded
        assert rights.permission(work) == expected


def test_a_policy_for_the_hosts_below_stands_there_when_a_newer_one_is_for_the_host_alone(rights: Rights) -> None:
    """Nothing said of those hosts is lost by it; a newer one for them takes its place."""
    host, below = rights.work(url="https://example.org/art/1.jpg"), rights.work(url="https://img.example.org/art/1.jpg")
    assert record(rights, RESERVED, subdomains=True).works == 2
    assert (rights.permission(host), rights.permission(below)) == ("prohibited", "prohibited")
    assert not record(rights, RESERVED).recorded
    record(rights, OPEN)
    assert (rights.permission(host), rights.permission(below)) == ("permitted", "prohibited")
    assert len(record(rights, OPEN, subdomains=True).superseded) == 2
    assert (rights.permission(host), rights.permission(below)) == ("permitted", "permitted")


def test_works_that_come_later_get_the_signals_of_the_policies_that_count(rights: Rights) -> None:
    """Of the host's own and of those above that speak for it; not of former ones."""
    record(rights, RESERVED)
    record(rights, OPEN)
    record(rights, RESERVED, "example.net", subdomains=True)
    assert rights.permission(rights.work(url="https://example.org/art/1.jpg")) == "permitted"
    deep = rights.work(url="https://a.b.example.net/art/1.jpg")
    assert rights.grounds(deep) == [(4, "prohibited", "signal", True)]
    assert rights.permission(rights.work(url="https://example.test/art/1.jpg")) == "unclear"
    assert rights.permission(rights.work(source_url="https://example.net/art/1.jpg")) == "prohibited"


def test_what_was_not_understood_is_reported_and_the_file_is_kept(rights: Rights) -> None:
    """A file that is none of its kind, or a domain that is no host, leaves nothing."""
    data = b'[{"location": "/art/", "tdm-reservation": 1}, {"location": 7}]'
    assert record(rights, data).problems == ("rule 2 has no location",)
    with rights.registry.connection() as connection:
        assert connection.execute("SELECT content, agents FROM site_policy").fetchall() == [(data.decode(), "[]")]
    for wrong, domain in ((b"{", "example.org"), (OPEN, "no host")):
        with pytest.raises(InputError):
            record(rights, wrong, domain)
    with rights.registry.connection() as connection:
        assert connection.execute("SELECT count(*) FROM site_policy").fetchall() == [(1,)]
        after = connection.execute("SELECT after FROM event WHERE kind = 'policy recorded'").fetchall()[0][0]
    assert json.loads(after)["works"] == 0
