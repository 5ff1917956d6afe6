"""Rights signals: what a work, its manifest or its site says about being mined or trained on, in
one vocabulary.

Protocols differ in their words (PLUS has a controlled list, C2PA entries, TDMRep a number,
robots.txt rules). A signal keeps the raw value and puts beside it what it means here: for which
*category* of use, whether that use is allowed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Protocol(StrEnum):
    """Where the vocabulary of a signal comes from."""

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


class Category(StrEnum):
    """The kind of use that a signal speaks of."""

    ALL = "all data mining"
    AI_TRAINING = "ai training"
    GENERATIVE_TRAINING = "generative ai training"
    AI_INFERENCE = "ai inference"
    SEARCH = "search"
    CRAWLING = "crawling"


class Use(StrEnum):
    """What the signal says of that use."""

    ALLOWED = "allowed"
    CONSTRAINED = "constrained"
    """Allowed under a condition, which ``constraint`` has or points to."""
    PROHIBITED = "prohibited"
    UNSPECIFIED = "unspecified"


@dataclass(frozen=True, order=True)
class RightsSignal:
    """One machine-readable statement about the use of one work."""

    protocol: Protocol
    category: Category
    use: Use
    constraint: str | None
    """The condition in words, or the address of one."""
    raw: str
    """The value as it was found, at most :data:`LONGEST_RAW` characters."""
    found_in: str
    """``xmp``, ``iptc``, ``exif``, ``c2pa manifest``, or the name of the file that was supplied for
    a site."""


LONGEST_RAW = 4_096

TRAINING = frozenset({Category.ALL, Category.AI_TRAINING, Category.GENERATIVE_TRAINING, Category.CRAWLING})
"""Categories that bear on training a generative image model. A reservation against crawling counts:
a crawler that heeds it does not have the work."""
