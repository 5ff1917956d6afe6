"""Cells of CSV, safe in a spreadsheet, and of JSON, many at a time.

Arrow's kernels do the work. They first find the cells that they cannot write (a possible formula, a
structure), so that only few go through Python.
"""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

# Anything but plain printable text, or the start of a formula; these cells are checked singly.
_SUSPECT_IN_CSV = r"^[ ]*[=+\-@]|^[ ]*[^\x20-\x7e]|[\x00-\x1f\x7f-\x{9f}]"
_SUSPECT_IN_JSON = r'[\x00-\x1f"\\]'


def spreadsheet_text(text: str) -> str:
    r"""Text as a CSV cell: an apostrophe before a possible formula; control characters replaced.

    >>> spreadsheet_text("=1+1"), spreadsheet_text("\uff1d1"), spreadsheet_text("1 = 1")
    ("'=1+1", "'＝1", '1 = 1')
    """
    plain = "".join(
        REPLACEMENT if unicodedata.category(character) in ("Cc", "Cs") and character not in "\t\r\n" else character
        for character in text
    )
    return "'" + plain if _is_formula(plain) else plain


def _is_formula(text: str) -> bool:
    """Whether a spreadsheet might run the text, by the first character that it does not skip.

    Full-width signs are folded to the plain ones, as some spreadsheets do.
    """
    if text[:1] in ("\t", "\r", "\n"):
        return True
    visible = text.lstrip(" \u00a0\u200b\ufeff" + REPLACEMENT)
    return unicodedata.normalize("NFKC", visible[:1])[:1] in ("=", "+", "-", "@", "\N{MINUS SIGN}")


def csv_cells(column: pa.Array, limit: int | None) -> pa.Array:
    """A column as quoted CSV cells, cut to ``limit`` characters if given."""
    kind = column.type
    if _is_text(kind):
        return _csv_texts(column.cast(pa.large_string()), limit)
    if _is_plain_list(kind):
        return _csv_texts(_json_lists(column), limit)
    plain = _plain_text(column)
    if plain is None:
        cells = [None if value is None else _nested_text(value) for value in column.to_pylist()]
        return _csv_texts(pa.array(cells, pa.large_string()), limit)
    return pc.fill_null(plain, "")


def _csv_texts(texts: pa.Array, limit: int | None) -> pa.Array:
    """Text as cells: no formulas, cut to the limit with a sign, quoted where needed."""
    texts = _replaced(texts, _SUSPECT_IN_CSV, spreadsheet_text)
    if limit is not None:
        too_long = pc.greater(pc.utf8_length(texts), limit)
        if pc.any(too_long).as_py():
            texts = pc.if_else(too_long, joined(pc.utf8_slice_codeunits(texts, 0, limit), "…"), texts)
    return quoted(pc.fill_null(texts, ""))


def quoted(texts: pa.Array) -> pa.Array:
    """Texts in quotation marks where RFC 4180 wants them."""
    texts = texts.cast(pa.large_string())
    doubled = pc.replace_substring(texts, '"', '""')
    return pc.if_else(pc.match_substring_regex(texts, '[",\r\n]'), joined('"', doubled, '"'), texts)


def json_texts(column: pa.Array, *, is_document: bool) -> pa.Array:
    """A column as JSON values. ``is_document``: its texts are JSON already."""
    kind = column.type
    null = pa.scalar("null", pa.large_string())
    if is_document:
        # A document may have several lines; a line break within its texts is escaped.
        return pc.fill_null(pc.replace_substring_regex(column.cast(pa.large_string()), r"[\r\n]", " "), null)
    if _is_text(kind):
        texts = column.cast(pa.large_string())
        plain = joined('"', texts, '"')
        suspect = pc.fill_null(pc.match_substring_regex(texts, _SUSPECT_IN_JSON), False)
        if pc.any(suspect).as_py():
            written = [json.dumps(text, ensure_ascii=False) for text in pc.filter(texts, suspect).to_pylist()]
            plain = pc.replace_with_mask(plain, suspect, pa.array(written, pa.large_string()))
        return pc.fill_null(plain, null)
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return pc.fill_null(column.cast(pa.large_string()), null)
    if _is_plain_list(kind):
        return pc.fill_null(_json_lists(column), null)
    plain = None if pa.types.is_floating(kind) else _plain_text(column)
    if plain is not None:
        return pc.fill_null(joined('"', plain, '"'), null)
    return pa.array([_json_text(value) for value in column.to_pylist()], pa.large_string())


def _is_plain_list(kind: pa.DataType) -> bool:
    """Whether it is a list of values that become JSON without Python."""
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)):
        return False
    return _is_text(kind.value_type) or pa.types.is_integer(kind.value_type) or pa.types.is_boolean(kind.value_type)


def _json_lists(column: pa.Array) -> pa.Array:
    """The lists as JSON, as :func:`json.dumps` lays them out; null stays null."""
    items = json_texts(pc.list_flatten(column), is_document=False)
    ends = pc.cumulative_sum(pc.fill_null(pc.list_value_length(column), 0).cast(pa.int64()))
    offsets = pa.concat_arrays([pa.array([0], pa.int64()), ends])
    lists = pa.LargeListArray.from_arrays(offsets, items)
    texts = joined("[", pc.binary_join(lists, pa.scalar(", ", pa.large_string())), "]")
    return pc.if_else(column.is_valid(), texts, pa.scalar(None, pa.large_string()))


def _plain_text(column: pa.Array) -> pa.Array | None:
    """Numbers, truth values and times as text without quotes; None for other types."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        pattern = "%Y-%m-%dT%H:%M:%S" + ("+00:00" if kind.tz else "")
        return pc.strftime(column.cast(pa.timestamp("us", tz="UTC" if kind.tz else None)), pattern).cast(
            pa.large_string()
        )
    if pa.types.is_null(kind):
        return pa.nulls(len(column), pa.large_string())
    if pa.types.is_primitive(kind) or pa.types.is_decimal(kind) or pa.types.is_boolean(kind):
        return column.cast(pa.large_string()) if not pa.types.is_interval(kind) else None
    return None


def _nested_text(value: Any) -> str:  # noqa: ANN401 - whatever a query may return
    return value.hex() if isinstance(value, bytes) else value if isinstance(value, str) else _json_text(value)


def _json_text(value: Any) -> str:  # noqa: ANN401 - whatever a query may return
    return json.dumps(_finite(value), ensure_ascii=False, default=_told)


def _finite(value: Any) -> Any:  # noqa: ANN401 - whatever a query may return
    """The value with null for numbers that JSON does not have."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(name): _finite(item) for name, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


def _told(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def _replaced(texts: pa.Array, suspect: str, replacement: Callable[[str], str]) -> pa.Array:
    """The texts, with ``replacement`` applied where the pattern finds something."""
    found = pc.fill_null(pc.match_substring_regex(texts, suspect), False)
    if not pc.any(found).as_py():
        return texts
    written = [replacement(text) for text in pc.filter(texts, found).to_pylist()]
    return pc.replace_with_mask(texts, found, pa.array(written, pa.large_string()))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def joined(*parts: pa.Array | str, between: str = "") -> pa.Array:
    """The parts of each row joined; null where one is null."""
    texts = [pa.scalar(part, pa.large_string()) if isinstance(part, str) else part for part in parts]
    return pc.binary_join_element_wise(*texts, pa.scalar(between, pa.large_string()))
