"""robots.txt (RFC 9309), with the usage preferences that AIPREF adds to its groups.

The longest rule that matches a path decides; of an Allow and a Disallow of equal length, Allow. A
work in a corpus that crawlers may not fetch is reserved. A path that may be fetched gives no
signal: leave to fetch says nothing about training.

Which crawlers count: those that collected the works, if the caller names them. Otherwise the
product tokens by which sites address training, and ``*``. A rule for a training token is a
reservation of training, any other rule one of crawling. Preferences count only on paths that may be
crawled, as the AIPREF draft has it: the others are reserved anyway.

A ``License`` line (RSL 1.0) refers to licences elsewhere. Until the site's RSL document is
recorded, training on its works is constrained by the licences at that address. A line that is not
understood and may be about training constrains it, too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

from registry.errors import InputError
from registry.signals import Category, Protocol, RightsSignal, Use, short
from registry.site_policies.interface import SitePolicy, check_counts, text_of
from registry.site_policies.paths import PathPatterns, fault_of, normal_path, normal_pattern
from registry.site_policies.preferences import Preferences, preference_signals, read_preferences
from registry.site_policies.records import ALLOW, ANYONE, CONTENT_SIGNAL, CONTENT_USAGE, DISALLOW, Rule, read_records

TRAINING_AGENTS = (
    "AI2Bot",
    "Ai2Bot-Dolma",
    "Amazonbot",
    "anthropic-ai",
    "Applebot-Extended",
    "Bytespider",
    "CCBot",
    "ClaudeBot",
    "Claude-Web",
    "cohere-ai",
    "cohere-training-data-crawler",
    "Diffbot",
    "FacebookBot",
    "Google-CloudVertexBot",
    "Google-Extended",
    "GPTBot",
    "ICC-Crawler",
    "img2dataset",
    "ImagesiftBot",
    "Kangaroo Bot",
    "laion-huggingface-processor",
    "LAIONDownloader",
    "meta-externalagent",
    "omgili",
    "omgilibot",
    "PanguBot",
    "PetalBot",
    "SBIntuitionsBot",
    "TikTokSpider",
    "Timpibot",
    "VelenPublicWebCrawler",
    "Webzio-Extended",
)
"""Product tokens of crawlers that, by their operators' word, collect training data, and tokens by
which a site refuses training."""

READ_BY_ALL = 500 * 1024
"""Bytes that every crawler must read (RFC 9309, section 2.5); one may stop there."""

MOST_OUTCOMES = 100_000
"""Distinct outcomes whose signals are kept in memory."""

_ITSELF = "/robots.txt"
_TRAINING = frozenset(agent.lower() for agent in TRAINING_AGENTS)


class RobotsPolicy(SitePolicy):
    """The groups of one robots.txt that apply to the crawlers that count."""

    kind: ClassVar[str] = "robots"

    def __init__(self, data: bytes, *, domain: str, file_name: str, agents: Sequence[str] = ()) -> None:
        super().__init__(data, domain=domain, file_name=file_name)
        records = read_records(text_of(data, file_name))
        if records.problems and not records.understood:
            raise InputError(f"{file_name} has no line of a robots.txt ({records.problems[0]}); is it an error page?")
        for problem in records.problems:
            self._problem(problem)
        if len(data) > READ_BY_ALL:
            self._problem(f"{len(data):,} bytes; crawlers need not read beyond {READ_BY_ALL:,}")
        self._for_all = (
            *_unread_signals(records.unread, file_name),
            *_licence_signals(records.licences, self.domain, file_name),
        )
        self._groups: list[_Group] = []
        by_rules: dict[tuple[tuple[Rule, ...], bool], list[str]] = {}
        for product, bound in records.bound(agents or (*TRAINING_AGENTS, ANYONE)).items():
            training = product != ANYONE and any(agent.lower() in _TRAINING for agent in (product, *bound))
            by_rules.setdefault((records.rules_of(product), training), []).append(product)
        for (rules, training), products in by_rules.items():
            group = _Group(products, rules, training=training, file_name=file_name)
            self._groups.append(group)
            for problem in group.problems:
                self._problem(problem)
        self._known: dict[tuple[tuple[int | None, int | None], ...], tuple[RightsSignal, ...]] = {}

    def signals_for(self, paths: Sequence[str]) -> list[tuple[RightsSignal, ...]]:
        found = []
        for path in paths:
            written = normal_path(path or "/")
            deciding = tuple(group.deciding(written) for group in self._groups)
            # A corpus has many paths, but a site few outcomes: each outcome gets its signals once.
            signals = self._known.get(deciding)
            if signals is None:
                if len(self._known) >= MOST_OUTCOMES:
                    self._known.clear()
                signals = self._known[deciding] = self._signals(deciding)
            found.append(signals)
        return found

    def _signals(self, deciding: Sequence[tuple[int | None, int | None]]) -> tuple[RightsSignal, ...]:
        refused: dict[Category, list[str]] = {}
        stated: list[tuple[Preferences, str]] = []
        for group, (disallowing, preference) in zip(self._groups, deciding, strict=True):
            if disallowing is not None:
                refused.setdefault(group.category, []).append(group.quoted(disallowing))
            elif preference is not None:
                stated.append(group.preferences[preference])
        signals = [
            RightsSignal(Protocol.ROBOTS, category, Use.PROHIBITED, None, short("\n".join(raws)), self.file_name)
            for category, raws in refused.items()
        ]
        return (*preference_signals(stated, self.file_name), *sorted(signals), *self._for_all)


class _Group:
    """The rules that one or more products share."""

    def __init__(self, products: list[str], rules: Sequence[Rule], *, training: bool, file_name: str) -> None:
        self.category = Category.AI_TRAINING if training else Category.CRAWLING
        self.problems: list[str] = []
        self._names = "\n".join(f"User-agent: {product}" for product in products)
        crawling = [rule for rule in rules if rule.directive in (ALLOW, DISALLOW) and rule.value]
        crawling = [rule for rule in crawling if self._usable(rule, rule.value) or self._is_meant(rule)]
        check_counts(file_name, [rule.value for rule in crawling])
        # By length of the pattern, the longest first; "allow" sorts before "disallow".
        self._rules = sorted(crawling, key=lambda rule: (-len(normal_pattern(_path(rule.value))), rule.directive))
        self._patterns = PathPatterns([normal_pattern(_path(rule.value)) for rule in self._rules])
        self._read_preferences(rules, file_name)

    def _usable(self, rule: Rule, pattern: str) -> bool:
        fault = fault_of(pattern)
        if fault is not None:
            self.problems.append(f"{rule.directive}: {fault}")
        return fault is None

    def _is_meant(self, rule: Rule) -> bool:
        """Whether a rule without a path disallows something all the same: an address, or a name."""
        return rule.directive == DISALLOW and fault_of(_path(rule.value)) is None

    def _read_preferences(self, rules: Sequence[Rule], file_name: str) -> None:
        by_path: dict[str, list[tuple[Preferences, str]]] = {}
        for rule in rules:
            if rule.directive not in (CONTENT_USAGE, CONTENT_SIGNAL):
                continue
            pattern, _, value = rule.value.replace("\t", " ").partition(" ")
            # A preference without a path is about every path.
            if not pattern.startswith(("/", "*")) and (rule.directive == CONTENT_SIGNAL or "=" in pattern):
                pattern, value = "/", rule.value
            if self._usable(rule, pattern):
                preferences, problems = read_preferences(value.strip())
                self.problems += [f"{rule.directive}: {problem}" for problem in problems]
                raw = f"{self._names}\n{rule.directive.title()}: {rule.value}"
                by_path.setdefault(normal_pattern(pattern), []).append((preferences, raw))
        longest_first = sorted(by_path, key=lambda pattern: (-len(pattern), pattern))
        check_counts(file_name, longest_first)
        self._preference_patterns = PathPatterns(longest_first)
        self.preferences = [_combined(by_path[pattern]) for pattern in longest_first]

    def deciding(self, path: str) -> tuple[int | None, int | None]:
        """Places of the rule that disallows the path and of its preference; None for neither."""
        # Crawlers may always fetch the robots.txt itself (RFC 9309, section 2.2.2).
        longest = None if path.partition("?")[0] == _ITSELF else self._patterns.first(path)
        if longest is not None and self._rules[longest].directive == DISALLOW:
            return longest, None
        return None, self._preference_patterns.first(path)

    def quoted(self, place: int) -> str:
        """The lines that disallow a path."""
        return f"{self._names}\nDisallow: {self._rules[place].value}"


def _path(value: str) -> str:
    """The path that a rule means, also where it has a whole address or lacks the first slash."""
    if value.startswith(("/", "*")):
        return value
    address = re.fullmatch(r"https?://[^/]*(/.*)?", value, re.IGNORECASE)
    return (address[1] or "/") if address else f"/{value}"


def _unread_signals(lines: Sequence[str], file_name: str) -> tuple[RightsSignal, ...]:
    if not lines:
        return ()
    raw = short("\n".join(dict.fromkeys(lines)))
    condition = short("not understood: " + "; ".join(dict.fromkeys(lines)))
    return (RightsSignal(Protocol.ROBOTS, Category.AI_TRAINING, Use.CONSTRAINED, condition, raw, file_name),)


def _licence_signals(addresses: Sequence[str], domain: str, file_name: str) -> tuple[RightsSignal, ...]:
    if not addresses:
        return ()
    written = [f"https://{domain}{each}" if each.startswith("/") else each for each in dict.fromkeys(addresses)]
    raw = "\n".join(f"License: {each}" for each in dict.fromkeys(addresses))
    condition = short("licences at " + " and ".join(written))
    return (RightsSignal(Protocol.RSL, Category.AI_TRAINING, Use.CONSTRAINED, condition, short(raw), file_name),)


def _combined(statements: list[tuple[Preferences, str]]) -> tuple[Preferences, str]:
    signals = preference_signals(statements, "")
    return {signal.category: signal.use for signal in signals}, "\n".join(raw for _, raw in statements)
