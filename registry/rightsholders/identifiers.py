"""Identifiers of a rightsholder elsewhere: ISNI, ORCID, Wikidata, or others as ``scheme:value``.

>>> read_identifier("isni", "https://isni.org/isni/0000000121032683").value
'0000000121032683'
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from registry.errors import InputError
from registry.text import has_control_characters, tidy

LONGEST_VALUE = 200

_SCHEME = re.compile(r"[a-z][a-z0-9._-]{0,31}")
_ISNI = re.compile(r"(?:https?://(?:www\.)?isni\.org/(?:isni/)?)?([0-9]{15}[0-9Xx])")
_ORCID = re.compile(r"(?:https?://(?:www\.)?orcid\.org/)?([0-9]{4}-?[0-9]{4}-?[0-9]{4}-?[0-9]{3}[0-9Xx])")
_WIKIDATA = re.compile(r"(?:https?://(?:www\.)?wikidata\.org/(?:wiki|entity)/)?[Qq]([1-9][0-9]{0,11})")


@dataclass(frozen=True)
class Identifier:
    """A checked identifier in one spelling."""

    scheme: str
    value: str

    def __str__(self) -> str:
        return f"{self.scheme}:{self.value}"


def read_identifier(scheme: str, value: str) -> Identifier:
    """Check an identifier, or its usual web address, and bring it into its usual spelling.

    Raises:
        InputError: it does not belong to this scheme, or its check digit is wrong.
    """
    name, text = scheme.strip().lower(), tidy(value) or ""
    if not _SCHEME.fullmatch(name):
        raise InputError(
            f"{scheme[:50]!r} is not a scheme of identifiers; expected one word such as isni, orcid or ipi"
        )
    if len(text) > LONGEST_VALUE:
        raise InputError(f"the {name} has {len(text):,} characters, at most {LONGEST_VALUE} are taken")
    if name == "isni":
        digits = _match(_ISNI, text.replace(" ", ""), name, "16 digits, such as 0000 0001 2103 2683").upper()
        return Identifier(name, _checked(digits, name))
    if name == "orcid":
        found = _match(_ORCID, text, name, "16 digits, such as 0000-0002-1825-0097")
        digits = _checked(found.replace("-", "").upper(), name)
        return Identifier(name, "-".join(digits[start : start + 4] for start in range(0, 16, 4)))
    if name == "wikidata":
        return Identifier(name, "Q" + _match(_WIKIDATA, text, name, "Q and a number, such as Q42"))
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"the {name} {text!r} is not UTF-8") from error
    if not text or has_control_characters(text):
        raise InputError(f"got {text!r} for {name}, expected one line of text")
    return Identifier(name, text)


def parse_identifier(text: str) -> Identifier:
    """Read an identifier written as ``scheme:value``. Raises as :func:`read_identifier` does."""
    scheme, colon, value = text.partition(":")
    if not colon:
        raise InputError(f"got the identifier {text[:100]!r}, expected scheme:value, such as ipi:00045620792")
    return read_identifier(scheme, value)


def check_character(digits: str) -> str:
    """The last character of an ISNI or ORCID after its first 15 digits, by ISO 7064 MOD 11-2."""
    total = 0
    for digit in digits:
        total = (total + int(digit)) * 2
    number = (12 - total % 11) % 11
    return "X" if number == 10 else str(number)


def _match(pattern: re.Pattern[str], text: str, scheme: str, expected: str) -> str:
    found = pattern.fullmatch(text)
    if found is None:
        raise InputError(f"{text!r} is no {scheme}; expected {expected}")
    return found[1]


def _checked(digits: str, scheme: str) -> str:
    if check_character(digits[:15]) != digits[15]:
        raise InputError(f"the {scheme} {digits} has a wrong check digit; compare it with its source")
    return digits
