"""The lines of a robots.txt: the rules of each crawler (RFC 9309, section 2.2).

Rules about crawling and preferences about use come from this one reading, so that a signal can
quote the lines that decided.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain

from registry.signals import about_ai

ALLOW, DISALLOW, CONTENT_USAGE, CONTENT_SIGNAL = "allow", "disallow", "content-usage", "content-signal"

ANYONE = "*"
"""The group for crawlers that no other group names."""

_RULES = {
    "allow": ALLOW,
    "disallow": DISALLOW,
    "dissallow": DISALLOW,
    "dissalow": DISALLOW,
    "disalow": DISALLOW,
    "content-usage": CONTENT_USAGE,
    "content-signal": CONTENT_SIGNAL,
}
_AGENT = frozenset({"user-agent", "useragent", "user agent"})
_LICENCE = frozenset({"license", "licence"})
"""RSL's line, for the whole site wherever it stands."""
_IGNORED = frozenset({"sitemap", "crawl-delay", "host", "request-rate", "visit-time", "clean-param", "noindex"})
"""Known directives that say nothing about use."""
_END_OF_LINE = re.compile("\r\n|\r|\n")


@dataclass(frozen=True)
class Rule:
    """One line of a group."""

    directive: str
    value: str


@dataclass
class Records:
    """Product names in lower case with their groups; thousands of names may share one group."""

    groups: dict[str, list[list[Rule]]] = field(default_factory=dict)
    licences: list[str] = field(default_factory=list)
    """Addresses of ``License`` lines, as written."""
    unread: list[str] = field(default_factory=list)
    """Lines that were not understood and may be about training."""
    problems: list[str] = field(default_factory=list)
    understood: int = 0

    def rules_of(self, product: str) -> tuple[Rule, ...]:
        """The rules of all groups of a product, which count as one (RFC 9309, section 2.2.1)."""
        return tuple(chain.from_iterable(self.groups[product]))

    def bound(self, agents: Iterable[str]) -> dict[str, list[str]]:
        """The given crawlers that each product's groups apply to; ``*`` has the remaining ones."""
        found: dict[str, list[str]] = {}
        for agent in agents:
            product = self._product_of(agent.strip().lower())
            if product is not None:
                found.setdefault(product, []).append(agent)
        return {product: found[product] for product in self.groups if product in found}

    def _product_of(self, agent: str) -> str | None:
        fitting = [product for product in self.groups if product in agent and _names(product, agent)]
        if fitting:
            return max(fitting, key=len)
        return ANYONE if ANYONE in self.groups else None


def _names(product: str, agent: str) -> bool:
    """Whether a crawler's full name contains the product, from the start of a word."""
    at = agent.find(product)
    while at > 0 and (agent[at - 1].isalnum() or agent[at - 1] in "-_"):
        at = agent.find(product, at + 1)
    return at >= 0


def read_records(text: str) -> Records:
    """Sort the rules of a robots.txt by crawler. Lines that were not understood become problems."""
    found = Records()
    current: list[Rule] | None = None
    naming = False
    for number, line in _lines(text):
        name, colon, value = (part.strip() for part in line.partition(":"))
        directive = name.lower()
        if not colon:
            directive, _, value = (part.strip() for part in line.partition(" "))
            directive = directive.lower()
        if directive in _AGENT:
            found.understood += 1
            if not naming or current is None:
                current, naming = [], True
            # RFC 9309 has a line for each crawler; several in one line are meant to be several.
            products = [product for name in re.split("[,;]", value) if (product := _product(name.strip()))]
            if not products:
                found.problems.append(f"line {number}: {value[:60]!r} names no crawler")
            for product in products:
                groups = found.groups.setdefault(product, [])
                if not groups or groups[-1] is not current:
                    groups.append(current)
        elif directive in _RULES:
            found.understood += 1
            naming = False
            if current is None:
                found.problems.append(f"line {number}: a rule before any User-agent")
            else:
                current.append(Rule(_RULES[directive], value))
        elif directive in _LICENCE:
            found.understood += 1
            if value:
                found.licences.append(value)
            else:
                found.problems.append(f"line {number}: a License line without an address")
        elif directive in _IGNORED:
            found.understood += 1
        else:
            found.problems.append(f"line {number}: {line[:60]!r} is not understood")
            if about_ai(line):
                found.unread.append(line)
    return found


def _product(value: str) -> str | None:
    if value == ANYONE:
        return ANYONE
    return value.lower().replace("*", "").split("/")[0].strip() or None


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(_END_OF_LINE.split(text), start=1):
        content = line.partition("#")[0].strip()
        if content:
            yield number, content
