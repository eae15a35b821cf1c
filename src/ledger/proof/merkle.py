"""The Merkle tree of RFC 6962 (section 2.1): its hashes, its proofs, and checking them (RFC 9162, section 2.1).

Pure: a proof is put together from hashes of whole subtrees, which whoever calls reads from where it keeps them.
Leaves are counted from 0 here, as both documents do; the log's positions begin at 1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Protocol

from ledger.errors import IntegrityFault

#: The root of a tree without leaves.
EMPTY_ROOT = hashlib.sha256(b"").digest()
HASH_BYTES = 32


class BadProof(IntegrityFault):
    """A proof does not prove what it is offered for."""


class Hashes(Protocol):
    """Where the hashes of a tree are read: the subtree over the leaves ``index·2**height`` to ``(index+1)·2**height``.

    Only subtrees that the tree has whole are asked for.
    """

    def subtree(self, height: int, index: int) -> bytes: ...


def node(left: bytes, right: bytes) -> bytes:
    """The hash of a node over its two children."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def folded(hashes: Sequence[bytes]) -> bytes:
    """The root over 2**h neighbouring hashes of equal height."""
    while len(hashes) > 1:
        hashes = [node(hashes[n], hashes[n + 1]) for n in range(0, len(hashes), 2)]
    return hashes[0]


def joined(peaks: Sequence[bytes]) -> bytes:
    """The root over whole subtrees that stand side by side, from the left and largest to the right and smallest."""
    if not peaks:
        return EMPTY_ROOT
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = node(peak, root)
    return root


def _split(size: int) -> int:
    """The largest power of two below ``size``, where RFC 6962 divides a list of more than one leaf."""
    return 1 << ((size - 1).bit_length() - 1)


def peaks_of(low: int, high: int) -> list[tuple[int, int]]:
    """The whole subtrees, as (height, index), that make up the leaves from ``low`` up to before ``high``.

    ``low`` has to be where the tree itself divides: a multiple of the power of two that ``high - low`` fits in.
    """
    found = []
    while low < high:
        height = (high - low).bit_length() - 1
        found.append((height, low >> height))
        low += 1 << height
    return found


def span(hashes: Hashes, low: int, high: int) -> bytes:
    """The hash of the leaves from ``low`` up to before ``high``, where the tree divides there."""
    return joined([hashes.subtree(height, index) for height, index in peaks_of(low, high)])


def root_at(hashes: Hashes, size: int) -> bytes:
    """The root of the tree over the first ``size`` leaves."""
    return span(hashes, 0, size)


def prove_inclusion(hashes: Hashes, index: int, size: int) -> list[bytes]:
    """The audit path of a leaf in the tree of ``size``, from the leaf's sibling upwards (RFC 6962, 2.1.1)."""
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size}")
    path = []
    low, high = 0, size
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append((middle, high))
            high = middle
        else:
            path.append((low, middle))
            low = middle
    return [span(hashes, *each) for each in reversed(path)]


def prove_consistency(hashes: Hashes, old: int, new: int) -> list[bytes]:
    """The proof that the tree of ``new`` leaves begins with that of ``old`` (RFC 6962, 2.1.2)."""
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {new} leaves does not begin with one of {old}")
    if old in (0, new):
        return []
    path = []
    low, high = 0, new
    while high != old:
        middle = low + _split(high - low)
        if old <= middle:
            path.append((middle, high))
            high = middle
        else:
            path.append((low, middle))
            low = middle
    if low:  # the old tree is not itself one of the nodes: its last part is needed too
        path.append((low, high))
    return [span(hashes, *each) for each in reversed(path)]


def check_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Check an audit path (RFC 9162, 2.1.3.2); raises ``BadProof``."""
    if not 0 <= index < size:
        raise BadProof(f"leaf {index} is not in a tree of {size}")
    number, last, found = index, size - 1, leaf
    for part in path:
        if last == 0:
            raise BadProof("the inclusion proof is too long")
        if number & 1 or number == last:
            found = node(part, found)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            found = node(found, part)
        number, last = number >> 1, last >> 1
    if last:
        raise BadProof("the inclusion proof is too short")
    if found != root:
        raise BadProof(f"the inclusion proof of leaf {index} does not lead to the root of the tree of {size}")


def check_consistency(old: int, old_root: bytes, new: int, new_root: bytes, path: Sequence[bytes]) -> None:
    """Check that the tree of ``new`` begins with that of ``old`` (RFC 9162, 2.1.4.2); raises ``BadProof``."""
    if not 0 <= old <= new:
        raise BadProof(f"a tree of {new} leaves does not begin with one of {old}")
    if old in (0, new):
        if path:
            raise BadProof("the consistency proof is too long")
        if old == 0 and old_root != EMPTY_ROOT:
            raise BadProof("the root of a tree without leaves is another one")
        if old == new and old_root != new_root:
            raise BadProof(f"there are two roots for the tree of {new}: the log was forked")
        return
    parts = list(path) if old & (old - 1) else [old_root, *path]
    if not parts:
        raise BadProof("the consistency proof is too short")
    number, last = old - 1, new - 1
    while number & 1:
        number, last = number >> 1, last >> 1
    first = second = parts[0]
    for part in parts[1:]:
        if last == 0:
            raise BadProof("the consistency proof is too long")
        if number & 1 or number == last:
            first, second = node(part, first), node(part, second)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            second = node(second, part)
        number, last = number >> 1, last >> 1
    if last:
        raise BadProof("the consistency proof is too short")
    if first != old_root or second != new_root:
        raise BadProof(f"the tree of {new} does not begin with the tree of {old}: the log was forked")
