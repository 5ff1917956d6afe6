"""robots.txt (RFC 9309), with the usage preferences that AIPREF adds to its groups.

Whether a path may be crawled is decided by protego. A work that a crawler was told not to fetch,
and that is in a corpus all the same, is a reservation; a path that may be fetched says nothing
about training, so it gives no signal.

Which crawlers count: those that collected the data, where the caller knows them. Otherwise the
tokens by which sites address training, and ``*``. A reservation that names a training token speaks
of training, any other of crawling. Preferences count only on paths that may be crawled, as the
draft has it: the others are reserved anyway.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar
from urllib.parse import quote

from protego import Protego

from registry.errors import InputError
from registry.signals import Category, Protocol, RightsSignal, Use
from registry.site_policies.interface import SitePolicy, check_counts, short, text_of
from registry.site_policies.paths import PathPatterns, fault_of, normal_path
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
"""Product tokens whose operators say that they gather training data, or by which a site refuses
training."""

READ_BY_ALL = 500 * 1024
"""Bytes that every crawler must read (RFC 9309, section 2.5); one may stop there."""

MOST_OUTCOMES = 100_000
"""Distinct outcomes that are kept in words at a time."""

_ITSELF = "/robots.txt"
_SITE = "https://site.invalid"
_TRAINING = frozenset(agent.lower() for agent in TRAINING_AGENTS)
_PATTERN_SIGNS = "/%*$?&=:;,@!'()+[]~"


class RobotsPolicy(SitePolicy):
    """The groups of one robots.txt that bind the crawlers that count."""

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
        self._known: dict[tuple[tuple[bool, int | None, int | None], ...], tuple[RightsSignal, ...]] = {}

    def signals_for(self, paths: Sequence[str]) -> list[tuple[RightsSignal, ...]]:
        found = []
        for path in paths:
            written = normal_path(path or "/")
            deciding = tuple(group.deciding(written) for group in self._groups)
            # A site has few distinct outcomes and a corpus many paths, so each outcome is put into
            # words once.
            signals = self._known.get(deciding)
            if signals is None:
                if len(self._known) >= MOST_OUTCOMES:
                    self._known.clear()
                signals = self._known[deciding] = self._signals(deciding)
            found.append(signals)
        return found

    def _signals(self, deciding: Sequence[tuple[bool, int | None, int | None]]) -> tuple[RightsSignal, ...]:
        refused: dict[Category, list[str]] = {}
        stated: list[tuple[Preferences, str]] = []
        for group, (allowed, line, preference) in zip(self._groups, deciding, strict=True):
            if not allowed:
                refused.setdefault(group.category, []).append(group.quoted(line))
            elif preference is not None:
                stated.append(group.preferences[preference])
        signals = [
            RightsSignal(Protocol.ROBOTS, category, Use.PROHIBITED, None, short("\n".join(raws)), self.file_name)
            for category, raws in refused.items()
        ]
        return (*preference_signals(stated, self.file_name), *sorted(signals))


class _Group:
    """The rules that bind one or more products alike."""

    def __init__(self, products: list[str], rules: Sequence[Rule], *, training: bool, file_name: str) -> None:
        self.category = Category.AI_TRAINING if training else Category.CRAWLING
        self.problems: list[str] = []
        self._names = "\n".join(f"User-agent: {product}" for product in products)
        crawling = [rule for rule in rules if rule.directive in (ALLOW, DISALLOW) and rule.value]
        crawling = [rule for rule in crawling if self._usable(rule, rule.value)]
        check_counts(file_name, [rule.value for rule in crawling])
        # Escaped, because protego also ends lines at signs that end none in a robots.txt.
        lines = [f"{rule.directive}: {quote(rule.value, safe=_PATTERN_SIGNS, errors='replace')}" for rule in crawling]
        self._rules = Protego.parse("\n".join(["user-agent: *", *lines]))
        self._ordered = sorted(crawling, key=lambda rule: (-len(normal_path(rule.value)), rule.directive))
        self._patterns = PathPatterns([normal_path(rule.value) for rule in self._ordered])
        self._disallowed = PathPatterns([normal_path(rule.value) for rule in crawling if rule.directive == DISALLOW])
        written = "".join(rule.value for rule in crawling)
        self._escapes = "%" in written
        # protego takes an allowed index.html for its folder as well, which is no prefix.
        self._prefixes_only = not any(sign in written for sign in ("%", "*", "$", "/index.html"))
        self._verdicts: dict[int | None, tuple[bool, int | None]] = {}
        self._read_preferences(rules, file_name)

    def _usable(self, rule: Rule, pattern: str) -> bool:
        fault = fault_of(pattern)
        if fault is not None:
            self.problems.append(f"{rule.directive}: {fault}")
        return fault is None

    def _read_preferences(self, rules: Sequence[Rule], file_name: str) -> None:
        by_path: dict[str, list[tuple[Preferences, str]]] = {}
        for rule in rules:
            if rule.directive not in (CONTENT_USAGE, CONTENT_SIGNAL):
                continue
            pattern, _, value = rule.value.replace("\t", " ").partition(" ")
            # Without a path a preference is about everything.
            if not pattern.startswith(("/", "*")) and (rule.directive == CONTENT_SIGNAL or "=" in pattern):
                pattern, value = "/", rule.value
            if self._usable(rule, pattern):
                preferences, problems = read_preferences(value.strip())
                self.problems += [f"{rule.directive}: {problem}" for problem in problems]
                raw = f"{self._names}\n{rule.directive.title()}: {rule.value}"
                by_path.setdefault(normal_path(pattern), []).append((preferences, raw))
        longest_first = sorted(by_path, key=lambda pattern: (-len(pattern), pattern))
        check_counts(file_name, longest_first)
        self._preference_patterns = PathPatterns(longest_first)
        self.preferences = [_combined(by_path[pattern]) for pattern in longest_first]

    def deciding(self, path: str) -> tuple[bool, int | None, int | None]:
        """Whether the path may be crawled, else the rule that forbids it as far as it can be told;
        and the preference.
        """
        allowed, line = self._crawling(path) if self._ordered else (True, None)
        if allowed and self.preferences:
            return True, None, self._preference_patterns.first(path)
        return allowed, line, None

    def _crawling(self, path: str) -> tuple[bool, int | None]:
        # Without escapes and dollar signs a path reads the same here and in protego, and these
        # shortcuts are exact.
        if self._escapes or "%" in path or "$" in path or path.startswith(_ITSELF):
            return self._verdict(path, self._patterns.first(path))
        if not self._prefixes_only:
            if self._disallowed.first(path) is None:
                return True, None
            return self._verdict(path, self._patterns.first(path))
        # The longest of the prefixes that fit tells which others do, so paths that share it share
        # the verdict.
        longest = self._patterns.first(path)
        found = self._verdicts.get(longest)
        if found is None:
            found = self._verdicts[longest] = self._verdict(path, longest)
        return found

    def _verdict(self, path: str, line: int | None) -> tuple[bool, int | None]:
        return (True, None) if self._rules.can_fetch(_SITE + path, ANYONE) else (False, line)

    def quoted(self, line: int | None) -> str:
        """The lines that forbid a path."""
        rule = None if line is None else self._ordered[line]
        if rule is None or rule.directive != DISALLOW:
            return self._names
        return f"{self._names}\nDisallow: {rule.value}"


def _combined(statements: list[tuple[Preferences, str]]) -> tuple[Preferences, str]:
    signals = preference_signals(statements, "")
    return {signal.category: signal.use for signal in signals}, "\n".join(raw for _, raw in statements)
