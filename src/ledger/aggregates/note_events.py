"""What can happen to a progress note: its events and its commands, as plain data.

AHIMA's words are kept apart: a *late entry* was missed, an *addendum* gives new information, an *amendment* clarifies
or corrects; *entered in error* takes the note out of account. The original stays readable for ever.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from ledger.aggregates.sealing import SealedBefore
from ledger.aggregates.vocabulary import Command, Event, Id, Label, Text, event


class ObjectiveReference(msgspec.Struct, frozen=True, kw_only=True):
    """An objective of a treatment plan that the note addresses, and the progress made on it (PSC-10)."""

    plan_id: Id
    objective: Label
    progress: Text


class NoteContent(msgspec.Struct, frozen=True, kw_only=True):
    """What a note says: its sections by name, the objectives it addresses, or why it addresses none."""

    sections: dict[Label, Text] = {}
    objectives: tuple[ObjectiveReference, ...] = ()
    no_plan_reason: Text | None = None


class CitedPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Which version of which plan was in force on the service date."""

    plan_id: str
    plan_version: int


@event("note.drafted")
class NoteDrafted(Event, frozen=True, kw_only=True):
    """An author began the note of a contact. Deadlines count from ``service_ended_at``."""

    contact_id: str
    client_id: str
    author_id: str
    program: str
    document: str
    service_started_at: datetime
    service_ended_at: datetime
    content: NoteContent
    source: str | None = None


@event("note.content_written")
class NoteContentWritten(Event, frozen=True, kw_only=True):
    """The author rewrote the draft; the earlier text stays readable in the log."""

    client_id: str
    contact_id: str
    content: NoteContent


@event("note.signed")
class NoteSigned(Event, frozen=True, kw_only=True):
    """The note was signed as complete (PSC-11): bound for ever to the SHA-256 of its canonical content."""

    client_id: str
    contact_id: str
    signer_id: str
    printed_name: str
    role: str
    credential: str | None
    taxonomy: str
    meaning: str
    content_sha256: str
    cited_plans: tuple[CitedPlan, ...]
    late_reason: str | None = None
    sealed_before: SealedBefore = msgspec.UNSET


@event("note.cosigned")
class NoteCosigned(Event, frozen=True, kw_only=True):
    """A supervisor co-signed exactly the content that was signed."""

    client_id: str
    contact_id: str
    signer_id: str
    printed_name: str
    role: str
    credential: str | None
    meaning: str
    content_sha256: str
    sealed_before: SealedBefore = msgspec.UNSET


@event("note.addendum_added")
class AddendumAdded(Event, frozen=True, kw_only=True):
    """New information, added after the signature; the signed content is untouched."""

    client_id: str
    contact_id: str
    addendum_id: str
    author_id: str
    printed_name: str
    credential: str | None
    text: str
    sealed_before: SealedBefore = msgspec.UNSET


@event("note.amended")
class NoteAmended(Event, frozen=True, kw_only=True):
    """A clarification or correction of what was signed, labelled as such; the original stays."""

    client_id: str
    contact_id: str
    amendment_id: str
    author_id: str
    printed_name: str
    credential: str | None
    kind: str
    section: str
    text: str
    reason: str
    sealed_before: SealedBefore = msgspec.UNSET


@event("note.marked_late_entry")
class NoteMarkedLateEntry(Event, frozen=True, kw_only=True):
    """The note was missed and written afterwards: a late entry, with its reason."""

    client_id: str
    contact_id: str
    reason: str


@event("note.entered_in_error")
class NoteEnteredInError(Event, frozen=True, kw_only=True):
    """The note is out of account (wrong chart, wrong service); it stays readable, with the reason."""

    client_id: str
    contact_id: str
    reason: str


@event("note.extension_requested")
class ExtensionRequested(Event, frozen=True, kw_only=True):
    """The author asked the supervisor for more time (PSC-13)."""

    client_id: str
    contact_id: str
    request_id: str
    staff_id: str
    reason: str


@event("note.extension_granted")
class ExtensionGranted(Event, frozen=True, kw_only=True):
    """A supervisor granted more time (PSC-13)."""

    client_id: str
    contact_id: str
    request_id: str
    decided_by: str
    comment: str = ""


@event("note.extension_refused")
class ExtensionRefused(Event, frozen=True, kw_only=True):
    """A supervisor refused more time (PSC-13)."""

    client_id: str
    contact_id: str
    request_id: str
    decided_by: str
    comment: str = ""


class DraftNote(Command, frozen=True, kw_only=True):
    """Begin the progress note of a contact; its sections may still be empty."""

    NAME = "draft-note"
    note_id: Id
    contact_id: Id
    content: NoteContent = NoteContent()
    source: Label | None = None


class WriteNote(Command, frozen=True, kw_only=True):
    """Rewrite the content of a draft."""

    NAME = "write-note"
    note_id: Id
    content: NoteContent


class SignNote(Command, frozen=True, kw_only=True):
    """Sign a note as its author; ``content_sha256``, if given, must be the content's: one signs what one has seen."""

    NAME = "sign-note"
    note_id: Id
    late_reason: Text | None = None
    content_sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")] | None = None


class CosignNote(Command, frozen=True, kw_only=True):
    """Co-sign a signed note as a supervisor."""

    NAME = "cosign-note"
    note_id: Id
    content_sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")] | None = None


class AddAddendum(Command, frozen=True, kw_only=True):
    """Add new information to a signed note."""

    NAME = "add-addendum"
    note_id: Id
    addendum_id: Id
    text: Text


class AmendNote(Command, frozen=True, kw_only=True):
    """Clarify or correct a section of a signed note, with the reason; the original stays."""

    NAME = "amend-note"
    note_id: Id
    amendment_id: Id
    kind: Literal["clarification", "correction"]
    section: Label
    text: Text
    reason: Text


class MarkLateEntry(Command, frozen=True, kw_only=True):
    """Mark a note as a late entry, with the reason."""

    NAME = "mark-late-entry"
    note_id: Id
    reason: Text


class MarkNoteInError(Command, frozen=True, kw_only=True):
    """Mark a note as entered in error."""

    NAME = "mark-note-in-error"
    note_id: Id
    reason: Text


class RequestExtension(Command, frozen=True, kw_only=True):
    """Ask the supervisor for more time to complete a note."""

    NAME = "request-extension"
    note_id: Id
    request_id: Id
    reason: Text


class GrantExtension(Command, frozen=True, kw_only=True):
    """Grant more time to complete a note, as a supervisor."""

    NAME = "grant-extension"
    note_id: Id
    request_id: Id
    comment: str = ""


class RefuseExtension(Command, frozen=True, kw_only=True):
    """Refuse more time to complete a note, as a supervisor."""

    NAME = "refuse-extension"
    note_id: Id
    request_id: Id
    comment: str = ""


def canonical_content(drafted: NoteDrafted, content: NoteContent) -> bytes:
    """The exact bytes a signature is bound to: whose note of which service, and all it says.

    A JSON object in UTF-8 without spaces, keys sorted: ``author_id``, ``client_id``, ``contact_id``, ``content``,
    ``document``, ``service_ended_at``, ``service_started_at`` (RFC 3339 as recorded). PSC-11.
    """
    return msgspec.json.encode(
        {
            "author_id": drafted.author_id,
            "client_id": drafted.client_id,
            "contact_id": drafted.contact_id,
            "content": msgspec.to_builtins(content),
            "document": drafted.document,
            "service_ended_at": drafted.service_ended_at,
            "service_started_at": drafted.service_started_at,
        },
        order="sorted",
    )
