"""A service and its note as the timeliness view keeps them, and the verdicts on it by either clock.

The same rulings rate a note in the view's rows, in the monthly review and in the trace, so that the three cannot
disagree. Sources: PSC-13, PSC-14, CSS-7, BHIN 23-068.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

import msgspec

from ledger.clock import from_text
from ledger.policies.rulings import Extension, Question, Ruling, decide, known
from ledger.policies.timeliness import Verdict, Verdicts, rate

#: Which clock says when something was signed or asked for: the server's decides, the person's is shown beside it.
Clock = Literal["server", "claimed"]


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A request for more time and its decision. ``…_at`` is the server's time, ``claimed_…`` the person's."""

    request_id: str
    asked_by: str
    requested_at: str
    claimed_requested_at: str
    reason: str
    decided_at: str | None = None
    claimed_decided_at: str | None = None
    decided_by: str | None = None
    granted: bool | None = None
    comment: str = ""


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """Who signed or co-signed, when by the server (``signed_at``), and when by their own word (``claimed_at``)."""

    signer_id: str
    printed_name: str
    role: str
    credential: str | None
    signed_at: str
    claimed_at: str
    late_reason: str | None = None


class NoteFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One note of a service: everything about it that timeliness depends on, and none of its content."""

    note_id: str
    author_id: str
    drafted_at: str
    last_written_at: str
    signature: Signature | None = None
    cosignatures: tuple[Signature, ...] = ()
    requests: tuple[Request, ...] = ()
    late_entry: str | None = None
    in_error: str | None = None


class Correction(msgspec.Struct, frozen=True, kw_only=True):
    """A correction that moved the end of the service, from which every deadline counts; ends are ISO text as meant."""

    event_id: str
    recorded_at: str
    corrected_by: str
    reason: str
    ended_before: str
    ended_after: str


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """A deadline of the service under one reading of one rule; ``due`` is ISO text in the agency's zone."""

    rule_id: str
    role: str
    reading: str
    policy_version: str
    due: str


class Rated(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict under one reading (and, with an extension granted, one reading of that)."""

    rule_id: str
    role: str
    reading: str
    extension_reading: str | None
    policy_version: str
    outcome: str
    due: str
    extension: str | None
    requested_late: bool


class ServiceNote(msgspec.Struct, frozen=True, kw_only=True):
    """A service and its note. Times are ISO text; ``started_at`` and ``ended_at`` keep the offset that was meant.

    ``state`` is ``missing``, ``draft`` or ``signed``, for the note that stands (``note_id``): the first one signed
    that is not in error, or else the last draft. ``policy_due``, ``extension_due`` and ``state_due`` go by the rules'
    default readings, ``dues`` holds every reading. ``earliest_day`` and ``latest_day`` bound the service dates it
    ever had. ``corrections`` are those that moved its end, in order. ``problem`` says why no rule could be applied (a
    program or a year that the rule book does not know).
    """

    contact_id: str
    client_id: str
    staff_id: str
    program: str
    contact_kind: str
    document: str
    started_at: str
    ended_at: str
    service_day: str = ""
    earliest_day: str
    latest_day: str
    state: str = "missing"
    note_id: str | None = None
    signed_at: str | None = None
    policy_due: str | None = None
    extension_due: str | None = None
    state_due: str | None = None
    late_entry: bool = False
    in_error: str | None = None
    problem: str | None = None
    notes: tuple[NoteFacts, ...] = ()
    corrections: tuple[Correction, ...] = ()
    dues: tuple[Due, ...] = ()
    verdicts: tuple[Rated, ...] = ()

    def note(self, note_id: str | None) -> NoteFacts | None:
        """One of its notes; None if it has none of that id."""
        return next((note for note in self.notes if note.note_id == note_id), None)


def rate_note(
    row: ServiceNote,
    note: NoteFacts | None,
    *,
    as_at: datetime,
    adopted: Mapping[str, str] | None = None,
    calendar: str | None = None,
    clock: Clock = "server",
) -> Verdicts:
    """The verdicts on a note of this service (None: it has none) as known at ``as_at``, by one of the two clocks.

    ``calendar`` is the one adopted, None the program's own. Raises ``RuleError`` or ``CalendarError`` where no rule can
    be applied.
    """
    signed = None
    if note is not None and note.signature is not None:
        signed = _said(note.signature.signed_at, note.signature.claimed_at, clock)
    return rate(
        row.document,
        row.program,
        datetime.fromisoformat(row.ended_at),
        signed,
        extension=None if note is None else extension_of(note, as_at, clock),
        adopted=adopted,
        calendar=calendar,
        as_at=as_at,
    )


def rulings_on(note: NoteFacts, asked: tuple[Question, ...], ended: datetime) -> list[Ruling]:
    """What is decided on a signed note of a service that ended then, as known at the last thing that happened to it."""
    times = [note.drafted_at, note.signature.signed_at if note.signature else ""]
    times += [at for request in note.requests for at in (request.requested_at, request.decided_at or "")]
    as_at = from_text(max(times))
    signed = None if note.signature is None else from_text(note.signature.signed_at)
    return decide(asked, known(ended, signed, as_at, extension_of(note, as_at)))


def extension_of(note: NoteFacts, as_at: datetime, clock: Clock = "server") -> Extension | None:
    """The request for more time that counts at ``as_at``: the first one granted, or else the last one made."""
    known: list[Extension] = []
    for request in note.requests:
        asked = _said(request.requested_at, request.claimed_requested_at, clock)
        if asked > as_at:
            continue
        decided = None
        if request.decided_at is not None and request.claimed_decided_at is not None:
            # By their own word a decision may come before its request; it cannot have been made earlier than asked for.
            decided = max(asked, _said(request.decided_at, request.claimed_decided_at, clock))
        if decided is None or decided > as_at:
            known.append(Extension(requested_at=asked))
        else:
            known.append(Extension(requested_at=asked, decided_at=decided, granted=request.granted))
    granted = [extension for extension in known if extension.granted]
    return granted[0] if granted else known[-1] if known else None


def _said(server: str, claimed: str, clock: Clock) -> datetime:
    return from_text(server if clock == "server" else claimed)


def to_rated(verdict: Verdict) -> Rated:
    """A verdict as a row keeps it; its words are made again from the rule when somebody asks."""
    return Rated(
        rule_id=verdict.rule_id,
        role=verdict.role,
        reading=verdict.reading,
        extension_reading=verdict.extension_reading,
        policy_version=verdict.policy_version,
        outcome=verdict.outcome,
        due=verdict.due.due.isoformat(),
        extension=verdict.extension,
        requested_late=verdict.requested_late,
    )


def ruled(ruling: Ruling) -> Rated:
    """A ruling as a row keeps it."""
    question = ruling.question
    return Rated(
        rule_id=question.owner.id,
        role=question.role,
        reading=question.reading,
        extension_reading=ruling.extension_reading,
        policy_version=question.policy_version,
        outcome=ruling.outcome,
        due=ruling.counted.told(ruling.due),
        extension=ruling.extension,
        requested_late=ruling.requested_late,
    )
