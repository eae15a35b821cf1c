"""No sequence of commands edits a signed note: any commands, in any order, by anybody (PSC-11)."""

from __future__ import annotations

from datetime import datetime, timedelta

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.notation import EARLIER, Stream, given, of
from tests.sample import A_DRAFT, ANN, BOB, CHART, COLE, COMPLETE, NOTE, PIRP, SUE, ident

from ledger.aggregates.base import command_types, handlers
from ledger.aggregates.note import Note
from ledger.aggregates.note_events import (
    AddAddendum,
    AmendNote,
    CosignNote,
    GrantExtension,
    MarkLateEntry,
    MarkNoteInError,
    NoteContent,
    RefuseExtension,
    RequestExtension,
    SignNote,
    WriteNote,
    canonical_content,
)
from ledger.aggregates.vocabulary import Command, Event

ACTORS = st.sampled_from([ANN, ANN, SUE, BOB, COLE, "system:import", ident("stranger")])
PARTS = st.sampled_from([ident("part 1"), ident("part 2"), ident("part 3")])
CONTENTS = st.one_of(
    st.just(COMPLETE),
    st.builds(NoteContent, sections=st.dictionaries(st.sampled_from([*PIRP, "mood"]), st.text(min_size=1, max_size=5))),
)
DIGESTS = st.sampled_from([None, None, "0" * 64])
TEXTS = st.text(min_size=1, max_size=10)
COMMANDS: st.SearchStrategy[Command] = st.one_of(
    st.builds(WriteNote, note_id=st.just(NOTE), content=CONTENTS),
    st.builds(SignNote, note_id=st.just(NOTE), content_sha256=DIGESTS),
    st.builds(CosignNote, note_id=st.just(NOTE), content_sha256=DIGESTS),
    st.builds(AddAddendum, note_id=st.just(NOTE), addendum_id=PARTS, text=TEXTS),
    st.builds(
        AmendNote,
        note_id=st.just(NOTE),
        amendment_id=PARTS,
        kind=st.sampled_from(["clarification", "correction"]),
        section=st.sampled_from([*PIRP, "mood"]),
        text=TEXTS,
        reason=TEXTS,
    ),
    st.builds(MarkLateEntry, note_id=st.just(NOTE), reason=TEXTS),
    st.builds(MarkNoteInError, note_id=st.just(NOTE), reason=TEXTS),
    st.builds(RequestExtension, note_id=st.just(NOTE), request_id=PARTS, reason=TEXTS),
    st.builds(GrantExtension, note_id=st.just(NOTE), request_id=PARTS),
    st.builds(RefuseExtension, note_id=st.just(NOTE), request_id=PARTS),
)
#: Drafting begins a note and cannot concern one that exists.
BEGINS = {"draft-note"}


class SignedNote(RuleBasedStateMachine):
    """A note under any commands. What was signed is remembered, and compared after every step."""

    @initialize()
    def draft(self) -> None:
        self.stream: Stream = A_DRAFT
        self.signed: tuple[str, bytes, tuple[Event, ...]] | None = None
        self.hour = 0

    @rule(command=COMMANDS, actor=ACTORS)
    def give(self, command: Command, actor: str) -> None:
        self._give(command, actor)

    @precondition(lambda self: self.signed is None)
    @rule()
    def complete_and_sign(self) -> None:
        self._give(WriteNote(note_id=NOTE, content=COMPLETE), ANN)
        self._give(SignNote(note_id=NOTE), ANN)

    def _give(self, command: Command, actor: str) -> None:
        self.hour += 1
        at = datetime.fromisoformat("2026-01-05T09:00:00-08:00") + timedelta(hours=self.hour)
        outcome = given(*CHART, self.stream).when(command, by=actor, at=at.isoformat())
        self.stream = self.stream.and_then(*(change.event for change in outcome.changes))
        note = self._note()
        if self.signed is None and note.signed is not None:
            self.signed = (note.signed.content_sha256, self._bytes(note), self.stream.events)

    def _note(self) -> Note:
        note = Note(NOTE)
        for event in self.stream.events:
            note.replay(event, datetime.fromisoformat(EARLIER))
        return note

    @staticmethod
    def _bytes(note: Note) -> bytes:
        assert note.drafted is not None
        return canonical_content(note.drafted, note.content)

    @invariant()
    def what_was_signed_stays_as_it_was(self) -> None:
        if self.signed is None:
            return
        digest, content, events = self.signed
        note = self._note()
        assert note.signed is not None
        assert note.signed.content_sha256 == digest == note.content_sha256
        assert self._bytes(note) == content
        assert self.stream.events[: len(events)] == events
        assert [event.TYPE for event in self.stream.events].count("note.signed") == 1
        assert "note.content_written" not in [event.TYPE for event in self.stream.events[len(events) :]]


TestSignedNote = SignedNote.TestCase
TestSignedNote.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


def test_the_machine_gives_every_command_that_a_note_decides() -> None:
    decided = {cls.NAME for cls, handler in handlers().items() if handler.aggregate is Note}
    given_here: set[type[Command]] = {
        WriteNote,
        SignNote,
        CosignNote,
        AddAddendum,
        AmendNote,
        MarkLateEntry,
        MarkNoteInError,
    }
    given_here |= {RequestExtension, GrantExtension, RefuseExtension}
    assert {cls.NAME for cls in given_here} | BEGINS == decided
    assert decided <= set(command_types())


def test_a_stream_holds_what_it_was_given() -> None:
    assert of(NOTE, *A_DRAFT.events) == A_DRAFT
