"""What a progress note is: the fold of its events, and what stands in the way of a change to it."""

from __future__ import annotations

import hashlib
from datetime import datetime

from ledger.aggregates.base import Aggregate
from ledger.aggregates.note_events import (
    AddendumAdded,
    ExtensionGranted,
    ExtensionRefused,
    ExtensionRequested,
    NoteAmended,
    NoteContent,
    NoteContentWritten,
    NoteCosigned,
    NoteDrafted,
    NoteEnteredInError,
    NoteMarkedLateEntry,
    NoteSigned,
    canonical_content,
)
from ledger.aggregates.vocabulary import Event
from ledger.errors import Reasons


class NoteState(Aggregate):
    """One note of one contact as its events leave it; keyed by the chart."""

    KIND = "note"

    def __init__(self, identifier: str) -> None:
        super().__init__(identifier)
        self.drafted: NoteDrafted | None = None
        self.content = NoteContent()
        self.signed: NoteSigned | None = None
        self.cosigners: tuple[str, ...] = ()
        self.in_error = False
        self.late_entry = False
        self.additions: set[str] = set()
        self.requests: dict[str, str] = {}
        #: When the content as it stands was written, the note was signed, and each extension was asked for.
        self.written_at: datetime | None = None
        self.signed_at: datetime | None = None
        self.asked_at: dict[str, datetime] = {}

    def apply(self, event: Event, occurred_at: datetime) -> None:
        match event:
            case NoteDrafted():
                self.drafted = event
                self.content, self.written_at = event.content, occurred_at
                self.key = self.chart_id = event.client_id
            case NoteContentWritten():
                self.content, self.written_at = event.content, occurred_at
            case NoteSigned():
                self.signed, self.signed_at = event, occurred_at
            case NoteCosigned():
                self.cosigners = (*self.cosigners, event.signer_id)
            case AddendumAdded():
                self.additions.add(event.addendum_id)
            case NoteAmended():
                self.additions.add(event.amendment_id)
            case NoteMarkedLateEntry():
                self.late_entry = True
            case NoteEnteredInError():
                self.in_error = True
            case ExtensionRequested():
                self.requests[event.request_id] = "requested"
                self.asked_at[event.request_id] = occurred_at
            case ExtensionGranted():
                self.requests[event.request_id] = "granted"
            case ExtensionRefused():
                self.requests[event.request_id] = "refused"
            case _:
                raise TypeError(f"a note's stream cannot hold {event.TYPE}")

    @property
    def facts(self) -> NoteDrafted:
        """What the draft took from its contact: the client, the author, the service."""
        if self.drafted is None:
            raise TypeError("this note has not been drafted")
        return self.drafted

    @property
    def content_sha256(self) -> str:
        """SHA-256 (hex) of the canonical content as it stands."""
        return hashlib.sha256(canonical_content(self.facts, self.content)).hexdigest()

    def check_draft(self, reasons: Reasons) -> None:
        """Note every reason why this is not a draft any more."""
        reasons.unless(
            self.signed is None,
            "note_id",
            "this note is signed; nothing alters it",
            "add an addendum, amend it, or mark it as entered in error",
            "signed",
        )
        reasons.unless(not self.in_error, "note_id", "this note is entered in error", "write a new one", "in-error")

    def check_signed(self, reasons: Reasons) -> None:
        """Note every reason why nothing can join a signed note here."""
        reasons.unless(self.signed is not None, "note_id", "this note is not signed yet", "sign it first", "unsigned")
        reasons.unless(not self.in_error, "note_id", "this note is entered in error", "write a new one", "in-error")
