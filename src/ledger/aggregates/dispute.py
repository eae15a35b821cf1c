"""A late-signature dispute: somebody contests the verdict on a note; evidence is added; compliance decides.

Source: PSC-13 to PSC-15 (verdicts and their monthly review); design §1.9 (which rule applied is an answer).
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from ledger.aggregates.base import Aggregate, Given, decides
from ledger.aggregates.days import day_of
from ledger.aggregates.note import Note
from ledger.aggregates.staff import acting_staff
from ledger.aggregates.vocabulary import Command, Event, Id, Label, Text, event
from ledger.errors import Reasons
from ledger.policies.deadline_rules import rule_book


@event("dispute.opened")
class DisputeOpened(Event, frozen=True, kw_only=True):
    """Somebody contests the timeliness verdict on a note."""

    note_id: str
    client_id: str
    opened_by: str
    claim: str


@event("dispute.evidence_added")
class EvidenceAdded(Event, frozen=True, kw_only=True):
    """Evidence for or against: what kind, what it says, and the events it points to."""

    note_id: str
    evidence_id: str
    kind: str
    text: str
    events: tuple[str, ...] = ()


@event("dispute.decided")
class DisputeDecided(Event, frozen=True, kw_only=True):
    """Compliance decided the dispute; the verdict itself stays what the rule says, and the decision stands beside."""

    note_id: str
    outcome: str
    rule_id: str
    reading: str
    reasoning: str
    decided_by: str


class OpenDispute(Command, frozen=True, kw_only=True):
    """Contest the timeliness verdict on a note."""

    NAME = "open-dispute"
    dispute_id: Id
    note_id: Id
    claim: Text


class AddEvidence(Command, frozen=True, kw_only=True):
    """Add evidence to an open dispute."""

    NAME = "add-evidence"
    dispute_id: Id
    evidence_id: Id
    kind: Literal["statement", "document", "event", "system"]
    text: Text
    events: tuple[Label, ...] = ()


class DecideDispute(Command, frozen=True, kw_only=True):
    """Decide a dispute, with the rule and the reading it was decided under."""

    NAME = "decide-dispute"
    dispute_id: Id
    outcome: Literal["upheld", "overturned", "withdrawn"]
    rule_id: Label
    reading: Label
    reasoning: Text


class Dispute(Aggregate):
    """One dispute about one note; keyed by the note's chart."""

    KIND = "dispute"

    def __init__(self, identifier: str) -> None:
        super().__init__(identifier)
        self.opened: DisputeOpened | None = None
        self.opened_at: datetime | None = None
        self.evidence: set[str] = set()
        self.decided = False
        self.last_at: datetime | None = None

    def apply(self, event: Event, occurred_at: datetime) -> None:
        self.last_at = occurred_at if self.last_at is None else max(self.last_at, occurred_at)
        match event:
            case DisputeOpened():
                self.opened, self.opened_at = event, occurred_at
                self.key = self.chart_id = event.client_id
            case EvidenceAdded():
                self.evidence.add(event.evidence_id)
            case DisputeDecided():
                self.decided = True
            case _:
                raise TypeError(f"a dispute's stream cannot hold {event.TYPE}")

    @property
    def _note_id(self) -> str:
        if self.opened is None:
            raise TypeError("this dispute has not been opened")
        return self.opened.note_id

    def owners(self, command: Command, given: Given) -> frozenset[str]:
        """Whoever opened it, and the author of the note."""
        note_id = command.note_id if isinstance(command, OpenDispute) else self._note_id
        note = given.find(Note, note_id)
        if note is None:  # nobody's: the decision says that it is not there
            return frozenset({given.actor.id} if self.opened is None else {self.opened.opened_by})
        return frozenset({note.facts.author_id, *({self.opened.opened_by} if self.opened else ())})

    def not_before(self, command: Command, given: Given) -> tuple[datetime, str] | None:
        """A dispute follows the signature that it is about, evidence its opening, the decision all of it."""
        if isinstance(command, OpenDispute):
            note = given.find(Note, command.note_id)
            if note is None:
                return None
            if note.signed_at is not None:
                return note.signed_at, "the note was signed"
            return note.facts.service_ended_at, "the service ended"
        if isinstance(command, DecideDispute):
            return (self.last_at, "the last that was said in it happened") if self.last_at else None
        return (self.opened_at, "the dispute was opened") if self.opened_at else None

    @decides(OpenDispute, on="dispute_id", creates=True)
    def open(self, command: OpenDispute, given: Given) -> None:
        reasons = Reasons()
        note = given.find(Note, command.note_id)
        acting_staff(given, reasons)
        if note is None:
            reasons.add("note_id", "no such note", "check the id")
        reasons.refuse_if_any()
        self.record(
            DisputeOpened(
                note_id=command.note_id,
                client_id=note.key if note else "",
                opened_by=given.actor.id,
                claim=command.claim,
            ),
            given.occurred_at,
        )

    def _check_pointed(self, reasons: Reasons, given: Given, pointed: str, field: str) -> None:
        """Evidence points to events that are recorded: of this chart, or of none."""
        stream, _, version = pointed.partition("@")
        found = given.find(Aggregate, stream)  # type: ignore[type-abstract]  # any kind of thing
        there = found is not None and version.isdecimal() and 1 <= int(version) <= found.version
        reasons.unless(
            there,
            field,
            f"there is no event {pointed}",
            "write an event id, STREAM@VERSION, as the trace and record print it",
            "unknown",
        )
        if there and found is not None and found.chart_id not in (None, self.chart_id):
            reasons.add(field, f"the event {pointed} belongs to another chart", "point to events of this note's chart")

    @decides(AddEvidence, on="dispute_id", parts=("evidence_id",))
    def add_evidence(self, command: AddEvidence, given: Given) -> None:
        reasons = Reasons()
        reasons.unless(not self.decided, "dispute_id", "this dispute is decided", "open a new one")
        reasons.unless(command.evidence_id not in self.evidence, "evidence_id", "this evidence was added before")
        for number, pointed in enumerate(command.events):
            self._check_pointed(reasons, given, pointed, f"events[{number}]")
        reasons.refuse_if_any()
        self.record(
            EvidenceAdded(
                note_id=self._note_id,
                evidence_id=command.evidence_id,
                kind=command.kind,
                text=command.text,
                events=command.events,
            ),
            given.occurred_at,
        )

    @decides(DecideDispute, on="dispute_id")
    def decide(self, command: DecideDispute, given: Given) -> None:
        reasons = Reasons()
        reasons.unless(not self.decided, "dispute_id", "this dispute is decided already")
        acting_staff(given, reasons)
        note = given.find(Note, self._note_id)
        _check_reading(reasons, command, note, given)
        reasons.refuse_if_any()
        self.record(
            DisputeDecided(
                note_id=self._note_id,
                outcome=command.outcome,
                rule_id=command.rule_id,
                reading=command.reading,
                reasoning=command.reasoning,
                decided_by=given.actor.id,
            ),
            given.occurred_at,
        )


def _check_reading(reasons: Reasons, command: DecideDispute, note: Note | None, given: Given) -> None:
    """A decision names a rule that governs the note, and one of its readings (with a version or without)."""
    book = rule_book()
    governing = _governing(note, given)
    if command.rule_id not in governing:
        known = command.rule_id in (*(rule.id for rule in book.rules), *(rating.id for rating in book.ratings))
        reasons.add(
            "rule_id",
            f"{command.rule_id} does not govern {_told(note)}" if known else f"there is no rule {command.rule_id!r}",
            f"use one of {', '.join(governing)}" if governing else "no rule sets a limit for it",
            "unknown",
        )
        return
    rows = book.rule_or_rating(command.rule_id).readings
    names = {name for row in rows for name in (row.id, f"{row.id}@{row.version}")}
    reasons.unless(
        command.reading in names,
        "reading",
        f"{command.rule_id} has no reading {command.reading!r}",
        f"use one of {', '.join(dict.fromkeys(row.id for row in rows))}",
        "unknown",
    )


def _governing(note: Note | None, given: Given) -> tuple[str, ...]:
    """The rules and ratings that the verdict on a note may rest on, by the day of its service."""
    if note is None:
        return ()
    facts = note.facts
    day = day_of(given, facts.service_ended_at, facts.program)
    return rule_book().governing_ids(facts.document, facts.program, day)


def _told(note: Note | None) -> str:
    if note is None:
        return "a note that is not there"
    return f"a {note.facts.document.replace('_', ' ')} of program {note.facts.program}"
