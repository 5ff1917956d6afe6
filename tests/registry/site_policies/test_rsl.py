"""RSL: what a site's licences say of training, and that nothing strange in them loosens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import InputError
from registry.permissions.rule import STRICTNESS, Permission
from registry.signals import Category, Protocol, RightsSignal, Use
from registry.site_policies import SitePolicy, read_site_policy
from registry.site_policies.store import record_policy
from registry.storage.database import Registry
from tests.support.rights import Rights
from tests.support.works import NOW

OPEN = '<rsl xmlns="https://rslstandard.org/rsl">'


def policy_of(xml: str, kind: str = "rsl") -> SitePolicy:
    return read_site_policy(xml.encode(), kind=kind, domain="example.org", file_name="license.xml")


def licences(*inside: str, attributes: str = 'url="/"') -> str:
    return (
        OPEN + f"<content {attributes}>" + "".join(f"<license>{each}</license>" for each in inside) + "</content></rsl>"
    )


def of_training(policy: SitePolicy, path: str = "/a.jpg") -> RightsSignal:
    return next(signal for signal in policy.signals_for([path])[0] if signal.category is Category.AI_TRAINING)


TRAIN = '<permits type="usage">ai-train</permits>'


@pytest.mark.parametrize(
    ("inside", "use", "condition"),
    [
        ((TRAIN,), Use.ALLOWED, None),
        ((TRAIN + '<payment type="free"/>',), Use.ALLOWED, None),
        (('<permits type="usage">ai-all</permits>',), Use.ALLOWED, None),
        (('<permits type="usage">search, all</permits>',), Use.ALLOWED, None),
        (('<permits type="usage">train-ai</permits>',), Use.ALLOWED, None),
        (('<prohibits type="usage">ai-train</prohibits>',), Use.PROHIBITED, None),
        (('<prohibits type="usage">all</prohibits>',), Use.PROHIBITED, None),
        # Equal rank: the prohibition. Different rank: the more specific one.
        ((TRAIN + '<prohibits type="usage">ai-train</prohibits>',), Use.PROHIBITED, None),
        ((TRAIN + '<prohibits type="usage">train-ai</prohibits>',), Use.PROHIBITED, None),
        ((TRAIN + '<prohibits type="usage">all</prohibits>',), Use.ALLOWED, None),
        (('<permits type="usage">all</permits><prohibits type="usage">ai-all</prohibits>',), Use.PROHIBITED, None),
        # What a licence does not name, it does not permit; one without tokens permits nothing.
        (('<permits type="usage">search</permits>',), Use.PROHIBITED, None),
        (('<permits type="usage">flying</permits>',), Use.PROHIBITED, None),
        (('<permits type="usage"/>',), Use.PROHIBITED, None),
        (('<prohibits type="usage">search</prohibits>',), Use.UNSPECIFIED, None),
        ((), Use.CONSTRAINED, "no licence stated"),
        # Conditions.
        ((TRAIN + '<payment type="attribution"/>',), Use.CONSTRAINED, "payment: attribution"),
        (
            (TRAIN + '<payment type="training"><amount currency="USD">5</amount></payment>',),
            Use.CONSTRAINED,
            "payment: training 5 USD",
        ),
        ((TRAIN + "<payment><standard>https://c.example/l</standard></payment>",), Use.CONSTRAINED, None),
        ((TRAIN + '<payment type="gold"/>',), Use.CONSTRAINED, "payment: gold"),
        ((TRAIN + '<permits type="user">non-commercial</permits>',), Use.CONSTRAINED, "only for user non-commercial"),
        ((TRAIN + '<prohibits type="geo">EU</prohibits>',), Use.CONSTRAINED, "not for geo EU"),
        ((TRAIN + "<embargo>2030</embargo>",), Use.CONSTRAINED, None),
        ((TRAIN + '<prohibits type="usage">cloning</prohibits>',), Use.CONSTRAINED, None),
        # Several licences: a user may choose.
        ((TRAIN, '<prohibits type="usage">all</prohibits>'), Use.CONSTRAINED, "the licences on offer differ"),
        (
            (TRAIN + '<payment type="crawl"/>', '<permits type="usage">search</permits>'),
            Use.CONSTRAINED,
            "payment: crawl",
        ),
        (('<permits type="usage">search</permits>', '<prohibits type="usage">all</prohibits>'), Use.PROHIBITED, None),
        ((TRAIN, TRAIN + '<payment type="free"/>'), Use.ALLOWED, None),
    ],
)
def test_what_licences_say_of_training(inside: tuple[str, ...], use: Use, condition: str | None) -> None:
    """As the specification has it, and the stricter reading where it leaves room."""
    signal = of_training(policy_of(licences(*inside)))
    assert (signal.protocol, signal.use) == (Protocol.RSL, use)
    assert condition is None or signal.constraint == condition
    assert (signal.constraint is not None) == (use is Use.CONSTRAINED)


def test_a_licence_server_or_encryption_is_a_condition() -> None:
    """Leave that must first be obtained is not leave."""
    signal = of_training(policy_of(licences(TRAIN, attributes='url="/" server="https://l.example" encrypted="true"')))
    assert (signal.use, signal.constraint) == (
        Use.CONSTRAINED,
        "licence to be obtained from https://l.example; encrypted",
    )


def test_the_longest_pattern_decides_and_other_hosts_are_not_taken() -> None:
    """Addresses may be whole or paths; an element for another host is a problem of the file."""
    policy = policy_of(
        OPEN
        + f'<content url="https://example.org/"><license>{TRAIN}</license></content>'
        + '<content url="/art/*"><license><prohibits type="usage">ai-all</prohibits></license></content>'
        + f'<content url="https://elsewhere.example/"><license>{TRAIN}</license></content>'
        + f'<content><license>{TRAIN}</license></content><content url="art/"/></rsl>'
    )
    assert of_training(policy, "/a.jpg").use is Use.ALLOWED
    assert of_training(policy, "/art/a.jpg").use is Use.PROHIBITED
    assert policy.problems == (
        "content 3 is about 'https://elsewhere.example/', which is not on example.org",
        "content 4: names no address",
        "content 5: the path 'art/' does not start with '/'",
    )


def test_a_feed_and_a_document_without_namespace_are_read_too() -> None:
    """RSS carries RSL elements; many sites forget the namespace."""
    prohibited = '<prohibits type="usage">ai-train</prohibits>'
    feed = (
        '<rss version="2.0" xmlns:rsl="https://rslstandard.org/rsl"><channel><item><rsl:content url="/a.jpg"><rsl:license>'
        '<rsl:prohibits type="usage">ai-train</rsl:prohibits></rsl:license></rsl:content></item></channel></rss>'
    )
    plain = f'<rsl><content url="/"><license>{prohibited}</license></content></rsl>'
    assert of_training(policy_of(feed)).use is of_training(policy_of(plain)).use is Use.PROHIBITED


def test_what_is_not_known_is_a_problem_that_names_it() -> None:
    """Elements, attributes, types and tokens."""
    policy = policy_of(
        licences(
            TRAIN
            + '<permits type="mood">good</permits><prohibits type="usage">cloning</prohibits><payment type="gold"/><embargo/>',
            attributes='url="/" colour="red"',
        )
    )
    text = "\n".join(policy.problems)
    for word in ("'mood'", "'cloning'", "'gold'", "'embargo'", "attribute colour"):
        assert word in text


@pytest.mark.parametrize(
    "xml", ["", "nothing", "<rsl/>", "<a>", '<!DOCTYPE a [<!ENTITY x "y">]><rsl>&x;</rsl>', "<rsl>" * 100]
)
def test_what_is_no_rsl_is_refused(xml: str) -> None:
    """With a reason, and the file's name."""
    with pytest.raises(InputError, match=r"license\.xml"):
        policy_of(xml)


_PARTS = st.lists(
    st.sampled_from(
        [
            TRAIN,
            '<permits type="usage">all</permits>',
            '<permits type="usage">search</permits>',
            '<payment type="free"/>',
            '<payment type="crawl"/>',
            '<permits type="user">education</permits>',
            '<prohibits type="usage">ai-all</prohibits>',
        ]
    ),
    max_size=4,
)
_STRICT = {Use.ALLOWED: 0, Use.UNSPECIFIED: 0, Use.CONSTRAINED: 1, Use.PROHIBITED: 2}


@given(
    _PARTS,
    st.sampled_from(
        [
            '<payment type="x"/>',
            '<prohibits type="usage">ai-train</prohibits>',
            "<odd/>",
            '<permits type="y">z</permits>',
        ]
    ),
)
def test_a_further_restriction_never_loosens(parts: list[str], further: str) -> None:
    """Whatever a licence says, adding a condition, a prohibition or a strange element to it."""
    before, after = (of_training(policy_of(licences("".join(each)))).use for each in (parts, [*parts, further]))
    assert _STRICT[after] >= _STRICT[before]


@pytest.fixture
def rights(registry: Registry) -> Rights:
    return Rights(registry)


def record(rights: Rights, kind: str, text: str) -> None:
    record_policy(rights.registry, text.encode(), kind, "example.org", kind, now=NOW)


def test_a_license_line_constrains_until_the_document_is_recorded(rights: Rights) -> None:
    """The reference alone is a condition; the document then says what holds, in either order."""
    work = rights.work(url="https://example.org/a.jpg")
    record(rights, "robots", "User-agent: *\nAllow: /\n\nLicense: /license.xml\n")
    assert rights.permission(work) == "constrained"
    record(rights, "rsl", licences(TRAIN))
    assert rights.permission(work) == "permitted"
    record(rights, "robots", "License: https://example.org/license.xml\n")
    assert rights.permission(work) == "permitted"
    record(rights, "rsl", licences('<prohibits type="usage">ai-train</prohibits>'))
    assert rights.permission(work) == "prohibited"


def test_the_condition_of_a_license_line_names_the_address() -> None:
    """As a whole address, also for a relative one."""
    (signal,) = policy_of("License: /l.xml\n", "robots").signals_for(["/"])[0]
    assert (signal.use, signal.constraint, signal.raw) == (
        Use.CONSTRAINED,
        "licences at https://example.org/l.xml",
        "License: /l.xml",
    )
    assert STRICTNESS.index(Permission.CONSTRAINED) > STRICTNESS.index(Permission.UNCLEAR)
