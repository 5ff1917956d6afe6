"""Response headers with which works were served: ``X-Robots-Tag``, TDMRep, AIPREF, ``Link``.

    header_columns(["url", "X_Robots_Tag", "headers"])      # ["X_Robots_Tag", "headers"]
    read_headers([("X-Robots-Tag", "noai")], "crawl.parquet").signals

- ``X-Robots-Tag``: ``noai`` and ``noimageai`` prohibit training, for whichever crawler they are
  written; ``noindex``, ``noimageindex`` and ``none`` prohibit search.
- ``tdm-reservation``, ``tdm-policy`` (TDM Reservation Protocol, section 5.1).
- ``Content-Usage`` (AIPREF), ``Content-Signal``.
- ``Link`` with ``rel=license``: an RSL document constrains training by the licences at its address;
  the terms of another address count if they are understood.

A value that is not understood is a problem. It constrains training where it could be a reservation:
a ``tdm-reservation`` other than 0 or 1, an unknown directive about AI, a licence that is not
understood.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from registry.licences import use_under
from registry.signals import Category, Protocol, RightsSignal, Use, about_ai, reservation, short
from registry.site_policies.preferences import preference_signals, read_preferences

SIGNAL_HEADERS = ("x-robots-tag", "tdm-reservation", "tdm-policy", "content-usage", "content-signal", "link")
"""Headers that are read, in lower case."""

_COLUMNS: Mapping[str, str] = MappingProxyType(
    {**{name: name for name in SIGNAL_HEADERS if name != "link"}, "link-header": "link", "http-link": "link"}
)
"""Columns with one header. A column that is called ``link`` mostly holds an address."""
_WHOLE = frozenset({"headers", "http-headers", "response-headers"})
"""Columns with all headers of a response: a JSON object, pairs, or lines as sent."""

LONGEST_VALUE = 8_192
"""Characters of one header that are read."""

_NO_TRAINING = frozenset({"noai", "noimageai"})
_NO_SEARCH = frozenset({"noindex", "noimageindex", "none"})
_OTHER = frozenset(
    {
        *("all", "index", "follow", "nofollow", "noarchive", "nocache", "nosnippet", "notranslate", "indexifembedded"),
        *("noodp", "noydir", "nositelinkssearchbox", "imageindex", "archive", "snippet", "noimageclick"),
        *("max-snippet", "max-image-preview", "max-video-preview", "unavailable_after", "nopagereadaloud"),
    }
)
_LINK = re.compile(r'<([^<>]{0,8192})>((?:\s*;\s*[^\s;,="<>]+\s*(?:=\s*(?:"[^"]*"|[^",;<>]*))?)*)')
_LICENCE_LINK = re.compile(r"rel\s*=[^,;]*\blicen[sc]e\b", re.IGNORECASE)
_PARAMETER = re.compile(r';\s*([^\s;,="]+)\s*(?:=\s*(?:"([^"]*)"|([^",;]*)))?')
_DATE = re.compile(r"unavailable_after\s*:\s*(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\s*,)?[^,]*", re.IGNORECASE)
_RSL_TYPE = "application/rsl+xml"


@dataclass(frozen=True)
class HeaderSignals:
    """The meaning of the headers of one response."""

    signals: tuple[RightsSignal, ...]
    problems: tuple[str, ...]
    """Values that were not understood, each with its header's name."""


def header_columns(names: Iterable[str]) -> list[str]:
    """The columns of a table that hold response headers, by their names."""
    return [name for name in names if _column(name) in _COLUMNS or _column(name) in _WHOLE]


def read_columns(columns: Sequence[str], values: Sequence[str | None], found_in: str) -> HeaderSignals:
    """The signals of one row, given the values of its :func:`header_columns`."""
    pairs: list[tuple[str, str]] = []
    problems: list[str] = []
    for column, value in zip(columns, values, strict=True):
        if value is None or not value.strip():
            continue
        if (name := _COLUMNS.get(_column(column))) is not None:
            pairs.append((name, value))
        elif (whole := _pairs(value)) is None:
            problems.append(f"the column {column!r} holds no headers: {value[:60]!r}")
        else:
            pairs += whole
    found = read_headers(pairs, found_in)
    return HeaderSignals(found.signals, (*problems, *found.problems))


def _column(name: str) -> str:
    return name.strip().lower().replace("_", "-").replace(" ", "-").removeprefix("header-")


def _pairs(value: str) -> list[tuple[str, str]] | None:
    """Names and values of headers, given as JSON or as lines; None for anything else."""
    if value.lstrip().startswith(("{", "[")):
        try:
            document = json.loads(value)
        except (ValueError, RecursionError):
            return None
        return _pairs_of(document)
    lines = [line.partition(":") for line in value.splitlines() if line.strip() and not line.startswith("HTTP/")]
    if not all(colon for _, colon, _ in lines):
        return None
    return [(name, text) for name, _, text in lines]


def _pairs_of(document: object) -> list[tuple[str, str]] | None:
    if isinstance(document, dict):
        entries: list[object] = [[name, text] for name, text in document.items()]
    else:
        entries = document if isinstance(document, list) else [None]
    pairs = []
    for entry in entries:
        name, text = (entry.get("name"), entry.get("value")) if isinstance(entry, dict) else _two(entry)
        texts = text if isinstance(text, list) else [text]
        if not isinstance(name, str) or not all(isinstance(each, (str, int)) for each in texts):
            return None
        pairs += [(name, str(each)) for each in texts]
    return pairs


def _two(entry: object) -> tuple[object, object]:
    return (entry[0], entry[1]) if isinstance(entry, list) and len(entry) == 2 else (None, None)


def read_headers(headers: Iterable[tuple[str, str]], found_in: str) -> HeaderSignals:
    """The signals of one response's headers, sorted.

    Args:
        headers: names in any case and their values; several headers of a name count as one.
        found_in: where the headers were recorded.
    """
    values: dict[str, list[str]] = {}
    for name, value in headers:
        if (key := name.strip().lower()) in SIGNAL_HEADERS and value.strip():
            values.setdefault(key, []).append(" ".join(value.split()))
    read = _Reading(found_in)
    for name, all_of in values.items():
        value = ", ".join(all_of)
        if len(value) > LONGEST_VALUE:
            read.problems.append(f"{name} has {len(value):,} characters, at most {LONGEST_VALUE:,} are read")
            read.add(Protocol.LINK, Use.CONSTRAINED, f"{name} is too long to be read", value)
            continue
        if name == "x-robots-tag":
            read.robots_tag(value)
        elif name == "tdm-reservation":
            read.tdm(all_of, values.get("tdm-policy", []))
        elif name in ("content-usage", "content-signal"):
            read.preferences(name, value)
        elif name == "link":
            read.links(value)
    return HeaderSignals(tuple(sorted(read.signals, key=_order)), tuple(read.problems))


def _order(signal: RightsSignal) -> tuple[str, ...]:
    return (signal.protocol, signal.category, signal.use, signal.constraint or "", signal.raw)


class _Reading:
    """Signals and problems, as they are found."""

    def __init__(self, found_in: str) -> None:
        self.found_in = found_in
        self.signals: list[RightsSignal] = []
        self.problems: list[str] = []

    def add(
        self, protocol: Protocol, use: Use, constraint: str | None, raw: str, category: Category = Category.AI_TRAINING
    ) -> None:
        said = None if constraint is None else short(constraint)
        signal = RightsSignal(protocol, category, use, said, short(raw), self.found_in)
        if signal not in self.signals:
            self.signals.append(signal)

    def robots_tag(self, value: str) -> None:
        raw = f"X-Robots-Tag: {value}"
        for part in _DATE.sub("", value).lower().split(","):
            # "crawler: directive", "directive: number" or "directive".
            words = [word.strip() for word in part.split(":")]
            if _NO_TRAINING.intersection(words):
                self.add(Protocol.X_ROBOTS_TAG, Use.PROHIBITED, None, raw)
            elif _NO_SEARCH.intersection(words):
                self.add(Protocol.X_ROBOTS_TAG, Use.PROHIBITED, None, raw, Category.SEARCH)
            elif any(words) and not _OTHER.intersection(words):
                directive = part.strip()[:80]
                self.problems.append(f"X-Robots-Tag: the directive {directive!r} is not known")
                if about_ai(directive):
                    said = f"X-Robots-Tag: {directive}, which is not understood"
                    self.add(Protocol.X_ROBOTS_TAG, Use.CONSTRAINED, said, raw)

    def tdm(self, reservations: list[str], policies: list[str]) -> None:
        policy = next(iter(policies), None)
        raw = "; ".join(f"tdm-reservation: {each}" for each in reservations)
        raw += "".join(f"; tdm-policy: {each}" for each in policies)
        for stated in reservations:
            use = reservation(stated)
            if use is None:
                self.problems.append(f"tdm-reservation is {stated[:40]!r}, not 0 or 1")
                said = f"tdm-reservation is {stated[:40]}, which is not understood"
                self.add(Protocol.TDMREP, Use.CONSTRAINED, said, raw, Category.ALL)
            else:
                self.add(Protocol.TDMREP, use, policy if use is Use.PROHIBITED else None, raw, Category.ALL)

    def preferences(self, name: str, value: str) -> None:
        preferences, problems = read_preferences(value)
        self.problems += [f"{name}: {problem}" for problem in problems]
        self.signals += preference_signals([(preferences, f"{name}: {value}")], self.found_in)

    def links(self, value: str) -> None:
        for address, parameters in _LINK.findall(value):
            given = {name.lower(): quoted or plain.strip() for name, quoted, plain in _PARAMETER.findall(parameters)}
            if "license" not in given.get("rel", "").lower().split():
                continue
            raw = f"Link: <{address}>{parameters}"
            if given.get("type", "").lower() == _RSL_TYPE:
                self.add(Protocol.RSL, Use.CONSTRAINED, f"licences at {address}", raw)
                continue
            use, is_understood = use_under(address)
            if not is_understood:
                self.problems.append(f"Link: the licence {address[:200]!r} is not understood")
            self.add(Protocol.LINK, use, f"licence {address}" if use is Use.CONSTRAINED else None, raw)
        rest = _LINK.sub("", value).strip(" ,;")
        if _LICENCE_LINK.search(rest):
            self.problems.append(f"Link: {rest[:200]!r} is no link with an address in angle brackets")
            self.add(Protocol.LINK, Use.CONSTRAINED, "a licence link that is not understood", f"Link: {rest}")
