"""RSL 1.0, Really Simple Licensing: XML with the licences of a site's works.

A ``content`` element names works by a path pattern (RFC 9309) and lists the licences on offer. The
longest pattern that matches a path decides. Each licence permits and prohibits *usages*, under
conditions (payment, users, countries, a licence server).

What a licence says of a usage: its most specific token decides (``ai-train`` before ``ai-all``
before ``all``); of a permission and a prohibition of equal rank, the prohibition. A licence that
permits some usages and does not name this one does not permit it. A permission under any condition
is a constraint, with the conditions in words. A licence without tokens grants nothing that can be
relied on: its conditions, if any, are a constraint. Of several licences a user may choose one, so
a usage is prohibited only if each of them prohibits it, and free only if each of them permits it
free of conditions. A token, attribute or element that is not known is a problem of the file, and
counts as a condition where it could narrow a permission.

Source: rslstandard.org/rsl (1.0), sections 3.2 to 3.7; tokens of its drafts are read too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from types import MappingProxyType
from typing import ClassVar
from xml.etree.ElementTree import Element, tostring

from registry.errors import InputError
from registry.limited_xml import parse_xml
from registry.signals import Category, Protocol, RightsSignal, Use, short
from registry.site_policies.hosts import domain_of, path_of
from registry.site_policies.interface import SitePolicy, check_counts, text_of
from registry.site_policies.paths import PathPatterns, fault_of, normal_path, normal_pattern

NAMESPACE = "https://rslstandard.org/rsl"

USAGES = MappingProxyType(
    {
        Category.AI_TRAINING: (("ai-train", "train-ai", "train-genai"), ("ai-all",), ("all",)),
        Category.AI_INFERENCE: (("ai-input", "ai-use", "ai-summarize"), ("ai-all",), ("all",)),
        Category.SEARCH: (("search", "ai-index"), ("all",)),
    }
)
"""Tokens that cover a category of use, the most specific first; tokens of one rank are equal."""

_TOKENS = frozenset(token for ranks in USAGES.values() for rank in ranks for token in rank)
_FREE = "free"
_PAYMENTS = frozenset(
    {
        _FREE,
        "purchase",
        "subscription",
        "training",
        "crawl",
        "use",
        "inference",
        "contribution",
        "attribution",
        "royalty",
    }
)
_OF_CONTENT = frozenset({"license", "copyright", "terms", "schema", "alternate"})
_ATTRIBUTES = frozenset({"url", "server", "encrypted", "lastmod"})
_OF_LICENCE = frozenset({"permits", "prohibits", "payment", "legal", "copyright", "terms"})
_SEPARATORS = re.compile(r"[\s,;]+")


class RslPolicy(SitePolicy):
    """The licences of one RSL document, by path."""

    kind: ClassVar[str] = "rsl"

    def __init__(self, data: bytes, *, domain: str, file_name: str) -> None:
        super().__init__(data, domain=domain, file_name=file_name)
        contents = [element for element in self._root(data).iter() if _name(element) == "content"]
        if not contents:
            raise InputError(f"{file_name} has no <content> of RSL; expected <rsl xmlns='{NAMESPACE}'><content url=…>")
        signals: dict[str, list[RightsSignal]] = {}
        for number, content in enumerate(contents, start=1):
            pattern = self._pattern(number, content)
            if pattern is not None:
                signals.setdefault(pattern, []).extend(self._signals(number, content))
        longest_first = sorted(signals, key=lambda pattern: (-len(pattern), pattern))
        check_counts(file_name, longest_first)
        self._patterns = PathPatterns(longest_first)
        self._found = [tuple(sorted(signals[pattern])) for pattern in longest_first]

    def signals_for(self, paths: Sequence[str]) -> list[tuple[RightsSignal, ...]]:
        first, found = self._patterns.first, self._found
        return [() if (at := first(normal_path(path or "/"))) is None else found[at] for path in paths]

    def _root(self, data: bytes) -> Element:
        text = text_of(data, self.file_name)
        try:
            return parse_xml(text)
        except (SyntaxError, TypeError, ValueError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise InputError(f"{self.file_name} is not the XML of an RSL document: {reason[:200]}") from error

    def _pattern(self, number: int, content: Element) -> str | None:
        """The path pattern of a content element; None, with a problem, if it has no usable one."""
        url = (content.get("url") or "").strip()
        if "://" in url:
            if domain_of(url) != self.domain:
                self._problem(f"content {number} is about {url[:80]!r}, which is not on {self.domain}")
                return None
            path = path_of(url) or "/"
        else:
            path = url
        fault = "names no address" if not path else fault_of(path)
        if fault is not None:
            self._problem(f"content {number}: {fault}")
            return None
        return normal_pattern(path)

    def _signals(self, number: int, content: Element) -> list[RightsSignal]:
        for name in (
            *_strange(content, _OF_CONTENT),
            *(f"attribute {key}" for key in sorted(set(content.attrib) - _ATTRIBUTES)),
        ):
            self._problem(f"content {number}: {name[:60]} is not known")
        licences = [child for child in content if _name(child) == "license"]
        if not licences:
            self._problem(f"content {number} has no licence")
        around = []
        if server := (content.get("server") or "").strip():
            around.append(f"licence to be obtained from {server[:400]}")
        if (content.get("encrypted") or "").strip().lower() not in ("", "false", "0"):
            around.append("encrypted")
        terms = next((_text(child) for child in content.iter() if _name(child) == "terms" and _text(child)), None)
        offers = [_Licence(self, f"content {number}, licence {place}", each) for place, each in enumerate(licences, 1)]
        raw = short(tostring(content, encoding="unicode").strip())
        found = []
        for category in USAGES:
            use, conditions = _of_all([offer.use_of(category) for offer in offers])
            conditions = [*around, *conditions]
            if (use is Use.ALLOWED and conditions) or (use is Use.UNSPECIFIED and (conditions or not licences)):
                use = Use.CONSTRAINED
            words = "; ".join(dict.fromkeys([*conditions, *([f"terms at {terms}"] if terms else [])]))
            condition = (words or "no licence stated") if use is Use.CONSTRAINED else None
            found.append(
                RightsSignal(Protocol.RSL, category, use, short(condition) if condition else None, raw, self.file_name)
            )
        return found

    def problem(self, reason: str) -> None:
        """Note a part of the file that was not understood."""
        self._problem(reason)


def _of_all(offers: Sequence[tuple[Use, list[str]]]) -> tuple[Use, list[str]]:
    """What several licences, of which a user may choose one, say together."""
    uses = {use for use, _ in offers}
    conditions = [condition for use, all_of in offers if use is not Use.PROHIBITED for condition in all_of]
    if len(uses) > 1:
        return Use.CONSTRAINED, conditions or ["the licences on offer differ"]
    return next(iter(uses), Use.UNSPECIFIED), conditions


class _Licence:
    """One licence on offer: its tokens and its conditions in words."""

    def __init__(self, policy: RslPolicy, place: str, element: Element) -> None:
        self._permits: set[str] = set()
        self._prohibits: set[str] = set()
        self._conditions: list[str] = []
        for name in _strange(element, _OF_LICENCE):
            policy.problem(f"{place}: {name} is not known")
            self._conditions.append(f"{name}, which is not understood")
        for child in element:
            kind = (child.get("type") or "").strip().lower()
            if _name(child) in ("permits", "prohibits"):
                self._read_tokens(policy, place, child, kind)
            elif _name(child) == "payment":
                self._read_payment(policy, place, child, kind)

    def _read_tokens(self, policy: RslPolicy, place: str, child: Element, kind: str) -> None:
        permits = _name(child) == "permits"
        words = _text(child)
        if kind != "usage":
            if kind not in ("user", "geo"):
                policy.problem(f"{place}: {_name(child)} of type {kind[:40]!r} is not known")
            self._conditions.append(f"{'only' if permits else 'not'} for {kind or 'what it calls'} {words[:200]}")
            return
        tokens = {token for token in _SEPARATORS.split(words.lower()) if token}
        for token in sorted(tokens - _TOKENS):
            policy.problem(f"{place}: the usage {token[:40]!r} is not known")
            if not permits:
                self._conditions.append(f"not for {token[:60]!r}, which is not understood")
        (self._permits if permits else self._prohibits).update(tokens or {""})

    def _read_payment(self, policy: RslPolicy, place: str, child: Element, kind: str) -> None:
        if kind == _FREE and not len(child):
            return
        if kind and kind not in _PAYMENTS:
            policy.problem(f"{place}: payment of type {kind[:40]!r} is not known")
        details = [" ".join(filter(None, (_text(each), each.get("currency")))) for each in child]
        self._conditions.append(" ".join(["payment:", kind[:40] or "of no stated type", *details])[:400])

    def use_of(self, category: Category) -> tuple[Use, list[str]]:
        """What this licence says of a category of use, and its conditions."""
        for rank in USAGES[category]:
            if self._prohibits.intersection(rank):
                return Use.PROHIBITED, []
            if self._permits.intersection(rank):
                return (Use.CONSTRAINED if self._conditions else Use.ALLOWED), self._conditions
        if self._permits:
            return Use.PROHIBITED, []
        return (Use.CONSTRAINED if self._conditions else Use.UNSPECIFIED), self._conditions


def _name(element: Element) -> str:
    """An element's name: bare in RSL's namespace or in none, else with its namespace."""
    space, _, name = element.tag.rpartition("}")
    return name if space in ("", "{" + NAMESPACE) else element.tag


def _strange(element: Element, known: Iterable[str]) -> list[str]:
    return [f"the element {_name(child)[:60]!r}" for child in element if _name(child) not in known]


def _text(element: Element) -> str:
    return " ".join("".join(element.itertext()).split())
