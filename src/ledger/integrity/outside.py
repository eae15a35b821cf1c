"""What others say of this log: the checkpoints that they hold, and how many witnesses stand behind one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography.x509 import Certificate

from ledger.clock import from_text, to_text
from ledger.errors import IntegrityFault, LedgerError
from ledger.integrity.report import Fault, Report
from ledger.integrity.sealed import Seals
from ledger.proof.checkpoint import Checkpoint, open_checkpoint
from ledger.proof.export import cosigned
from ledger.proof.notes import BadNote, PublicKey, read_note
from ledger.proof.timestamp import stamped_at
from ledger.proof.trust import Trust
from ledger.store.recorder import Recorder
from ledger.store.sealed import Sealed, SealedRow

#: A checkpoint younger than this may still be on its way to its witnesses.
GRACE = timedelta(seconds=60)


@dataclass
class Outside:
    """Checkpoints of this log from outside the store, by who has them, and who was asked in vain."""

    held: dict[str, list[Checkpoint]] = field(default_factory=dict)
    away: dict[str, str] = field(default_factory=dict)
    #: Who has something that is not a checkpoint of this log, signed by its key.
    foreign: dict[str, str] = field(default_factory=dict)

    def take(self, where: str, notes: Callable[[], Sequence[bytes]], keys: Sequence[PublicKey]) -> None:
        """Ask somebody for their checkpoints, and keep those that the log has signed."""
        try:
            self.held[where] = [open_checkpoint(note, keys)[0] for note in notes()]
        except IntegrityFault as fault:
            self.foreign[where] = str(fault)
        except LedgerError as fault:
            self.away[where] = str(fault)

    def report(self, report: Report) -> None:
        """Name those who hold something else than this log's checkpoints."""
        for where, words in self.foreign.items():
            report.add(Fault("foreign", 0, "", f"{where} holds a checkpoint that cannot be accepted: {words}"))


def check_witnesses(recorder: Recorder, trust: Trust, seals: Seals, report: Report, now: datetime) -> None:
    """Find the last checkpoint that enough witnesses have cosigned; a fault unless it is the last that had time to."""
    sealed = Sealed(recorder)
    due: SealedRow | None = None
    for row in sealed.backwards():
        if not timedelta(0) <= now - from_text(row.sealed_at) < GRACE:
            due = row
            break
    seals.witnessed = 0
    for row in sealed.backwards(cosigned=True):
        try:
            signed = trust.cosigned(read_note(cosigned(sealed, row)))
        except BadNote as fault:
            report.add(Fault("cosignature", row.size, "", f"the checkpoint of {row.size:,} events: {fault}"))
            continue
        if trust.enough(signed):
            seals.witnessed, seals.witnesses = row.size, tuple(signed)
            break
    if due is not None and seals.witnessed < due.size:
        words = (
            f"the checkpoint of {due.size:,} events is not cosigned by enough witnesses (wanted: {trust.wanted}); "
            f"the last that is has {seals.witnessed:,} events"
        )
        report.add(Fault("unwitnessed", due.size, "", words))


def check_timestamps(recorder: Recorder, roots: list[Certificate], seals: Seals, report: Report) -> None:
    """Check every timestamp that is kept, and note the last."""
    for size, note, token in Sealed(recorder).every_timestamp():
        try:
            seals.stamped, seals.stamped_size = to_text(stamped_at(token, note, roots)), size
        except IntegrityFault as fault:
            report.add(Fault("timestamp", size, "", f"the checkpoint of {size:,} events: {fault}"))
