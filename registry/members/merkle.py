"""A Merkle tree over the works of a manifest: proves one work in or out without showing the others.

A manifest names the root and the count of its works. A proof of a few hundred bytes then shows that
a work is under that root, or that it is not. A check needs this module and the standard library:

    tree = MerkleTree.build(hashes)                      # SHA-256 of each work, any order
    proof = tree.prove(work_sha256)                      # an InclusionProof or an AbsenceProof
    verify(proof, tree.root, tree.count, work_sha256)    # True

**Tree.** A leaf's key is SHA-256("creditline work" NUL digest of the work), so a neighbour shown in
a proof reveals its work only to a reader who has that work. Keys are in ascending order, each once,
and hashed as in RFC 9162, section 2.1: 0x00 before a leaf, 0x01 before a node, so neither can pass
for the other. The root is SHA-256("creditline manifest root" NUL, count as 8 bytes big-endian, root
of the tree). It binds the count. Count and position fix the shape of an audit path, so no leaf can
claim another position.

**Absence** is shown by two leaves at adjacent positions with keys below and above the work's key;
by the first leaf, if its key is above; by the last leaf, if its key is below; or by an empty tree
(count = 0).

**Limit.** A proof of absence relies on the order of the leaves, which a root does not show. The
maker of the root could reorder leaves, or leave a work out. With the whole manifest,
:func:`root_of` checks this; without it, a proof is as good as the signature under the manifest.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from typing import Any

from registry.errors import InputError, NotFoundError
from registry.ids import each_once
from registry.messages import plain_reason

VERSION = 1
LARGEST_COUNT = 2**40
"""Works in one manifest; far above any real number, it bounds the length of an audit path."""
LARGEST_PROOF = 16_384
"""Characters of a proof; two audit paths of 40 hashes need less than 6,000."""

_WIDTH = 32
_KEY = b"creditline work\x00"
_ROOT = b"creditline manifest root\x00"
_LEAF = b"\x00"
_NODE = b"\x01"
_LONGEST_PATH = 40


@dataclass(frozen=True)
class Leaf:
    """A leaf and the way from it to the root."""

    key: str
    position: int
    path: tuple[str, ...]
    """Hashes of the siblings, from the leaf upwards."""


@dataclass(frozen=True)
class InclusionProof:
    """The work is at this position. The checker computes the key from the work."""

    position: int
    path: tuple[str, ...]

    def to_json(self) -> str:
        return _dump("inclusion", {"position": self.position, "path": list(self.path)})

    @classmethod
    def from_json(cls, text: str) -> InclusionProof:
        """Read what :meth:`to_json` wrote. Raises InputError for anything else."""
        fields = _load(text, "inclusion", {"position", "path"})
        return cls(_position(fields["position"]), _path(fields["path"]))


@dataclass(frozen=True)
class AbsenceProof:
    """The leaves before and after the work's place; None at an end, both None in an empty tree."""

    before: Leaf | None
    after: Leaf | None

    def to_json(self) -> str:
        return _dump("absence", {"before": _leaf_fields(self.before), "after": _leaf_fields(self.after)})

    @classmethod
    def from_json(cls, text: str) -> AbsenceProof:
        """Read what :meth:`to_json` wrote. Raises InputError for anything else."""
        fields = _load(text, "absence", {"before", "after"})
        return cls(_leaf(fields["before"]), _leaf(fields["after"]))


Proof = InclusionProof | AbsenceProof


class MerkleTree:
    """The tree of one manifest; each level is one run of bytes, in all about 96 bytes per work."""

    def __init__(self, keys: bytes) -> None:
        """Hash ``keys``, ascending and joined, up to the root. :meth:`build` makes them."""
        self._keys = keys
        self._levels = _levels(keys)
        self.count = len(keys) // _WIDTH
        self.root = _bind(self.count, bytes(self._levels[-1]) if self.count else sha256().digest()).hex()

    @classmethod
    def build(cls, hashes: Iterable[str]) -> MerkleTree:
        """Build from the SHA-256 (lower-case hexadecimal) of every work, once each, in any order.

        Raises:
            InputError: something is not a SHA-256, or a work comes twice.
        """
        # By first byte, so that at most about 1/256 of the keys are Python objects at a time.
        buckets = [bytearray() for _ in range(256)]
        for text in hashes:
            key = _key(_digest(text))
            buckets[key[0]] += key
        joined = bytearray()
        for bucket in buckets:
            keys = sorted(bytes(bucket[start : start + _WIDTH]) for start in range(0, len(bucket), _WIDTH))
            if any(low == high for low, high in pairwise(keys)):
                raise InputError("a work comes twice in the manifest; name each work once")
            joined += b"".join(keys)
            bucket.clear()
        return cls(bytes(joined))

    def prove(self, work_sha256: str) -> Proof:
        """Prove that a work is in the tree, or that it is not."""
        key = _key(_digest(work_sha256))
        position = bisect_left(range(self.count), key, key=self._key_at)
        if position < self.count and self._key_at(position) == key:
            return InclusionProof(position, self._path(position))
        return AbsenceProof(
            before=self._leaf(position - 1) if position else None,
            after=self._leaf(position) if position < self.count else None,
        )

    def prove_inclusion(self, work_sha256: str) -> InclusionProof:
        """Prove that a work is in the tree. Raises NotFoundError if it is not."""
        proof = self.prove(work_sha256)
        if isinstance(proof, AbsenceProof):
            raise NotFoundError(f"work {work_sha256} is not in the manifest; its absence can be proved instead")
        return proof

    def prove_absence(self, work_sha256: str) -> AbsenceProof:
        """Prove that a work is not in the tree. Raises NotFoundError if it is."""
        proof = self.prove(work_sha256)
        if isinstance(proof, InclusionProof):
            raise NotFoundError(f"work {work_sha256} is in the manifest, so its absence cannot be proved")
        return proof

    def _key_at(self, position: int) -> bytes:
        return self._keys[position * _WIDTH : (position + 1) * _WIDTH]

    def _leaf(self, position: int) -> Leaf:
        return Leaf(self._key_at(position).hex(), position, self._path(position))

    def _path(self, position: int) -> tuple[str, ...]:
        path = []
        for level in self._levels[:-1]:
            start = (position ^ 1) * _WIDTH
            if start < len(level):
                path.append(level[start : start + _WIDTH].hex())
            position //= 2
        return tuple(path)


def root_of(hashes: Iterable[str]) -> str:
    """Root of a manifest with these works, as :meth:`MerkleTree.build` takes them."""
    return MerkleTree.build(hashes).root


def verify(proof: Proof, root: str, leaf_count: int, work_sha256: str) -> bool:
    """Whether a proof holds for a work, under a manifest's root and count.

    Take root and count from the manifest, never from the proof's sender. A malformed argument gives
    False, not an error.
    """
    try:
        key = _key(_digest(work_sha256))
        expected = _digest(root)
        if type(leaf_count) is not int or not 0 <= leaf_count <= LARGEST_COUNT:
            return False
        if isinstance(proof, InclusionProof):
            return _leads_to(expected, leaf_count, key, _position(proof.position), _path(list(proof.path)))
        return _shows_absence(proof, expected, leaf_count, key)
    except (InputError, AttributeError, TypeError, ValueError):
        return False


def _shows_absence(proof: AbsenceProof, root: bytes, count: int, key: bytes) -> bool:
    before, after = proof.before, proof.after
    if before is None and after is None:
        return count == 0 and _bind(0, sha256().digest()) == root
    first_after = 0 if before is None else before.position + 1
    if (first_after if after is None else after.position) != first_after or (after is None and first_after != count):
        return False
    keys = [_digest(leaf.key) for leaf in (before, after) if leaf]
    in_order = [*keys[: before is not None], key, *keys[before is not None :]]
    if any(low >= high for low, high in pairwise(in_order)):
        return False
    return all(
        _leads_to(root, count, _digest(leaf.key), _position(leaf.position), _path(list(leaf.path)))
        for leaf in (before, after)
        if leaf
    )


def _leads_to(root: bytes, count: int, key: bytes, position: int, path: tuple[str, ...]) -> bool:
    """Whether the audit path of a leaf ends in the root (RFC 9162, section 2.1.3.2)."""
    if position >= count:
        return False
    siblings = iter(path)
    node = sha256(_LEAF + key).digest()
    last = count - 1
    while last:
        if position % 2 or position < last:
            sibling = next(siblings, None)
            if sibling is None:
                return False
            other = bytes.fromhex(sibling)
            node = sha256(_NODE + (other + node if position % 2 else node + other)).digest()
        position //= 2
        last //= 2
    return next(siblings, None) is None and _bind(count, node) == root


def _levels(keys: bytes) -> list[bytearray]:
    """Hashes of every level, leaves first. As in RFC 9162, a node without a sibling moves up."""
    level = bytearray()
    for start in range(0, len(keys), _WIDTH):
        level += sha256(_LEAF + keys[start : start + _WIDTH]).digest()
    levels = [level]
    while len(level) > _WIDTH:
        above = bytearray()
        pairs = len(level) - len(level) % (2 * _WIDTH)
        for start in range(0, pairs, 2 * _WIDTH):
            above += sha256(_NODE + level[start : start + 2 * _WIDTH]).digest()
        above += level[pairs:]
        levels.append(above)
        level = above
    return levels


def _bind(count: int, tree_root: bytes) -> bytes:
    return sha256(_ROOT + count.to_bytes(8, "big") + tree_root).digest()


def _key(digest: bytes) -> bytes:
    return sha256(_KEY + digest).digest()


def _digest(text: object) -> bytes:
    """The bytes of a SHA-256 in lower-case hexadecimal only, so that a proof has one form."""
    try:
        digest = bytes.fromhex(text) if isinstance(text, str) and len(text) == 2 * _WIDTH else b""
    except ValueError:
        digest = b""
    if len(digest) != _WIDTH or digest.hex() != text:
        raise InputError(f"{str(text)[:80]!r} is not a SHA-256; expected {2 * _WIDTH} lower-case hexadecimal digits")
    return digest


def _position(value: object) -> int:
    if type(value) is not int or not 0 <= value < LARGEST_COUNT:
        raise InputError(f"a proof's position is a whole number from 0, got {str(value)[:80]!r}")
    return value


def _path(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > _LONGEST_PATH:
        raise InputError(f"a proof's path is a list of at most {_LONGEST_PATH} hashes")
    return tuple(_digest(text).hex() for text in value)


def _leaf(value: object) -> Leaf | None:
    if value is None:
        return None
    if not isinstance(value, dict) or value.keys() != {"key", "position", "path"}:
        raise InputError("a neighbour in a proof of absence has a key, a position and a path, and nothing else")
    return Leaf(_digest(value["key"]).hex(), _position(value["position"]), _path(value["path"]))


def _leaf_fields(leaf: Leaf | None) -> dict[str, Any] | None:
    return None if leaf is None else {"key": leaf.key, "position": leaf.position, "path": list(leaf.path)}


def _dump(kind: str, fields: dict[str, Any]) -> str:
    return json.dumps({"creditline_proof": kind, "version": VERSION, **fields}, sort_keys=True)


def _load(text: object, kind: str, names: set[str]) -> dict[str, Any]:
    if not isinstance(text, str) or len(text) > LARGEST_PROOF:
        raise InputError(f"a proof is text of at most {LARGEST_PROOF:,} characters")
    try:
        document = json.loads(text, object_pairs_hook=each_once)
    except (ValueError, RecursionError) as error:
        raise InputError(f"the proof is not JSON: {plain_reason(error)}") from error
    if not isinstance(document, dict) or document.get("creditline_proof") != kind:
        raise InputError(f"not a creditline proof of {kind}")
    version = document.get("version")
    if type(version) is not int or version != VERSION:
        raise InputError(f"proof of version {str(version)[:20]!r}; this creditline reads version {VERSION}")
    if document.keys() != {"creditline_proof", "version"} | names:
        raise InputError(f"a proof of {kind} has the fields {', '.join(sorted(names))} and no others")
    return document
