"""Notes: drafted, written, signed at once or days later, with more time asked for; then added to and corrected."""

from __future__ import annotations

from datetime import date, datetime
from functools import partial

from ledger.aggregates.contact import CorrectContact, MarkContactInError
from ledger.aggregates.note_events import (
    AddAddendum,
    AmendNote,
    CosignNote,
    DraftNote,
    GrantExtension,
    MarkLateEntry,
    MarkNoteInError,
    NoteContent,
    RefuseExtension,
    RequestExtension,
    SignNote,
    WriteNote,
)
from ledger.simulation import words
from ledger.simulation.agency import ASSOCIATES, Agency, NoteFile, hours, minutes

LATE_REASON = "Back-to-back visits; completed from the notes of the day."
NO_PLAN = {"crisis": "Crisis: no plan applies.", "assessment": "Intake: no plan is in force yet."}


def document(agency: Agency, note: NoteFile, *, late_entry: bool) -> None:
    """Decide, when a contact is recorded, how its note will come about."""
    author, rng = note.author, note.author.rng
    options = author.style.delays
    delay = rng.choices([d for d, _ in options], [w for _, w in options])[0]
    today = agency.today()
    if note.kind == "crisis" and delay is not None:
        delay = min(delay, 2)
    if delay is None:
        if rng.random() < 0.6:  # begun and left lying; the others have no note at all
            agency.stage.at(agency.stage.now + minutes(8), partial(draft, agency, note, None))
        return
    if delay == 0:
        begin = agency.stage.now + minutes(rng.randrange(1, 15))
        _finish(agency, note, begin + minutes(rng.randrange(3, 12)), begin, late_entry)
        return
    day = agency.workday(author, today, delay)
    if day is None:  # nobody comes back to it
        agency.stage.at(agency.stage.now + minutes(8), partial(draft, agency, note, None))
        return
    sign_at = agency.desk_time(author, day)
    overdue = sign_at - note.ended_at > hours(72)
    if overdue and rng.random() < author.style.asks_for_time:
        begin = agency.stage.now + minutes(6)
        _ask_for_time(agency, note, sign_at)
    else:
        begin = agency.stage.now + minutes(6) if rng.random() < 0.5 else sign_at - minutes(14)
    _finish(agency, note, sign_at, begin, late_entry)


def _finish(agency: Agency, note: NoteFile, sign_at: datetime, begin: datetime, late_entry: bool) -> None:
    """Draft at ``begin``, write shortly before the signature when that is later, and sign."""
    at_once = sign_at - begin < minutes(30)
    agency.stage.at(begin, partial(draft, agency, note, "all" if at_once else None))
    if not at_once:
        agency.stage.at(sign_at - minutes(5), partial(write, agency, note))
    agency.stage.at(sign_at, partial(sign, agency, note, late_entry))


def draft(agency: Agency, note: NoteFile, content: str | None) -> None:
    """Begin the note, with all its content or none yet."""
    if note.drafted or note.in_error or not note.author.employed(agency.today()):
        return
    note.drafted = True
    command = DraftNote(note_id=note.note_id, contact_id=note.contact_id)
    if content is not None:
        command = DraftNote(note_id=note.note_id, contact_id=note.contact_id, content=_content(agency, note))
    agency.stage.do(command, note.author.id, thread=note.contact_id)


def _content(agency: Agency, note: NoteFile, without: str | None = None) -> NoteContent:
    objectives = note.chart.objectives_on(agency.days.date_of(note.ended_at))
    reason = NO_PLAN.get(note.kind, "Intake: the plan is being written.")
    return words.note_content(note.author.rng, note.kind, objectives, reason, without=without)


def write(agency: Agency, note: NoteFile) -> None:
    """Write the draft out."""
    if note.in_error or not note.author.employed(agency.today()):
        return
    draft(agency, note, None)
    agency.stage.do(
        WriteNote(note_id=note.note_id, content=_content(agency, note)), note.author.id, thread=note.contact_id
    )


def sign(agency: Agency, note: NoteFile, late_entry: bool = False, told: bool = False) -> None:
    """Sign; first be refused for what is missing, where somebody forgot it or a credential has lapsed."""
    author, rng, stage = note.author, note.author.rng, agency.stage
    if note.in_error or not note.drafted or not author.employed(agency.today()):
        return
    if author.lapsed(agency.days.date_of(note.ended_at)):
        if rng.random() < 0.3:
            stage.refused(SignNote(note_id=note.note_id), author.id, "credential", note.contact_id)
        return
    if not told and rng.random() < author.style.forgets_a_section:
        incomplete = _content(agency, note, without=words.last_section(note.kind))
        stage.do(WriteNote(note_id=note.note_id, content=incomplete), author.id, thread=note.contact_id)
        stage.refused(SignNote(note_id=note.note_id), author.id, "incomplete", note.contact_id)
        stage.at(stage.now + minutes(4), partial(_mend_and_sign, agency, note))
        return
    _sign_now(agency, note)
    if late_entry:
        late = MarkLateEntry(note_id=note.note_id, reason="The service was missed when the day was recorded.")
        stage.do(late, author.id, thread=note.contact_id)
    if not told:
        _afterwards(agency, note)


def _mend_and_sign(agency: Agency, note: NoteFile) -> None:
    if note.in_error:
        return
    write(agency, note)
    _sign_now(agency, note)
    _afterwards(agency, note)


def _sign_now(agency: Agency, note: NoteFile) -> None:
    overdue = agency.stage.now - note.ended_at > hours(72)
    reason = LATE_REASON if overdue and note.author.rng.random() < 0.8 else None
    agency.stage.do(SignNote(note_id=note.note_id, late_reason=reason), note.author.id, thread=note.contact_id)
    note.signed_at = agency.stage.now
    agency.credit(note, 1)


def _ask_for_time(agency: Agency, note: NoteFile, sign_at: datetime) -> None:
    """Ask the supervisor for more time: before the 72 hours are over, or (late) after them (PSC-13)."""
    rng = note.author.rng
    today = agency.today()
    in_time = rng.random() < 0.55
    days = [agency.workday(note.author, today, count) for count in range(1, 9)]
    moments = [agency.desk_time(note.author, day) for day in days if day is not None]
    fitting = [m for m in moments if m < sign_at - minutes(30) and (m - note.ended_at <= hours(72)) == in_time]
    if fitting:
        agency.stage.at(fitting[-1 if in_time else 0], partial(ask_for_time, agency, note, None))


def ask_for_time(agency: Agency, note: NoteFile, decide_at: datetime | None) -> None:
    """Ask now; the supervisor decides on the next open day (or at ``decide_at``), mostly in favour."""
    if note.in_error or not note.drafted or note.signed_at or not note.author.employed(agency.today()):
        return
    rng = note.author.rng
    request_id = agency.stage.ids.new()
    reason = rng.choice(("Crisis coverage on two days.", "Away for a training.", "Waiting for the clinic's report."))
    command = RequestExtension(note_id=note.note_id, request_id=request_id, reason=reason)
    agency.stage.do(command, note.author.id, thread=note.contact_id)
    note.asked_for_time = request_id
    roll = rng.random()
    moment = decide_at or agency.days.at(agency.days.next_open(agency.today()), 10, rng.randrange(360))
    if decide_at is not None or roll < 0.76:
        agency.stage.at(moment, partial(_grant, agency, note, request_id))
    elif roll < 0.94:
        agency.stage.at(moment, partial(_refuse, agency, note, request_id))


def _grant(agency: Agency, note: NoteFile, request_id: str) -> None:
    command = GrantExtension(note_id=note.note_id, request_id=request_id, comment="Granted, as asked.")
    agency.stage.do(command, note.author.supervisor_id, "operations", note.contact_id)


def _refuse(agency: Agency, note: NoteFile, request_id: str) -> None:
    command = RefuseExtension(note_id=note.note_id, request_id=request_id, comment="Third request this month.")
    agency.stage.do(command, note.author.supervisor_id, "operations", note.contact_id)


def _afterwards(agency: Agency, note: NoteFile) -> None:
    """What may follow a signature in the next days: a co-signature, an addendum, an amendment, an error found."""
    author, rng, days, stage = note.author, note.author.rng, agency.days, agency.stage
    today = agency.today()
    if author.credential in ASSOCIATES and rng.random() < 0.94:
        day = days.next_open(today, rng.randrange(1, 5))
        stage.at(days.at(day, 9, rng.randrange(420)), partial(cosign, agency, note))
    roll = rng.random()
    if roll < 0.062:
        day = agency.workday(author, today, rng.randrange(1, 8)) or date.max
        if day == date.max:
            return
        moment = agency.desk_time(author, day)
        if roll < 0.03:
            stage.at(moment, partial(add_addendum, agency, note, "The client called: the appointment has moved."))
        elif roll < 0.042:
            stage.at(moment, partial(amend, agency, note))
        elif roll < 0.048:
            stage.at(moment, partial(mark_in_error, agency, note))
        else:
            stage.at(moment, partial(correct_contact, agency, note))


def cosign(agency: Agency, note: NoteFile) -> None:
    if not note.in_error:
        agency.stage.do(CosignNote(note_id=note.note_id), note.author.supervisor_id, "operations", note.contact_id)


def add_addendum(agency: Agency, note: NoteFile, text: str) -> None:
    """Add new information; some first try to rewrite the signed note, which nothing allows (PSC-11)."""
    if note.in_error or not note.author.employed(agency.today()):
        return
    if note.author.rng.random() < 0.3:
        again = WriteNote(note_id=note.note_id, content=_content(agency, note))
        agency.stage.refused(again, note.author.id, "signed", note.contact_id)
    command = AddAddendum(note_id=note.note_id, addendum_id=agency.stage.ids.new(), text=text)
    agency.stage.do(command, note.author.id, thread=note.contact_id)


def amend(agency: Agency, note: NoteFile) -> None:
    if note.in_error or not note.author.employed(agency.today()):
        return
    command = AmendNote(
        note_id=note.note_id,
        amendment_id=agency.stage.ids.new(),
        kind=note.author.rng.choice(("clarification", "correction")),
        section=words.first_section(note.kind),
        text="The visit was asked for by the client, not by the residence.",
        reason="The first wording could be misread.",
    )
    agency.stage.do(command, note.author.id, thread=note.contact_id)


def mark_in_error(agency: Agency, note: NoteFile) -> None:
    """The service belongs to another chart: the note and the contact are taken out of account."""
    if note.in_error or not note.author.employed(agency.today()):
        return
    reason = "Entered in the wrong chart."
    agency.stage.do(MarkNoteInError(note_id=note.note_id, reason=reason), note.author.id, "operations", note.contact_id)
    agency.stage.do(
        MarkContactInError(contact_id=note.contact_id, reason=reason), note.author.id, "operations", note.contact_id
    )
    note.in_error = True
    if note.signed_at:
        agency.credit(note, -1)


def correct_contact(agency: Agency, note: NoteFile) -> None:
    """The direct minutes were wrong; the corrected ones count, the first ones stay readable."""
    if note.in_error or note.direct < 10 or not note.author.employed(agency.today()):
        return
    if note.signed_at:
        agency.credit(note, -1)
    note.direct -= note.author.rng.randrange(3, 9)
    if note.signed_at:
        agency.credit(note, 1)
    command = CorrectContact(
        contact_id=note.contact_id, reason="Direct minutes included the way.", direct_minutes=note.direct
    )
    agency.stage.do(command, note.author.id, "operations", note.contact_id)
