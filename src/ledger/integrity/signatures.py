"""Each signature held against the checkpoint that it carries: sealed before it, and of this very log."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

import ledger.aggregates.everything  # noqa: F401 - registers every event type
from ledger.aggregates.sealing import SealedBefore, SealedCheckpoint
from ledger.aggregates.vocabulary import event_types
from ledger.errors import IntegrityFault
from ledger.integrity.report import Fault, Report
from ledger.proof.between import check_carried
from ledger.proof.merkle import root_at
from ledger.proof.tree import StoredTree
from ledger.store.envelope import StoredRow
from ledger.store.recorder import Recorder
from ledger.store.sealed import Sealed, digest_of

#: Events that are signatures: those that carry a checkpoint where one was sealed.
SIGNING = frozenset(name for name, cls in event_types().items() if "sealed_before" in cls.__struct_fields__)


class _Carrying(msgspec.Struct):
    sealed_before: SealedBefore = msgspec.UNSET


_decode = msgspec.json.Decoder(_Carrying).decode


@dataclass
class Signatures:
    """How many signatures the log has, and how many of them carry a checkpoint."""

    count: int = 0
    carrying: int = 0


class SignatureWalk:
    """Told each event of the log in turn. Neighbours carry the same checkpoint, so the last one is remembered."""

    def __init__(self, recorder: Recorder) -> None:
        self.signatures = Signatures()
        self._tree = StoredTree(recorder)
        self._sealed = Sealed(recorder)
        self._first = self._sealed.first()
        self._root: tuple[int, bytes] = (0, b"")
        self._vouched: tuple[int, frozenset[str] | None] = (0, None)
        self._known: tuple[int, bool] = (0, False)

    def check(self, row: StoredRow, report: Report) -> None:
        """One event of the log."""
        if row.topic not in SIGNING:
            return
        self.signatures.count += 1
        try:
            carried = _decode(row.state).sealed_before
        except (msgspec.MsgspecError, UnicodeDecodeError):
            report.add(
                Fault("signature", row.position, row.event_id, f"the checkpoint in this {row.topic} cannot be read")
            )
            return
        if not isinstance(carried, SealedCheckpoint):
            return
        self.signatures.carrying += 1
        if (fault := self._fault_in(row, carried)) is not None:
            report.add(Fault("signature", row.position, row.event_id, f"this {row.topic}: {fault}"))

    def _fault_in(self, row: StoredRow, carried: SealedCheckpoint) -> str | None:
        root = None
        try:
            if 1 <= carried.size < row.position:
                if self._root[0] != carried.size:
                    self._root = (carried.size, root_at(self._tree, carried.size))
                root = self._root[1]
            check_carried(self._tree, row.position, carried, root)
        except (IntegrityFault, LookupError) as fault:
            return str(fault)
        if not self._was_sealed(carried.size):
            return f"it carries a checkpoint of {carried.size:,} events, and none of that size was ever sealed"
        return self._fault_in_vouchers(carried)

    def _was_sealed(self, size: int) -> bool:
        """Whether there was such a checkpoint. A restored store has none from before that, and cannot say."""
        if not self._first or size < self._first:
            return True
        if self._known[0] != size:
            self._known = (size, self._sealed.checkpoint(size) is not None)
        return self._known[1]

    def _fault_in_vouchers(self, carried: SealedCheckpoint) -> str | None:
        size = carried.vouched_size
        if size is None or not self._first or size < self._first:
            return None
        if self._vouched[0] != size:
            lines = {digest_of(line) for line in self._sealed.cosignatures(size).values()}
            tokens = {digest_of(bytes(stamp["token"])) for stamp in self._sealed.timestamps(size)}
            self._vouched = (size, frozenset(lines | tokens))
        missing = set(carried.vouchers) - (self._vouched[1] or frozenset())
        if missing:
            return (
                f"it names {len(missing)} cosignatures or timestamps on the checkpoint of {size:,} events that the "
                "store does not have: they were removed, or never given"
            )
        return None
