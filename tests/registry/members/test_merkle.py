"""Merkle proofs: what is true can be proved at every size, what is false cannot, however a proof is
bent.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.errors import InputError, NotFoundError
from registry.members.merkle import AbsenceProof, InclusionProof, Leaf, MerkleTree, Proof, root_of, verify


def work(number: int) -> str:
    return sha256(number.to_bytes(8, "big")).hexdigest()


def works(count: int) -> list[str]:
    return [work(number) for number in range(count)]


def key_of(work_sha256: str) -> bytes:
    return sha256(b"creditline work\x00" + bytes.fromhex(work_sha256)).digest()


def by_definition(keys: list[bytes]) -> bytes:
    """Root of the tree, by the recursive definition of RFC 9162, section 2.1.1."""
    if not keys:
        return sha256().digest()
    if len(keys) == 1:
        return sha256(b"\x00" + keys[0]).digest()
    split = 1 << ((len(keys) - 1).bit_length() - 1)
    return sha256(b"\x01" + by_definition(keys[:split]) + by_definition(keys[split:])).digest()


def in_order(hashes: list[str]) -> list[str]:
    return sorted(hashes, key=key_of)


def as_leaf(tree: MerkleTree, work_sha256: str) -> Leaf:
    """A true leaf of the tree, as a dishonest prover may use it in a proof of absence."""
    proof = tree.prove_inclusion(work_sha256)
    return Leaf(key_of(work_sha256).hex(), proof.position, proof.path)


@pytest.mark.parametrize("count", [*range(18), 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257])
def test_the_root_is_that_of_the_published_definition(count: int) -> None:
    """The root is RFC 9162's over sorted blinded keys, bound to the count, whatever order the works
    come in.
    """
    hashes = works(count)
    tree_root = by_definition(sorted(map(key_of, hashes)))
    expected = sha256(b"creditline manifest root\x00" + count.to_bytes(8, "big") + tree_root).hexdigest()
    assert root_of(hashes) == root_of(reversed(hashes)) == expected


@pytest.mark.slow
@given(count=st.integers(0, 300), asked=st.integers(0, 600), other=st.integers(0, 600))
@settings(max_examples=400, deadline=None)
def test_what_is_true_is_proved_and_nothing_else(count: int, asked: int, other: int) -> None:
    """Every work in or out of a tree of any size has a proof of just that, which speaks for no
    other work, root or count.
    """
    tree = MerkleTree.build(works(count))
    proof = tree.prove(work(asked))
    assert isinstance(proof, InclusionProof) == (asked < count)
    assert verify(proof, tree.root, tree.count, work(asked))
    assert not verify(proof, tree.root, tree.count + 1, work(asked))
    assert not verify(proof, tree.root, tree.count - 1, work(asked))
    assert not verify(proof, root_of(works(count + 1)), tree.count, work(asked))
    if isinstance(proof, InclusionProof):
        assert verify(proof, tree.root, tree.count, work(other)) == (other == asked)
    elif other < count:
        assert not verify(proof, tree.root, tree.count, work(other))


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 8, 9, 64, 65, 300])
def test_every_work_of_a_tree_is_proved(count: int) -> None:
    """No position of a tree lacks its proof, first and last and promoted ones included."""
    tree = MerkleTree.build(works(count))
    for hashed in works(count):
        assert verify(tree.prove_inclusion(hashed), tree.root, count, hashed)
        with pytest.raises(NotFoundError, match="is in the manifest"):
            tree.prove_absence(hashed)
    with pytest.raises(NotFoundError, match="not in the manifest"):
        tree.prove_inclusion(work(count))


@pytest.mark.parametrize("count", [3, 4, 5, 8, 13, 33])
def test_leaves_that_are_not_adjacent_prove_no_absence(count: int) -> None:
    """Jumping over a work fails with true positions, and with positions changed to look
    adjacent.
    """
    hashes = in_order(works(count))
    tree = MerkleTree.build(hashes)
    for index in range(1, count - 1):
        before, after = as_leaf(tree, hashes[index - 1]), as_leaf(tree, hashes[index + 1])
        for left, right in [
            (before, after),
            (before, replace(after, position=index)),
            (replace(before, position=index), after),
            (before, None),
            (None, after),
            (None, replace(after, position=0)),
            (replace(before, position=count - 1), None),
        ]:
            assert not verify(AbsenceProof(left, right), tree.root, count, hashes[index])


@pytest.mark.parametrize("count", [1, 2, 3, 6, 17])
def test_no_present_work_is_shown_absent_by_any_pair_of_leaves(count: int) -> None:
    """Of all pairs of true leaves and ends, none proves that a work of the tree is not in it."""
    hashes = in_order(works(count))
    tree = MerkleTree.build(hashes)
    ends = [None, *(as_leaf(tree, hashed) for hashed in hashes)]
    for before in ends:
        for after in ends:
            for hashed in hashes:
                assert not verify(AbsenceProof(before, after), tree.root, count, hashed)


@pytest.mark.parametrize("count", [2, 3, 5, 8, 21])
def test_a_position_cannot_be_claimed_that_is_not_the_leafs(count: int) -> None:
    """With the same path, no other position and no other count leads to the root."""
    tree = MerkleTree.build(works(count))
    for hashed in works(count):
        proof = tree.prove_inclusion(hashed)
        accepted = {
            (position, size)
            for size in range(2 * count + 2)
            for position in range(size)
            if verify(replace(proof, position=position), tree.root, size, hashed)
        }
        assert accepted == {(proof.position, count)}


def test_a_node_is_no_leaf_and_a_leaf_no_node() -> None:
    """An inner node cannot be passed off as a leaf of a smaller tree, nor a path be cut short or
    drawn out.
    """
    hashes = in_order(works(4))
    tree = MerkleTree.build(hashes)
    proof = tree.prove_inclusion(hashes[0])
    leaf_hashes = [sha256(b"\x00" + key_of(hashed)).digest() for hashed in hashes]
    pair = leaf_hashes[0] + leaf_hashes[1]
    upper = Leaf(sha256(b"\x01" + pair).hexdigest(), 0, proof.path[1:])
    assert not verify(AbsenceProof(upper, None), tree.root, 1, work(9))
    assert not verify(InclusionProof(0, proof.path[1:]), tree.root, 2, hashes[0])
    assert not verify(InclusionProof(0, proof.path[:1]), tree.root, 4, hashes[0])
    assert not verify(InclusionProof(0, (*proof.path, "00" * 32)), tree.root, 4, hashes[0])
    # The root of the tree without its count is no root of a manifest.
    assert not verify(proof, by_definition(sorted(map(key_of, hashes))).hex(), 4, hashes[0])


def test_emptiness_cannot_be_claimed() -> None:
    """Only a manifest of no works is proved empty, and it proves the absence of all."""
    empty, full = MerkleTree.build([]), MerkleTree.build(works(2))
    nothing = AbsenceProof(None, None)
    assert verify(nothing, empty.root, 0, work(0))
    assert not verify(nothing, full.root, 2, work(9))
    assert not verify(nothing, full.root, 0, work(9))
    assert not verify(full.prove(work(9)), empty.root, 0, work(9))


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_one_changed_digit_breaks_a_proof(data: st.DataObject) -> None:
    """Every hash and position of a proof is needed as it is."""
    count = data.draw(st.integers(2, 60))
    asked = data.draw(st.integers(0, 120))
    tree = MerkleTree.build(works(count))
    proof = tree.prove(work(asked))
    text = proof.to_json()
    fields = json.loads(text)
    leaves = (
        [fields] if isinstance(proof, InclusionProof) else [fields[end] for end in ("before", "after") if fields[end]]
    )
    leaf = data.draw(st.sampled_from(leaves))
    if data.draw(st.booleans()):
        leaf["position"] += data.draw(st.sampled_from([-1, 1]))
    else:
        index = data.draw(st.integers(0, len(leaf["path"]) - 1))
        place = data.draw(st.integers(0, 63))
        digits = leaf["path"][index]
        leaf["path"][index] = digits[:place] + format(int(digits[place], 16) ^ 1, "x") + digits[place + 1 :]
    try:
        changed: Proof = type(proof).from_json(json.dumps(fields))
    except InputError:
        return
    assert not verify(changed, tree.root, count, work(asked))


@pytest.mark.parametrize("count", [0, 1, 5, 40])
def test_proofs_survive_json(count: int) -> None:
    """A proof read back is the proof, and is not read as the other kind."""
    tree = MerkleTree.build(works(count))
    absence = tree.prove_absence(work(count))
    assert AbsenceProof.from_json(absence.to_json()) == absence
    with pytest.raises(InputError, match="not a creditline proof of inclusion"):
        InclusionProof.from_json(absence.to_json())
    if count:
        inclusion = tree.prove_inclusion(work(0))
        assert InclusionProof.from_json(inclusion.to_json()) == inclusion


GOOD = {"creditline_proof": "inclusion", "version": 1, "position": 0, "path": ["0" * 64]}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not JSON"),
        ("[" * 10_000, "not JSON"),
        ("[]", "not a creditline proof"),
        ("NaN", "not a creditline proof"),
        ("x" * 20_000, "at most 16,384"),
        (json.dumps({**GOOD, "version": 2}), "version"),
        (json.dumps({**GOOD, "version": True}), "version"),
        (json.dumps({**GOOD, "more": 1}), "no others"),
        (json.dumps({key: GOOD[key] for key in ("creditline_proof", "version", "path")}), "no others"),
        (json.dumps({**GOOD, "position": -1}), "position"),
        (json.dumps({**GOOD, "position": 1.0}), "position"),
        (json.dumps({**GOOD, "position": True}), "position"),
        (json.dumps({**GOOD, "position": 10**30}), "position"),
        (json.dumps({**GOOD, "position": 1})[:-1] + f', "position": {"9" * 5000}}}', "not JSON"),
        (json.dumps({**GOOD, "path": "0" * 64}), "path"),
        (json.dumps({**GOOD, "path": ["0" * 64] * 41}), "at most 40"),
        (json.dumps({**GOOD, "path": ["A" * 64]}), "lower-case"),
        (json.dumps({**GOOD, "path": ["0" * 62 + " 0"]}), "SHA-256"),
        (json.dumps({**GOOD, "path": ["\x00" * 64]}), "SHA-256"),
        (json.dumps({**GOOD, "path": [None]}), "SHA-256"),
        ('{"position": 1, ' + json.dumps(GOOD)[1:], "twice"),
    ],
)
def test_a_hostile_proof_is_refused_in_one_line(text: str, reason: str) -> None:
    """Whatever is not a proof as written is refused with its reason."""
    with pytest.raises(InputError, match=reason) as refused:
        InclusionProof.from_json(text)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "neighbour", [1, [], {}, {"key": "0" * 64, "position": 0}, {"key": "0", "position": 0, "path": []}]
)
def test_a_hostile_neighbour_is_refused(neighbour: object) -> None:
    """A neighbour is a leaf in full or nothing."""
    fields = {"creditline_proof": "absence", "version": 1, "before": neighbour, "after": None}
    with pytest.raises(InputError):
        AbsenceProof.from_json(json.dumps(fields))


def test_malformed_arguments_prove_nothing() -> None:
    """Checking never raises: what is not a root, a count, a work or a proof is not proved."""
    tree = MerkleTree.build(works(5))
    proof = tree.prove_inclusion(work(0))
    assert verify(proof, tree.root, 5, work(0))
    for root in ("", "zz" * 32, tree.root.upper(), tree.root + " "):
        assert not verify(proof, root, 5, work(0))
    for count in (-1, 0, 2**70, True):
        assert not verify(proof, tree.root, count, work(0))
    assert not verify(proof, tree.root, 5, "not a hash")
    assert not verify(replace(proof, position=-1), tree.root, 5, work(0))
    assert not verify(replace(proof, path=("00",) * len(proof.path)), tree.root, 5, work(0))
    assert not verify(None, tree.root, 5, work(0))  # type: ignore[arg-type] # what a careless caller may pass
    leaf = as_leaf(tree, work(0))
    for wrong in (replace(leaf, position="0"), replace(leaf, path=3), "leaf"):  # type: ignore[arg-type] # as above
        assert not verify(AbsenceProof(wrong, None), tree.root, 5, work(9))  # type: ignore[arg-type] # as above


@pytest.mark.parametrize("hashes", [["0"], ["G" * 64], [work(0).upper()], [work(0), work(0)], [7]])
def test_a_manifest_of_wrong_hashes_is_refused(hashes: list[str]) -> None:
    """A tree is made of different SHA-256 digests only."""
    with pytest.raises(InputError):
        MerkleTree.build(hashes)


def test_other_works_are_not_shown() -> None:
    """A proof holds no hash of a work of the manifest."""
    hashes = works(20)
    tree = MerkleTree.build(hashes)
    texts = tree.prove(work(3)).to_json() + tree.prove(work(99)).to_json()
    assert not any(hashed in texts for hashed in hashes)


def test_checking_needs_the_standard_library_alone() -> None:
    """Importing the module loads nothing that must be installed, so that anyone can check a
    proof.
    """
    program = "import sys, registry.members.merkle; print({'numpy', 'PIL', 'duckdb', 'pydantic'} & set(sys.modules))"
    root = Path(__file__).parents[3]
    found = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
