"""The reader of words about rights, held to readings.tsv: a list of real-world spellings.

Each row states a text, its kind, the reading that people reasoned out, and why. ``silent`` is the
permission of a text that says nothing about rights.
"""

from __future__ import annotations

import csv
import time
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from registry.licences import LicencePermission, LicenceTerms, TextKind, read_words
from registry.licences.creative_commons import PORTS
from registry.licences.folding import fold
from registry.licences.parts import ENDING_SIGNS, JOINING_SIGNS, PARTING_SIGNS, PLAIN_JOINING_SIGNS
from registry.licences.phrases import Meaning, phrases
from registry.licences.terms import STRICTNESS
from registry.licences.training_phrases import _patterns, _words
from registry.licences.words import is_filling, names_somebody


@dataclass(frozen=True)
class Row:
    """One line of the list."""

    text: str
    kind: TextKind
    licence: str
    permission: str
    unread: str
    why: str


def _rows() -> list[Row]:
    kinds = {
        "licence": TextKind.LICENCE,
        "terms": TextKind.TERMS,
        "notice": TextKind.NOTICE,
        "address": TextKind.ADDRESS,
        "caption": TextKind.CAPTION,
    }
    with (Path(__file__).parent / "readings.tsv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    said = ("licence", "permission", "unread", "why")
    return [Row(line["text"], kinds[line["kind"]], *(line[name] for name in said)) for line in lines]


ROWS = _rows()
CELLS = st.sampled_from([row for row in ROWS if row.kind is TextKind.LICENCE])
UNDERSTOOD = st.sampled_from([row for row in ROWS if row.kind is TextKind.LICENCE and not row.unread])
NONSENSE = st.lists(st.text("qxzwkv", min_size=4, max_size=9), min_size=1, max_size=4).map(" ".join)
ANY_WORDS = st.text(min_size=1, max_size=40).filter(
    lambda text: not is_filling(fold(text).key) and not names_somebody(fold(text).key)  # names behind © are understood
)


def read(text: str, kind: TextKind = TextKind.LICENCE) -> LicenceTerms:
    """The terms of a text that says something."""
    terms = read_words(text, kind)
    assert terms is not None
    return terms


@pytest.mark.parametrize("row", ROWS, ids=[f"{row.kind}: {row.text}" for row in ROWS])
def test_every_spelling_is_read_as_expected(row: Row) -> None:
    """Permission, licence, and the rest that was not understood, quoted."""
    terms = read_words(row.text, row.kind)
    if row.permission == "silent":
        assert terms is None
        return
    assert terms is not None
    assert (terms.training, terms.spdx or "", " | ".join(terms.unread)) == (row.permission, row.licence, row.unread)
    assert terms.recognised == (not row.unread)
    assert all(rest in terms.note for rest in terms.unread)


def test_the_list_is_long_and_reaches_every_permission() -> None:
    """Enough rows of every permission, kind and outcome to hold the reader."""
    assert len({(row.text, row.kind) for row in ROWS}) == len(ROWS) >= 500
    for permission in (*LicencePermission, "silent"):
        assert sum(row.permission == permission for row in ROWS) >= 8
    assert sum(bool(row.unread) for row in ROWS) >= 60


@pytest.mark.parametrize(
    "other",
    [
        str.upper,
        str.lower,
        str.swapcase,
        lambda text: unicodedata.normalize("NFD", text),
        lambda text: unicodedata.normalize("NFKC", text),
        lambda text: "\u00a0\t" + text.replace(" ", " \n ") + "\u2003",
        lambda text: text.replace("o", "o\u00ad").replace("i", "i\u200b"),
    ],
    ids=["upper", "lower", "swapped", "decomposed", "composed", "spaces", "invisible"],
)
def test_case_spaces_and_unicode_forms_do_not_matter(other: object) -> None:
    """For every row: the same words in another form have the same reading."""
    assert callable(other)
    for row in ROWS:
        one, two = read_words(row.text, row.kind), read_words(other(row.text), row.kind)
        assert (one is None) == (two is None), row.text
        if one and two:
            assert (one.training, one.spdx, one.duties, bool(one.unread)) == (
                two.training,
                two.spdx,
                two.duties,
                bool(two.unread),
            ), row.text


@settings(deadline=None)  # the first text compiles the patterns
@given(UNDERSTOOD, ANY_WORDS, st.sampled_from(["; {}", ". {}", ", {}", " ({})", " # {}; ", " - {}"]))
def test_words_that_are_not_understood_never_loosen(row: Row, words: str, behind: str) -> None:
    """Behind anything that was understood. They are quoted, and the text permits nothing.

    Random words may be understood by chance (a digit, a sign, the code of a country), and a name
    may have any words.
    """
    if not read(words).unread or fold(words).key in PORTS or row.text.endswith("Doe"):
        return
    if {each.meaning for each in phrases(fold(words).key)} == {Meaning.NOTHING}:
        return  # understood beside other words, such as "via Flickr"
    terms = read(row.text + behind.format(words))
    assert terms.unread
    assert not terms.recognised
    assert STRICTNESS[terms.training] >= max(
        STRICTNESS[LicencePermission.UNCLEAR], STRICTNESS[LicencePermission(row.permission)]
    )


@settings(deadline=None)  # the first text compiles the patterns
@given(UNDERSTOOD, NONSENSE)
def test_words_that_are_not_understood_never_loosen_before_or_behind(row: Row, words: str) -> None:
    """Without any sign between the words and what was understood."""
    if row.text.endswith(("Doe", "Wikimedia Commons")):
        return  # a name may have any words
    for text in (f"{row.text} {words}", f"{words} {row.text}", f"{words}; {row.text}"):
        terms = read(text)
        assert terms.unread, text
        assert STRICTNESS[terms.training] >= STRICTNESS[LicencePermission(row.permission)], text
        assert terms.training is not LicencePermission.PERMITTED


PROHIBITIONS = st.sampled_from(
    [row.text for row in ROWS if row.permission == "prohibited" and row.kind is TextKind.LICENCE]
)
NO_AI = st.sampled_from(
    ["no AI", "No-AI", "NO A.I.", "no gen AI", "No generative AI", "kein KI", "sans IA", "sin IA", "geen AI", "bez AI"]
)


@settings(deadline=None)  # the first text compiles the patterns
@given(PROHIBITIONS | NO_AI, NONSENSE)
def test_what_forbids_is_prohibited_beside_any_words(forbids: str, words: str) -> None:
    """Before, behind and without a sign between them; also where the rest was not understood."""
    for text in (f"{forbids} {words}", f"{words} {forbids}", f"{forbids}; {words}", f"{words}. {forbids}"):
        for kind in (TextKind.LICENCE, TextKind.TERMS):
            assert read(text, kind).training is LicencePermission.PROHIBITED, text


@settings(deadline=None)  # the first text compiles the patterns
@given(
    st.sampled_from(
        [
            "AI training is {} allowed",
            "allows {} AI training",
            "{} permits AI training",
            "may be used {} to train AI",
            "feel free to use this {} for AI",
            "AI training is {} not prohibited",
            "AI training is not {} prohibited",
            "KI-Training ist {} erlaubt",
            "autorise {} l'entraînement d'IA",
        ]
    ),
    NONSENSE | st.sampled_from(["hardly", "formerly", "paid", "licensed", "Ada", "only", "partly", "selected", "nur"]),
    st.sampled_from(["{}", "CC BY 4.0, {}", "{}; CC0-1.0"]),
)
def test_a_permission_with_other_words_in_it_permits_nothing(sentence: str, words: str, beside: str) -> None:
    """They may narrow it or take it back."""
    # "Licensed permits AI training" is whole behind a word that says nothing.
    assume((sentence, words) != ("{} permits AI training", "licensed"))
    terms = read(beside.format(sentence.format(words)))
    assert terms.training is not LicencePermission.PERMITTED
    assert not terms.recognised


@settings(deadline=None)  # the first text compiles the patterns
@given(
    st.sampled_from(
        [
            *("will be under {}", "should be {}", "to be released under {}", "may be licensed under {}", "{} by 2050"),
            *(
                "{} subject to conditions",
                "{}, see the terms",
                "{} under the following conditions",
                "{} as of May 2050",
            ),
            *("has been {}", "<s>{}</s>", "<del>{}</del>", "{} &", "& {}", "{}, +"),
        ]
    ),
    st.sampled_from(["MIT", "CC BY 4.0", "CC0-1.0", "public domain", "Apache-2.0", "GFDL 1.2"]),
)
def test_a_licence_that_does_not_hold_now_permits_nothing(sentence: str, licence: str) -> None:
    """Not yet, no longer, perhaps, struck out, cut off, or under terms that stand elsewhere."""
    assert read(sentence.format(licence)).training is not LicencePermission.PERMITTED


@settings(deadline=None)  # the first text compiles the patterns
@given(NO_AI, ANY_WORDS)
def test_a_cell_that_begins_with_no_ai_is_prohibited(no_ai: str, words: str) -> None:
    """Whatever words follow, understood or not, unless they are letters of the same word."""
    assert read(f"{no_ai} {words}").training is LicencePermission.PROHIBITED


@settings(deadline=None)  # the first text compiles the patterns
@given(NO_AI, NONSENSE)
def test_no_ai_in_a_caption_forbids_where_it_stands_alone(no_ai: str, words: str) -> None:
    """Beside other words of its sentence, item or line it is unclear, and quoted; never silent."""
    for text in (f"{words}; {no_ai}", f"{words}, {no_ai}", f"{words}\n{no_ai}\n{words}", f"{words}: {no_ai}"):
        assert read(text, TextKind.CAPTION).training is LicencePermission.PROHIBITED, text
    for text in (f"{no_ai} {words}", f"{words} {no_ai} {words}", f"{words}. {words} {no_ai}"):
        terms = read(text, TextKind.CAPTION)
        if "." not in no_ai:  # "No A.I. xqzk" has two sentences
            assert (terms.training, terms.recognised) == (LicencePermission.UNCLEAR, False), text
            assert no_ai in terms.unread[0]


@settings(deadline=None)  # the first text compiles the patterns
@given(
    st.lists(st.sampled_from(["is", "the", "licensed", "a", "photo", "see", "xqzk", "MIT"]), min_size=1, max_size=3),
    st.sampled_from(
        ENDING_SIGNS.replace("?", "") + PARTING_SIGNS.replace("*", "") + PLAIN_JOINING_SIGNS + JOINING_SIGNS
    ),
)
def test_glued_signs_are_read_as_signs_apart(words: list[str], sign: str) -> None:
    """With or without spaces around them, words that say nothing are read alike."""
    glued, apart = sign.join(words), f" {sign} ".join(words)
    assert is_filling(glued) == is_filling(apart) == (not {"xqzk", "MIT"} & set(words))
    one, two = read(f"CC0-1.0; {glued}"), read(f"CC0-1.0; {apart}")
    assert (one.training, bool(one.unread)) == (two.training, bool(two.unread))


BULLETS = (
    "* {}",
    "• {}",
    "‣\t{}",
    "▪ {}",
    "∗ {}",
    "o {}",
    "{n}. {}",
    "{n}) {}",
    "({n}) {}",
    "({letter}) {}",
    "{letter}) {}",
)


@settings(deadline=None)  # the first text compiles the patterns
@given(
    st.lists(CELLS.filter(lambda row: row.text[0].isalnum() and row.text != "O"), min_size=2, max_size=4),
    st.sampled_from(BULLETS),
)
def test_items_of_a_list_are_read_as_sentences(rows: list[Row], bullet: str) -> None:
    """Items apply together, as the same texts with semicolons do, whatever sign they begin with."""
    sign = {number: "abd"[number % 3] for number in range(4)}  # "(c)" is no item, but ©
    items = [bullet.format(row.text, n=number + 1, letter=sign[number]) for number, row in enumerate(rows)]
    apart = read("; ".join(row.text for row in rows))
    for text in ("\n".join(items), "\r\n\r\n  ".join(items), "\n".join(reversed(items))):
        listed = read(text)
        assert (listed.training, listed.spdx, listed.duties, bool(listed.unread)) == (
            apart.training,
            apart.spdx,
            apart.duties,
            bool(apart.unread),
        ), text


@pytest.mark.parametrize("last", ["MIT", "CC0-1.0"])
@pytest.mark.parametrize("join", ["\n", "\r\n\r\n", "; ", " ; ", " | ", "\n* ", "\n2. ", " • "])
@pytest.mark.parametrize("where", ["under conditions", "subject to our terms", "see the licence", "on certain terms"])
def test_terms_that_stand_elsewhere_are_not_lost_where_another_statement_follows(
    where: str, join: str, last: str
) -> None:
    """Not at the end of a line, of an item or of a part with blanks behind it either."""
    found = read(f"AI training is allowed {where}{join}{last}")
    assert (found.training, found.unread) == (LicencePermission.UNCLEAR, (where,))


@pytest.mark.parametrize("sign", ["(+)", "( + )", "[&]", "(+", "(*)"])
@pytest.mark.parametrize("licence", ["CC-BY-4.0", "CC BY-SA 3.0", "MIT"])
def test_a_sign_of_joining_alone_in_brackets_is_not_understood(licence: str, sign: str) -> None:
    """It may stand for further terms."""
    assert read(f"{licence} {sign}").training is LicencePermission.UNCLEAR


def test_a_sentence_goes_on_in_a_line_that_begins_with_a_small_letter() -> None:
    wrapped = read("Released under the terms\nof the MIT license")
    assert (wrapped.training, wrapped.unread) == (LicencePermission.PERMITTED, ())


@pytest.mark.parametrize("bullet", [*BULLETS[:5], *BULLETS[6:]])
@pytest.mark.parametrize("join", ["\n", "\r\n"])
def test_a_heading_holds_for_all_items_behind_it(bullet: str, join: str) -> None:
    """What a list forbids is forbidden, at each place in it."""
    for items in (("AI training", "sale"), ("sale", "AI training"), ("sale", "resale", "AI training")):
        listed = [bullet.format(item, n=number + 1, letter="abd"[number]) for number, item in enumerate(items)]
        assert read(join.join(["Not allowed:", *listed])).training is LicencePermission.PROHIBITED


@pytest.mark.parametrize(
    ("text", "permission"),
    [
        ("MIT; * CC0-1.0", "permitted"),
        ("* CC0-1.0; MIT", "permitted"),
        ("*MIT*; *CC0-1.0*", "permitted"),
        ("MIT*; CC0-1.0*", "unclear"),
        ("CC0-1.0* MIT*", "unclear"),
        ("MIT *; CC0-1.0 *", "unclear"),
        ("MIT; *CC0-1.0", "unclear"),
        ("* CC BY 4.0 *", "unclear"),
        ("o MIT\no CC BY-NC 4.0", "constrained"),
        ("MIT\no CC0-1.0", "permitted"),
        ("1. MIT\n2. CC BY-NC 4.0", "constrained"),
        ("☐ MIT\n☑ CC0-1.0", "unclear"),
        ("Creative Commons Attribution\n4.0 International", "permitted"),
    ],
)
def test_stars_are_signs_of_items_emphasis_or_notes(text: str, permission: str) -> None:
    """A note somewhere else, or a box that is ticked, was not understood; the others are."""
    assert read(text).training == permission


@settings(deadline=None)  # the first text compiles the patterns
@given(CELLS, CELLS)
@example(*(next(row for row in ROWS if row.text == text) for text in ("MIT", "* CC0-1.0")))
def test_the_order_of_the_parts_does_not_matter(first: Row, second: Row) -> None:
    """Two texts in one cell are read alike in both orders, and no part's restriction is lost.

    The quoted rests may be cut in other places.
    """
    one, two = read(f"{first.text}; {second.text}"), read(f"{second.text}; {first.text}")
    assert (one.training, one.spdx, one.duties, bool(one.unread)) == (
        two.training,
        two.spdx,
        two.duties,
        bool(two.unread),
    )
    for row in (first, second):
        if row.permission in ("constrained", "prohibited"):
            assert STRICTNESS[one.training] >= STRICTNESS[LicencePermission(row.permission)]
        if row.unread and read_words(row.text, TextKind.NOTICE):  # not a name or a mention alone
            assert one.training is not LicencePermission.PERMITTED


@settings(deadline=None)  # the first text compiles the patterns
@given(st.text(max_size=200), st.sampled_from(list(TextKind)))
def test_no_text_breaks_the_reader(text: str, kind: TextKind) -> None:
    """Any text has a reading; one that permits was understood as a whole."""
    terms = read_words(text, kind)
    if terms is not None:
        assert terms.recognised == (not terms.unread) or not fold(text).text
        assert terms.recognised or terms.training is not LicencePermission.PERMITTED
        assert terms.note


@pytest.mark.parametrize(
    "text", ["no " * 1_300, "use for " * 500, "MIT " * 1_000, "(" * 4_096, "ai学習" * 800, "© " + "Ada " * 1_000]
)
def test_a_long_text_is_read_in_bounded_time(text: str) -> None:
    """Under two seconds even where nothing is understood."""
    start = time.process_time()
    read_words(text[:4_096], TextKind.LICENCE)
    assert time.process_time() - start < 2


def test_what_forbids_in_a_cell_is_never_silent_in_a_notice() -> None:
    """Whatever the language: a file's copyright notice with such words permits nothing."""
    for row in ROWS:
        if row.permission == "prohibited":
            terms = read_words("© Ada Example. " + row.text, TextKind.NOTICE)
            assert terms is not None, row.text
            assert terms.training is not LicencePermission.PERMITTED, row.text


def test_every_sentence_about_training_is_looked_at() -> None:
    """The cheap look before the expressions misses no sentence that they find."""
    for row in ROWS:
        key = fold(row.text).key
        for forbids in (True, False):
            if any(pattern.search(key) for pattern in _patterns(forbidding=forbids)):
                assert _words().search(key), row.text
