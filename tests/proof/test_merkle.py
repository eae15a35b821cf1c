"""The tree and its proofs: known vectors, and every size to 300 against a tree that is nothing but RFC 6962's words."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.proof.edge import Edge, edge_at
from ledger.proof.merkle import (
    EMPTY_ROOT,
    BadProof,
    check_consistency,
    check_inclusion,
    joined,
    node,
    prove_consistency,
    prove_inclusion,
    root_at,
)
from ledger.store.envelope import leaf_hash

#: The leaves and roots that every implementation of RFC 6962 is tried with (its reference implementation's own).
INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
#: (leaf, size, path) and (old, new, path) over those inputs.
INCLUSION = [
    (0, 1, []),
    (
        0,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        5,
        8,
        [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    (
        1,
        5,
        [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
]
CONSISTENCY = [
    (1, 1, []),
    (
        1,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        6,
        8,
        [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (
        2,
        5,
        [
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
]


class Naive:
    """RFC 6962, section 2.1, word for word: MTH, PATH and SUBPROOF over a list of leaf hashes."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self.leaves = leaves

    @cache  # noqa: B019 - a tree lives as long as the test
    def mth(self, low: int, high: int) -> bytes:
        if high - low == 1:
            return self.leaves[low]
        middle = low + self.split(high - low)
        return hashlib.sha256(b"\x01" + self.mth(low, middle) + self.mth(middle, high)).digest()

    @staticmethod
    def split(count: int) -> int:
        k = 1
        while k * 2 < count:
            k *= 2
        return k

    def path(self, leaf: int, low: int, high: int) -> list[bytes]:
        if high - low == 1:
            return []
        k = self.split(high - low)
        if leaf < k:
            return [*self.path(leaf, low, low + k), self.mth(low + k, high)]
        return [*self.path(leaf - k, low + k, high), self.mth(low, low + k)]

    def subproof(self, old: int, low: int, high: int, whole: bool) -> list[bytes]:
        if old == high - low:
            return [] if whole else [self.mth(low, high)]
        k = self.split(high - low)
        if old <= k:
            return [*self.subproof(old, low, low + k, whole), self.mth(low + k, high)]
        return [*self.subproof(old - k, low + k, high, False), self.mth(low, low + k)]

    def subtree(self, height: int, index: int) -> bytes:
        return self.mth(index << height, (index + 1) << height)


LEAVES = [hashlib.sha256(b"leaf %d" % number).digest() for number in range(700)]
TREE = Naive(LEAVES)
SIZES = range(1, 301)


def inputs() -> Naive:
    return Naive([leaf_hash(bytes.fromhex(each)) for each in INPUTS])


def test_the_known_roots() -> None:
    assert bytes.fromhex(ROOTS[0]) == EMPTY_ROOT == joined([]) == Edge().root()
    edge = Edge()
    for size, leaf in enumerate(inputs().leaves, start=1):
        edge.append(leaf)
        assert edge.root().hex() == ROOTS[size] == root_at(inputs(), size).hex()


@pytest.mark.parametrize(("leaf", "size", "path"), INCLUSION)
def test_the_known_inclusion_proofs(leaf: int, size: int, path: list[str]) -> None:
    assert [each.hex() for each in prove_inclusion(inputs(), leaf, size)] == path
    root = bytes.fromhex(ROOTS[size])
    check_inclusion(inputs().leaves[leaf], leaf, size, [bytes.fromhex(each) for each in path], root)


@pytest.mark.parametrize(("old", "new", "path"), CONSISTENCY)
def test_the_known_consistency_proofs(old: int, new: int, path: list[str]) -> None:
    assert [each.hex() for each in prove_consistency(inputs(), old, new)] == path
    roots = bytes.fromhex(ROOTS[old]), bytes.fromhex(ROOTS[new])
    check_consistency(old, roots[0], new, roots[1], [bytes.fromhex(each) for each in path])


def test_the_example_of_rfc_9162() -> None:
    """Its section 2.1.5: the tree of seven leaves, built up from hash0, hash1 and hash2, and its named proofs."""
    a, b, c, d, e, f, j = LEAVES[:7]
    g, h, i = node(a, b), node(c, d), node(e, f)
    k, m = node(g, h), node(i, j)
    hash0, hash1, hash2, root = node(a, b), node(g, c), node(k, i), node(k, m)
    assert root_at(TREE, 7) == root
    assert prove_inclusion(TREE, 0, 7) == [b, h, m]
    assert prove_inclusion(TREE, 3, 7) == [c, g, m]
    assert prove_inclusion(TREE, 4, 7) == [f, j, k]
    assert prove_inclusion(TREE, 6, 7) == [i, k]
    assert [root_at(TREE, size) for size in (2, 3, 6)] == [hash0, hash1, hash2]
    assert prove_consistency(TREE, 3, 7) == [c, d, g, m]
    assert prove_consistency(TREE, 4, 7) == [m]
    assert prove_consistency(TREE, 6, 7) == [i, j, k]


def test_every_inclusion_proof_of_every_size() -> None:
    for size in SIZES:
        root = TREE.mth(0, size)
        assert root_at(TREE, size) == root
        for leaf in range(size):
            path = prove_inclusion(TREE, leaf, size)
            assert path == TREE.path(leaf, 0, size)
            check_inclusion(LEAVES[leaf], leaf, size, path, root)


def test_every_consistency_proof_of_every_size() -> None:
    for new in SIZES:
        for old in range(1, new + 1):
            path = prove_consistency(TREE, old, new)
            assert path == TREE.subproof(old, 0, new, True)
            check_consistency(old, TREE.mth(0, old), new, TREE.mth(0, new), path)
        assert prove_consistency(TREE, 0, new) == []
        check_consistency(0, EMPTY_ROOT, new, TREE.mth(0, new), [])


def test_the_right_edge_at_every_size_and_its_tiles() -> None:
    """Grown leaf by leaf or found anew from the tree, it is the same edge; what it fills are the tree's tiles."""
    edge = Edge()
    for size, leaf in enumerate(LEAVES, start=1):
        filled = edge.append(leaf)
        assert edge.root() == TREE.mth(0, size)
        again = edge_at(TREE, size)
        assert (again.size, again.root()) == (size, edge.root())
        assert [(tile.level, tile.number) for tile in filled] == ([(0, size // 256 - 1)] if size % 256 == 0 else [])
        for tile in filled:
            first = tile.number * 256
            assert tile.hashes == b"".join(LEAVES[first : first + 256])
            assert tile.root == TREE.mth(first, first + 256)


def changed(path: list[bytes], where: int, how: str) -> list[bytes]:
    """A proof with one thing wrong with it."""
    other = hashlib.sha256(b"another").digest()
    at = where % max(1, len(path))
    if how == "longer":
        return [*path[:at], other, *path[at:]]
    if how == "shorter":
        return path[:at] + path[at + 1 :]
    if how == "swapped" and len(path) > 1:
        at = where % (len(path) - 1)
        return [*path[:at], path[at + 1], path[at], *path[at + 2 :]]
    return [*path[:at], other, *path[at + 1 :]] if path else [other]


HOW = st.sampled_from(["longer", "shorter", "swapped", "another"])


@settings(max_examples=500, deadline=None)
@given(size=st.integers(1, 300), leaf=st.integers(0, 299), where=st.integers(0, 10), how=HOW, other=st.integers(0, 699))
def test_no_other_inclusion_proof_is_accepted(size: int, leaf: int, where: int, how: str, other: int) -> None:
    leaf %= size
    root, path = TREE.mth(0, size), prove_inclusion(TREE, leaf, size)
    wrong = changed(path, where, how)
    if wrong != path:
        with pytest.raises(BadProof):
            check_inclusion(LEAVES[leaf], leaf, size, wrong, root)
    if other != leaf:
        with pytest.raises(BadProof):
            check_inclusion(LEAVES[other], leaf, size, path, root)
        with pytest.raises(BadProof):
            check_inclusion(LEAVES[leaf], other, size, path, root)
    with pytest.raises(BadProof):
        check_inclusion(LEAVES[leaf], leaf, size, path, TREE.mth(0, size + 1))


@settings(max_examples=500, deadline=None)
@given(new=st.integers(2, 300), old=st.integers(1, 299), where=st.integers(0, 10), how=HOW)
def test_no_other_consistency_proof_is_accepted(new: int, old: int, where: int, how: str) -> None:
    old = 1 + old % (new - 1)
    first, second = TREE.mth(0, old), TREE.mth(0, new)
    path = prove_consistency(TREE, old, new)
    wrong = changed(path, where, how)
    if wrong != path:
        with pytest.raises(BadProof):
            check_consistency(old, first, new, second, wrong)
    forked = Naive([*LEAVES[: old - 1], LEAVES[old], *LEAVES[old:]])
    for roots in ((forked.mth(0, old), second), (first, forked.mth(0, new)), (second, first)):
        with pytest.raises(BadProof):
            check_consistency(old, roots[0], new, roots[1], path)


def test_what_cannot_be_is_refused() -> None:
    root = TREE.mth(0, 5)
    for index, size in ((5, 5), (-1, 5), (0, 0)):
        with pytest.raises(ValueError, match="is not in a tree"):
            prove_inclusion(TREE, index, size)
        with pytest.raises(BadProof):
            check_inclusion(LEAVES[0], index, size, [], root)
    with pytest.raises(ValueError, match="does not begin with"):
        prove_consistency(TREE, 6, 5)
    for old, old_root, new, new_root, path in (
        (6, root, 5, root, []),
        (5, root, 5, TREE.mth(0, 4), []),
        (5, root, 5, root, [root]),
        (0, root, 5, root, []),
        (0, EMPTY_ROOT, 5, root, [root]),
        (4, TREE.mth(0, 4), 5, root, []),
    ):
        with pytest.raises(BadProof):
            check_consistency(old, old_root, new, new_root, path)
