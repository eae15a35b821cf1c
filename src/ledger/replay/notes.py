"""How an event changes a note, and the check that what is signed is what the signature is bound to (PSC-11)."""

from __future__ import annotations

import hashlib

import msgspec

from ledger.aggregates.note_events import (
    AddendumAdded,
    ExtensionGranted,
    ExtensionRefused,
    ExtensionRequested,
    NoteAmended,
    NoteContentWritten,
    NoteCosigned,
    NoteDrafted,
    NoteEnteredInError,
    NoteMarkedLateEntry,
    NoteSigned,
    canonical_content,
)
from ledger.aggregates.vocabulary import Event
from ledger.errors import IntegrityFault
from ledger.replay.state import Entry, Extension, Note, Trace

#: The events this file folds.
NOTE_EVENTS: frozenset[type[Event]] = frozenset(
    (
        NoteDrafted,
        NoteContentWritten,
        NoteSigned,
        NoteCosigned,
        AddendumAdded,
        NoteAmended,
        NoteMarkedLateEntry,
        NoteEnteredInError,
        ExtensionRequested,
        ExtensionGranted,
        ExtensionRefused,
    )
)


def content_sha256(note: Note) -> str:
    """SHA-256 (hex) of the note's canonical content: what a signature of it must name."""
    return hashlib.sha256(canonical_content(note.drafted, note.content)).hexdigest()


def note_after(note: Note | None, event: Event, trace: Trace) -> Note:
    """The note after one more of its events; ``note`` is None for the first.

    Raises ``IntegrityFault`` naming the event when a signature is not the content's, or signed content would change.
    """
    if note is None:
        if not isinstance(event, NoteDrafted):
            raise IntegrityFault(f"event {trace.event_id} ({trace.type}) does not begin a note")
        stream = trace.event_id.rpartition("@")[0]
        return Note(changes=(trace,), note_id=stream, status="draft", drafted=event, content=event.content)
    note = msgspec.structs.replace(note, changes=(*note.changes, trace))
    match event:
        case NoteContentWritten():
            if note.signature is not None:
                raise IntegrityFault(
                    f"event {trace.event_id} writes over what {note.signature.by.event_id} signed; nothing may"
                )
            return msgspec.structs.replace(note, content=event.content)
        case NoteSigned():
            _check(note, event.content_sha256, trace)
            return _with_status(msgspec.structs.replace(note, signature=Entry(event=event, by=trace)))
        case NoteCosigned():
            _check(note, event.content_sha256, trace)
            added = (*note.cosignatures, Entry(event=event, by=trace))
            return _with_status(msgspec.structs.replace(note, cosignatures=added))
        case AddendumAdded():
            return msgspec.structs.replace(note, addenda=(*note.addenda, Entry(event=event, by=trace)))
        case NoteAmended():
            return msgspec.structs.replace(note, amendments=(*note.amendments, Entry(event=event, by=trace)))
        case NoteMarkedLateEntry():
            return msgspec.structs.replace(note, late_entry=event.reason)
        case NoteEnteredInError():
            return _with_status(msgspec.structs.replace(note, in_error=event.reason))
        case ExtensionRequested():
            asked = Extension(requested=Entry(event=event, by=trace))
            return msgspec.structs.replace(note, extensions=(*note.extensions, asked))
        case ExtensionGranted() | ExtensionRefused():
            return msgspec.structs.replace(note, extensions=_decided(note, event, trace))
        case _:
            raise IntegrityFault(f"event {trace.event_id} ({trace.type}) does not belong to a note that is begun")


def _check(note: Note, signed: str, trace: Trace) -> None:
    found = content_sha256(note)
    if found != signed:
        raise IntegrityFault(
            f"event {trace.event_id} ({trace.type}, log position {trace.position}) signs content with SHA-256 "
            f"{signed}, but the note's content gives {found}; compare it with a backup, and run: ledger verify"
        )


def _with_status(note: Note) -> Note:
    status = "draft"
    if note.in_error is not None:
        status = "in error"
    elif note.cosignatures:
        status = "cosigned"
    elif note.signature is not None:
        status = "signed"
    return msgspec.structs.replace(note, status=status)


def _decided(note: Note, event: ExtensionGranted | ExtensionRefused, trace: Trace) -> tuple[Extension, ...]:
    if event.request_id not in {extension.requested.event.request_id for extension in note.extensions}:
        raise IntegrityFault(f"event {trace.event_id} decides a request that was never made")

    def decide(extension: Extension) -> Extension:
        if extension.requested.event.request_id != event.request_id:
            return extension
        if isinstance(event, ExtensionGranted):
            return msgspec.structs.replace(extension, granted=Entry(event=event, by=trace))
        return msgspec.structs.replace(extension, refused=Entry(event=event, by=trace))

    return tuple(decide(extension) for extension in note.extensions)
