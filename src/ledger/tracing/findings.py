"""What a trace finds, as plain data: the structs that text, HTML and JSON are made from."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from ledger.proof.between import Bracket
from ledger.tracing.changes import Change
from ledger.tracing.knowledge import Knowledge, Reading
from ledger.tracing.words import OUTCOMES


class TracedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event of the story, on both clocks. ``gap_seconds`` is how long after ``occurred_at`` it was recorded."""

    number: int
    event_id: str
    position: int
    type: str
    words: str
    occurred_at: datetime
    recorded_at: datetime
    gap_seconds: float
    actor_id: str
    actor_name: str
    role: str
    credential: str | None
    purpose: str


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """One deadline with its arithmetic in words; ``serves`` names the rules (and readings) that come to it."""

    limit: str
    due: datetime
    words: str
    serves: tuple[str, ...]
    adopted: bool
    calendar_version: str


class Opinion(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict under one reading: ``outcome`` by the server's clock, which decides, and by the person's own.

    ``by_seconds`` is how long after (negative: before) ``due`` the note was signed, by the server's clock. A rating has
    two limits: ``due`` ends Full, ``partial_due`` ends Partial.
    """

    rule_id: str
    title: str
    role: str
    reading: str
    policy_version: str
    adopted: bool
    is_default: bool
    outcome: str
    outcome_by_claimed_clock: str
    due: datetime
    partial_due: datetime | None
    by_seconds: float | None
    reasons: tuple[str, ...]
    source: str
    confidence: str
    requested_late: bool = False
    at_best: str | None = None

    @property
    def said(self) -> str:
        """The outcome in words; of a rating whose note is not signed yet, with what it can still become."""
        outcome = OUTCOMES[self.outcome]
        return outcome if self.at_best is None else f"{outcome} (at best {OUTCOMES[self.at_best]})"


class Adopted(msgspec.Struct, frozen=True, kw_only=True):
    """Which reading of a rule was in force for the service date, why, and what was known of that at the signature."""

    rule_id: str
    reading: str
    is_default: bool
    reasons: tuple[str, ...]
    known_at_signature: str | None


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """An event that turned a verdict afterwards: its number in the trace, what it says, whose it is, when recorded."""

    event: int
    event_id: str
    actor_id: str
    actor_name: str
    recorded_at: datetime
    words: str


class Restated(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict in force that is another than by what was known at ``known_at``: the signature, or the service's end.

    ``events`` are the numbers of the events that turned it since, ``because`` tells of each. ``by_first_end``: a
    correction before the signature made the outcome; ``…_then`` is by the service's end first recorded.
    """

    rule_id: str
    known_at: datetime
    reading_then: str
    outcome_then: str
    due_then: datetime
    reading_now: str
    outcome_now: str
    due_now: datetime
    events: tuple[int, ...]
    because: tuple[Cause, ...]
    by_first_end: bool = False


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request for more time: who asked, who decided, both on both clocks."""

    request_id: str
    asked_by: str
    requested_at: datetime
    claimed_requested_at: datetime
    reason: str
    requested_late: bool
    decision: str
    decided_by: str | None
    decided_at: datetime | None
    claimed_decided_at: datetime | None
    comment: str


class Contested(msgspec.Struct, frozen=True, kw_only=True):
    """A dispute about the note. Its decision stands beside the verdict, which stays what the rule says."""

    dispute_id: str
    opened_by: str
    opened_at: datetime
    claim: str
    evidence: int
    outcome: str | None = None
    rule_id: str | None = None
    reading: str | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None


class Signed(msgspec.Struct, frozen=True, kw_only=True):
    """A signature on both clocks; ``gap_seconds`` is how long after the claimed time the server recorded it."""

    signer_id: str
    name: str
    role: str
    credential: str | None
    claimed_at: datetime
    recorded_at: datetime
    gap_seconds: float
    late_reason: str | None


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What the bracket says of one deadline, whatever the clocks said: proved in time, proved late, or neither."""

    rule_id: str
    reading: str
    due: datetime
    proved: Literal["in time", "late", "undecided"]


class SignatureBracket(msgspec.Struct, frozen=True, kw_only=True):
    """One signing event of the note (``event`` is its number in the trace), its bracket, and what contradicts it."""

    event: int
    event_id: str
    what: str
    name: str
    claimed_at: datetime
    recorded_at: datetime
    bracket: Bracket
    findings: tuple[str, ...]
    deadlines: tuple[Judged, ...]


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about one note's timeliness, as known at log position ``position`` and evaluated at ``as_at``.

    Times are aware: ``occurred_at``, ``claimed_…`` and the service keep the offset that was meant; all others are in
    the agency's zone (``zone``).
    """

    note_id: str
    chart_id: str
    contact_id: str
    document: str
    program: str
    zone: str
    position: int
    as_at: datetime
    as_known_at: datetime | None
    author_id: str
    author: str
    service_started_at: datetime
    service_ended_at: datetime
    service_ended_at_when_drafted: datetime
    in_error: str | None
    late_entry: str | None
    problem: str | None
    signature: Signed | None
    cosignatures: tuple[Signed, ...]
    brackets: tuple[SignatureBracket, ...]
    opinions: tuple[Opinion, ...]
    limits: tuple[Limit, ...]
    adopted: tuple[Adopted, ...]
    restated: tuple[Restated, ...]
    requests: tuple[Asked, ...]
    changes: tuple[Change, ...]
    disputes: tuple[Contested, ...]
    events: tuple[TracedEvent, ...]
    knowledge: tuple[Knowledge, ...]
    reads: tuple[Reading, ...]

    def turned(self, opinion: Opinion) -> Restated | None:
        """What an opinion was when it was settled, where it is in force and something recorded since turned it."""
        found = (one for one in self.restated if one.rule_id == opinion.rule_id)
        return next(found, None) if opinion.adopted else None
