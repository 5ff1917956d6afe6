"""A tree of hashes over the log: proves that an event is in it without reading the others.

The leaves are the events' own hashes, in order. Two complete subtrees of one size have a parent, so
a log of n events is a few complete subtrees of descending size. Every event commits to the root
over all events before it. The newest event therefore vouches for each earlier one by about
log2(n) hashes, which :class:`~registry.storage.tables.EventNode` keeps.

    tree = EventTree.read(connection)
    tree.append(event_sha256)
    tree.store(connection)
    unproved(connection, {3: sha256_of_event_3}, count, root)     # those not under it

A node is SHA-256 of 0x01 and its two children, as in RFC 9162; the root is SHA-256 over
"creditline log root" NUL, the count as 8 bytes big-endian, and the subtrees from large to small.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256

import duckdb
import pyarrow as pa

_ROOT = b"creditline log root\x00"


def subtrees(count: int) -> list[tuple[int, int]]:
    """Level and place of the complete subtrees over ``count`` leaves, from large to small.

    >>> subtrees(6)
    [(2, 0), (1, 2)]
    """
    found, start = [], 0
    for level in range(count.bit_length() - 1, -1, -1):
        if count >> level & 1:
            found.append((level, start >> level))
            start += 1 << level
    return found


def root_of(count: int, peaks: Iterable[str]) -> str:
    """The root over ``count`` leaves; ``peaks``: the hashes of :func:`subtrees`."""
    return sha256(_ROOT + count.to_bytes(8, "big") + b"".join(bytes.fromhex(each) for each in peaks)).hexdigest()


def _parent(left: str, right: str) -> str:
    return sha256(b"\x01" + bytes.fromhex(left) + bytes.fromhex(right)).hexdigest()


@dataclass
class EventTree:
    """The subtrees of a log, to be continued by new events."""

    count: int = 0
    peaks: list[str] = field(default_factory=list)
    """The hashes of :func:`subtrees`."""
    _new: list[tuple[int, int, str]] = field(default_factory=list)

    @classmethod
    def read(cls, connection: duckdb.DuckDBPyConnection, count: int) -> EventTree | None:
        """The tree over the first ``count`` events; None if nodes are missing or no hashes."""
        nodes = _nodes(connection, subtrees(count))
        peaks = [nodes.get(place) for place in subtrees(count)]
        known = [each for each in peaks if each is not None]
        return cls(count, known) if len(known) == len(peaks) else None

    @property
    def root(self) -> str:
        return root_of(self.count, self.peaks)

    def append(self, leaf: str) -> None:
        """Add the hash of the next event."""
        level, place, node = 0, self.count, leaf
        self._new.append((level, place, node))
        while place & 1:
            level, place, node = level + 1, place >> 1, _parent(self.peaks.pop(), node)
            self._new.append((level, place, node))
        self.peaks.append(node)
        self.count += 1

    def new_nodes(self) -> pa.Table:
        """The nodes that were added since the tree was read."""
        levels, places, hashes = zip(*self._new, strict=True) if self._new else ((), (), ())
        return pa.table(
            {
                "level": pa.array(levels, pa.int64()),
                "place": pa.array(places, pa.int64()),
                "sha256": pa.array(hashes, pa.string()),
            }
        )

    def store(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Write the new nodes into the table."""
        connection.register("new_nodes", self.new_nodes())
        connection.execute("INSERT INTO event_node (level, place, sha256) SELECT level, place, sha256 FROM new_nodes")
        connection.unregister("new_nodes")
        self._new = []


def is_sha256(text: object) -> bool:
    """Whether this is a SHA-256 in hexadecimal digits."""
    return isinstance(text, str) and len(text) == 64 and not set(text) - set("0123456789abcdef")


def unproved(connection: duckdb.DuckDBPyConnection, leaves: Mapping[int, str], count: int, root: str) -> list[int]:
    """The events (by sequence, each with its hash) that are not under this root, in order.

    ``count``: of the events under the root.
    """
    whole = subtrees(count)
    ways = {sequence: _way(sequence - 1, whole) for sequence in leaves}
    wanted = {place for way in ways.values() for place in way} | set(whole)
    nodes = _nodes(connection, sorted(wanted))
    found = []
    for sequence, leaf in sorted(leaves.items()):
        place, node = sequence - 1, leaf
        peak: tuple[int, int] = (0, place)
        whole_way = True
        for level, sibling in ways[sequence]:
            other = nodes.get((level, sibling))
            if other is None:
                whole_way = False
                break
            node = _parent(other, node) if place & 1 else _parent(node, other)
            place >>= 1
            peak = level + 1, place
        peaks = [node if each == peak else nodes.get(each) for each in whole]
        known = [each for each in peaks if each is not None]
        fits = whole_way and peak in whole and len(known) == len(whole) and root_of(count, known) == root
        if not fits:
            found.append(sequence)
    return found


def _way(leaf: int, whole: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Level and place of the siblings from a leaf up to its subtree."""
    level, place, way = 0, leaf, []
    highest = {place: level for level, place in whole if leaf >> level == place}
    top = max(highest.values(), default=0)
    while level < top:
        way.append((level, place ^ 1))
        level, place = level + 1, place >> 1
    return way


def _nodes(connection: duckdb.DuckDBPyConnection, places: Iterable[tuple[int, int]]) -> dict[tuple[int, int], str]:
    listed = list(places)
    if not listed:
        return {}
    levels, numbers = zip(*listed, strict=True)
    rows = {"node_level": pa.array(levels, pa.int64()), "node_place": pa.array(numbers, pa.int64())}
    connection.register("wanted_nodes", pa.table(rows))
    found = connection.execute(
        "SELECT level, place, sha256 FROM event_node JOIN wanted_nodes ON level = node_level AND place = node_place"
    ).fetchall()
    connection.unregister("wanted_nodes")
    return {(int(level), int(place)): str(node) for level, place, node in found if is_sha256(node)}
