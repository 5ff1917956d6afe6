"""Data-use conditions of a Croissant description (1.1, "Data Use Conditions"): ``usageInfo``.

Conditions are terms of the Data Use Ontology (DUO), ODRL policies, addresses or plain text. A
condition anywhere in the description counts for every work of the list. Only "no restriction" and a
licence that is understood permit; any other condition constrains, in its own words. An ODRL policy
that prohibits use, mining or training prohibits.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from registry.licences import use_under
from registry.signals import Category, Protocol, RightsSignal, Use, about_ai, short

MOST = 100
DEEPEST = 64

_KEYS = frozenset(
    {"usageInfo", "sc:usageInfo", "schema:usageInfo", "https://schema.org/usageInfo", "http://schema.org/usageInfo"}
)
_DUO_TERM = re.compile(r"DUO[_:]?(\d{7})", re.IGNORECASE)
_NO_RESTRICTION = "0000004"
DUO: Mapping[str, str] = MappingProxyType(
    {
        _NO_RESTRICTION: "no restriction",
        "0000006": "only for health, medical or biomedical research",
        "0000007": "only for research on stated diseases",
        "0000011": "only for research on population origins or ancestry",
        "0000012": "only for stated research",
        "0000015": "not for research on general methods",
        "0000016": "only for genetic studies",
        "0000018": "only for organisations without profit, and not for commercial use",
        "0000019": "results must be published",
        "0000020": "only in collaboration with the study's investigators",
        "0000021": "ethics approval required",
        "0000022": "only within a stated region",
        "0000024": "no publication before a stated date",
        "0000025": "only for a stated time",
        "0000026": "only for stated users",
        "0000027": "only for a stated project",
        "0000028": "only within a stated institution",
        "0000029": "results must be returned to the data's source",
        "0000042": "only for research",
        "0000043": "only for clinical care",
        "0000044": "not for research on population origins or ancestry",
        "0000045": "only for organisations without profit",
        "0000046": "not for commercial use",
    }
)
"""Terms of the Data Use Ontology that restrict use, in words."""
_ANY_USE = re.compile(r"(?:^|[:/#])use$", re.IGNORECASE)


def usage_signals(document: object, found_in: str) -> tuple[RightsSignal, ...]:
    """One signal per condition of a description, at most :data:`MOST`; one more for the rest."""
    signals: dict[RightsSignal, None] = {}
    for condition in _conditions(document, 0):
        if len(signals) >= MOST:
            signals[_signal(Use.CONSTRAINED, "further conditions, which are not listed here", "", found_in)] = None
            break
        signals[_read(condition, found_in)] = None
    return tuple(signals)


def _conditions(node: object, depth: int) -> Iterator[object]:
    if depth > DEEPEST:
        return
    if isinstance(node, dict):
        for name, value in node.items():
            if name in _KEYS:
                yield from value if isinstance(value, list) else [value]
            else:
                yield from _conditions(value, depth + 1)
    elif isinstance(node, list):
        for value in node:
            yield from _conditions(value, depth + 1)


def _read(condition: object, found_in: str) -> RightsSignal:
    raw = condition if isinstance(condition, str) else json.dumps(condition, ensure_ascii=False, sort_keys=True)
    if isinstance(condition, dict) and any("permission" in key or "prohibition" in key for key in condition):
        return _odrl(condition, raw, found_in)
    terms = dict.fromkeys(_DUO_TERM.findall(raw))
    if terms:
        words = [DUO.get(term, f"DUO_{term}, which is not understood") for term in terms if term != _NO_RESTRICTION]
        return _signal(Use.CONSTRAINED if words else Use.ALLOWED, "; ".join(words) or None, raw, found_in)
    named = (
        condition.get("url") or condition.get("@id") or condition.get("name") if isinstance(condition, dict) else raw
    )
    text = " ".join(str(named or raw).split())
    use, _ = use_under(text)
    return _signal(use, text if use is Use.CONSTRAINED else None, raw, found_in)


def _odrl(policy: Mapping[str, object], raw: str, found_in: str) -> RightsSignal:
    prohibitions = [value for key, value in policy.items() if "prohibition" in key]
    forbids = any(_ANY_USE.search(action) or about_ai(action) for action in _actions(prohibitions, 0))
    if forbids:
        return _signal(Use.PROHIBITED, None, raw, found_in)
    return _signal(Use.CONSTRAINED, "ODRL policy: " + raw, raw, found_in)


def _actions(node: object, depth: int) -> Iterator[str]:
    if depth > DEEPEST:
        return
    if isinstance(node, str):
        yield node
    elif isinstance(node, (dict, list)):
        for value in node.values() if isinstance(node, dict) else node:
            yield from _actions(value, depth + 1)


def _signal(use: Use, condition: str | None, raw: str, found_in: str) -> RightsSignal:
    said = None if condition is None else short(condition)
    return RightsSignal(Protocol.CROISSANT, Category.ALL, use, said, short(raw), found_in)
