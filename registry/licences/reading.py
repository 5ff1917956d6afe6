"""The one reader of words about rights: in cells, notices, terms of use and addresses.

    read_words("CC BY 4.0; no AI training", TextKind.LICENCE).training    # prohibited

The reader takes a text apart: addresses, sentences about training, phrases about rights, names of
licences, and names of people. All that it understood applies together, so the strictest counts. A
rest that it did not understand is quoted in ``unread``, and the text then never permits anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache

from registry.licences.addresses import ADDRESS, address_terms
from registry.licences.creative_commons import creative_commons
from registry.licences.folding import Folded, fold
from registry.licences.names import named
from registry.licences.parts import JOINING, JOINING_SIGNS, JOINTS, PARTS, SENTENCES, CaptionParts, pieces
from registry.licences.phrases import Meaning, phrases
from registry.licences.spdx import expression
from registry.licences.statements import statement
from registry.licences.terms import STRICTNESS, LicencePermission, LicenceTerms, all_of, choice_of, terms_of
from registry.licences.training_phrases import about_training
from registry.licences.words import (
    ABOUT_RIGHTS,
    credited,
    filling_ends,
    is_a_joint,
    is_filling,
    names_somebody,
)


class TextKind(StrEnum):
    """The kind of a text about rights. It decides what a rest without words about rights is."""

    LICENCE = "licence"
    """The licence cell of a table or list. Every word must be understood."""
    TERMS = "usage terms"
    """A file's terms of use, or the policy of a site. Every word must be understood."""
    NOTICE = "copyright notice"
    """A notice, which names people and places in any words; only words about rights count."""
    ADDRESS = "address"
    """The address of terms, such as a web statement of rights. It must be a known one."""
    CAPTION = "caption"
    """A description, comment or list of keywords. It counts only where it forbids training or
    reserves all rights: its other words are about the picture. People write there how it was made,
    so "no AI" forbids where it stands alone; beside other words it is not understood."""


_TORN_SIGN = re.compile(rf"^\W*[{JOINING_SIGNS}]|\s[{JOINING_SIGNS}]\W*$|&\W*$")
_TORN = re.compile(
    rf"{_TORN_SIGN.pattern}|^(?:and|or|with)\b|\b(?:{'|'.join(sorted(JOINING))}|with|without|except|not|the|under)$"
)
"""Signs and words that no sentence about rights begins or ends with: a part of it is missing."""
_NOTHING_STATED = re.compile(
    r"n/?a|n\.a|unknown|none|null|nil|nan|noassertion|unspecified|undefined|other|(?:not |un)(?:specified|"
    r"stated|available|known|given)|[-?_]+"
)
_DONE = r"(?:released|published|made|uploaded|created|taken|provided|shared|granted|dedicated|placed|put)"
_WHICH = (
    r"(?:(?:the|its|our|your|my|each|these|those|following|a|an|certain|special|some|les|la|ces|las|unsere[nr]?|den|der"
    r"|bestimmten) )?"
)
_END = r"(?=\s*[.,;)]|[\x1f\n]|\s*$)"
_DOUBT = re.compile(
    r"[?¿‽†‡…≠]|!=|(?<=\w)\([abd-qt-z]\)|(?<!\*)\*(?!\*)|\.{3,}|\[[0-9]{1,2}\]|\bin copyright\b|</?(?:del|s|strike)\b"
    rf"|\bwas\b(?! (?:\w+ly )?{_DONE}\b)|\bbeen\b(?! (?:\w+ly )?(?:{_DONE}|licen[sc]ed|offered)\b)"
    rf"|\b(?:may|can|to) (?:also )?be (?:{_DONE}|licen[sc]ed|offered|available)\b|\b(?:may|can) be(?=[.,;]|$)"
    # Not yet, or no longer: "by 2050" names nobody.
    r"|\b(?:by|as of|from|starting|effective|valid) (?:[0-9]{1,2}\.? )?(?:(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct"
    r"|nov|dec)[a-z]* (?:[0-9]{1,2},? )?)?[12][0-9]{3}\b(?![0-9./-])"
    # Terms that stand elsewhere.
    rf"|\b(?:see|under|subject to|according to|on|with|as per|per|sous|selon|bajo|segun|sotto|secondo|sob|unter|gemass"
    rf"|nach|onder|volgens) {_WHICH}(?:terms?|conditions?|licen[sc]es?|lizenz|bedingungen|lizenzbedingungen|termes"
    rf"|condiciones|licencia|termini|condizioni|licenza|termos|condicoes|licenca)(?: (?:terms|conditions"
    rf"|and conditions|of use))*{_END}|\b(?:see|per) {_WHICH}(?:item|image|file|work|page){_END}"
)
"""Signs that a text is doubtful, cut off, not true always, or has a note or terms elsewhere."""
_EMPHASIS = re.compile(r"(?<![\w*])\*(?=\w)[^*;]*(?<=[\w.)])\*(?![\w*])")
"""A pair of stars around words. Other stars are the signs of notes."""
_MARKUP = re.compile(
    r"</?(?:a|p|b|i|em|br|li|ul|div|span|strong|bdi)\b/?"
    r"|\b(?:rel|class|target)=\"(?:license|nofollow|noopener|noreferrer|external|text|extiw|_blank| )*\"|"
    r"\b(?:href|title)="
)
_DISTINCT = frozenset({"mit", "isc", "wtfpl", "unlicense", "zlib", "cc0"})
"""Identifiers that are no word of a language. Others without a digit or hyphen ("Fair", "Intel",
"JSON") are licences only where they are all that is said."""
_NAMES_A_LICENCE = frozenset({"the", "license", "licence", "licenses", "licences", "lizenz", "licencia", "licenza"})
_BEFORE_NAMES = frozenset(
    {
        *("©", "®", "℗", "copyright", "copr", "by", "von", "par", "por", "di", "door", "av", "credit", "author"),
        *(
            "creator",
            "photographer",
            "source",
            "auteur",
            "autor",
            "autore",
            "photo",
            "image",
            "picture",
            "foto",
            "bild",
        ),
    }
)
"""Words behind which a single word is the name of somebody, even if it is a licence's, too."""
_CHOICE = re.compile(r"\s+(?:or|oder|ou|o|of|eller|lub|または|或|또는)\s+")
_EITHER = re.compile(r"^(?:either|entweder|soit) |,? at your (?:option|choice)$| \(at your (?:option|choice)\)$")
_CONDITIONS = {
    Meaning.NON_COMMERCIAL: LicencePermission.CONSTRAINED,
    Meaning.NO_DERIVATIVES: LicencePermission.CONSTRAINED,
    Meaning.EDITORIAL: LicencePermission.CONSTRAINED,
    Meaning.EDUCATIONAL: LicencePermission.CONSTRAINED,
    Meaning.PERSONAL: LicencePermission.CONSTRAINED,
    Meaning.SHARE_ALIKE: LicencePermission.PERMITTED,
    Meaning.ATTRIBUTION: LicencePermission.PERMITTED,
}
_SAYS_LITTLE = frozenset({Meaning.NOTHING, Meaning.SOME_RIGHTS, Meaning.ATTRIBUTION, Meaning.FREE_USE})
"""In a notice, these restrict nothing, and contradict no licence."""
_LONGEST_NAME = 12
"""Words in the name of a licence that is looked for inside other words."""
_SHOWN = 200
_NEAR = 8
"""Rests with fewer characters between them are quoted as one."""


@dataclass
class _Found:
    """The parts of a text that were understood so far."""

    folded: Folded
    left: list[str]
    """The key, in which everything understood is blanked out."""
    licences: list[LicenceTerms] = field(default_factory=list)
    against: list[str] = field(default_factory=list)
    """Sentences that forbid training, as written."""
    allowing: list[str] = field(default_factory=list)
    meanings: dict[Meaning, str] = field(default_factory=dict)
    """Other phrases, and how each was written first."""
    unread: list[tuple[int, int]] = field(default_factory=list)

    def take(self, start: int, end: int) -> str:
        self.left[start:end] = "\x1f" * (end - start)
        return self.folded.quote(start, end)

    def is_beside_something(self, start: int, end: int) -> bool:
        """Whether something that was understood stands right before or behind."""
        return "".join(self.left[:start]).rstrip(" ").endswith("\x1f") or "".join(self.left[end:]).lstrip(
            " "
        ).startswith("\x1f")

    def is_left(self, start: int, end: int) -> bool:
        return "\x1f" not in self.left[start:end]


def read_words(text: str, kind: TextKind) -> LicenceTerms | None:
    """The meaning of words about rights; None for a text without any, such as a name alone."""
    if kind is TextKind.CAPTION:
        return _caption(text)
    folded = fold(text)
    key = folded.key.strip(" .,;")
    doubtful = _TORN_SIGN.search(key) or _is_doubtful(folded.key)
    alone = None if kind is TextKind.NOTICE or doubtful else _licence(key)
    if alone is not None:
        return replace(alone, reference=text)
    if _NOTHING_STATED.fullmatch(key):
        return None if kind is TextKind.NOTICE else _with_rest(None, (folded.text,), text)
    found = _Found(folded, list(folded.key.replace("(c)", " © ")))
    for start, end in pieces(folded.key, 0, len(folded.key), SENTENCES):
        if names := credited(folded.key[start:end]):
            found.take(start + names[0], start + names[1])
    for markup in _MARKUP.finditer(folded.key):
        found.take(*markup.span())
    _read_addresses(found)
    if kind is not TextKind.NOTICE:
        _read_doubts(found)
    _read_sentences(found)
    for start, end in pieces("".join(found.left), 0, len(found.left), SENTENCES):
        _read_part(found, start, end, (PARTS, JOINTS))
    for start, end in pieces(folded.key, 0, len(folded.key), SENTENCES):
        if _TORN.search(folded.key[start:end].strip(" .,")):
            found.unread.append((start, end))
    if kind is not TextKind.NOTICE and key.count("(") != key.count(")"):
        found.unread = [(0, len(folded.key))]
    unread = _unread(found, kind)
    terms = _together(found)
    if kind in (TextKind.NOTICE, TextKind.TERMS) and not (found.licences or found.allowing or found.against):
        terms = terms if set(found.meanings) - _SAYS_LITTLE else None
    if terms is None and not unread:
        if kind in (TextKind.NOTICE, TextKind.TERMS):
            return None
        unread = (folded.text.strip(),) if folded.text.strip() else ()
    return _with_rest(terms, unread, text)


def _caption(text: str) -> LicenceTerms | None:
    found = _Found(fold(text), [])
    found.left = list(found.folded.key)
    _read_sentences(found, prose=True)
    found.licences = []
    found.meanings = {key: written for key, written in found.meanings.items() if key is Meaning.RESERVES}
    found.allowing = []
    terms = _together(found)
    if terms is None and found.unread:
        return _with_rest(None, _unread(found, TextKind.CAPTION), text)
    return terms and replace(terms, reference=text)


def _read_addresses(found: _Found) -> None:
    for match in ADDRESS.finditer(found.folded.key):
        start, end = match.span()
        written = match[0].rstrip(".,;:!?'\"*>]}")
        if written.endswith(")") and "(" not in written:
            written = written.rstrip(").,;")
        end = start + len(written)
        terms = address_terms(written)
        if terms is None:
            found.unread.append((start, end))
        else:
            found.licences.append(terms)
        found.take(start, end)


def _is_doubtful(key: str) -> bool:
    return not statement(key.strip(" .")) and any(_doubts(ADDRESS.sub(" ", key)))


def _read_doubts(found: _Found) -> None:
    if statement(found.folded.key):
        return
    found.unread.extend(_doubts("".join(found.left)))
    # A line that begins with no small letter begins a statement, so the line before has ended.
    text, places = found.folded.text, found.folded.places
    ends = [end for end in found.folded.breaks if not text[places[end] + 1].islower()]
    if ends:
        lines = found.left.copy()
        for end in ends:
            lines[end] = "\n"
        found.unread.extend(_doubts("".join(lines)))


def _doubts(key: str) -> Iterator[tuple[int, int]]:
    for match in _DOUBT.finditer(_EMPHASIS.sub(lambda said: said[0].replace("*", " "), key)):
        yield match.span()


def _read_sentences(found: _Found, *, prose: bool = False) -> None:
    key = "".join(found.left)
    mentions, caption = cache(lambda: _mentions(key)), CaptionParts(found.folded)
    for said in about_training(key):
        if not found.is_left(said.start, said.end):
            continue
        if said.bare_end is not None:
            if not mentions().isdisjoint(range(said.start, said.bare_end)):
                continue
            if prose and (part := caption.beside(said.start, said.end)):
                found.unread.append(part)
                continue
        if said.is_narrowed:
            found.unread.append((said.start, said.end))
            continue
        (found.against if said.forbids else found.allowing).append(found.take(said.start, said.end))
    for start, end in pieces("".join(found.left), 0, len(found.left), SENTENCES):
        _read_long_names(found, start, end)
    for phrase in phrases("".join(found.left)):
        if found.is_left(phrase.start, phrase.end):
            written = found.take(phrase.start, phrase.end)
            found.meanings.setdefault(phrase.meaning, written)


def _mentions(key: str) -> set[int]:
    """The places of words that forbid nothing: "no AI was used", "AI-generated"."""
    found = (phrase for phrase in phrases(key) if phrase.meaning is Meaning.NOTHING)
    return {place for phrase in found for place in range(phrase.start, phrase.end)}


def _read_long_names(found: _Found, start: int, end: int) -> None:
    """Names of Creative Commons licences have dashes and brackets, which part other texts."""
    part = "".join(found.left[start:end])
    words = [match.span() for match in re.finditer(r"[^\s\x1f]+", part)]
    place = 0
    while place < len(words):
        for count in range(min(_LONGEST_NAME, len(words) - place), 2, -1):
            first, last = words[place][0], words[place + count - 1][1]
            name = part[first:last].strip(".,:()[]-")
            terms = None if re.search(r"[\x1f,].", part[first:last]) else creative_commons(name)
            if terms is not None:
                found.licences.append(terms)
                found.take(start + first, start + last)
                place += count - 1
                break
        place += 1


def _read_part(found: _Found, start: int, end: int, separators: Sequence[re.Pattern[str]]) -> None:
    part = "".join(found.left[start:end])
    if is_a_joint(part) and not found.is_beside_something(start, end):
        found.unread.append((start, end))  # it joins nothing
        return
    if is_filling(part) or names_somebody(part):
        return
    terms = _licence(part, distinct=True)
    if terms is not None:
        found.licences.append(terms)
        return
    if separators:
        inner = list(pieces("".join(found.left), start, end, separators[0]))
        if separators[0] is JOINTS and len(inner) == 1 and is_filling(part[slice(*(p - start for p in inner[0]))]):
            found.unread.append((start, end))  # the sign of joining stands beside nothing
            return
        for piece in inner:
            _read_part(found, *piece, separators[1:])
        return
    rest = start
    inside = list(_licences_inside(part))
    for first, last, terms in inside:
        found.licences.append(terms)
        _read_rest(found, rest, start + first)
        rest = start + last
    _read_rest(found, rest, end)
    if len(inside) > 1:  # nothing says how they belong together
        found.unread.append((start, end))


def _read_rest(found: _Found, start: int, end: int) -> None:
    part = "".join(found.left[start:end]).strip()
    if part and not is_filling(part) and not names_somebody(part):
        found.unread.append((start, end))


def _licences_inside(part: str) -> Iterator[tuple[int, int, LicenceTerms]]:
    words = [match.span() for match in re.finditer(r"\S+", part)]
    place = 0
    while place < len(words):
        for count in range(min(_LONGEST_NAME, len(words) - place), 0, -1):
            first, last = words[place][0], words[place + count - 1][1]
            terms = _simple(part[first:last].strip(".,:"), distinct=True)
            if terms is not None:
                yield first, last, terms
                place += count
                break
        else:
            place += 1


def _licence(key: str, *, distinct: bool = False) -> LicenceTerms | None:
    """The terms of a folded text: one licence, an expression or a choice, and filling words."""
    lead, trail = filling_ends(key)
    words = key.split()
    for first in range(min(lead, 8) + 1):
        for last in sorted({0, min(trail, 8)}):
            part = " ".join(words[first : len(words) - last]).strip(" .,:'\"")
            cut = {word.strip(".,:") for word in (*words[:first], *words[len(words) - last :])}
            if first and part.isalpha() and words[first - 1].strip(".,:") in _BEFORE_NAMES:
                continue  # "© MIT" is the notice of an institute
            terms = _simple(part, distinct=distinct or not cut <= _NAMES_A_LICENCE)
            if terms is None and {word.strip(".,:") for word in words[len(words) - last :]} <= _NAMES_A_LICENCE:
                terms = _choice(part)  # "for images" behind a choice may hold for one side alone
            if terms:
                return terms
    return None


def _simple(part: str, *, distinct: bool = False) -> LicenceTerms | None:
    if not part:
        return None
    if ADDRESS.fullmatch(part):
        return address_terms(part)
    found = named(part) or statement(part) or creative_commons(part)
    if found is not None:
        return found
    if distinct and part not in _DISTINCT and not re.search(r"[0-9-]", part):
        return None
    return expression(part)


def _choice(part: str) -> LicenceTerms | None:
    options = [option.strip(" ,") for option in _CHOICE.split(_EITHER.sub("", part))]
    if len(options) < 2:
        return None
    terms = [_simple(option, distinct=True) for option in options]
    known = [each for each in terms if each is not None]
    if len(known) < len(terms):
        return None
    identifiers = [each.spdx for each in known if each.spdx]
    joined = (
        expression(" or ".join(f"({each})" for each in identifiers).lower()) if len(identifiers) == len(known) else None
    )
    return joined or choice_of(known)


def _unread(found: _Found, kind: TextKind) -> tuple[str, ...]:
    key = found.folded.key
    spans: list[tuple[int, int]] = []
    for start, end in sorted(found.unread):
        if spans and found.is_left(spans[-1][1], start) and start - spans[-1][1] <= _NEAR:
            spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
        else:
            spans.append((start, end))
    if kind is TextKind.NOTICE:
        spans = [span for span in spans if ABOUT_RIGHTS.search(key[slice(*span)]) or ADDRESS.match(key[slice(*span)])]
    return tuple(dict.fromkeys(filter(None, (found.folded.quote(*span).strip(" ,;:") for span in spans))))


def _together(found: _Found) -> LicenceTerms | None:
    """The terms of everything that was understood; None if nothing was about rights."""
    licence = _all_licences(found.licences)
    terms = [] if licence is None else [licence]
    duties = set(licence.duties) if licence else set()
    if found.allowing:
        note = "the words allow training: " + _quoted(found.allowing)
        terms.append(terms_of(LicencePermission.PERMITTED, note=note))
    for meaning, written in found.meanings.items():
        if meaning is Meaning.NOTHING or str(meaning) in duties:
            continue
        if meaning in (Meaning.FREE_USE, Meaning.SOME_RIGHTS):
            if not found.licences:
                terms.append(terms_of(LicencePermission.UNCLEAR, note=str(meaning)))
        elif meaning in _CONDITIONS:
            permission = _CONDITIONS[meaning]
            if permission is LicencePermission.PERMITTED and not terms:
                permission = LicencePermission.UNCLEAR
            note = f"the words {_quoted([written])} state a condition: {meaning}"
            terms.append(terms_of(permission, [str(meaning)], note=note))
        else:
            terms.append(terms_of(LicencePermission.PROHIBITED, note=f"{meaning}: {_quoted([written])}"))
    if found.against:
        note = "the words forbid training: " + _quoted(found.against)
        terms.append(terms_of(LicencePermission.PROHIBITED, note=note))
    if not terms:
        if not set(found.meanings) - {Meaning.NOTHING}:
            return None
        return terms_of(LicencePermission.UNCLEAR, note="no licence is named")
    if len(terms) == 1:
        return terms[0]
    strictest = max(terms, key=lambda each: STRICTNESS[each.training])
    every = sorted({duty for each in terms for duty in each.duties})
    return replace(strictest, spdx=None, url=None, duties=tuple(every))


def _all_licences(licences: Sequence[LicenceTerms]) -> LicenceTerms | None:
    """The terms of several licences together. One that is named twice counts once."""
    different = {(each.spdx, each.training, each.duties, each.url): each for each in licences}
    versioned = {(each.training, each.duties) for each in different.values() if each.spdx}
    kept = [
        each
        for each in different.values()
        if not (
            each.spdx is None
            and each.note.endswith("no version is stated")
            and (each.training, each.duties) in versioned
        )
    ]
    by_identifier = {each.spdx: each for each in kept if each.spdx}
    if len(by_identifier) == len(kept) > 1:
        joined = expression(" and ".join(f"({each})" for each in sorted(by_identifier)).lower())
        return joined or all_of(kept)
    kept = sorted(kept, key=lambda each: (each.spdx or "", each.note))
    return None if not kept else kept[0] if len(kept) == 1 else all_of(kept)


def _with_rest(terms: LicenceTerms | None, unread: tuple[str, ...], text: str) -> LicenceTerms:
    if not unread:
        if terms is None:
            terms = replace(terms_of(LicencePermission.UNCLEAR, note="nothing is stated"), recognised=False)
        return replace(terms, reference=text)
    rest = f"not understood: {_quoted(unread)}"
    alone = terms is None
    terms = terms or terms_of(LicencePermission.UNCLEAR, note="kept as declared")
    permission = max(terms.training, LicencePermission.UNCLEAR, key=STRICTNESS.__getitem__)
    note = f"{rest}; {terms.note}" if alone else f"{terms.note}; {rest}"
    return replace(
        terms, reference=text, spdx=None, url=None, recognised=False, training=permission, note=note, unread=unread
    )


def _quoted(written: Sequence[str]) -> str:
    listed = (each if len(each) <= _SHOWN else each[:_SHOWN] + "…" for each in sorted(set(written)))
    return ", ".join(repr(each) for each in listed)
