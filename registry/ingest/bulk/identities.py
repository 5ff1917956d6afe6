"""``asset.identity`` of many rows at once: the start of a SHA-256, or MD5 (RFC 1321), all rows of a
length together.

The same numbers as :func:`registry.works.identity.identity_of`; MD5 is three times as fast as
DuckDB's ``md5_number_lower``, which was the dearest part of reading a list.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from registry.ingest.bulk.buffers import bytes_of
from registry.works.identity import identity_of

_TURNS = np.array([[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]])
_SINES = np.floor(np.abs(np.sin(np.arange(1, 65))) * 2.0**32).astype(np.uint64).astype(np.uint32)
_START = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476)
_MOST_BLOCKS = 4
_TOGETHER = 16_384
"""Rows whose state stays in the processor's cache."""

_HASH_LENGTH = 64
_OF_DIGITS = np.zeros(2**16, np.uint8)
"""By two characters, as a little-endian number, the byte that they are in hexadecimal."""
for _byte in range(256):
    _OF_DIGITS[int.from_bytes(f"{_byte:02x}".encode(), "little")] = _byte

Words = NDArray[np.uint32]


def keys_of(rows: pa.Table, data_set_id: int) -> pa.Array:
    """The texts that identify works, :data:`registry.works.identity.IDENTITY_KEY` over a list's
    columns.
    """
    columns = [rows.column(name) for name in ("sha256", "other_hash", "url") if name in rows.column_names]
    if "path" in rows.column_names:
        columns.append(pc.binary_join_element_wise(f"path:{data_set_id}:", rows.column("path"), ""))
    full = next((place for place, column in enumerate(columns) if not column.null_count), len(columns) - 1)
    keys = columns[0] if full == 0 else pc.coalesce(*columns[: full + 1])
    return pa.concat_arrays(keys.chunks) if keys.num_chunks else pa.array([], pa.string())


def identities_of(keys: pa.Array) -> NDArray[np.uint64]:
    """The identity of each key; of none, where a key is null, nothing that means anything."""
    places, texts = bytes_of(keys)
    offsets = places.astype(np.int64)
    # A window may reach beyond the last text.
    data = np.append(texts, np.zeros(64 * _MOST_BLOCKS, np.uint8))
    lengths = np.diff(offsets)
    blocks = (lengths + 9 + 63) // 64
    found = np.zeros(len(keys), np.uint64)
    hashed = _start_of_hashes(data, offsets[:-1], lengths, found)
    for count in np.unique(blocks[~hashed]).tolist():
        rows = np.flatnonzero((blocks == count) & ~hashed)
        if count > _MOST_BLOCKS:
            found[rows] = [identity_of(key or "") for key in keys.take(pa.array(rows)).to_pylist()]
            continue
        for start in range(0, len(rows), _TOGETHER):
            part = rows[start : start + _TOGETHER]
            found[part] = _lower_half(_padded(data, offsets[part], lengths[part], count))
    return found


def no_hexadecimal_digit(characters: NDArray[np.uint8]) -> NDArray[np.bool_] | None:
    """Where there is something else than a lower-case hexadecimal digit; None where there is
    nothing else.
    """
    other = (characters - np.uint8(ord("0")) > 9) & (
        characters - np.uint8(ord("a")) > 5
    )  # below zero it wraps to large
    return other if other.any() else None


def _start_of_hashes(
    data: NDArray[np.uint8], starts: NDArray[np.int64], lengths: NDArray[np.int64], found: NDArray[np.uint64]
) -> NDArray[np.bool_]:
    """Fill in the identities of rows that are a SHA-256 in hex; says which rows these are."""
    hashed: NDArray[np.bool_] = np.equal(lengths, _HASH_LENGTH)
    rows = np.flatnonzero(hashed)
    for start in range(0, len(rows), _TOGETHER):
        part = rows[start : start + _TOGETHER]
        digits = sliding_window_view(data, _HASH_LENGTH)[starts[part]]
        other = no_hexadecimal_digit(digits)
        if other is not None:
            hashed[part] = ~other.any(axis=1)
        found[part] = _OF_DIGITS[np.ascontiguousarray(digits[:, :16]).view("<u2")].view(">u8")[:, 0]
    return hashed


def _padded(data: NDArray[np.uint8], starts: NDArray[np.int64], lengths: NDArray[np.int64], blocks: int) -> Words:
    """Messages as MD5 pads them: words by place, then by row."""
    width = 64 * blocks
    message = sliding_window_view(data, width)[starts]
    shortest = int(lengths.min())
    beyond = np.arange(shortest, width, dtype=np.int16) >= lengths[:, None].astype(np.int16)
    message[:, shortest:][beyond] = 0
    rows = np.arange(len(starts))
    message[rows, lengths] = 0x80
    words = message.view("<u4")
    words[:, -2] = lengths * 8
    return np.ascontiguousarray(words.T)


def _lower_half(words: Words) -> NDArray[np.uint64]:
    """The last 64 bits of the digest, as :func:`registry.works.identity.identity_of` reads them."""
    state = [np.full(words.shape[1], value, np.uint32) for value in _START]
    for start in range(0, len(words), 16):
        a, b, c, d = state
        for step in range(64):
            mixed, word = _mixed(step, b, c, d)
            mixed += a
            mixed += words[start + word]
            mixed += _SINES[step]
            turn = np.uint32(_TURNS[step // 16, step % 4])
            turned = mixed << turn
            mixed >>= np.uint32(32) - turn
            turned |= mixed
            turned += b
            a, d, c, b = d, c, b, turned
        state = [before + after for before, after in zip(state, (a, b, c, d), strict=True)]
    return state[2].astype(np.uint64) | (state[3].astype(np.uint64) << np.uint64(32))


def _mixed(step: int, b: Words, c: Words, d: Words) -> tuple[Words, int]:
    """The round's function of three words, and which word of the message comes next."""
    if step < 16:
        return d ^ (b & (c ^ d)), step
    if step < 32:
        return c ^ (d & (b ^ c)), (5 * step + 1) % 16
    if step < 48:
        return b ^ c ^ d, (3 * step + 5) % 16
    return c ^ (b | ~d), (7 * step) % 16
