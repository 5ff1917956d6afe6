"""Captions in order, whatever text or bytes they come from."""

from __future__ import annotations

import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.captions.beside import stem_of, texts_by_stem
from registry.captions.sources import Caption, Source, caption_column, chosen
from registry.captions.texts import LARGEST_FILE, LONGEST_CAPTION, from_bytes, in_order
from registry.ingest.bulk.captions import ordered

TEXTS = st.one_of(
    st.text(st.sampled_from("ab \t\n\r\x00\x7f\x85\u2028\u202e\u2066\ufeff\u00a0éé\ufffd日"), max_size=30),
    st.text(max_size=60),
)


@given(TEXTS)
def test_a_caption_is_one_line_of_bounded_composed_text(text: str) -> None:
    """And a caption in order stays as it is."""
    found = in_order(text).text
    if found is not None:
        assert found == found.strip() != ""
        assert len(found) <= LONGEST_CAPTION
        assert unicodedata.is_normalized("NFC", found)
        assert not any(unicodedata.category(sign) in ("Cc", "Cs") or sign in "\u202e\u2066\u2028" for sign in found)
        assert "  " not in found
        assert in_order(found).text == found


@settings(deadline=None)
@given(st.lists(TEXTS, max_size=8))
def test_a_column_is_brought_into_order_as_single_captions_are(texts: list[str]) -> None:
    """By columns or one by one: the same captions."""
    storable = [text.encode("utf-8", "replace").decode() for text in texts]
    trimmed = [text.strip() or None for text in (unicodedata.normalize("NFC", text) for text in storable)]
    column, _ = ordered(pa.array(trimmed, pa.string()))
    assert column.to_pylist() == [text and in_order(text).text for text in trimmed]


@pytest.mark.parametrize(
    ("data", "text", "note"),
    [
        (b"\xef\xbb\xbfa cat\r\non a mat\n", "a cat on a mat", None),
        ("ein Kätzchen".encode("cp1252"), "ein Kätzchen", "Windows-1252"),
        ("日本語の猫".encode("cp932"), None, "Shift-JIS"),
        ("a cat".encode("utf-16"), "a cat", None),
        (b"a\x00\x1b[31mb", "a[31mb", "control characters"),
        (b"<script>alert(1)</script>", "<script>alert(1)</script>", None),
        ("\u202eevil\u202c".encode(), "evil", "marks of direction"),
        (b"x" * LARGEST_FILE, "x" * LONGEST_CAPTION, "the first 4,096 are kept"),
        (b"x" * (LARGEST_FILE + 1), None, "1,048,577 bytes"),
        (b" \n", None, None),
    ],
)
def test_the_bytes_of_a_text_file(data: bytes, text: str | None, note: str | None) -> None:
    """Hostile ones and those of other encodings: what was lost or guessed is told."""
    found = from_bytes(data)
    if text is not None:
        assert found.text == text
    assert (found.note is None) == (note is None)
    assert note is None or note in str(found.note)


@given(st.dictionaries(st.sampled_from(list(Source)), st.sampled_from(["", "a", "b"])), st.randoms())
def test_precedence_follows_the_stated_order_alone(stated: dict[Source, str], random: object) -> None:
    """The caption is that of the first source with one, in whatever order they were found."""
    items = list(stated.items())
    random.shuffle(items)  # type: ignore[attr-defined]  # hypothesis's random
    having = [source for source in Source if stated.get(source)]
    expected = Caption(stated[having[0]], having[0]) if having else None
    assert chosen(dict(items)) == chosen(stated) == expected


@given(st.permutations(["caption", "text", "prompt", "title"]))
def test_the_caption_column_is_the_same_in_any_order(names: list[str]) -> None:
    """`caption` before `text`, `text` before `prompt`."""
    assert caption_column(names) == "caption"
    assert caption_column(names[:2]) == next(
        (name for name in ("caption", "text", "prompt") if name in names[:2]), None
    )


@given(st.permutations(["a.txt", "a.caption", "a.v2.txt", "b/a.txt", "a.png", "b.caption"]))
def test_texts_are_found_by_stem_in_any_order(paths: list[str]) -> None:
    """A .txt counts before a .caption of the same image; only the last ending is left out."""
    assert texts_by_stem(paths) == {"a": "a.txt", "a.v2": "a.v2.txt", "b/a": "b/a.txt", "b": "b.caption"}
    assert stem_of("cats.d/1") == "cats.d/1"
