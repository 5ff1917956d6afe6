"""The licences of RSL 1.0, Really Simple Licensing: what they say of a use.

They stand in a document of a site (:mod:`registry.site_policies.rsl`) or in the XMP of a file
(:mod:`registry.metadata.xmp`).

A ``content`` element lists the licences on offer. Each licence permits and prohibits *usages*,
under conditions (payment, users, countries, a licence server).

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
from collections.abc import Callable, Iterable, Sequence
from types import MappingProxyType
from xml.etree.ElementTree import Element, tostring

from registry.signals import Category, Protocol, RightsSignal, Use, short

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


def content_signals(content: Element, place: str, found_in: str, problem: Callable[[str], None]) -> list[RightsSignal]:
    """What the licences of a content element say, a signal per category of use.

    ``place`` names the element in problems; ``problem`` takes each part that was not understood.
    """
    for name in (
        *_strange(content, _OF_CONTENT),
        *(f"attribute {key}" for key in sorted(set(content.attrib) - _ATTRIBUTES)),
    ):
        problem(f"{place}: {name[:60]} is not known")
    licences = [child for child in content if element_name(child) == "license"]
    if not licences:
        problem(f"{place} has no licence")
    around = []
    if server := (content.get("server") or "").strip():
        around.append(f"licence to be obtained from {server[:400]}")
    if (content.get("encrypted") or "").strip().lower() not in ("", "false", "0"):
        around.append("encrypted")
    terms = next((_text(child) for child in content.iter() if element_name(child) == "terms" and _text(child)), None)
    offers = [_Licence(problem, f"{place}, licence {number}", each) for number, each in enumerate(licences, 1)]
    raw = short(tostring(content, encoding="unicode").strip())
    found = []
    for category in USAGES:
        use, conditions = _of_all([offer.use_of(category) for offer in offers])
        conditions = [*around, *conditions]
        if (use is Use.ALLOWED and conditions) or (use is Use.UNSPECIFIED and (conditions or not licences)):
            use = Use.CONSTRAINED
        words = "; ".join(dict.fromkeys([*conditions, *([f"terms at {terms}"] if terms else [])]))
        condition = (words or "no licence stated") if use is Use.CONSTRAINED else None
        found.append(RightsSignal(Protocol.RSL, category, use, short(condition) if condition else None, raw, found_in))
    return found


def _of_all(offers: Sequence[tuple[Use, list[str]]]) -> tuple[Use, list[str]]:
    """What several licences, of which a user may choose one, say together."""
    uses = {use for use, _ in offers}
    conditions = [condition for use, all_of in offers if use is not Use.PROHIBITED for condition in all_of]
    if len(uses) > 1:
        return Use.CONSTRAINED, conditions or ["the licences on offer differ"]
    return next(iter(uses), Use.UNSPECIFIED), conditions


class _Licence:
    """One licence on offer: its tokens and its conditions in words."""

    def __init__(self, problem: Callable[[str], None], place: str, element: Element) -> None:
        self._permits: set[str] = set()
        self._prohibits: set[str] = set()
        self._conditions: list[str] = []
        for name in _strange(element, _OF_LICENCE):
            problem(f"{place}: {name} is not known")
            self._conditions.append(f"{name}, which is not understood")
        for child in element:
            kind = (child.get("type") or "").strip().lower()
            if element_name(child) in ("permits", "prohibits"):
                self._read_tokens(problem, place, child, kind)
            elif element_name(child) == "payment":
                self._read_payment(problem, place, child, kind)

    def _read_tokens(self, problem: Callable[[str], None], place: str, child: Element, kind: str) -> None:
        permits = element_name(child) == "permits"
        words = _text(child)
        if kind != "usage":
            if kind not in ("user", "geo"):
                problem(f"{place}: {element_name(child)} of type {kind[:40]!r} is not known")
            self._conditions.append(f"{'only' if permits else 'not'} for {kind or 'what it calls'} {words[:200]}")
            return
        tokens = {token for token in _SEPARATORS.split(words.lower()) if token}
        for token in sorted(tokens - _TOKENS):
            problem(f"{place}: the usage {token[:40]!r} is not known")
            if not permits:
                self._conditions.append(f"not for {token[:60]!r}, which is not understood")
        (self._permits if permits else self._prohibits).update(tokens or {""})

    def _read_payment(self, problem: Callable[[str], None], place: str, child: Element, kind: str) -> None:
        if kind == _FREE and not len(child):
            return
        if kind and kind not in _PAYMENTS:
            problem(f"{place}: payment of type {kind[:40]!r} is not known")
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


def element_name(element: Element) -> str:
    """An element's name: bare in RSL's namespace or in none, else with its namespace."""
    space, _, name = element.tag.rpartition("}")
    return name if space in ("", "{" + NAMESPACE) else element.tag


def _strange(element: Element, known: Iterable[str]) -> list[str]:
    return [f"the element {element_name(child)[:60]!r}" for child in element if element_name(child) not in known]


def _text(element: Element) -> str:
    return " ".join("".join(element.itertext()).split())
