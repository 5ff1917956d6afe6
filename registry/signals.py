"""Rights signals: statements about mining and training by a work, its manifest or its site.

Protocols differ in their words (PLUS has a controlled list, C2PA entries, TDMRep a number,
robots.txt rules). A signal keeps the raw value beside its meaning in one vocabulary: a *category*
of use, and whether that use is allowed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Protocol(StrEnum):
    """The vocabulary of a signal."""

    PLUS = "plus"
    """PLUS Data Mining property, ``plus:DataMining``, adopted by IPTC."""
    C2PA = "c2pa"
    """``c2pa.training-mining`` assertion of a C2PA manifest."""
    CAWG = "cawg"
    """``cawg.training-mining`` assertion of a C2PA manifest."""
    TDMREP = "tdmrep"
    """W3C TDM Reservation Protocol."""
    ROBOTS = "robots"
    """RFC 9309 rules for a crawler."""
    AIPREF = "aipref"
    """IETF AI preferences, ``Content-Usage``."""
    RSL = "rsl"
    """Really Simple Licensing: the licences of a site, or a reference to them."""
    X_ROBOTS_TAG = "x-robots-tag"
    """``noai`` and ``noimageai`` in the ``X-Robots-Tag`` header."""
    LINK = "link"
    """A licence that a ``Link`` header names."""
    WORDS = "words"
    """The file's own words about rights, see :mod:`registry.metadata.rights_words`."""
    CROISSANT = "croissant"
    """Data-use conditions of a Croissant description, ``usageInfo``."""


class Category(StrEnum):
    """The kind of use that a signal is about."""

    ALL = "all data mining"
    AI_TRAINING = "ai training"
    GENERATIVE_TRAINING = "generative ai training"
    AI_INFERENCE = "ai inference"
    SEARCH = "search"
    CRAWLING = "crawling"


class Use(StrEnum):
    """Whether a signal allows the use."""

    ALLOWED = "allowed"
    CONSTRAINED = "constrained"
    """Allowed under the condition in ``constraint``, or at its address."""
    PROHIBITED = "prohibited"
    UNCLEAR = "unclear"
    """Stated in words that are not understood: a person must look."""
    UNSPECIFIED = "unspecified"
    """The signal says nothing about the use."""


@dataclass(frozen=True, order=True)
class RightsSignal:
    """One machine-readable statement about the use of one work."""

    protocol: Protocol
    category: Category
    use: Use
    constraint: str | None
    """The condition in words, or the address of one."""
    raw: str
    """The value as found, at most :data:`LONGEST_RAW` characters."""
    found_in: str
    """``xmp``, ``iptc``, ``exif``, ``c2pa manifest``, or the file that states it for the work."""


LONGEST_RAW = 4_096

TRAINING = frozenset({Category.ALL, Category.AI_TRAINING, Category.GENERATIVE_TRAINING, Category.CRAWLING})
"""Categories that concern training. A reservation against crawling counts: a crawler that respects
it does not have the work."""

_AI = re.compile(r"(?:^|[^a-z])(?:no)?(?:ai|ml|gen-?ai|llm)(?:[^a-z]|$)|train|mining|tdm|\bno[a-z]*ai\b", re.IGNORECASE)
_RESERVATIONS = {"0": Use.ALLOWED, "1": Use.PROHIBITED}


def about_ai(text: str) -> bool:
    """Whether words that were not understood may be about training, and so a reservation."""
    return _AI.search(text) is not None


def reservation(stated: object) -> Use | None:
    """The meaning of a ``tdm-reservation``, as JSON or text; None if it is neither 0 nor 1."""
    if isinstance(stated, bool) or not isinstance(stated, (int, str)):
        return None
    return _RESERVATIONS.get(str(stated))


def short(text: str) -> str:
    """A raw value, cut to the length that a signal keeps."""
    return text if len(text) <= LONGEST_RAW else text[: LONGEST_RAW - 1] + "…"
