"""Site policies: what the specifications' own examples mean, and that no file can break or stall
the reading.
"""

from __future__ import annotations

import hashlib
import json
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import InputError
from registry.signals import Category, Protocol, Use
from registry.site_policies import SitePolicy, domain_of, path_of, read_site_policy
from registry.site_policies.interface import LARGEST_FILE, MOST_WILDCARDS
from registry.site_policies.matching import HostPolicy
from registry.site_policies.paths import PathPatterns, normal_path, normal_pattern

ALLOWED, PROHIBITED = Use.ALLOWED, Use.PROHIBITED
TDM_EXAMPLE = [
    {"location": "/directory-a/", "tdm-reservation": 1},
    {"location": "/directory-b/html/", "tdm-reservation": 1, "tdm-policy": "https://provider.com/policies/policy.json"},
    {"location": "/directory-b/images/*.jpg", "tdm-reservation": 0},
]


def policy_of(content: str | bytes | object, kind: str, agents: tuple[str, ...] = ()) -> SitePolicy:
    data = (
        content
        if isinstance(content, bytes)
        else content.encode()
        if isinstance(content, str)
        else json.dumps(content).encode()
    )
    return read_site_policy(data, kind=kind, domain="Example.org", file_name="given", agents=agents)


def said(policy: SitePolicy, path: str) -> list[tuple[Protocol, Category, Use]]:
    return [(signal.protocol, signal.category, signal.use) for signal in policy.signals_for([path])[0]]


def test_tdmrep_says_what_the_reports_example_says() -> None:
    """Reserved without a way to a licence, reserved with one, not reserved, and not spoken of."""
    paths = ["/directory-a/1.pdf", "/directory-b/html/x", "/directory-b/images/a/b.jpg", "/elsewhere"]
    reserved, with_policy, free, silent = policy_of(TDM_EXAMPLE, "tdmrep").signals_for(paths)
    assert [(signal.use, signal.constraint) for (signal,) in (reserved, with_policy, free)] == [
        (PROHIBITED, None),
        (PROHIBITED, "https://provider.com/policies/policy.json"),
        (ALLOWED, None),
    ]
    assert reserved[0].category is Category.ALL
    assert json.loads(with_policy[0].raw) == TDM_EXAMPLE[1]
    assert silent == ()


def test_the_first_matching_tdmrep_rule_decides() -> None:
    """The report takes the first in sequence, whatever the lengths; a dollar sign ends the path."""
    rules = [{"location": "/a$", "tdm-reservation": 0}, {"location": "/", "tdm-reservation": "1"}]
    policy = policy_of([*rules, {"location": "/long/path", "tdm-reservation": 0}], "tdmrep")
    assert [said(policy, path)[0][2] for path in ("/a", "/ab", "/long/path")] == [ALLOWED, PROHIBITED, PROHIBITED]


def test_tdmrep_rules_that_are_not_understood_are_named_and_constrain() -> None:
    """A bad rule is a problem of its own; the others stand, and its paths are not free."""
    bad = [1, {}, {"location": "x", "tdm-reservation": 1}, {"location": "/", "tdm-reservation": True}]
    policy = policy_of([*bad, {"location": "/", "tdm-reservation": 1, "tdm-policy": "javascript:x"}], "tdmrep")
    assert len(policy.problems) == 5
    assert said(policy, "/x") == [
        (Protocol.TDMREP, Category.ALL, PROHIBITED),
        (Protocol.TDMREP, Category.ALL, Use.CONSTRAINED),
    ]


@pytest.mark.parametrize("content", ["{", "[" * 100_000, '{"a": 1}', "1" * 5000, '[{"a":1,"a":2}]', "", "\0"])
def test_a_file_that_is_no_tdmrep_is_refused(content: str) -> None:
    """Not JSON, nested without end, no list, a key twice: one line, never a crash."""
    with pytest.raises(InputError) as caught:
        policy_of(content, "tdmrep")
    assert "\n" not in str(caught.value)


ROBOTS = """
User-agent: *
Disallow: /private/
Allow: /private/open/

User-agent: GPTBot
User-agent: CCBot
Disallow: /art/*.png$
"""


def test_robots_speaks_of_training_where_it_names_a_training_agent() -> None:
    """A named training token is a reservation of training, the star of crawling; what is allowed
    says nothing.
    """
    policy = policy_of(ROBOTS, "robots")
    assert said(policy, "/art/1.png") == [(Protocol.ROBOTS, Category.AI_TRAINING, PROHIBITED)]
    assert said(policy, "/private/x") == [(Protocol.ROBOTS, Category.CRAWLING, PROHIBITED)]
    assert [said(policy, path) for path in ("/private/open/x", "/art/1.png?x", "/", "/robots.txt")] == [[], [], [], []]
    assert (
        policy.signals_for(["/art/1.png"])[0][0].raw == "User-agent: gptbot\nUser-agent: ccbot\nDisallow: /art/*.png$"
    )


def test_only_the_callers_crawlers_count() -> None:
    """The crawler that collected the works has its own group, or else that of the star."""
    assert said(policy_of(ROBOTS, "robots", ("CCBot/2.0 (+https://example.org)",)), "/private/x") == []
    assert said(policy_of(ROBOTS, "robots", ("MyBot",)), "/art/1.png") == []
    assert said(policy_of(ROBOTS, "robots", ("MyBot",)), "/private/x") == [
        (Protocol.ROBOTS, Category.CRAWLING, PROHIBITED)
    ]


DRAFT = """User-Agent: *
Allow: /
Disallow: /never/
Content-Usage: / train-ai=n
Content-Usage: /ai-ok/ train-ai=y

User-Agent: ExampleBot
Allow: /
Content-Usage: / train-ai=y
"""


@pytest.mark.parametrize("kind", ["robots", "aipref"])
def test_usage_rules_say_what_the_drafts_example_says(kind: str) -> None:
    """The longest path decides, per group, and only where crawling is allowed."""
    training = (Protocol.AIPREF, Category.AI_TRAINING)
    other = policy_of(DRAFT, kind, ("OtherBot",))
    assert said(other, "/test") == [(*training, PROHIBITED)]
    assert said(other, "/ai-ok/test") == [(*training, ALLOWED)]
    assert said(other, "/never/test") == [(Protocol.ROBOTS, Category.CRAWLING, PROHIBITED)]
    assert said(policy_of(DRAFT, kind, ("ExampleBot",)), "/never/test") == [(*training, ALLOWED)]


def test_a_header_value_speaks_for_every_path() -> None:
    """Both spellings of the file; a value that is neither y nor n constrains, an unknown label does
    not; both are reported.
    """
    for content in (
        "train-ai=n, search=y, new=y, bots=maybe",
        "Content-Usage: train-ai=n, search=y\nContent-Usage: new, bots=1",
    ):
        policy = policy_of(content, "aipref")
        assert said(policy, "/x") == [
            (Protocol.AIPREF, Category.AI_TRAINING, PROHIBITED),
            (Protocol.AIPREF, Category.ALL, Use.CONSTRAINED),
            (Protocol.AIPREF, Category.SEARCH, ALLOWED),
        ]
        assert len(policy.problems) == 2


@pytest.mark.parametrize(
    "line",
    [
        "DisallowAITraining: /",
        "User-agent: *\nContent-Usage: / train-everything=n",
        "User-agent: *\nContent-Usage: / photographs=n",
        "User-agent: *\nContent-Usage: / train-ai=never",
        "User-agent: *\nContent-Usage: / no training, please!",
        "User-agent: *\nAllow: /\nWe do not allow AI training on our pictures",
    ],
)
def test_what_may_reserve_training_and_is_not_understood_constrains(line: str) -> None:
    """It is named, and the file's other lines never make it vanish."""
    policy = policy_of(f"{line}\nSitemap: https://example.org/s.xml\n", "robots")
    (found,) = policy.signals_for(["/a.jpg"])
    assert [(signal.category, signal.use) for signal in found] == [(Category.AI_TRAINING, Use.CONSTRAINED)]
    assert policy.problems
    assert str(found[0].constraint).startswith("not understood: ")


def test_an_unknown_line_about_something_else_says_nothing() -> None:
    """A line that is not about training is named alone."""
    policy = policy_of("User-agent: *\nAllow: /\nOpening hours: nine to five\n", "robots")
    assert policy.signals_for(["/a.jpg"]) == [()]
    assert len(policy.problems) == 1


def test_conflicting_preferences_are_disallowed() -> None:
    """Two statements for one path: the draft lets disallowing win. Content-Signal is read beside
    Content-Usage.
    """
    policy = policy_of("User-agent: *\nContent-Usage: / train-ai=y\nContent-Signal: ai-train=no,search=yes\n", "robots")
    assert said(policy, "/x") == [
        (Protocol.AIPREF, Category.AI_TRAINING, PROHIBITED),
        (Protocol.AIPREF, Category.SEARCH, ALLOWED),
    ]


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("robots", b"<!doctype html><title>404</title>"),
        ("robots", b" " * (LARGEST_FILE + 1)),
        ("robots", b"User-agent: *\n" + b"Disallow: /*a\n" * (MOST_WILDCARDS + 1)),
        ("robots", b"User-agent: *\0"),
        ("aipref", b"no preference here"),
        ("aipref", b""),
        ("other", b""),
    ],
)
def test_files_that_are_no_policies_are_refused(kind: str, data: bytes) -> None:
    """Too large, too many rules, an error page, or nothing stated: an error that names the file or
    the kind.
    """
    with pytest.raises(InputError, match=r"given|other"):
        policy_of(data, kind)


def test_hostile_patterns_take_no_time() -> None:
    """Patterns of many asterisks against long paths, thousands of agents, and rules for each of
    them.
    """
    started = time.process_time()
    path = "/" + "a" * 4_000
    rules = "".join(f"Disallow: /{'*a' * 500}{number}b\n" for number in range(500))
    policy_of("User-agent: *\n" + rules, "robots").signals_for([path])
    policy_of("".join(f"User-agent: a{number}\n" for number in range(20_000)) + "Disallow: /\n" * 20_000, "robots")
    policy_of([{"location": "/" + "*a" * 900 + "b", "tdm-reservation": 1}] * 500, "tdmrep").signals_for([path])
    assert time.process_time() - started < 10


PATHS = st.text(alphabet="ab/.?é$*", max_size=12).map(lambda text: "/" + text)
PATTERNS = st.text(alphabet="ab/*$.?é", max_size=8).map(lambda text: "/" + text)


def matches(pattern: str, path: str) -> bool:
    """RFC 9309, section 2.2.3, as a regular expression; ``$`` and ``*`` in a path are plain."""
    text = pattern.removesuffix("$")
    expression = ".*".join(re.escape(part) for part in text.split("*")) + ("$" if text != pattern else "")
    return re.compile(expression, re.DOTALL).match(path) is not None


@given(st.lists(st.tuples(st.sampled_from(["Allow", "Disallow"]), PATTERNS), max_size=6), st.lists(PATHS, max_size=6))
def test_the_longest_rule_of_robots_decides(rules: list[tuple[str, str]], paths: list[str]) -> None:
    """Against the RFC's own words, tried rule by rule: the most octets win, and Allow among
    equals.
    """
    text = "User-agent: *\n" + "".join(f"{directive}: {pattern}\n" for directive, pattern in rules)
    expected = [
        max(
            (
                (len(normal_pattern(pattern)), directive == "Allow")
                for directive, pattern in rules
                if matches(pattern, path)
            ),
            default=(0, True),
        )[1]
        for path in paths
    ]
    assert [not signals for signals in policy_of(text, "robots").signals_for(paths)] == expected


@pytest.mark.parametrize(
    ("pattern", "path", "matching"),
    [
        ("/foo/bar?baz=quz", "/foo/bar?baz=quz", True),
        ("/foo/bar?baz=https://foo.bar", "/foo/bar?baz=https%3A%2F%2Ffoo.bar", False),
        ("/foo/bar?baz=a:b", "/foo/bar?baz=a%3Ab", True),
        ("/foo/bar/\u30c4", "/foo/bar/%E3%83%84", True),
        ("/foo/bar/%E3%83%84", "/foo/bar/%e3%83%84", True),
        ("/foo/bar/%62%61%7A", "/foo/bar/baz", True),
        ("/path/file-with-a-%2A.html", "/path/file-with-a-*.html", True),
        ("/path/file-with-a-%2A.html", "/path/file-with-a-b.html", False),
        ("/path/foo-%24", "/path/foo-$", True),
        ("/path/foo-$", "/path/foo-$", False),
        ("/a$b", "/a%24b", True),
    ],
)
def test_escapes_compare_as_the_characters_that_they_stand_for(pattern: str, path: str, matching: bool) -> None:
    """The examples of RFC 9309, sections 2.2.2 and 2.2.3; an escaped slash alone stays one."""
    policy = policy_of(f"User-agent: *\nDisallow: {pattern}\n", "robots")
    assert bool(policy.signals_for([path])[0]) is matching


def test_a_robots_txt_may_always_be_fetched() -> None:
    """RFC 9309, section 2.2.2: its own path is allowed whatever the rules say."""
    policy = policy_of("User-agent: *\nDisallow: /\n", "robots")
    assert [bool(signals) for signals in policy.signals_for(["/robots.txt", "/robots.txt?x", "/robots.txt.jpg"])] == [
        *(False, False, True)
    ]


@given(st.binary(max_size=400), st.sampled_from(["tdmrep", "robots", "aipref", "rsl"]), st.text(max_size=40))
def test_no_file_breaks_the_reading(data: bytes, kind: str, path: str) -> None:
    """Any bytes are a policy or an InputError, and any path is answered."""
    try:
        policy = read_site_policy(data, kind=kind, domain="example.org", file_name="given")
    except InputError:
        return
    assert policy.sha256 == hashlib.sha256(data).hexdigest()
    assert len(policy.signals_for([path, path])) == 2


def test_equal_paths_have_one_spelling() -> None:
    """Escapes of what needs none are undone; reserved signs stay apart."""
    patterns = PathPatterns([normal_pattern("/caf%c3%a9/%7Eme")])
    assert patterns.first(normal_path("/café/~me/1.jpg")) == 0
    assert normal_path("/a%2fb") == "/a%2Fb" != normal_path("/a/b")


@pytest.mark.parametrize(
    ("url", "domain"),
    [
        ("https://User:pw@WWW.Example.org.:8080/x", "www.example.org"),
        ("http://Bücher.example/x", "xn--bcher-kva.example"),
        ("https://xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("http://straße.de/", "xn--strae-oqa.de"),
        ("http://[2001:DB8::1]/", "2001:db8::1"),
        ("ftp://example.org/", None),
        ("https:///x", None),
        ("http://[::1", None),
        ("http://a..b/", None),
        ("http://" + "a" * 300, None),
        ("nothing", None),
    ],
)
def test_a_domain_has_one_form(url: str, domain: str | None) -> None:
    """Case, port, user, final dot and script make no difference; what is no web address has no
    domain.
    """
    assert domain_of(url) == domain


def test_a_policy_is_for_its_host_or_for_the_hosts_below() -> None:
    """One row of each for a domain with its subdomains, and never a name that merely ends alike."""
    alone, below = HostPolicy(0, "example.org", subdomains=False), HostPolicy(1, "example.org", subdomains=True)
    hosts = ("example.org", "img.example.org", "badexample.org")
    assert [alone.governs(host) for host in hosts] == [True, False, False]
    assert [below.governs(host) for host in hosts] == [False, True, False]
    assert path_of("https://example.org") == "/"
    assert path_of("https://example.org/a?b=c#d") == "/a?b=c"


@pytest.mark.parametrize(
    "text",
    [
        "User-agent: GPTBot, CCBot\nDisallow: /\n",
        "User-agent: CCBot; GPTBot\nDisallow: /\n",
        "User-agent: CCBot\nDisallow: https://example.org/\n",
        "User-agent: CCBot\nDisallow: https://example.org\n",
        "User-agent: CCBot\nDisallow: a.jpg\n",
    ],
)
def test_a_careless_robots_txt_still_disallows(text: str) -> None:
    """Several crawlers in one line, a whole address, a path without its first slash."""
    assert (Protocol.ROBOTS, Category.AI_TRAINING, PROHIBITED) in said(policy_of(text, "robots"), "/a.jpg")


@pytest.mark.parametrize(
    "rule",
    [
        {"tdm-reservation": 1},
        {"Location": "/", "TDM-Reservation": 1},
        {"location": "a.jpg", "tdm-reservation": 1},
        {"location": "https://example.org/a.jpg", "tdm-reservation": 1},
        "/",
    ],
)
def test_a_tdmrep_rule_without_a_usable_place_constrains_the_site(rule: object) -> None:
    """It may reserve any work. A rule that only frees works is left out."""
    policy = policy_of([rule], "tdmrep")
    assert said(policy, "/a.jpg") == [(Protocol.TDMREP, Category.ALL, Use.CONSTRAINED)]
    assert policy.problems
    assert said(policy_of([{"location": "a", "tdm-reservation": 0}], "tdmrep"), "/a.jpg") == []
