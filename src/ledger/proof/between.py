"""Between which two moments an event was made, whatever the clocks of the agency say.

*Not before*: a signature carries the newest sealed checkpoint and the digests of what others had signed of one. The
root could not be known before the events under it were recorded; a cosignature or a timestamp could not be known before
it was given. *Not after*: a checkpoint that covers the event was cosigned or stamped at some moment, so the event was
there. Each moment is somebody's word; whose it is stands beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

import msgspec
from cryptography.x509 import Certificate

from ledger.aggregates.sealing import SealedBefore, SealedCheckpoint
from ledger.clock import from_text
from ledger.errors import IntegrityFault
from ledger.proof.checkpoint import Checkpoint, open_checkpoint, read_checkpoint
from ledger.proof.cosignature import cosigned_at
from ledger.proof.merkle import check_inclusion, prove_inclusion, root_at
from ledger.proof.notes import BadNote, Note, PublicKey, read_note, read_signatures
from ledger.proof.tree import StoredTree
from ledger.store.envelope import StoredRow, leaf_of
from ledger.store.recorder import Recorder
from ledger.store.sealed import Sealed, SealedRow, digest_of

#: ``own``: the agency's clock alone. ``cosignature``: a witness's clock. ``timestamp``: an RFC 3161 authority's.
Whose = Literal["own", "cosignature", "timestamp"]


class Word(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody's word for a moment, by the checkpoint of ``size`` events; ``checked`` with a key that is trusted."""

    at: datetime
    size: int
    whose: Whose
    name: str
    checked: bool = True


class Bracket(msgspec.Struct, frozen=True, kw_only=True):
    """Between which moments an event was made. Those by others count only when they were checked.

    ``carried`` is the size of the checkpoint in the event, ``covered`` that of the first which covers it; None where
    there is none. ``faults`` say what does not hold.
    """

    carried: int | None = None
    covered: int | None = None
    not_before_own: Word | None = None
    not_after_own: Word | None = None
    not_before: Word | None = None
    not_after: Word | None = None
    #: Every word of somebody else for either side, also those that could not be checked.
    before_words: tuple[Word, ...] = ()
    after_words: tuple[Word, ...] = ()
    #: Digests in the event of what others had signed and the store does not have.
    lost_vouchers: int = 0
    faults: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trusted:
    """With what others' words are checked: the log's keys, witnesses' keys, roots of time-stamping authorities."""

    logs: Sequence[PublicKey] = ()
    witnesses: Mapping[str, PublicKey] = field(default_factory=dict)
    roots: Sequence[Certificate] = ()


def bracket_of(
    recorder: Recorder, row: StoredRow, carried: SealedBefore, trusted: Trusted, until: datetime | None = None
) -> Bracket:
    """The bracket of an event that carries ``carried``; words that were given after ``until`` are left out."""
    return _Bracketing(recorder, row, trusted, until).made(carried)


class _Bracketing:
    def __init__(self, recorder: Recorder, row: StoredRow, trusted: Trusted, until: datetime | None) -> None:
        self._recorder = recorder
        self._sealed = Sealed(recorder)
        self._tree = StoredTree(recorder)
        self._row = row
        self._trusted = trusted
        self._until = until
        self._faults: list[str] = []
        self._lost = 0

    def made(self, carried: SealedBefore) -> Bracket:
        own_before: Word | None = None
        before: tuple[Word, ...] = ()
        if isinstance(carried, SealedCheckpoint):
            own_before, before = self._before(carried)
        own_after, after = self._after()
        return Bracket(
            carried=carried.size if isinstance(carried, SealedCheckpoint) else None,
            covered=own_after.size if own_after is not None else None,
            not_before_own=own_before,
            not_after_own=own_after,
            not_before=max((w for w in before if w.checked), key=lambda w: w.at, default=None),
            not_after=min((w for w in after if w.checked), key=lambda w: w.at, default=None),
            before_words=before,
            after_words=after,
            lost_vouchers=self._lost,
            faults=tuple(self._faults),
        )

    def _before(self, carried: SealedCheckpoint) -> tuple[Word | None, tuple[Word, ...]]:
        try:
            check_carried(self._tree, self._row.position, carried)
        except IntegrityFault as fault:
            self._faults.append(str(fault))
            return None, ()
        last = self._recorder.read_log(carried.size - 1, 1)[0]
        own = Word(at=last.recorded, size=carried.size, whose="own", name="")
        if carried.vouched_size is None:
            return own, ()
        there = self._sealed.checkpoint(carried.vouched_size)
        if there is None or not self._opened(there):
            self._lost = len(carried.vouchers)
            return own, ()
        words: list[Word] = []
        known = set(carried.vouchers)
        for witness, line in self._sealed.cosignatures(there.size).items():
            if (digest := digest_of(line)) in known:
                known.discard(digest)
                words += self._cosigned(there, witness, line)
        for stamp in self._sealed.timestamps(there.size):
            if (digest := digest_of(stamp["token"])) in known:
                known.discard(digest)
                words += self._stamped(there, stamp["authority"], bytes(stamp["token"]))
        self._lost = len(known)
        return own, tuple(words)

    def _after(self) -> tuple[Word | None, tuple[Word, ...]]:
        covering = self._sealed.covering(self._row.position)
        if covering is None or not self._covers(covering):
            return None, ()
        own = Word(at=from_text(covering.sealed_at), size=covering.size, whose="own", name="")
        if self._until is not None and own.at > self._until:
            return None, ()
        words: list[Word] = []
        for witness, (size, line) in self._sealed.first_cosigned(self._row.position).items():
            there = self._sealed.checkpoint(size)
            if there is not None and self._covers(there):
                words += self._cosigned(there, witness, line)
        size_stamped = self._sealed.first_stamped(self._row.position)
        there = None if size_stamped is None else self._sealed.checkpoint(size_stamped)
        if there is not None and self._covers(there):
            for stamp in self._sealed.timestamps(there.size):
                words += self._stamped(there, stamp["authority"], bytes(stamp["token"]))
        return own, tuple(word for word in words if self._until is None or word.at <= self._until)

    def _opened(self, there: SealedRow) -> Checkpoint | None:
        """A stored checkpoint, signed by the log where its keys are known, and of this very log; None with a fault."""
        try:
            keys = self._trusted.logs
            said = open_checkpoint(there.note, keys)[0] if keys else read_checkpoint(read_note(there.note).text)
            if said.size != there.size or root_at(self._tree, said.size) != said.root:
                raise BadNote("the log does not lead to its root")
        except (IntegrityFault, LookupError) as fault:
            self._faults.append(f"the checkpoint of {there.size:,} events: {fault}")
            return None
        return said

    def _covers(self, there: SealedRow) -> bool:
        said, row = self._opened(there), self._row
        if said is None:
            return False
        path = prove_inclusion(self._tree, row.position - 1, said.size)
        try:
            check_inclusion(leaf_of(row, row.position, row.recorded_at), row.position - 1, said.size, path, said.root)
        except IntegrityFault:
            self._faults.append(f"the event is not the one under the checkpoint of {said.size:,} events")
            return False
        return True

    def _cosigned(self, there: SealedRow, witness: str, line: str) -> Iterator[Word]:
        text = read_note(there.note).text
        try:
            signatures = read_signatures(line)
            for name, key in self._trusted.witnesses.items():
                moment = cosigned_at(Note(text, signatures), key)
                if moment is not None:
                    yield Word(at=_moment(moment), size=there.size, whose="cosignature", name=name)
                    return
            claimed = int.from_bytes(signatures[0].raw[:8], "big")
            yield Word(at=_moment(claimed), size=there.size, whose="cosignature", name=witness, checked=False)
        except (IntegrityFault, OverflowError, OSError, ValueError) as fault:
            self._faults.append(f"the cosignature of {witness} on the checkpoint of {there.size:,} events: {fault}")

    def _stamped(self, there: SealedRow, authority: str, token: bytes) -> Iterator[Word]:
        from ledger.proof.timestamp import claimed_at, stamped_at  # it takes a moment to import, and few have it

        try:
            checked = bool(self._trusted.roots)
            at = stamped_at(token, there.note, list(self._trusted.roots)) if checked else claimed_at(token)
            yield Word(at=at.astimezone(UTC), size=there.size, whose="timestamp", name=authority, checked=checked)
        except IntegrityFault as fault:
            self._faults.append(f"the timestamp on the checkpoint of {there.size:,} events: {fault}")


def check_carried(tree: StoredTree, position: int, carried: SealedCheckpoint, root: bytes | None = None) -> None:
    """Check that an event at a position carries a checkpoint of this log from before it; raises ``IntegrityFault``.

    ``root`` is that of the log at the checkpoint's size, where the caller knows it already.
    """
    if not 1 <= carried.size < position:
        raise IntegrityFault(
            f"it carries a checkpoint of {carried.size:,} events, and stands itself at position {position:,}: that "
            "checkpoint was not sealed before it"
        )
    if carried.vouched_size is not None and not 1 <= carried.vouched_size <= carried.size:
        raise IntegrityFault(
            "it carries the digests of what others signed of a checkpoint that was not sealed before it"
        )
    try:
        found = root_at(tree, carried.size) if root is None else root
    except LookupError as fault:
        raise IntegrityFault(f"the checkpoint of {carried.size:,} events that it carries: {fault}") from fault
    if found.hex() != carried.root:
        raise IntegrityFault(
            f"it carries a root for {carried.size:,} events that this log does not have: the event was changed, or the "
            "log before it, or the checkpoint is another log's"
        )


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
