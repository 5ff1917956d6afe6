"""The PLUS Data Mining vocabulary, adopted by IPTC for its photo metadata: ``plus:DataMining``.

Values are addresses such as ``http://ns.useplus.org/ldf/vocab/DMI-PROHIBITED``, or their last part
alone. An unknown value is unclear, or a prohibition if it begins like one.

Source: PLUS Media Data Mining, IPTC Photo Metadata Standard 2023.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from registry.metadata.values import clean
from registry.signals import LONGEST_RAW, Category, Protocol, RightsSignal, Use

SEE_CONSTRAINT = "DMI-PROHIBITED-SEECONSTRAINT"
SEE_EMBEDDED = "DMI-PROHIBITED-SEEEMBEDDEDRIGHTSEXPR"
SEE_LINKED = "DMI-PROHIBITED-SEELINKEDRIGHTSEXPR"

_MEANINGS: dict[str, tuple[tuple[Category, Use], ...]] = {
    "DMI-UNSPECIFIED": ((Category.ALL, Use.UNSPECIFIED),),
    "DMI-ALLOWED": ((Category.ALL, Use.ALLOWED),),
    "DMI-PROHIBITED-AIMLTRAINING": ((Category.AI_TRAINING, Use.PROHIBITED),),
    "DMI-PROHIBITED-GENAIMLTRAINING": ((Category.GENERATIVE_TRAINING, Use.PROHIBITED),),
    "DMI-PROHIBITED-EXCEPTSEARCHENGINEINDEXING": ((Category.ALL, Use.PROHIBITED), (Category.SEARCH, Use.ALLOWED)),
    "DMI-PROHIBITED": ((Category.ALL, Use.PROHIBITED),),
    SEE_CONSTRAINT: ((Category.ALL, Use.PROHIBITED),),
    SEE_EMBEDDED: ((Category.ALL, Use.PROHIBITED),),
    SEE_LINKED: ((Category.ALL, Use.PROHIBITED),),
}
VALUES = tuple(_MEANINGS)
_PROHIBITION = re.compile(rb"DMI-PROHIBITED[A-Z-]{0,64}", re.IGNORECASE)


def term_of(value: str) -> str:
    """The last part of a value, such as ``DMI-PROHIBITED``."""
    return clean(value).rstrip("/# ").replace("#", "/").rsplit("/", 1)[-1].upper()


def read_data_mining(value: str, constraint: str | None, found_in: str) -> Iterator[RightsSignal]:
    """The signals in one value of ``plus:DataMining``.

    ``constraint`` stands beside the value in the file: words, a rights expression or its address.
    """
    raw = clean(value)[:LONGEST_RAW]
    if not raw:
        return
    term = term_of(raw)
    unknown = Use.PROHIBITED if term.startswith("DMI-PROHIBITED") else Use.UNCLEAR
    for category, use in _MEANINGS.get(term, ((Category.ALL, unknown),)):
        yield RightsSignal(
            protocol=Protocol.PLUS,
            category=category,
            use=use,
            constraint=constraint if use is Use.PROHIBITED else None,
            raw=raw,
            found_in=found_in,
        )


def prohibitions_in(packet: bytes, found_in: str) -> Iterator[RightsSignal]:
    """Prohibitions in a packet that cannot be parsed: damage or a trick lifts no reservation."""
    text = packet.replace(b"\0", b"")  # the letters of UTF-16 and UTF-32 then stand side by side, too
    for match in dict.fromkeys(found.group() for found in _PROHIBITION.finditer(text)):
        yield from read_data_mining(match.decode("ascii"), None, found_in)
