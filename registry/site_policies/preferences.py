"""AI preferences: ``Content-Usage`` (draft-ietf-aipref-vocab-06, -attach) and ``Content-Signal``.

A preference is a structured-field dictionary of labels with the token ``y`` or ``n``. A known label
with another value, an unknown label that may be about training, and text that is no dictionary are
not understood: they are reported, and constrain. Other unknown labels are reported alone. Labels
changed from draft to draft and sites keep old ones, so the labels of all drafts are read. Where
statements differ, disallowing wins (section 5.1 of the vocabulary), also where one dictionary has a
label twice or has a part that cannot be read. ``Content-Signal``, which one
large network writes into its customers' robots.txt, is the same dictionary with ``yes`` and ``no``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from types import MappingProxyType
from typing import ClassVar

import http_sf

from registry.errors import InputError
from registry.signals import Category, Protocol, RightsSignal, Use, about_ai, short
from registry.site_policies.interface import SitePolicy, text_of

LABELS = MappingProxyType(
    {
        "train-ai": Category.AI_TRAINING,
        "ai-train": Category.AI_TRAINING,
        "ai": Category.AI_TRAINING,
        "train-genai": Category.GENERATIVE_TRAINING,
        "genai": Category.GENERATIVE_TRAINING,
        "tdm": Category.ALL,
        "bots": Category.ALL,
        "ai-use": Category.AI_INFERENCE,
        "ai-input": Category.AI_INFERENCE,
        "ai-output": Category.AI_INFERENCE,
        "search": Category.SEARCH,
    }
)
"""Labels of the drafts, with their categories here."""

_USES = MappingProxyType({"y": Use.ALLOWED, "n": Use.PROHIBITED, "yes": Use.ALLOWED, "no": Use.PROHIBITED})
_MEMBER = re.compile(r'(?:^|(?<=,))((?:"(?:\\.|[^"\\])*"|[^,])*)(?:,|$)')
"""The members of a dictionary, each read by itself: a fault in one hides no other."""
LONGEST_PREFERENCE = 4_096
HEADER = "content-usage:"

Preferences = dict[Category, Use]

_UNREAD: Preferences = {Category.AI_TRAINING: Use.CONSTRAINED}


def read_preferences(value: str) -> tuple[Preferences, list[str]]:
    """The allowed and disallowed uses of a dictionary, and its problems."""
    if len(value) > LONGEST_PREFERENCE:
        return _UNREAD, [f"a preference of {len(value)} characters, at most {LONGEST_PREFERENCE} are read"]
    found: Preferences = {}
    problems: list[str] = []
    for piece in _MEMBER.findall(value) if value.strip() else ():
        label, member = _member(piece)
        if label is None:
            problems.append(f"the preference {piece.strip()[:60]!r} is no dictionary: {member}")
            found[Category.AI_TRAINING] = strictest(found.get(Category.AI_TRAINING), Use.CONSTRAINED)
            continue
        content = member[0] if isinstance(member, tuple) else member
        category = LABELS.get(label)
        use = _USES.get(str(content)) if isinstance(content, http_sf.Token) else None
        if category is None:
            problems.append(f"the label {label!r} is not known")
            if about_ai(label) or use is Use.PROHIBITED:
                found[Category.AI_TRAINING] = strictest(found.get(Category.AI_TRAINING), Use.CONSTRAINED)
        elif use is None:
            problems.append(f"the label {label!r} is neither y nor n")
            found[category] = strictest(found.get(category), Use.CONSTRAINED)
        else:
            found[category] = strictest(found.get(category), use)
    return found, problems


def _member(piece: str) -> tuple[str | None, object]:
    """The label and the value of one member of a dictionary; None and the fault if it is none."""
    try:
        members = http_sf.parse(piece.strip().encode("utf-8", "replace"), tltype="dictionary")
    except http_sf.StructuredFieldError as error:
        return None, " ".join(str(error).split())[:120]
    if not isinstance(members, dict) or len(members) != 1:
        return None, "a label is missing"
    return next(iter(members.items()))


def strictest(one: Use | None, other: Use) -> Use:
    """The stricter of two statements about one use."""
    return next((use for use in (Use.PROHIBITED, Use.CONSTRAINED) if use in (one, other)), other)


def preference_signals(statements: Iterable[tuple[Preferences, str]], file_name: str) -> tuple[RightsSignal, ...]:
    """One signal per category from several statements, each given with its raw text; sorted."""
    uses: Preferences = {}
    raws: dict[Category, list[str]] = {}
    for preferences, raw in statements:
        for category, use in preferences.items():
            uses[category] = strictest(uses.get(category), use)
            raws.setdefault(category, []).append(raw)
    signals = []
    for category, use in sorted(uses.items()):
        raw = short("\n".join(dict.fromkeys(raws[category])))
        condition = short(f"not understood: {raw}") if use is Use.CONSTRAINED else None
        signals.append(RightsSignal(Protocol.AIPREF, category, use, condition, raw, file_name))
    return tuple(signals)


class HeaderPolicy(SitePolicy):
    """A file with the value of a ``Content-Usage`` header, for every path of its domain.

    Several lines of the header are one value (RFC 9110, section 5.3).
    """

    kind: ClassVar[str] = "aipref"

    def __init__(self, data: bytes, *, domain: str, file_name: str) -> None:
        super().__init__(data, domain=domain, file_name=file_name)
        value = ", ".join(header_values(text_of(data, file_name)))
        preferences, problems = read_preferences(value)
        for problem in problems:
            self._problem(problem)
        if set(preferences.values()) <= {Use.CONSTRAINED}:
            reason = problems[0] if problems else "it is empty"
            raise InputError(f"{file_name} states no preference: {reason}; expected a value such as train-ai=n")
        self._signals = preference_signals([(preferences, value)], file_name)

    def signals_for(self, paths: Sequence[str]) -> list[tuple[RightsSignal, ...]]:
        return [self._signals] * len(paths)


def header_values(text: str) -> list[str]:
    """The values of the lines that name the header; without such a line, every line."""
    lines = [line.strip() for line in text.replace("\r", "\n").split("\n") if line.strip()]
    named = [line[len(HEADER) :].strip() for line in lines if line.lower().startswith(HEADER)]
    return named or lines
